//! Checks of the order in which one process, and one operation, polled.

use crate::budget::Exhausted;

use super::finding::{Found, Item};
use super::history::{History, NONE, Row, Stage};
use super::kind::Kind;
use super::ledger::Ledger;
use super::message::{Message, Messages};
use super::order::Orders;
use super::record::Function;
use super::session::{Session, Touched, rows_by_process};
use super::vocabulary::Key;

/// Every two messages of a key that follow each other within one operation (`int-poll-skip+nonmonotonic-cases`).
///
/// Where a key was rebalanced during the operation nothing is said of it.
pub(super) fn within(
    history: &History,
    messages: &Messages,
    orders: &Orders,
    found: &mut Found,
    budget: &Ledger<'_>,
) -> Result<(), Exhausted> {
    let mut before: Vec<(Row, Message)> = vec![(NONE, NONE); history.vocabulary.key_count()];
    for row in 0..history.len() as Row {
        budget.check_now_and_then(row as usize)?;
        for poll in history.reads(row) {
            let pairs = history.pairs(poll);
            if pairs.is_empty() {
                continue;
            }
            let key = history.polls.key[poll];
            let (last_row, mut last) = before[key as usize];
            if last_row != row {
                last = NONE;
            }
            let is_rebalanced = || history.rebalanced(row).iter().any(|&(_, other)| other == key);
            for &message in &messages.of_pair[pairs] {
                if last != NONE {
                    let delta = orders.delta(last, message);
                    if delta != 1 && !is_rebalanced() {
                        let kind = if delta > 1 { Kind::IntPollSkip } else { Kind::IntNonmonotonicPoll };
                        found.add(kind, Item::Step { from: (row, last), to: (row, message) });
                    }
                }
                last = message;
            }
            before[key as usize] = (row, last);
        }
    }
    Ok(())
}

/// Where a process's operation goes on after its last one that polled the key (`poll-skip+nonmonotonic-cases`).
///
/// An assign or subscribe keeps only the keys that it names. Only a successful operation moves the place where a process
/// is: after a failed one the consumer starts again where it was.
pub(super) fn across(
    history: &History,
    messages: &Messages,
    orders: &Orders,
    found: &mut Found,
    budget: &Ledger<'_>,
) -> Result<(), Exhausted> {
    let mut session = Session::new(history, budget)?;
    let mut touched = Touched::new(history, budget)?;
    for (done, (is_new, row)) in rows_by_process(history, budget)?.into_iter().enumerate() {
        budget.check_now_and_then(done)?;
        if is_new {
            session.clear();
        }
        match history.function(row) {
            Function::Assign | Function::Subscribe => session.assign(history, row),
            Function::Poll | Function::Txn => {
                touch_reads(history, messages, row, &mut touched);
                for &(key, first, last) in touched.all() {
                    if let Some((last_row, last_message)) = session.get(key) {
                        compare(orders, (last_row, last_message), (row, first), found);
                    }
                    if history.stage(row) == Stage::Ok {
                        session.set(key, row, last);
                    }
                }
                touched.clear();
            }
            Function::Send | Function::Crash => {}
        }
    }
    Ok(())
}

/// The first and the last message that an operation polled of each key, also where it polled none.
fn touch_reads(history: &History, messages: &Messages, row: Row, touched: &mut Touched) {
    for poll in history.reads(row) {
        let polled = &messages.of_pair[history.pairs(poll)];
        let (first, last) = (polled.first().copied(), polled.last().copied());
        touched.touch(history.polls.key[poll] as Key, first.unwrap_or(NONE), last.unwrap_or(NONE));
    }
}

fn compare(orders: &Orders, from: (Row, Message), to: (Row, Message), found: &mut Found) {
    if from.1 == NONE || to.1 == NONE {
        return;
    }
    let delta = orders.delta(from.1, to.1);
    if delta != 1 {
        let kind = if delta > 1 { Kind::PollSkip } else { Kind::NonmonotonicPoll };
        found.add(kind, Item::Step { from, to });
    }
}
