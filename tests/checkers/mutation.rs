//! Generated valid histories, and one wrong put into each: exactly the named anomaly is found. Prefixes show what they
//! hold and nothing more; the obligations of a live run agree with the checkers.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tornwrite::checker::verdict::{AnomalyKind, CheckVerdict, Judgement, Verdict};
use tornwrite::history::entry::Entry;
use tornwrite::history::obligation::Obligations;

use crate::builder::{History, counts, forbidden, judgement, resolved, valid_start};

/// What may go wrong with one purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    NeverPublished,
    PublishedTwice,
    NeverApplied,
    AppliedTwice,
    ProjectionOff,
    StockTooLow,
    StoredTwice,
    VersionSkipped,
    NeverStored,
    StoredThoughRefused,
}

impl Wrong {
    const ALL: [Self; 10] = [
        Self::NeverPublished,
        Self::PublishedTwice,
        Self::NeverApplied,
        Self::AppliedTwice,
        Self::ProjectionOff,
        Self::StockTooLow,
        Self::StoredTwice,
        Self::VersionSkipped,
        Self::NeverStored,
        Self::StoredThoughRefused,
    ];

    fn anomaly(self) -> AnomalyKind {
        match self {
            Self::NeverPublished => AnomalyKind::LostEvent,
            Self::PublishedTwice => AnomalyKind::DuplicateEvent,
            Self::NeverApplied => AnomalyKind::MissingEffect,
            Self::AppliedTwice => AnomalyKind::DuplicateEffect,
            Self::ProjectionOff => AnomalyKind::DivergentProjection,
            Self::StockTooLow => AnomalyKind::LostUpdate,
            Self::StoredTwice => AnomalyKind::DoubleApply,
            Self::VersionSkipped => AnomalyKind::VersionGap,
            Self::NeverStored => AnomalyKind::LostAcknowledgedWrite,
            Self::StoredThoughRefused => AnomalyKind::PhantomUpdate,
        }
    }
}

/// Absence is never found on a prefix.
const ABSENCE: [AnomalyKind; 7] = [
    AnomalyKind::LostEvent,
    AnomalyKind::StuckEvent,
    AnomalyKind::TornPublication,
    AnomalyKind::PhantomEvent,
    AnomalyKind::MissingEffect,
    AnomalyKind::DivergentProjection,
    AnomalyKind::LostAcknowledgedWrite,
];

/// Purchases of one or two pieces of a product.
fn plan() -> impl Strategy<Value = Vec<(bool, i64)>> {
    prop::collection::vec((any::<bool>(), 1_i64..=2), 1..8)
}

/// One purchase, with something wrong about it.
fn buys(history: &mut History, operation: &str, product: &str, quantity: i64, wrong: Option<Wrong>) {
    history.sends("purchase", operation, product, quantity);
    let stock = history.stock(operation) - quantity;
    match wrong {
        Some(Wrong::NeverStored) => return history.is_told(operation, 201),
        Some(Wrong::StockTooLow) => history.stores(operation, stock - 1, 1),
        Some(Wrong::VersionSkipped) => history.stores(operation, stock, 2),
        _ => history.takes_effect(operation),
    }
    if wrong == Some(Wrong::StoredTwice) {
        history.takes_effect(operation);
    }
    history.inserts_row(operation);
    history.is_told(operation, if wrong == Some(Wrong::StoredThoughRefused) { 409 } else { 201 });
    history.marks_row(operation);
    if wrong == Some(Wrong::NeverPublished) {
        return;
    }
    history.publishes(operation);
    if wrong == Some(Wrong::PublishedTwice) {
        history.publishes(operation);
    }
    match wrong {
        Some(Wrong::NeverApplied) => return,
        Some(Wrong::ProjectionOff) => history.projects_as(operation, &format!("event-{operation}"), quantity + 1),
        _ => history.projects(operation),
    }
    if wrong == Some(Wrong::AppliedTwice) {
        history.projects(operation);
    }
}

/// A run of these purchases, each refused where the stock is short, and one more that goes wrong in between.
fn run(plan: &[(bool, i64)], wrong: Option<Wrong>, place: usize) -> Vec<Entry> {
    let mut history = valid_start();
    let place = place % (plan.len() + 1);
    for (number, (is_first, quantity)) in plan.iter().enumerate() {
        if number == place {
            goes_wrong(&mut history, wrong);
        }
        let (operation, product) = (format!("generated-{number}"), if *is_first { "product-0" } else { "product-1" });
        history.sends("purchase", &operation, product, *quantity);
        let stock = history.stock(&operation);
        history.entries.pop();
        if stock < *quantity {
            history.is_refused(&operation, product, *quantity);
        } else {
            history.buys(&operation, product, *quantity);
        }
    }
    if place == plan.len() {
        goes_wrong(&mut history, wrong);
    }
    history.ends()
}

/// The wrong purchase comes after enough was restocked that nothing but the wrong itself is wrong.
fn goes_wrong(history: &mut History, wrong: Option<Wrong>) {
    if wrong.is_some() {
        history.sends("restock", "restock-1", "product-1", 9);
        history.moves_stock("restock-1", 9);
        history.is_told("restock-1", 200);
        buys(history, "wrong", "product-1", 2, wrong);
    }
}

fn wrong() -> impl Strategy<Value = Wrong> {
    prop::sample::select(Wrong::ALL.to_vec())
}

fn records(entries: &[Entry]) -> Vec<usize> {
    let records = entries.iter().enumerate().filter(|(_, entry)| matches!(entry, Entry::Record(_)));
    records.map(|(place, _)| place).collect()
}

/// What both kinds of events and effects that are open come to, by the checkers.
fn open(judgement: &Judgement) -> u64 {
    let kinds = [AnomalyKind::LostEvent, AnomalyKind::StuckEvent, AnomalyKind::MissingEffect];
    let counts = counts(judgement);
    kinds.iter().filter_map(|kind| counts.get(kind)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_generated_run_without_a_wrong_is_valid(plan in plan()) {
        let judgement = judgement(&run(&plan, None, 0));
        prop_assert_eq!(counts(&judgement), BTreeMap::new());
        prop_assert_eq!((judgement.verdict, judgement.as_expected), (Verdict::Valid, true), "{:?}", judgement.reasons);
    }

    #[test]
    fn one_wrong_in_a_valid_run_is_found_once_and_nothing_else(plan in plan(), wrong in wrong(), place in 0_usize..8) {
        let judgement = judgement(&run(&plan, Some(wrong), place));
        prop_assert_eq!(counts(&judgement), BTreeMap::from([(wrong.anomaly(), 1)]));
        let is_allowed = wrong == Wrong::PublishedTwice;
        prop_assert_eq!(judgement.verdict, if is_allowed { Verdict::Valid } else { Verdict::Invalid });
    }

    #[test]
    fn a_record_taken_out_of_the_file_is_a_lost_event(plan in plan(), choice in any::<prop::sample::Index>()) {
        let mut entries = run(&plan, None, 0);
        entries.remove(*choice.get(&records(&entries)));
        let judgement = judgement(&entries);
        prop_assert_eq!(forbidden(&judgement), BTreeMap::from([(AnomalyKind::LostEvent, 1)]));
    }

    #[test]
    fn two_records_of_one_product_swapped_are_reordered(plan in plan()) {
        let mut entries = run(&plan, None, 0);
        // The first two records are of one product.
        let (first, second) = (records(&entries)[0], records(&entries)[1]);
        let (left, right) = entries.split_at_mut(second);
        let (Entry::Record(left), Entry::Record(right)) = (&mut left[first], &mut right[0]) else { unreachable!() };
        std::mem::swap(&mut left.headers, &mut right.headers);
        std::mem::swap(&mut left.payload, &mut right.payload);
        // The view keeps the order in which both were applied, and so follows the log no longer.
        let expected = [(AnomalyKind::ReorderedEvent, 1), (AnomalyKind::NonmonotonicPoll, 1)];
        prop_assert_eq!(forbidden(&judgement(&entries)), BTreeMap::from(expected));
    }

    #[test]
    fn a_change_taken_out_of_the_file_is_never_overlooked(plan in plan(), choice in any::<prop::sample::Index>()) {
        let mut entries = run(&plan, None, 0);
        let is_purchase = |entry: &Entry| matches!(entry, Entry::Change(change)
            if change.collection == "products" && change.after.get("lastOperation").is_some());
        let changes: Vec<usize> = (0..entries.len()).filter(|place| is_purchase(&entries[*place])).collect();
        entries.remove(*choice.get(&changes));
        let found = counts(&judgement(&entries));
        prop_assert_eq!(found.get(&AnomalyKind::LostAcknowledgedWrite), Some(&1));
        prop_assert_eq!(found.get(&AnomalyKind::PhantomEvent), Some(&1));
    }

    #[test]
    fn a_prefix_shows_no_absence_and_no_more_than_the_whole(
        plan in plan(), wrong in prop::option::of(wrong()), place in 0_usize..8, cut in any::<prop::sample::Index>(),
    ) {
        let entries = run(&plan, wrong, place);
        let whole = counts(&judgement(&entries));
        let prefix = judgement(&entries[..cut.index(entries.len())]);
        prop_assert_eq!(prefix.verdict, Verdict::Unknown);
        prop_assert!(!prefix.as_expected);
        for (kind, count) in counts(&prefix) {
            prop_assert!(!ABSENCE.contains(&kind), "{} on a prefix", kind.name());
            prop_assert!(count <= whole.get(&kind).copied().unwrap_or(0), "{} only on a prefix", kind.name());
        }
        for kind in ABSENCE {
            let check = prefix.checks.iter().find(|check| check.name == kind.name());
            prop_assert_eq!(check.map(|check| check.verdict), Some(CheckVerdict::Unknown));
        }
    }

    #[test]
    fn the_obligations_of_a_live_run_agree_with_the_checkers(
        plan in plan(), wrong in prop::option::of(wrong()), place in 0_usize..8,
    ) {
        let entries = run(&plan, wrong, place);
        let mut obligations = Obligations::new(&resolved());
        for entry in &entries {
            obligations.feed(entry);
        }
        prop_assert_eq!(obligations.outstanding(), open(&judgement(&entries)));
        prop_assert_eq!(obligations.unpublished(), 0);
    }

    #[test]
    fn the_same_history_gives_the_same_bytes(plan in plan(), wrong in wrong()) {
        let first = serde_json::to_string(&judgement(&run(&plan, Some(wrong), 0))).expect("a judgement is JSON");
        let again = serde_json::to_string(&judgement(&run(&plan, Some(wrong), 0))).expect("a judgement is JSON");
        prop_assert_eq!(first, again);
    }
}

#[test]
fn an_obligation_stays_until_its_row_its_record_and_its_effect_are_there() {
    let mut history = History::begins();
    history.sends("purchase", "purchase-1", "product-0", 2);
    let mut seen = Vec::new();
    let mut step = |history: &History| {
        let mut obligations = Obligations::new(&resolved());
        for entry in &history.entries {
            obligations.feed(entry);
        }
        seen.push((obligations.outstanding(), obligations.unpublished()));
    };
    step(&history);
    history.takes_effect("purchase-1");
    step(&history);
    history.inserts_row("purchase-1");
    step(&history);
    // The view may be seen before the record that it comes from.
    let mut early = history.clone();
    early.projects("purchase-1");
    step(&early);
    early.publishes("purchase-1");
    step(&early);
    history.publishes("purchase-1");
    step(&history);
    history.marks_row("purchase-1");
    step(&history);
    history.projects("purchase-1");
    step(&history);
    assert_eq!(seen, [(0, 0), (1, 0), (1, 1), (1, 1), (0, 1), (1, 1), (1, 0), (0, 0)]);
}
