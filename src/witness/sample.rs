//! What is measured about once a second: server status, backlog, consumer groups, processes, operations under way.
//!
//! Nothing here may stall: a server that does not answer in time is left out of that sample.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::journal::Journal;
use super::kafka::{GroupProbe, GroupSample};
use super::mongodb::{Backlog, Connection, Statuses};
use crate::history::entry::{Entry, MongodbSample, ProcessSample, Sample, WireSample};

/// How long a server may take to answer for one sample.
const ANSWER_AT_MOST: Duration = Duration::from_millis(800);

/// What only the run knows.
#[derive(Clone)]
pub struct Gauges {
    /// What each process has used, by instance, dependency, and `torn` itself.
    pub processes: Arc<dyn Fn() -> BTreeMap<String, ProcessSample> + Send + Sync>,
    /// Operations under way.
    pub in_flight: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// What the taps have counted, by link.
    pub wire: Arc<dyn Fn() -> BTreeMap<String, WireSample> + Send + Sync>,
}

/// Records samples until it is stopped.
pub struct Sampler {
    probe: Arc<Probe>,
    /// Dropping it ends the task.
    stopped: DropGuard,
    task: JoinHandle<()>,
}

/// Everything that is asked for one sample.
struct Probe {
    journal: Journal,
    mongodb: Option<(Statuses, Backlog)>,
    groups: Option<Arc<GroupProbe>>,
    /// One question about the groups at a time: its thread cannot be cancelled.
    asking: Arc<Semaphore>,
    gauges: Gauges,
}

impl Sampler {
    pub(super) fn start(
        journal: Journal,
        mongodb: Option<(Connection, Backlog)>,
        groups: Option<GroupProbe>,
        gauges: Gauges,
        every: Duration,
    ) -> Self {
        let mongodb = mongodb.map(|(connection, backlog)| (Statuses::new(connection), backlog));
        let groups = groups.map(Arc::new);
        let probe = Arc::new(Probe { journal, mongodb, groups, asking: Arc::new(Semaphore::new(1)), gauges });
        let stopped = CancellationToken::new();
        let task = tokio::spawn(tick(Arc::clone(&probe), every, stopped.clone()));
        Self { probe, stopped: stopped.drop_guard(), task }
    }

    /// Takes and records a sample at once: right after a consumer was killed, and before it starts again, this is where
    /// its group stood.
    pub async fn sample_now(&self) -> Sample {
        self.probe.sample().await
    }

    /// Ends after the sample that is being taken.
    pub async fn stop(self) {
        drop(self.stopped);
        let _ = self.task.await;
        let probe = self.probe;
        // Closing a Kafka client blocks for a moment.
        let _ = tokio::task::spawn_blocking(move || drop(probe)).await;
    }
}

async fn tick(probe: Arc<Probe>, every: Duration, stopped: CancellationToken) {
    let mut interval = tokio::time::interval(every);
    // A late sample must not shift the ones behind it, nor be followed by a burst.
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while stopped.run_until_cancelled(interval.tick()).await.is_some() {
        probe.sample().await;
    }
}

impl Probe {
    async fn sample(&self) -> Sample {
        let (mongodb, groups) = tokio::join!(self.ask_mongodb(), self.ask_groups());
        let GroupSample { lag, committed } = groups.unwrap_or_default();
        let backlog = self.mongodb.as_ref().map(|(_, backlog)| backlog);
        let backlog = backlog.map(|backlog| backlog.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let sample = Sample {
            at: self.journal.now(),
            mongodb,
            backlog: backlog.unwrap_or_default(),
            lag,
            committed,
            processes: (self.gauges.processes)(),
            in_flight: (self.gauges.in_flight)(),
            wire: (self.gauges.wire)(),
        };
        self.journal.tell(Entry::Sample(sample.clone()));
        sample
    }

    async fn ask_mongodb(&self) -> Option<MongodbSample> {
        let (statuses, _) = self.mongodb.as_ref()?;
        statuses.ask(ANSWER_AT_MOST).await
    }

    async fn ask_groups(&self) -> Option<GroupSample> {
        let groups = Arc::clone(self.groups.as_ref()?);
        let deadline = Instant::now() + ANSWER_AT_MOST;
        let turn = tokio::time::timeout_at(deadline.into(), Arc::clone(&self.asking).acquire_owned());
        let turn = turn.await.ok()?.expect("the semaphore is never closed");
        let asked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            groups.ask(deadline)
        });
        tokio::time::timeout_at(deadline.into(), asked).await.ok()?.ok()?
    }
}
