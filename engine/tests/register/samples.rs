//! The sample histories and the verdicts that Porcupine gave them.

use std::fs::File;
use std::io::{BufRead, BufReader};

use flate2::read::GzDecoder;
use torn_engine::budget::Budget;
use torn_engine::register::{Options, Reductions};
use torn_engine::verdict::Verdict;

#[test]
fn all_samples_are_judged_as_porcupine_judges_them() {
    let file = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/histories/register-samples.jsonl.gz"))
        .expect("the samples are in the repository");
    let mut counts = [0, 0];
    for line in BufReader::new(GzDecoder::new(file)).lines() {
        let sample: serde_json::Value = serde_json::from_str(&line.expect("it is text")).expect("it is JSON");
        let operations = sample["history"].as_array().expect("a history is a list");
        let lines: Vec<String> = operations.iter().map(ToString::to_string).collect();
        let history = crate::read(&lines.join("\n"));
        let expected = if sample["linearizable"] == true { Verdict::Valid } else { Verdict::Invalid };
        counts[usize::from(expected == Verdict::Valid)] += 1;
        let default = Options::default();
        let search = Options { shortcuts: false, ..default };
        let whole = Options { partition: false, ..default };
        let ways = [default, search, whole, Options { reductions: Reductions::ALL, ..search }];
        for options in ways {
            let judgement = history.judge(&options, &Budget::unlimited());
            assert_eq!(judgement.verdict, expected, "{} with {options:?}", sample["id"]);
        }
    }
    assert_eq!(counts, [74, 124]);
}
