//! Verdicts in both directions: a broken pattern is caught, a right one is not accused, and a wrong expectation fails.

use tornwrite::checker::verdict::{AnomalyKind, Verdict};

use super::{NAIVE, OUTBOX, desk, manifest, scenario};

/// The projector's first life commits its offsets every 5 s; this is before the first time.
const KILLED_PROJECTOR: &str = r#"
[[fault]]
at = "1500ms"
kill = "projector-1"
restart_after = "500ms"
"#;

#[test]
fn a_naive_consumer_that_is_expected_to_be_right_fails_with_the_effects_it_doubled() {
    let variant = format!("[[variant]]\nname = \"naive\"\n{NAIVE}\nexpect.verdict = \"valid\"");
    let desk = desk(&manifest(), &scenario("3s", &format!("{KILLED_PROJECTOR}\n{variant}")));
    let ended = desk.torn(&["run", "scenario.toml", "--no-progress"]).with_code(1);
    let judgement = desk.run().judgement();
    assert_eq!(judgement.verdict, Verdict::Invalid, "{ended}");
    let doubled = judgement.anomalies.iter().find(|anomaly| anomaly.kind == AnomalyKind::DuplicateEffect);
    let doubled = doubled.unwrap_or_else(|| panic!("duplicate-effect is found: {ended}"));
    assert!(doubled.forbidden && !doubled.examples.is_empty(), "{doubled:?}");
    assert!(!judgement.anomalies.iter().any(|anomaly| anomaly.kind == AnomalyKind::LostEvent), "{ended}");
    let times = if doubled.count == 1 { "once".to_owned() } else { format!("{} times", doubled.count) };
    ended
        .saying("INVALID  naive: NOT AS EXPECTED")
        .saying(&format!("duplicate-effect occurred {times} and is forbidden"))
        .saying(&doubled.examples[0].explanation);
}

#[test]
fn a_right_pattern_that_is_expected_to_lose_events_fails_because_it_did_not() {
    let variant = format!("[[variant]]\nname = \"outbox\"\n{OUTBOX}\nexpect.anomalies = [\"lost-event\"]");
    let desk = desk(&manifest(), &scenario("2s", &variant));
    let ended = desk.torn(&["run", "scenario.toml", "--no-progress"]).with_code(1);
    assert_eq!(desk.run().judgement().verdict, Verdict::Valid, "{ended}");
    ended.saying("VALID  outbox: NOT AS EXPECTED").saying("lost-event was expected and did not occur");
}

#[test]
fn two_instances_that_answer_from_their_own_memory_are_caught_telling_of_the_past() {
    let variant = r#"
[instances]
api = 2

[[variant]]
name = "cache"
pattern = { stock = "compare-and-set", write = "outbox", relay = "polling", consumer = "inbox", read = "cache" }
expect.anomalies = ["stale-read"]
expect.also = ["non-monotonic-read"]
"#;
    let desk = desk(&manifest(), &scenario("4s", variant));
    // Several clients take turns; one alone would know of everything that it could be told too late.
    let sets = ["--set", "load.mix.read=9", "--set", "load.workers=8"];
    let ended = desk.torn(&[&["run", "scenario.toml", "--no-progress"], &sets[..]].concat()).with_code(0);
    let judgement = desk.run().judgement();
    let stale = judgement.anomalies.iter().find(|anomaly| anomaly.kind == AnomalyKind::StaleRead);
    let stale = stale.unwrap_or_else(|| panic!("stale-read is found: {ended}"));
    let example = &stale.examples[0];
    assert!(example.story.iter().all(|step| step.line.is_some()), "each step has its line: {example:?}");
    ended.saying(&example.explanation);
}

#[test]
fn an_outbox_survives_the_faults_that_a_seed_draws_and_all_of_them_are_carried_out() {
    let faults = r#"
[random_faults]
count = 4

[[random_faults.choice]]
always = true
kill = "relay-1"
shortest = "500ms"
longest = "1s"

[[random_faults.choice]]
partition = ["relay", "kafka"]
shortest = "500ms"
longest = "1s"

[[random_faults.choice]]
latency = ["api", "mongodb"]
delay = "20ms"
jitter = "5ms"
shortest = "500ms"
longest = "1s"

[[random_faults.choice]]
pause = "api-1"
shortest = "300ms"
longest = "500ms"
"#;
    let variant = format!("[[variant]]\nname = \"outbox\"\n{OUTBOX}");
    let desk = desk(&manifest(), &scenario("6s", &format!("{faults}\n{variant}")));
    let ended = desk.torn(&["run", "scenario.toml", "--no-progress", "--seed", "3"]).with_code(0);
    let run = desk.run();
    let checks = run.judgement().checks;
    let exercised = checks.iter().filter(|check| check.name.starts_with("fault exercised: ")).count();
    assert_eq!((exercised, run.judgement().verdict), (4, Verdict::Valid), "{ended}");
    assert_eq!(run.file()["seed"], 3);
}
