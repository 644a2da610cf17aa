//! Lines to operations, without a tree in between.
//!
//! A line is an operation, or `{"id":…,"history":[…]}`, or an array of operations; the first line says which, and all
//! others are of the same kind.

use std::fmt;
use std::ops::ControlFlow;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::source::Source;
use super::{Collector, History, Trouble, block};
use crate::operation::{Recorder, Seed};

/// Reads all histories of a JSON file.
pub(super) fn read<R: Recorder + Default>(
    source: Source<'_>,
    memory: u64,
    mut each: impl FnMut(History<R>) -> ControlFlow<()>,
) -> Result<(), Trouble> {
    let mut shape = None;
    let mut collector = Collector::new(1, memory);
    block::read(source.bytes, memory, |block| {
        for (line, text) in block.lines() {
            let text = text.trim_start_matches('\u{feff}');
            if text.trim_ascii().is_empty() {
                continue;
            }
            let trouble = |error: &serde_json::Error| Trouble::Line(line, reason(error));
            let shape = match shape {
                Some(shape) => shape,
                None => *shape.insert(self::shape(text).map_err(|error| trouble(&error))?),
            };
            let wants_more = match shape {
                Shape::Operation => {
                    let known = one(text, &mut collector, line).map_err(|error| trouble(&error))?;
                    collector.count(known, block.len())
                }
                Shape::History => {
                    let history = many(text, Collector::new(line, memory)).map_err(|error| trouble(&error))?;
                    each(history).is_continue()
                }
            };
            if !wants_more {
                return Ok(false);
            }
        }
        Ok(true)
    })?;
    match shape {
        None => Err(Trouble::Empty),
        Some(Shape::History) => Ok(()),
        Some(Shape::Operation) => {
            collector.has_room(0);
            let _ = each(collector.finish(None));
            Ok(())
        }
    }
}

/// What the lines of a file are.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// An operation each.
    Operation,
    /// A history each.
    History,
}

fn shape(line: &str) -> Result<Shape, serde_json::Error> {
    if line.trim_ascii_start().starts_with('[') {
        return Ok(Shape::History);
    }
    serde_json::from_str(line)
}

fn one<R: Recorder + Default>(
    line: &str,
    collector: &mut Collector<R>,
    number: u32,
) -> Result<bool, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(line);
    let place = collector.place(number);
    let known = Seed { recorder: &mut collector.recorder, place }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(known)
}

fn many<R: Recorder + Default>(line: &str, collector: Collector<R>) -> Result<History<R>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(line);
    let history = Wrapped { collector, held: line.len() }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(history)
}

/// What `serde_json` says, without its line: a line of the file is line 1 to it.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(text) => format!("{text} (column {})", error.column()),
        None => text,
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Shape;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an operation, or {\"id\", \"history\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
                let mut shape = Shape::Operation;
                while let Some((key, _)) = map.next_entry::<Name, IgnoredAny>()? {
                    if key.0.as_deref() == Some("history") {
                        shape = Shape::History;
                    }
                }
                Ok(shape)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// A history on one line.
pub(super) struct Wrapped<R> {
    pub(super) collector: Collector<R>,
    /// Bytes of its text.
    pub(super) held: usize,
}

impl<'de, R: Recorder + Default> DeserializeSeed<'de> for Wrapped<R> {
    type Value = History<R>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<History<R>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, R: Recorder + Default> Visitor<'de> for Wrapped<R> {
    type Value = History<R>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("{\"id\", \"history\": [operation, …]}, or an array of operations")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<History<R>, A::Error> {
        let (mut id, mut is_there) = (None, false);
        while let Some(key) = map.next_key::<Name>()? {
            match key.0.as_deref() {
                Some("id") => id = map.next_value::<Name>()?.0,
                Some("history") if is_there => return Err(A::Error::duplicate_field("history")),
                Some("history") => {
                    is_there = true;
                    map.next_value_seed(Operations(&mut self))?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if is_there { Ok(self.collector.finish(id)) } else { Err(A::Error::missing_field("history")) }
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, seq: A) -> Result<History<R>, A::Error> {
        Operations(&mut self).visit_seq(seq)?;
        Ok(self.collector.finish(None))
    }
}

/// The operations of a history on one line.
struct Operations<'a, R>(&'a mut Wrapped<R>);

impl<'de, R: Recorder + Default> DeserializeSeed<'de> for Operations<'_, R> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, R: Recorder + Default> Visitor<'de> for Operations<'_, R> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of operations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Wrapped { collector, held } = self.0;
        loop {
            let place = collector.place(collector.begins);
            let seed = Seed { recorder: &mut collector.recorder, place };
            let Some(known) = seq.next_element_seed(seed)? else { break };
            if !collector.count(known, *held) {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(());
            }
        }
        collector.has_room(*held);
        Ok(())
    }
}

/// A text, a number as text, or nothing.
struct Name(Option<String>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl Visitor<'_> for Names {
            type Value = Name;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text or a number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Name, E> {
                Ok(Name(Some(text.to_owned())))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Name, E> {
                Ok(Name(Some(number.to_string())))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Name, E> {
                Ok(Name(Some(number.to_string())))
            }

            fn visit_unit<E: Error>(self) -> Result<Name, E> {
                Ok(Name(None))
            }
        }
        deserializer.deserialize_any(Names)
    }
}
