//! Forms to operations: Jepsen's `history.edn`, which is a vector of maps or one map a line.
//!
//! In reading order:
//! - `scan`: where a form ends and how deep it goes, without reading it, so that a file is never held as a whole and a
//!   hostile one cannot nest
//! - `value`: a form that `clojure_reader` has read, as serde sees it: the models read JSON and EDN with the same code

mod scan;
mod value;

use std::ops::ControlFlow;

use clojure_reader::edn::{self, Edn};
use serde::de::DeserializeSeed;

use self::scan::{Form, Scanner};
use self::value::Value;
use super::json::Wrapped;
use super::source::Source;
use super::{Collector, History, Trouble, block};
use crate::operation::{Recorder, Seed};

/// Reads all histories of an EDN file.
pub(super) fn read<R: Recorder + Default>(
    source: Source<'_>,
    memory: u64,
    mut each: impl FnMut(History<R>) -> ControlFlow<()>,
) -> Result<(), Trouble> {
    let mut scanner = Scanner::new(memory);
    let mut collector: Option<Collector<R>> = None;
    let mut handed_over = false;
    block::read(source.bytes, memory, |block| {
        for (line, text) in block.lines() {
            scanner.line(line, text, &mut |form: &Form| {
                let trouble = |reason: String| Trouble::Line(form.line, reason);
                let value = form_value(form.text).map_err(trouble)?;
                if is_wrapper(&value) {
                    let wrapped = Wrapped { collector: Collector::new(form.line, memory), held: form.text.len() };
                    handed_over = true;
                    let history = wrapped.deserialize(Value(&value)).map_err(|error| trouble(error.to_string()))?;
                    return Ok(each(history).is_continue());
                }
                let collector = collector.get_or_insert_with(|| Collector::new(form.line, memory));
                let place = collector.place(form.line);
                let seed = Seed { recorder: &mut collector.recorder, place };
                let known = seed.deserialize(Value(&value)).map_err(|error| trouble(error.to_string()))?;
                Ok(collector.count(known, block.len() + form.text.len()))
            })?;
            if scanner.is_over() {
                return Ok(false);
            }
        }
        Ok(true)
    })?;
    scanner.finish()?;
    match collector {
        None if handed_over || scanner.saw_vector() => {}
        None => return Err(Trouble::Empty),
        Some(mut collector) => {
            collector.has_room(0);
            let _ = each(collector.finish(None));
        }
    }
    Ok(())
}

fn form_value(text: &str) -> Result<Edn<'_>, String> {
    let (value, rest) = edn::read(text).map_err(|error| {
        let column = error.column.map(|column| format!(" (column {column} of the form)")).unwrap_or_default();
        format!("no EDN: {:?}{column}", error.code)
    })?;
    if rest.trim_matches(|c: char| c.is_whitespace() || c == ',').is_empty() {
        Ok(value)
    } else {
        Err("more than one form where an operation is expected".to_owned())
    }
}

/// Whether it is `{:id …, :history […]}`.
fn is_wrapper(value: &Edn<'_>) -> bool {
    let mut value = value;
    while let Edn::Tagged(_, inner) = value {
        value = inner;
    }
    matches!(value, Edn::Map(map) if map.keys().any(|key| matches!(key, Edn::Key(name) if name == "history")))
}
