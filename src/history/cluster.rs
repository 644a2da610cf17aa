//! What a cluster of several servers did by itself: an entry of the history.

use serde::{Deserialize, Serialize};

use super::entry::Nanos;

/// Something that a cluster did, or that happened to one of its members. The first state of each is told too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterEvent {
    /// When the watcher saw it; it looks a few times a second.
    pub at: Nanos,
    /// `mongodb` or `kafka`.
    pub dependency: String,
    /// What.
    pub event: ClusterStep,
    /// To whom (`mongodb-2`), or who leads now; none where a partition has no leader, and for `in-sync`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The partition (`purchases/0`, the manifest's name) of `leader` and `in-sync`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// The term of an election, the leader epoch of a partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<i64>,
    /// Of `in-sync`: which replicas are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_sync: Option<Vec<String>>,
    /// Of `in-sync`: how many replicas there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// The same in words; the state itself (`SECONDARY`) for `state`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What may happen in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterStep {
    /// A member of the replica set became the primary that takes writes.
    Elected,
    /// A member that was primary no longer is.
    SteppedDown,
    /// A member is in another state than before: `SECONDARY`, `ROLLBACK`, …, `DOWN` for one that does not answer.
    State,
    /// A member undid writes that a majority never had.
    RolledBack,
    /// Another broker leads a partition, or the same one after another election.
    Leader,
    /// The replicas of a partition that are in sync changed.
    InSync,
    /// A broker does not answer.
    BrokerLost,
    /// It answers again.
    BrokerBack,
}

impl ClusterEvent {
    /// An event with nothing but its name.
    pub fn new(at: Nanos, dependency: &str, event: ClusterStep) -> Self {
        Self {
            at,
            dependency: dependency.to_owned(),
            event,
            member: None,
            partition: None,
            term: None,
            in_sync: None,
            replicas: None,
            detail: None,
        }
    }
}
