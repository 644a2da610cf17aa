//! Full agreement with genuine Jepsen on its sample histories: every count, every item.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::{Value as Json, json};
use torn_engine::kafka::Options;
use torn_engine::verdict::{Judgement, Verdict};

use crate::cycle;
use crate::told::{everything, judge, said};

fn samples() -> Vec<Json> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories/kafka-samples.jsonl.gz");
    let lines = BufReader::new(GzDecoder::new(File::open(path).expect("the samples are there"))).lines();
    lines
        .map(|line| serde_json::from_str(&line.expect("the samples are sound")).expect("the samples are JSON"))
        .collect()
}

fn judged(sample: &Json) -> Judgement {
    let options = Options { ww_deps: sample["opts"]["ww-deps"] == json!(true), ..everything() };
    judge(sample["history"].as_array().expect("a history is a list"), &options)
}

fn is_cycle(kind: &str) -> bool {
    kind.starts_with("g0") || kind.starts_with("g1c")
}

/// Jepsen's kinds that are ours, in our spelling; its `…-cycle-exists` say of cycles only that there are some.
fn expected_kinds(sample: &Json) -> BTreeMap<String, u64> {
    let counts = sample["error-counts"].as_object().expect("counts are an object");
    let ours = counts.iter().filter(|(kind, _)| !kind.ends_with("-cycle-exists") && *kind != "empty-transaction-graph");
    ours.map(|(kind, count)| (kind.to_lowercase(), count.as_u64().expect("a count is a number"))).collect()
}

#[test]
fn every_count_is_jepsens() {
    let samples = samples();
    assert_eq!(samples.len(), 220);
    for sample in &samples {
        let found: BTreeMap<String, u64> =
            judged(sample).anomalies.iter().map(|anomaly| (anomaly.kind.to_owned(), anomaly.count)).collect();
        let mut expected = expected_kinds(sample);
        expected.retain(|kind, _| !is_cycle(kind));
        let mut found = found;
        found.retain(|kind, _| !is_cycle(kind));
        assert_eq!(found, expected, "{}", sample["id"]);
    }
}

fn theirs(kind: &str, item: &Json) -> Json {
    let mut said = item.as_object().expect("an item is an object").clone();
    let mut take = |name: &str| said.remove(name).map(|operation| operation["index"].clone());
    let operations = match kind {
        "lost-write" => {
            let (writer, reader) = (take("writer"), take("max-read"));
            if writer == reader { json!([writer]) } else { json!([writer, reader]) }
        }
        "g1a" => {
            take("writer");
            json!([take("reader")])
        }
        "poll-skip" | "nonmonotonic-poll" | "nonmonotonic-send" => {
            let operations = said.remove("ops").expect("a pair of operations");
            json!([operations[0]["index"], operations[1]["index"]])
        }
        "duplicate" | "inconsistent-offsets" => Json::Null,
        _ => json!([take("op")]),
    };
    json!([said, operations])
}

fn sorted(mut items: Vec<String>) -> Vec<String> {
    items.sort();
    items
}

#[test]
fn every_item_is_jepsens() {
    let mut compared = 0;
    for sample in &samples() {
        for anomaly in judged(sample).anomalies.iter().filter(|anomaly| !is_cycle(anomaly.kind)) {
            let kind = anomaly.kind;
            let errors = sample["errors"].as_object().expect("errors are an object");
            let (_, expected) =
                errors.iter().find(|(name, _)| name.eq_ignore_ascii_case(kind)).expect("every kind is Jepsen's");
            let expected: Vec<String> = if kind == "unseen" {
                let messages = expected["messages"].as_object().expect("unseen messages by key");
                let each = messages.iter().flat_map(|(key, values)| {
                    let values = values.as_array().expect("a list of messages");
                    values.iter().map(move |value| json!([{"key": key, "value": value}, null]).to_string())
                });
                sorted(each.collect())
            } else {
                let items = expected.as_array().expect("a list of items");
                sorted(items.iter().map(|item| theirs(kind, item).to_string()).collect())
            };
            let found = sorted(anomaly.examples.iter().map(|example| said(kind, example)).collect());
            assert_eq!(found, expected, "{} {kind}", sample["id"]);
            compared += found.len();
        }
    }
    assert!(compared > 1_000, "only {compared} items were compared");
}

/// Jepsen calls a test invalid by what it finds, less what it expects where consumers subscribe (`allowed-error-types`).
#[test]
fn the_verdict_follows_from_jepsens_errors() {
    for sample in &samples() {
        let operations = sample["history"].as_array().expect("a history is a list");
        let subscribed = operations.iter().any(|operation| operation["f"] == "subscribe");
        let is_bad = |kind: &String| {
            let expected_of_subscribers = kind == "poll-skip" || kind == "nonmonotonic-poll";
            !is_cycle(kind) && kind != "int-send-skip" && !(subscribed && expected_of_subscribers)
        };
        let expected = if expected_kinds(sample).keys().any(is_bad) { Verdict::Invalid } else { Verdict::Valid };
        assert_eq!(judged(sample).verdict, expected, "{}", sample["id"]);
    }
}

/// Elle shows one circle a component and calls it by what it can explain of it. Where a component has circles of sends and
/// time, some of whose steps in time are also explained by polls, it hangs on the order of Elle's hash sets which circle
/// that is: Elle itself says then that the component is no stronger than `strong-PL-1`.
#[test]
fn the_kinds_of_cycles_are_jepsens() {
    let mut differing = 0;
    for sample in &samples() {
        let operations = sample["history"].as_array().expect("a history is a list");
        let judgement = judged(sample);
        let found: BTreeMap<String, u64> = cycle::kinds(operations, &judgement);
        let mut expected = expected_kinds(sample);
        expected.retain(|kind, _| is_cycle(kind));
        if found != expected {
            differing += 1;
            let depends = sample["errors"].get("strong-PL-1-cycle-exists").is_some();
            assert!(depends, "{}: {found:?} instead of {expected:?}", sample["id"]);
        }
        let without_time = |kinds: &BTreeMap<String, u64>| [kinds.get("g0").copied(), kinds.get("g1c").copied()];
        assert_eq!(without_time(&found), without_time(&expected), "{}", sample["id"]);
        assert_eq!(found.values().sum::<u64>(), expected.values().sum::<u64>(), "{}", sample["id"]);
    }
    assert!(differing <= 3, "{differing} samples differ");
}
