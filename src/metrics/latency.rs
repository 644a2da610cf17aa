//! Whether the generator kept up, throughput, response and service times.

use super::compute::seconds;
use super::measurement::{Generator, Latency, Outcomes, Throughput};
use super::quantile::{Quantiles, rounded};
use super::tally::{Operation, Tally};
use crate::history::entry::Outcome;

/// Below this share of the planned operations started, latencies are not usable.
const STARTED_AT_LEAST: f64 = 0.999;

/// Above this p99 of lateness, in milliseconds, latencies are not usable.
const LATENESS_P99_AT_MOST: f64 = 10.0;

/// Whether the generator kept up.
pub(super) fn generator(tally: &Tally) -> Generator {
    let started = tally.measured().count() as u64;
    let lateness =
        Quantiles::from_nanos(tally.measured().map(|operation| operation.released.saturating_sub(operation.due)));
    let planned = tally.end.as_ref().and_then(|end| end.planned);
    let mut reasons = Vec::new();
    if let Some(planned) = planned.filter(|planned| (started as f64) < *planned as f64 * STARTED_AT_LEAST) {
        reasons.push(format!("only {started} of {planned} planned operations were started"));
    }
    if lateness.p99 > LATENESS_P99_AT_MOST {
        reasons.push(format!("1 % of the operations were released more than {:.1} ms late", lateness.p99));
    }
    let unsent = tally.measured().filter(|operation| operation.end.is_some_and(|end| end.is_own_shortage)).count();
    if unsent > 0 {
        reasons.push(format!("{unsent} operations were never sent: this machine had no local port or open file left"));
    }
    Generator {
        planned,
        started,
        completed: tally.measured().filter(|operation| operation.end.is_some()).count() as u64,
        lateness,
        kept_up: reasons.is_empty(),
        reasons,
    }
}

/// Operations by outcome and second.
pub(super) fn throughput(tally: &Tally) -> Throughput {
    let mut throughput = Throughput::default();
    let mut completed = 0_u64;
    for operation in tally.measured() {
        completed += u64::from(operation.end.is_some());
        match operation.end.map(|end| end.outcome) {
            Some(Outcome::Ok) => throughput.ok += 1,
            Some(Outcome::Fail) => throughput.fail += 1,
            Some(Outcome::Info) | None => throughput.info += 1,
        }
    }
    let duration = seconds(tally.load_end() - tally.load_start());
    if duration > 0.0 {
        throughput.ok_per_second = rounded(throughput.ok as f64 / duration);
        throughput.completed_per_second = rounded(completed as f64 / duration);
    }
    throughput
}

/// Times of all operations, then of each kind where there are several.
pub(super) fn latencies(tally: &Tally) -> Vec<Latency> {
    let kinds = (0..tally.kinds.len()).map(Some).filter(|_| tally.kinds.len() > 1);
    std::iter::once(None)
        .chain(kinds)
        .flat_map(|kind| [Outcomes::Ok, Outcomes::All].map(|outcomes| latency(tally, kind, outcomes)))
        .collect()
}

fn latency(tally: &Tally, kind: Option<usize>, outcomes: Outcomes) -> Latency {
    let chosen: Vec<&Operation> = tally
        .measured()
        .filter(|operation| kind.is_none_or(|kind| operation.kind == kind))
        .filter(|operation| operation.end.is_some_and(|end| outcomes == Outcomes::All || end.outcome == Outcome::Ok))
        .collect();
    let service = |operation: &&Operation| operation.end.map(|end| end.at.saturating_sub(end.sent));
    Latency {
        operation: kind.map(|kind| tally.kinds[kind].clone()),
        outcomes,
        response: Quantiles::from_nanos(chosen.iter().filter_map(|operation| operation.response())),
        service: Quantiles::from_nanos(chosen.iter().filter_map(service)),
    }
}
