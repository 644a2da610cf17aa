//! Tens of thousands of random short histories, each way to judge them against the definition.

use torn_engine::budget::Budget;
use torn_engine::register::{Options, Reduction, Reductions};
use torn_engine::verdict::Verdict;

use crate::generate::{Flavour, history, lines};
use crate::oracle::keys_without_order;

const PLAIN: Flavour =
    Flavour { processes: 3, keys: 1, operations: 8, values: 3, texts: false, versioned: false, open: 15, changed: 60 };

/// Every way to judge: the default, the search alone with everything, with nothing, with each reduction alone, without
/// each; and each of these over all keys at once.
fn ways() -> Vec<Options> {
    let reductions = [
        Reduction::Observations,
        Reduction::Interchangeable,
        Reduction::Unobservable,
        Reduction::Demand,
        Reduction::SeenAtOnce,
        Reduction::Absorption,
        Reduction::Dominance,
    ];
    let mut sets = vec![Reductions::ALL, Reductions::NONE];
    sets.extend(reductions.map(|reduction| Reductions::NONE.with(reduction)));
    sets.extend(reductions.map(|reduction| Reductions::ALL.without(reduction)));
    let mut ways = vec![Options::default()];
    for reductions in sets {
        ways.push(Options { partition: true, shortcuts: false, reductions });
        ways.push(Options { partition: false, shortcuts: false, reductions });
    }
    ways
}

/// Judges `count` histories in every way; yields how many are linearizable, and how many keys the fast path decided.
fn compare(flavour: Flavour, count: u64, seed: u64) -> (u64, u64) {
    let ways = ways();
    let (mut linearizable, mut fast) = (0, 0);
    for number in 0..count {
        let events = history(flavour, seed + number);
        let expected = keys_without_order(&events);
        linearizable += u64::from(expected == 0);
        let text = lines(&events);
        let read = crate::read(&text);
        for options in &ways {
            let judgement = read.judge(options, &Budget::unlimited());
            let found = judgement.anomalies.first().map_or(0, |anomaly| anomaly.count);
            let expected = if options.partition { expected } else { expected.min(1) };
            assert_eq!(found, expected as u64, "{options:?}\n{text}");
            assert_eq!(judgement.verdict, if expected == 0 { Verdict::Valid } else { Verdict::Invalid });
            fast += judgement.figures["decided-by-values-written-once"].as_u64().expect("it is a count");
        }
    }
    (linearizable, fast)
}

/// Both outcomes must be common, else the comparison says little.
fn assert_common(linearizable: u64, count: u64) {
    let share = linearizable * 100 / count;
    assert!((15..=90).contains(&share), "{share} of 100 are linearizable");
}

#[test]
fn integers_of_few_values_are_judged_by_the_definition() {
    let (linearizable, _) = compare(PLAIN, 6_000, 1);
    assert_common(linearizable, 6_000);
}

#[test]
fn several_keys_and_processes_are_judged_by_the_definition() {
    let (linearizable, _) = compare(Flavour { keys: 3, processes: 4, operations: 12, ..PLAIN }, 3_000, 100_000);
    assert_common(linearizable, 3_000);
}

#[test]
fn texts_with_appends_are_judged_by_the_definition() {
    let (linearizable, _) = compare(Flavour { texts: true, ..PLAIN }, 6_000, 200_000);
    assert_common(linearizable, 6_000);
}

#[test]
fn many_open_operations_are_judged_by_the_definition() {
    let (linearizable, _) = compare(Flavour { open: 50, operations: 9, values: 2, ..PLAIN }, 4_000, 300_000);
    assert_common(linearizable, 4_000);
}

#[test]
fn values_written_once_are_judged_by_the_definition() {
    let (linearizable, _) = compare(Flavour { values: 0, ..PLAIN }, 6_000, 400_000);
    assert_common(linearizable, 6_000);
}

#[test]
fn versioned_documents_are_judged_by_the_definition() {
    let (linearizable, _) = compare(Flavour { values: 0, versioned: true, operations: 9, ..PLAIN }, 6_000, 500_000);
    assert_common(linearizable, 6_000);
}
