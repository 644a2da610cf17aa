//! What an operation did: its micro-operations, or the keys of an assign or subscribe.

use serde::de::{IgnoredAny, MapAccess, SeqAccess};

use super::super::history::History;
use super::super::vocabulary::{Key, Value};
use super::leaf::{KeySpot, Sent, pair};
use super::spot::{Spot, drain, take};
use super::{Mistake, Shape};

/// The whole value.
pub(super) struct Whole<'a>(pub(super) &'a mut History);

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
            // Too many for 32 bits: `History::operation` says so.
            *end = self.pairs.value.len() as u32;
        }
    }
}
