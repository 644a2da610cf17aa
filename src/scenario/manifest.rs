//! A workload manifest: everything the harness knows about a system under test, as data.
//!
//! What a manifest does not name cannot be judged; such an invariant is reported as *not checked*. Templates
//! (`{product}`) are described in [`super::template`]; pointers are JSON pointers (RFC 6901).

use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::duration;
use crate::checker::verdict::AnomalyKind;

/// Which values of which axes make something exist: `{ write = ["outbox"] }`. Empty: always.
pub type Condition = IndexMap<String, Vec<String>>;

/// One workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The workload's name, `inventory`.
    pub name: String,
    /// One sentence for `torn list`.
    #[serde(default)]
    pub description: String,
    /// How long every witness must have been silent before absence is judged; longer than every retry and session
    /// timeout the services use.
    #[serde(default = "default_settle_after", with = "duration")]
    pub settle_after: Duration,
    /// Numbers and texts for templates (`{initial_stock}`); a scenario may override each under `[parameters]`.
    #[serde(default)]
    pub parameters: IndexMap<String, Value>,
    /// The axes along which the patterns of this workload differ.
    #[serde(default)]
    pub axis: IndexMap<String, Axis>,
    /// The programs, by role.
    pub process: IndexMap<String, Process>,
    /// Observed collections, by name.
    #[serde(default)]
    pub collection: IndexMap<String, Collection>,
    /// Observed topics, by name (the run adds a prefix of its own to the real name).
    #[serde(default)]
    pub topic: IndexMap<String, Topic>,
    /// Documents that are there before the first operation.
    #[serde(default)]
    pub setup: Vec<Setup>,
    /// What clients do, by name.
    pub operation: IndexMap<String, OperationSpec>,
    /// Who reads the topics and what they do with a record, by name.
    #[serde(default)]
    pub consumer: IndexMap<String, Consumer>,
    /// A quantity per entity that must never be given out twice, by collection.
    #[serde(default)]
    pub stock: IndexMap<String, Stock>,
    /// Anomalies that make a run invalid. Everything that was found is reported either way.
    #[serde(default)]
    pub forbidden: Vec<AnomalyKind>,
}

fn default_settle_after() -> Duration {
    Duration::from_secs(10)
}

/// One axis of the patterns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// What a value means, in one sentence each.
    pub values: IndexMap<String, String>,
    /// The axis must be given exactly when this holds.
    #[serde(default)]
    pub when: Condition,
    /// The value of a variant that does not give one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// One program under test. Each of its instances is an operating-system process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Program and arguments; templates over `{pattern.<axis>}`, `{topic.<name>}`, `{group.<consumer>}` and parameters. A program without a slash is looked up beside
    /// `torn`, then on PATH; one with a slash is relative to the manifest.
    #[serde(default)]
    pub command: Vec<String>,
    /// Instead of `command`: the base URL of a process that already runs elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Further environment variables; templates as in `command`.
    #[serde(default)]
    pub environment: IndexMap<String, String>,
    /// How many instances; a scenario may say otherwise under `[instances]`.
    #[serde(default = "one")]
    pub instances: u32,
    /// The dependencies it dials; each becomes a link of its own.
    #[serde(default)]
    pub dependencies: Vec<Node>,
    /// The process exists only in variants for which this holds.
    #[serde(default)]
    pub when: Condition,
    /// Answers 2xx once the process can do its work.
    #[serde(default = "default_ready_path")]
    pub ready_path: String,
    /// How long it may take to become ready.
    #[serde(default = "default_ready_within", with = "duration")]
    pub ready_within: Duration,
}

fn one() -> u32 {
    1
}

fn default_ready_path() -> String {
    "/health/ready".to_owned()
}

fn default_ready_within() -> Duration {
    Duration::from_secs(30)
}

/// A dependency: always the real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Node {
    /// A `MongoDB` replica set.
    Mongodb,
    /// A Kafka cluster.
    Kafka,
}

impl Node {
    /// The name in scenarios, links and histories.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mongodb => "mongodb",
            Self::Kafka => "kafka",
        }
    }

    /// The names of its servers: its own where there is one, else numbered.
    pub fn server_names(self, count: u32) -> Vec<String> {
        match count {
            0 | 1 => vec![self.name().to_owned()],
            count => (1..=count).map(|number| format!("{}-{number}", self.name())).collect(),
        }
    }
}

/// Where an observed document keeps what the checkers need.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    /// The entity key.
    #[serde(default = "default_entity")]
    pub entity: String,
    /// An integer that every committed change of the document raises by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The id of the operation that changed the document last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The roles that may write it. Empty: not judged.
    #[serde(default)]
    pub owners: Vec<String>,
    /// Its documents are outbox rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbox: Option<Outbox>,
}

fn default_entity() -> String {
    "/_id".to_owned()
}

/// Where an outbox row keeps what the checkers need.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outbox {
    /// The operation id.
    pub operation: String,
    /// The event id.
    pub event: String,
    /// The event type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The entity the event is about.
    pub subject: String,
    /// Missing, null or false while the row is unpublished.
    pub published: String,
}

/// Where a record keeps what the checkers need: a JSON pointer into the payload, or `header:<name>`. The defaults are
/// `CloudEvents` 1.0 in Kafka's binary mode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// How many partitions the harness creates.
    #[serde(default = "one")]
    pub partitions: u32,
    /// The operation id.
    #[serde(default = "default_correlation")]
    pub operation: String,
    /// The event id, together with `source`.
    #[serde(default = "default_id")]
    pub event: String,
    /// Who made the event.
    #[serde(default = "default_source")]
    pub source: String,
    /// The event type.
    #[serde(default = "default_type", rename = "type")]
    pub kind: String,
    /// The entity.
    #[serde(default = "default_subject")]
    pub subject: String,
    /// The entity's version that the event tells of, read as an integer.
    #[serde(default = "default_sequence")]
    pub sequence: String,
}

fn default_correlation() -> String {
    "header:ce_correlationid".to_owned()
}
fn default_id() -> String {
    "header:ce_id".to_owned()
}
fn default_source() -> String {
    "header:ce_source".to_owned()
}
fn default_type() -> String {
    "header:ce_type".to_owned()
}
fn default_subject() -> String {
    "header:ce_subject".to_owned()
}
fn default_sequence() -> String {
    "header:ce_sequence".to_owned()
}

/// Documents to insert before anything runs: one for each key of a key space, or one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// Where they go.
    pub collection: String,
    /// The key space of the scenario (`product`); the document's templates then know `{product}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_each: Option<String>,
    /// The document; a template.
    pub document: Value,
}

/// One kind of operation that clients carry out over HTTP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationSpec {
    /// The role that serves it; by default the first process of the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// HTTP method.
    pub method: String,
    /// Path and query; a template.
    pub path: String,
    /// Further headers; templates.
    #[serde(default)]
    pub headers: IndexMap<String, String>,
    /// JSON body; a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// Values drawn for each operation, by template variable.
    #[serde(default)]
    pub values: IndexMap<String, Generator>,
    /// The entity the operation is about; a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// Statuses that say: it took effect.
    pub ok: Vec<u16>,
    /// Statuses that say: it certainly had no effect.
    #[serde(default)]
    pub fail: Vec<u16>,
    /// Fields of the answer to keep, by name: JSON pointers. `conflicts` and `retries` feed the histograms.
    #[serde(default)]
    pub keep: IndexMap<String, String>,
    /// What it does to documents when it took effect.
    #[serde(default)]
    pub effect: Vec<EffectSpec>,
    /// The events it must lead to when it took effect.
    #[serde(default)]
    pub event: Vec<EventSpec>,
    /// Which documents an `ok` answer tells of, and which version of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answer: Vec<AnswerSpec>,
    /// Its effect may be empty (a reservation already there): `ok` without a change is then no anomaly.
    #[serde(default)]
    pub may_be_empty: bool,
}

impl OperationSpec {
    /// Whether the operation declares neither effects nor events.
    pub fn is_read(&self) -> bool {
        self.effect.is_empty() && self.event.is_empty()
    }
}

/// How a value is drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Generator {
    /// An integer between both ends, both included.
    Uniform([i64; 2]),
    /// Always the same.
    Constant(Value),
    /// One of these, each as likely.
    OneOf(Vec<Value>),
}

/// What one operation does to one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EffectSpec {
    /// The collection.
    pub collection: String,
    /// The document's entity key; a template.
    pub entity: String,
    /// Fields (JSON pointers) that sink by a value; templates.
    #[serde(default)]
    pub subtract: IndexMap<String, Value>,
    /// Fields that rise by a value.
    #[serde(default)]
    pub add: IndexMap<String, Value>,
    /// Fields that become a value.
    #[serde(default)]
    pub set: IndexMap<String, Value>,
}

/// What an `ok` answer tells of one document: a state that it had at some moment while the operation was under way; of an
/// operation that changes the document itself, one that shows this change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerSpec {
    /// The collection; it must say where its documents keep their version.
    pub collection: String,
    /// The document's entity key; a template.
    pub entity: String,
    /// The field of `keep` that is the version.
    pub version: String,
    /// Field of the document (JSON pointer) → the field of `keep` that is its value at that version.
    #[serde(default)]
    pub fields: IndexMap<String, String>,
}

/// One event that an operation must lead to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSpec {
    /// The topic.
    pub topic: String,
    /// The event type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The entity it is about; a template.
    pub subject: String,
}

/// Who reads a topic and what it makes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consumer {
    /// The role whose instances consume.
    pub role: String,
    /// The consumer group, without the prefix of the run; a service gets the full name by `{group.<consumer>}`.
    pub group: String,
    /// The topics.
    pub topics: Vec<String>,
    /// How events are treated.
    pub mode: ConsumerMode,
    /// The read model that shows each effect.
    pub view: View,
}

/// How a consumer treats events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsumerMode {
    /// Every event is applied exactly once.
    Each,
    /// Only the final state counts.
    Latest,
}

/// A consumer's read model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// The collection.
    pub collection: String,
    /// The event id that the last write stamped.
    pub event: String,
    /// The operation id that the last write stamped.
    pub operation: String,
    /// Fields that rise with each event: by a number, or by what stands at a pointer in the record's payload.
    #[serde(default)]
    pub add: IndexMap<String, Value>,
    /// Fields that become what stands at a pointer in the record's payload.
    #[serde(default)]
    pub set: IndexMap<String, String>,
    /// Where the last write stamped the place in the log that its event was read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

/// Where a view keeps the place in the log that its last event was read from: JSON pointers to integers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The partition.
    pub partition: String,
    /// The offset.
    pub offset: String,
}

/// A quantity that must not be given out twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stock {
    /// JSON pointer to the quantity.
    pub field: String,
}
