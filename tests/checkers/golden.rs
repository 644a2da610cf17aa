//! Golden histories: one for each anomaly, one valid. Each is told here in sentences and stored beside the manifest as
//! the file that a run would have left, with its verdict, byte for byte. `TORN_BLESS=1` writes the files anew; read the
//! difference before you commit it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tornwrite::checker::judge;
use tornwrite::checker::verdict::{AnomalyKind, CheckVerdict, Judgement, Verdict};
use tornwrite::history::entry::{ChangeKind, DrainEnd, Entry, Outcome};
use tornwrite::history::facts::Facts;
use tornwrite::history::reader::Reader;

use crate::builder::{History, resolved, start_under_fault};

/// Where the files are.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Holds a history against its file, judges the file, and holds the verdict against its file.
fn judged(claim: &str, entries: &[Entry]) -> Judgement {
    let lines: Vec<String> =
        entries.iter().map(|entry| serde_json::to_string(entry).expect("an entry is JSON")).collect();
    let path = folder().join(format!("{claim}.jsonl"));
    agree(&path, &format!("{}\n", lines.join("\n")));
    let resolved = resolved();
    let reader = Reader::open(&path).expect("a golden history can be opened");
    let judgement = judge(&resolved, &Facts::read(&resolved, reader).expect("a golden history can be read"));
    let verdict = serde_json::to_string_pretty(&judgement).expect("a judgement is JSON");
    agree(&folder().join(format!("{claim}.verdict.json")), &format!("{verdict}\n"));
    judgement
}

fn agree(path: &Path, text: &str) {
    if std::env::var_os("TORN_BLESS").is_some() {
        fs::write(path, text).expect("a golden file can be written");
    }
    let stored = fs::read_to_string(path).unwrap_or_default();
    assert!(stored == text, "{} is not what was built; look at it, then bless it with TORN_BLESS=1", path.display());
}

/// A valid start, then what the closure tells while the fault is active, then an orderly end; exactly these anomalies are found.
fn shows(claim: &str, expected: &[(AnomalyKind, u64)], tell: impl FnOnce(&mut History)) -> Judgement {
    let mut history = start_under_fault();
    tell(&mut history);
    history.partition_heals();
    let judgement = judged(claim, &history.ends());
    let found: Vec<_> = judgement.anomalies.iter().map(|anomaly| (anomaly.kind, anomaly.count)).collect();
    assert_eq!(found, expected, "{:#?}", judgement.reasons);
    for anomaly in &judgement.anomalies {
        for example in &anomaly.examples {
            assert!(!example.explanation.is_empty());
            assert!(example.story.iter().any(|step| step.line.is_some()), "a story points into the history");
        }
    }
    let is_forbidden = judgement.anomalies.iter().any(|anomaly| anomaly.forbidden);
    assert_eq!(judgement.verdict, if is_forbidden { Verdict::Invalid } else { Verdict::Valid });
    assert_eq!(judgement.as_expected, !is_forbidden, "the golden variant expects a valid run");
    judgement
}

fn sentence(judgement: &Judgement) -> &str {
    &judgement.anomalies[0].examples[0].explanation
}

#[test]
fn a_run_in_which_nothing_went_wrong_is_valid() {
    let judgement = shows("valid", &[], |history| history.buys("purchase-4", "product-1", 2));
    assert_eq!(judgement.reasons, Vec::<String>::new());
    assert_eq!((judgement.operations.ok, judgement.operations.fail, judgement.operations.info), (3, 1, 0));
}

#[test]
fn a_committed_change_without_its_record_is_a_lost_event() {
    let judgement = shows("lost-event", &[(AnomalyKind::LostEvent, 1)], |history| {
        history.sends("purchase", "purchase-4", "product-1", 2);
        history.takes_effect("purchase-4");
        history.is_told("purchase-4", 201);
    });
    assert_eq!(
        sentence(&judgement),
        "purchase-4 (purchase product-1: stock -2) was stored at 0.020 s as version 2 of products/product-1, the \
         client was told 201, and no record of purchase.completed ever appeared in topic purchases; fault \
         meanwhile: partition api → kafka, 0.015 s to 0.023 s"
    );
}

#[test]
fn a_lost_event_does_not_depend_on_what_the_client_was_told() {
    shows("lost-event-of-an-unknown-outcome", &[(AnomalyKind::LostEvent, 1)], |history| {
        history.sends("purchase", "purchase-4", "product-1", 2);
        history.takes_effect("purchase-4");
        history.completes("purchase-4", Outcome::Info, None);
    });
}

#[test]
fn an_event_that_an_unpublished_row_still_holds_is_stuck_not_lost() {
    shows("stuck-event", &[(AnomalyKind::StuckEvent, 1)], |history| {
        history.sends("purchase", "purchase-4", "product-1", 2);
        history.takes_effect("purchase-4");
        history.inserts_row("purchase-4");
        history.is_told("purchase-4", 201);
        history.drains(DrainEnd::Deadline, 1, 0);
    });
}

#[test]
fn an_event_that_no_consumer_has_read_at_the_deadline_is_stuck_not_missing() {
    shows("stuck-event-unread", &[(AnomalyKind::StuckEvent, 1)], |history| {
        history.sends("purchase", "purchase-4", "product-1", 2);
        history.takes_effect("purchase-4");
        history.is_told("purchase-4", 201);
        history.publishes("purchase-4");
        history.projector_committed(1, 0);
        history.drains(DrainEnd::Deadline, 0, 1);
    });
}

#[test]
fn of_two_events_that_one_change_requires_one_alone_is_torn_and_not_lost() {
    shows("torn-publication", &[(AnomalyKind::TornPublication, 1)], |history| {
        history.sends("gift", "gift-1", "product-1", 1);
        history.takes_effect("gift-1");
        history.is_told("gift-1", 201);
        history.publishes("gift-1");
        history.projects("gift-1");
    });
}

#[test]
fn two_events_of_one_change_may_tell_of_the_same_version() {
    shows("two-events-of-one-change", &[], |history| {
        history.sends("gift", "gift-1", "product-1", 1);
        history.takes_effect("gift-1");
        history.is_told("gift-1", 201);
        history.publishes("gift-1");
        history.appears("parcels", "gift.wrapped", "gift-1", "parcel-1", 0);
        history.projects("gift-1");
    });
}

#[test]
fn a_record_without_a_committed_change_is_a_phantom() {
    shows("phantom-event", &[(AnomalyKind::PhantomEvent, 1)], |history| {
        history.sends("purchase", "purchase-4", "product-1", 2);
        history.completes("purchase-4", Outcome::Info, Some(503));
        history.publishes("purchase-4");
        history.projects("purchase-4");
    });
}

#[test]
fn a_second_record_of_one_event_is_a_duplicate_that_an_at_least_once_log_may_hold() {
    shows("duplicate-event", &[(AnomalyKind::DuplicateEvent, 1)], |history| {
        history.buys("purchase-4", "product-1", 2);
        history.publishes("purchase-4");
    });
}

#[test]
fn versions_that_sink_along_a_partition_are_reordered() {
    shows("reordered-event", &[(AnomalyKind::ReorderedEvent, 1)], |history| {
        for operation in ["purchase-4", "purchase-5"] {
            history.sends("purchase", operation, "product-1", 1);
            history.takes_effect(operation);
            history.is_told(operation, 201);
        }
        for operation in ["purchase-5", "purchase-4"] {
            history.publishes(operation);
            history.projects(operation);
        }
    });
}

#[test]
fn an_entity_in_two_partitions_is_reordered_once() {
    shows("reordered-event-over-partitions", &[(AnomalyKind::ReorderedEvent, 1)], |history| {
        for (operation, partition) in [("purchase-4", 1), ("purchase-5", 0), ("purchase-6", 0)] {
            history.sends("purchase", operation, "product-1", 1);
            history.takes_effect(operation);
            history.is_told(operation, 201);
            history.publishes_as(operation, &format!("event-{operation}"), partition);
            history.projects(operation);
        }
    });
}

#[test]
fn an_event_in_the_log_that_no_view_shows_is_a_missing_effect_and_no_divergence_beside() {
    shows("missing-effect", &[(AnomalyKind::MissingEffect, 1)], |history| {
        history.sends("purchase", "purchase-4", "product-1", 2);
        history.takes_effect("purchase-4");
        history.is_told("purchase-4", 201);
        history.publishes("purchase-4");
    });
}

#[test]
fn an_event_applied_twice_is_a_duplicate_effect_and_no_divergence_beside() {
    shows("duplicate-effect", &[(AnomalyKind::DuplicateEffect, 1)], |history| {
        history.buys("purchase-4", "product-1", 2);
        history.projects("purchase-4");
    });
}

#[test]
fn a_fresh_event_id_does_not_hide_a_duplicate_effect() {
    let expected = [(AnomalyKind::DuplicateEvent, 1), (AnomalyKind::DuplicateEffect, 1)];
    shows("duplicate-effect-fresh-id", &expected, |history| {
        history.buys("purchase-4", "product-1", 2);
        history.publishes_as("purchase-4", "event-again", 1);
        history.projects_as("purchase-4", "event-again", 2);
    });
}

#[test]
fn a_view_that_is_not_the_fold_of_the_log_diverges() {
    shows("divergent-projection", &[(AnomalyKind::DivergentProjection, 1)], |history| {
        history.sends("purchase", "purchase-4", "product-1", 2);
        history.takes_effect("purchase-4");
        history.is_told("purchase-4", 201);
        history.publishes("purchase-4");
        history.projects_as("purchase-4", "event-purchase-4", 3);
    });
}

#[test]
fn a_stock_written_from_a_stale_read_is_a_lost_update() {
    shows("lost-update", &[(AnomalyKind::LostUpdate, 1)], |history| {
        purchases_that_store(history, &[("purchase-4", 1, 4), ("purchase-5", 1, 4)]);
    });
}

#[test]
fn stale_reads_that_sell_more_than_there_was_oversell() {
    let expected = [(AnomalyKind::LostUpdate, 1), (AnomalyKind::Oversold, 1)];
    shows("oversold", &expected, |history| {
        purchases_that_store(history, &[("purchase-4", 3, 2), ("purchase-5", 3, 2)]);
    });
}

#[test]
fn a_stock_below_zero_is_negative_and_oversold() {
    let expected = [(AnomalyKind::Oversold, 1), (AnomalyKind::NegativeStock, 1)];
    shows("negative-stock", &expected, |history| {
        purchases_that_store(history, &[("purchase-4", 3, 2), ("purchase-5", 3, -1)]);
    });
}

#[test]
fn what_was_restocked_may_be_sold() {
    shows("restocked", &[], |history| {
        history.sends("restock", "restock-1", "product-1", 2);
        history.moves_stock("restock-1", 2);
        history.is_told("restock-1", 200);
        for operation in ["purchase-4", "purchase-5"] {
            history.buys(operation, "product-1", 3);
        }
    });
}

fn purchases_that_store(history: &mut History, purchases: &[(&str, i64, i64)]) {
    for (operation, quantity, _) in purchases {
        history.sends("purchase", operation, "product-1", *quantity);
    }
    for (operation, _, stock) in purchases {
        history.stores(operation, *stock, 1);
        history.is_told(operation, 201);
        history.publishes(operation);
        history.projects(operation);
    }
}

#[test]
fn one_operation_applied_twice_is_a_double_apply() {
    shows("double-apply", &[(AnomalyKind::DoubleApply, 1)], |history| {
        history.sends("purchase", "purchase-4", "product-1", 1);
        history.takes_effect("purchase-4");
        history.takes_effect("purchase-4");
        history.is_told("purchase-4", 201);
        history.publishes("purchase-4");
        history.projects("purchase-4");
    });
}

#[test]
fn two_attempts_under_different_keys_are_one_operation() {
    shows("double-apply-different-keys", &[(AnomalyKind::DoubleApply, 1)], |history| {
        history.sends("purchase", "purchase-4", "product-1", 1);
        history.takes_effect("purchase-4");
        history.sends_again("purchase-4", "purchase-4.2");
        history.takes_effect("purchase-4.2");
        history.is_told("purchase-4", 201);
        history.publishes("purchase-4.2");
        history.projects("purchase-4.2");
    });
}

#[test]
fn a_change_of_a_refused_operation_is_a_phantom_update() {
    shows("phantom-update", &[(AnomalyKind::PhantomUpdate, 1)], |history| {
        history.sends("purchase", "purchase-4", "product-1", 2);
        history.takes_effect("purchase-4");
        history.is_told("purchase-4", 409);
        history.publishes("purchase-4");
        history.projects("purchase-4");
    });
}

#[test]
fn a_change_that_names_an_operation_nobody_sent_is_a_phantom_update() {
    shows("phantom-update-never-sent", &[(AnomalyKind::PhantomUpdate, 1)], |history| {
        product(history, 4, 2, "purchase-99");
    });
}

fn product(history: &mut History, stock: i64, version: i64, operation: &str) {
    let document = json!({"_id": "product-1", "stock": stock, "version": version, "lastOperation": operation});
    history.writes("products", "product-1", ChangeKind::Update, document);
}

#[test]
fn a_version_that_rises_by_two_leaves_a_gap() {
    shows("version-gap", &[(AnomalyKind::VersionGap, 1)], |history| {
        history.sends("purchase", "purchase-4", "product-1", 1);
        history.stores("purchase-4", 4, 2);
        history.is_told("purchase-4", 201);
        history.publishes("purchase-4");
        history.projects("purchase-4");
    });
}

#[test]
fn a_version_that_sinks_is_a_regression() {
    shows("version-regression", &[(AnomalyKind::VersionRegression, 1)], |history| {
        history.buys("purchase-4", "product-1", 1);
        product(history, 4, 1, "purchase-4");
    });
}

#[test]
fn fields_that_change_under_the_same_version_are_a_duplicate_version() {
    shows("version-duplicate", &[(AnomalyKind::VersionDuplicate, 1)], |history| {
        history.buys("purchase-4", "product-1", 1);
        product(history, 5, 2, "purchase-4");
    });
}

#[test]
fn an_ok_without_a_change_is_a_lost_acknowledged_write() {
    shows("lost-acknowledged-write", &[(AnomalyKind::LostAcknowledgedWrite, 1)], |history| {
        history.sends("purchase", "purchase-4", "product-1", 1);
        history.is_told("purchase-4", 201);
    });
}

/// A purchase of product-1 up to the moment at which its change is committed.
fn commits(history: &mut History, client: u32, operation: &str) {
    history.sends("purchase", operation, "product-1", 1);
    history.is_of(client);
    history.takes_effect(operation);
}

/// The rest of it.
fn comes_to_its_end(history: &mut History, operation: &str) {
    history.publishes(operation);
    history.projects(operation);
}

#[test]
fn answers_that_keep_up_with_the_changes_are_right_and_a_concurrent_one_may_tell_of_either_state() {
    let judgement = shows("reads", &[], |history| {
        history.reads(1, "read-1", "product-1");
        history.asks(2, "read-2", "product-1");
        history.asks(3, "read-3", "product-1");
        commits(history, 4, "purchase-4");
        // Nobody was told of the change yet, and the witness saw it after both were sent.
        history.hears("read-2", 1, 5);
        history.hears("read-3", 2, 4);
        history.hears("purchase-4", 2, 4);
        for client in 1..=4 {
            history.reads(client, &format!("read-{}", client + 3), "product-1");
        }
        comes_to_its_end(history, "purchase-4");
    });
    for name in ["stale-read", "non-monotonic-read", "non-linearizable"] {
        let check = judgement.checks.iter().find(|check| check.name == name).expect("every check is listed");
        assert_eq!(check.verdict, CheckVerdict::Valid, "{name}: {}", check.reason);
    }
}

#[test]
fn an_answer_older_than_what_another_client_was_told_before_is_a_stale_read() {
    let judgement = shows("stale-read", &[(AnomalyKind::StaleRead, 1)], |history| {
        history.asks(1, "read-1", "product-1");
        commits(history, 4, "purchase-4");
        history.hears("read-1", 2, 4);
        history.hears("purchase-4", 2, 4);
        history.asks(2, "read-2", "product-1");
        history.hears("read-2", 1, 5);
        comes_to_its_end(history, "purchase-4");
    });
    assert_eq!(
        sentence(&judgement),
        "read-2 (read product-1), sent at 0.024 s, was told version 1 of products/product-1 (stock 5), but before that \
         version 2 of products/product-1 was committed by 0.021 s; fault meanwhile: partition api → kafka, 0.015 s to \
         0.029 s"
    );
}

#[test]
fn an_answer_that_takes_back_what_the_client_had_read_is_non_monotonic() {
    let judgement = shows("non-monotonic-read", &[(AnomalyKind::NonMonotonicRead, 1)], |history| {
        commits(history, 4, "purchase-4");
        history.hears("purchase-4", 2, 4);
        history.reads(1, "read-1", "product-1");
        history.asks(1, "read-2", "product-1");
        history.hears("read-2", 1, 5);
        comes_to_its_end(history, "purchase-4");
    });
    let example = &judgement.anomalies[0].examples[0];
    assert_eq!(example.facts["guarantee"], json!("monotonic-reads"));
    assert!(example.explanation.contains("client 1 was told version 2 of products/product-1 by read-1 at 0.023 s"));
}

#[test]
fn an_answer_without_the_clients_own_confirmed_write_is_non_monotonic() {
    let judgement = shows("non-monotonic-read-own-write", &[(AnomalyKind::NonMonotonicRead, 1)], |history| {
        commits(history, 4, "purchase-4");
        history.hears("purchase-4", 2, 4);
        history.asks(4, "read-1", "product-1");
        history.hears("read-1", 1, 5);
        comes_to_its_end(history, "purchase-4");
    });
    assert_eq!(judgement.anomalies[0].examples[0].facts["guarantee"], json!("read-your-writes"));
}

#[test]
fn a_write_whose_own_answer_does_not_show_it_is_non_monotonic() {
    let judgement = shows("non-monotonic-read-own-answer", &[(AnomalyKind::NonMonotonicRead, 1)], |history| {
        commits(history, 4, "purchase-4");
        history.hears("purchase-4", 1, 5);
        comes_to_its_end(history, "purchase-4");
    });
    assert_eq!(judgement.anomalies[0].examples[0].facts["guarantee"], json!("read-your-writes"));
}

#[test]
fn after_a_version_regression_readers_are_held_against_what_there_is() {
    shows("version-regression-read", &[(AnomalyKind::VersionRegression, 1)], |history| {
        history.buys("purchase-4", "product-1", 1);
        history.reads(1, "read-1", "product-1");
        product(history, 5, 1, "purchase-4");
        history.reads(1, "read-2", "product-1");
    });
}

#[test]
fn one_offset_with_an_event_for_the_consumer_and_another_for_the_witness_is_inconsistent() {
    shows("inconsistent-offsets", &[(AnomalyKind::InconsistentOffsets, 1)], |history| {
        for operation in ["purchase-4", "purchase-5"] {
            history.sends("purchase", operation, "product-1", 1);
            history.takes_effect(operation);
            history.is_told(operation, 201);
            history.publishes(operation);
        }
        history.projects("purchase-4");
        history.stamps(1, 1);
        history.projects("purchase-5");
        history.stamps(1, 1);
    });
}

#[test]
fn one_offset_that_holds_another_event_when_it_is_read_again_is_inconsistent() {
    shows("inconsistent-offsets-rewritten", &[(AnomalyKind::InconsistentOffsets, 1)], |history| {
        history.buys("purchase-4", "product-1", 1);
        history.is_read_again(2, |_| {});
        history.is_read_again(2, |record| {
            record.headers.insert("ce_id".to_owned(), "event-of-a-new-leader".to_owned());
        });
    });
}

#[test]
fn positions_that_agree_with_the_log_are_consistent_also_when_events_come_again() {
    let judgement = shows("positions", &[(AnomalyKind::DuplicateEffect, 1)], |history| {
        for operation in ["purchase-4", "purchase-5"] {
            history.sends("purchase", operation, "product-1", 1);
            history.takes_effect(operation);
            history.is_told(operation, 201);
            history.publishes(operation);
        }
        for (operation, offset) in [("purchase-4", 0), ("purchase-5", 1), ("purchase-4", 0)] {
            history.projects(operation);
            history.stamps(1, offset);
        }
        history.is_read_again(2, |_| {});
    });
    for name in ["inconsistent-offsets", "nonmonotonic-poll"] {
        let check = judgement.checks.iter().find(|check| check.name == name).expect("every check is listed");
        assert_eq!(check.verdict, CheckVerdict::Valid, "{name}: {}", check.reason);
    }
}

#[test]
fn an_event_applied_after_a_later_one_of_its_partition_is_a_nonmonotonic_poll() {
    let judgement = shows("nonmonotonic-poll", &[(AnomalyKind::NonmonotonicPoll, 1)], |history| {
        for operation in ["purchase-4", "purchase-5"] {
            history.sends("purchase", operation, "product-1", 1);
            history.takes_effect(operation);
            history.is_told(operation, 201);
            history.publishes(operation);
        }
        for (operation, offset) in [("purchase-5", 1), ("purchase-4", 0)] {
            history.projects(operation);
            history.stamps(1, offset);
        }
    });
    assert!(sentence(&judgement).starts_with("projector applied record 0 of purchases/1"), "{}", sentence(&judgement));
}

#[test]
fn an_answer_that_tells_of_a_write_before_it_was_sent_fits_no_order() {
    let judgement = shows("non-linearizable", &[(AnomalyKind::NonLinearizable, 1)], |history| {
        history.asks(1, "read-1", "product-1");
        history.hears("read-1", 2, 4);
        commits(history, 4, "purchase-4");
        history.hears("purchase-4", 2, 4);
        comes_to_its_end(history, "purchase-4");
    });
    let expected = "read-1 (read product-1) was told version 2 of products/product-1 (stock 4) at 0.020 s, but purchase-4 \
                    (purchase product-1: stock -1), which made products/product-1 version 2, was only sent at 0.021 s";
    assert!(sentence(&judgement).starts_with(expected), "{}", sentence(&judgement));
}

#[test]
fn an_answer_that_tells_of_a_version_that_never_was_fits_no_order() {
    let judgement = shows("non-linearizable-never", &[(AnomalyKind::NonLinearizable, 1)], |history| {
        history.asks(1, "read-1", "product-1");
        history.hears("read-1", 7, 4);
        // It is not held against those who are told the truth.
        history.reads(1, "read-2", "product-1");
    });
    assert!(sentence(&judgement).contains("no committed change ever made that version"), "{}", sentence(&judgement));
}

#[test]
fn an_answer_with_fields_of_another_state_fits_no_order() {
    let judgement = shows("non-linearizable-torn", &[(AnomalyKind::NonLinearizable, 1)], |history| {
        commits(history, 4, "purchase-4");
        history.hears("purchase-4", 2, 4);
        history.asks(1, "read-1", "product-1");
        history.hears("read-1", 2, 5);
        comes_to_its_end(history, "purchase-4");
    });
    assert!(sentence(&judgement).contains("but stock was 4 at that version"), "{}", sentence(&judgement));
}

#[test]
fn a_write_that_is_confirmed_first_and_done_after_a_later_one_fits_no_order() {
    let judgement = shows("non-linearizable-late-write", &[(AnomalyKind::NonLinearizable, 1)], |history| {
        history.sends("purchase", "purchase-4", "product-1", 1);
        history.is_told("purchase-4", 201);
        commits(history, 5, "purchase-5");
        history.hears("purchase-5", 2, 4);
        history.takes_effect("purchase-4");
        for operation in ["purchase-5", "purchase-4"] {
            comes_to_its_end(history, operation);
        }
        history.reads(5, "read-1", "product-1");
    });
    assert!(sentence(&judgement).contains("it was confirmed before it was done"), "{}", sentence(&judgement));
}

#[test]
fn a_lost_update_is_counted_once_also_where_clients_were_told_of_it() {
    shows("lost-update-told", &[(AnomalyKind::LostUpdate, 1)], |history| {
        for operation in ["purchase-4", "purchase-5"] {
            history.sends("purchase", operation, "product-1", 1);
        }
        for (operation, version) in [("purchase-4", 2), ("purchase-5", 3)] {
            history.stores(operation, 4, 1);
            history.hears(operation, version, 4);
            comes_to_its_end(history, operation);
        }
        history.reads(1, "read-1", "product-1");
    });
}

#[test]
fn a_confirmed_write_that_is_nowhere_is_lost_once_whatever_its_answer_told() {
    shows("lost-acknowledged-write-told", &[(AnomalyKind::LostAcknowledgedWrite, 1)], |history| {
        history.reads(2, "read-1", "product-1");
        history.sends("purchase", "purchase-4", "product-1", 1);
        history.hears("purchase-4", 2, 4);
        history.reads(2, "read-2", "product-1");
    });
}
