//! What a file may hold, and what is said of one that does not.

use std::io::Write;

use serde::de::{Deserialize, Deserializer};
use serde_json::Value;

use super::*;
use crate::operation::{Head, Kind, Process};

/// A model that keeps everything as it came.
#[derive(Debug, Default)]
struct Echo {
    value: Option<Value>,
    key: Option<Value>,
    operations: Vec<Taken>,
}

/// An operation: its head, its place, its value, its key.
type Taken = (Head<char>, Place, Option<Value>, Option<Value>);

impl Recorder for Echo {
    type Function = char;

    fn begin(&mut self) {
        (self.value, self.key) = (None, None);
    }

    fn function(name: &str) -> Option<char> {
        name.chars().next().filter(|_| name != "start-partition")
    }

    fn value<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        self.value = Some(Value::deserialize(deserializer)?);
        Ok(())
    }

    fn key<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        self.key = Some(Value::deserialize(deserializer)?);
        Ok(())
    }

    fn operation(&mut self, head: &Head<char>, place: Place) -> Result<(), String> {
        if self.value == Some(Value::from("refused")) {
            return Err("expected something else".to_owned());
        }
        self.operations.push((*head, place, self.value.take(), self.key.take()));
        Ok(())
    }

    fn memory(&self) -> u64 {
        self.operations.len() as u64 * 100
    }
}

const MEMORY: u64 = 1 << 20;

fn histories(bytes: &[u8]) -> (Vec<History<Echo>>, Result<(), String>) {
    let mut histories = Vec::new();
    let result = stream(Path::new("f"), bytes, MEMORY, |history| {
        histories.push(history);
        ControlFlow::Continue(())
    });
    (histories, result.map_err(|error| error.to_string()))
}

fn one(bytes: &[u8]) -> History<Echo> {
    let (mut histories, result) = histories(bytes);
    assert_eq!((result, histories.len()), (Ok(()), 1));
    histories.pop().expect("there is one")
}

fn refused(bytes: &[u8]) -> String {
    histories(bytes).1.expect_err("it is refused")
}

const JSON: &str = r#"{"index":0,"time":5,"process":3,"type":"invoke","f":"write","value":1,"key":"a"}

{"value":[null,{"x":[[4611686018427387904,"v"]]}],"type":"ok","extra":{"deep":[1]},"error":null,"f":"write","process":3}
{"process":"nemesis","type":"info","f":"start","value":{"any":"thing"}}
{"process":4,"type":"fail","f":"write","error":["timeout"],"time":null}
"#;

const EDN: &str = r#"
; what Jepsen writes
[#jepsen.history.Op{:index 0, :time 5, :process 3, :type :invoke, :f :write, :value 1, :key "a"}
 {:value [nil {"x" [[4611686018427387904 "v"]]}], :type :ok, :extra {:deep #{1}}, :error nil :f :write
  :process 3} {:process :nemesis, :type :info, :f :start, :value {:any "thing [{ \" ; "}}
 {:process 4, :type :fail, :f :write, :error [:timeout \} #inst "2026-01-01"], :time nil}]
"#;

/// What was read, without places.
fn content(history: &History<Echo>) -> Vec<(Head<char>, Option<Value>, Option<Value>)> {
    let recorder = history.recorder.as_ref().expect("it fits");
    recorder.operations.iter().map(|(head, _, value, key)| (*head, value.clone(), key.clone())).collect()
}

fn lines(history: &History<Echo>) -> Vec<(u32, u32)> {
    let recorder = history.recorder.as_ref().expect("it fits");
    recorder.operations.iter().map(|(_, place, ..)| (place.line, place.ordinal)).collect()
}

#[test]
fn json_lines_are_read_whatever_the_order_of_their_keys() {
    let history = one(JSON.as_bytes());
    assert_eq!((history.id.clone(), history.operations, history.known), (None, 4, 3));
    assert_eq!(lines(&history), [(1, 0), (3, 1), (5, 3)]);
    let content = content(&history);
    let head = |index, time, process, kind, has_error| Head {
        index,
        time,
        process: Process::Client(process),
        kind,
        function: 'w',
        has_error,
    };
    let second = serde_json::json!([null, {"x": [[4_611_686_018_427_387_904_i64, "v"]]}]);
    assert_eq!(
        content,
        [
            (head(Some(0), 5, 3, Kind::Invoke, false), Some(1.into()), Some("a".into())),
            (head(None, 0, 3, Kind::Ok, false), Some(second), None),
            (head(None, 0, 4, Kind::Fail, true), None, None),
        ]
    );
}

#[test]
fn edn_says_the_same_as_a_vector_and_as_one_map_a_line() {
    let json = content(&one(JSON.as_bytes()));
    let vector = one(EDN.as_bytes());
    assert_eq!(content(&vector), json);
    assert_eq!(lines(&vector), [(3, 0), (4, 1), (6, 3)]);
    let bare = EDN.replace("\n[", "\n").replace("]\n", "\n");
    assert_eq!(content(&one(bare.as_bytes())), json);
}

#[test]
fn compressed_files_are_told_by_their_bytes_and_may_have_several_members() {
    let json = content(&one(JSON.as_bytes()));
    let (first, second) = JSON.split_at(100);
    let mut gzip = Vec::new();
    let mut zstandard = Vec::new();
    for part in [first, second] {
        let mut encoder = flate2::write::GzEncoder::new(&mut gzip, flate2::Compression::fast());
        encoder.write_all(part.as_bytes()).expect("memory can be written");
        encoder.finish().expect("memory can be written");
        zstandard.extend(zstd::encode_all(part.as_bytes(), 1).expect("memory can be written"));
    }
    assert_eq!(content(&one(&gzip)), json);
    assert_eq!(content(&one(&zstandard)), json);
    assert_eq!(histories(&gzip[..gzip.len() - 9]).1.map_err(|error| error.starts_with("f: ")), Err(true));
    assert_eq!(histories(&zstandard[..zstandard.len() - 9]).1.map_err(|error| error.starts_with("f: ")), Err(true));
}

#[test]
fn a_file_may_hold_a_history_a_line() {
    let text = r#"{"history":[{"process":1,"type":"ok","f":"r"},{"process":1,"type":"ok","f":"r"}],"id":"a","note":{}}

{"id":7,"history":[]}
{"note":[{"history":1}],"id":null,"history":[{"process":1,"type":"ok","f":"r"}]}
"#;
    let (found, result) = histories(text.as_bytes());
    assert_eq!(result, Ok(()));
    let told: Vec<_> = found.iter().map(|found| (found.id.as_deref(), found.line, found.operations)).collect();
    assert_eq!(told, [(Some("a"), 1, 2), (Some("7"), 3, 0), (None, 4, 1)]);
    assert_eq!(lines(&found[0]), [(1, 0), (1, 1)]);
    let edn = "{:id \"a\" :history [{:process 1 :type :ok :f :r}]}\n{:id :b, :history ()}\n";
    let (found, result) = histories(edn.as_bytes());
    assert_eq!(result, Ok(()));
    let told: Vec<_> = found.iter().map(|found| (found.id.as_deref(), found.line, found.operations)).collect();
    assert_eq!(told, [(Some("a"), 1, 1), (Some("b"), 2, 0)]);
    assert_eq!(one(b"[{\"process\":1,\"type\":\"ok\",\"f\":\"r\"}]").operations, 1);
}

#[test]
fn whoever_has_seen_enough_reads_no_further() {
    let text = "{\"id\":1,\"history\":[]}\n{\"id\":2,\"history\":[]}\nno history\n";
    let mut seen = 0;
    let result = stream(Path::new("f"), text.as_bytes(), MEMORY, |_: History<Echo>| {
        seen += 1;
        ControlFlow::Break(())
    });
    assert!(result.is_ok());
    assert_eq!(seen, 1);
}

#[test]
fn what_is_no_history_is_said_with_its_line() {
    let ok = r#"{"process":1,"type":"ok","f":"r"}"#;
    let cases = [
        (String::new(), "f: no operation in it"),
        (" \n\n".to_owned(), "f: no operation in it"),
        ("hello".to_owned(), "f, line 1: expected value (column 1)"),
        (format!("{ok}\n{{\"process\":1"), "f, line 2: EOF while parsing an object (column 12)"),
        (format!("{ok}\n\n{ok} {ok}"), "f, line 3: trailing characters"),
        (format!("{ok}\n{{\"id\":1,\"history\":[]}}"), "f, line 2: an operation without `process`"),
        (r#"{"process":1,"type":"ok"}"#.to_owned(), "f, line 1: an operation without `f`"),
        (r#"{"process":1,"f":"r"}"#.to_owned(), "f, line 1: an operation without `type`"),
        (r#"{"process":1,"type":"okay","f":"r"}"#.to_owned(), "expected invoke, ok, fail or info"),
        (r#"{"process":1.5,"type":"ok","f":"r"}"#.to_owned(), "expected a client's number"),
        (r#"{"process":1,"process":1,"type":"ok","f":"r"}"#.to_owned(), "`process` stands twice"),
        (r#"{"process":1,"type":"ok","f":"r","time":"noon"}"#.to_owned(), "expected an integer"),
        (format!("{ok}\n{}", ok.replace("\"f\"", "\"value\":\"refused\",\"f\"")), "f, line 2: expected something else"),
        ("{:process 1 :type :ok :f :r".to_owned(), "f, line 1: the file ends before the form"),
        ("[{:process 1 :type :ok :f :r}\n".to_owned(), "f, line 1: the file ends before the vector"),
        ("[{:process 1 :type :ok :f :r}] 7\n".to_owned(), "f, line 1: the file ends before the form"),
        ("[{:process 1 :type :ok :f :r}]\n{}\n".to_owned(), "f, line 2: a form after the end"),
        ("{:process 1 :type :ok :f :r}}\n".to_owned(), "f, line 1: a bracket closes that never opened"),
        ("[{:process 1 :type :ok :f :r}\n 7]\n".to_owned(), "f, line 2: something that is no map"),
        ("{:process 1 :type :ok\n :f [:r)}\n".to_owned(), "f, line 1: no EDN: UnmatchedDelimiter"),
        ("{:process 1 :type :ok}\n".to_owned(), "f, line 1: an operation without `f`"),
    ];
    for (text, expected) in cases {
        let error = refused(text.as_bytes());
        assert!(error.contains(expected), "{text:?}: {error:?} does not contain {expected:?}");
    }
    assert_eq!(refused(b"{\"process\":1,\"type\":\"ok\",\"f\":\"r\"}\n\n\xff\n"), "f, line 3: not UTF-8");
}

#[test]
fn what_comes_before_a_mistake_has_been_handed_over() {
    let (found, result) = histories(b"{\"id\":1,\"history\":[]}\n{\"id\":2}\n");
    assert_eq!(found.len(), 1);
    assert!(result.expect_err("the second line").contains("line 2: missing field `history`"));
}

#[test]
fn of_a_stream_that_breaks_off_the_whole_lines_are_handed_over() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for number in 0..1_000 {
        writeln!(encoder, "{{\"id\":{number},\"history\":[]}}").expect("memory can be written");
    }
    let whole = encoder.finish().expect("memory can be written");
    let (found, result) = histories(&whole[..whole.len() / 2]);
    assert!(found.len() > 100 && found.len() < 1_000, "{}", found.len());
    assert!(result.is_err());
}

#[test]
fn deep_nesting_is_refused_and_harms_nobody() {
    let deep = "[".repeat(1_000_000);
    let ok = r#"{"process":1,"type":"ok","f":"r"}"#;
    let error = refused(format!("{ok}\n{{\"process\":1,\"value\":{deep}").as_bytes());
    assert!(error.contains("line 2: recursion limit exceeded"), "{error}");
    let error = refused(format!("{{\"process\":1,\"other\":{deep}").as_bytes());
    assert!(error.contains("line 1: EOF"), "{error}");
    let error = refused(format!("{{:process 1 :type :ok :f :r :value {deep}").as_bytes());
    assert!(error.contains("line 1: nested deeper than 128 levels"), "{error}");
    let error = refused(format!("{{\"id\":{deep},\"history\":[]}}").as_bytes());
    assert!(error.contains("line 1: "), "{error}");
}

#[test]
fn a_history_beyond_its_memory_says_so_and_is_not_held() {
    let text = "{\"process\":1,\"type\":\"ok\",\"f\":\"r\"}\n".repeat(20_000);
    let history = one(text.as_bytes());
    assert_eq!(history.recorder.map(drop), Err(Exhausted::Memory(MEMORY)));
    let operations = "{\"process\":1,\"type\":\"ok\",\"f\":\"r\"},".repeat(20_000);
    let text = format!("{{\"id\":1,\"history\":[{}]}}\n{{\"id\":2,\"history\":[]}}", operations.trim_end_matches(','));
    let (found, result) = histories(text.as_bytes());
    assert_eq!(result, Ok(()));
    assert!(found[0].recorder.is_err());
    assert_eq!((found[0].id.as_deref(), found[1].recorder.is_ok()), (Some("1"), true));
}

#[test]
fn a_bomb_of_gzip_ends_at_the_memory_that_is_allowed() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let spaces = vec![b'"'; 1 << 20];
    encoder.write_all(b"{\"value\":").expect("memory can be written");
    for _ in 0..256 {
        encoder.write_all(&spaces).expect("memory can be written");
    }
    let bomb = encoder.finish().expect("memory can be written");
    assert!(bomb.len() < 1 << 20);
    assert!(refused(&bomb).contains("line 1: longer than 1 MiB (--memory)"));
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(b"{:value [").expect("memory can be written");
    for _ in 0..64 {
        encoder.write_all(&b":a\n".repeat(1 << 16)).expect("memory can be written");
    }
    let bomb = encoder.finish().expect("memory can be written");
    assert!(refused(&bomb).contains("a form longer than 1 MiB"));
}
