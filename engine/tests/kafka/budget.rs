//! Beyond its budget a judgement is unknown, soon, and says why; and it gives back what it held.

use std::time::{Duration, Instant};

use torn_engine::budget::Budget;
use torn_engine::kafka::{History, Options};
use torn_engine::operation::Recorder;
use torn_engine::verdict::Verdict;

use crate::told::read;

/// A history whose operations all lie in one circle: the most work there is.
fn tangled(sends: usize) -> History {
    let poll = [
        r#"{"process":1,"type":"invoke","f":"poll","value":[["poll"]]}"#.to_owned(),
        format!(r#"{{"process":1,"type":"ok","f":"poll","value":[["poll",{{"x":[[{0},{0}]]}}]]}}"#, sends - 1),
    ];
    let sends = (0..sends).flat_map(|value| {
        let client = 2 + value % 20;
        [
            format!(r#"{{"process":{client},"type":"invoke","f":"send","value":[["send","x",{value}]]}}"#),
            format!(r#"{{"process":{client},"type":"ok","f":"send","value":[["send","x",[{value},{value}]]]}}"#),
        ]
    });
    let lines: Vec<String> = poll.into_iter().chain(sends).collect();
    read(lines.iter().map(String::as_str)).expect("the history is sound")
}

#[test]
fn a_circle_through_everything_is_found() {
    let judgement = tangled(200_000).judge(&Options::default(), &Budget::unlimited());
    let kinds: Vec<(&str, u64)> = judgement.anomalies.iter().map(|anomaly| (anomaly.kind, anomaly.count)).collect();
    assert_eq!(kinds, [("lost-write", 199_999), ("unseen", 199_999), ("g1c-realtime", 1)]);
    assert_eq!(judgement.anomalies[2].examples[0].operations.len(), 2, "the shortest circle is a poll and its send");
}

#[test]
fn a_check_that_runs_out_of_time_is_unknown_soon() {
    let history = tangled(200_000);
    let budget = Budget::new(Some(Duration::ZERO), u64::MAX);
    let start = Instant::now();
    let judgement = history.judge(&Options::default(), &budget);
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(judgement.verdict, Verdict::Unknown);
    assert_eq!(judgement.reasons, ["the check did not end within 0 s (--timeout)"]);
}

#[test]
fn wherever_the_time_runs_out_the_check_ends_soon() {
    for milliseconds in [1, 2, 5, 10, 20, 40] {
        let history = tangled(200_000);
        let timeout = Duration::from_millis(milliseconds);
        let start = Instant::now();
        let judgement = history.judge(&Options::default(), &Budget::new(Some(timeout), u64::MAX));
        assert!(start.elapsed() < timeout + Duration::from_secs(1), "{milliseconds} ms");
        let reason = format!("the check did not end within {} s (--timeout)", timeout.as_secs_f64());
        let expected = if judgement.verdict == Verdict::Unknown { vec![reason] } else { Vec::new() };
        assert_eq!(judgement.reasons, expected);
    }
}

#[test]
fn a_key_and_a_process_for_each_message_are_no_burden() {
    let count = 200_000;
    let lines: Vec<String> = (0..count)
        .flat_map(|place| {
            [
                format!(r#"{{"process":{place},"type":"ok","f":"assign","value":["key-{place}"]}}"#),
                format!(r#"{{"process":{place},"type":"ok","f":"send","value":[["send","key-{place}",[0,1]]]}}"#),
                format!(r#"{{"process":{place},"type":"ok","f":"poll","value":[["poll",{{"key-{place}":[[0,1]]}}]]}}"#),
            ]
        })
        .collect();
    let history = read(lines.iter().map(String::as_str)).expect("the history is sound");
    let start = Instant::now();
    let judgement = history.judge(&Options::default(), &Budget::new(None, 256 << 20));
    assert_eq!((judgement.verdict, judgement.reasons), (Verdict::Valid, Vec::new()));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn a_check_that_needs_too_much_memory_is_unknown() {
    let judgement = tangled(50_000).judge(&Options::default(), &Budget::new(None, 1 << 20));
    assert_eq!(judgement.verdict, Verdict::Unknown);
    assert_eq!(judgement.reasons, ["the check needs more than 1 MiB of memory (--memory)"]);
}

#[test]
fn what_a_check_held_is_given_back() {
    let budget = Budget::new(None, 64 << 20);
    for _ in 0..20 {
        assert_eq!(tangled(50_000).judge(&Options::default(), &budget).verdict, Verdict::Invalid);
    }
}

#[test]
fn the_columns_say_how_much_they_hold() {
    let (small, large) = (tangled(1_000).memory(), tangled(100_000).memory());
    assert!(large > 50 * small, "{small} and {large} bytes");
    assert!(large < 20_000_000, "{large} bytes for 200,000 records");
}
