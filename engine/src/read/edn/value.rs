//! A form that `clojure_reader` has read, as serde sees it: keywords and symbols are texts, tags are passed over, and
//! sets are sequences.

use std::fmt;

use clojure_reader::edn::Edn;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

/// A borrowed form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a>(pub(super) &'a Edn<'a>);

/// What a visitor says of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mismatch(String);

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Mismatch {}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl<'de> IntoDeserializer<'de, Mismatch> for Value<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Edn::Nil => visitor.visit_unit(),
            Edn::Bool(value) => visitor.visit_bool(*value),
            Edn::Int(value) => visitor.visit_i64(*value),
            Edn::Double(value) => visitor.visit_f64(value.into_inner()),
            Edn::Rational((above, below)) => visitor.visit_f64(*above as f64 / *below as f64),
            Edn::Char(value) => visitor.visit_char(*value),
            Edn::Str(text) | Edn::Key(text) | Edn::Symbol(text) => visitor.visit_borrowed_str(text),
            Edn::Tagged(_, inner) => Value(inner).deserialize_any(visitor),
            Edn::Vector(items) | Edn::List(items) => visitor.visit_seq(SeqDeserializer::new(items.iter().map(Value))),
            Edn::Set(items) => visitor.visit_seq(SeqDeserializer::new(items.iter().map(Value))),
            Edn::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| (Value(key), Value(value)));
                visitor.visit_map(MapDeserializer::new(entries))
            }
            other => Err(Mismatch(format!("an EDN value that is not understood: {other}"))),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Edn::Nil => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier
    }
}
