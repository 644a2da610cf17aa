//! Checks of a log as a whole: what it lost, doubled, or holds at one place in several versions.

use crate::budget::Exhausted;

use super::finding::{Found, Item};
use super::history::{History, NONE};
use super::kind::Kind;
use super::ledger::Ledger;
use super::message::{Message, Messages};
use super::order::Orders;
use super::vocabulary::Key;

pub(super) fn check(
    history: &History,
    messages: &Messages,
    orders: &Orders,
    found: &mut Found,
    budget: &Ledger<'_>,
) -> Result<(), Exhausted> {
    for key in 0..history.vocabulary.key_count() as Key {
        if key.is_multiple_of(1024) {
            budget.check()?;
        }
        inconsistent(orders, key, found);
        duplicate(orders, key, found);
    }
    budget.check()?;
    lost(history, messages, orders, found);
    budget.check()?;
    unseen(history, messages, found);
    Ok(())
}

/// One offset with several messages: one item an offset (`version-orders`).
fn inconsistent(orders: &Orders, key: Key, found: &mut Found) {
    let entries = orders.entries(key);
    if entries.len() == orders.chosen(key).len() {
        return;
    }
    for (index, group) in entries.chunk_by(|left, right| left.offset == right.offset).enumerate() {
        if group.len() > 1 {
            let offset = group[0].offset;
            found.add(Kind::InconsistentOffsets, Item::Inconsistent { key, offset, index: index as u32 });
        }
    }
}

/// One message at several offsets: one item a message (`duplicate-cases`).
fn duplicate(orders: &Orders, key: Key, found: &mut Found) {
    let mut index = NONE;
    let mut last_offset = None;
    for entry in orders.entries(key) {
        if last_offset.replace(entry.offset) != Some(entry.offset) {
            index = index.wrapping_add(1);
        }
        let (first, last) = (orders.first[entry.message as usize], orders.last[entry.message as usize]);
        if first == index && last != index {
            found.add(Kind::Duplicate, Item::Duplicate { message: entry.message });
        }
    }
}

/// Messages before one that a successful operation polled, written for certain, and polled by no successful operation
/// (`lost-write-cases`).
///
/// A message at several offsets must have been polled only once all its places are passed; and a polled one proves only
/// that its first place was reached.
fn lost(history: &History, messages: &Messages, orders: &Orders, found: &mut Found) {
    let mut bounds = vec![NONE; history.vocabulary.key_count()];
    for message in 0..messages.len() {
        let first = orders.first[message];
        if messages.is_ok_polled(message as Message) && first != NONE {
            let bound = &mut bounds[messages.key[message] as usize];
            *bound = if *bound == NONE { first } else { first.max(*bound) };
        }
    }
    for message in 0..messages.len() {
        let bound = bounds[messages.key[message] as usize];
        let last = orders.last[message];
        if bound == NONE || last == NONE || last > bound || messages.is_ok_polled(message as Message) {
            continue;
        }
        let writer = messages.writer[message];
        if writer != NONE && messages.is_committed(writer) {
            let item = Item::Lost { message: message as Message, max_read_index: bound };
            found.add(Kind::LostWrite, item);
        }
    }
}

/// Acknowledged messages that no successful operation polled (`unseen`).
///
/// Jepsen takes, after each successful operation, the difference of two maps, sent and polled. A key that only the second
/// has goes through whole, until the next successful operation clears it: where the last one of the history is the first
/// that mentions a key, and polls it, what it polled is reported as unseen. So it is here, and said so in the explanation.
fn unseen(history: &History, messages: &Messages, found: &mut Found) {
    for message in 0..messages.len() as Message {
        if messages.is_ok_sent(message) && !messages.is_ok_polled(message) {
            found.add(Kind::Unseen, Item::Unseen { message, polled: false });
        }
    }
    let last = messages.last_ok;
    if last == NONE {
        return;
    }
    let mut sent_to = history.sends.key[history.writes(last)].to_vec();
    sent_to.sort_unstable();
    let mut polled = Vec::new();
    for poll in history.reads(last) {
        let key = history.polls.key[poll];
        if messages.first_mention[key as usize] == last && sent_to.binary_search(&key).is_err() {
            polled.extend(history.pairs(poll).map(|pair| messages.of_pair[pair]));
        }
    }
    polled.sort_unstable();
    polled.dedup();
    for message in polled {
        found.add(Kind::Unseen, Item::Unseen { message, polled: true });
    }
}
