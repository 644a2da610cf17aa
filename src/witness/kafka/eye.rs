//! The witness as a whole: starts before anyone writes, catches up after the load, stops.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::client_config;
use super::cluster::Brokers;
use super::extent::Extent;
use super::group::GroupProbe;
use super::log::{Log, Seen, WITNESS};
use super::topic::{self, refused};
use crate::history::entry::WitnessStep;
use crate::witness::error::WitnessError;
use crate::witness::journal::Journal;
use crate::witness::spec::{KafkaSpec, TopicSpec};

/// How long one question to a broker may take while catching up.
const QUESTION_AT_MOST: Duration = Duration::from_secs(1);

/// The pause between two looks at the reader's position.
const PAUSE: Duration = Duration::from_millis(5);

/// Watches the topics of one run.
pub(in crate::witness) struct KafkaEye {
    spec: KafkaSpec,
    journal: Journal,
    seen: Arc<Mutex<Seen>>,
    /// Tells where each partition really ends. It reads uncommitted records, so that a transaction left open holds up
    /// the witness: what it hides is not known to be absent.
    ends: Arc<BaseConsumer>,
    brokers: Brokers,
    /// Tells what happens to the brokers; dropping it ends that.
    watch: JoinSet<()>,
    /// Dropping it ends the consumer's thread.
    stopped: DropGuard,
    log: JoinHandle<()>,
}

impl KafkaEye {
    /// Creates the topics and reads them from offset 0.
    pub(in crate::witness) async fn start(
        spec: KafkaSpec,
        journal: Journal,
        deadline: Instant,
    ) -> Result<Self, WitnessError> {
        let bootstrap = spec.bootstrap.clone();
        let failed = |error| refused(&bootstrap, "make a client", &error);
        let topics: Vec<TopicSpec> = spec.topics.values().cloned().collect();
        let ends: BaseConsumer =
            client_config(&spec).set("isolation.level", "read_uncommitted").create().map_err(failed)?;
        let ends = Arc::new(ends);
        if !topics.is_empty() {
            topic::create(&spec, &topics, deadline).await?;
            let (handle, address, wanted) = (Arc::clone(&ends), bootstrap.clone(), topics.clone());
            tokio::task::spawn_blocking(move || topic::await_leaders(&handle, &address, &wanted, deadline))
                .await
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        }

        let brokers = Brokers::new(&spec);
        let watch = brokers.watch(journal.clone()).await;
        let consumer = assigned_consumer(&spec, &topics)?;
        let seen = Seen { extents: all_partitions(&topics).map(|key| (key, Extent::default())).collect(), lost: None };
        let seen = Arc::new(Mutex::new(seen));
        let stopped = CancellationToken::new();
        let log = Log {
            consumer,
            journal: journal.clone(),
            names: spec.topics.iter().map(|(name, topic)| (topic.name.clone(), name.clone())).collect(),
            seen: Arc::clone(&seen),
            stopped: stopped.clone(),
        };
        journal.step(
            WITNESS,
            WitnessStep::Ready,
            format!("{} partitions from offset 0", all_partitions(&topics).count()),
        );
        let log = std::thread::Builder::new()
            .name("witness-kafka".to_owned())
            .spawn(move || log.follow())
            .map_err(WitnessError::Thread)?;
        Ok(Self { spec, journal, seen, ends, brokers, watch, stopped: stopped.drop_guard(), log })
    }

    /// Whether everything that the log holds now was read before the deadline.
    pub(in crate::witness) async fn catch_up(&self, deadline: Instant) -> bool {
        let topics: Vec<TopicSpec> = self.spec.topics.values().cloned().collect();
        let ends = Arc::clone(&self.ends);
        let asked = tokio::task::spawn_blocking(move || ask_ends(&ends, &topics, deadline)).await;
        let Ok(Some(ends)) = asked else { return false };
        while !self.has_passed(&ends) {
            if self.is_lost() || Instant::now() + PAUSE >= deadline {
                return false;
            }
            tokio::time::sleep(PAUSE).await;
        }
        if self.is_lost() {
            return false;
        }
        self.journal.step(WITNESS, WitnessStep::CaughtUp, in_words(&ends));
        true
    }

    fn has_passed(&self, ends: &[((String, i32), i64)]) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        ends.iter().all(|(key, end)| seen.extents.get(key).is_some_and(|extent| extent.position() >= *end))
    }

    fn is_lost(&self) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).lost.is_some()
    }

    /// The brokers one by one.
    pub(in crate::witness) fn brokers(&self) -> &Brokers {
        &self.brokers
    }

    /// A probe of the consumer groups, with handles of its own.
    pub(in crate::witness) fn group_probe(&self) -> Result<GroupProbe, WitnessError> {
        GroupProbe::new(&self.spec, Arc::clone(&self.seen))
    }

    /// Deletes the run's topics, for a cluster that outlives the run. Stops the witness first.
    pub(in crate::witness) async fn remove(self, deadline: Instant) -> Result<(), WitnessError> {
        let topics: Vec<TopicSpec> = self.spec.topics.values().cloned().collect();
        let spec = self.spec.clone();
        self.stop().await;
        if topics.is_empty() { Ok(()) } else { topic::delete(&spec, &topics, deadline).await }
    }

    /// Ends the consumer.
    pub(in crate::witness) async fn stop(mut self) {
        self.watch.shutdown().await;
        drop(self.stopped);
        let log = self.log;
        let _ = tokio::task::spawn_blocking(move || {
            drop(self.ends);
            log.join()
        })
        .await;
    }
}

/// A consumer of every partition from offset 0. It must never choose an offset itself: what it cannot read is a loss.
fn assigned_consumer(spec: &KafkaSpec, topics: &[TopicSpec]) -> Result<BaseConsumer, WitnessError> {
    let failed = |error| refused(&spec.bootstrap, "assign partitions", &error);
    let consumer: BaseConsumer = client_config(spec)
        // The client wants a group for its name's sake; nothing joins it and nothing is committed.
        .set("group.id", "torn-witness")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("fetch.error.backoff.ms", "50")
        .create()
        .map_err(failed)?;
    let mut assignment = TopicPartitionList::new();
    for (topic, partition) in all_partitions(topics) {
        assignment.add_partition_offset(&topic, partition, Offset::Offset(0)).map_err(failed)?;
    }
    consumer.assign(&assignment).map_err(failed)?;
    Ok(consumer)
}

fn all_partitions(topics: &[TopicSpec]) -> impl Iterator<Item = (String, i32)> {
    topics.iter().flat_map(|topic| topic.partition_numbers().map(|partition| (topic.name.clone(), partition)))
}

/// Where each partition ends; `None` when the brokers did not tell before the deadline. Blocks.
fn ask_ends(handle: &BaseConsumer, topics: &[TopicSpec], deadline: Instant) -> Option<Vec<((String, i32), i64)>> {
    let mut ends = Vec::new();
    for (topic, partition) in all_partitions(topics) {
        let end = loop {
            let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            match handle.fetch_watermarks(&topic, partition, left.min(QUESTION_AT_MOST)) {
                Ok((_, high)) => break high,
                Err(_) => std::thread::sleep(PAUSE),
            }
        };
        ends.push(((topic, partition), end));
    }
    Some(ends)
}

fn in_words(ends: &[((String, i32), i64)]) -> String {
    let ends: Vec<String> =
        ends.iter().map(|((topic, partition), end)| format!("{topic}/{partition}: {end}")).collect();
    ends.join(", ")
}
