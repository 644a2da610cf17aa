//! The load stage by stage: what each rate, or each number of workers, came to.

use super::measurement::StageFigures;
use super::quantile::{Quantiles, rounded};
use super::tally::{Operation, Tally};
use crate::history::entry::{Nanos, Outcome};
use crate::scenario::file::Load;

/// One row for each stage; none for a load without stages.
pub(super) fn stages(tally: &Tally, load: &Load) -> Vec<StageFigures> {
    let mut begins = tally.load_start();
    let stage = |stage: &crate::scenario::file::Stage| {
        let from = begins;
        begins += u64::try_from(stage.duration.as_nanos()).unwrap_or(u64::MAX / 4);
        StageFigures { workers: stage.workers, rate: stage.rate, ..figures(tally, from, begins) }
    };
    load.stages.iter().map(stage).collect()
}

fn figures(tally: &Tally, from: Nanos, to: Nanos) -> StageFigures {
    let within = |at: Nanos| (from..to).contains(&at);
    let seconds = (to - from) as f64 / 1e9;
    let ended = tally.measured().filter_map(|operation| operation.end).filter(|end| within(end.at));
    let (mut ok, mut completed) = (0_u64, 0_u64);
    for end in ended {
        completed += 1;
        ok += u64::from(end.outcome == Outcome::Ok);
    }
    let due = || tally.measured().filter(|operation| within(operation.due));
    let response = Quantiles::from_nanos(due().filter_map(Operation::response));
    let told: Vec<(u64, u64)> = due()
        .filter_map(|operation| operation.end)
        .filter(|end| end.conflicts.is_some() || end.retries.is_some())
        .map(|end| (end.conflicts.unwrap_or(0), end.retries.unwrap_or(0)))
        .collect();
    let each = |sum: u64| (!told.is_empty()).then(|| rounded(sum as f64 / told.len() as f64));
    let known = response.count > 0;
    StageFigures {
        seconds: rounded(seconds),
        operations: due().count() as u64,
        ok_per_second: rounded(ok as f64 / seconds),
        completed_per_second: rounded(completed as f64 / seconds),
        p50: known.then_some(response.p50),
        p99: known.then_some(response.p99),
        conflicts_per_operation: each(told.iter().map(|(conflicts, _)| conflicts).sum()),
        retries_per_operation: each(told.iter().map(|(_, retries)| retries).sum()),
        ..StageFigures::default()
    }
}
