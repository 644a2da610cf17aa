//! How `value` and `rebalance-log` are read: straight into the tails of the columns, nothing in between.
//!
//! Nobody knows yet whose value it is (`f` may come later), so any value is taken; what fits no operation on a log is
//! remembered as a [`Mistake`].

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::history::{History, UNKNOWN};
use super::vocabulary::{Key, Value};

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
    Take(Whole(history), PhantomData).deserialize(deserializer)
}

pub(super) fn rebalance_log<'de, D: Deserializer<'de>>(history: &mut History, deserializer: D) -> Result<(), D::Error> {
    Take(Rebalances(history), PhantomData).deserialize(deserializer)
}

/// A place in a value: what it makes of each kind of thing that may stand there.
trait Spot<'de>: Sized {
    type Out;

    /// Something that may not stand here.
    fn other(self) -> Self::Out;

    fn null(self) -> Self::Out {
        self.other()
    }

    fn integer(self, _number: i64) -> Self::Out {
        self.other()
    }

    /// An integer above `i64`.
    fn unsigned(self, _number: u64) -> Self::Out {
        self.other()
    }

    fn text(self, _text: &str) -> Self::Out {
        self.other()
    }

    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Out, A::Error> {
        drain(list)?;
        Ok(self.other())
    }

    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Out, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self.other())
    }
}

fn drain<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Lets a deserializer fill a spot.
struct Take<'de, S>(S, PhantomData<&'de ()>);

fn take<'de, S: Spot<'de>>(spot: S) -> Take<'de, S> {
    Take(spot, PhantomData)
}

impl<'de, S: Spot<'de>> DeserializeSeed<'de> for Take<'de, S> {
    type Value = S::Out;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Out, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Spot<'de>> Visitor<'de> for Take<'de, S> {
    type Value = S::Out;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("what an operation on a log did")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<S::Out, E> {
        Ok(self.0.integer(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<S::Out, E> {
        Ok(match i64::try_from(number) {
            Ok(number) => self.0.integer(number),
            Err(_) => self.0.unsigned(number),
        })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<S::Out, E> {
        Ok(self.0.text(text))
    }

    fn visit_unit<E: Error>(self) -> Result<S::Out, E> {
        Ok(self.0.null())
    }

    fn visit_none<E: Error>(self) -> Result<S::Out, E> {
        Ok(self.0.null())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Out, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<S::Out, A::Error> {
        self.0.list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<S::Out, A::Error> {
        self.0.map(map)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<S::Out, E> {
        Ok(self.0.other())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<S::Out, E> {
        Ok(self.0.other())
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<S::Out, E> {
        Ok(self.0.other())
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<S::Out, E> {
        Ok(self.0.other())
    }

    fn visit_bytes<E: Error>(self, _: &[u8]) -> Result<S::Out, E> {
        Ok(self.0.other())
    }
}

/// The whole value.
struct Whole<'a>(&'a mut History);

impl<'de> Spot<'de> for Whole<'_> {
    type Out = ();

    fn other(self) {
        self.0.taken.shape = Shape::Other;
    }

    fn null(self) {}

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.0.taken.shape = Shape::Empty;
        while list.next_element_seed(take(Element(self.0)))?.is_some() {}
        Ok(())
    }
}

/// An element of the value: a micro-operation, or the key of an assign or subscribe.
struct Element<'a>(&'a mut History);

impl<'de> Spot<'de> for Element<'_> {
    type Out = ();

    fn other(self) {
        self.0.taken.mistake(Mistake::Element);
    }

    fn integer(self, number: i64) {
        self.0.taken.element(Shape::Keys);
        let key = self.0.vocabulary.key_of_integer(number);
        self.0.push_poll(key);
    }

    fn text(self, text: &str) {
        self.0.taken.element(Shape::Keys);
        let key = self.0.vocabulary.key(text);
        self.0.push_poll(key);
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let history = self.0;
        history.taken.element(Shape::Operations);
        match list.next_element_seed(take(Name))?.unwrap_or(Micro::Other) {
            Micro::Send => {
                let key = list.next_element_seed(take(KeySpot(history)))?.flatten();
                let sent = list.next_element_seed(take(Sent(history)))?.flatten();
                match (key, sent) {
                    (Some(key), Some((offset, value))) => history.push_send(key, offset, value),
                    _ => history.taken.mistake(Mistake::Micro),
                }
            }
            Micro::Poll => {
                list.next_element_seed(take(Polled(history)))?;
            }
            Micro::Other => history.taken.mistake(Mistake::Micro),
        }
        drain(list)
    }
}

/// The name of a micro-operation.
struct Name;

enum Micro {
    Send,
    Poll,
    Other,
}

impl Spot<'_> for Name {
    type Out = Micro;

    fn other(self) -> Micro {
        Micro::Other
    }

    fn text(self, text: &str) -> Micro {
        match text {
            "send" => Micro::Send,
            "poll" => Micro::Poll,
            _ => Micro::Other,
        }
    }
}

struct KeySpot<'a>(&'a mut History);

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
struct Sent<'a>(&'a mut History);

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

fn pair<'de, A: SeqAccess<'de>>(history: &mut History, mut list: A) -> Result<Option<(i64, Value)>, A::Error> {
    let offset = list.next_element_seed(take(OffsetSpot(history)))?;
    let value = list.next_element_seed(take(ValueSpot(history)))?;
    drain(list)?;
    let (Some(offset), Some(value)) = (offset, value) else {
        history.taken.mistake(Mistake::Pair);
        return Ok(None);
    };
    Ok(value.map(|value| (offset, value)))
}

/// What a poll returned.
struct Polled<'a>(&'a mut History);

impl<'de> Spot<'de> for Polled<'_> {
    type Out = ();

    fn other(self) {
        self.0.taken.mistake(Mistake::Polled);
    }

    fn null(self) {}

    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(take(KeySpot(self.0)))? {
            if let Some(key) = key {
                self.0.push_poll(key);
                map.next_value_seed(take(Messages(self.0)))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// The messages of one key.
struct Messages<'a>(&'a mut History);

impl<'de> Spot<'de> for Messages<'_> {
    type Out = ();

    fn other(self) {
        self.0.taken.mistake(Mistake::Polled);
    }

    fn null(self) {}

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(take(Message(self.0)))?.is_some() {}
        Ok(())
    }
}

struct Message<'a>(&'a mut History);

impl<'de> Spot<'de> for Message<'_> {
    type Out = ();

    fn other(self) {
        self.0.taken.mistake(Mistake::Pair);
    }

    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        if let Some((offset, value)) = pair(self.0, list)? {
            self.0.push_pair(offset, value);
        }
        Ok(())
    }
}

/// `rebalance-log`: a list of maps, of which only `keys` matters.
struct Rebalances<'a>(&'a mut History);

impl<'de> Spot<'de> for Rebalances<'_> {
    type Out = ();

    fn other(self) {
        self.0.taken.mistake(Mistake::Rebalance);
    }

    fn null(self) {}

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(take(Rebalance(self.0)))?.is_some() {}
        Ok(())
    }
}

struct Rebalance<'a>(&'a mut History);

impl<'de> Spot<'de> for Rebalance<'_> {
    type Out = ();

    fn other(self) {
        self.0.taken.mistake(Mistake::Rebalance);
    }

    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(is_keys) = map.next_key_seed(take(IsKeys))? {
            if is_keys {
                map.next_value_seed(take(RebalancedKeys(self.0)))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct IsKeys;

impl Spot<'_> for IsKeys {
    type Out = bool;

    fn other(self) -> bool {
        false
    }

    fn text(self, text: &str) -> bool {
        text == "keys"
    }
}

struct RebalancedKeys<'a>(&'a mut History);

impl<'de> Spot<'de> for RebalancedKeys<'_> {
    type Out = ();

    fn other(self) {
        self.0.taken.mistake(Mistake::Rebalance);
    }

    fn null(self) {}

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(key) = list.next_element_seed(take(KeySpot(self.0)))? {
            self.0.taken.rebalanced.extend(key);
        }
        Ok(())
    }
}

impl History {
    fn push_send(&mut self, key: Key, offset: i64, value: Value) {
        self.sends.key.push(key);
        self.sends.offset.push(offset);
        self.sends.value.push(value);
    }

    fn push_poll(&mut self, key: Key) {
        self.polls.key.push(key);
        self.polls.pairs_end.push(self.pairs.value.len() as u32);
    }

    fn push_pair(&mut self, offset: i64, value: Value) {
        self.pairs.offset.push(offset);
        self.pairs.value.push(value);
        if let Some(end) = self.polls.pairs_end.last_mut() {
            *end = u32::try_from(self.pairs.value.len()).expect("a budget ends a history before 2^32 messages");
        }
    }
}
