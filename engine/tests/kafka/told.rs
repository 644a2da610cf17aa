//! Histories as the tests tell them, and what comes out.

use std::collections::BTreeMap;

use serde::de::DeserializeSeed;
use serde_json::{Map, Value as Json, json};
use torn_engine::budget::Budget;
use torn_engine::kafka::{History, Options};
use torn_engine::operation::{Place, Seed};
use torn_engine::verdict::{Anomaly, Example, Judgement};

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
    Options { examples: usize::MAX, ww_deps: false, ..Options::default() }
}

pub(crate) fn judge(operations: &[Json], options: &Options) -> Judgement {
    let lines: Vec<String> = operations.iter().map(Json::to_string).collect();
    let history = read(lines.iter().map(String::as_str)).expect("the history is sound");
    history.judge(options, &Budget::unlimited())
}

/// An item as a text that can be compared: what Jepsen says too, and the indices of the operations that it shows.
pub(crate) fn said(kind: &str, example: &Example) -> String {
    let item = &example.item;
    let indices: Vec<Json> = example.operations.iter().map(|operation| json!(operation.index)).collect();
    let pick = |names: &[&str]| -> Map<String, Json> {
        names.iter().filter_map(|&name| Some((name.to_owned(), item.get(name)?.clone()))).collect()
    };
    let (names, operations): (&[&str], Json) = match kind {
        "lost-write" => (&["key", "value", "index", "max-read-index"], json!(indices)),
        "unseen" => (&["key", "value"], Json::Null),
        "duplicate" => (&["key", "value", "count", "offsets"], Json::Null),
        "inconsistent-offsets" => (&["key", "offset", "index", "values"], Json::Null),
        "g1a" => (&["key", "value"], json!([indices.last()])),
        "poll-skip" => (&["key", "delta", "skipped"], json!(indices)),
        "int-poll-skip" | "int-send-skip" => (&["key", "values", "delta", "skipped"], json!(indices)),
        _ => (&["key", "value", "values", "delta"], json!(indices)),
    };
    json!([pick(names), operations]).to_string()
}

/// Every item of every kind, sorted.
pub(crate) fn items(judgement: &Judgement) -> BTreeMap<String, Vec<String>> {
    let of = |anomaly: &Anomaly| {
        let mut items: Vec<String> = anomaly.examples.iter().map(|example| said(anomaly.kind, example)).collect();
        items.sort();
        (anomaly.kind.to_owned(), items)
    };
    judgement.anomalies.iter().map(of).collect()
}
