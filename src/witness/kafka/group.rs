//! Committed offsets and lag of the consumer groups, by a handle of each group that never joins it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use super::client_config;
use super::log::Seen;
use super::topic::refused;
use crate::witness::error::WitnessError;
use crate::witness::spec::KafkaSpec;

/// What was learnt about the groups.
#[derive(Debug, Clone, Default)]
pub(in crate::witness) struct GroupSample {
    /// Consumer → records it has not committed.
    pub(in crate::witness) lag: BTreeMap<String, u64>,
    /// Consumer → `topic/partition` → committed offset.
    pub(in crate::witness) committed: BTreeMap<String, BTreeMap<String, i64>>,
}

/// Asks for the groups' offsets.
pub(in crate::witness) struct GroupProbe {
    spec: KafkaSpec,
    /// Sees the end of a partition as a reader of committed records does: before an open transaction.
    ends: BaseConsumer,
    groups: Vec<(String, BaseConsumer)>,
    seen: Arc<Mutex<Seen>>,
}

impl GroupProbe {
    pub(super) fn new(spec: &KafkaSpec, seen: Arc<Mutex<Seen>>) -> Result<Self, WitnessError> {
        let failed = |error| refused(&spec.bootstrap, "make a client", &error);
        let ends = client_config(spec).set("isolation.level", "read_committed").create().map_err(failed)?;
        let mut groups = Vec::new();
        for (consumer, group) in &spec.groups {
            let handle = client_config(spec).set("group.id", &group.group).create().map_err(failed)?;
            groups.push((consumer.clone(), handle));
        }
        Ok(Self { spec: spec.clone(), ends, groups, seen })
    }

    /// Asks for everything; blocks until the deadline at most. `None` when a broker did not answer in time: half a
    /// sample would be taken for a whole one.
    pub(in crate::witness) fn ask(&self, deadline: Instant) -> Option<GroupSample> {
        let mut sample = GroupSample::default();
        let mut ends = HashMap::new();
        for (consumer, handle) in &self.groups {
            let committed = self.committed(consumer, handle, deadline).ok()?;
            let mut lag = 0;
            let mut offsets = BTreeMap::new();
            for (topic, name, partition) in self.partitions(consumer) {
                let end = match ends.get(&(name, partition)) {
                    Some(end) => *end,
                    None => self.ends.fetch_watermarks(name, partition, left(deadline)?).ok()?.1,
                };
                ends.insert((name, partition), end);
                let offset = committed.find_partition(name, partition).map(|element| element.offset());
                let offset = if let Some(Offset::Offset(offset)) = offset {
                    offsets.insert(format!("{topic}/{partition}"), offset);
                    offset
                } else {
                    0
                };
                let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                let key = (name.to_owned(), partition);
                lag += seen.extents.get(&key).map_or((end - offset).max(0) as u64, |extent| extent.left(offset, end));
            }
            sample.lag.insert(consumer.clone(), lag);
            sample.committed.insert(consumer.clone(), offsets);
        }
        Some(sample)
    }

    fn committed(&self, consumer: &str, handle: &BaseConsumer, deadline: Instant) -> KafkaResult<TopicPartitionList> {
        let mut asked = TopicPartitionList::new();
        for (_, name, partition) in self.partitions(consumer) {
            asked.add_partition(name, partition);
        }
        handle.committed_offsets(asked, left(deadline).unwrap_or(Duration::from_millis(1)))
    }

    /// What a consumer reads: the manifest's topic, its real name, a partition.
    fn partitions<'a>(&'a self, consumer: &str) -> impl Iterator<Item = (&'a str, &'a str, i32)> {
        let topics = self.spec.groups.get(consumer).map(|group| group.topics.as_slice()).unwrap_or_default();
        topics.iter().filter_map(|topic| Some((topic.as_str(), self.spec.topics.get(topic)?))).flat_map(
            |(topic, spec)| spec.partition_numbers().map(move |partition| (topic, spec.name.as_str(), partition)),
        )
    }
}

/// What is left of the time; `None` when it is over.
fn left(deadline: Instant) -> Option<Duration> {
    deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}
