//! A history says the same in EDN as in JSON.

use std::fmt::Write;
use std::io::Read;

use serde_json::Value;
use torn_engine::verdict::{Judgement, Verdict};

use super::{MODELS, judge};

const SAMPLES: [&[u8]; 2] =
    [include_bytes!("../histories/kafka-samples.jsonl.gz"), include_bytes!("../histories/register-samples.jsonl.gz")];

#[test]
fn every_sample_is_judged_the_same_in_both() {
    for (model, sample) in MODELS.into_iter().zip(SAMPLES) {
        let mut text = String::new();
        flate2::read::GzDecoder::new(sample).read_to_string(&mut text).expect("the samples are gzip");
        let (mut json, mut vectors, mut lines) = (String::new(), Vec::new(), String::new());
        for line in text.lines() {
            let sample: Value = serde_json::from_str(line).expect("the samples are JSON");
            let history = sample["history"].as_array().expect("a history is an array");
            let operations: Vec<String> = history.iter().map(operation).collect();
            let _ = writeln!(json, "{line}");
            let _ = writeln!(lines, "{{:id {}, :opts {{:a 1}} :history [{}]}}", sample["id"], operations.join(", "));
            vectors.push(format!("[{}]", operations.join("\n ")));
        }
        let expected = gist(&judge(model, json.as_bytes()).expect("the samples can be read"));
        // Not the order of examples: a map of EDN is not in the order of its text.
        assert!(gist(&judge(model, lines.as_bytes()).expect("EDN can be read")) == expected);
        for (vector, expected) in vectors.iter().zip(&expected) {
            let judged = judge(model, vector.as_bytes()).expect("EDN can be read");
            assert_eq!(gist(&judged), std::slice::from_ref(expected));
        }
    }
}

type Gist = (Verdict, Vec<String>, Vec<(&'static str, u64)>);

/// Verdict, reasons, and how often what was found.
fn gist(judgements: &[Judgement]) -> Vec<Gist> {
    let count =
        |judgement: &Judgement| judgement.anomalies.iter().map(|anomaly| (anomaly.kind, anomaly.count)).collect();
    judgements.iter().map(|judgement| (judgement.verdict, judgement.reasons.clone(), count(judgement))).collect()
}

/// An operation as Jepsen writes it: keywords where it has words.
fn operation(operation: &Value) -> String {
    let fields = operation.as_object().expect("an operation is an object").iter().map(|(name, value)| {
        let value = match (name.as_str(), value) {
            ("type" | "f" | "process", Value::String(word)) => format!(":{word}"),
            (_, value) => form(value),
        };
        format!(":{name} {value}")
    });
    format!("#jepsen.history.Op{{{}}}", fields.collect::<Vec<_>>().join(", "))
}

fn form(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Array(items) => match &items[..] {
            [Value::String(word), rest @ ..] if word == "send" || word == "poll" => {
                let rest: Vec<String> = rest.iter().map(form).collect();
                format!("[:{word} {}]", rest.join(" "))
            }
            items => format!("[{}]", items.iter().map(form).collect::<Vec<_>>().join(" ")),
        },
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| match key.as_str() {
                "keys" => format!(":keys {}", form(value)),
                key => format!("{key:?} {}", form(value)),
            });
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
