//! What the taps have counted, for the samples.

use std::collections::BTreeMap;

use crate::history::entry::WireSample;
use crate::link::CLIENTS;
use crate::link::tap::{Counters, Taps};

/// What was counted so far on every link on which messages are read.
pub(super) fn samples(taps: &Taps) -> BTreeMap<String, WireSample> {
    let read = taps.links().filter(|link| link.client != CLIENTS);
    read.filter_map(|link| Some((link.to_string(), sample(&taps.counters(link)?)))).collect()
}

fn sample(counters: &Counters) -> WireSample {
    WireSample {
        messages: counters.messages,
        bytes: counters.bytes,
        opaque_bytes: counters.opaque_bytes,
        is_encrypted: counters.encrypted_directions > 0,
        connections: counters.connections_open,
        connections_opened: counters.connections_opened,
        write_conflicts: counters.write_conflicts,
        duplicate_keys: counters.duplicate_keys,
        unmatched_updates: counters.unmatched_updates,
        transactions_begun: counters.transactions_begun,
        transactions_committed: counters.transactions_committed,
        transactions_aborted: counters.transactions_aborted,
        transactions_retried: counters.transactions_retried,
        commits_sent_again: counters.commits_sent_again,
        writes_sent_again: counters.writes_sent_again,
        batches_sent_again: counters.batches_sent_again,
        offset_commits: counters.offset_commits,
    }
}
