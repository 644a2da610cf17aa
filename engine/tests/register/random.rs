//! Tens of thousands of random short histories, each way to judge them against the definition.

use torn_engine::budget::Budget;
use torn_engine::register::{Options, Reduction, Reductions};
use torn_engine::verdict::Verdict;

use crate::generate::{Event, Flavour, Function, Kind, Value, history, lines};
use crate::oracle::keys_without_order;

const PLAIN: Flavour =
    Flavour { processes: 3, keys: 1, operations: 8, values: 3, texts: false, versioned: false, open: 15, changed: 60 };

const REDUCTIONS: [Reduction; 7] = [
    Reduction::Observations,
    Reduction::Interchangeable,
    Reduction::Unobservable,
    Reduction::Demand,
    Reduction::SeenAtOnce,
    Reduction::Absorption,
    Reduction::Dominance,
];

/// The ways to judge a history: the default, the search alone with everything and with nothing, and by turns with one
/// reduction alone, without one, and with some; each of these also over all keys at once.
fn ways(number: u64) -> Vec<Options> {
    let reduction = REDUCTIONS[number as usize % REDUCTIONS.len()];
    let mut some = Reductions::NONE;
    for (bit, reduction) in REDUCTIONS.into_iter().enumerate() {
        if ((number / 7) >> bit) & 1 == 1 {
            some = some.with(reduction);
        }
    }
    let alone = Reductions::NONE.with(reduction);
    let mut ways = vec![Options::default()];
    for reductions in [Reductions::ALL, Reductions::NONE, alone, Reductions::ALL.without(reduction), some] {
        ways.push(Options { partition: number.is_multiple_of(2), shortcuts: false, reductions });
    }
    ways.push(Options { partition: !number.is_multiple_of(2), ..Options::default() });
    ways
}

/// Judges `count` histories in every way; yields how many are linearizable, and of 100 keys how many
/// the fast path decided.
fn compare(flavour: Flavour, count: u64, seed: u64) -> (u64, u64) {
    let (mut linearizable, mut fast, mut all) = (0, 0, 0);
    for number in 0..count {
        let events = history(flavour, seed + number);
        let expected = keys_without_order(&events);
        linearizable += u64::from(expected == 0);
        let text = lines(&events);
        let read = crate::read(&text);
        for options in &ways(number) {
            let judgement = read.judge(options, &Budget::unlimited());
            let found = judgement.anomalies.first().map_or(0, |anomaly| anomaly.count);
            let expected = if options.partition { expected } else { expected.min(1) };
            assert_eq!(found, expected as u64, "{options:?}\n{text}");
            assert_eq!(judgement.verdict, if expected == 0 { Verdict::Valid } else { Verdict::Invalid });
            if options == &Options::default() {
                fast += judgement.figures["decided-by-values-written-once"].as_u64().expect("it is a count");
                all += judgement.figures["keys"].as_u64().expect("it is a count");
            }
        }
    }
    (linearizable, fast * 100 / all)
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
    let (linearizable, fast) = compare(Flavour { values: 0, ..PLAIN }, 6_000, 400_000);
    assert_common(linearizable, 6_000);
    assert!(fast >= 80, "the fast path decides {fast} of 100");
}

#[test]
fn versioned_documents_are_judged_by_the_definition() {
    let (linearizable, fast) = compare(Flavour { values: 0, versioned: true, operations: 9, ..PLAIN }, 6_000, 500_000);
    assert_common(linearizable, 6_000);
    assert!(fast >= 80, "the fast path decides {fast} of 100");
}

/// A history that is far too long for the definition: valid as it is made; with one answer changed to what nobody ever
/// wrote, invalid, and that answer is the one that has no place.
#[test]
fn one_changed_answer_in_a_long_history_is_found_and_named() {
    for (number, flavour) in [
        Flavour { operations: 3_000, processes: 8, open: 2, changed: 0, ..PLAIN },
        Flavour { operations: 3_000, processes: 8, open: 0, changed: 0, texts: true, versioned: true, ..PLAIN },
        Flavour { operations: 3_000, processes: 12, open: 2, changed: 0, values: 0, ..PLAIN },
        Flavour { operations: 3_000, processes: 12, open: 2, changed: 0, values: 0, versioned: true, keys: 5, ..PLAIN },
    ]
    .into_iter()
    .enumerate()
    {
        let mut events = history(flavour, 900_000 + number as u64);
        let whole = Options { partition: false, ..Options::default() };
        for options in [Options::default(), whole] {
            let judgement = crate::read(&lines(&events)).judge(&options, &Budget::unlimited());
            assert_eq!(judgement.verdict, Verdict::Valid, "{flavour:?}");
        }
        let is_seen = |event: &Event| event.kind == Kind::Ok && matches!(event.function, Function::Read(_));
        let reads: Vec<usize> = (0..events.len()).filter(|&place| is_seen(&events[place])).collect();
        let changed = reads[reads.len() / 2];
        events[changed].function = Function::Read(Value::Text("never written".to_owned()));
        for options in [Options::default(), whole, Options { shortcuts: false, ..Options::default() }] {
            let judgement = crate::read(&lines(&events)).judge(&options, &Budget::unlimited());
            assert_eq!(judgement.verdict, Verdict::Invalid, "{flavour:?}");
            assert_eq!(judgement.anomalies[0].examples[0].item["stuck-line"], changed + 1, "{flavour:?}");
        }
    }
}
