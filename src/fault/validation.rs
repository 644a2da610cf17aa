//! What a scenario may ask for: each mistake is told with its key and the remedy. Pure.

use std::time::Duration;

use super::fault::{FaultKind, Target};
use crate::link::topology::Topology;
use crate::link::{CLIENTS, Direction, LinkFault};
use crate::scenario::file::{FaultChoice, FaultSpec, Only, RandomFaults};

/// A mistake in a `[[fault]]` or a `[[random_faults.choice]]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FaultProblem {
    /// The key in its table; empty when the table as a whole is wrong.
    pub key: &'static str,
    /// What is wrong with it and what to write instead.
    pub message: String,
}

/// Checks one `[[fault]]` against everything that exists in any variant, and the length of the load.
///
/// # Errors
/// With the first mistake.
pub fn validate(spec: &FaultSpec, topology: &Topology, load: Duration) -> Result<(), FaultProblem> {
    let keys = Keys::from(spec);
    let (key, kind, _) = keys.what()?;
    keys.check_target(topology)?;
    match (kind, spec.duration, spec.restart_after) {
        (FaultKind::Kill, Some(_), _) => return Err(problem("for", "`kill` takes `restart_after`, not `for`")),
        (FaultKind::Kill, None, _) => {}
        (_, _, Some(_)) => {
            return Err(problem("restart_after", format!("only `kill` takes `restart_after`, not `{key}`")));
        }
        (_, None, None) => return Err(problem("for", format!("`{key}` needs `for`, such as `for = \"5s\"`"))),
        (_, Some(Duration::ZERO), None) => return Err(problem("for", "must be longer than 0s")),
        (_, Some(_), None) => {}
    }
    if spec.at >= load {
        let load = humantime::format_duration(load);
        return Err(problem("at", format!("the load lasts {load}, so this would never strike; make it earlier")));
    }
    Ok(())
}

/// Checks one `[[random_faults.choice]]`.
///
/// # Errors
/// With the first mistake.
pub fn validate_choice(choice: &FaultChoice, topology: &Topology, load: Duration) -> Result<(), FaultProblem> {
    let keys = Keys::from(choice);
    keys.what()?;
    keys.check_target(topology)?;
    if !choice.weight.is_finite() || choice.weight < 0.0 {
        return Err(problem("weight", "must be a number from 0 up"));
    }
    if choice.shortest.as_millis() == 0 {
        return Err(problem("shortest", "must be 1ms or longer"));
    }
    if choice.longest < choice.shortest {
        return Err(problem("longest", "must not be shorter than `shortest`"));
    }
    if choice.shortest > load {
        let load = humantime::format_duration(load);
        return Err(problem("shortest", format!("the load lasts {load}; a fault must heal before its end")));
    }
    Ok(())
}

/// Checks what no single choice shows. The problem's key is one of `[random_faults]`; for a choice, its index comes with
/// it.
///
/// # Errors
/// With the first mistake.
pub fn validate_random(
    random: &RandomFaults,
    topology: &Topology,
    load: Duration,
) -> Result<(), (Option<usize>, FaultProblem)> {
    for (index, choice) in random.choice.iter().enumerate() {
        validate_choice(choice, topology, load).map_err(|problem| (Some(index), problem))?;
    }
    let always = random.choice.iter().filter(|choice| choice.always).count();
    if always > random.count as usize {
        let message = format!("must be at least {always}: so many choices have `always = true`");
        return Err((None, problem("count", message)));
    }
    if random.count as usize > always && random.choice.iter().all(|choice| choice.weight == 0.0) {
        return Err((None, problem("choice", "at least one choice needs a `weight` above 0")));
    }
    Ok(())
}

/// The kind and target of a fault that [`validate`] accepts.
pub(super) fn what_of(keys: &Keys<'_>) -> Result<(FaultKind, Target), FaultProblem> {
    keys.what().map(|(_, kind, target)| (kind, target))
}

/// What `[[fault]]` and a random choice have in common.
pub(super) struct Keys<'a> {
    links: [(&'static str, Option<&'a [String; 2]>); 8],
    processes: [(&'static str, Option<&'a String>); 2],
    delay: Option<Duration>,
    jitter: Option<Duration>,
    kilobytes_per_second: Option<u32>,
    only: Option<Only>,
}

macro_rules! keys_from {
    ($table:ty) => {
        impl<'a> From<&'a $table> for Keys<'a> {
            fn from(table: &'a $table) -> Self {
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
                    delay: table.delay,
                    jitter: table.jitter,
                    kilobytes_per_second: table.kilobytes_per_second,
                    only: table.only,
                }
            }
        }
    };
}
keys_from!(FaultSpec);
keys_from!(FaultChoice);

impl Keys<'_> {
    /// The one kind that is given.
    fn what(&self) -> Result<(&'static str, FaultKind, Target), FaultProblem> {
        let links = self.links.iter().filter_map(|&(key, pair)| {
            let [client, server] = pair?;
            Some((key, Target::Link { client: client.clone(), server: server.clone() }))
        });
        let processes = self.processes.iter().filter_map(|&(key, name)| Some((key, Target::Process(name?.clone()))));
        let mut given = links.chain(processes);
        let Some((key, target)) = given.next() else {
            let kinds = self.links.iter().map(|&(key, _)| key).chain(self.processes.iter().map(|&(key, _)| key));
            let names = kinds.collect::<Vec<_>>().join(", ");
            return Err(problem("", format!("nothing happens here; give one of: {names}")));
        };
        if let Some((second, _)) = given.next() {
            let message = format!("`{key}` is given already; one fault is of one kind: write a second table");
            return Err(problem(second, message));
        }
        Ok((key, self.kind(key)?, target))
    }

    fn kind(&self, key: &str) -> Result<FaultKind, FaultProblem> {
        self.refuse_strays(key)?;
        let direction = match self.only {
            None => Direction::Both,
            Some(Only::Requests) => Direction::Requests,
            Some(Only::Answers) => Direction::Answers,
        };
        Ok(match key {
            "partition" => FaultKind::Link(LinkFault::Partition),
            "refuse" => FaultKind::Link(LinkFault::Refuse),
            "black_hole" => FaultKind::Link(LinkFault::BlackHole { direction }),
            "answer_lost" => FaultKind::Link(LinkFault::AnswerLost),
            "latency" => FaultKind::Link(self.latency(direction)?),
            "bandwidth" => FaultKind::Link(self.bandwidth(direction)?),
            "reset_peer" => FaultKind::Link(LinkFault::ResetPeer),
            "slow_close" => FaultKind::Link(LinkFault::SlowClose { delay: self.delay("slow_close", "2s")? }),
            "kill" => FaultKind::Kill,
            _ => FaultKind::Pause,
        })
    }

    /// What only some kinds take, and this one does not.
    fn refuse_strays(&self, kind: &str) -> Result<(), FaultProblem> {
        let takers: [(&'static str, bool, &[&str]); 4] = [
            ("delay", self.delay.is_some(), &["latency", "slow_close"]),
            ("jitter", self.jitter.is_some(), &["latency"]),
            ("kilobytes_per_second", self.kilobytes_per_second.is_some(), &["bandwidth"]),
            ("only", self.only.is_some(), &["black_hole", "latency", "bandwidth"]),
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

    fn check_target(&self, topology: &Topology) -> Result<(), FaultProblem> {
        match self.what()? {
            (key, _, Target::Link { client, server }) => {
                is_known(key, &client, topology)?;
                is_known(key, &server, topology)?;
                if topology.links_between(&client, &server).is_empty() {
                    return Err(problem(key, no_link(&client, &server, topology)));
                }
            }
            (key, _, Target::Process(name)) => {
                is_known(key, &name, topology)?;
                if name == CLIENTS {
                    return Err(problem(key, format!("`{CLIENTS}` are torn's own; aim at a service or a dependency")));
                }
                if !topology.is_in_hand(&name) {
                    let message = format!("`{name}` is given by `url`: torn did not start it and cannot {key} it");
                    return Err(problem(key, message));
                }
            }
        }
        Ok(())
    }
}

fn is_known(key: &'static str, name: &str, topology: &Topology) -> Result<(), FaultProblem> {
    let known = topology.targets();
    if known.iter().any(|target| target == name) {
        return Ok(());
    }
    let nearest = known.iter().map(|target| (distance(name, target), target)).min();
    let hint = match nearest {
        Some((edits, target)) if edits <= 1 + name.chars().count() / 3 => format!("did you mean `{target}`? "),
        _ => String::new(),
    };
    Err(problem(key, format!("no variant has `{name}`; {hint}there are: {}", known.join(", "))))
}

fn no_link(client: &str, server: &str, topology: &Topology) -> String {
    if !topology.links_between(server, client).is_empty() {
        return format!("`{client}` does not dial `{server}`, it is the other way: [\"{server}\", \"{client}\"]");
    }
    let links: Vec<String> = topology.links().iter().map(ToString::to_string).collect();
    format!("`{client}` does not dial `{server}` in any variant; there are: {}", links.join(", "))
}

/// Levenshtein's edit distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, &to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

fn problem(key: &'static str, message: impl Into<String>) -> FaultProblem {
    FaultProblem { key, message: message.into() }
}

#[cfg(test)]
mod tests;
