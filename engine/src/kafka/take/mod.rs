//! How `value` and `rebalance-log` are read: straight into the tails of the columns, nothing in between.
//!
//! Nobody knows yet whose value it is (`f` may come later), so any value is taken; what fits no operation on a log is
//! remembered as a [`Mistake`].
//!
//! `spot` is a place in a value, whatever stands there; `operation` the list of micro-operations or keys, `leaf` keys,
//! messages and offsets, `rebalance` the log of rebalances.

mod leaf;
mod operation;
mod rebalance;
mod spot;

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer};

use super::history::History;
use super::vocabulary::Key;

/// What a value looked like as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Shape {
    /// None, or null.
    #[default]
    Absent,
    /// A list of nothing.
    Empty,
    Operations,
    Keys,
    /// Anything else.
    Other,
}

/// What of the last value is not in the columns.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) shape: Shape,
    pub(super) mistake: Option<Mistake>,
    pub(super) rebalanced: Vec<Key>,
}

impl Taken {
    pub(super) fn clear(&mut self) {
        self.shape = Shape::Absent;
        self.mistake = None;
        self.rebalanced.clear();
    }

    pub(super) fn is_operations(&self) -> bool {
        self.shape == Shape::Operations
    }

    fn mistake(&mut self, mistake: Mistake) {
        self.mistake.get_or_insert(mistake);
    }

    /// An element of the list: all must be of one kind.
    fn element(&mut self, shape: Shape) {
        match self.shape {
            Shape::Absent | Shape::Empty => self.shape = shape,
            before if before == shape => {}
            _ => self.mistake(Mistake::Mixed),
        }
    }
}

/// Why a value fits no operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mistake {
    Element,
    Mixed,
    Micro,
    Key,
    Value,
    Offset,
    Pair,
    Polled,
    Rebalance,
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Element => "an element is neither a list nor a key",
            Self::Mixed => "lists and keys stand side by side",
            Self::Micro => "an element is neither [\"send\", …] nor [\"poll\", …]",
            Self::Key => "a key must be a text or an integer",
            Self::Value => "a message must be an integer, a text or null",
            Self::Offset => "an offset must be an integer of 63 bits or null",
            Self::Pair => "a polled message must be [offset, value]",
            Self::Polled => "what a poll returned must be {key: [[offset, value], …]}",
            Self::Rebalance => "a `rebalance-log` must be [{\"keys\": [key, …]}, …]",
        })
    }
}

pub(super) fn value<'de, D: Deserializer<'de>>(history: &mut History, deserializer: D) -> Result<(), D::Error> {
    spot::take(operation::Whole(history)).deserialize(deserializer)
}

pub(super) fn rebalance_log<'de, D: Deserializer<'de>>(history: &mut History, deserializer: D) -> Result<(), D::Error> {
    spot::take(rebalance::Rebalances(history)).deserialize(deserializer)
}
