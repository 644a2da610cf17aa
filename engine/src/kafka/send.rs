//! Checks of the order in which one process, and one operation, sent.

use crate::budget::Exhausted;

use super::finding::{Found, Item};
use super::history::{History, NONE, Row, Stage};
use super::kind::Kind;
use super::ledger::Ledger;
use super::message::{Message, Messages};
use super::order::Orders;
use super::record::Function;
use super::session::{Session, Touched, rows_by_process};

/// Every two sends to a key that follow each other within one operation, however it ended
/// (`int-send-skip+nonmonotonic-cases`).
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
        let writes = history.writes(row);
        if writes.len() < 2 || !matches!(history.stage(row), Stage::Ok | Stage::Fail | Stage::Info) {
            continue;
        }
        for send in writes {
            let message = messages.of_send[send];
            let (last_row, last) = &mut before[history.sends.key[send] as usize];
            if *last_row == row {
                let delta = orders.delta(*last, message);
                if delta != 1 {
                    let kind = if delta > 1 { Kind::IntSendSkip } else { Kind::IntNonmonotonicSend };
                    found.add(kind, Item::Step { from: (row, *last), to: (row, message) });
                }
            }
            (*last_row, *last) = (row, message);
        }
    }
    Ok(())
}

/// Where a process's sends to a key go on after those of its last operation that sent there (`nonmonotonic-send-cases`).
///
/// Gaps are no fault: others may have sent between. As with polls an assign or subscribe keeps only the keys that it names.
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
        match (history.stage(row), history.function(row)) {
            (Stage::Ok | Stage::Info, Function::Assign | Function::Subscribe) => session.assign(history, row),
            (Stage::Ok | Stage::Info, Function::Send | Function::Txn) => {
                for send in history.writes(row) {
                    let message = messages.of_send[send];
                    touched.touch(history.sends.key[send], message, message);
                }
                for &(key, first, last) in touched.all() {
                    if let Some(from) = session.get(key)
                        && orders.delta(from.1, first) < 1
                    {
                        found.add(Kind::NonmonotonicSend, Item::Step { from, to: (row, first) });
                    }
                    session.set(key, row, last);
                }
                touched.clear();
            }
            _ => {}
        }
    }
    Ok(())
}
