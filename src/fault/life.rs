//! One fault from its time to its heal: it finds who plays the role that it aims at, strikes, stays, and takes back what it
//! did; each step goes into the history.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::fault::{AtMessage, Fault, FaultKind};
use super::nemesis::{Cluster, FaultOutcome, Nemesis, Processes};
use super::target::{Strikes, Target};
use crate::history::entry::{FaultStep, NOBODY_TO_STRIKE};
use crate::link::topology::{Topology, Way};
use crate::link::{Direction, Link, LinkError, LinkFault};
use crate::scenario::manifest::Node;
use crate::witness::Role;

/// How long a signal may take to show its effect.
const SIGNAL_DEADLINE: Duration = Duration::from_secs(10);

/// How long a restart may take at most; who restarts knows better and gives up sooner.
const RESTART_DEADLINE: Duration = Duration::from_secs(120);

/// How long it may take to find out who plays a role; an election takes about 2 s.
const RESOLVE_DEADLINE: Duration = Duration::from_secs(15);

/// How long a replica set may take to do as it is told.
const CLUSTER_DEADLINE: Duration = Duration::from_secs(30);

/// How long an oplog may take to forget.
const ROLL_DEADLINE: Duration = Duration::from_secs(60);

/// How often a heal is tried.
const HEAL_ATTEMPTS: u32 = 3;

/// One fault from its time to its heal.
pub(super) struct Life<P> {
    pub(super) nemesis: Nemesis<P>,
    pub(super) topology: Arc<Topology>,
    pub(super) fault: Fault,
    pub(super) strikes: Strikes,
    pub(super) stop: CancellationToken,
}

impl<P: Processes + Cluster> Life<P> {
    /// Waits for its time, strikes, stays, and takes back what it did.
    pub(super) async fn live(mut self, load_start: Instant) -> FaultOutcome {
        if self.strikes == Strikes::Nobody {
            self.record(FaultStep::NotApplicable, Some(NOBODY_TO_STRIKE.to_owned()));
            return FaultOutcome::NotApplicable;
        }
        tokio::select! {
            biased;
            () = self.stop.cancelled() => return FaultOutcome::NotStarted,
            () = sleep_until(load_start + self.fault.at) => {}
        }
        self.record(FaultStep::Asked, None);
        // Never interrupted: a change that is cut off halfway is one that nobody knows.
        let injected = match self.find().await {
            Ok(found) => self.inject().await.map(|detail| format!("{found}{detail}")),
            Err(error) => Err(error),
        };
        match injected {
            Ok(detail) => self.record(FaultStep::Confirmed, Some(detail)),
            Err(error) => return self.give_up(&error).await,
        }
        self.nemesis.active.change(|active| {
            active.insert(self.fault.id, self.fault.name());
        });
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(self.fault.duration) => {}
        }
        let outcome = self.end().await;
        self.nemesis.active.change(|active| {
            active.remove(&self.fault.id);
        });
        outcome
    }

    /// Injecting failed; a part of it may be in place.
    async fn give_up(&self, error: &anyhow::Error) -> FaultOutcome {
        let reason = format!("{error:#}");
        self.record(FaultStep::Failed, Some(format!("could not be injected: {reason}")));
        match self.heal_with_patience().await {
            Ok(_) => FaultOutcome::NotInjected(reason),
            Err(error) => {
                let left = format!("could not be taken back: {error:#}");
                self.record(FaultStep::Failed, Some(left.clone()));
                FaultOutcome::HalfInjected(format!("{reason}; {left}"))
            }
        }
    }

    async fn end(&self) -> FaultOutcome {
        let early = self.stop.is_cancelled().then(|| "the run stops early".to_owned());
        self.record(FaultStep::Healing, early);
        match self.heal_with_patience().await {
            Ok(detail) => {
                self.record(FaultStep::Healed, Some(detail));
                FaultOutcome::Healed
            }
            Err(error) => {
                self.record(FaultStep::Failed, Some(format!("could not be healed: {error:#}")));
                FaultOutcome::NotHealed(format!("{error:#}"))
            }
        }
    }

    /// Puts servers in the place of roles; in words, who was found.
    async fn find(&mut self) -> anyhow::Result<String> {
        let Strikes::Late(roles) = self.strikes.clone() else { return Ok(String::new()) };
        let mut target = self.fault.target.clone();
        let mut found = Vec::new();
        for role in roles {
            let asking = self.nemesis.processes.resolve(&role);
            let server = timeout(RESOLVE_DEADLINE, asking).await.with_context(|| format!("nobody is {role}"))??;
            target = target.with(&role, &server);
            found.push(format!("{role} is {server}; "));
        }
        self.strikes = target.strikes(&self.topology);
        let found = found.concat();
        if self.strikes == Strikes::Nobody {
            bail!("{found}there is nothing to strike");
        }
        Ok(found)
    }

    async fn inject(&self) -> anyhow::Result<String> {
        match (&self.strikes, self.fault.kind) {
            (Strikes::Links(links), FaultKind::Link(what)) => {
                Ok(self.nemesis.links.inject(self.fault.id, links, what).await?.detail)
            }
            (Strikes::Processes(names), FaultKind::Kill) => each(names, async |name| self.kill(name).await).await,
            (Strikes::Processes(names), FaultKind::KillUnreplicated(time)) => {
                each(names, async |name| self.kill_unreplicated(name, time).await).await
            }
            (Strikes::Processes(names), FaultKind::Pause) => {
                let pause =
                    async |name| within(SIGNAL_DEADLINE, "pause", name, self.nemesis.processes.pause(name)).await;
                each(names, pause).await
            }
            (Strikes::Cluster { .. }, FaultKind::StepDown) => {
                // MongoDB counts whole seconds.
                let seconds = u32::try_from(self.fault.duration.as_secs_f64().ceil() as u64).unwrap_or(u32::MAX);
                let stepping = self.nemesis.processes.step_down(seconds);
                within(CLUSTER_DEADLINE, "step down", "the primary", stepping).await
            }
            (Strikes::Cluster { node, with }, FaultKind::TwoPrimaries) => self.make_two_primaries(*node, with).await,
            (Strikes::Cluster { .. }, FaultKind::RollOplog) => {
                within(ROLL_DEADLINE, "roll over", "the oplog", self.nemesis.processes.roll_oplog()).await
            }
            (Strikes::Links(_), FaultKind::Message(what)) => self.strike_at_message(what).await,
            (strikes, kind) => unreachable!("{kind} does not strike {strikes:?}"),
        }
    }

    /// Waits for the message, for as long as the run goes on.
    async fn strike_at_message(&self, what: AtMessage) -> anyhow::Result<String> {
        let (Some(ambush), Target::Message(message)) = (&self.nemesis.ambush, &self.fault.target) else {
            bail!("there is no tap on its link");
        };
        let struck = ambush.lay(self.fault.id, message, what);
        tokio::select! {
            struck = struck => struck.context("its tap has ended")?,
            () = self.stop.cancelled() => {
                // One that strikes at this very moment has struck.
                if let Some(count) = ambush.lift(self.fault.id) {
                    bail!("its message never came: {count} of {} before the load ended", message.nth);
                }
            }
        }
        if !what.is_kill() {
            return Ok("its message came".to_owned());
        }
        let killed =
            within(SIGNAL_DEADLINE, "kill", &message.client, self.nemesis.processes.kill(&message.client)).await?;
        ambush.thaw(&message.client);
        let down = self.nemesis.links.set_down(&message.client).await?;
        Ok(format!("its message came; nothing passed since; {killed}; links to it: {}", down.detail))
    }

    /// What the others have not fetched when it dies exists nowhere else.
    async fn kill_unreplicated(&self, name: &str, time: Duration) -> anyhow::Result<String> {
        let links = self.topology.replication_links(name);
        let what = LinkFault::BlackHole { direction: Direction::Both };
        let cut = self.nemesis.links.inject(self.fault.id, &links, what).await?;
        tokio::select! {
            () = self.stop.cancelled() => bail!("the run stops before the kill"),
            () = tokio::time::sleep(time) => {}
        }
        let killed = self.kill(name).await?;
        // Dead, it refuses; the heal is to find it as after any other kill.
        self.nemesis.links.heal(self.fault.id).await?;
        let time = humantime::format_duration(time);
        Ok(format!("replication from it black-holed for {time} ({}); {killed}", cut.detail))
    }

    /// All members hold the same first, so that any of them can be elected; the old primary finds out that it is none only
    /// when it has heard of nobody for an election timeout.
    async fn make_two_primaries(&self, node: Node, with: &[String]) -> anyhow::Result<String> {
        let cluster = &self.nemesis.processes;
        let primary =
            timeout(RESOLVE_DEADLINE, cluster.resolve(&Role::Primary)).await.context("nobody is primary")??;
        let replicated = timeout(CLUSTER_DEADLINE, cluster.replicate_everywhere()).await;
        replicated.context("the members do not hold the same within the deadline")??;
        let peers = self.topology.members(node).iter().filter(|member| **member != primary);
        let other = peers.clone().next().context("there is nobody else to be primary")?;
        let dialled_by = |client: &String| self.topology.links_between(client, node.name());
        let others = with.iter().flat_map(dialled_by).filter(|link| link.server != primary);
        let links: Vec<Link> = self.topology.peer_links(&primary, Way::Both).into_iter().chain(others).collect();
        let cut = self.nemesis.links.inject(self.fault.id, &links, LinkFault::Partition).await?;
        timeout(CLUSTER_DEADLINE, cluster.step_up(other)).await.context("no answer to the order to step up")??;
        Ok(format!("{primary} is cut off and {other} is made primary beside it; {}", cut.detail))
    }

    /// The process first: a crash is the process's end, not its links'.
    async fn kill(&self, name: &str) -> anyhow::Result<String> {
        let killed = within(SIGNAL_DEADLINE, "kill", name, self.nemesis.processes.kill(name)).await?;
        let down = self.nemesis.links.set_down(name).await?;
        Ok(format!("{killed}; links to it: {}", down.detail))
    }

    async fn restart(&self, name: &str) -> anyhow::Result<String> {
        let ready = within(RESTART_DEADLINE, "restart", name, self.nemesis.processes.restart(name)).await?;
        let up = self.nemesis.links.set_up(name).await?;
        Ok(format!("{ready}; links to it: {}", up.detail))
    }

    /// A heal is worth more than one attempt: what stays broken spoils the rest of the run. A restart is not repeated;
    /// whoever restarts has waited for it already.
    async fn heal_with_patience(&self) -> anyhow::Result<String> {
        let mut attempt = 1;
        loop {
            match self.heal().await {
                Err(_) if attempt < HEAL_ATTEMPTS && !self.fault.kind.is_kill() => attempt += 1,
                ended => return ended,
            }
        }
    }

    async fn heal(&self) -> anyhow::Result<String> {
        match (&self.strikes, self.fault.kind) {
            (Strikes::Processes(names), FaultKind::Kill) => each(names, async |name| self.restart(name).await).await,
            (Strikes::Processes(names), FaultKind::KillUnreplicated(_)) => {
                // Of a kill that failed, the cut before it may still be there.
                match self.nemesis.links.heal(self.fault.id).await {
                    Ok(_) | Err(LinkError::NoSuchFault { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
                each(names, async |name| self.restart(name).await).await
            }
            (_, FaultKind::Message(what)) => match &self.fault.target {
                Target::Message(message) if what.is_kill() => self.restart(&message.client).await,
                _ => Ok("nothing is to be taken back".to_owned()),
            },
            (_, FaultKind::StepDown) => Ok("it may be elected again".to_owned()),
            (_, FaultKind::RollOplog) => Ok("nothing is to be taken back".to_owned()),
            (Strikes::Processes(names), FaultKind::Pause) => {
                let resume =
                    async |name| within(SIGNAL_DEADLINE, "resume", name, self.nemesis.processes.resume(name)).await;
                each(names, resume).await
            }
            _ => match self.nemesis.links.heal(self.fault.id).await {
                Ok(healed) => Ok(healed.detail),
                Err(LinkError::NoSuchFault { .. }) => Ok("it was on no link".to_owned()),
                Err(error) => Err(error.into()),
            },
        }
    }

    fn record(&self, step: FaultStep, detail: Option<String>) {
        self.nemesis.record(&self.fault, &self.strikes, step, detail);
    }
}

/// Does something to every process at once, and to all of them even if one fails.
async fn each<'a, F>(names: &'a [String], act: impl Fn(&'a str) -> F) -> anyhow::Result<String>
where
    F: Future<Output = anyhow::Result<String>>,
{
    let done = join_all(names.iter().map(|name| act(name))).await;
    let details = done.into_iter().collect::<anyhow::Result<Vec<String>>>()?;
    let told = names.iter().zip(details).map(|(name, detail)| format!("{name}: {detail}"));
    Ok(told.collect::<Vec<_>>().join("; "))
}

async fn within(
    deadline: Duration,
    verb: &str,
    name: &str,
    done: impl Future<Output = anyhow::Result<String>>,
) -> anyhow::Result<String> {
    match timeout(deadline, done).await {
        Ok(done) => done.with_context(|| format!("{verb} {name}")),
        Err(_) => bail!("{verb} {name}: not done within {}", humantime::format_duration(deadline)),
    }
}
