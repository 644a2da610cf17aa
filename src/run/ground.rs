//! Servers that somebody else runs: what a scenario finds there, which of its faults are not possible on them, and what
//! a run takes away again.

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;

use super::context::{Context, Cut};
use super::standing::{Sharing, joined_needs};
use super::wiring;
use crate::environment::external::{External, Way};
use crate::environment::{Kind, Needs};
use crate::fault::{Fault, FaultKind, Schedule, ScheduleError, Strikes, Target};
use crate::history::entry::{Entry, FaultEvent, FaultStep};
use crate::link::topology::Topology;
use crate::link::{CLIENTS, Link};
use crate::load::arrivals::load_duration;
use crate::scenario::manifest::Node;
use crate::scenario::matrix::repetition;
use crate::scenario::resolved::Resolved;
use crate::witness::preflight::{remove_run_database, remove_topics};

/// Why torn has no hands on a server.
const NOT_OURS: &str = "torn did not start it";

/// A fault that cannot be on these servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impossible {
    /// Its number in the schedule.
    pub fault: u32,
    /// The fault in words.
    pub what: String,
    /// Why not, and the remedy.
    pub reason: String,
}

/// Gives a scenario as many servers as there are: `api → kafka` then means all of them.
pub fn adapt(resolved: &mut Resolved, kind: &Kind) {
    let Some(external) = kind.external() else { return };
    let count = |node| u32::try_from(external.servers(node).len()).unwrap_or(u32::MAX);
    let nodes = resolved.nodes();
    if nodes.contains(&Node::Mongodb) {
        resolved.scenario.mongodb.nodes = count(Node::Mongodb);
    }
    if nodes.contains(&Node::Kafka) {
        let kafka = &mut resolved.scenario.kafka;
        if kafka.brokers > 1 {
            // Asked for, so its default counts; else the cluster's own does.
            kafka.min_insync_replicas = Some(kafka.insync_replicas());
        }
        resolved.scenario.kafka.brokers = count(Node::Kafka);
    }
}

/// The faults that are not possible on the servers, of runs and of all their repetitions: each has a seed of its own, and
/// so other random faults. None on torn's own servers.
///
/// # Errors
/// When a schedule cannot be drawn.
pub fn impossible(runs: &[Resolved], sharing: Sharing, kind: &Kind) -> Result<Vec<Impossible>, ScheduleError> {
    let Some(external) = kind.external() else { return Ok(Vec::new()) };
    let mut all: Vec<Impossible> = Vec::new();
    for resolved in runs {
        let nowhere = Path::new("");
        let needs = match sharing {
            Sharing::Shared => joined_needs(resolved, runs, kind, nowhere).1,
            Sharing::Own => wiring::needs(resolved, kind, nowhere),
        };
        let ground = Ground::new(resolved, &needs, external);
        let repeat = resolved.scenario.matrix.as_ref().map_or(1, |matrix| matrix.repeat);
        for number in 0..repeat {
            let schedule = Schedule::plan(&repetition(resolved, number), load_duration(&resolved.scenario.load))?;
            all.extend(ground.impossible(&schedule));
        }
    }
    Ok(all)
}

/// What is left of a schedule; the rest goes into the history as not applicable, with its reason.
///
/// # Errors
/// When something would be left out that nobody has allowed to be.
pub(super) fn without_impossible(context: &Context<'_>, mut schedule: Schedule) -> Result<Schedule, Cut> {
    let Some(external) = context.kind.external() else { return Ok(schedule) };
    let needs = match context.standing {
        Some(standing) => standing.needs(&context.resolved).1,
        None => wiring::needs(&context.resolved, &context.kind, &context.logs),
    };
    let ground = Ground::new(&context.resolved, &needs, external);
    let impossible = ground.impossible(&schedule);
    if let Some(Impossible { what, reason, .. }) = impossible.first()
        && !context.leaves_out_impossible
    {
        return Err(Cut::Failed(format!("{what} is not possible here: {reason}")));
    }
    for Impossible { fault, what, reason } in &impossible {
        context.recorder.record(Entry::Fault(FaultEvent {
            at: context.recorder.now(),
            fault: *fault,
            step: FaultStep::NotApplicable,
            what: what.clone(),
            targets: Vec::new(),
            detail: Some(reason.clone()),
        }));
    }
    schedule.faults.retain(|(fault, _)| impossible.iter().all(|other| other.fault != fault.id));
    Ok(schedule)
}

/// Deletes the run's own database and topics on servers that outlive it.
pub(super) async fn remove_own(context: &Context<'_>, deadline: Instant) -> anyhow::Result<()> {
    let Some(external) = context.kind.external() else { return Ok(()) };
    let mongodb = async {
        match external.mongodb_uri() {
            Some(uri) => {
                let removal = remove_run_database(&uri, &context.names.database);
                let removed = tokio::time::timeout_at(deadline.into(), removal).await;
                Ok(removed.context("MongoDB has not dropped the database in time")??)
            }
            None => Ok::<(), anyhow::Error>(()),
        }
    };
    let kafka = async {
        match external.kafka_spec() {
            Some(spec) => {
                let topics: Vec<&str> = context.names.topics.values().map(String::as_str).collect();
                Ok(remove_topics(&spec, &topics, deadline).await?)
            }
            None => Ok::<(), anyhow::Error>(()),
        }
    };
    // Both to their end: what can be removed is removed.
    let (mongodb, kafka) = tokio::join!(mongodb, kafka);
    mongodb.and(kafka)
}

/// What a run makes on servers that outlive it, by name.
pub(super) fn own_in_words(context: &Context<'_>) -> String {
    let topics = context.names.topics.values().map(|topic| format!("topic {topic}"));
    std::iter::once(format!("database {}", context.names.database)).chain(topics).collect::<Vec<_>>().join(", ")
}

/// What can be done to the servers of one variant.
struct Ground<'a> {
    external: &'a External,
    topology: Topology,
    mongodb: Way,
    kafka: Way,
}

impl<'a> Ground<'a> {
    /// `needs`: of all runs that share the links.
    fn new(resolved: &Resolved, needs: &Needs, external: &'a External) -> Self {
        let dialling = |node| needs.links.iter().filter(|(_, dialled)| *dialled == node).count();
        let way = |node| external.way_to(node, dialling(node));
        let topology = Topology::of_variant(resolved);
        Self { external, topology, mongodb: way(Node::Mongodb), kafka: way(Node::Kafka) }
    }

    fn impossible(&self, schedule: &Schedule) -> Vec<Impossible> {
        let why = |(fault, strikes): &(Fault, Strikes)| {
            let reason = self.why_not(fault, strikes)?;
            Some(Impossible { fault: fault.id, what: fault.name(), reason })
        };
        schedule.faults.iter().filter_map(why).collect()
    }

    fn why_not(&self, fault: &Fault, strikes: &Strikes) -> Option<String> {
        if *strikes == Strikes::Nobody {
            return None;
        }
        if let Some(reason) = self.unknown_role(&fault.target) {
            return Some(reason);
        }
        match (fault.kind, strikes) {
            (FaultKind::StepDown, _) => self.may_not_step_down(),
            (FaultKind::TwoPrimaries, _) => Some(Self::peers("their links among each other must be cut")),
            (FaultKind::RollOplog, _) => Some(with_remedy("it would fill the oplog of servers that others use too")),
            (FaultKind::Link(_), Strikes::Links(links)) => links.iter().find_map(|link| self.no_link(link)),
            // Whoever plays the role, its links are those of all.
            (FaultKind::Link(_), _) => match &fault.target {
                Target::Link { client, server } => {
                    [client, server].into_iter().find_map(|end| self.no_way_to_role(end))
                }
                _ => Some(Self::peers("they do not dial each other through torn")),
            },
            (_, Strikes::Processes(processes)) => {
                let server = processes.iter().find(|process| self.topology.node_of(process).is_some())?;
                Some(with_remedy(&format!("{NOT_OURS} ({server}) and has no hands on it")))
            }
            (_, _) => Some(with_remedy(&format!("{NOT_OURS} and has no hands on it"))),
        }
    }

    /// Who leads is asked of each broker by itself, which is not possible with a login.
    fn unknown_role(&self, target: &Target) -> Option<String> {
        let is_of_kafka = |name: &&String| name.starts_with("leader:") || name.starts_with("follower:");
        let role = target.names().into_iter().find(is_of_kafka)?;
        let is_plain = self.external.kafka.as_ref().is_some_and(|kafka| kafka.given.is_plain());
        (!is_plain).then(|| with_remedy(&format!("{role} is not known where brokers demand TLS or a login")))
    }

    fn may_not_step_down(&self) -> Option<String> {
        let mongodb = self.external.mongodb.as_ref()?;
        if mongodb.servers.len() < 2 {
            return Some(with_remedy("there is one member, and nobody to be primary in its place"));
        }
        let right = "the user may not make a primary step down; grant it the role clusterManager";
        (!mongodb.may_step_down).then(|| with_remedy(right))
    }

    fn no_link(&self, link: &Link) -> Option<String> {
        if link.client == CLIENTS {
            return None;
        }
        if self.topology.node_of(&link.client).is_some() {
            return Some(Self::peers("they do not dial each other through torn"));
        }
        self.no_way_to(self.topology.node_of(link.dialled())?)
    }

    fn no_way_to_role(&self, name: &str) -> Option<String> {
        let node = match name.split(':').next()? {
            "primary" | "secondary" => Node::Mongodb,
            "leader" | "follower" => Node::Kafka,
            _ => self.topology.node_of(name)?,
        };
        self.no_way_to(node)
    }

    fn no_way_to(&self, node: Node) -> Option<String> {
        let way = match node {
            Node::Mongodb => &self.mongodb,
            Node::Kafka => &self.kafka,
        };
        let Way::None(reason) = way else { return None };
        Some(format!("no proxy can stand in front of {}: {reason}", node.name()))
    }

    fn peers(why: &str) -> String {
        with_remedy(&format!("the servers are somebody else's: {why}"))
    }
}

fn with_remedy(reason: &str) -> String {
    format!("{reason}; run it with --env local, or leave it out with --possible-faults")
}

#[cfg(test)]
mod tests;
