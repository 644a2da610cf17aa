//! The log of each key: which message stands at which index.
//!
//! As `version-orders`: offsets come from every poll, also of operations that failed, and from the sends of operations
//! that certainly took effect. An index is an offset with the gaps removed: transactions leave markers in a log that no
//! consumer sees. Where one offset shows several messages, one of them takes its place (see `Vocabulary::set_order`).

use std::ops::Range;

use crate::budget::Exhausted;

use super::history::{History, NONE, Row, UNKNOWN};
use super::ledger::Ledger;
use super::message::{Message, Messages};
use super::record::Function;
use super::vocabulary::Key;

/// The logs of all keys.
#[derive(Debug)]
pub(super) struct Orders {
    /// Every place that was seen in a log, sorted by key, then offset, then (for messages at one offset) as they came.
    pub(super) entries: Vec<Entry>,
    /// Where a key's entries end.
    ends: Vec<usize>,
    /// The message that takes each index's place, key after key.
    chosen: Vec<Message>,
    /// Where a key's indices end.
    chosen_ends: Vec<usize>,
    /// The last index at which a message took its place in the order (`by-value`), or `NONE`.
    pub(super) index: Vec<u32>,
    /// The first index at which a message was seen, or `NONE`.
    pub(super) first: Vec<u32>,
    /// The last index at which a message was seen, or `NONE`.
    pub(super) last: Vec<u32>,
}

/// A message at an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) offset: i64,
    pub(super) message: Message,
}

impl Orders {
    /// Builds the logs.
    pub(super) fn of(history: &History, messages: &Messages, budget: &Ledger<'_>) -> Result<Self, Exhausted> {
        budget.hold(messages.len() as u64 * (8 + 3 * 4 + 4 + 2 * size_of::<Entry>() as u64))?;
        let seen = seen(history, messages, budget)?;
        let (mut entries, mut ends) = by_key(&seen, messages, history.vocabulary.key_count());
        let surplus = (seen.capacity() + entries.len()).saturating_sub(2 * messages.len()) * size_of::<Entry>();
        budget.hold(surplus as u64)?;
        drop(seen);
        sort(&mut entries, &mut ends, budget)?;
        let mut orders = Self {
            chosen: Vec::with_capacity(entries.len()),
            chosen_ends: Vec::with_capacity(ends.len()),
            index: vec![NONE; messages.len()],
            first: vec![NONE; messages.len()],
            last: vec![NONE; messages.len()],
            entries,
            ends,
        };
        for key in 0..orders.ends.len() {
            orders.count(history, messages, key as Key);
        }
        budget.check()?;
        Ok(orders)
    }

    /// A key's entries.
    pub(super) fn entries(&self, key: Key) -> &[Entry] {
        &self.entries[range(&self.ends, key)]
    }

    /// The messages in a key's order.
    pub(super) fn chosen(&self, key: Key) -> &[Message] {
        &self.chosen[range(&self.chosen_ends, key)]
    }

    /// How many steps lie from one message to another of the same key; 1 if that is not known.
    pub(super) fn delta(&self, from: Message, to: Message) -> i64 {
        let (from, to) = (self.index[from as usize], self.index[to as usize]);
        if from == NONE || to == NONE { 1 } else { i64::from(to) - i64::from(from) }
    }

    /// Gives the indices of a key.
    fn count(&mut self, history: &History, messages: &Messages, key: Key) {
        let start = self.chosen.len();
        for group in self.entries[range(&self.ends, key)].chunk_by(|left, right| left.offset == right.offset) {
            let index = (self.chosen.len() - start) as u32;
            for entry in group {
                let message = entry.message as usize;
                if self.first[message] == NONE {
                    self.first[message] = index;
                }
                self.last[message] = index;
            }
            let chosen = first_of_set(group.iter().map(|entry| entry.message), history, messages);
            let chosen = chosen.expect("a group has an entry");
            self.index[chosen as usize] = index;
            self.chosen.push(chosen);
        }
        self.chosen_ends.push(self.chosen.len());
    }
}

/// The message of a set that Clojure would yield first.
pub(super) fn first_of_set(
    set: impl Iterator<Item = Message>,
    history: &History,
    messages: &Messages,
) -> Option<Message> {
    let value = |message: Message| messages.value[message as usize];
    set.reduce(|first, other| match history.vocabulary.set_order(value(first), value(other)) {
        std::cmp::Ordering::Greater => other,
        _ => first,
    })
}

fn range(ends: &[usize], key: Key) -> Range<usize> {
    let key = key as usize;
    let start = if key == 0 { 0 } else { ends[key - 1] };
    start..ends[key]
}

/// Every offset that a message was seen at, in no order, mostly once.
fn seen(history: &History, messages: &Messages, budget: &Ledger<'_>) -> Result<Vec<Entry>, Exhausted> {
    let mut latest = vec![UNKNOWN; messages.len()];
    let mut seen = Vec::with_capacity(messages.len());
    let mut see = |message: Message, offset: i64| {
        if offset > UNKNOWN && latest[message as usize] != offset {
            latest[message as usize] = offset;
            seen.push(Entry { offset, message });
        }
    };
    for row in 0..history.len() {
        budget.check_now_and_then(row)?;
        let row = row as Row;
        if !matches!(history.function(row), Function::Send | Function::Poll | Function::Txn) {
            continue;
        }
        if messages.is_committed(row) {
            for send in history.sends(row) {
                see(messages.of_send[send], history.sends.offset[send]);
            }
        }
        for poll in history.polls(row) {
            for pair in history.pairs(poll) {
                see(messages.of_pair[pair], history.pairs.offset[pair]);
            }
        }
    }
    Ok(seen)
}

/// The entries key after key, and where each key's end.
fn by_key(seen: &[Entry], messages: &Messages, keys: usize) -> (Vec<Entry>, Vec<usize>) {
    let key_of = |entry: &Entry| messages.key[entry.message as usize] as usize;
    let mut next = vec![0; keys];
    for entry in seen {
        next[key_of(entry)] += 1;
    }
    let mut total = 0;
    for count in &mut next {
        total += std::mem::replace(count, total);
    }
    let mut entries = vec![Entry { offset: UNKNOWN, message: NONE }; seen.len()];
    for entry in seen {
        let place = &mut next[key_of(entry)];
        entries[*place] = *entry;
        *place += 1;
    }
    (entries, next)
}

/// Sorts each key's entries by offset and message, and drops what stands there twice.
fn sort(entries: &mut Vec<Entry>, ends: &mut [usize], budget: &Ledger<'_>) -> Result<(), Exhausted> {
    let mut start = 0;
    for &mut end in &mut *ends {
        entries[start..end].sort_by_key(|entry| (entry.offset, entry.message));
        start = end;
        budget.check()?;
    }
    let (mut kept, mut start) = (0, 0);
    for end in ends {
        let first = kept;
        for place in start..*end {
            if kept == first || entries[kept - 1] != entries[place] {
                entries[kept] = entries[place];
                kept += 1;
            }
        }
        start = std::mem::replace(end, kept);
    }
    entries.truncate(kept);
    Ok(())
}
