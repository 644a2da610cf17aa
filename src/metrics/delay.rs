//! From commit to record to effect.

use super::measurement::Delay;
use super::quantile::Quantiles;
use super::tally::{Operation, Tally};
use crate::scenario::resolved::Resolved;

/// Delays of the measured operations whose committed change requires an event.
pub(super) fn delay(tally: &Tally, resolved: &Resolved) -> Delay {
    let events: Vec<u64> = tally
        .kinds
        .iter()
        .map(|kind| resolved.manifest.operation.get(kind).map_or(0, |operation| operation.event.len() as u64))
        .collect();
    let committed: Vec<&Operation> =
        tally.measured().filter(|operation| events[operation.kind] > 0 && operation.commit.is_some()).collect();
    let between = |from: fn(&Operation) -> Option<u64>, to: fn(&Operation) -> Option<u64>| {
        let delays = committed.iter().filter_map(move |operation| to(operation)?.checked_sub(from(operation)?));
        Quantiles::from_nanos(delays)
    };
    let with_record = committed.iter().filter(|operation| operation.record.is_some()).count() as u64;
    let all = tally.operations.iter().filter(|operation| operation.commit.is_some());
    Delay {
        events_due: all.map(|operation| events[operation.kind]).sum(),
        commits: committed.len() as u64,
        with_record,
        with_effect: committed.iter().filter(|operation| operation.effect.is_some()).count() as u64,
        record_before_commit: committed
            .iter()
            .filter(|operation| operation.record.is_some_and(|record| Some(record) < operation.commit))
            .count() as u64,
        commit_to_record: between(|operation| operation.commit, |operation| operation.record),
        record_to_effect: between(|operation| operation.record, |operation| operation.effect),
        commit_to_effect: between(|operation| operation.commit, |operation| operation.effect),
    }
}
