//! Before, during and after each fault, and the time to recover.

use std::collections::BTreeMap;

use super::measurement::{FaultWindow, Slice};
use super::quantile::{Quantiles, rounded};
use super::tally::{Operation, Tally};
use crate::history::entry::{FaultEvent, FaultStep, NOBODY_TO_STRIKE, Nanos, Outcome};

/// How far before and after a fault one looks.
const AROUND: Nanos = 10_000_000_000;

/// Less than this says nothing, in nanoseconds.
const SLICE_AT_LEAST: Nanos = 500_000_000;

/// Recovery is looked for in seconds that begin this far apart.
const STEP: Nanos = 100_000_000;

/// One second.
const SECOND: Nanos = 1_000_000_000;

/// Recovered: at least this share of the `ok` rate before …
const RATE_AT_LEAST: f64 = 0.9;

/// … and at most this multiple of the p99 before.
const P99_AT_MOST: f64 = 2.0;

/// The driver of `MongoDB` is silent for up to this long after any network error.
const MONGODB_PAUSE: f64 = 0.6;

/// The windows of all faults, by their number.
pub(super) fn windows(tally: &Tally) -> Vec<FaultWindow> {
    let mut lives = BTreeMap::<u32, Vec<&FaultEvent>>::new();
    for event in &tally.faults {
        lives.entry(event.fault).or_default().push(event);
    }
    let lives: Vec<Life> = lives.into_values().map(|events| Life::of(&events)).collect();
    lives.iter().map(|life| window(tally, life, &lives)).collect()
}

/// One fault's steps.
struct Life<'a> {
    first: &'a FaultEvent,
    targets: &'a [String],
    absent: Option<String>,
    from: Option<Nanos>,
    to: Option<Nanos>,
}

impl<'a> Life<'a> {
    fn of(events: &[&'a FaultEvent]) -> Self {
        let at = |step| events.iter().find(|event| event.step == step).map(|event| event.at);
        let absent = events.iter().find_map(|event| match event.step {
            FaultStep::NotApplicable => Some(match &event.detail {
                Some(reason) if reason != NOBODY_TO_STRIKE => format!("not applicable: {reason}"),
                _ => "not applicable to this variant".to_owned(),
            }),
            FaultStep::Failed => Some(event.detail.clone().unwrap_or_else(|| "failed".to_owned())),
            _ => None,
        });
        let targets = events.iter().map(|event| event.targets.as_slice()).find(|targets| !targets.is_empty());
        Self {
            first: events[0],
            targets: targets.unwrap_or_default(),
            absent,
            from: at(FaultStep::Confirmed).or_else(|| at(FaultStep::Asked)),
            to: at(FaultStep::Healed).or_else(|| at(FaultStep::Healing)),
        }
    }
}

fn window(tally: &Tally, life: &Life, all: &[Life]) -> FaultWindow {
    let start = tally.load_start();
    let relative = |at: Nanos| rounded((at as f64 - start as f64) / 1e9);
    let mut window = FaultWindow {
        fault: life.first.fault,
        what: life.first.what.clone(),
        targets: life.targets.to_vec(),
        absent: life.absent.clone(),
        ..FaultWindow::default()
    };
    let (Some(from), None) = (life.from, &life.absent) else { return window };
    let to = life.to.unwrap_or_else(|| tally.load_end()).max(from);
    window.from = Some(relative(from));
    window.to = life.to.map(relative);
    let others = || all.iter().filter(|other| other.first.fault != life.first.fault && other.absent.is_none());
    let overlaps = others().any(|other| other.from.is_some_and(|at| at < to) && other.to.is_none_or(|at| at > from));
    let before_from = others().filter_map(|other| other.to).filter(|&at| at <= from).max().unwrap_or(start).max(start);
    let after_to = others().filter_map(|other| other.from).filter(|&at| at >= to).min().unwrap_or(Nanos::MAX);
    let after_to = after_to.min(tally.load_end()).min(to + AROUND);
    let before_from = before_from.max(from.saturating_sub(AROUND));
    window.before = slice(&near(tally, before_from, from), before_from, from);
    window.during = slice(&near(tally, from, to), from, to.min(tally.load_end()));
    let after = near(tally, to, after_to);
    window.after = slice(&after, to, after_to);
    window.recovered_after = window.before.and_then(|before| recovered_after(&after, &before, to, after_to));
    window.note = note(&window, overlaps);
    window
}

/// Why a figure is missing or must be read with care.
fn note(window: &FaultWindow, overlaps: bool) -> Option<String> {
    let mut notes = Vec::new();
    if overlaps {
        notes.push("another fault was active at the same time".to_owned());
    }
    if window.before.is_none() {
        notes.push("no undisturbed load before it to compare with".to_owned());
    } else if window.after.is_none() {
        notes.push("the load ended, or the next fault struck, before recovery could be seen".to_owned());
    } else if window.recovered_after.is_none() {
        notes.push("did not recover in the time that was seen".to_owned());
    }
    let on_mongodb = window.what.contains("mongodb") || window.targets.iter().any(|target| target.contains("mongodb"));
    if on_mongodb && window.recovered_after.is_some_and(|seconds| seconds < MONGODB_PAUSE) {
        notes.push(format!(
            "below {MONGODB_PAUSE} s this is the driver's own pause after a network error and says nothing about the service"
        ));
    }
    (!notes.is_empty()).then(|| notes.join("; "))
}

fn recovered_after(operations: &[&Operation], before: &Slice, heal: Nanos, until: Nanos) -> Option<f64> {
    let last = until.saturating_sub(SECOND);
    (heal..=last)
        .step_by(STEP as usize)
        .find(|&from| {
            slice(operations, from, from + SECOND).is_some_and(|second| {
                second.ok_per_second >= before.ok_per_second * RATE_AT_LEAST
                    && second.p99.unwrap_or(f64::MAX) <= before.p99.unwrap_or(0.0) * P99_AT_MOST
            })
        })
        .map(|from| rounded((from - heal) as f64 / 1e9))
}

/// Measured operations that were due or completed between two times; looked up once, since recovery asks many times.
fn near<'a>(tally: &'a Tally, from: Nanos, to: Nanos) -> Vec<&'a Operation> {
    let within = |at: Nanos| (from..to).contains(&at);
    tally
        .measured()
        .filter(|operation| within(operation.due) || operation.end.is_some_and(|end| within(end.at)))
        .collect()
}

/// The load between two times: rates by completion, latencies by the intended start.
fn slice(operations: &[&Operation], from: Nanos, to: Nanos) -> Option<Slice> {
    if to < from + SLICE_AT_LEAST {
        return None;
    }
    let within = |at: Nanos| (from..to).contains(&at);
    let (mut ok, mut completed) = (0_u64, 0_u64);
    for end in operations.iter().filter_map(|operation| operation.end).filter(|end| within(end.at)) {
        completed += 1;
        ok += u64::from(end.outcome == Outcome::Ok);
    }
    let response =
        operations.iter().filter(|operation| within(operation.due)).filter_map(|operation| operation.response());
    let quantiles = Quantiles::from_nanos(response);
    let seconds = (to - from) as f64 / 1e9;
    let known = quantiles.count > 0;
    Some(Slice {
        seconds: rounded(seconds),
        ok_per_second: rounded(ok as f64 / seconds),
        not_ok_percent: rounded((completed - ok) as f64 * 100.0 / completed.max(1) as f64),
        p50: known.then_some(quantiles.p50),
        p99: known.then_some(quantiles.p99),
    })
}
