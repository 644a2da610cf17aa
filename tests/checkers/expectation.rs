//! What a variant expects, held against what came out.

use indexmap::IndexMap;
use tornwrite::checker::judge;
use tornwrite::checker::verdict::{AnomalyKind, Judgement, Verdict};
use tornwrite::history::entry::{Entry, WitnessEvent, WitnessStep};
use tornwrite::scenario::file::Expectation;
use tornwrite::scenario::matrix::Cell;

use crate::builder::{History, facts, resolved, valid_start};

fn judged(entries: &[Entry], expectation: Expectation) -> Judgement {
    let mut resolved = resolved();
    resolved.scenario.variant[0].expect = expectation;
    judge(&resolved, &facts(&resolved, entries))
}

fn anomalies(anomalies: &[AnomalyKind], also: &[AnomalyKind]) -> Expectation {
    Expectation { verdict: None, anomalies: anomalies.to_vec(), also: also.to_vec() }
}

fn loses_an_event(history: &mut History) {
    history.sends("purchase", "purchase-4", "product-1", 2);
    history.takes_effect("purchase-4");
    history.is_told("purchase-4", 201);
}

fn doubles_an_effect(history: &mut History) {
    history.buys("purchase-5", "product-1", 1);
    history.projects("purchase-5");
}

#[test]
fn a_broken_pattern_that_is_caught_is_as_expected() {
    let mut history = valid_start();
    loses_an_event(&mut history);
    let judgement = judged(&history.ends(), anomalies(&[AnomalyKind::LostEvent], &[]));
    assert_eq!((judgement.verdict, judgement.as_expected), (Verdict::Invalid, true));
    assert_eq!(judgement.reasons, Vec::<String>::new());
}

#[test]
fn a_broken_pattern_that_is_not_caught_is_not_as_expected() {
    let judgement = judged(&valid_start().ends(), anomalies(&[AnomalyKind::LostEvent], &[]));
    assert_eq!((judgement.verdict, judgement.as_expected), (Verdict::Valid, false));
    assert_eq!(judgement.reasons, ["lost-event was expected and did not occur"]);
}

#[test]
fn a_forbidden_anomaly_that_was_not_announced_is_not_as_expected() {
    let mut history = valid_start();
    loses_an_event(&mut history);
    doubles_an_effect(&mut history);
    let entries = history.ends();
    let judgement = judged(&entries, anomalies(&[AnomalyKind::LostEvent], &[]));
    assert!(!judgement.as_expected);
    assert_eq!(judgement.reasons, ["duplicate-effect occurred once and is forbidden"]);
    assert!(judged(&entries, anomalies(&[AnomalyKind::LostEvent], &[AnomalyKind::DuplicateEffect])).as_expected);
}

#[test]
fn what_the_workload_allows_needs_no_announcement() {
    let mut history = valid_start();
    history.publishes("purchase-1");
    let judgement = judged(&history.ends(), Expectation::default());
    assert_eq!((judgement.verdict, judgement.as_expected), (Verdict::Valid, true));
    assert_eq!(judgement.anomalies.len(), 1);
}

#[test]
fn an_expected_verdict_must_come_out() {
    let expected = |verdict| Expectation { verdict: Some(verdict), ..Expectation::default() };
    let entries = valid_start().ends();
    assert!(judged(&entries, expected(Verdict::Valid)).as_expected);
    let judgement = judged(&entries, expected(Verdict::Invalid));
    assert_eq!(judgement.reasons, ["the verdict is valid, and invalid was expected"]);
}

#[test]
fn a_history_cut_short_is_never_as_expected_and_lists_what_presence_shows() {
    let mut history = valid_start();
    doubles_an_effect(&mut history);
    let mut entries = history.ends();
    entries.pop();
    for expectation in [
        anomalies(&[AnomalyKind::DuplicateEffect], &[]),
        Expectation { verdict: Some(Verdict::Unknown), ..Expectation::default() },
    ] {
        let judgement = judged(&entries, expectation);
        assert_eq!((judgement.verdict, judgement.as_expected), (Verdict::Unknown, false));
        assert_eq!(judgement.anomalies[0].kind, AnomalyKind::DuplicateEffect);
        assert!(judgement.reasons[0].contains("cut short"), "{:?}", judgement.reasons);
    }
}

/// The verdict of a matrix's cell of which nobody said what must come out.
fn measured(entries: &[Entry]) -> Judgement {
    let mut resolved = resolved();
    let cell = Cell { values: IndexMap::new(), variant: "one".to_owned(), is_judged: false };
    resolved.scenario.variant[0].cell = Some(cell);
    judge(&resolved, &facts(&resolved, entries))
}

#[test]
fn a_cell_that_is_only_measured_may_hold_anything_but_must_have_been_seen() {
    let mut history = valid_start();
    doubles_an_effect(&mut history);
    let entries = history.ends();
    let judgement = measured(&entries);
    assert_eq!((judgement.verdict, judgement.as_expected), (Verdict::Invalid, true));

    let lost = WitnessEvent {
        at: 1,
        witness: "kafka".to_owned(),
        event: WitnessStep::Lost,
        detail: Some("a topic was deleted".to_owned()),
    };
    let mut blind = entries;
    blind.insert(2, Entry::Witness(lost));
    let judgement = measured(&blind);
    assert_eq!((judgement.verdict, judgement.as_expected), (Verdict::Unknown, false));
    assert!(
        judgement.anomalies.iter().any(|anomaly| anomaly.kind == AnomalyKind::DuplicateEffect),
        "what presence shows is listed"
    );
}
