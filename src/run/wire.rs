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

/// The counters as the history tells them. Each is named, so that none that is added later is forgotten here.
fn sample(counters: &Counters) -> WireSample {
    let Counters {
        connections_open,
        connections_opened,
        encrypted_directions,
        messages,
        bytes,
        opaque_bytes,
        opaque_frames,
        malformed_frames,
        // Dozens of names, in a line that is written every second.
        requests: _,
        write_conflicts,
        duplicate_keys,
        unmatched_updates,
        transactions_begun,
        transactions_committed,
        transactions_aborted,
        transactions_retried,
        commits_sent_again,
        writes_sent_again,
        batches_sent_again,
        offset_commits,
    } = *counters;
    WireSample {
        messages,
        bytes,
        opaque_bytes,
        opaque_frames,
        malformed_frames,
        is_encrypted: encrypted_directions > 0,
        connections: connections_open,
        connections_opened,
        write_conflicts,
        duplicate_keys,
        unmatched_updates,
        transactions_begun,
        transactions_committed,
        transactions_aborted,
        transactions_retried,
        commits_sent_again,
        writes_sent_again,
        batches_sent_again,
        offset_commits,
    }
}
