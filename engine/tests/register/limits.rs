//! The budget, and input that no recorder was made for.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use torn_engine::budget::Budget;
use torn_engine::operation::Place;
use torn_engine::register::{Action, History, Operation, Options, Reductions, Scalar};
use torn_engine::verdict::Verdict;

/// A key with so many writes under way at once that without any reduction nobody ends trying them, and then a read that
/// none of them explains.
fn hard(history: &mut History, key: &str) {
    let mut push = |number: u32, invoked, completed, action| {
        let place = Place { line: number + 1, ordinal: number };
        let (process, completed) = (number.into(), Some(completed));
        history.push(&Operation { key, process, invoked, completed, action, place, completion: None });
    };
    for number in 0..30 {
        push(number, 1, 10 + u64::from(number), Action::Write(Scalar::Integer(number.into())));
    }
    push(30, 100, 101, Action::Read(Scalar::Integer(-1)));
}

#[test]
fn a_search_ends_with_the_time_and_says_how_far_it_came() {
    let mut history = History::default();
    hard(&mut history, "hard");
    let options = Options { shortcuts: false, reductions: Reductions::NONE, ..Options::default() };
    for timeout in [Duration::ZERO, Duration::from_millis(300)] {
        let start = Instant::now();
        let judgement = history.judge(&options, &Budget::new(Some(timeout), u64::MAX));
        assert!(start.elapsed() < timeout + Duration::from_secs(1), "{:?}", start.elapsed());
        assert_eq!(judgement.verdict, Verdict::Unknown);
        let [reason] = &judgement.reasons[..] else { panic!("{:?}", judgement.reasons) };
        assert!(reason.starts_with("key \"hard\": the check did not end within"), "{reason}");
        assert!(timeout.is_zero() || reason.contains("it came"), "{reason}");
    }
}

#[test]
fn a_search_ends_with_the_memory() {
    let mut history = History::default();
    hard(&mut history, "hard");
    let options = Options { shortcuts: false, reductions: Reductions::NONE, ..Options::default() };
    let judgement = history.judge(&options, &Budget::new(Some(Duration::from_mins(1)), 1 << 22));
    assert_eq!(judgement.verdict, Verdict::Unknown);
    assert!(judgement.reasons[0].contains("more than 4 MiB"), "{:?}", judgement.reasons);
}

#[test]
fn an_invalid_key_beats_one_that_takes_too_long() {
    let mut history = History::default();
    hard(&mut history, "hard");
    let place = Place { line: 9_999, ordinal: 9_998 };
    let action = Action::Read(Scalar::Integer(1));
    let wrong = Operation { key: "wrong", process: 0, invoked: 1, completed: Some(2), action, place, completion: None };
    history.push(&wrong);
    let options = Options { shortcuts: false, reductions: Reductions::NONE, ..Options::default() };
    let judgement = history.judge(&options, &Budget::new(Some(Duration::from_millis(500)), u64::MAX));
    assert_eq!(judgement.verdict, Verdict::Invalid);
    assert_eq!(judgement.anomalies[0].count, 1);
    assert!(judgement.anomalies[0].examples[0].explanation.starts_with("key \"wrong\""));
}

#[test]
fn whatever_is_recorded_there_is_a_verdict_or_an_error_and_no_panic() {
    let values = [
        "null",
        "0",
        "1",
        "-9223372036854775808",
        "18446744073709551615",
        "1e300",
        "0.5",
        "true",
        "\"\"",
        "\"a\"",
        "\"b\"",
        "\"\\u0000\\ud83d\\ude00\"",
        "[]",
        "[1]",
        "[0,1]",
        "[1,\"a\"]",
        "[null,null]",
        "[\"k\",[0,1]]",
        "[1,2,3]",
        "[[1],2]",
        "[[1,2],[3,4]]",
        "{}",
        "{\"a\":[1]}",
    ];
    let keys = ["null", "1", "\"1\"", "\"\"", "[1]", "false", "18446744073709551615"];
    let mut random = StdRng::seed_from_u64(3);
    let mut pick = |words: &[&str]| words[random.random_range(0..words.len())].to_owned();
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..5_000 {
        let mut history = History::default();
        for ordinal in 0..12 {
            let process = pick(&["0", "1", "-5", "\"nemesis\"", "null"]);
            let (kind, function) =
                (pick(&["invoke", "invoke", "ok", "fail", "info"]), pick(&["read", "write", "cas", "append"]));
            let mut line = format!("{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{function}\"");
            if pick(&["", "value"]) == "value" {
                write!(line, ",\"value\":{}", pick(&values)).expect("a string takes everything");
            }
            if pick(&["", "key"]) == "key" {
                write!(line, ",\"key\":{}", pick(&keys)).expect("a string takes everything");
            }
            line.push('}');
            match crate::take(&mut history, &line, ordinal) {
                Ok(_) => taken += 1,
                Err(error) => {
                    refused += 1;
                    assert!(!error.to_string().is_empty());
                }
            }
        }
        let verdicts = [true, false]
            .map(|partition| history.judge(&Options { partition, ..Options::default() }, &Budget::unlimited()).verdict);
        assert_eq!(verdicts[0], verdicts[1]);
        assert_ne!(verdicts[0], Verdict::Unknown);
    }
    assert!(taken > 10_000 && refused > 10_000, "{taken} {refused}");
}

#[test]
fn nothing_is_linearizable() {
    let judgement = History::default().judge(&Options::default(), &Budget::unlimited());
    assert_eq!(judgement.verdict, Verdict::Valid);
}

#[test]
fn a_picture_is_well_formed_whatever_stands_in_the_history() {
    let nasty = "<script>alert('&amp;\u{0}\u{1b}\u{fffe}\u{202e}]]>\"')</script>".repeat(50);
    let mut history = History::default();
    let place = |line| Place { line, ordinal: line - 1 };
    let mut push = |line, process, invoked, completed, action| {
        let (place, key) = (place(line), nasty.as_str());
        history.push(&Operation { key, process, invoked, completed, action, place, completion: None });
    };
    for number in 0..200 {
        let at = u64::from(number) * 10;
        push(number + 1, i64::from(number % 7), at, Some(at + 25), Action::Append(&nasty));
    }
    push(201, i64::MIN, 5, None, Action::Write(Scalar::Text(&nasty)));
    push(202, i64::MAX, 3_000, Some(3_001), Action::Read(Scalar::Text("never <written>")));
    let judgement = history.judge(&Options::default(), &Budget::unlimited());
    assert_eq!(judgement.verdict, Verdict::Invalid);
    let picture = judgement.picture.expect("a bad history has a picture");
    let document = roxmltree::Document::parse(&picture).unwrap_or_else(|error| panic!("{error}"));
    let count = |class: &str| {
        let is_of =
            |node: &roxmltree::Node| node.attribute("class").is_some_and(|all| all.split(' ').any(|one| one == class));
        document.descendants().filter(is_of).count()
    };
    assert_eq!((count("stuck"), count("bar")), (1, 60), "at most sixty operations are drawn");
    assert!(count("point") >= 50 && picture.len() < 1 << 17, "{} {}", count("point"), picture.len());
    assert!(judgement.anomalies[0].examples[0].explanation.len() < 2_000);
}
