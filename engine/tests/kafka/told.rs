//! Histories as the tests tell them, and what comes out.

use serde::de::DeserializeSeed;
use serde_json::Value as Json;
use torn_engine::budget::Budget;
use torn_engine::kafka::{History, Options};
use torn_engine::operation::{Place, Seed};
use torn_engine::verdict::Judgement;

/// Reads operations, one a line.
pub(crate) fn read<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<History, String> {
    let mut history = History::default();
    for (line, text) in lines.into_iter().filter(|line| !line.trim().is_empty()).enumerate() {
        let ordinal = u32::try_from(line).expect("a test's history is short");
        let place = Place { line: ordinal + 1, ordinal };
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let seed = Seed { recorder: &mut history, place };
        seed.deserialize(&mut deserializer).map_err(|error| format!("line {}: {error}", place.line))?;
    }
    Ok(history)
}

/// Keeps every item as an example.
pub(crate) fn everything() -> Options {
    Options { examples: usize::MAX, ..Options::default() }
}

pub(crate) fn judge(operations: &[Json], options: &Options) -> Judgement {
    let lines: Vec<String> = operations.iter().map(Json::to_string).collect();
    let history = read(lines.iter().map(String::as_str)).expect("the history is sound");
    history.judge(options, &Budget::unlimited())
}
