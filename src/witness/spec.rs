//! What is to be watched, and who listens.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;

use crate::history::entry::Entry;
use crate::secret::Secret;

/// Hears of every entry of a witness right before it is recorded. Called on the witnesses' threads, in the order of
/// the history for each witness: it must be quick and must not block.
pub type Listener = Arc<dyn Fn(&Entry) + Send + Sync>;

/// Everything that the witnesses of one run watch.
#[derive(Debug, Clone, Default)]
pub struct WitnessSpec {
    /// Absent: the workload has no `MongoDB`.
    pub mongodb: Option<MongodbSpec>,
    /// Absent: the workload has no Kafka.
    pub kafka: Option<KafkaSpec>,
    /// How long the servers may take for everything that comes before the first write.
    pub start_within: Duration,
}

/// What is watched of a `MongoDB`.
#[derive(Clone, Default)]
pub struct MongodbSpec {
    /// Its servers by name, each with a URI of its own past every link; one URI may also stand for a whole replica set.
    pub members: Vec<(String, String)>,
    /// The run's own database.
    pub database: String,
    /// The observed collections.
    pub collections: Vec<String>,
    /// Outbox collection → JSON pointer to the field that is missing, null or false while a row is unpublished.
    pub outboxes: IndexMap<String, String>,
    /// Documents that are there before the first operation.
    pub documents: Vec<SetupDocument>,
}

impl fmt::Debug for MongodbSpec {
    /// Without the URIs: they may hold a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<&String> = self.members.iter().map(|(name, _)| name).collect();
        let mut shown = formatter.debug_struct("MongodbSpec");
        shown.field("members", &members).field("database", &self.database).field("collections", &self.collections);
        shown.field("outboxes", &self.outboxes).field("documents", &self.documents).finish()
    }
}

/// A document to insert before anything runs.
#[derive(Debug, Clone)]
pub struct SetupDocument {
    /// Where it goes.
    pub collection: String,
    /// The document, relaxed extended JSON. Integers are stored as 64-bit ones.
    pub document: Value,
}

/// What is watched of a Kafka cluster.
#[derive(Debug, Clone, Default)]
pub struct KafkaSpec {
    /// The direct addresses, past every link.
    pub bootstrap: String,
    /// The client library's settings beside: TLS, a user.
    pub settings: Vec<(String, Secret)>,
    /// How many replicas a new topic gets; none: the cluster's own default.
    pub replication: Option<u32>,
    /// The brokers by name, each with its own direct address; empty where they are not known one by one.
    pub members: Vec<(String, String)>,
    /// The observed topics by the manifest's name.
    pub topics: IndexMap<String, TopicSpec>,
    /// The consumer groups by the consumer's name in the manifest.
    pub groups: IndexMap<String, GroupSpec>,
}

/// A topic to create and watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its real name, the run's own.
    pub name: String,
    /// How many partitions it gets.
    pub partitions: u32,
    /// Its `min.insync.replicas`; none: the cluster's own default.
    pub min_insync_replicas: Option<u32>,
}

impl TopicSpec {
    /// Its partitions, as Kafka numbers them.
    pub(super) fn partition_numbers(&self) -> std::ops::Range<i32> {
        0..i32::try_from(self.partitions).unwrap_or(i32::MAX)
    }
}

/// A consumer group whose committed offsets are sampled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSpec {
    /// Its real id, the run's own.
    pub group: String,
    /// What it reads, by the manifest's names.
    pub topics: Vec<String>,
}
