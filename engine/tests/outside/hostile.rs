//! Whatever a file holds, the outcome is a verdict or an error with its line: never a panic, never memory without bound.

use std::fmt::Write;

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use torn_engine::verdict::Verdict;

use super::{MEMORY, MODELS, judge};

/// What mutations begin with: both syntaxes, both models.
const SEEDS: [&str; 4] = [
    r#"{"index":0,"time":1,"process":0,"type":"invoke","f":"send","value":[["send","x",1]]}
{"index":1,"time":2,"process":0,"type":"ok","f":"send","value":[["send","x",[0,1]]]}
{"index":2,"time":3,"process":1,"type":"invoke","f":"txn","value":[["poll"],["send","x",2]]}
{"index":3,"time":4,"process":1,"type":"ok","f":"txn","value":[["poll",{"x":[[0,1]]}],["send","x",[null,2]]]}
{"index":4,"time":5,"process":1,"type":"invoke","f":"poll","value":[["poll"]]}
{"index":5,"time":6,"process":1,"type":"fail","f":"poll","value":[["poll",{"x":[[0,1],[3,2]],"y":[]}]],"rebalance-log":[{"keys":["x"]}]}
{"index":6,"time":7,"process":2,"type":"invoke","f":"assign","value":["x"]}
{"index":7,"time":8,"process":2,"type":"ok","f":"assign","value":["x"]}
{"index":8,"time":9,"process":3,"type":"info","f":"crash","value":null}
"#,
    r#"{"process":0,"type":"invoke","f":"write","value":1,"key":"a"}
{"process":1,"type":"invoke","f":"cas","value":[1,2],"key":"a"}
{"process":0,"type":"ok","f":"write","value":1,"key":"a"}
{"process":1,"type":"fail","f":"cas","value":[1,2],"key":"a","error":"timeout"}
{"process":0,"type":"invoke","f":"read","value":null,"key":"a"}
{"process":0,"type":"ok","f":"read","value":1,"key":"a"}
{"process":2,"type":"invoke","f":"append","value":"x","key":"b"}
{"process":2,"type":"info","f":"append","value":"x","key":"b"}
{"process":2,"type":"invoke","f":"cas","value":["x","y"],"key":"b"}
{"process":2,"type":"ok","f":"cas","value":["x","y"],"key":"b"}
"#,
    r#"[{:process 0, :type :invoke, :f :txn, :value [[:send 0 1] [:poll]]}
 #jepsen.history.Op{:process 0, :type :ok, :f :txn, :value [[:send 0 [4 1]] [:poll {0 [[4 1]] 1 []}]]}
 {:process :nemesis, :type :info, :f :start, :value nil :error [:a \] "]"]}]
"#,
    r#"{"id":"a","history":[{"process":0,"type":"invoke","f":"read"},{"process":0,"type":"ok","f":"read","value":"v"}]}
{"id":"b","history":[]}
"#,
];

/// What mutations put in.
const WORDS: [&str; 28] = [
    "null",
    "\"\"",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "\\",
    ",",
    ":",
    "\n",
    "-1",
    "9223372036854775807",
    "9223372036854775808",
    "4611686018427387904",
    "1e308",
    "0.5",
    "true",
    "\"send\"",
    "\"poll\"",
    "[\"poll\",{\"x\":[[-5,1]]}]",
    "nil",
    "#_",
    ";",
    "\"\\u0000\"",
    "\u{fe0f}",
    "[null,null]",
    "[[null,[null]]]",
];

#[test]
fn no_mutation_of_a_history_brings_the_engine_down() {
    let mut random = StdRng::seed_from_u64(1);
    let (mut judged, mut refused) = (0, 0);
    for round in 0..20_000 {
        let mut text = SEEDS[round % SEEDS.len()].as_bytes().to_vec();
        for _ in 0..random.random_range(1..4) {
            mutate(&mut text, &mut random);
        }
        for model in MODELS {
            match judge(model, &text) {
                Ok(_) => judged += 1,
                Err(_) => refused += 1,
            }
        }
    }
    // Both ways were gone, or this test has tried nothing.
    assert!(judged > 2_000 && refused > 2_000, "{judged} judged, {refused} refused");
}

fn mutate(text: &mut Vec<u8>, random: &mut impl Rng) {
    if text.is_empty() {
        return;
    }
    let from = random.random_range(0..text.len());
    let to = (from + random.random_range(1..40)).min(text.len());
    match random.random_range(0..7) {
        0 => text[from] = random.random(),
        1 => drop(text.drain(from..to)),
        2 => {
            let part = text[from..to].to_vec();
            let at = random.random_range(0..text.len());
            drop(text.splice(at..at, part));
        }
        3 => {
            let word = WORDS[random.random_range(0..WORDS.len())];
            drop(text.splice(from..from, word.bytes()));
        }
        4 => text.truncate(from),
        5 => {
            // Another number where one stands.
            if let Some(at) = (from..text.len()).find(|&at| text[at].is_ascii_digit()) {
                let number = random.random_range(-2_i64..6).to_string();
                drop(text.splice(at..=at, number.bytes()));
            }
        }
        _ => {
            // Two lines change places, or one comes twice.
            let mut lines: Vec<Vec<u8>> = text.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
            let (one, other) = (random.random_range(0..lines.len()), random.random_range(0..lines.len()));
            if random.random() {
                lines.swap(one, other);
            } else {
                let line = lines[one].clone();
                lines.insert(other, line);
            }
            *text = lines.join(&b'\n');
        }
    }
}

#[test]
fn a_key_of_ten_megabytes_is_a_key_like_any_other() {
    let key = "k".repeat(10 << 20);
    let mut log = String::new();
    let mut register = String::new();
    for (index, kind) in ["invoke", "ok"].into_iter().enumerate() {
        let value = if index == 0 { "1" } else { "[4611686018427387904,1]" };
        let _ = writeln!(log, r#"{{"process":0,"type":"{kind}","f":"send","value":[["send","{key}",{value}]]}}"#);
        let _ = writeln!(register, r#"{{"process":0,"type":"{kind}","f":"write","value":1,"key":"{key}"}}"#);
    }
    let read = r#"{"process":0,"type":"KIND","f":"read","value":VALUE,"key":"KEY"}"#;
    for (kind, value) in [("invoke", "null"), ("ok", "2")] {
        let line = read.replace("KIND", kind).replace("VALUE", value).replace("KEY", &key);
        let _ = writeln!(register, "{line}");
    }
    let judged = judge("kafka-log", log.as_bytes()).expect("it can be read");
    assert_eq!(judged[0].anomalies.iter().map(|anomaly| anomaly.kind).collect::<Vec<_>>(), ["unseen"]);
    let judged = judge("register", register.as_bytes()).expect("it can be read");
    assert_eq!(judged[0].verdict, Verdict::Invalid);
    // What is cited of it stays readable.
    assert!(judged[0].anomalies[0].examples[0].explanation.len() < 10_000);
    assert!(judged[0].picture.as_ref().expect("there is a picture").len() < 1 << 20);
}

#[test]
fn more_keys_than_memory_is_unknown_and_says_so() {
    let mut log = String::new();
    let prefix = "k".repeat(1 << 10);
    for number in 0..(MEMORY >> 10) + 2_000 {
        let _ = writeln!(
            log,
            r#"{{"process":{number},"type":"invoke","f":"send","value":[["send","{prefix}{number}",1]]}}"#
        );
    }
    let judged = judge("kafka-log", log.as_bytes()).expect("it can be read");
    assert_eq!(judged[0].verdict, Verdict::Unknown);
    assert!(judged[0].reasons[0].contains("--memory"), "{:?}", judged[0].reasons);
}
