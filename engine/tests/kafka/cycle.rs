//! Circles: each that is shown is checked step by step, and a slow search counts how many there must be.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use torn_engine::kafka::{Options, Precedence};
use torn_engine::verdict::Judgement;

use crate::told::{everything, judge};

/// The kinds of the circles of a judgement, each circle checked.
pub(crate) fn kinds(history: &[Json], judgement: &Judgement) -> BTreeMap<String, u64> {
    let mut kinds = BTreeMap::new();
    for anomaly in judgement.anomalies.iter().filter(|it| it.kind.starts_with("g0") || it.kind.starts_with("g1c")) {
        assert!(!anomaly.decides, "a cycle decides nothing by itself");
        assert_eq!(anomaly.count as usize, anomaly.examples.len());
        for example in &anomaly.examples {
            let at = |place: usize| {
                let ordinal = example.operations[place % example.operations.len()].ordinal;
                &history[ordinal as usize]
            };
            let steps = example.item["steps"].as_array().expect("a circle has steps");
            assert!(steps.len() > 1, "a circle has two steps at least");
            assert_eq!(steps.len(), example.operations.len());
            for (place, step) in steps.iter().enumerate() {
                assert!(is_true(history, at(place), at(place + 1), step), "{step} of {example:?}");
            }
            let has = |kind: &str| steps.iter().any(|step| step["type"] == kind);
            let kind = format!(
                "{}{}",
                if has("wr") { "g1c" } else { "g0" },
                if has("realtime") {
                    "-realtime"
                } else if has("process") {
                    "-process"
                } else {
                    ""
                },
            );
            assert_eq!(anomaly.kind, kind, "{steps:?}");
        }
        kinds.insert(anomaly.kind.to_owned(), anomaly.count);
    }
    kinds
}

fn is_true(history: &[Json], from: &Json, to: &Json, step: &Json) -> bool {
    let (key, value) = (&step["key"], &step["value"]);
    match step["type"].as_str() {
        Some("ww") => {
            let next = &step["next-value"];
            sent(from, key, value) && sent(to, key, next) && stands_before(history, key, value, next)
        }
        Some("wr") => sent(from, key, value) && polled(to, key, value),
        Some("realtime") => {
            from["type"] == "ok" && place(history, from) < invoked(history, to).expect("it was invoked")
        }
        Some("process") => from["process"] == to["process"] && place(history, from) < place(history, to),
        _ => false,
    }
}

fn text(key: &Json) -> String {
    key.as_str().map_or_else(|| key.to_string(), str::to_owned)
}

pub(crate) fn sends(operation: &Json) -> impl Iterator<Item = (String, &Json, &Json)> {
    let micros = operation["value"].as_array().into_iter().flatten().filter(|micro| micro[0] == "send");
    micros.map(|micro| match micro[2].as_array() {
        Some(pair) => (text(&micro[1]), &pair[0], &pair[1]),
        None => (text(&micro[1]), &Json::Null, &micro[2]),
    })
}

pub(crate) fn polls(operation: &Json) -> impl Iterator<Item = (String, &Json, &Json)> {
    let micros = operation["value"].as_array().into_iter().flatten().filter(|micro| micro[0] == "poll");
    let maps = micros.filter_map(|micro| micro[1].as_object()).flatten();
    maps.flat_map(|(key, pairs)| {
        pairs.as_array().into_iter().flatten().map(move |pair| (key.clone(), &pair[0], &pair[1]))
    })
}

fn sent(operation: &Json, key: &Json, value: &Json) -> bool {
    sends(operation).any(|(other, _, it)| other == text(key) && it == value)
}

fn polled(operation: &Json, key: &Json, value: &Json) -> bool {
    polls(operation).any(|(other, _, it)| other == text(key) && it == value)
}

/// Whether two messages were seen at offsets with nothing between.
fn stands_before(history: &[Json], key: &Json, value: &Json, next: &Json) -> bool {
    let mut log: BTreeMap<i64, Vec<&Json>> = BTreeMap::new();
    for operation in history {
        // An aborted send's offset counts only when somebody polled it; the others may or may not.
        let sends = sends(operation).filter(|_| operation["type"] == "ok" || operation["type"] == "info");
        for (other, offset, value) in sends.chain(polls(operation)) {
            if let Some(offset) = offset.as_i64().filter(|&offset| offset >= 0 && other == text(key)) {
                log.entry(offset).or_default().push(value);
            }
        }
    }
    let places = |value: &Json| -> Vec<usize> {
        log.values().enumerate().filter(|(_, seen)| seen.contains(&value)).map(|(place, _)| place).collect()
    };
    let after = places(next);
    // Places that only an unfinished send tells are no places of the log.
    let uncertain = history.iter().any(|operation| operation["type"] == "info");
    places(value).iter().any(|place| after.iter().any(|next| *next == place + 1 || uncertain && next > place))
}

pub(crate) fn place(history: &[Json], operation: &Json) -> usize {
    history.iter().position(|other| std::ptr::eq(other, operation)).expect("it is of the history")
}

pub(crate) fn invoked(history: &[Json], operation: &Json) -> Option<usize> {
    if operation["type"] == "invoke" {
        return Some(place(history, operation));
    }
    let before = &history[..place(history, operation)];
    let found = before.iter().rposition(|other| other["process"] == operation["process"])?;
    (before[found]["type"] == "invoke").then_some(found)
}

#[test]
fn a_read_of_each_other_is_a_circle() {
    let history = [
        json!({"process": 0, "type": "invoke", "f": "txn", "value": [["send", "x", 1], ["poll"]]}),
        json!({"process": 1, "type": "invoke", "f": "txn", "value": [["send", "y", 2], ["poll"]]}),
        json!({"process": 0, "type": "ok", "f": "txn", "value": [["send", "x", [0, 1]], ["poll", {"y": [[0, 2]]}]]}),
        json!({"process": 1, "type": "ok", "f": "txn", "value": [["send", "y", [0, 2]], ["poll", {"x": [[0, 1]]}]]}),
    ];
    let judgement = judge(&history, &everything());
    assert_eq!(kinds(&history, &judgement), BTreeMap::from([("g1c".to_owned(), 1)]));
    let example = &judgement.anomalies[0].examples[0];
    let expected = "Operation 1 sent value 1 to key x, which was polled by operation 2, operation 2 sent value 2 to key y, \
                    which was polled by operation 1, so each of them must have come before itself.";
    assert_eq!(example.explanation, expected);
}

/// `interleaved`: two transactions whose sends stand in the log in turns.
fn interleaved() -> Vec<Json> {
    vec![
        json!({"process": 0, "type": "invoke", "f": "send", "value": [["send", "x", 1], ["send", "y", 2]]}),
        json!({"process": 1, "type": "invoke", "f": "send", "value": [["send", "x", 3], ["send", "y", 4]]}),
        json!({"process": 0, "type": "ok", "f": "send", "value": [["send", "x", [0, 1]], ["send", "y", [1, 2]]]}),
        json!({"process": 1, "type": "ok", "f": "send", "value": [["send", "x", [1, 3]], ["send", "y", [0, 4]]]}),
    ]
}

#[test]
fn sends_in_turns_are_a_circle_only_when_their_order_counts() {
    let history = interleaved();
    let ww = Options { ww_deps: true, ..everything() };
    assert_eq!(kinds(&history, &judge(&history, &ww)), BTreeMap::from([("g0".to_owned(), 1)]));
    assert!(kinds(&history, &judge(&history, &everything())).is_empty());
}

#[test]
fn a_send_that_stands_before_one_that_had_succeeded_goes_against_time() {
    let mut history = vec![
        json!({"process": 0, "type": "invoke", "f": "send", "value": [["send", "x", 1]]}),
        json!({"process": 0, "type": "ok", "f": "send", "value": [["send", "x", [1, 1]]]}),
        json!({"process": 0, "type": "invoke", "f": "send", "value": [["send", "x", 2]]}),
        json!({"process": 0, "type": "ok", "f": "send", "value": [["send", "x", [0, 2]]]}),
    ];
    let realtime = Options { ww_deps: true, ..everything() };
    let process = Options { precedence: Precedence::Process, ..realtime.clone() };
    let kind = |kind: &str| BTreeMap::from([(kind.to_owned(), 1)]);
    assert_eq!(kinds(&history, &judge(&history, &realtime)), kind("g0-realtime"));
    assert_eq!(kinds(&history, &judge(&history, &process)), kind("g0-process"));
    // Another process is not bound by the order of the first.
    history[2]["process"] = json!(1);
    history[3]["process"] = json!(1);
    assert_eq!(kinds(&history, &judge(&history, &realtime)), kind("g0-realtime"));
    assert!(kinds(&history, &judge(&history, &process)).is_empty());
}

#[test]
fn a_poll_that_ended_before_its_message_was_sent_goes_against_time() {
    let history = [
        json!({"process": 0, "type": "invoke", "f": "poll", "value": [["poll"]]}),
        json!({"process": 0, "type": "ok", "f": "poll", "value": [["poll", {"x": [[0, 1]]}]]}),
        json!({"process": 0, "type": "invoke", "f": "send", "value": [["send", "x", 1]]}),
        json!({"process": 0, "type": "ok", "f": "send", "value": [["send", "x", [0, 1]]]}),
    ];
    let realtime = everything();
    let process = Options { precedence: Precedence::Process, ..everything() };
    let kind = |kind: &str| BTreeMap::from([(kind.to_owned(), 1)]);
    assert_eq!(kinds(&history, &judge(&history, &realtime)), kind("g1c-realtime"));
    assert_eq!(kinds(&history, &judge(&history, &process)), kind("g1c-process"));
}

#[test]
fn a_message_whose_send_never_completed_takes_part_in_circles() {
    let history = [
        json!({"process": 0, "type": "invoke", "f": "poll", "value": [["poll"]]}),
        json!({"process": 0, "type": "ok", "f": "poll", "value": [["poll", {"x": [[0, 1]]}]]}),
        json!({"process": 1, "type": "invoke", "f": "send", "value": [["send", "x", 1]]}),
    ];
    let found = kinds(&history, &judge(&history, &everything()));
    assert_eq!(found, BTreeMap::from([("g1c-realtime".to_owned(), 1)]));
}
