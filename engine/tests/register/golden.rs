//! One bad history for each rule, with a valid twin that differs in one line, and what is said of the bad one.

use std::fmt::Write as _;

use torn_engine::budget::Budget;
use torn_engine::register::Options;
use torn_engine::verdict::{Judgement, Verdict};

/// `process type f value [error]` a line, on one key; made into lines of JSON.
fn judge(history: &str) -> Judgement {
    let mut lines = String::new();
    for line in history.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.splitn(4, ' ');
        let mut next = || words.next().unwrap_or("null");
        let (process, kind, function, value) = (next(), next(), next(), next());
        let (value, error) = value.strip_suffix(" error").map_or((value, "null"), |value| (value, "\"late\""));
        let head = format!("\"process\":{process},\"type\":\"{kind}\",\"f\":\"{function}\"");
        writeln!(lines, "{{{head},\"value\":{value},\"error\":{error}}}").expect("a string takes everything");
    }
    let read = crate::read(&lines);
    let judgement = read.judge(&Options::default(), &Budget::unlimited());
    let search = read.judge(&Options { shortcuts: false, ..Options::default() }, &Budget::unlimited());
    assert_eq!(judgement.verdict, search.verdict, "{history}");
    judgement
}

/// The bad history is invalid and explained so; with `from` replaced by `to` it is valid.
#[track_caller]
fn assert_rule(bad: &str, from: &str, to: &str, explanation: &str) {
    let judgement = judge(bad);
    assert_eq!(judgement.verdict, Verdict::Invalid);
    let [anomaly] = &judgement.anomalies[..] else { panic!("{:?}", judgement.anomalies) };
    assert_eq!((anomaly.kind, anomaly.count, anomaly.decides), ("non-linearizable", 1, true));
    assert_eq!(anomaly.examples[0].explanation, explanation);
    assert!(judgement.picture.is_some_and(|picture| picture.contains("stuck")));
    assert_eq!(bad.matches(from).count(), 1, "the twin differs in one place");
    let twin = judge(&bad.replacen(from, to, 1));
    assert_eq!((twin.verdict, twin.anomalies.len(), twin.picture), (Verdict::Valid, 0, None));
}

#[test]
fn a_read_sees_the_last_write() {
    assert_rule(
        "0 invoke write 1
         0 ok write 1
         0 invoke write 2
         0 ok write 2
         1 invoke read
         1 ok read 1",
        "ok read 1",
        "ok read 2",
        "the register: no order explains the read of 1 by process 1 (lines 5–6): 1, left behind by the write of 1 by \
         process 0 (lines 1–2), cannot be there any more; the value is 2, set by the write of 2 by process 0 (lines 3–4)",
    );
}

#[test]
fn a_register_begins_with_null() {
    assert_rule(
        "0 invoke read
         0 ok read 7",
        "ok read 7",
        "ok read null",
        "the register: no order explains the read of 7 by process 0 (lines 1–2): nothing invoked before it ended leaves 7 \
         behind; the value is null since the beginning",
    );
}

#[test]
fn what_was_seen_once_is_not_unseen_again() {
    assert_rule(
        "0 invoke write 1
         1 invoke read
         1 ok read 1
         1 invoke read
         1 ok read null
         0 ok write 1",
        "ok read null",
        "ok read 1",
        "the register: no order explains the read of null by process 1 (lines 4–5): null cannot be there any more; the \
         value is 1, set by the write of 1 by process 0 (lines 1–6)",
    );
}

#[test]
fn a_cas_needs_the_old_value() {
    assert_rule(
        "0 invoke write 1
         0 ok write 1
         1 invoke cas [2,3]
         1 ok cas [2,3]",
        "invoke cas [2,3]",
        "invoke cas [1,3]",
        "the register: no order explains the cas from 2 to 3 by process 1 (lines 3–4): nothing invoked before it ended \
         leaves 2 behind; the value is 1, set by the write of 1 by process 0 (lines 1–2)",
    );
}

#[test]
fn of_two_cas_from_one_value_only_one_succeeds() {
    assert_rule(
        "0 invoke cas [null,1]
         1 invoke cas [null,2]
         0 ok cas [null,1]
         1 ok cas [null,2]",
        "1 ok cas [null,2]",
        "1 fail cas [null,2]",
        "the register: no order explains the cas from null to 2 by process 1 (lines 2–4): null cannot be there any more; \
         the value is 1, set by the cas from null to 1 by process 0 (lines 1–3)",
    );
}

#[test]
fn a_failed_cas_saw_another_value() {
    assert_rule(
        "0 invoke write 1
         0 ok write 1
         1 invoke cas [1,2]
         1 fail cas [1,2]",
        "fail cas [1,2]",
        "fail cas [1,2] error",
        "the register: no order explains the failed cas from 1 by process 1 (lines 3–4): it must have seen another value, \
         but all the while 1 was there, set by the write of 1 by process 0 (lines 1–2)",
    );
}

#[test]
fn a_failed_write_has_no_effect_and_an_unknown_one_may_have() {
    assert_rule(
        "0 invoke write 1
         0 fail write 1
         1 invoke read
         1 ok read 1",
        "fail write 1",
        "info write 1",
        "the register: no order explains the read of 1 by process 1 (lines 3–4): nothing invoked before it ended leaves 1 \
         behind; the value is null since the beginning",
    );
}

#[test]
fn an_unknown_write_takes_effect_once_at_most() {
    assert_rule(
        "0 invoke write 1
         0 info write 1
         1 invoke read
         1 ok read 1
         1 invoke write 2
         1 ok write 2
         1 invoke read
         1 ok read 1",
        "0 info write 1",
        "0 invoke write 1",
        "the register: no order explains the read of 1 by process 1 (lines 7–8): 1, left behind by the write of 1 by \
         process 0 (line 1, never completed), cannot be there any more; the value is 2, set by the write of 2 by process \
         1 (lines 5–6)",
    );
}

#[test]
fn appends_come_one_after_the_other() {
    assert_rule(
        "0 invoke append \"a\"
         1 invoke append \"b\"
         0 ok append \"a\"
         1 ok append \"b\"
         0 invoke read
         0 ok read \"ba\"
         1 invoke read
         1 ok read \"ab\"",
        "ok read \"ab\"",
        "ok read \"ba\"",
        "the register: no order explains the read of \"ab\" by process 1 (lines 7–8): nothing invoked before it ended \
         leaves \"ab\" behind; the value is \"ba\", set by the append of \"a\" by process 0 (lines 1–3)",
    );
}

#[test]
fn null_and_the_empty_string_are_the_same() {
    assert_rule(
        "0 invoke read
         0 ok read \"\"
         0 invoke append \"\"
         0 ok append \"\"
         0 invoke cas [\"\",\"a\"]
         0 ok cas [\"\",\"a\"]
         0 invoke read
         0 ok read \"\"",
        "cas [\"\",\"a\"]
         0 ok cas",
        "cas [null,null]
         0 ok cas",
        "the register: no order explains the read of null by process 0 (lines 7–8): null, left behind by the append of \"\" \
         by process 0 (lines 3–4), cannot be there any more; the value is \"a\", set by the cas from null to \"a\" by process 0 (lines 5–6)",
    );
}

#[test]
fn nothing_is_appended_to_an_integer() {
    assert_rule(
        "0 invoke write 5
         0 ok write 5
         0 invoke append \"a\"
         0 ok append \"a\"",
        "invoke write 5",
        "invoke write \"5\"",
        "the register: no order explains the append of \"a\" by process 0 (lines 3–4): nothing can be appended to the \
         integer 5, set by the write of 5 by process 0 (lines 1–2)",
    );
}

#[test]
fn a_process_may_go_on_after_an_unknown_outcome() {
    // A loose history: the write of process 0 takes effect after its own later read.
    assert_rule(
        "0 invoke write 1
         0 info write 1
         0 invoke read
         0 ok read null
         1 invoke read
         1 ok read 1
         0 invoke read
         0 ok read null",
        "0 ok read null
         1 invoke read
         1 ok read 1
         0 invoke read
         0 ok read null",
        "0 ok read null
         1 invoke read
         1 ok read 1
         0 invoke read
         0 ok read 1",
        "the register: no order explains the read of null by process 0 (lines 7–8): null cannot be there any more; the \
         value is 1, set by the write of 1 by process 0 (line 1, never completed)",
    );
}

#[test]
fn an_example_cites_both_sides_and_the_shortest_stuck_prefix() {
    let judgement = judge(
        "0 invoke write 1
         0 ok write 1
         1 invoke read
         1 ok read null
         0 invoke write 2
         0 ok write 2",
    );
    let example = &judgement.anomalies[0].examples[0];
    let lines: Vec<u32> = example.operations.iter().map(|cited| cited.line).collect();
    assert_eq!(lines, [1, 2, 3, 4]);
    assert_eq!(example.item["prefix-operations"], 2);
    assert_eq!(example.item["stuck-line"], 4);
    assert_eq!(example.item["partial-linearization"][0]["text"], "write of 1 by process 0");
}
