//! Second by second, from the first planned arrival of the load until nothing moves any more.

use std::collections::BTreeMap;

use super::measurement::{Sampled, Second, WireRates};
use super::quantile::{Quantiles, rounded};
use super::tally::Tally;
use crate::history::entry::{Nanos, Outcome, Part, Sample, WireSample};

/// Nanoseconds in a second.
const SECOND: Nanos = 1_000_000_000;

/// Every second of the load and of the drain after it, up to the last one in which anything moved.
pub(super) fn timeline(tally: &Tally) -> Vec<Second> {
    let start = tally.load_start();
    // A phase ends at its instant: a load of exactly 20 s has seconds 0 to 19.
    // A long drain must not squeeze the load into a corner of every plot: it gets at most as much room again.
    let longest = tally.load_end() + (tally.load_end() - start);
    let end = tally.load_end().max(tally.last_movement.min(longest));
    let count = end.saturating_sub(start).div_ceil(SECOND) as usize;
    let mut seconds: Vec<Second> =
        (0..count).map(|second| Second { second: second as u32, ..Second::default() }).collect();
    let index = |at: Nanos| at.checked_sub(start).map(|since| (since / SECOND) as usize);
    let mut due: Vec<Vec<Nanos>> = vec![Vec::new(); count];
    for operation in tally.operations.iter().filter(|operation| operation.part == Part::Load) {
        let Some(end) = operation.end else { continue };
        if let (Some(values), Some(response)) =
            (index(operation.due).and_then(|at| due.get_mut(at)), operation.response())
        {
            values.push(response);
        }
        let Some(second) = index(end.at).and_then(|at| seconds.get_mut(at)) else { continue };
        match end.outcome {
            Outcome::Ok => second.ok += 1,
            Outcome::Fail => second.fail += 1,
            Outcome::Info => second.info += 1,
        }
        second.conflicts += end.conflicts.unwrap_or(0);
        second.retries += end.retries.unwrap_or(0);
    }
    for (second, values) in seconds.iter_mut().zip(due).filter(|(_, values)| !values.is_empty()) {
        let quantiles = Quantiles::from_nanos(values);
        (second.p50, second.p99) = (Some(quantiles.p50), Some(quantiles.p99));
    }
    for (position, sample) in tally.samples.iter().enumerate() {
        let before = position.checked_sub(1).map(|before| &tally.samples[before]);
        if let Some(second) = index(sample.at).and_then(|at| seconds.get_mut(at)) {
            second.sampled = Some(sampled(sample, before));
        }
    }
    seconds
}

fn sampled(sample: &Sample, before: Option<&Sample>) -> Sampled {
    let mongodb = sample.mongodb;
    let earlier = before.and_then(|before| before.mongodb);
    let both = mongodb.zip(earlier);
    Sampled {
        in_flight: sample.in_flight,
        backlog: sample.backlog.clone(),
        lag: sample.lag.clone(),
        write_conflicts: both.map(|(now, then)| since(now.write_conflicts, then.write_conflicts)),
        transactions_aborted: both.map(|(now, then)| since(now.transactions_aborted, then.transactions_aborted)),
        connections: mongodb.map(|mongodb| mongodb.connections),
        wire: before.and_then(|before| wire_rates(sample, before)),
        cpu_percent: before.map_or_else(BTreeMap::new, |before| cpu_percent(sample, before)),
        memory_mib: sample
            .processes
            .iter()
            .map(|(name, process)| (name.clone(), rounded(process.rss as f64 / f64::from(1 << 20))))
            .collect(),
    }
}

fn wire_rates(sample: &Sample, before: &Sample) -> Option<WireRates> {
    let none = WireSample::default();
    let grown = |count: fn(&WireSample) -> u64| -> u64 {
        let links = sample.wire.iter();
        links.map(|(link, now)| since(count(now), count(before.wire.get(link).unwrap_or(&none)))).sum()
    };
    (!sample.wire.is_empty()).then(|| WireRates {
        messages: grown(|link| link.messages),
        write_conflicts: grown(|link| link.write_conflicts),
        duplicate_keys: grown(|link| link.duplicate_keys),
        unmatched_updates: grown(|link| link.unmatched_updates),
        transactions_aborted: grown(|link| link.transactions_aborted),
        sent_again: grown(|link| {
            link.transactions_retried + link.commits_sent_again + link.writes_sent_again + link.batches_sent_again
        }),
        connections_opened: grown(|link| link.connections_opened),
        connections_open: sample.wire.values().map(|link| link.connections).sum(),
    })
}

fn cpu_percent(sample: &Sample, before: &Sample) -> BTreeMap<String, f64> {
    let elapsed = sample.at.saturating_sub(before.at) as f64 / 1e6;
    if elapsed <= 0.0 {
        return BTreeMap::new();
    }
    let used = |name: &String, now: u64| since(now, before.processes.get(name).map_or(0, |then| then.cpu_ms)) as f64;
    sample
        .processes
        .iter()
        .map(|(name, process)| (name.clone(), rounded(used(name, process.cpu_ms) * 100.0 / elapsed)))
        .collect()
}

/// The growth of a counter; one that fell belongs to a process that was started afresh.
pub(super) fn since(now: u64, then: u64) -> u64 {
    now.checked_sub(then).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::since;

    #[test]
    fn a_counter_that_fell_was_started_afresh() {
        assert_eq!([since(12, 10), since(3, 10), since(10, 10)], [2, 3, 0]);
    }
}
