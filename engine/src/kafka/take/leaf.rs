//! Keys, messages and offsets.

use serde::de::SeqAccess;

use super::super::history::{History, UNKNOWN};
use super::super::vocabulary::{Key, Value};
use super::Mistake;
use super::spot::{Spot, drain, take};

pub(super) struct KeySpot<'a>(pub(super) &'a mut History);

impl Spot<'_> for KeySpot<'_> {
    type Out = Option<Key>;

    fn other(self) -> Option<Key> {
        self.0.taken.mistake(Mistake::Key);
        None
    }

    fn integer(self, number: i64) -> Option<Key> {
        Some(self.0.vocabulary.key_of_integer(number))
    }

    fn text(self, text: &str) -> Option<Key> {
        Some(self.0.vocabulary.key(text))
    }
}

struct ValueSpot<'a>(&'a mut History);

impl Spot<'_> for ValueSpot<'_> {
    type Out = Option<Value>;

    fn other(self) -> Option<Value> {
        self.0.taken.mistake(Mistake::Value);
        None
    }

    fn null(self) -> Option<Value> {
        Some(Value::NONE)
    }

    fn integer(self, number: i64) -> Option<Value> {
        Some(self.0.vocabulary.integer(number))
    }

    fn unsigned(self, number: u64) -> Option<Value> {
        Some(self.0.vocabulary.unsigned(number))
    }

    fn text(self, text: &str) -> Option<Value> {
        Some(self.0.vocabulary.text(text))
    }
}

struct OffsetSpot<'a>(&'a mut History);

impl Spot<'_> for OffsetSpot<'_> {
    type Out = i64;

    fn other(self) -> i64 {
        self.0.taken.mistake(Mistake::Offset);
        UNKNOWN
    }

    fn null(self) -> i64 {
        UNKNOWN
    }

    fn integer(self, number: i64) -> i64 {
        number.max(UNKNOWN)
    }
}

/// What stands behind the key of a send: a value, or `[offset, value]`.
pub(super) struct Sent<'a>(pub(super) &'a mut History);

impl<'de> Spot<'de> for Sent<'_> {
    type Out = Option<(i64, Value)>;

    fn other(self) -> Self::Out {
        ValueSpot(self.0).other().map(|value| (UNKNOWN, value))
    }

    fn null(self) -> Self::Out {
        Some((UNKNOWN, Value::NONE))
    }

    fn integer(self, number: i64) -> Self::Out {
        ValueSpot(self.0).integer(number).map(|value| (UNKNOWN, value))
    }

    fn unsigned(self, number: u64) -> Self::Out {
        ValueSpot(self.0).unsigned(number).map(|value| (UNKNOWN, value))
    }

    fn text(self, text: &str) -> Self::Out {
        ValueSpot(self.0).text(text).map(|value| (UNKNOWN, value))
    }

    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Out, A::Error> {
        pair(self.0, list)
    }
}

pub(super) fn pair<'de, A: SeqAccess<'de>>(
    history: &mut History,
    mut list: A,
) -> Result<Option<(i64, Value)>, A::Error> {
    let offset = list.next_element_seed(take(OffsetSpot(history)))?;
    let value = list.next_element_seed(take(ValueSpot(history)))?;
    drain(list)?;
    let (Some(offset), Some(value)) = (offset, value) else {
        history.taken.mistake(Mistake::Pair);
        return Ok(None);
    };
    Ok(value.map(|value| (offset, value)))
}
