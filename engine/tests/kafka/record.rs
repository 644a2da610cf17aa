//! How operations are read: every form that a history may have, and every mistake said with its line.

use serde_json::json;
use torn_engine::budget::Budget;
use torn_engine::kafka::{History, Options};
use torn_engine::verdict::{Judgement, Verdict};

use crate::told::{everything, judge, read};

fn judged(lines: &[&str]) -> Judgement {
    let history: History = read(lines.iter().copied()).expect("the history is sound");
    history.judge(&everything(), &Budget::unlimited())
}

fn mistake(line: &str) -> String {
    read(["", line]).expect_err("the line is a mistake").split(" at line").next().expect("a text").to_owned()
}

#[test]
fn the_integer_and_the_text_are_one_key_but_two_values() {
    let history = [
        r#"{"process":0,"type":"ok","f":"send","value":[["send",1,[0,5]],["send","1",[1,"5"]]]}"#,
        r#"{"process":1,"type":"ok","f":"poll","value":[["poll",{"1":[[0,5],[1,"5"]]}]]}"#,
    ];
    assert_eq!(judged(&history).verdict, Verdict::Valid);
}

#[test]
fn offsets_reach_far_and_may_be_unknown() {
    let far = 1_i64 << 62;
    let history = [
        json!({"process": 0, "type": "ok", "f": "send", "value": [["send", "x", [far, "a"]], ["send", "x", [null, "b"]]]}),
        json!({"process": 0, "type": "ok", "f": "send", "value": [["send", "x", [-1, "c"]], ["send", "x", "d"]]}),
        json!({"process": 1, "type": "ok", "f": "poll", "value": [["poll", {"x": [[far, "a"], [null, "b"], [far + 1, "c"], [null, "d"]]}]]}),
    ];
    let judgement = judge(&history, &everything());
    assert!(judgement.anomalies.is_empty(), "{:?}", judgement.anomalies);
    assert_eq!(judgement.figures["worst-realtime-lag"]["lag"], 0);
}

#[test]
fn keys_may_come_in_any_order_and_others_are_ignored() {
    let history = [
        r#"{"value":[["send","x",1]],"more":{"a":[1,2]},"f":"send","type":"invoke","process":0}"#,
        r#"{"value":[["send","x",[0,1]]],"f":"send","type":"ok","process":0,"error":null}"#,
        r#"{"rebalance-log":[{"keys":["x",7],"generation":3}],"value":[["poll",{"x":[[0,1]]}]],"type":"ok","f":"poll","process":1}"#,
    ];
    assert_eq!(judged(&history).verdict, Verdict::Valid);
}

#[test]
fn what_no_client_did_and_what_no_log_knows_is_passed_over() {
    let history = [
        r#"{"process":"nemesis","type":"info","f":"kill","value":{"n1":["anything",{"at":"all"}]}}"#,
        r#"{"process":"nemesis","type":"ok","f":"send","value":[["send","x",[0,1]]]}"#,
        r#"{"process":0,"type":"ok","f":"debug-topic-partitions","value":[["what"],1.5,true]}"#,
        r#"{"process":0,"type":"invoke","f":"crash","value":null}"#,
        r#"{"process":0,"type":"info","f":"crash","value":"gone"}"#,
        r#"{"process":1,"type":"ok","f":"assign","value":null}"#,
        r#"{"process":1,"type":"info","f":"poll","value":null}"#,
        r#"{"process":1,"type":"ok","f":"poll"}"#,
        r#"{"process":1,"type":"ok","f":"poll","value":[]}"#,
    ];
    let judgement = judged(&history);
    assert!(judgement.anomalies.is_empty(), "{:?}", judgement.anomalies);
}

#[test]
fn what_a_passed_over_line_holds_reaches_no_other() {
    let history = [
        r#"{"process":0,"type":"invoke","f":"send","value":[["send","x",1]]}"#,
        r#"{"process":5,"type":"ok","f":"other","value":[["poll",{"x":[[0,9],[1,9]]}],["send","x",[3,9]]]}"#,
        r#"{"process":0,"type":"ok","f":"send","value":[["send","x",[0,1]]]}"#,
        r#"{"process":1,"type":"ok","f":"poll","value":[["poll",{"x":[[0,1]]}]]}"#,
    ];
    let judgement = judged(&history);
    assert!(judgement.anomalies.is_empty(), "{:?}", judgement.anomalies);
}

#[test]
fn an_example_says_line_ordinal_and_the_index_of_the_history() {
    let history = [
        r#"{"index":7,"process":0,"type":"ok","f":"send","value":[["send","x",[0,1]]]}"#,
        r#"{"index":7,"process":0,"type":"ok","f":"send","value":[["send","x",[0,2]]]}"#,
        r#"{"process":1,"type":"ok","f":"poll","value":[["poll",{"x":[[0,2]]}]]}"#,
    ];
    let judgement = judged(&history);
    let inconsistent = judgement.anomalies.iter().find(|anomaly| anomaly.kind == "inconsistent-offsets");
    let cited = &inconsistent.expect("one offset has two messages").examples[0].operations;
    let places: Vec<_> = cited.iter().map(|cited| (cited.line, cited.ordinal, cited.index)).collect();
    assert_eq!(places, [(1, 0, Some(7)), (2, 1, Some(7))]);
}

#[test]
fn at_most_sixteen_examples_are_kept_and_all_are_counted() {
    let sends: Vec<_> = (0..100)
        .map(|value| json!({"process": 0, "type": "ok", "f": "send", "value": [["send", "x", [value, value]]]}))
        .collect();
    let judgement = judge(&sends, &Options::default());
    assert_eq!(judgement.anomalies.len(), 1);
    assert_eq!(judgement.anomalies[0].count, 100);
    assert_eq!(judgement.anomalies[0].examples.len(), 16);
}

#[test]
fn a_long_skip_is_told_shortly() {
    let mut history: Vec<_> = (0..1_000)
        .map(|value| json!({"process": 0, "type": "ok", "f": "send", "value": [["send", "x", [value, value]]]}))
        .collect();
    history.push(json!({"process": 1, "type": "ok", "f": "poll", "value": [["poll", {"x": [[0, 0], [999, 999]]}]]}));
    let judgement = judge(&history, &everything());
    let skip = judgement.anomalies.iter().find(|anomaly| anomaly.kind == "int-poll-skip").expect("998 are skipped");
    let expected = "One operation of process 1 polled value 0 of key x and then value 999, but 998 messages lie between them \
                    in the log: value 1, value 2, value 3, value 4, … (993 more) …, value 998.";
    assert_eq!(skip.examples[0].explanation, expected);
    assert_eq!(skip.examples[0].item["delta"], 999);
    assert_eq!(skip.examples[0].item["skipped"].as_array().map(Vec::len), Some(256));
}

#[test]
fn the_worst_lag_is_a_figure() {
    let history = [
        json!({"time": 0, "process": 1, "type": "ok", "f": "assign", "value": ["x"]}),
        json!({"time": 5, "process": 0, "type": "ok", "f": "send", "value": [["send", "x", [0, 1]]]}),
        json!({"time": 9, "process": 1, "type": "invoke", "f": "poll", "value": [["poll"]]}),
        json!({"time": 11, "process": 1, "type": "ok", "f": "poll", "value": [["poll", {}]]}),
        json!({"time": 12, "process": 1, "type": "invoke", "f": "poll", "value": [["poll"]]}),
        json!({"time": 13, "process": 1, "type": "ok", "f": "poll", "value": [["poll", {"x": [[0, 1]]}]]}),
    ];
    let judgement = judge(&history, &everything());
    let expected = json!({"lag": 4, "time": 9, "process": 1, "key": "x"});
    assert_eq!(judgement.figures["worst-realtime-lag"], expected);
}

#[test]
fn each_mistake_is_said_with_its_line() {
    let of_value = |function: &str, value: &str| {
        mistake(&format!(r#"{{"process":0,"type":"ok","f":"{function}","value":{value}}}"#))
    };
    let list = r#"line 1: `value` is not a list of ["send", key, value] and ["poll", {key: [[offset, value], …]}]"#;
    assert_eq!(of_value("send", "7"), list);
    assert_eq!(of_value("txn", r#"["x"]"#), list);
    assert_eq!(of_value("txn", "[true]"), format!("{list}: an element is neither a list nor a key"));
    assert_eq!(of_value("txn", r#"["x",["poll"]]"#), format!("{list}: lists and keys stand side by side"));
    let micro = format!(r#"{list}: an element is neither ["send", …] nor ["poll", …]"#);
    assert_eq!(of_value("txn", r#"[["read","x"]]"#), micro);
    assert_eq!(of_value("txn", "[[]]"), micro);
    assert_eq!(of_value("send", r#"[["send","x"]]"#), micro);
    assert_eq!(of_value("send", r#"[["send",null,1]]"#), format!("{list}: a key must be a text or an integer"));
    assert_eq!(
        of_value("send", r#"[["send","x",1.5]]"#),
        format!("{list}: a message must be an integer, a text or null")
    );
    assert_eq!(of_value("send", r#"[["send","x",[0]]]"#), format!("{list}: a polled message must be [offset, value]"));
    let offset = format!("{list}: an offset must be an integer of 63 bits or null");
    assert_eq!(of_value("send", r#"[["send","x",["0",1]]]"#), offset);
    assert_eq!(of_value("poll", r#"[["poll",{"x":[[9223372036854775808,1]]}]]"#), offset);
    let polled = format!("{list}: what a poll returned must be {{key: [[offset, value], …]}}");
    assert_eq!(of_value("poll", r#"[["poll",[1]]]"#), polled);
    assert_eq!(of_value("poll", r#"[["poll",{"x":{"y":1}}]]"#), polled);
    assert_eq!(
        of_value("poll", r#"[["poll",{"x":[1]}]]"#),
        format!("{list}: a polled message must be [offset, value]")
    );
    assert_eq!(of_value("assign", r#"[["poll"]]"#), "line 1: `value` is not a list of keys");
    assert_eq!(of_value("subscribe", "{}"), "line 1: `value` is not a list of keys");
    let log = r#"{"process":0,"type":"ok","f":"poll","value":[],"rebalance-log":[{"keys":"x"}]}"#;
    assert_eq!(mistake(log), r#"line 1: a `rebalance-log` must be [{"keys": [key, …]}, …]"#);
}
