//! What taps saw, and what was done at a message: entries of the history.

use serde::{Deserialize, Serialize};

use super::entry::Nanos;

/// What a tap has counted on one link since the run began: a part of a sample.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireSample {
    /// Messages of both directions.
    pub messages: u64,
    /// Bytes of both directions.
    pub bytes: u64,
    /// Of these, bytes that could not be read: encrypted, compressed, or no messages at all.
    pub opaque_bytes: u64,
    /// Messages that are compressed: they pass, and nobody reads them.
    #[serde(default)]
    pub opaque_frames: u64,
    /// Messages that made no sense; they pass as well.
    #[serde(default)]
    pub malformed_frames: u64,
    /// Whether connections are encrypted: then there are no messages.
    pub is_encrypted: bool,
    /// Connections that are open now.
    pub connections: u64,
    /// Connections ever opened.
    pub connections_opened: u64,
    /// Write conflicts (code 112).
    pub write_conflicts: u64,
    /// Duplicate keys (code 11000).
    pub duplicate_keys: u64,
    /// Conditional updates that matched nothing.
    pub unmatched_updates: u64,
    /// Transactions begun.
    pub transactions_begun: u64,
    /// Transactions committed.
    pub transactions_committed: u64,
    /// Transactions aborted.
    pub transactions_aborted: u64,
    /// Transactions begun again after a transient error.
    pub transactions_retried: u64,
    /// `commitTransaction` sent again for the same transaction.
    pub commits_sent_again: u64,
    /// Retryable writes sent again.
    pub writes_sent_again: u64,
    /// Batches of records sent again by an idempotent producer.
    pub batches_sent_again: u64,
    /// Offset commits that were acknowledged.
    pub offset_commits: u64,
}

/// A message of an operation that a sweep recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireMessage {
    /// When it passed.
    pub at: Nanos,
    /// On which link: `api-1 → mongodb`.
    pub link: String,
    /// On which of the link's connections, from 1.
    pub connection: u64,
    /// Its number; an answer has its request's.
    pub correlation: i32,
    /// Whether it is an answer.
    #[serde(rename = "answer")]
    pub is_answer: bool,
    /// The command or API: `insert`, `commitTransaction`, `Produce`.
    pub command: String,
    /// The collection or topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Whether an answer brings documents or records.
    pub brings: bool,
}

/// The messages that one operation of a kind costs, as it was carried out alone before the load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anatomy {
    /// When the last recording of it ended.
    pub at: Nanos,
    /// The kind of operation: `purchase`.
    pub operation: String,
    /// How many were recorded.
    pub recordings: u32,
    /// The messages, in order.
    pub messages: Vec<AnatomyMessage>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnatomyMessage {
    /// Who sends the request.
    pub client: String,
    /// Who answers it.
    pub server: String,
    /// The command or API.
    pub command: String,
    /// The collection or topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The how-manieth of this name within the operation, from 1.
    pub nth: u32,
    /// Whether it is the answer to a question that is asked all the time.
    #[serde(rename = "delivery")]
    pub is_delivery: bool,
    /// In how many of the recordings it came.
    pub seen_in: u32,
    /// Microseconds from the operation's invocation to the request (of a delivery: to the answer).
    pub request_us: u64,
    /// To the answer; none where none was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_us: Option<u64>,
    /// Whether the client had its answer before this message left.
    pub after_answer: bool,
}

/// One try of a sweep, when it is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strike {
    /// When it was over.
    pub at: Nanos,
    /// When it began.
    pub from: Nanos,
    /// What was done at which message: `kill-before at api-1 → kafka: Produce purchases`.
    pub point: String,
    /// The operation that was struck.
    pub operation: String,
    /// The later operation on the same entity that came through; none if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentinel: Option<String>,
    /// Whether the message came.
    #[serde(rename = "struck")]
    pub has_struck: bool,
}
