//! The log as its readers saw it, generated: one wrong is one anomaly by its own name, and none is seen where an event
//! merely comes again.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tornwrite::checker::verdict::{AnomalyKind, Judgement};
use tornwrite::history::entry::Entry;

use crate::builder::{History, counts, judgement, valid_start};

/// What is wrong with one event of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    /// It is applied after the next one.
    Late,
    /// The view says that it was read from where another one lies.
    Misplaced,
    /// Another one lies at its offset when the witness reads that again.
    Rewritten,
    /// It is applied again, from the same place.
    Redelivered,
    /// The witness is handed it again as it was.
    ReadAgain,
}

impl Wrong {
    const ALL: [Self; 5] = [Self::Late, Self::Misplaced, Self::Rewritten, Self::Redelivered, Self::ReadAgain];

    fn anomaly(self) -> Option<AnomalyKind> {
        match self {
            Self::Late => Some(AnomalyKind::NonmonotonicPoll),
            Self::Misplaced | Self::Rewritten => Some(AnomalyKind::InconsistentOffsets),
            Self::Redelivered => Some(AnomalyKind::DuplicateEffect),
            Self::ReadAgain => None,
        }
    }
}

/// So many purchases of one product, all in one partition; something is wrong with one that is not the last.
fn run(count: usize, place: usize, wrong: Option<Wrong>) -> Vec<Entry> {
    let mut history = valid_start();
    let place = place % (count - 1);
    let names: Vec<String> = (0..count).map(|number| format!("generated-{number}")).collect();
    for name in &names {
        history.sends("purchase", name, "product-1", 1);
        history.takes_effect(name);
        history.is_told(name, 201);
        history.publishes(name);
    }
    let mut order: Vec<usize> = (0..count).collect();
    if wrong == Some(Wrong::Late) {
        order.swap(place, place + 1);
    }
    for number in order {
        let is_misplaced = wrong == Some(Wrong::Misplaced) && number == place;
        applies(&mut history, &names, number, number + usize::from(is_misplaced));
    }
    // The run's first records are of product-0.
    let record = place + 2;
    match wrong {
        Some(Wrong::Redelivered) => applies(&mut history, &names, place, place),
        Some(Wrong::ReadAgain) => history.is_read_again(record, |_| {}),
        Some(Wrong::Rewritten) => history.is_read_again(record, |record| {
            record.headers.insert("ce_correlationid".to_owned(), "purchase-1".to_owned());
        }),
        _ => {}
    }
    history.ends()
}

/// An event is applied, read from this offset.
fn applies(history: &mut History, names: &[String], number: usize, offset: usize) {
    history.projects(&names[number]);
    history.stamps(1, i64::try_from(offset).expect("a small number"));
}

fn found(judgement: &Judgement) -> BTreeMap<AnomalyKind, u64> {
    counts(judgement)
}

proptest! {
    #[test]
    fn one_wrong_of_a_reader_is_one_anomaly_by_its_own_name(
        count in 2_usize..=5, place in 0_usize..5, wrong in prop::option::of(prop::sample::select(Wrong::ALL.to_vec())),
    ) {
        let expected: BTreeMap<AnomalyKind, u64> =
            wrong.and_then(Wrong::anomaly).into_iter().map(|kind| (kind, 1)).collect();
        prop_assert_eq!(found(&judgement(&run(count, place, wrong))), expected);
    }

    #[test]
    fn a_prefix_shows_no_more_of_the_readers_than_the_whole(
        count in 2_usize..=5, place in 0_usize..5, wrong in prop::sample::select(Wrong::ALL.to_vec()),
        cut in any::<prop::sample::Index>(),
    ) {
        let entries = run(count, place, Some(wrong));
        let whole = found(&judgement(&entries));
        for (kind, count) in found(&judgement(&entries[..cut.index(entries.len())])) {
            prop_assert!(count <= whole.get(&kind).copied().unwrap_or(0), "{} only on a prefix", kind.name());
        }
    }
}
