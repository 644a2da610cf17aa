//! For each kind a history that shows it, told so that a person sees it, and a twin that differs in one thing and is valid;
//! and valid histories in which one record is dropped, doubled or exchanged.

use std::path::Path;

use serde_json::{Value as Json, json};
use torn_engine::kafka::{Kind, Kinds, Options};
use torn_engine::verdict::{Judgement, Verdict};

use crate::told::{everything, judge};

fn golden(name: &str) -> Vec<Json> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/golden").join(format!("{name}.jsonl"));
    let text = std::fs::read_to_string(path).expect("the golden history is there");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// A golden history, the kinds it shows (the first is what it is there for), and what is said of the first item.
type Golden = (&'static str, &'static [&'static str], &'static str);

const GOLDEN: [Golden; 18] = [
    (
        "lost-write",
        &["lost-write", "poll-skip", "unseen"],
        "Value 2 of key x was acknowledged and stands at offset 1 in the log; messages up to value 3 behind it were polled, \
         but no successful poll ever returned it.",
    ),
    (
        "lost-write-of-unfinished-transaction",
        &["lost-write"],
        "Value 1 of key x was sent by an operation of which another message was polled, so it was committed and stands at \
         offset 0 in the log; messages up to value 3 behind it were polled, but no successful poll ever returned it.",
    ),
    (
        "unseen",
        &["unseen"],
        "Value 2 sent to key x was acknowledged at offset 1, but no successful poll ever returned it.",
    ),
    ("duplicate", &["duplicate", "nonmonotonic-poll"], "Value 1 stands 2 times in the log of key x: at offsets 0, 1."),
    ("g1a", &["g1a"], "Process 1 polled value 1 of key x, although the send of it had failed."),
    (
        "inconsistent-offsets",
        &["inconsistent-offsets"],
        "Offset 0 of key x was seen with different messages: value 1, value 2.",
    ),
    (
        "poll-skip",
        &["poll-skip"],
        "Process 1 polled value 1 of key x and, in its next operation on that key, value 3, but 1 message lies between them \
         in the log: value 2.",
    ),
    (
        "nonmonotonic-poll",
        &["nonmonotonic-poll"],
        "Process 1 polled value 2 of key x and, in its next operation on that key, value 1, but in the log value 1 stands 1 \
         place before value 2.",
    ),
    (
        "nonmonotonic-send",
        &["nonmonotonic-send", "g0-realtime"],
        "Process 0 sent value 1 to key x and, in its next operation on that key, value 2, but in the log value 2 stands 1 \
         place before value 1.",
    ),
    (
        "int-poll-skip",
        &["int-poll-skip"],
        "One operation of process 1 polled value 1 of key x and then value 3, but 1 message lies between them in the log: \
         value 2.",
    ),
    (
        "int-nonmonotonic-poll",
        &["int-nonmonotonic-poll"],
        "One operation of process 1 polled value 1 of key x and then value 1, which is the same place of the log again.",
    ),
    (
        "int-nonmonotonic-send",
        &["int-nonmonotonic-send"],
        "One operation of process 0 sent value 1 to key x and then value 2, but in the log value 2 stands 1 place before \
         value 1.",
    ),
    (
        "int-send-skip",
        &["int-send-skip", "g0"],
        "One operation of process 0 sent value 1 to key x and then value 3, but 1 message lies between them in the log: \
         value 2.",
    ),
    (
        "precommitted-read",
        &["precommitted-read"],
        "A transaction of process 0 polled value 2 of key x, which it had sent itself and not yet committed.",
    ),
    (
        "g0",
        &["g0"],
        "Operation 1 sent value 1 to key x right before value 3 of operation 2, operation 2 sent value 4 to key y right \
         before value 2 of operation 1, so each of them must have come before itself.",
    ),
    (
        "g0-realtime",
        &["g0-realtime"],
        "Operation 1 had succeeded before the invocation of operation 2, operation 2 sent value 2 to key x right before \
         value 1 of operation 1, so each of them must have come before itself.",
    ),
    (
        "g1c",
        &["g1c"],
        "Operation 1 sent value 1 to key x, which was polled by operation 2, operation 2 sent value 2 to key y, which was \
         polled by operation 1, so each of them must have come before itself.",
    ),
    (
        "g1c-realtime",
        &["g1c-realtime"],
        "Operation 1 had succeeded before the invocation of operation 2, operation 2 sent value 1 to key x, which was polled \
         by operation 1, so each of them must have come before itself.",
    ),
];

fn kinds(judgement: &Judgement) -> Vec<&str> {
    let mut kinds: Vec<&str> = judgement.anomalies.iter().map(|anomaly| anomaly.kind).collect();
    kinds.sort_unstable();
    kinds
}

fn with_order() -> Options {
    Options { ww_deps: true, ..everything() }
}

#[test]
fn each_kind_is_found_and_told_and_its_twin_is_valid() {
    for (name, expected, explanation) in GOLDEN {
        let judgement = judge(&golden(name), &with_order());
        let mut expected = expected.to_vec();
        let kind = expected[0];
        expected.sort_unstable();
        assert_eq!(kinds(&judgement), expected, "{name}");
        let anomaly = judgement.anomalies.iter().find(|anomaly| anomaly.kind == kind).expect("it was just seen");
        assert_eq!(anomaly.count, 1, "{name}");
        let example = &anomaly.examples[0];
        assert_eq!(example.explanation, explanation, "{name}");
        let deciding = Kinds::deciding(false);
        assert_eq!(anomaly.decides, deciding.contains(kind.parse().expect("it is a kind")), "{name}");
        for cited in &example.operations {
            assert_eq!(cited.line, cited.ordinal + 1, "{name}");
            assert_eq!(cited.index, Some(i64::from(cited.ordinal)), "{name}");
        }
        assert!(!example.operations.is_empty(), "{name}");
        let twin = judge(&golden(&format!("{name}.valid")), &with_order());
        let found = kinds(&twin);
        assert!(found.is_empty(), "{name}.valid shows {found:?}");
        assert_eq!(twin.verdict, Verdict::Valid);
    }
    let shown: Vec<&str> = GOLDEN.iter().map(|(_, kinds, _)| kinds[0]).collect();
    for kind in Kind::ALL.map(Kind::name) {
        // Process order is an option of its own: see the tests of circles.
        assert!(shown.contains(&kind) || kind.ends_with("-process"), "{kind} has no golden history");
    }
}

#[test]
fn an_example_cites_both_sides() {
    let judgement = judge(&golden("lost-write"), &everything());
    let lost = &judgement.anomalies[0].examples[0];
    let texts: Vec<&str> = lost.operations.iter().map(|cited| cited.text.as_str()).collect();
    let expected = [
        "process 0: send ok, sent to x: value 2 at offset 1",
        "process 1: poll ok, polled from x: value 3 at offset 2",
    ];
    assert_eq!(texts, expected);
    let item = json!({"key": "x", "value": 2, "offset": 1, "index": 1, "max-read-index": 2});
    assert_eq!(Json::from(lost.item.clone()), item);
}

#[test]
fn what_decides_can_be_set() {
    let history = golden("unseen");
    let only = |kind: Kind| Options { deciding: Some([kind].into_iter().collect()), ..everything() };
    assert_eq!(judge(&history, &only(Kind::Unseen)).verdict, Verdict::Invalid);
    let other = judge(&history, &only(Kind::LostWrite));
    assert_eq!(other.verdict, Verdict::Valid);
    assert_eq!(kinds(&other), ["unseen"]);
}

#[test]
fn a_consumer_that_subscribes_may_skip_and_go_back() {
    for name in ["poll-skip", "nonmonotonic-poll"] {
        let mut history = golden(name);
        assert_eq!(judge(&history, &everything()).verdict, Verdict::Invalid);
        for operation in history.iter_mut().filter(|operation| operation["f"] == "assign") {
            operation["f"] = json!("subscribe");
        }
        let judgement = judge(&history, &everything());
        assert_eq!(kinds(&judgement), [name]);
        assert_eq!(judgement.verdict, Verdict::Valid);
    }
}

#[test]
fn a_kind_is_read_by_its_name() {
    for kind in Kind::ALL {
        assert_eq!(kind.name().parse(), Ok(kind));
    }
    assert_eq!("G1a".parse(), Ok(Kind::G1a));
    let error = "lost".parse::<Kind>().expect_err("no kind is called so").to_string();
    assert!(error.starts_with("no kind of anomaly is called `lost`; there are: lost-write, unseen,"), "{error}");
}

/// Ten messages of one process in one log, polled in three operations: valid.
fn sound() -> Vec<Json> {
    let mut history = Vec::new();
    let mut tell = |process: u32, kind: &str, function: &str, value: Json| {
        let index = history.len();
        history.push(json!({"index": index, "time": index * 1000, "process": process, "type": kind, "f": function, "value": value}));
    };
    tell(1, "invoke", "assign", json!(["x"]));
    tell(1, "ok", "assign", json!(["x"]));
    for message in 0..10 {
        tell(0, "invoke", "send", json!([["send", "x", message]]));
        tell(0, "ok", "send", json!([["send", "x", [2 * message, message]]]));
    }
    for messages in [0..3, 3..7, 7..10] {
        let polled: Vec<Json> = messages.map(|message| json!([2 * message, message])).collect();
        tell(1, "invoke", "poll", json!([["poll"]]));
        tell(1, "ok", "poll", json!([["poll", {"x": polled}]]));
    }
    history
}

/// The messages that the poll of a line returned.
fn polled(history: &mut [Json], line: usize) -> &mut Vec<Json> {
    history[line]["value"][0][1]["x"].as_array_mut().expect("the line is a poll")
}

const FIRST_POLL: usize = 23;
const SECOND_POLL: usize = 25;

fn shows(change: impl FnOnce(&mut Vec<Json>), expected: &[&str]) {
    let mut history = sound();
    let before = judge(&history, &everything());
    assert_eq!((before.verdict, kinds(&before)), (Verdict::Valid, Vec::new()));
    change(&mut history);
    assert_eq!(kinds(&judge(&history, &everything())), expected);
}

#[test]
fn a_dropped_record_is_lost_and_unseen() {
    let drop_one = |history: &mut Vec<Json>| drop(polled(history, SECOND_POLL).remove(1));
    shows(drop_one, &["int-poll-skip", "lost-write", "unseen"]);
    shows(|history| drop(polled(history, SECOND_POLL).remove(0)), &["lost-write", "poll-skip", "unseen"]);
}

#[test]
fn a_dropped_poll_is_a_skip() {
    shows(|history| drop(history.drain(SECOND_POLL - 1..=SECOND_POLL)), &["lost-write", "poll-skip", "unseen"]);
}

#[test]
fn a_doubled_record_is_a_duplicate() {
    let double = |history: &mut Vec<Json>| polled(history, SECOND_POLL).insert(1, json!([7, 3]));
    shows(double, &["duplicate", "int-nonmonotonic-poll", "poll-skip"]);
}

#[test]
fn a_doubled_poll_goes_back() {
    let double = |history: &mut Vec<Json>| {
        let poll = history[FIRST_POLL - 1..=FIRST_POLL].to_vec();
        history.splice(SECOND_POLL - 1..SECOND_POLL - 1, poll);
    };
    shows(double, &["nonmonotonic-poll"]);
}

#[test]
fn swapped_records_go_back() {
    let swap = |history: &mut Vec<Json>| polled(history, SECOND_POLL).swap(1, 2);
    shows(swap, &["int-nonmonotonic-poll", "int-poll-skip"]);
}

#[test]
fn swapped_polls_skip_and_go_back() {
    shows(|history| history.swap(FIRST_POLL, SECOND_POLL), &["nonmonotonic-poll", "poll-skip"]);
}

#[test]
fn exchanged_values_contradict_the_sends() {
    let exchange = |history: &mut Vec<Json>| polled(history, SECOND_POLL)[1][1] = json!(5);
    shows(
        exchange,
        &["duplicate", "inconsistent-offsets", "int-nonmonotonic-poll", "int-poll-skip", "lost-write", "unseen"],
    );
}

#[test]
fn a_send_that_failed_after_all_is_an_aborted_read() {
    shows(|history| history[5]["type"] = json!("fail"), &["g1a"]);
}

#[test]
fn an_info_send_that_was_polled_is_not_lost_nor_one_that_was_not() {
    shows(|history| history[5]["type"] = json!("info"), &[]);
    let unpolled = |history: &mut Vec<Json>| {
        history[11]["type"] = json!("info");
        polled(history, SECOND_POLL).remove(1);
    };
    shows(unpolled, &[]);
}

#[test]
fn a_poll_that_failed_still_tells_offsets() {
    let fail = |history: &mut Vec<Json>| {
        history.extend([
            json!({"process": 3, "type": "invoke", "f": "poll", "value": [["poll"]]}),
            json!({"process": 3, "type": "fail", "f": "poll", "value": [["poll", {"x": [[1, 0]]}]]}),
        ]);
    };
    shows(fail, &["duplicate"]);
}

#[test]
fn a_completion_may_be_missing() {
    shows(|history| drop(history.remove(5)), &[]);
    // Its message is polled, and was sent by an operation of which nothing more is known.
    shows(|history| drop(history.drain(4..=5)), &[]);
}

#[test]
fn a_key_of_which_only_empty_lists_were_polled_is_no_anomaly() {
    let empty = |history: &mut Vec<Json>| history[FIRST_POLL]["value"][0][1]["nothing"] = json!([]);
    shows(empty, &[]);
}

/// Jepsen's `unseen` takes a key that no successful operation mentioned before the last one for messages not yet polled.
#[test]
fn a_key_that_only_the_last_poll_mentions_counts_as_unseen_as_in_jepsen() {
    let info = |history: &mut Vec<Json>| {
        for line in (2..22).filter(|line| line % 2 == 1) {
            history[line]["type"] = json!("info");
        }
        history.drain(FIRST_POLL - 1..=SECOND_POLL);
    };
    shows(info, &["unseen"]);
    let further = |history: &mut Vec<Json>| {
        info(history);
        history.extend([
            json!({"process": 1, "type": "invoke", "f": "poll", "value": [["poll"]]}),
            json!({"process": 1, "type": "ok", "f": "poll", "value": [["poll", {}]]}),
        ]);
    };
    shows(further, &[]);
}
