//! What must come out of the made-up run.

use tornwrite::history::entry::{Entry, Outcome};
use tornwrite::metrics::measurement::Outcomes;
use tornwrite::metrics::resource::SERVICES;
use tornwrite::metrics::thresholds::{self, ThresholdError, ThresholdOutcome};
use tornwrite::metrics::{Metrics, compute};

use crate::sample::{self, MS, PLANNED, Write};

fn metrics(write: Write) -> Metrics {
    metrics_of(write, sample::history(write))
}

fn metrics_of(write: Write, entries: Vec<Entry>) -> Metrics {
    compute(&sample::resolved(write), sample::lines(entries), &sample::judgement(write)).unwrap().metrics
}

fn count(write: Write, outcome: Outcome) -> u64 {
    let is = |entry: &&Entry| matches!(entry, Entry::Complete(complete) if complete.outcome == outcome);
    sample::history(write).iter().filter(is).count() as u64
}

#[test]
fn every_operation_is_counted_once_by_outcome() {
    for write in [Write::DualWrite, Write::Outbox] {
        let throughput = metrics(write).throughput;
        assert_eq!(throughput.ok, count(write, Outcome::Ok));
        assert_eq!(throughput.ok + throughput.fail + throughput.info, PLANNED);
    }
}

#[test]
fn the_seconds_add_up_to_the_whole() {
    let metrics = metrics(Write::DualWrite);
    let completed: u64 = metrics.timeline.iter().map(|second| second.ok + second.fail + second.info).sum();
    assert_eq!(completed, metrics.generator.completed);
    assert_eq!(metrics.timeline[0].sampled.as_ref().unwrap().write_conflicts, Some(3));
}

#[test]
fn response_time_counts_from_the_intended_start_and_service_time_from_the_sending() {
    let metrics = metrics(Write::Outbox);
    let all = metrics.latency_of_all(Outcomes::Ok).unwrap();
    let waited = all.response.mean - all.service.mean;
    assert!((waited - 0.04).abs() < 0.001, "the sample sends 40 µs after the intended start, not {waited} ms");
}

#[test]
fn a_stall_shows_in_the_second_in_which_operations_were_due() {
    let metrics = metrics(Write::DualWrite);
    let p99 = |second: usize| metrics.timeline[second].p99.unwrap();
    assert!(p99(3) < 100.0 && p99(4) > 2_000.0 && p99(6) > 2_000.0 && p99(8) < 100.0);
}

#[test]
fn a_fault_is_told_with_the_load_before_during_and_after_it() {
    let metrics = metrics(Write::DualWrite);
    let fault = &metrics.faults[0];
    assert_eq!((fault.from, fault.to), (Some(4.0), Some(9.0)));
    let (before, during, after) = (fault.before.unwrap(), fault.during.unwrap(), fault.after.unwrap());
    assert!(before.not_ok_percent < 5.0 && during.not_ok_percent > 20.0, "{during:?}");
    assert!((after.seconds - 4.0).abs() < 1e-9, "it ends where the next fault begins: {after:?}");
    assert!(fault.recovered_after.is_some(), "{fault:?}");
    assert_eq!(metrics.faults[2].absent.as_deref(), Some("not applicable to this variant"));
}

#[test]
fn a_service_that_never_comes_back_has_no_time_to_recover() {
    let mut entries = sample::history(Write::Outbox);
    for entry in &mut entries {
        if let Entry::Complete(complete) = entry
            && complete.at > sample::LOAD + 8 * sample::SECOND
        {
            complete.outcome = Outcome::Info;
        }
    }
    let metrics = metrics_of(Write::Outbox, entries);
    assert_eq!(metrics.faults[0].recovered_after, None);
    assert!(metrics.faults[0].note.as_deref().unwrap().contains("did not recover"));
}

#[test]
fn delays_join_commit_record_and_effect_by_operation() {
    let (dual, outbox) = (metrics(Write::DualWrite).delay, metrics(Write::Outbox).delay);
    let lost = sample::judgement(Write::DualWrite).anomalies[0].count;
    assert_eq!(dual.commits - dual.with_record, lost);
    assert_eq!(outbox.commits, outbox.with_effect);
    assert!((dual.commit_to_record.p50 - 3.0).abs() < 0.01 && (outbox.commit_to_record.p50 - 60.0).abs() < 0.1);
    assert!((outbox.record_to_effect.p50 - 8.0).abs() < 0.01);
}

#[test]
fn a_restarted_process_does_not_make_cpu_time_negative_or_huge() {
    let metrics = metrics(Write::Outbox);
    let projector = metrics.processes.iter().find(|process| process.process == "projector-1").unwrap();
    // 60 ms a second, 21 samples of which one is missing while it is down.
    assert!((1_100..=1_300).contains(&projector.cpu_ms), "{projector:?}");
    assert_eq!((projector.role.as_str(), projector.killed), ("projector", 1));
    let services: f64 =
        metrics.processes.iter().filter(|process| process.is_service).map(|process| process.cpu_us_per_operation).sum();
    assert!((metrics.cpu_us_per_operation[SERVICES] - services).abs() < 0.01);
}

#[test]
fn the_conflict_histogram_holds_every_operation_that_told() {
    let contention = metrics(Write::Outbox).contention;
    assert_eq!(contention.conflicts_per_operation.values().sum::<u64>(), contention.operations);
    let weighted: u64 = contention.conflicts_per_operation.iter().map(|(conflicts, count)| conflicts * count).sum();
    assert_eq!(weighted, contention.conflicts);
    assert_eq!(contention.hot_keys[0].entity, "product-000");
}

#[test]
fn a_generator_that_started_too_few_or_too_late_makes_latencies_unusable() {
    let mut late = sample::history(Write::Outbox);
    let mut few = late.clone();
    for entry in &mut late {
        if let Entry::Invoke(invoke) = entry {
            invoke.released = invoke.due + 11 * MS;
        }
    }
    let late = metrics_of(Write::Outbox, late);
    assert!(!late.generator.kept_up && late.generator.reasons[0].contains("late"), "{:?}", late.generator);
    assert_eq!(late.thresholds[0].outcome, ThresholdOutcome::NotMeasured);
    if let Some(Entry::End(end)) = few.last_mut() {
        end.planned = Some(PLANNED + 5);
    }
    assert!(!metrics_of(Write::Outbox, few).generator.kept_up);
    assert!(metrics(Write::Outbox).generator.kept_up);
}

#[test]
fn a_history_cut_short_still_yields_figures() {
    let mut entries = sample::history(Write::Outbox);
    entries.truncate(entries.len() / 2);
    let metrics = metrics_of(Write::Outbox, entries);
    assert!(!metrics.complete && metrics.throughput.ok > 1_000 && metrics.load_seconds > 5.0);
    let empty = metrics_of(Write::Outbox, Vec::new());
    assert_eq!((empty.generator.started, empty.timeline.len()), (0, 0));
}

#[test]
fn anomalies_are_counted_for_ten_thousand_operations() {
    let lost = sample::judgement(Write::DualWrite).anomalies[0].count as f64;
    let rate = metrics(Write::DualWrite).anomalies_per_10000["lost-event"];
    assert!((rate - lost * 10_000.0 / PLANNED as f64).abs() < 0.01, "{rate}");
}

#[test]
fn conditions_are_read_with_their_units() {
    let resolved = sample::resolved(Write::Outbox);
    let cases = [
        ("latency.p99", "<50ms", 50.0),
        ("latency.p99.9", "<= 1.5s", 1500.0),
        ("latency.purchase.p99", "<250us", 0.25),
        ("throughput.ok", ">=190/s", 190.0),
        ("outcomes.info", "<0.1%", 0.1),
        ("backlog.max", "<=1000", 1000.0),
    ];
    for (metric, condition, bound) in cases {
        let threshold = thresholds::parse(&resolved, metric, condition).unwrap();
        assert!((threshold.bound - bound).abs() < 1e-9, "{metric} {condition}: {}", threshold.bound);
    }
}

#[test]
fn a_condition_without_unit_sign_or_number_is_refused_with_a_right_one() {
    let resolved = sample::resolved(Write::Outbox);
    for condition in ["<50", "50ms", "<ms", "<50/s", "=5ms", "<5 parsecs"] {
        let error = thresholds::parse(&resolved, "latency.p99", condition).unwrap_err();
        assert!(error.to_string().contains("expected something like \"<50ms\""), "{error}");
    }
}

#[test]
fn an_unknown_metric_is_refused_with_the_names_there_are() {
    let error = thresholds::parse(&sample::resolved(Write::Outbox), "latency.p42", "<1ms").unwrap_err();
    assert!(matches!(&error, ThresholdError::UnknownMetric { known, .. } if known.contains("latency.purchase.p99.9")));
}

#[test]
fn every_metric_that_may_be_bounded_is_measured_in_a_full_run() {
    let resolved = sample::resolved(Write::Outbox);
    let metrics = metrics(Write::Outbox);
    for (name, unit) in thresholds::metrics(&resolved) {
        let condition = match unit {
            thresholds::Unit::Milliseconds => ">=0ms",
            thresholds::Unit::PerSecond => ">=0/s",
            thresholds::Unit::Percent => ">=0%",
            thresholds::Unit::Count => ">=0",
        };
        let threshold = thresholds::parse(&resolved, &name, condition).unwrap();
        let found = &thresholds::evaluate(&[threshold], &metrics)[0];
        assert_eq!(found.outcome, ThresholdOutcome::Met, "{found:?}");
    }
}

#[test]
fn a_missed_threshold_says_what_was_measured() {
    let metrics = metrics(Write::DualWrite);
    let throughput = &metrics.thresholds[1];
    assert_eq!(throughput.outcome, ThresholdOutcome::Missed);
    assert!(throughput.measured.as_deref().unwrap().ends_with("/s"), "{throughput:?}");
    assert_eq!(metrics.thresholds[0].outcome, ThresholdOutcome::Met);
}

#[test]
fn each_stage_is_told_with_its_own_rate_latency_and_conflicts() {
    let mut resolved = sample::resolved(Write::DualWrite);
    resolved.scenario.load.rate = None;
    resolved.scenario.load.duration = None;
    // The stall of the sample begins with second 4: the second stage has it, the first does not.
    let stages = serde_json::json!([{"workers": 1, "for": "4s"}, {"workers": 8, "for": "16s"}]);
    resolved.scenario.load.stages = serde_json::from_value(stages).unwrap();
    let lines = sample::lines(sample::history(Write::DualWrite));
    let metrics = compute(&resolved, lines, &sample::judgement(Write::DualWrite)).unwrap().metrics;
    let [first, second] = &metrics.stages[..] else { panic!("{:?}", metrics.stages) };
    assert_eq!((first.workers, first.seconds, first.operations), (Some(1), 4.0, 800));
    assert_eq!((second.workers, second.seconds, second.operations), (Some(8), 16.0, 3200));
    assert!(first.p99.unwrap() < 100.0 && second.p99.unwrap() > 2_000.0, "{first:?} {second:?}");
    let conflicts = first.conflicts_per_operation.unwrap() * 800.0 + second.conflicts_per_operation.unwrap() * 3200.0;
    let all = metrics.contention.conflicts as f64;
    assert!((conflicts - all).abs() < all * 0.01, "{conflicts} in stages, {all} in all");
    let completed = first.completed_per_second * 4.0 + second.completed_per_second * 16.0;
    assert!(completed <= metrics.generator.completed as f64 && completed > 3_000.0, "{completed}");
}

#[test]
fn a_load_without_stages_has_no_figures_of_stages() {
    assert_eq!(metrics(Write::Outbox).stages, []);
}
