//! Checks of what may be read at all: nothing that was taken back, nothing that is not there yet.

use crate::budget::Exhausted;

use super::finding::{Found, Item};
use super::history::{History, NONE, Row, Stage};
use super::kind::Kind;
use super::ledger::Ledger;
use super::message::{Message, Messages};
use super::order::first_of_set;
use super::record::Function;
use super::vocabulary::Key;

/// Messages that a successful operation polled and whose send failed: one item each time (`g1a-cases`).
pub(super) fn aborted(
    history: &History,
    messages: &Messages,
    found: &mut Found,
    budget: &Ledger<'_>,
) -> Result<(), Exhausted> {
    for row in 0..history.len() as Row {
        budget.check_now_and_then(row as usize)?;
        if history.stage(row) != Stage::Ok {
            continue;
        }
        for poll in history.reads(row) {
            for &message in &messages.of_pair[history.pairs(poll)] {
                if messages.is_fail_sent(message) {
                    found.add(Kind::G1a, Item::Aborted { message, reader: row });
                }
            }
        }
    }
    Ok(())
}

/// Transactions that polled what they sent themselves, however they ended: one item a transaction, for the first key
/// that shows it (`precommitted-read-cases`).
pub(super) fn precommitted(
    history: &History,
    messages: &Messages,
    found: &mut Found,
    budget: &Ledger<'_>,
) -> Result<(), Exhausted> {
    let mut polled: Vec<Row> = Vec::new();
    for row in 0..history.len() as Row {
        budget.check_now_and_then(row as usize)?;
        let writes = history.writes(row);
        if history.function(row) != Function::Txn || writes.is_empty() || history.polls(row).is_empty() {
            continue;
        }
        if polled.is_empty() {
            budget.hold(messages.len() as u64 * 4)?;
            polled = vec![NONE; messages.len()];
        }
        for poll in history.reads(row) {
            for &message in &messages.of_pair[history.pairs(poll)] {
                polled[message as usize] = row;
            }
        }
        let own = |message: &Message| polled[*message as usize] == row;
        let key_of = |message: &Message| messages.key[*message as usize];
        let sent = &messages.of_send[writes];
        let mut keys: Vec<Key> = sent.iter().filter(|message| own(message)).map(key_of).collect();
        keys.sort_unstable();
        // The key counts that comes first among all that were sent to, not the message.
        let Some(key) = sent.iter().map(key_of).find(|key| keys.binary_search(key).is_ok()) else { continue };
        let of_key = sent.iter().copied().filter(|message| key_of(message) == key && own(message));
        let message = first_of_set(of_key, history, messages).expect("the key was chosen for it");
        found.add(Kind::PrecommittedRead, Item::Precommitted { message, row });
    }
    Ok(())
}
