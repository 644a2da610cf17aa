//! Linearizability: agreement with Porcupine's verdicts, with the definition, and what is said of a bad history.

mod generate;
mod golden;
mod limits;
mod oracle;
mod random;
mod samples;

use serde::de::DeserializeSeed;
use torn_engine::operation::{Place, Seed};
use torn_engine::register::History;

/// The history of these lines, as the engine reads it.
fn read(lines: &str) -> History {
    let mut history = History::default();
    for (ordinal, line) in lines.lines().enumerate() {
        take(&mut history, line, ordinal as u32).unwrap_or_else(|error| panic!("line {}: {error}", ordinal + 1));
    }
    history
}

fn take(history: &mut History, line: &str, ordinal: u32) -> Result<bool, serde_json::Error> {
    let place = Place { line: ordinal + 1, ordinal };
    Seed { recorder: history, place }.deserialize(&mut serde_json::Deserializer::from_str(line))
}
