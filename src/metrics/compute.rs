//! From the entries of a history to a measurement.

use super::measurement::{FORMAT, Measurement, Metrics};
use super::tally::Tally;
use super::{cluster, contention, delay, fault, latency, latency_log, quantile, resource, stage, thresholds, timeline};
use crate::checker::verdict::Judgement;
use crate::history::entry::{End, Entry, Outcome};
use crate::history::reader::ReadError;
use crate::scenario::resolved::Resolved;

/// Reads a history to its end and computes every figure. Thresholds that cannot be parsed are left out: they are
/// refused before a run by [`thresholds::parse`].
///
/// # Errors
/// When the history cannot be read.
pub fn compute(
    resolved: &Resolved,
    entries: impl IntoIterator<Item = Result<(u64, Entry), ReadError>>,
    judgement: &Judgement,
) -> Result<Measurement, ReadError> {
    let mut tally = Tally::new(resolved);
    for entry in entries {
        tally.take(entry?.1);
    }
    let ok = quantile::histogram(
        tally
            .measured()
            .filter(|operation| operation.end.is_some_and(|end| end.outcome == Outcome::Ok))
            .filter_map(super::tally::Operation::response),
    );
    let processes = resource::processes(&tally, resolved);
    let mut metrics = Metrics {
        format: FORMAT,
        complete: matches!(tally.end, Some(End { complete: true, .. })),
        load_seconds: seconds(tally.load_end() - tally.load_start()),
        load_started: tally.load_start(),
        generator: latency::generator(&tally),
        throughput: latency::throughput(&tally),
        latency: latency::latencies(&tally),
        distribution: quantile::distribution(&ok),
        timeline: timeline::timeline(&tally),
        contention: contention::contention(&tally),
        delay: delay::delay(&tally, resolved),
        cpu_us_per_operation: resource::cpu_by_role(&processes),
        processes,
        stages: stage::stages(&tally, &resolved.scenario.load),
        faults: fault::windows(&tally),
        cluster: cluster::cluster(&tally),
        wire: tally.samples.last().map(|sample| sample.wire.clone()).unwrap_or_default(),
        anatomies: tally.anatomies.clone(),
        anomalies_per_10000: anomaly_rates(judgement),
        thresholds: Vec::new(),
    };
    let (conditions, _) = thresholds::parse_all(resolved);
    metrics.thresholds = thresholds::evaluate(&conditions, &metrics);
    Ok(Measurement { metrics, latency_log: latency_log::intervals(&tally) })
}

/// Nanoseconds as seconds with three decimals.
pub(super) fn seconds(nanos: u64) -> f64 {
    quantile::rounded(nanos as f64 / 1e9)
}

fn anomaly_rates(judgement: &Judgement) -> indexmap::IndexMap<String, f64> {
    let count = &judgement.operations;
    let operations = (count.ok + count.fail + count.info).max(1) as f64;
    judgement
        .anomalies
        .iter()
        .map(|anomaly| {
            (anomaly.kind.name().to_owned(), quantile::rounded(anomaly.count as f64 * 10_000.0 / operations))
        })
        .collect()
}
