//! What clients are told, generated: exactly the named anomaly for one wrong answer, agreement with every order tried
//! one by one, and prefixes that show what they hold and nothing more.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tornwrite::checker::verdict::{AnomalyKind, Judgement, Verdict};
use tornwrite::history::entry::{Entry, Nanos};

use crate::builder::{History, counts, judgement, valid_start};

const PRODUCT: &str = "product-1";

const KINDS: [AnomalyKind; 3] = [AnomalyKind::StaleRead, AnomalyKind::NonMonotonicRead, AnomalyKind::NonLinearizable];

/// How often each of what clients can be told wrongly was found.
fn told_wrong(judgement: &Judgement) -> BTreeMap<AnomalyKind, u64> {
    counts(judgement).into_iter().filter(|(kind, _)| KINDS.contains(kind)).collect()
}

/// Who does what to the one product, one after another.
#[derive(Debug, Clone, Copy)]
struct Turn {
    client: u32,
    buys: bool,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    prop::collection::vec((0_u32..3, any::<bool>()).prop_map(|(client, buys)| Turn { client, buys }), 2..12)
}

/// What is wrong with one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    Older,
    Never,
    Torn,
}

/// The turns, with a lie told at the last one, and what it must be called.
fn run(turns: &[Turn], lie: Option<Lie>) -> (Vec<Entry>, Option<AnomalyKind>) {
    let mut history = valid_start();
    history.sends("restock", "restock-1", PRODUCT, 50);
    history.moves_stock("restock-1", 50);
    history.is_told("restock-1", 200);
    // Client 0 restocked, and knows of that.
    let mut seen = [history.version(PRODUCT), 0, 0];
    for (number, turn) in turns.iter().enumerate() {
        let operation = format!("turn-{number}");
        if turn.buys {
            history.sends("purchase", &operation, PRODUCT, 1);
            history.is_of(turn.client);
            history.takes_effect(&operation);
            history.hears(&operation, history.version(PRODUCT), history.stock(&operation));
            history.publishes(&operation);
            history.projects(&operation);
        } else {
            history.reads(turn.client, &operation, PRODUCT);
        }
        seen[turn.client as usize] = history.version(PRODUCT);
    }
    let (version, name) = (history.version(PRODUCT), "read-lie");
    history.asks(0, name, PRODUCT);
    let stock = history.stock(name);
    let kind = match lie {
        None => {
            history.hears(name, version, stock);
            None
        }
        Some(Lie::Older) => {
            // The state before the last one, whose stock was one more, or that before the restock.
            let before = if version == 2 { 5 } else { stock + 1 };
            history.hears(name, version - 1, before);
            let is_own = seen[0] == version;
            Some(if is_own { AnomalyKind::NonMonotonicRead } else { AnomalyKind::StaleRead })
        }
        Some(Lie::Never) => {
            history.hears(name, version + 3, stock);
            Some(AnomalyKind::NonLinearizable)
        }
        Some(Lie::Torn) => {
            history.hears(name, version, stock - 1);
            Some(AnomalyKind::NonLinearizable)
        }
    };
    (history.ends(), kind)
}

fn lie() -> impl Strategy<Value = Option<Lie>> {
    prop::sample::select(vec![None, Some(Lie::Older), Some(Lie::Never), Some(Lie::Torn)])
}

/// One operation on the product as an interval, for the orders tried one by one.
#[derive(Debug, Clone, Copy)]
struct Interval {
    invoked: Nanos,
    completed: Nanos,
    /// The version that it makes, or that it was told.
    version: i64,
    writes: bool,
}

/// Whether some order explains the answers: takes whatever may come next, and tries on.
fn has_order(rest: &mut Vec<Interval>, version: i64) -> bool {
    if rest.is_empty() {
        return true;
    }
    let first_end = rest.iter().map(|interval| interval.completed).min().expect("some are left");
    (0..rest.len()).any(|place| {
        let next = rest[place];
        let fits = if next.writes { next.version == version + 1 } else { next.version == version };
        if next.invoked > first_end || !fits {
            return false;
        }
        rest.remove(place);
        let found = has_order(rest, next.version);
        rest.insert(place, next);
        found
    })
}

/// What may happen at one moment of a concurrent run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Sent(usize),
    Committed(usize),
    Answered(usize),
}

/// A run of a few concurrent operations: who buys, and for each the order of its moments among all others.
fn concurrent() -> impl Strategy<Value = (Vec<(bool, i64)>, Vec<u8>)> {
    (prop::collection::vec((any::<bool>(), 0_i64..5), 2..7), prop::collection::vec(any::<u8>(), 32))
}

/// Lays the moments out; an answer may come before its commit (a late write), never before its sending.
fn moments(operations: &[(bool, i64)], choices: &[u8]) -> Vec<Moment> {
    let mut open: Vec<Vec<Moment>> = operations
        .iter()
        .enumerate()
        .map(|(number, (buys, _))| match (buys, choices[number] % 8) {
            (false, _) => vec![Moment::Answered(number), Moment::Sent(number)],
            (true, 0) => vec![Moment::Committed(number), Moment::Answered(number), Moment::Sent(number)],
            (true, _) => vec![Moment::Answered(number), Moment::Committed(number), Moment::Sent(number)],
        })
        .collect();
    let mut laid_out = Vec::new();
    for choice in choices.iter().cycle().skip(operations.len()) {
        open.retain(|rest| !rest.is_empty());
        if open.is_empty() {
            break;
        }
        let place = usize::from(*choice) % open.len();
        laid_out.extend(open[place].pop());
    }
    laid_out
}

/// The history of such a run, and its intervals.
fn play(operations: &[(bool, i64)], choices: &[u8]) -> (Vec<Entry>, Vec<Interval>) {
    let mut history = History::begins();
    let nothing = Interval { invoked: 0, completed: Nanos::MAX, version: 0, writes: false };
    let mut intervals = vec![nothing; operations.len()];
    for moment in moments(operations, choices) {
        match moment {
            Moment::Sent(number) => {
                let (buys, told) = operations[number];
                let name = format!("operation-{number}");
                if buys {
                    history.sends("purchase", &name, PRODUCT, 1);
                    history.is_of(number as u32);
                } else {
                    history.asks(number as u32, &name, PRODUCT);
                }
                intervals[number] = Interval { invoked: history.now(), writes: buys, version: 1 + told, ..nothing };
            }
            Moment::Committed(number) => {
                history.takes_effect(&format!("operation-{number}"));
                let interval = &mut intervals[number];
                interval.version = history.version(PRODUCT);
                interval.completed = interval.completed.min(history.now());
            }
            Moment::Answered(number) => {
                let name = format!("operation-{number}");
                if operations[number].0 {
                    history.is_told(&name, 201);
                } else {
                    history.hears(&name, 1 + operations[number].1, 5 - operations[number].1);
                }
                let interval = &mut intervals[number];
                interval.completed = interval.completed.min(history.now());
            }
        }
    }
    // Whoever asks in the end is told the truth: it is versions that answers tell, also where nobody asked before.
    history.reads(99, "read-last", PRODUCT);
    (history.ends(), intervals)
}

proptest! {
    #[test]
    fn one_wrong_answer_is_one_anomaly_by_its_own_name(turns in turns(), lie in lie()) {
        let (entries, kind) = run(&turns, lie);
        let judgement = judgement(&entries);
        let expected: BTreeMap<AnomalyKind, u64> = kind.into_iter().map(|kind| (kind, 1)).collect();
        prop_assert_eq!(counts(&judgement), expected);
    }

    #[test]
    fn answers_are_accused_exactly_when_no_order_explains_them((operations, choices) in concurrent()) {
        let (entries, mut intervals) = play(&operations, &choices);
        let found = told_wrong(&judgement(&entries));
        prop_assert_eq!(found.is_empty(), has_order(&mut intervals, 1), "{:?}", found);
    }

    #[test]
    fn a_prefix_shows_no_more_of_what_was_told_than_the_whole(
        turns in turns(), lie in lie(), cut in any::<prop::sample::Index>(),
    ) {
        let (entries, _) = run(&turns, lie);
        let whole = told_wrong(&judgement(&entries));
        let prefix = judgement(&entries[..cut.index(entries.len())]);
        prop_assert_eq!(prefix.verdict, Verdict::Unknown);
        for (kind, count) in told_wrong(&prefix) {
            prop_assert!(count <= whole.get(&kind).copied().unwrap_or(0), "{} only on a prefix", kind.name());
        }
    }

    #[test]
    fn a_prefix_of_a_concurrent_run_shows_no_more_than_the_whole(
        (operations, choices) in concurrent(), cut in any::<prop::sample::Index>(),
    ) {
        let (entries, _) = play(&operations, &choices);
        let whole: u64 = told_wrong(&judgement(&entries)).values().sum();
        let prefix: u64 = told_wrong(&judgement(&entries[..cut.index(entries.len())])).values().sum();
        prop_assert!(prefix <= whole, "{} on a prefix, {} in the whole", prefix, whole);
    }
}
