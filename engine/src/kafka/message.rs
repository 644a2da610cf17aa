//! Every message once: a message is a value of a key, whoever mentions it.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::budget::Exhausted;

use super::history::{History, NONE, Row, Stage};
use super::ledger::{Ledger, ROWS_BETWEEN_CHECKS};
use super::record::Function;
use super::vocabulary::{Key, Value};

/// The number of a message, dense from 0 in the order in which the history mentions them first.
pub(super) type Message = u32;

/// The messages of a history.
#[derive(Debug)]
pub(super) struct Messages {
    pub(super) key: Vec<Key>,
    pub(super) value: Vec<Value>,
    /// The last completion that tried to write it (`writer-of`); an operation that never completed if there is no other.
    pub(super) writer: Vec<Row>,
    facts: Vec<u8>,
    /// The message of each send.
    pub(super) of_send: Vec<Message>,
    /// The message of each polled pair.
    pub(super) of_pair: Vec<Message>,
    /// Whether a row's sends certainly took effect: it is `ok`, or `info` and one of its messages was polled.
    committed: Vec<bool>,
    /// The first `ok` row that mentions a key, in a send or a poll.
    pub(super) first_mention: Vec<Row>,
    /// The last `ok` row that sends or polls.
    pub(super) last_ok: Row,
}

/// Facts of a message.
const OK_SENT: u8 = 1;
const FAIL_SENT: u8 = 2;
const OK_POLLED: u8 = 4;

impl Messages {
    /// Finds the messages of all sends and polls.
    pub(super) fn of(history: &History, budget: &Ledger<'_>) -> Result<Self, Exhausted> {
        let fixed = (history.sends.key.len() + history.pairs.value.len() + history.vocabulary.key_count()) as u64 * 4;
        budget.hold(fixed + history.len() as u64)?;
        let mut held = 0;
        // Where all goes well there are as many messages as sends.
        let table = HashTable::with_capacity(history.sends.key.len());
        let mut finder = Finder { history, table, hasher: DefaultHashBuilder::default() };
        let mut messages = Self {
            key: Vec::new(),
            value: Vec::new(),
            writer: Vec::new(),
            facts: Vec::new(),
            of_send: Vec::with_capacity(history.sends.key.len()),
            of_pair: Vec::with_capacity(history.pairs.value.len()),
            committed: Vec::new(),
            first_mention: vec![NONE; history.vocabulary.key_count()],
            last_ok: NONE,
        };
        for row in 0..history.len() {
            if row.is_multiple_of(ROWS_BETWEEN_CHECKS) {
                budget.check()?;
                let grown = messages.growing_bytes() + finder.table.allocation_size() as u64;
                if grown > held {
                    budget.hold(grown - held)?;
                    held = grown;
                }
            }
            messages.take_row(&mut finder, row as Row);
        }
        messages.committed = (0..history.len() as Row).map(|row| messages.must_have_committed(history, row)).collect();
        Ok(messages)
    }

    fn growing_bytes(&self) -> u64 {
        (self.key.capacity() * (size_of::<Key>() + size_of::<Value>() + size_of::<Row>() + 1)) as u64
    }

    pub(super) fn len(&self) -> usize {
        self.key.len()
    }

    pub(super) fn is_ok_sent(&self, message: Message) -> bool {
        self.facts[message as usize] & OK_SENT != 0
    }

    pub(super) fn is_fail_sent(&self, message: Message) -> bool {
        self.facts[message as usize] & FAIL_SENT != 0
    }

    pub(super) fn is_ok_polled(&self, message: Message) -> bool {
        self.facts[message as usize] & OK_POLLED != 0
    }

    /// Whether what a row sent certainly took effect (`must-have-committed?`).
    pub(super) fn is_committed(&self, row: Row) -> bool {
        self.committed[row as usize]
    }

    fn take_row(&mut self, finder: &mut Finder<'_>, row: Row) {
        let history = finder.history;
        let stage = history.stage(row);
        let is_transaction = matches!(history.function(row), Function::Send | Function::Poll | Function::Txn);
        if !is_transaction {
            return;
        }
        let (writes, reads) = (history.writes(row), history.reads(row));
        for send in history.sends(row) {
            let message = self.find(finder, history.sends.key[send], history.sends.value[send]);
            self.of_send.push(message);
            if !writes.is_empty() {
                self.written(message, row, stage);
                self.mention(history.sends.key[send], row, stage);
            }
        }
        for poll in history.polls(row) {
            let key = history.polls.key[poll];
            for pair in history.pairs(poll) {
                let message = self.find(finder, key, history.pairs.value[pair]);
                self.of_pair.push(message);
                if stage == Stage::Ok && !reads.is_empty() {
                    self.facts[message as usize] |= OK_POLLED;
                }
            }
            if !reads.is_empty() {
                self.mention(key, row, stage);
            }
        }
        if stage == Stage::Ok {
            self.last_ok = row;
        }
    }

    fn mention(&mut self, key: Key, row: Row, stage: Stage) {
        let first = &mut self.first_mention[key as usize];
        if stage == Stage::Ok && *first == NONE {
            *first = row;
        }
    }

    fn written(&mut self, message: Message, row: Row, stage: Stage) {
        let message = message as usize;
        match stage {
            Stage::Invoke => return,
            Stage::Open if self.writer[message] != NONE => return,
            Stage::Ok => self.facts[message] |= OK_SENT,
            Stage::Fail => self.facts[message] |= FAIL_SENT,
            Stage::Info | Stage::Open => {}
        }
        self.writer[message] = row;
    }

    fn find(&mut self, finder: &mut Finder<'_>, key: Key, value: Value) -> Message {
        let hasher = &finder.hasher;
        let hash = hasher.hash_one((key, value));
        if let Some(&(.., message)) = finder.table.find(hash, |&(its, of, _)| its == value && of == key) {
            return message;
        }
        let message = u32::try_from(self.key.len()).expect("the budget ends a history of 2^32 messages long before");
        self.key.push(key);
        self.value.push(value);
        self.writer.push(NONE);
        self.facts.push(0);
        finder.table.insert_unique(hash, (value, key, message), |&(value, key, _)| hasher.hash_one((key, value)));
        message
    }

    fn must_have_committed(&self, history: &History, row: Row) -> bool {
        match history.stage(row) {
            Stage::Ok => true,
            Stage::Info | Stage::Open => history.writes(row).any(|send| self.is_ok_polled(self.of_send[send])),
            Stage::Invoke | Stage::Fail => false,
        }
    }
}

/// A message in the table.
type Entry = (Value, Key, Message);

struct Finder<'a> {
    history: &'a History,
    /// Key and value stand beside the number, so that a look-up touches one place in memory.
    table: HashTable<Entry>,
    hasher: DefaultHashBuilder,
}
