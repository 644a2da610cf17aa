//! What a `[[fault]]` or a `[[random_faults.choice]]` says in itself: one kind, what it takes, whom it is aimed at. Pure.

use std::time::Duration;

use super::fault::{AtMessage, FaultKind};
use super::target::Target;
use super::validation::FaultProblem;
use crate::link::topology::Way;
use crate::link::{Direction, LinkFault};
use crate::scenario::file::{DoSpec, FaultChoice, FaultSpec, How, MessageSpec, Only};
use crate::scenario::manifest::Node;
use crate::sweep::point::{Action, Manner, MessageName, manner_of};

/// The kind and target of a fault that [`super::validate`] accepts.
pub(super) fn what_of(keys: &Keys<'_>) -> Result<(FaultKind, Target), FaultProblem> {
    keys.what().map(|(_, kind, target)| (kind, target))
}

/// What `[[fault]]` and a random choice have in common.
pub(super) struct Keys<'a> {
    links: [(&'static str, Option<&'a [String; 2]>); 8],
    processes: [(&'static str, Option<&'a String>); 2],
    /// A server of a cluster, against its peers.
    isolate: Option<&'a String>,
    halves: Option<&'a Vec<String>>,
    clusters: [(&'static str, Option<&'a String>); 3],
    with: Option<&'a Vec<String>>,
    delay: Option<Duration>,
    jitter: Option<Duration>,
    kilobytes_per_second: Option<u32>,
    only: Option<Only>,
    how: Option<How>,
    unreplicated_for: Option<Duration>,
    /// An exact message, and what is done at it; of a `[[fault]]` alone.
    message: Option<&'a MessageSpec>,
    action: Option<DoSpec>,
}

macro_rules! keys_from {
    ($table:ty, $message:expr) => {
        impl<'a> From<&'a $table> for Keys<'a> {
            fn from(table: &'a $table) -> Self {
                let message: fn(&'a $table) -> (Option<&'a MessageSpec>, Option<DoSpec>) = $message;
                let (message, action) = message(table);
                Self {
                    links: [
                        ("partition", table.partition.as_ref()),
                        ("refuse", table.refuse.as_ref()),
                        ("black_hole", table.black_hole.as_ref()),
                        ("latency", table.latency.as_ref()),
                        ("answer_lost", table.answer_lost.as_ref()),
                        ("bandwidth", table.bandwidth.as_ref()),
                        ("reset_peer", table.reset_peer.as_ref()),
                        ("slow_close", table.slow_close.as_ref()),
                    ],
                    processes: [("kill", table.kill.as_ref()), ("pause", table.pause.as_ref())],
                    isolate: table.isolate.as_ref(),
                    halves: table.halves.as_ref(),
                    clusters: [
                        ("step_down", table.step_down.as_ref()),
                        ("two_primaries", table.two_primaries.as_ref()),
                        ("roll_oplog", table.roll_oplog.as_ref()),
                    ],
                    with: table.with.as_ref(),
                    delay: table.delay,
                    jitter: table.jitter,
                    kilobytes_per_second: table.kilobytes_per_second,
                    only: table.only,
                    how: table.how,
                    unreplicated_for: table.unreplicated_for,
                    message,
                    action,
                }
            }
        }
    };
}
keys_from!(FaultSpec, |table| (table.at_message.as_ref(), table.action));
keys_from!(FaultChoice, |_| (None, None));

impl Keys<'_> {
    /// The one kind that is given.
    pub(super) fn what(&self) -> Result<(&'static str, FaultKind, Target), FaultProblem> {
        let links = self.links.iter().filter_map(|&(key, pair)| {
            let [client, server] = pair?;
            Some((key, Target::Link { client: client.clone(), server: server.clone() }))
        });
        let processes = self.processes.iter().filter_map(|&(key, name)| Some((key, Target::Process(name?.clone()))));
        let isolate = self.isolate.map(|server| ("isolate", Target::Peers { server: server.clone(), way: self.way() }));
        let halves = self.halves.map(|side| ("halves", Target::Halves(side.clone())));
        let mut given: Vec<(&'static str, Target)> = links.chain(isolate).chain(halves).chain(processes).collect();
        for (key, name) in self.clusters {
            if let Some(name) = name {
                given.push((key, cluster(key, name, self.with)?));
            }
        }
        if let Some(message) = self.message {
            given.push(("at_message", Target::Message(message_name(message)?)));
        }
        let mut given = given.into_iter();
        let Some((key, target)) = given.next() else {
            let names = self.names().join(", ");
            return Err(problem("", format!("nothing happens here; give one of: {names}")));
        };
        if let Some((second, _)) = given.next() {
            let message = format!("`{key}` is given already; one fault is of one kind: write a second table");
            return Err(problem(second, message));
        }
        Ok((key, self.kind(key)?, target))
    }

    /// Every kind there is.
    fn names(&self) -> Vec<&'static str> {
        let links = self.links.iter().map(|&(key, _)| key);
        let processes = self.processes.iter().map(|&(key, _)| key);
        let clusters = self.clusters.iter().map(|&(key, _)| key);
        links.chain(["isolate", "halves"]).chain(processes).chain(clusters).chain(["at_message"]).collect()
    }

    fn kind(&self, key: &str) -> Result<FaultKind, FaultProblem> {
        self.refuse_strays(key)?;
        let direction = self.direction(key)?;
        Ok(match key {
            "partition" => FaultKind::Link(LinkFault::Partition),
            "refuse" => FaultKind::Link(LinkFault::Refuse),
            "black_hole" => FaultKind::Link(LinkFault::BlackHole { direction }),
            "answer_lost" => FaultKind::Link(LinkFault::AnswerLost),
            "latency" => FaultKind::Link(self.latency(direction)?),
            "bandwidth" => FaultKind::Link(self.bandwidth(direction)?),
            "reset_peer" => FaultKind::Link(LinkFault::ResetPeer),
            "slow_close" => FaultKind::Link(LinkFault::SlowClose { delay: self.delay("slow_close", "2s")? }),
            "isolate" | "halves" => FaultKind::Link(match self.how.unwrap_or(How::Partition) {
                How::Partition => LinkFault::Partition,
                How::Refuse => LinkFault::Refuse,
                How::BlackHole => LinkFault::BlackHole { direction: Direction::Both },
            }),
            "kill" => match self.unreplicated_for {
                None => FaultKind::Kill,
                Some(Duration::ZERO) => return Err(problem("unreplicated_for", "must be longer than 0s")),
                Some(time) => FaultKind::KillUnreplicated(time),
            },
            "step_down" => FaultKind::StepDown,
            "two_primaries" => FaultKind::TwoPrimaries,
            "roll_oplog" => FaultKind::RollOplog,
            "at_message" => FaultKind::Message(self.at_message()?),
            _ => FaultKind::Pause,
        })
    }

    /// Which of a server's links `only` leaves.
    fn way(&self) -> Way {
        match self.only {
            Some(Only::Inbound) => Way::Inbound,
            Some(Only::Outbound) => Way::Outbound,
            _ => Way::Both,
        }
    }

    /// In which direction bytes are struck.
    fn direction(&self, kind: &str) -> Result<Direction, FaultProblem> {
        match (self.only, kind) {
            (None, _) | (Some(Only::Inbound | Only::Outbound), "isolate") => Ok(Direction::Both),
            (Some(Only::Requests), kind) if kind != "isolate" => Ok(Direction::Requests),
            (Some(Only::Answers), kind) if kind != "isolate" => Ok(Direction::Answers),
            (Some(_), "isolate") => Err(problem("only", "`isolate` takes \"inbound\" or \"outbound\"")),
            (Some(_), kind) => Err(problem("only", format!("`{kind}` takes \"requests\" or \"answers\""))),
        }
    }

    /// What only some kinds take, and this one does not.
    fn refuse_strays(&self, kind: &str) -> Result<(), FaultProblem> {
        let takers: [(&'static str, bool, &[&str]); 8] = [
            ("do", self.action.is_some(), &["at_message"]),
            ("delay", self.delay.is_some(), &["latency", "slow_close", "at_message"]),
            ("jitter", self.jitter.is_some(), &["latency"]),
            ("kilobytes_per_second", self.kilobytes_per_second.is_some(), &["bandwidth"]),
            ("only", self.only.is_some(), &["black_hole", "latency", "bandwidth", "isolate"]),
            ("with", self.with.is_some(), &["two_primaries"]),
            ("how", self.how.is_some(), &["isolate", "halves"]),
            ("unreplicated_for", self.unreplicated_for.is_some(), &["kill"]),
        ];
        for (stray, is_given, kinds) in takers {
            if is_given && !kinds.contains(&kind) {
                let verb = if kinds.len() == 1 { "takes" } else { "take" };
                let kinds = kinds.join("`, `");
                return Err(problem(stray, format!("only `{kinds}` {verb} `{stray}`, not `{kind}`")));
            }
        }
        Ok(())
    }

    fn at_message(&self) -> Result<AtMessage, FaultProblem> {
        let answers = "\"drop-answer\", \"kill-after-request\" or \"kill-after-answer\"";
        let Some(action) = self.action else {
            let message = format!("`at_message` needs `do`: \"drop-request\", \"kill-before\", \"delay\", {answers}");
            return Err(problem("do", message));
        };
        if action != DoSpec::Delay && self.delay.is_some() {
            return Err(problem("delay", "only `do = \"delay\"` takes `delay`"));
        }
        let action = match action {
            DoSpec::DropRequest => AtMessage::Do(Action::DropRequest),
            DoSpec::DropAnswer => AtMessage::Do(Action::DropAnswer),
            DoSpec::KillBefore => AtMessage::Do(Action::KillBefore),
            DoSpec::KillAfterRequest => AtMessage::Do(Action::KillAfterRequest),
            DoSpec::KillAfterAnswer => AtMessage::Do(Action::KillAfterAnswer),
            DoSpec::Delay => AtMessage::Delay(self.delay("at_message", "300ms")?),
        };
        let asks_always = self.message.filter(|message| manner_of(&message.command) == Manner::Delivery);
        if let Some(message) = asks_always.filter(|_| !action.is_on_answer()) {
            let message = format!("`{}` is asked all the time; what counts is its answer: {answers}", message.command);
            return Err(problem("do", message));
        }
        Ok(action)
    }

    fn latency(&self, direction: Direction) -> Result<LinkFault, FaultProblem> {
        let delay = self.delay("latency", "100ms")?;
        let jitter = self.jitter.unwrap_or_default();
        if jitter > delay {
            return Err(problem("jitter", "must not be longer than `delay`"));
        }
        Ok(LinkFault::Latency { delay, jitter, direction })
    }

    fn delay(&self, kind: &str, example: &str) -> Result<Duration, FaultProblem> {
        match self.delay {
            None => Err(problem("delay", format!("`{kind}` needs `delay`, such as `delay = \"{example}\"`"))),
            Some(delay) if delay.as_millis() == 0 => Err(problem("delay", "must be 1ms or longer")),
            Some(delay) => Ok(delay),
        }
    }

    fn bandwidth(&self, direction: Direction) -> Result<LinkFault, FaultProblem> {
        let key = "kilobytes_per_second";
        match self.kilobytes_per_second {
            None => Err(problem(key, format!("`bandwidth` needs `{key}`, such as `{key} = 10`"))),
            Some(0) => Err(problem(key, "must be 1 or more; nothing at all passes with `black_hole`")),
            Some(kilobytes_per_second) => Ok(LinkFault::Bandwidth { kilobytes_per_second, direction }),
        }
    }
}

/// The message that a table means.
fn message_name(message: &MessageSpec) -> Result<MessageName, FaultProblem> {
    let Some((client, server)) = message.link.split_once(':') else {
        return Err(problem("at_message", "`link` names who sends and who answers, such as \"api-1:mongodb\""));
    };
    if message.nth == 0 {
        return Err(problem("at_message", "`nth` counts from 1"));
    }
    Ok(MessageName {
        client: client.to_owned(),
        server: server.to_owned(),
        command: message.command.clone(),
        target: message.target.clone(),
        nth: message.nth,
    })
}

/// The replica set or the brokers that a name stands for.
fn cluster(key: &'static str, name: &str, with: Option<&Vec<String>>) -> Result<Target, FaultProblem> {
    let node = [Node::Mongodb, Node::Kafka].into_iter().find(|node| node.name() == name);
    let target = |node| Target::Cluster { node, with: with.cloned().unwrap_or_default() };
    node.map(target).ok_or_else(|| problem(key, format!("expected \"mongodb\", not {name:?}")))
}

/// A mistake at a key.
pub(super) fn problem(key: &'static str, message: impl Into<String>) -> FaultProblem {
    FaultProblem { key, message: message.into() }
}
