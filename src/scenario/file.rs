//! A scenario file: workload × load × faults × thresholds, and the variants that share all of it.

use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::duration;
pub use super::fault_table::{DoSpec, FaultChoice, FaultSpec, How, MessageSpec, Only, RandomFaults};
use super::matrix::{Cell, Matrix};
use crate::checker::verdict::{AnomalyKind, Verdict};

/// A value per axis of the workload.
pub type Pattern = IndexMap<String, String>;

/// One scenario file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// A built-in workload's name, or the path of a manifest relative to this file.
    pub workload: String,
    /// One or two sentences for `torn list` and the report.
    #[serde(default)]
    pub description: String,
    /// From which everything random comes.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Who does what, how often.
    pub load: Load,
    /// Instances per role, where not the manifest's number.
    #[serde(default)]
    pub instances: IndexMap<String, u32>,
    /// Parameters of the manifest, changed.
    #[serde(default)]
    pub parameters: IndexMap<String, Value>,
    /// How many servers of a kind there are; by default one.
    #[serde(default, skip_serializing_if = "MongodbServers::is_default")]
    pub mongodb: MongodbServers,
    /// The same of Kafka.
    #[serde(default, skip_serializing_if = "KafkaServers::is_default")]
    pub kafka: KafkaServers,
    /// Faults at fixed times.
    #[serde(default)]
    pub fault: Vec<FaultSpec>,
    /// Faults at times drawn from the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random_faults: Option<RandomFaults>,
    /// Metric name → condition, `"latency.p99" = "<50ms"`. Missed: exit 1.
    #[serde(default)]
    pub thresholds: IndexMap<String, String>,
    /// At most this long from the end of the load to the verdict's absence of news; past it absence is unknown.
    #[serde(default = "default_drain_deadline", with = "duration")]
    pub drain_deadline: Duration,
    /// The patterns to compare, in the order of the page.
    pub variant: Vec<Variant>,
    /// Parameters to cross: every variant runs in every cell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrix: Option<Matrix>,
    /// Whether a relay of our own stands on every link, between its proxy and the server, and reads the messages.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tap: bool,
}

impl Scenario {
    /// Whether taps stand on its links: asked for, or needed by a fault at an exact message.
    pub fn is_tapped(&self) -> bool {
        self.tap || self.fault.iter().any(|fault| fault.at_message.is_some())
    }

    /// Whether a dependency has several servers, which only processes of this machine can be.
    pub fn has_cluster(&self) -> bool {
        self.mongodb.nodes > 1 || self.kafka.brokers > 1
    }
}

fn default_seed() -> u64 {
    1
}

fn default_drain_deadline() -> Duration {
    Duration::from_secs(60)
}

/// The `MongoDB` servers of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MongodbServers {
    /// Members of the replica set: 1, or 3 for failover. Of several each has a name, `mongodb-1` first.
    #[serde(default = "one")]
    pub nodes: u32,
    /// The size of the oplog in megabytes, where a fault is to roll it over; servers of somebody else's have their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oplog_mb: Option<u32>,
}

impl Default for MongodbServers {
    fn default() -> Self {
        Self { nodes: 1, oplog_mb: None }
    }
}

impl MongodbServers {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The Kafka brokers of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaServers {
    /// Brokers: 1, or 3 for failover. Of several each has a name, `kafka-1` first.
    #[serde(default = "one")]
    pub brokers: u32,
    /// `min.insync.replicas` of the run's topics; by default a majority of the brokers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_insync_replicas: Option<u32>,
}

impl Default for KafkaServers {
    fn default() -> Self {
        Self { brokers: 1, min_insync_replicas: None }
    }
}

impl KafkaServers {
    /// How many replicas must hold a record before `acks=all` is answered.
    pub fn insync_replicas(&self) -> u32 {
        self.min_insync_replicas.unwrap_or(self.brokers / 2 + 1)
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The load. Open loop: `rate` (operations a second) or `stages` with rates. Closed loop: `workers` alone, or `stages`
/// with workers. `rate` with `workers` is an open loop in which at most that many operations are under way; the rest
/// wait, and their latency counts from the intended start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Operations a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// How arrivals are spaced.
    #[serde(default)]
    pub arrivals: ArrivalKind,
    /// Rates, or numbers of workers, one after another, instead of `rate` and `duration`.
    #[serde(default)]
    pub stages: Vec<Stage>,
    /// Concurrent clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<u32>,
    /// How long the measured load lasts (after the warm-up).
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// Load before it, as in the first stage; judged for correctness, not measured.
    #[serde(default = "default_warm_up", with = "duration")]
    pub warm_up: Duration,
    /// How long a client waits for one answer.
    #[serde(default = "default_timeout", with = "duration")]
    pub timeout: Duration,
    /// What a client does when an attempt was not `ok`.
    #[serde(default)]
    pub retry: Retry,
    /// The key spaces, by the variable that draws from them.
    #[serde(default)]
    pub keys: IndexMap<String, KeySpace>,
    /// Operation name → weight; by default every operation of the manifest alike.
    #[serde(default)]
    pub mix: IndexMap<String, f64>,
}

fn default_warm_up() -> Duration {
    Duration::from_secs(2)
}

fn default_timeout() -> Duration {
    Duration::from_secs(10)
}

/// How arrivals of an open loop are spaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArrivalKind {
    /// Evenly.
    #[default]
    Constant,
    /// With exponential gaps.
    Poisson,
}

/// One stage of a load: either a rate (open loop) or workers (closed loop). All stages of a load are of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Operations a second at its end (and from its start, unless `from` says otherwise).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// The rate at its start; the rate then changes linearly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<f64>,
    /// Instead of a rate: clients that each start their next operation when their last has ended. What is under way
    /// when a stage with fewer of them begins is brought to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<u32>,
    /// How long it lasts.
    #[serde(rename = "for", with = "duration")]
    pub duration: Duration,
}

/// A client's retries. An operation is `ok` if one attempt was, `fail` only if every attempt was, else `info`. A status
/// that the manifest lists in `fail` is a clear answer (sold out) and is not retried; retried are timeouts, broken and
/// refused connections, and statuses that the manifest does not list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts in all, the first included.
    #[serde(default = "one")]
    pub attempts: u32,
    /// Whether every attempt carries the same `Idempotency-Key`.
    #[serde(default = "yes")]
    pub same_key: bool,
    /// How long to wait between attempts.
    #[serde(default = "default_pause", with = "duration")]
    pub pause: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 1, same_key: true, pause: default_pause() }
    }
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

fn default_pause() -> Duration {
    Duration::from_millis(100)
}

/// A space of keys: `product-000` … and how often each is drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySpace {
    /// How many keys there are.
    pub count: u32,
    /// How they are drawn.
    #[serde(default)]
    pub distribution: Distribution,
    /// Exponent of `zipf`; the most frequent key is the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exponent: Option<f64>,
    /// `hot`: how many keys (the first ones) are hot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hot_keys: Option<u32>,
    /// `hot`: the share of operations on the hot keys, between 0 and 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hot_share: Option<f64>,
    /// `in-turn`: how many operations one after another are on the same key; by default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<u32>,
}

/// How keys are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// Each as likely.
    #[default]
    Uniform,
    /// Key *k* with weight 1 / *k*^`exponent`.
    Zipf,
    /// `hot_keys` of them take `hot_share` of the operations.
    Hot,
    /// The first, the second, … and after the last the first again; drawn by nobody.
    InTurn,
}

/// A pattern and what is expected of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// The name on the page and, made safe, of the folder.
    pub name: String,
    /// A value for each axis.
    #[serde(default)]
    pub pattern: Pattern,
    /// What must come out.
    #[serde(default)]
    pub expect: Expectation,
    /// Which cell of a matrix it is of; no key of a file, given by the matrix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<Cell>,
}

/// What must come out of a variant. Neither key: `verdict = "valid"`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Each of these must occur.
    #[serde(default)]
    pub anomalies: Vec<AnomalyKind>,
    /// These may occur; any other forbidden one is not as expected.
    #[serde(default)]
    pub also: Vec<AnomalyKind>,
}
