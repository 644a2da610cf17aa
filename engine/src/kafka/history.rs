//! The operations of a log's history, in columns.
//!
//! A row is an operation with its completion: what it did stands there, and of its invocation only where and when it was.
//! Two kinds of rows are something else: an invocation that already shows polled messages (it never does in a sound
//! history, but Jepsen looks at it), and an operation that never completed, put at the end when all is read.

use std::ops::Range;

use crate::operation::{Kind as Type, Place};

use super::record::Function;
use super::take::Taken;
use super::vocabulary::{Key, Value, Vocabulary};

/// A row's number.
pub(super) type Row = u32;

/// No row, no message, no index.
pub(super) const NONE: u32 = u32::MAX;

/// An offset that nobody told. Kafka's producers say -1 for it, and no log has a place below 0.
pub(super) const UNKNOWN: i64 = -1;

/// How an operation stands in its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    Invoke,
    Ok,
    Fail,
    Info,
    /// Its completion is missing: it may have had an effect, as with `Info`.
    Open,
}

impl From<Type> for Stage {
    fn from(kind: Type) -> Self {
        match kind {
            Type::Invoke => Self::Invoke,
            Type::Ok => Self::Ok,
            Type::Fail => Self::Fail,
            Type::Info => Self::Info,
        }
    }
}

/// The operations on a log, recorded from a history of sends, polls and transactions.
#[derive(Debug, Default)]
pub struct History {
    pub(super) vocabulary: Vocabulary,
    pub(super) rows: Rows,
    pub(super) sends: Sends,
    pub(super) polls: Polls,
    pub(super) pairs: Pairs,
    /// The keys that moved to or from a consumer during an operation, in the order of rows.
    pub(super) rebalanced: Vec<(Row, Key)>,
    pub(super) processes: super::record::Processes,
    pub(super) taken: Taken,
    pub(super) subscribed: bool,
}

/// One entry a row.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) place: Vec<Place>,
    pub(super) index: Vec<i64>,
    pub(super) time: Vec<i64>,
    /// The ordinal of the invocation, or `NONE`.
    pub(super) invoked: Vec<u32>,
    pub(super) invoked_time: Vec<i64>,
    pub(super) process: Vec<u32>,
    pub(super) stage: Vec<Stage>,
    pub(super) function: Vec<Function>,
    pub(super) sends_end: Vec<u32>,
    pub(super) polls_end: Vec<u32>,
}

/// One entry a `["send", key, …]`.
#[derive(Debug, Default)]
pub(super) struct Sends {
    pub(super) key: Vec<Key>,
    pub(super) value: Vec<Value>,
    pub(super) offset: Vec<i64>,
}

/// One entry a key of a `["poll", {…}]`, also where its list is empty; and one a key of an assign or subscribe.
#[derive(Debug, Default)]
pub(super) struct Polls {
    pub(super) key: Vec<Key>,
    pub(super) pairs_end: Vec<u32>,
}

/// One entry a polled message.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    pub(super) offset: Vec<i64>,
    pub(super) value: Vec<Value>,
}

/// The index of an operation that has none.
pub(super) const NO_INDEX: i64 = i64::MIN;

impl History {
    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.stage.len()
    }

    pub(super) fn stage(&self, row: Row) -> Stage {
        self.rows.stage[row as usize]
    }

    pub(super) fn function(&self, row: Row) -> Function {
        self.rows.function[row as usize]
    }

    /// A row's entries among the sends, whatever its function.
    pub(super) fn sends(&self, row: Row) -> Range<usize> {
        range(&self.rows.sends_end, row as usize)
    }

    /// A row's entries among the polls, whatever its function; of an assign or subscribe its keys.
    pub(super) fn polls(&self, row: Row) -> Range<usize> {
        range(&self.rows.polls_end, row as usize)
    }

    /// The polled messages of one entry of the polls.
    pub(super) fn pairs(&self, poll: usize) -> Range<usize> {
        range(&self.polls.pairs_end, poll)
    }

    /// A row's sends where the function is one that sends (`op-writes`).
    pub(super) fn writes(&self, row: Row) -> Range<usize> {
        if matches!(self.function(row), Function::Send | Function::Txn) { self.sends(row) } else { 0..0 }
    }

    /// A row's polls where the function is one that polls (`op-reads`).
    pub(super) fn reads(&self, row: Row) -> Range<usize> {
        if matches!(self.function(row), Function::Poll | Function::Txn) { self.polls(row) } else { 0..0 }
    }

    /// The keys that were rebalanced during a row's operation.
    pub(super) fn rebalanced(&self, row: Row) -> &[(Row, Key)] {
        let start = self.rebalanced.partition_point(|&(other, _)| other < row);
        let rest = &self.rebalanced[start..];
        &rest[..rest.partition_point(|&(other, _)| other == row)]
    }

    /// The bytes that the columns hold.
    pub(super) fn bytes(&self) -> u64 {
        let Self { rows, sends, polls, pairs, .. } = self;
        let rows = bytes(&rows.place)
            + bytes(&rows.index)
            + bytes(&rows.time)
            + bytes(&rows.invoked)
            + bytes(&rows.invoked_time)
            + bytes(&rows.process)
            + bytes(&rows.stage)
            + bytes(&rows.function)
            + bytes(&rows.sends_end)
            + bytes(&rows.polls_end);
        let sends = bytes(&sends.key) + bytes(&sends.value) + bytes(&sends.offset);
        let polls = bytes(&polls.key) + bytes(&polls.pairs_end);
        let pairs = bytes(&pairs.offset) + bytes(&pairs.value);
        rows + sends + polls + pairs + bytes(&self.rebalanced) + self.vocabulary.memory() + self.processes.bytes()
    }
}

fn range(ends: &[u32], place: usize) -> Range<usize> {
    let start = if place == 0 { 0 } else { ends[place - 1] as usize };
    start..ends[place] as usize
}

/// The bytes behind a vector.
pub(super) fn bytes<T>(vector: &Vec<T>) -> u64 {
    (vector.capacity() * size_of::<T>()) as u64
}
