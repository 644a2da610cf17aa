//! Linearizability, side by side with Porcupine in one run: its 108 recorded histories, its cases without partition by
//! key, and ten million compare-and-sets on versioned documents. Each time is the check alone, after reading.

#[path = "../tests/porcupine/driver.rs"]
mod driver;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use driver::Driver;
use serde::de::DeserializeSeed;
use torn_engine::budget::Budget;
use torn_engine::operation::{Place, Recorder, Seed};
use torn_engine::register::{Action, History, Operation, Options, Scalar};
use torn_engine::verdict::Verdict;

fn main() {
    beside_porcupine();
    println!();
    for keys in [1_000_000, 10_000, 4, 1] {
        pushed(keys);
    }
    read(10_000);
}

/// So many operations on versioned documents.
const OPERATIONS: u32 = 10_000_000;

/// What a client of versioned documents did.
struct Step {
    key: usize,
    process: i64,
    invoked: u64,
    completed: Option<u64>,
    seen: i64,
    outcome: Outcome,
}

enum Outcome {
    Changed,
    Refused,
    Read,
    Lost,
}

/// The operations of a run: of 20, 13 change a document, 4 come too late, 2 read, and 1 never hears of its success.
/// Some twenty are under way at any time.
fn steps(keys: usize) -> impl Iterator<Item = Step> {
    let (mut versions, mut random) = (vec![0_i64; keys], 0x2545_f491_4f6c_dd1d_u64);
    (0..u64::from(OPERATIONS)).map(move |number| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let key = (random >> 20) as usize % keys;
        let version = versions[key];
        let outcome = match random % 20 {
            13..17 if version > 0 => Outcome::Refused,
            17 | 18 => Outcome::Read,
            19 => Outcome::Lost,
            _ => Outcome::Changed,
        };
        if matches!(outcome, Outcome::Changed | Outcome::Lost) {
            versions[key] += 1;
        }
        let seen = if matches!(outcome, Outcome::Refused) { version - 1 } else { version };
        let invoked = 10 * number;
        let end = invoked + 1 + (random >> 40) % 400;
        let completed = (!matches!(outcome, Outcome::Lost)).then_some(end);
        Step { key, process: (number % 50).cast_signed(), invoked, completed, seen, outcome }
    })
}

/// Operations that are intervals already, as tornwrite's own runs have them.
fn pushed(keys: usize) {
    let names: Vec<String> = (0..keys).map(|key| format!("item-{key}")).collect();
    let start = Instant::now();
    let mut history = History::default();
    for (number, step) in steps(keys).enumerate() {
        let version = |version: i64| if version == 0 { Scalar::Null } else { version.into() };
        let (old, new) = (version(step.seen), version(step.seen + 1));
        let action = match step.outcome {
            Outcome::Changed | Outcome::Lost => Action::Cas { old, new },
            Outcome::Refused => Action::FailedCas { old },
            Outcome::Read => Action::Read(old),
        };
        let Step { process, invoked, completed, .. } = step;
        let place = Place { line: number as u32 + 1, ordinal: number as u32 };
        let key = &names[step.key];
        history.push(&Operation { key, process, invoked, completed, action, place, completion: None });
    }
    judged(&format!("{OPERATIONS} operations on {keys} documents, pushed"), &history, start.elapsed());
    spoiled(history, &names[0]);
}

/// The same with one answer that is wrong, in the middle.
fn spoiled(mut history: History, key: &str) {
    let (middle, place) = (5 * u64::from(OPERATIONS), Place { line: OPERATIONS + 1, ordinal: OPERATIONS });
    let (invoked, completed, action) = (middle, Some(middle + 50), Action::Read(Scalar::Null));
    history.push(&Operation { key, process: 50, invoked, completed, action, place, completion: None });
    let start = Instant::now();
    let judgement = history.judge(&Options::default(), &Budget::unlimited());
    assert_eq!(judgement.verdict, Verdict::Invalid);
    let explanation = &judgement.anomalies[0].examples[0].explanation;
    println!("  with one wrong read: judged and explained in {:.2} s: {explanation}", start.elapsed().as_secs_f64());
}

/// The same as lines of a file, parsed one by one.
fn read(keys: usize) {
    let mut history = History::default();
    let (mut reading, mut lines, mut waiting) = (Duration::ZERO, String::new(), BTreeMap::<(u64, u32), String>::new());
    let mut ordinal = 0;
    let mut flush = |lines: &mut String, reading: &mut Duration| {
        let start = Instant::now();
        for line in lines.lines() {
            let place = Place { line: ordinal + 1, ordinal };
            let mut text = serde_json::Deserializer::from_str(line);
            Seed { recorder: &mut history, place }.deserialize(&mut text).expect("an operation of a register");
            ordinal += 1;
        }
        *reading += start.elapsed();
        lines.clear();
    };
    for (number, step) in steps(keys).enumerate() {
        while let Some(entry) = waiting.first_entry().filter(|entry| entry.key().0 < step.invoked) {
            lines.push_str(&entry.remove());
        }
        let show = |version: i64| if version == 0 { "null".to_owned() } else { version.to_string() };
        let (function, value, kind) = match step.outcome {
            Outcome::Changed => ("cas", format!("[{},{}]", show(step.seen), step.seen + 1), "ok"),
            Outcome::Lost => ("cas", format!("[{},{}]", show(step.seen), step.seen + 1), "info"),
            Outcome::Refused => ("cas", format!("[{},{}]", show(step.seen), step.seen + 1), "fail"),
            Outcome::Read => ("read", show(step.seen), "ok"),
        };
        // A process of its own, since those of the steps may still be busy.
        let line = |kind: &str, time: u64| {
            let key = step.key;
            format!(
                "{{\"process\":{},\"type\":\"{kind}\",\"f\":\"{function}\",\"key\":\"item-{key}\",\"value\":{value},\"time\":{time}}}\n",
                number % 1_000,
            )
        };
        lines.push_str(&line("invoke", step.invoked));
        if let Some(completed) = step.completed {
            waiting.insert((completed, number as u32), line(kind, completed));
        }
        if lines.len() > 1 << 24 {
            flush(&mut lines, &mut reading);
        }
    }
    lines.extend(waiting.into_values());
    flush(&mut lines, &mut reading);
    judged(&format!("{OPERATIONS} operations on {keys} documents, {ordinal} lines read"), &history, reading);
}

fn judged(name: &str, history: &History, reading: Duration) {
    let (mut least, mut searched) = (Duration::MAX, 0);
    for _ in 0..3 {
        let start = Instant::now();
        let judgement = history.judge(&Options::default(), &Budget::unlimited());
        least = least.min(start.elapsed());
        assert_eq!(judgement.verdict, Verdict::Valid, "{:?}", judgement.anomalies);
        searched = judgement.figures["decided-by-search"].as_u64().unwrap_or(0);
    }
    let held = history.memory() >> 20;
    let peak = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:")).map_or("unknown", str::trim);
    let (reading, least) = (reading.as_secs_f64(), least.as_secs_f64());
    println!(
        "{name}: taken in {reading:.2} s, judged in {least:.2} s ({searched} documents by search); {held} MiB held, peak of this process {peak}"
    );
}

/// The least time of several checks.
fn check(history: &History, partition: bool, expected: bool) -> Duration {
    let options = Options { partition, ..Options::default() };
    let (begin, mut least) = (Instant::now(), Duration::MAX);
    for _ in 0..10 {
        let start = Instant::now();
        let judgement = history.judge(&options, &Budget::unlimited());
        least = least.min(start.elapsed());
        assert_eq!(judgement.verdict == Verdict::Valid, expected);
        if begin.elapsed() > Duration::from_secs(2) {
            break;
        }
    }
    least
}

fn beside_porcupine() {
    let verdicts = Driver::build().map(|driver| driver.check("measure"));
    if verdicts.is_none() {
        println!("Go is not installed: the engine alone");
    }
    let mut porcupine = BTreeMap::new();
    for verdict in verdicts.into_iter().flatten() {
        porcupine.insert((verdict.id, verdict.partition), (verdict.nanoseconds, verdict.linearizable));
    }
    let mut sums = [0.0, 0.0];
    println!("{:<28} {:>12} {:>12} {:>8}", "history", "engine", "porcupine", "ratio");
    for recorded in driver::recorded() {
        let history = recorded.read();
        for partition in [true, false] {
            let theirs = porcupine.get(&(recorded.id.clone(), partition)).map(|&(nanoseconds, linearizable)| {
                assert_eq!(linearizable, recorded.linearizable, "{}", recorded.id);
                nanoseconds as f64 / 1e6
            });
            if !partition && theirs.is_none() {
                continue;
            }
            let ours = check(&history, partition, recorded.linearizable).as_secs_f64() * 1e3;
            if partition {
                sums[0] += ours;
                sums[1] += theirs.unwrap_or(0.0);
            }
            if recorded.id.starts_with("kv") || ours > 1.0 {
                let name = if partition { recorded.id.clone() } else { format!("{}, all keys at once", recorded.id) };
                line(&name, ours, theirs);
            }
        }
    }
    line("all 108", sums[0], Some(sums[1]).filter(|&sum| sum > 0.0));
}

fn line(name: &str, ours: f64, theirs: Option<f64>) {
    match theirs {
        Some(theirs) => println!("{name:<28} {ours:>9.3} ms {theirs:>9.3} ms {:>8.4}", ours / theirs),
        None => println!("{name:<28} {ours:>9.3} ms"),
    }
}
