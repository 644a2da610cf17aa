//! `torn check --model` through the built binary: what is printed, and the exit code.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::torn::TORN;

const READ_OF_TWO: &str = r#"{"process":0,"type":"invoke","f":"write","value":1}
{"process":0,"type":"ok","f":"write","value":1}
{"process":0,"type":"invoke","f":"read","value":null}
{"process":0,"type":"ok","f":"read","value":2}
"#;

fn check(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(TORN).arg("check").args(arguments).current_dir(folder).output().expect("torn can be started")
}

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).expect("torn prints UTF-8")
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).expect("torn prints UTF-8")
}

/// A folder with `invalid.jsonl`, `valid.jsonl` and `broken.jsonl`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("it can be written");
    write("invalid.jsonl", READ_OF_TWO);
    write("valid.jsonl", &READ_OF_TWO.replace("\"value\":2", "\"value\":1"));
    write("broken.jsonl", &format!("{READ_OF_TWO}nonsense\n"));
    folder
}

#[test]
fn a_person_gets_the_verdict_the_sentence_and_the_lines() {
    let folder = folder();
    let output = check(folder.path(), &["--model", "register", "valid.jsonl", "invalid.jsonl"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("VALID    valid.jsonl"), "{text}");
    assert!(text.contains("INVALID  invalid.jsonl"), "{text}");
    assert!(text.contains("1 × non-linearizable"), "{text}");
    assert!(text.contains("lines "), "{text}");
    assert!(text.contains("2 histories: 1 valid, 1 invalid, 0 unknown"), "{text}");
    let output = check(folder.path(), &["--model", "register", "valid.jsonl"]);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_machine_gets_one_object_a_history() {
    let folder = folder();
    let histories = format!(
        "{{\"id\":\"a\",\"history\":[{}]}}\n{{\"id\":\"b\",\"history\":[]}}\n",
        READ_OF_TWO.trim_end().replace('\n', ",")
    );
    fs::write(folder.path().join("many.jsonl"), histories).expect("it can be written");
    let output = check(folder.path(), &["--model", "register", "--format", "json", "many.jsonl"]);
    assert_eq!(output.status.code(), Some(1), "an invalid history weighs more than an unknown one");
    let lines: Vec<Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let [first, second] = &lines[..] else { panic!("two histories are two lines: {lines:?}") };
    assert_eq!(
        (&first["file"], &first["id"], &first["verdict"]),
        (&"many.jsonl".into(), &"a".into(), &"invalid".into())
    );
    assert_eq!(
        (&first["anomalies"][0]["kind"], &first["anomalies"][0]["count"]),
        (&"non-linearizable".into(), &1.into())
    );
    assert!(first["anomalies"][0]["examples"][0]["explanation"].is_string());
    assert!(first["millis"].is_number());
    assert_eq!((&second["id"], &second["verdict"]), (&"b".into(), &"unknown".into()));
    assert!(second["reasons"][0].as_str().is_some_and(|reason| reason.contains("read, write, cas, append")));
}

#[test]
fn standard_input_is_a_file_like_any_other() {
    let mut child = Command::new(TORN)
        .args(["check", "--model", "register", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("torn can be started");
    child.stdin.take().expect("it is piped").write_all(READ_OF_TWO.as_bytes()).expect("torn reads");
    let output = child.wait_with_output().expect("torn ends");
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("INVALID  standard input"), "{}", stdout(&output));
}

#[test]
fn what_cannot_be_read_is_named_with_its_line_and_is_no_verdict() {
    let folder = folder();
    let output = check(folder.path(), &["--model", "register", "broken.jsonl"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(stderr(&output), "torn: broken.jsonl, line 5: expected ident (column 2)\n");
    assert_eq!(stdout(&output), "");
    let output = check(folder.path(), &["--model", "register", "absent.jsonl"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).starts_with("torn: absent.jsonl: No such file"), "{}", stderr(&output));
}

#[test]
fn wrong_usage_is_said_before_anything_is_read() {
    let folder = folder();
    for (arguments, expected) in [
        (&["invalid.jsonl"][..], "say what they are with --model"),
        (&["--model", "register", "--forbid", "g1a", "valid.jsonl"], "only --model kafka-log knows --forbid"),
        (
            &["--model", "register", "--precedence", "process", "valid.jsonl"],
            "only --model kafka-log knows --precedence",
        ),
        (&["--model", "kafka-log", "--pictures", "p", "valid.jsonl"], "only --model register knows --pictures"),
        (
            &["--model", "kafka-log", "--forbid", "g9", "valid.jsonl"],
            "no kind of anomaly is called `g9`; there are: lost-write",
        ),
        (&["--model", "register", "--memory", "much", "valid.jsonl"], "--memory"),
        (&["--model", "register", "--timeout", "1", "valid.jsonl"], "--timeout"),
        (&["--model", "etcd", "valid.jsonl"], "kafka-log, register"),
        (&["--timeout", "1s", "valid.jsonl"], "--model"),
    ] {
        let output = check(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn a_picture_is_written_where_it_is_wanted() {
    let folder = folder();
    let output =
        check(folder.path(), &["--model", "register", "--pictures", "drawn/here", "invalid.jsonl", "valid.jsonl"]);
    let drawn = folder.path().join("drawn/here");
    let names: Vec<_> = fs::read_dir(&drawn)
        .expect("the folder was made")
        .map(|entry| entry.expect("it can be read").file_name())
        .collect();
    assert_eq!(names, ["invalid.jsonl-1.svg"]);
    assert!(stdout(&output).contains("picture: drawn/here/invalid.jsonl-1.svg"), "{}", stdout(&output));
    assert!(fs::read_to_string(drawn.join("invalid.jsonl-1.svg")).expect("it can be read").starts_with("<svg"));
}

/// Sixty compare-and-sets, all under way at once, between twelve values: is there a trail through all of them? There are
/// more ways to go than time to try them.
fn hard() -> String {
    let mut random = StdRng::seed_from_u64(3);
    let steps: Vec<[i32; 2]> = (0..60).map(|_| [random.random_range(0..12), random.random_range(0..12)]).collect();
    let mut text = String::new();
    for kind in ["invoke", "ok"] {
        for (process, [old, new]) in steps.iter().enumerate() {
            let _ = writeln!(text, r#"{{"process":{process},"type":"{kind}","f":"cas","value":[{old},{new}]}}"#);
        }
    }
    let first = r#"{"process":60,"type":"KIND","f":"write","value":0}"#;
    format!("{}\n{}\n{text}", first.replace("KIND", "invoke"), first.replace("KIND", "ok"))
}

#[test]
fn a_history_that_takes_too_long_is_unknown_within_a_second_of_its_time() {
    let folder = folder();
    fs::write(folder.path().join("hard.jsonl"), hard()).expect("it can be written");
    let started = Instant::now();
    let output = check(folder.path(), &["--model", "register", "--timeout", "1s", "hard.jsonl"]);
    let took = started.elapsed();
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    assert!(stdout(&output).contains("--timeout"), "{}", stdout(&output));
    // Generous: the machine may be busy.
    assert!(took < Duration::from_secs(20), "{took:?}");
    let output = check(folder.path(), &["--model", "register", "--memory", "1MiB", "hard.jsonl"]);
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    assert!(stdout(&output).contains("--memory"), "{}", stdout(&output));
}

#[test]
fn a_report_of_etcds_robustness_tests_is_judged_key_by_key() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/etcd-robustness");
    let converted = Command::new("python3")
        .arg(example.join("convert.py"))
        .arg(example.join("report"))
        .output()
        .expect("python3 can be started");
    assert!(converted.status.success(), "{}", stderr(&converted));
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::write(folder.path().join("right.jsonl"), &converted.stdout).expect("it can be written");
    let output = check(folder.path(), &["--model", "register", "right.jsonl"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    // The same report, and before all of it somebody has read what was written last.
    let mut lines: Vec<Value> =
        stdout(&converted).lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let is_write = |line: &&Value| line["f"] == "write" && line["value"].is_string();
    let last = lines.iter().rfind(is_write).expect("something was written").clone();
    for (kind, value) in [("ok", &last["value"]), ("invoke", &Value::Null)] {
        let read =
            serde_json::json!({"process": 1 << 20, "f": "read", "key": last["key"], "type": kind, "value": value});
        lines.insert(0, read);
    }
    let wrong = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    fs::write(folder.path().join("wrong.jsonl"), wrong).expect("it can be written");
    let output = check(folder.path(), &["--model", "register", "wrong.jsonl"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
}
