//! A place in a value: what it makes of each kind of thing that may stand there.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A place in a value: what it makes of each kind of thing that may stand there.
pub(super) trait Spot<'de>: Sized {
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

pub(super) fn drain<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Lets a deserializer fill a spot.
pub(super) struct Take<'de, S>(S, PhantomData<&'de ()>);

pub(super) fn take<'de, S: Spot<'de>>(spot: S) -> Take<'de, S> {
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
