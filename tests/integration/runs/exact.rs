//! Faults at exact messages: they strike in the middle of the message's way, and a message that never comes is no quiet pass.

use tornwrite::checker::verdict::{AnomalyKind, Verdict};
use tornwrite::history::entry::{Entry, FaultStep};
use tornwrite::sweep::table::MessageRow;

use super::{OUTBOX, desk, manifest, scenario};
use crate::torn::StoredRun;

/// The steps of every fault, each with its name.
fn steps(run: &StoredRun) -> Vec<(String, FaultStep)> {
    let of_faults = run.entries().into_iter().filter_map(|entry| match entry {
        Entry::Fault(event) => Some((event.what, event.step)),
        _ => None,
    });
    of_faults.collect()
}

#[test]
fn a_dual_write_that_dies_right_before_it_publishes_loses_that_event() {
    let rest = r#"
[[fault]]
at = "200ms"
at_message = { link = "api-1:kafka", command = "Produce", target = "purchases", nth = 20 }
do = "kill-before"
restart_after = "200ms"

[[variant]]
name = "dual-write"
pattern = { stock = "conditional", write = "dual-write", consumer = "inbox" }
expect.anomalies = ["lost-event"]
expect.also = ["reordered-event", "divergent-projection"]
"#;
    let desk = desk(&manifest(), &scenario("3s", rest));
    let ended = desk.torn(&["run", "scenario.toml", "--no-progress"]).with_code(0);
    let run = desk.run();
    let what = "kill-before at api-1 → kafka: Produce purchases (20th)".to_owned();
    let expected = [FaultStep::Asked, FaultStep::Confirmed, FaultStep::Healing, FaultStep::Healed];
    assert_eq!(steps(&run), expected.map(|step| (what.clone(), step)), "{ended}");
    let judgement = run.judgement();
    assert!(judgement.anomalies.iter().any(|anomaly| anomaly.kind == AnomalyKind::LostEvent), "{ended}");
    desk.assert_nothing_is_left();
}

#[test]
fn an_outbox_stands_lost_answers_late_messages_and_a_relay_that_dies_after_it_has_published() {
    let rest = format!(
        r#"
[[fault]]
at = "100ms"
at_message = {{ link = "api-1:mongodb", command = "commitTransaction", nth = 3 }}
do = "drop-answer"

[[fault]]
at = "100ms"
at_message = {{ link = "api-1:mongodb", command = "insert", target = "outbox", nth = 8 }}
do = "delay"
delay = "50ms"

[[fault]]
at = "500ms"
at_message = {{ link = "relay-1:kafka", command = "Produce", nth = 2 }}
do = "kill-after-request"
restart_after = "200ms"

[[variant]]
name = "outbox"
{OUTBOX}
"#
    );
    let desk = desk(&manifest(), &scenario("3s", &rest));
    // Little stock: a product sells out also where a busy machine lets through a fraction.
    let little = "parameters.initial_stock=10";
    let ended =
        desk.torn(&["run", "scenario.toml", "--no-progress", "--set", little, "--set", "tap=true"]).with_code(0);
    let run = desk.run();
    let healed = steps(&run).into_iter().filter(|(_, step)| *step == FaultStep::Healed).count();
    assert_eq!(healed, 3, "each message came: {ended}");
    assert_eq!(run.judgement().verdict, Verdict::Valid, "{ended}");
    assert_eq!(
        costs(&run, "purchase"),
        [
            "api-1 → mongodb: findAndModify products",
            "api-1 → mongodb: insert outbox",
            "api-1 → mongodb: commitTransaction",
            "relay-1 → mongodb: find outbox, later",
            "relay-1 → kafka: Produce purchases, later",
        ],
        "{ended}"
    );
}

/// The messages of an operation of a kind that came in every recording, up to the first record.
fn costs(run: &StoredRun, kind: &str) -> Vec<String> {
    let anatomies = run.entries().into_iter().filter_map(|entry| match entry {
        Entry::Anatomy(anatomy) if anatomy.operation == kind => Some(anatomy),
        _ => None,
    });
    let messages = anatomies.flat_map(|anatomy| MessageRow::all_of(&anatomy)).filter(|row| !row.varies());
    let until_record = messages.filter(|row| !row.message.client.starts_with("projector")).take(5);
    let told = |row: MessageRow| format!("{}{}", row.message, if row.after_answer { ", later" } else { "" });
    until_record.map(told).collect()
}

#[test]
fn a_fault_whose_message_never_came_makes_the_run_unknown() {
    let rest = format!(
        r#"
[[fault]]
at = "0s"
at_message = {{ link = "api-1:mongodb", command = "dropDatabase" }}
do = "drop-request"

[[variant]]
name = "outbox"
{OUTBOX}
"#
    );
    let desk = desk(&manifest(), &scenario("2s", &rest));
    let ended = desk.torn(&["run", "scenario.toml", "--no-progress"]).with_code(2);
    assert_eq!(desk.run().judgement().verdict, Verdict::Unknown, "{ended}");
    ended.saying("its message never came: 0 of 1 before the load ended");
}
