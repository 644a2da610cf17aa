//! `metrics.json`: every figure with its unit and its rule. Only the measured part of the load counts (`part = load`),
//! unless a field says otherwise; times are seconds from the first planned arrival of that load.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::quantile::Quantiles;
use super::thresholds::Evaluation;
use crate::history::entry::{Anatomy, ClusterStep, WireSample};

/// The version of `metrics.json`.
pub const FORMAT: u32 = 1;

/// A run's figures and its latency log.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// `metrics.json`.
    pub metrics: Metrics,
    /// `latency.hlog`: response times of all operations in nanoseconds, a histogram for each second of completion.
    pub latency_log: Vec<(u32, Histogram<u64>)>,
}

/// `metrics.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// [`FORMAT`].
    pub format: u32,
    /// Whether the run went through all its phases; figures of a run cut short cover what there is.
    pub complete: bool,
    /// How long the measured load lasted, seconds.
    pub load_seconds: f64,
    /// When the run's clock stood at the start of the load, nanoseconds: what stories count from.
    pub load_started: u64,
    /// Whether the generator kept up.
    pub generator: Generator,
    /// Operations by outcome and second.
    pub throughput: Throughput,
    /// Response and service times: first all operations together, then each kind.
    pub latency: Vec<Latency>,
    /// The response times of `ok` operations for an HDR percentile plot: (quantile, milliseconds).
    pub distribution: Vec<[f64; 2]>,
    /// Second by second, the drain included.
    pub timeline: Vec<Second>,
    /// Conflicts and retries.
    pub contention: Contention,
    /// From commit to record to effect.
    pub delay: Delay,
    /// Each process.
    pub processes: Vec<ProcessUse>,
    /// CPU by role, the services together, and `torn` itself: microseconds an operation.
    pub cpu_us_per_operation: IndexMap<String, f64>,
    /// The load stage by stage; empty for a load without stages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageFigures>,
    /// Before, during and after each fault.
    pub faults: Vec<FaultWindow>,
    /// What clusters did by themselves.
    #[serde(default, skip_serializing_if = "Cluster::is_empty")]
    pub cluster: Cluster,
    /// What taps counted on each link; empty where none stood.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub wire: BTreeMap<String, WireSample>,
    /// The messages that one operation of each kind costs; empty where no taps were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anatomies: Vec<Anatomy>,
    /// Anomalies by kind, for each 10,000 operations (warm-up included, as the verdict counts them).
    pub anomalies_per_10000: IndexMap<String, f64>,
    /// The scenario's thresholds.
    pub thresholds: Vec<Evaluation>,
}

/// Whether the generator kept up. It did not if fewer than 99.9 % of the planned operations were started or if its
/// lateness (released - due) has a p99 above 10 ms; latencies then say more about the generator than the service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    /// Planned operations; absent in a closed loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<u64>,
    /// Started operations.
    pub started: u64,
    /// Operations with a known outcome.
    pub completed: u64,
    /// How late the generator released operations, milliseconds.
    pub lateness: Quantiles,
    /// Whether latencies may be used.
    pub kept_up: bool,
    /// Why not, in plain words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// Operations by outcome, and their rate over the load. An operation that never completed counts as `info`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    /// Took effect.
    pub ok: u64,
    /// Certainly had no effect.
    pub fail: u64,
    /// May have had one.
    pub info: u64,
    /// `ok` a second.
    pub ok_per_second: f64,
    /// Completed a second, whatever came out.
    pub completed_per_second: f64,
}

/// Times of one set of operations, milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The operation's name; absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Which outcomes.
    pub outcomes: Outcomes,
    /// From the intended start to the answer.
    pub response: Quantiles,
    /// From the last attempt's sending to its answer.
    pub service: Quantiles,
}

/// Which outcomes a figure covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcomes {
    /// Only `ok`.
    Ok,
    /// Every completed operation.
    All,
}

/// One second. Outcomes, conflicts and retries are counted where an operation completed; latencies where it was due.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Which, from 0.
    pub second: u32,
    /// Completed with `ok`.
    pub ok: u64,
    /// Completed with `fail`.
    pub fail: u64,
    /// Completed with `info`.
    pub info: u64,
    /// Response time, all outcomes, milliseconds; absent where nothing was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    /// The same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// Conflicts that services told of.
    pub conflicts: u64,
    /// Retries that services told of.
    pub retries: u64,
    /// What was sampled in this second; absent without a sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampled: Option<Sampled>,
}

/// What a sample adds to a second.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sampled {
    /// Operations under way.
    pub in_flight: u64,
    /// Unpublished rows, by outbox collection.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub backlog: BTreeMap<String, u64>,
    /// Records not yet committed, by consumer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lag: BTreeMap<String, u64>,
    /// `MongoDB`'s write conflicts since the sample before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_conflicts: Option<u64>,
    /// Aborted transactions since the sample before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transactions_aborted: Option<u64>,
    /// Open connections to `MongoDB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u64>,
    /// What the taps of all links counted since the sample before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire: Option<WireRates>,
    /// CPU since the sample before, by process; 100 is one core.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cpu_percent: BTreeMap<String, f64>,
    /// Resident memory by process, MiB.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub memory_mib: BTreeMap<String, f64>,
}

/// What passed on all links that have taps, since the sample before; on links between nodes too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireRates {
    /// Messages of both directions.
    pub messages: u64,
    /// Write conflicts (code 112).
    pub write_conflicts: u64,
    /// Duplicate keys (code 11000).
    pub duplicate_keys: u64,
    /// Conditional updates that matched nothing.
    pub unmatched_updates: u64,
    /// Transactions aborted.
    pub transactions_aborted: u64,
    /// Transactions, commits, retryable writes and batches of records sent again.
    pub sent_again: u64,
    /// Connections opened.
    pub connections_opened: u64,
    /// Connections open at the time of the sample.
    pub connections_open: u64,
}

/// Conflicts and retries, where services tell of them (`keep` in the manifest).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Contention {
    /// Operations whose answer told of conflicts or retries (zero included).
    pub operations: u64,
    /// Conflicts in all.
    pub conflicts: u64,
    /// Retries in all.
    pub retries: u64,
    /// How many operations had 0, 1, 2, … conflicts.
    pub conflicts_per_operation: BTreeMap<u64, u64>,
    /// How many operations had 0, 1, 2, … retries.
    pub retries_per_operation: BTreeMap<u64, u64>,
    /// The entities with the most operations, at most ten.
    pub hot_keys: Vec<HotKey>,
    /// How many entities were used.
    pub entities: u64,
    /// `MongoDB`'s write conflicts during the load.
    pub write_conflicts: u64,
    /// Aborted transactions during the load.
    pub transactions_aborted: u64,
}

/// One entity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HotKey {
    /// Its key.
    pub entity: String,
    /// Operations on it.
    pub operations: u64,
    /// Those that were not `ok`.
    pub not_ok: u64,
    /// Conflicts on it.
    pub conflicts: u64,
    /// Retries on it.
    pub retries: u64,
}

/// From commit to record to effect, by the witnesses' clock; joined by operation id (an operation's first change, first
/// record and first effect). What never arrived has no delay: compare the counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Delay {
    /// Events that committed changes require, the warm-up's included: what lost events are counted against.
    pub events_due: u64,
    /// Operations with a committed change that requires an event.
    pub commits: u64,
    /// Of these: with a record.
    pub with_record: u64,
    /// Of these: with an effect.
    pub with_effect: u64,
    /// Records seen before their change (a service that publishes first): not in the quantiles.
    pub record_before_commit: u64,
    /// Commit seen → record seen, milliseconds.
    pub commit_to_record: Quantiles,
    /// Record seen → effect seen, milliseconds.
    pub record_to_effect: Quantiles,
    /// Commit seen → effect seen, milliseconds.
    pub commit_to_effect: Quantiles,
}

/// One process during the load.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessUse {
    /// `api-1`, `mongodb`, `torn`.
    pub process: String,
    /// `api`, `mongodb`, `torn`.
    pub role: String,
    /// Whether it is a service under test.
    pub is_service: bool,
    /// CPU time, milliseconds.
    pub cpu_ms: u64,
    /// Mean CPU; 100 is one core.
    pub cpu_percent: f64,
    /// CPU for each completed operation, microseconds.
    pub cpu_us_per_operation: f64,
    /// Largest resident memory that was sampled, MiB.
    pub memory_peak_mib: f64,
    /// Crashes that the harness caused.
    pub killed: u64,
    /// Ends by itself.
    pub exited: u64,
}

/// One stage of the load. Rates count what completed within it; the other figures cover what was due in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StageFigures {
    /// Its workers, in a closed loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<u32>,
    /// Its rate at its end, operations a second, in an open loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// How long it lasted, seconds.
    pub seconds: f64,
    /// Operations that were due in it.
    pub operations: u64,
    /// `ok` a second.
    pub ok_per_second: f64,
    /// Completed a second, whatever came out.
    pub completed_per_second: f64,
    /// Response time, all outcomes, milliseconds; absent where nothing was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    /// The same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// Conflicts for each operation whose answer told of any (zero included); absent where none told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflicts_per_operation: Option<f64>,
    /// The same for retries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries_per_operation: Option<f64>,
}

/// One fault of the schedule, and the load around it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultWindow {
    /// Its number in the schedule, from 0.
    pub fault: u32,
    /// In words.
    pub what: String,
    /// What exactly was struck.
    pub targets: Vec<String>,
    /// Why there is no window: `not applicable`, or the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<String>,
    /// Confirmed, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<f64>,
    /// Healed, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<f64>,
    /// At most ten seconds before, back to the heal of another fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Slice>,
    /// From confirmed to healed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub during: Option<Slice>,
    /// At most ten seconds after, up to the next fault or the end of the load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Slice>,
    /// Seconds from the heal to the first second (looked for in steps of 0.1 s) whose `ok` rate is at least 90 % of the
    /// rate before and whose p99 is at most twice that before. Absent: not within `after`, or no `before`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered_after: Option<f64>,
    /// Why a figure is missing or must be read with care.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What clusters did by themselves; empty where every dependency is a single server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// How members and partitions stood when the load began, in words.
    pub before: Vec<String>,
    /// What happened from then on, in order.
    pub marks: Vec<ClusterMark>,
    /// By topic, where not all replicas were always in sync.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub in_sync: BTreeMap<String, InSync>,
}

impl Cluster {
    /// Whether there is no cluster.
    pub fn is_empty(&self) -> bool {
        self.before.is_empty() && self.marks.is_empty()
    }
}

/// One thing that happened in a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterMark {
    /// When it was seen, seconds.
    pub at: f64,
    /// What.
    pub event: ClusterStep,
    /// In words: to whom, and from what to what.
    pub what: String,
}

/// The replicas of a topic.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InSync {
    /// How many each partition has.
    pub replicas: u32,
    /// From when on (seconds) how many are in sync of the partition that has the fewest.
    pub least: Vec<(f64, u32)>,
}

/// The load in one stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// How long it is, seconds.
    pub seconds: f64,
    /// `ok` a second, by completion.
    pub ok_per_second: f64,
    /// `fail` and `info` as a share of all that completed, percent.
    pub not_ok_percent: f64,
    /// Response time of operations due in it, milliseconds; absent where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    /// The same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
}

impl Metrics {
    /// Latencies of all operations together.
    pub fn latency_of_all(&self, outcomes: Outcomes) -> Option<&Latency> {
        self.latency.iter().find(|latency| latency.operation.is_none() && latency.outcomes == outcomes)
    }

    /// The largest value of something sampled.
    pub fn largest(&self, value: impl Fn(&Sampled) -> u64) -> Option<u64> {
        self.timeline.iter().filter_map(|second| second.sampled.as_ref()).map(value).max()
    }
}
