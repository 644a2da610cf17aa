//! What cannot be done to somebody else's servers is said before the run, and never silently passed.

use tornwrite::checker::verdict::CheckVerdict;
use tornwrite::history::entry::{Entry, FaultStep};

use super::runs::{RUN, desk};
use super::servers::{Kafka, Mongod, databases};
use crate::runs::{OUTBOX, scenario};

const STRIKES: &str = "[[fault]]\nat = \"500ms\"\nkill = \"mongodb\"\nrestart_after = \"500ms\"\n\n\
                       [[fault]]\nat = \"1s\"\nfor = \"1s\"\npartition = [\"api\", \"kafka\"]\n\n\
                       [[fault]]\nat = \"3s\"\nfor = \"1s\"\npartition = [\"api\", \"mongodb\"]\n\n\
                       [[fault]]\nat = \"5s\"\nkill = \"projector-1\"\nrestart_after = \"500ms\"\n\n";

#[test]
fn a_fault_that_is_not_possible_is_told_before_the_run_or_left_out_on_demand_and_listed_as_not_checked() {
    // No spare listener, and an address: nothing can stand in front of this broker.
    let (mongod, broker) = (Mongod::default().start(), Kafka::default().start());
    let variant = format!("[[variant]]\nname = \"outbox\"\n{OUTBOX}\nexpect.verdict = \"valid\"\n");
    let desk = desk(&mongod, &broker, &scenario("7s", &format!("{STRIKES}{variant}")));
    let ended = desk.torn(&RUN).with_code(3);
    let ended = ended.saying("scenario: kill mongodb is not possible here: torn did not start it (mongodb)");
    let ended =
        ended.saying("scenario: partition api → kafka is not possible here: no proxy can stand in front of kafka");
    let ended = ended.saying("or give spare listeners that advertise ports of this host (kafka.listeners)");
    assert_eq!(ended.stderr.matches("is not possible here").count(), 2, "a line for each: {ended}");
    assert!(desk.runs().is_empty(), "nothing was run: {ended}");

    let mut anyway = RUN.to_vec();
    anyway.push("--possible-faults");
    // Whether the load met everything that could have been wrong is not asked here.
    let ended = desk.torn(&anyway);
    assert!(matches!(ended.code, Some(0 | 2)), "{ended}");
    let run = desk.run();
    let steps: Vec<(u32, FaultStep, Option<String>)> = run
        .entries()
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Fault(event) => Some((event.fault, event.step, event.detail)),
            _ => None,
        })
        .collect();
    for fault in [0, 1] {
        let of_it: Vec<_> = steps.iter().filter(|(number, _, _)| *number == fault).collect();
        let [(_, FaultStep::NotApplicable, Some(reason))] = of_it.as_slice() else { panic!("{of_it:?}") };
        assert!(reason.contains("torn did not start it") || reason.contains("no proxy can stand"), "{reason}");
    }
    for fault in [2, 3] {
        let is_healed = |step: &(u32, FaultStep, Option<String>)| step.0 == fault && step.1 == FaultStep::Healed;
        assert!(steps.iter().any(is_healed), "fault {fault} was carried out: {ended}");
    }
    let checks = run.judgement().checks;
    let left_out: Vec<_> = checks.iter().filter(|check| check.name.starts_with("fault exercised: ")).collect();
    for (number, expected) in [(0, CheckVerdict::NotChecked), (1, CheckVerdict::NotChecked), (2, CheckVerdict::Valid)] {
        assert_eq!(left_out[number].verdict, expected, "{:?}", left_out[number]);
    }
    assert!(left_out[0].reason.contains("torn did not start it"), "{:?}", left_out[0]);
    assert!(run.file()["command"].as_str().is_some_and(|command| command.contains("--possible-faults")));
    assert_eq!((databases(&mongod), broker.topics()), (vec![], vec![]));
}

#[test]
fn what_a_killed_run_left_is_listed_and_removed_on_demand_and_nothing_else() {
    let (mongod, broker) = (Mongod::default().start(), Kafka { spare: 4, ..Kafka::default() }.start());
    let variant = format!("[[variant]]\nname = \"outbox\"\n{OUTBOX}");
    let desk = desk(&mongod, &broker, &scenario("60s", &variant));
    super::servers::block_on(async {
        let root = super::servers::administrator(&mongod, "").await;
        root.database("torn_orders").create_collection("theirs").await.expect("the administrator may");
    });
    let mut going = desk.start(&RUN);
    going.until_recorded(&["\"complete\"", "\"ok\""]);
    going.signal(nix::sys::signal::Signal::SIGKILL);
    going.end();
    assert_eq!(databases(&mongod).len(), 2, "a kill -9 leaves the run's database");
    let clean = ["external", "clean", "--external", "external.toml"];
    let listed = desk.torn(&clean).with_code(0).saying("database torn_").saying("topic torn-").saying("--yes");
    assert!(!listed.stdout.contains("torn_orders"), "it is somebody else's: {listed}");
    assert_eq!(databases(&mongod).len(), 2, "looking removes nothing");
    desk.torn(&[&clean[..], &["--yes"]].concat()).with_code(0).saying("removed");
    assert_eq!((databases(&mongod), broker.topics()), (vec!["torn_orders".to_owned()], vec![]));
    desk.torn(&clean).with_code(0).saying("no run left anything");
}
