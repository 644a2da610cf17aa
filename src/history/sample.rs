//! What is measured about once a second: an entry of the history.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::entry::Nanos;
use super::wire::WireSample;

/// What was measured at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When.
    pub at: Nanos,
    /// From `serverStatus`, all members together. Counters only rise, from the first sample on, over restarts and
    /// elections; in the files of older runs they are one server's, since its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mongodb: Option<MongodbSample>,
    /// Unpublished rows by outbox collection.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub backlog: BTreeMap<String, u64>,
    /// Records not yet committed by a consumer (the manifest's name).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lag: BTreeMap<String, u64>,
    /// Next offset to read as the group has committed it, by consumer, then `topic/partition`. Absent: none yet.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub committed: BTreeMap<String, BTreeMap<String, i64>>,
    /// By instance, dependency, and `torn` itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub processes: BTreeMap<String, ProcessSample>,
    /// Operations under way.
    #[serde(default)]
    pub in_flight: u64,
    /// What the taps have counted since the run began, by link (`api-1 → mongodb`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub wire: BTreeMap<String, WireSample>,
}

/// A part of `serverStatus`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MongodbSample {
    /// `metrics.operation.writeConflicts`.
    pub write_conflicts: u64,
    /// `transactions.totalAborted`.
    pub transactions_aborted: u64,
    /// `transactions.totalCommitted`.
    pub transactions_committed: u64,
    /// `connections.current`.
    pub connections: u64,
}

/// What one process has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSample {
    /// User and system time since its start, milliseconds.
    pub cpu_ms: u64,
    /// Resident memory, bytes.
    pub rss: u64,
}
