//! What is counted of a link.

use std::collections::BTreeMap;

/// Sums since the link began. What was sent counts, whether or not it got through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections that are open now.
    pub connections_open: u64,
    /// Connections ever opened.
    pub connections_opened: u64,
    /// Directions of connections that turned out to be TLS.
    pub encrypted_directions: u64,
    /// Messages of both directions.
    pub messages: u64,
    /// Bytes of both directions.
    pub bytes: u64,
    /// Of these, bytes that are not read: of directions that are encrypted or make no sense.
    pub opaque_bytes: u64,
    /// Frames that are relayed as they are: compressed ones.
    pub opaque_frames: u64,
    /// Frames that make no sense: what made a direction opaque, and such as hold nothing readable.
    pub malformed_frames: u64,
    /// Requests by name, the first [`Counters::MOST_NAMES`] names; the others under `other`.
    pub requests: BTreeMap<String, u64>,
    /// Answers with a write conflict (code 112), each once.
    pub write_conflicts: u64,
    /// Duplicate keys (code 11000), each write.
    pub duplicate_keys: u64,
    /// Answers to `update` and `findAndModify` without an error that matched nothing and upserted nothing.
    pub unmatched_updates: u64,
    /// Transactions begun (`MongoDB`).
    pub transactions_begun: u64,
    /// Transactions whose commit was acknowledged, each once.
    pub transactions_committed: u64,
    /// Transactions that an abort or a transient error ended, each once.
    pub transactions_aborted: u64,
    /// Transactions begun in a session whose last one ended in a transient error.
    pub transactions_retried: u64,
    /// `commitTransaction` sent again for the same transaction.
    pub commits_sent_again: u64,
    /// Retryable writes sent again: the same session and number.
    pub writes_sent_again: u64,
    /// Batches of records sent again: the same producer, epoch, partition and sequence.
    pub batches_sent_again: u64,
    /// Acknowledged offset commits, those in transactions included.
    pub offset_commits: u64,
}

impl Counters {
    /// How many names are told apart.
    pub const MOST_NAMES: usize = 256;

    pub(crate) fn count_request(&mut self, name: &str) {
        if let Some(count) = self.requests.get_mut(name) {
            *count += 1;
            return;
        }
        let name = if self.requests.len() < Self::MOST_NAMES { name } else { "other" };
        *self.requests.entry(name.to_owned()).or_default() += 1;
    }

    /// How many requests of this name were sent.
    pub fn requests_of(&self, name: &str) -> u64 {
        self.requests.get(name).copied().unwrap_or(0)
    }
}
