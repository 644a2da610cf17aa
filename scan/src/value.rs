//! One JSON value, read once and never built: what is to be kept of it goes into its cells, and all of it into a
//! fingerprint.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::name::{Cell, Names, fingerprint};
use crate::outline::{Form, NOTHING, Node};
use crate::print::{Print, Scratch};

/// Reads a value that lies below this node of an outline.
pub(crate) struct Kept<'a> {
    pub(crate) node: &'a Node,
    pub(crate) names: &'a mut Names,
    /// The row that it belongs to.
    pub(crate) cells: &'a mut [Cell],
    pub(crate) scratch: &'a mut Scratch,
}

impl Kept<'_> {
    /// A value that has no fields and is no text.
    fn scalar(self, value: &Value) -> Print {
        self.node.read(value, self.names, self.cells);
        Print::of(value)
    }

    /// A value that is kept as a whole, or an array in which something is.
    fn whole<E>(self, value: Result<Value, E>) -> Result<Print, E> {
        let value = value?;
        self.node.read(&value, self.names, self.cells);
        Ok(self.scratch.print(&value))
    }

    /// The same for what lies below.
    fn below<'b>(&'b mut self, node: &'b Node) -> Kept<'b> {
        Kept { node, names: self.names, cells: self.cells, scratch: self.scratch }
    }
}

impl<'de> DeserializeSeed<'de> for Kept<'_> {
    type Value = Print;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Print, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Kept<'_> {
    type Value = Print;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Print, E> {
        Ok(self.scalar(&Value::Null))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Print, E> {
        Ok(self.scalar(&Value::from(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Print, E> {
        Ok(self.scalar(&Value::from(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Print, E> {
        Ok(self.scalar(&Value::from(value)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Print, E> {
        Ok(self.scalar(&Value::from(value)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Print, E> {
        let Self { node, names, cells, .. } = self;
        if !node.slots.is_empty() {
            let name = names.intern(text);
            for (slot, form) in &node.slots {
                cells[usize::from(*slot)] = form.of_text(name);
            }
        }
        Ok(Print::of_text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Print, A::Error> {
        if !self.node.is_empty() {
            return self.whole(Value::deserialize(SeqAccessDeserializer::new(items)));
        }
        let mut print = Print::empty_array();
        while let Some(item) = items.next_element_seed(self.below(&NOTHING.root))? {
            print = print.followed_by(item);
        }
        Ok(print)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Print, A::Error> {
        let node = self.node;
        // Whether something is there can be said without building it.
        if node.slots.iter().any(|(_, form)| *form != Form::Flag) {
            return self.whole(Value::deserialize(MapAccessDeserializer::new(fields)));
        }
        for (slot, _) in &node.slots {
            self.cells[usize::from(*slot)] = Cell::Integer(1);
        }
        let start = self.scratch.begin();
        while let Some((key, child)) = fields.next_key_seed(Key(node))? {
            // Of a field that stands twice the last one counts, with everything below it.
            child.forget_below(self.cells);
            let value = fields.next_value_seed(self.below(child))?;
            self.scratch.field(key, value);
        }
        Ok(self.scratch.end(start))
    }
}

/// A key: its fingerprint, and what is to be kept of its value.
struct Key<'a>(&'a Node);

impl<'de, 'a> DeserializeSeed<'de> for Key<'a> {
    type Value = (u64, &'a Node);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Key<'a> {
    type Value = (u64, &'a Node);

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok((fingerprint(key), self.0.child(key).unwrap_or(&NOTHING.root)))
    }
}

/// Reads an object of texts under names.
pub(crate) struct Headers<'a> {
    pub(crate) wanted: &'a [(String, Vec<u16>)],
    pub(crate) names: &'a mut Names,
    pub(crate) cells: &'a mut [Cell],
}

impl<'de> DeserializeSeed<'de> for Headers<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Headers<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("texts under names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut headers: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = headers.next_key()? {
            let Text(text) = headers.next_value()?;
            if let Some((_, slots)) = self.wanted.iter().find(|(known, _)| *known == name) {
                let cell = Cell::Text(self.names.intern(&text));
                for slot in slots {
                    self.cells[usize::from(*slot)] = cell;
                }
            }
        }
        Ok(())
    }
}

/// A text as it stands in the line, unless it holds an escape.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'line>(#[serde(borrow)] pub(crate) Cow<'line, str>);
