//! What a line of `history.jsonl` may say: one JSON object with one key, the kind of the entry
//! (`{"invoke":{…}}`). The format is described for other tools in `docs/history.md`; raise [`FORMAT`] when it changes.
//!
//! Every `at`, `due`, … is in nanoseconds of the harness's monotonic clock since the run began.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
pub use torn_scan::word::{ChangeKind, Outcome, Part};

pub use super::cluster::{ClusterEvent, ClusterStep};
pub use super::sample::{MongodbSample, ProcessSample, Sample};
pub use super::wire::{Anatomy, AnatomyMessage, Strike, WireMessage, WireSample};

/// The version of the history's format, in `run.json` and in the first line.
pub const FORMAT: u32 = 1;

/// Nanoseconds since the run began, by the harness's monotonic clock.
pub type Nanos = u64;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// Always the first line.
    Run(Header),
    /// The run entered a phase.
    Phase(Phase),
    /// A client is about to send the first request of an operation.
    Invoke(Invoke),
    /// A client is about to send a further request for it.
    Attempt(Attempt),
    /// A client knows as much as it will ever know.
    Complete(Complete),
    /// The `MongoDB` witness saw a committed change.
    Change(Change),
    /// The Kafka witness saw a committed record.
    Record(Record),
    /// A fault was asked for, confirmed, healed, ….
    Fault(FaultEvent),
    /// A sweep struck at a message.
    Strike(Strike),
    /// A tap saw a message of a recorded operation.
    Wire(WireMessage),
    /// What messages an operation of a kind costs.
    Anatomy(Anatomy),
    /// Something happened to a process.
    Process(ProcessEvent),
    /// A cluster did something by itself: an election, another leader, a rollback.
    Cluster(ClusterEvent),
    /// What was measured, about once a second.
    Sample(Sample),
    /// A document as the final read found it.
    Document(Document),
    /// A collection was read to its end: that many documents.
    Collection(CollectionEnd),
    /// How far a witness has seen.
    Witness(WitnessEvent),
    /// The drain ended.
    Drain(Drain),
    /// Always the last line; without it the history was cut short.
    End(End),
}

/// The first line: what the file is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`].
    pub format: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The variant's name.
    pub variant: String,
    /// The seed.
    pub seed: u64,
    /// Hash of the plan.
    pub plan: String,
    /// Wall-clock time of nanosecond 0, RFC 3339, UTC.
    pub started: String,
    /// The run's own database.
    pub database: String,
    /// The manifest's topic names → the run's own.
    pub topics: BTreeMap<String, String>,
}

/// A phase of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// When it began.
    pub at: Nanos,
    /// Which.
    pub name: PhaseName,
}

/// The phases, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseName {
    /// Dependencies come up.
    Environment,
    /// Topics, collections, links, witnesses, setup.
    Setup,
    /// Services come up.
    Services,
    /// One operation of each kind, alone: the messages that it costs. Only where taps are asked for.
    Anatomy,
    /// The first planned arrival of the warm-up.
    WarmUp,
    /// The first planned arrival of the measured load: time zero of the fault schedule and of every plot.
    Load,
    /// The last planned arrival's end: no operation starts after it.
    LoadEnd,
    /// Everything is healed.
    Drain,
    /// The final reads.
    FinalReads,
    /// Services and servers stop.
    Stop,
}

/// The start of an operation. Queued to the recorder before its request leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Invoke {
    /// When the worker sent it off.
    pub at: Nanos,
    /// The intended start; response time counts from here. In a closed loop the same as `at`.
    pub due: Nanos,
    /// When the generator released it, before it waited for a worker: `released - due` is the generator's lateness.
    pub released: Nanos,
    /// The operation id: what the first request carries as `Idempotency-Key`.
    pub operation: String,
    /// The operation's name in the manifest.
    pub kind: String,
    /// Warm-up or load.
    pub part: Part,
    /// Which client: an integer from 0. A client does one operation at a time.
    pub client: u32,
    /// The instance it is sent to.
    pub instance: String,
    /// The drawn keys and values by template variable (`product`, `quantity`).
    pub values: BTreeMap<String, Value>,
}

/// A further request for an operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it was sent off.
    pub at: Nanos,
    /// The operation id.
    pub operation: String,
    /// 2 for the second request, ….
    pub number: u32,
    /// The `Idempotency-Key` it carries: the operation id, or with `same_key = false` the id, a dot and the number.
    pub key: String,
    /// The instance it is sent to.
    pub instance: String,
}

/// The end of an operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Complete {
    /// When the last answer (or its absence) was known.
    pub at: Nanos,
    /// The operation id.
    pub operation: String,
    /// `ok` if one attempt was, `fail` only if every attempt was, else `info`.
    pub outcome: Outcome,
    /// The last answer's HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why there was no answer: `timeout`, `connection refused`, `connection reset`, ….
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When the last attempt was sent; `at - sent` is its service time.
    pub sent: Nanos,
    /// How many attempts were made.
    pub attempts: u32,
    /// The fields of the answer that the manifest keeps (`conflicts`, `retries`, …).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kept: BTreeMap<String, Value>,
}

/// One committed change of an observed document. The state before it is the `after` of the previous change of the same
/// document in the file; values are `MongoDB`'s relaxed extended JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// When the witness saw it.
    pub at: Nanos,
    /// The collection.
    pub collection: String,
    /// The document's `_id` as text (a string as it is, an object id as hex, else compact JSON).
    pub id: String,
    /// What was done.
    pub kind: ChangeKind,
    /// The document afterwards; null after a delete.
    pub after: Value,
    /// The operation time: seconds and increment of the `clusterTime`.
    pub time: [u32; 2],
    /// Session and number of the transaction, where there was one. Its changes share their operation time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
}

/// One committed record of an observed topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When the witness saw it.
    pub at: Nanos,
    /// The manifest's name of the topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// The key as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Headers as text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The payload: JSON where it is JSON, else a string; null for a tombstone.
    pub payload: Value,
    /// The broker's or producer's timestamp, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
}

/// A step in the life of a fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultEvent {
    /// When.
    pub at: Nanos,
    /// The fault's number in the schedule, from 0.
    pub fault: u32,
    /// What happened.
    pub step: FaultStep,
    /// The fault in words: `partition api → kafka`, `kill projector-1`.
    pub what: String,
    /// What exactly was struck: links (`api-1 → kafka`) or processes.
    #[serde(default)]
    pub targets: Vec<String>,
    /// More about it: an error, how it was confirmed, the probe's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The detail of a fault that finds nobody in its variant.
pub const NOBODY_TO_STRIKE: &str = "this variant has nobody to strike";

/// The steps in the life of a fault, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultStep {
    /// The nemesis begins to inject it.
    Asked,
    /// It is in place: read back and probed.
    Confirmed,
    /// The nemesis begins to heal it.
    Healing,
    /// It is gone: read back and probed.
    Healed,
    /// It could not be injected or healed.
    Failed,
    /// This variant has nobody to strike.
    NotApplicable,
}

/// Something that happened to a process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessEvent {
    /// When.
    pub at: Nanos,
    /// The instance (`api-1`) or dependency (`mongodb`).
    pub process: String,
    /// What.
    pub event: ProcessStep,
    /// Its process id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The exit status, the last log line, ….
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What may happen to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessStep {
    /// It was started.
    Started,
    /// It answered that it is ready.
    Ready,
    /// The harness killed it (SIGKILL).
    Killed,
    /// The harness stopped it for a while (SIGSTOP).
    Paused,
    /// It goes on (SIGCONT).
    Resumed,
    /// It ended by itself: never an injected crash.
    Exited,
    /// The harness ended it in order, at the end of the run.
    Stopped,
}

/// A document as the final read found it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The collection.
    pub collection: String,
    /// Its `_id` as text.
    pub id: String,
    /// The document.
    pub document: Value,
}

/// The end of the final read of one collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionEnd {
    /// When.
    pub at: Nanos,
    /// The collection.
    pub collection: String,
    /// How many documents it held.
    pub documents: u64,
}

/// How far a witness has seen, or what went wrong with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WitnessEvent {
    /// When.
    pub at: Nanos,
    /// `mongodb` or `kafka`.
    pub witness: String,
    /// What.
    pub event: WitnessStep,
    /// Error, operation time, offsets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What may happen to a witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WitnessStep {
    /// It watches; nobody has written yet.
    Ready,
    /// It lost the connection and resumed without a gap.
    Resumed,
    /// It can no longer vouch for completeness: absence is unknown.
    Lost,
    /// It has passed the operation time or the end offsets that were read after the load.
    CaughtUp,
}

/// How the drain ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drain {
    /// When.
    pub at: Nanos,
    /// Why it ended.
    pub end: DrainEnd,
    /// Unpublished rows left.
    pub unpublished: u64,
    /// Records left unread by consumers.
    pub lag: u64,
    /// Whether the witnesses passed the operation time and the end offsets read after the load.
    pub witnesses_caught_up: bool,
    /// Obligations (events and effects) not met.
    pub outstanding: u64,
}

/// Why the drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DrainEnd {
    /// Every obligation was met.
    Met,
    /// Nothing moved for `settle_after`, and nothing durable is left.
    Settled,
    /// The deadline passed.
    Deadline,
    /// The run was interrupted, or had failed before.
    Cut,
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When.
    pub at: Nanos,
    /// Whether the run went through all its phases.
    pub complete: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Operations planned for the measured load, where that is known (an open loop).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<u64>,
}
