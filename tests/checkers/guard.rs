//! Nothing passes without having been exercised, and nobody vouches who was not there.

use serde_json::json;
use tornwrite::checker::judge;
use tornwrite::checker::verdict::{CheckVerdict, Judgement, Verdict};
use tornwrite::history::entry::{DrainEnd, Entry, FaultStep, Outcome, ProcessStep, WitnessStep};

use crate::builder::{History, facts, judgement, resolved, start_under_fault, valid_start};

/// The verdict is unknown, and one reason says so.
fn is_unknown(judgement: &Judgement, because: &str) {
    assert_eq!((judgement.verdict, judgement.as_expected), (Verdict::Unknown, false), "{:?}", judgement.reasons);
    assert!(judgement.reasons.iter().any(|reason| reason.contains(because)), "{:?}", judgement.reasons);
}

fn check(judgement: &Judgement, name: &str) -> CheckVerdict {
    judgement.checks.iter().find(|check| check.name == name).expect("every check is listed").verdict
}

#[test]
fn a_witness_that_lost_its_place_vouches_for_nothing() {
    let mut history = valid_start();
    history.witness("mongodb", WitnessStep::Lost);
    is_unknown(&judgement(&history.ends()), "can no longer vouch");
}

#[test]
fn a_document_that_differs_between_stream_and_final_read_is_unknown() {
    let mut entries = valid_start().ends();
    for entry in &mut entries {
        if let Entry::Document(document) = entry
            && document.collection == "products"
        {
            document.document["stock"] = json!(17);
        }
    }
    is_unknown(&judgement(&entries), "products/product-0 differs");
}

#[test]
fn the_order_of_fields_is_no_difference() {
    let mut entries = valid_start().ends();
    for entry in &mut entries {
        if let Entry::Document(document) = entry {
            let fields = document.document.as_object().expect("documents are objects").clone();
            document.document = fields.into_iter().rev().collect();
        }
    }
    assert_eq!(judgement(&entries).verdict, Verdict::Valid);
}

#[test]
fn absence_is_unknown_while_the_witnesses_lag_behind() {
    let mut history = valid_start();
    history.sends("purchase", "purchase-4", "product-1", 2);
    history.takes_effect("purchase-4");
    history.witnesses_lag_behind();
    let judgement = judgement(&history.ends());
    is_unknown(&judgement, "had not passed the end");
    assert_eq!(judgement.anomalies.len(), 0);
}

#[test]
fn at_the_deadline_what_nothing_durable_explains_is_unknown() {
    let mut history = valid_start();
    history.sends("purchase", "purchase-4", "product-1", 2);
    history.takes_effect("purchase-4");
    history.drains(DrainEnd::Deadline, 0, 0);
    let judgement = judgement(&history.ends());
    is_unknown(&judgement, "nothing durable");
    assert_eq!(judgement.anomalies.len(), 0);
}

#[test]
fn an_operation_that_was_never_ok_was_not_exercised() {
    let mut history = History::begins();
    history.partition_begins();
    history.sends("purchase", "purchase-1", "product-0", 2);
    history.completes("purchase-1", Outcome::Info, None);
    history.partition_heals();
    is_unknown(&judgement(&history.ends()), "no purchase was ever ok");
}

#[test]
fn a_fault_that_failed_or_was_never_healed_is_unknown() {
    let mut history = start_under_fault();
    history.fault(FaultStep::Failed);
    is_unknown(&judgement(&history.ends()), "partition api → kafka could not be carried out");
    is_unknown(&judgement(&start_under_fault().ends()), "partition api → kafka was never confirmed to be healed");
}

#[test]
fn a_planned_fault_that_the_history_does_not_tell_of_is_unknown() {
    let mut entries = valid_start().ends();
    entries.retain(|entry| !matches!(entry, Entry::Fault(_)));
    is_unknown(&judgement(&entries), "1 faults were planned, and the history tells of 0");
}

#[test]
fn a_fault_that_was_not_planned_is_unknown() {
    let mut entries = valid_start().ends();
    for entry in &mut entries {
        if let Entry::Fault(event) = entry {
            event.what = "refuse api → kafka".to_owned();
        }
    }
    is_unknown(&judgement(&entries), "fault 0 should be partition api → kafka and is refuse api → kafka");
}

#[test]
fn random_faults_are_held_against_the_schedule_of_their_seed() {
    let mut resolved = resolved();
    resolved.scenario.fault.clear();
    let random = "count = 1\nchoice = [{ partition = [\"api\", \"kafka\"], shortest = \"1s\", longest = \"2s\" }]";
    resolved.scenario.random_faults = Some(toml::from_str(random).expect("random faults are valid"));
    let mut entries = valid_start().ends();
    let verdict = judge(&resolved, &facts(&resolved, &entries));
    assert_eq!(check(&verdict, "faults carried out"), CheckVerdict::Valid, "{:?}", verdict.reasons);
    entries.retain(|entry| !matches!(entry, Entry::Fault(_)));
    is_unknown(&judge(&resolved, &facts(&resolved, &entries)), "should be partition api → kafka and is nothing");
}

#[test]
fn a_fault_during_which_nothing_happened_was_not_exercised() {
    let mut entries = valid_start().ends();
    let is_fault = |entry: &&mut Entry| matches!(entry, Entry::Fault(_));
    for entry in entries.iter_mut().filter(is_fault) {
        if let Entry::Fault(event) = entry {
            event.at += 60_000_000_000;
        }
    }
    is_unknown(&judgement(&entries), "nothing was invoked, changed, recorded or applied during partition api → kafka");
}

#[test]
fn a_fault_with_nobody_to_strike_is_not_checked() {
    let mut entries = valid_start().ends();
    let mut steps = 0;
    entries.retain_mut(|entry| {
        if let Entry::Fault(event) = entry {
            event.step = FaultStep::NotApplicable;
            steps += 1;
        }
        !matches!(entry, Entry::Fault(_)) || steps == 1
    });
    let judgement = judgement(&entries);
    assert_eq!(judgement.verdict, Verdict::Valid);
    assert_eq!(check(&judgement, "fault exercised: 0 partition api → kafka"), CheckVerdict::NotChecked);
}

#[test]
fn a_service_that_ended_by_itself_is_no_injected_crash() {
    let mut history = valid_start();
    history.process("api-1", ProcessStep::Exited);
    is_unknown(&judgement(&history.ends()), "api-1 ended by itself");
}

#[test]
fn stock_that_never_sold_out_proves_nothing_about_overselling() {
    let mut history = History::begins();
    history.partition_begins();
    history.buys("purchase-1", "product-0", 1);
    history.partition_heals();
    is_unknown(&judgement(&history.ends()), "no key ever sold out");
}

#[test]
fn without_an_outage_of_the_consumer_redelivery_is_not_checked_and_never_silently_valid() {
    let judgement = judgement(&valid_start().ends());
    assert_eq!(judgement.verdict, Verdict::Valid);
    assert_eq!(check(&judgement, "exercised: duplicate-effect (projector)"), CheckVerdict::NotChecked);
}

/// A kill of the projector after its group had committed this offset of two records that it had applied.
fn killed_after_committing(offset: i64) -> Judgement {
    let mut history = valid_start();
    history.projector_committed(0, offset);
    history.process("projector-1", ProcessStep::Killed);
    history.process("projector-1", ProcessStep::Started);
    judgement(&history.ends())
}

#[test]
fn a_killed_consumer_that_had_applied_beyond_its_commit_gets_events_again() {
    let judgement = killed_after_committing(1);
    assert_eq!(judgement.verdict, Verdict::Valid, "{:?}", judgement.reasons);
    assert_eq!(check(&judgement, "exercised: duplicate-effect (projector)"), CheckVerdict::Valid);
}

#[test]
fn a_killed_consumer_that_had_committed_everything_proves_nothing_about_redelivery() {
    is_unknown(&killed_after_committing(2), "nothing was delivered twice");
}

#[test]
fn a_pause_of_the_consumer_is_no_redelivery() {
    let mut history = valid_start();
    history.projector_committed(0, 1);
    history.process("projector-1", ProcessStep::Paused);
    history.process("projector-1", ProcessStep::Resumed);
    let judgement = judgement(&history.ends());
    assert_eq!(check(&judgement, "exercised: duplicate-effect (projector)"), CheckVerdict::NotChecked);
}

/// A purchase goes through while the relay is down, and it comes back before or after the row was published.
fn killed_relay(finds_the_row: bool) -> Judgement {
    let mut history = valid_start();
    history.process("relay-1", ProcessStep::Killed);
    history.sends("purchase", "purchase-4", "product-1", 1);
    history.takes_effect("purchase-4");
    history.inserts_row("purchase-4");
    if finds_the_row {
        history.process("relay-1", ProcessStep::Started);
    }
    history.publishes("purchase-4");
    history.marks_row("purchase-4");
    if !finds_the_row {
        history.process("relay-1", ProcessStep::Started);
    }
    history.projects("purchase-4");
    history.is_told("purchase-4", 201);
    judgement(&history.ends())
}

#[test]
fn a_killed_relay_that_finds_rows_waiting_was_put_to_the_test() {
    let judgement = killed_relay(true);
    assert_eq!(judgement.verdict, Verdict::Valid, "{:?}", judgement.reasons);
    assert_eq!(check(&judgement, "exercised: a backlog at a restart (relay)"), CheckVerdict::Valid);
}

#[test]
fn a_killed_relay_that_finds_nothing_to_do_proves_nothing() {
    is_unknown(&killed_relay(false), "no outbox row was waiting when it came back");
}

#[test]
fn a_record_without_an_operation_id_is_said_and_not_guessed_at() {
    let mut entries = valid_start().ends();
    let record = entries.iter_mut().find_map(|entry| match entry {
        Entry::Record(record) => Some(record),
        _ => None,
    });
    record.expect("the run has records").headers.remove("ce_correlationid");
    let judgement = judgement(&entries);
    assert!(judgement.reasons.iter().any(|reason| reason.contains("has no operation id")), "{:?}", judgement.reasons);
}

#[test]
fn where_nobody_was_told_a_version_nothing_is_said_about_reads() {
    let judgement = judgement(&valid_start().ends());
    for name in ["stale-read", "non-monotonic-read", "non-linearizable"] {
        assert_eq!(check(&judgement, name), CheckVerdict::NotChecked, "{name}");
    }
    assert_eq!(judgement.verdict, Verdict::Valid);
}

#[test]
fn answers_about_what_never_changed_prove_nothing_about_stale_reads() {
    let mut history = valid_start();
    for number in 0..3 {
        history.reads(0, &format!("read-{number}"), "product-1");
    }
    let judgement = judgement(&history.ends());
    for name in ["stale-read", "non-monotonic-read"] {
        assert_eq!(check(&judgement, name), CheckVerdict::NotChecked, "{name}");
    }
}

#[test]
fn clients_who_never_ask_twice_prove_nothing_about_their_sessions() {
    let mut history = valid_start();
    history.sends("purchase", "purchase-4", "product-1", 1);
    history.takes_effect("purchase-4");
    history.hears("purchase-4", 2, 4);
    history.publishes("purchase-4");
    history.projects("purchase-4");
    history.reads(7, "read-1", "product-1");
    let judgement = judgement(&history.ends());
    assert_eq!(check(&judgement, "stale-read"), CheckVerdict::Valid);
    assert_eq!(check(&judgement, "non-monotonic-read"), CheckVerdict::NotChecked);
    assert_eq!(check(&judgement, "non-linearizable"), CheckVerdict::Valid);
}

#[test]
fn a_version_that_the_witness_may_not_have_seen_yet_is_unknown_and_no_lie() {
    let mut history = valid_start();
    history.asks(1, "read-1", "product-1");
    history.hears("read-1", 2, 4);
    history.witnesses_lag_behind();
    let judgement = judgement(&history.ends());
    assert_eq!(check(&judgement, "non-linearizable"), CheckVerdict::Unknown);
    assert_eq!(judgement.anomalies.len(), 0);
}

#[test]
fn a_log_that_nobody_read_twice_is_not_called_consistent() {
    let judgement = judgement(&valid_start().ends());
    assert_eq!(check(&judgement, "inconsistent-offsets"), CheckVerdict::NotChecked);
    assert_eq!(check(&judgement, "nonmonotonic-poll"), CheckVerdict::Valid);
}

#[test]
fn a_manifest_that_names_no_stock_has_overselling_not_checked() {
    let mut resolved = resolved();
    resolved.manifest.stock.clear();
    let judgement = judge(&resolved, &facts(&resolved, &valid_start().ends()));
    assert_eq!(check(&judgement, "oversold"), CheckVerdict::NotChecked);
    assert_eq!(judgement.verdict, Verdict::Valid);
}
