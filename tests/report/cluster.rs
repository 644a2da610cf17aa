//! A made-up failover: the primary and a leader are lost at 4 s, when Kafka is cut off, and come back at 9 s.

use tornwrite::history::entry::{ClusterEvent, ClusterStep, Entry};
use tornwrite::history::facts::Facts;
use tornwrite::metrics::{Measurement, compute};
use tornwrite::report::plot::{of_run, run::Scale, run::throughput};
use tornwrite::report::write_run;
use tornwrite::store::RunStore;

use crate::sample::{self, LOAD, MS, Write};

/// What the watchers told, by milliseconds since the load began.
fn told() -> Vec<Entry> {
    let member = |at: i64, event, member: &str, detail: &str| {
        let at = LOAD.checked_add_signed(at * MS.cast_signed()).expect("after the run began");
        let detail = Some(detail.to_owned());
        ClusterEvent { member: Some(member.to_owned()), detail, ..ClusterEvent::new(at, "mongodb", event) }
    };
    let leads = |at: i64, broker: &str, partition: &str, detail: &str| ClusterEvent {
        dependency: "kafka".to_owned(),
        partition: Some(partition.to_owned()),
        ..member(at, ClusterStep::Leader, broker, detail)
    };
    let in_sync = |at: i64, partition: &str, here: &[&str]| ClusterEvent {
        member: None,
        in_sync: Some(here.iter().map(ToString::to_string).collect()),
        replicas: Some(3),
        event: ClusterStep::InSync,
        ..leads(at, "", partition, "")
    };
    let all = ["kafka-1", "kafka-2", "kafka-3"];
    let events = [
        member(-3000, ClusterStep::Elected, "mongodb-1", "term 1"),
        member(-3000, ClusterStep::State, "mongodb-2", "SECONDARY"),
        member(-3000, ClusterStep::State, "mongodb-3", "SECONDARY"),
        leads(-2900, "kafka-1", "purchases/0", "kafka-1, leader epoch 0"),
        leads(-2900, "kafka-2", "purchases/1", "kafka-2, leader epoch 0"),
        leads(-2900, "kafka-1", "purchases/2", "kafka-1, leader epoch 0"),
        in_sync(-2900, "purchases/0", &all),
        in_sync(-2900, "purchases/1", &all),
        in_sync(-2900, "purchases/2", &all),
        member(4500, ClusterStep::State, "mongodb-1", "DOWN"),
        ClusterEvent {
            dependency: "kafka".to_owned(),
            ..member(4600, ClusterStep::BrokerLost, "kafka-1", "it does not answer")
        },
        member(6300, ClusterStep::Elected, "mongodb-3", "term 2"),
        leads(7200, "kafka-2", "purchases/0", "kafka-1 → kafka-2, leader epoch 1"),
        in_sync(7200, "purchases/0", &all[1..]),
        leads(7200, "kafka-2", "purchases/2", "kafka-1 → kafka-2, leader epoch 1"),
        in_sync(7200, "purchases/2", &all[1..]),
        in_sync(8100, "purchases/1", &all[1..]),
        member(9200, ClusterStep::SteppedDown, "mongodb-1", "ROLLBACK"),
        member(9300, ClusterStep::State, "mongodb-1", "SECONDARY"),
        member(9300, ClusterStep::RolledBack, "mongodb-1", "rollback id 1 → 2"),
        in_sync(11_000, "purchases/0", &all),
        in_sync(11_000, "purchases/1", &all),
        in_sync(11_000, "purchases/2", &all),
    ];
    events.into_iter().map(Entry::Cluster).collect()
}

fn history() -> Vec<Entry> {
    let mut entries = sample::history(Write::Outbox);
    entries.splice(3..3, told());
    entries
}

fn measured() -> Measurement {
    let judgement = sample::judgement(Write::Outbox);
    compute(&sample::resolved(Write::Outbox), sample::lines(history()), &judgement).expect("the history can be read")
}

#[test]
fn what_a_cluster_did_reads_as_it_did() {
    insta::assert_snapshot!("cluster", tornwrite::report::json::pretty(&measured().metrics.cluster));
}

#[test]
fn a_run_without_a_cluster_says_nothing_of_one() {
    let run = sample::run_file(Write::Outbox);
    let entries = sample::lines(sample::history(Write::Outbox));
    let measurement = compute(&run.resolved, entries, &sample::judgement(Write::Outbox)).expect("it can be read");
    let text = tornwrite::report::json::pretty(&measurement.metrics);
    assert!(!text.contains("\"cluster\""), "{text}");
    let plots = of_run(&measurement.metrics);
    assert!(plots.iter().all(|plot| plot.name != "in-sync" && !plot.svg.contains("--mark")));
}

#[test]
fn facts_hold_every_event_with_its_line_whether_read_as_entries_or_as_lines() {
    let resolved = sample::resolved(Write::Outbox);
    let facts = Facts::read(&resolved, sample::lines(history())).expect("facts");
    let events: Vec<Entry> = facts.clusters.iter().map(|(_, event)| Entry::Cluster(event.clone())).collect();
    assert_eq!(events, told());
    assert_eq!(facts.clusters[0].0, 5);
    for entry in told() {
        let line = serde_json::to_string(&entry).expect("an entry serializes");
        assert_eq!(serde_json::from_str::<Entry>(&line).expect("an entry"), entry, "{line}");
    }
}

#[test]
fn the_report_shows_what_a_cluster_did_with_a_letter_on_every_plot_over_time() {
    let out = tempfile::tempdir().expect("a folder");
    let started = time::macros::datetime!(2026-11-22 10:15:00 UTC);
    let (_, mut folder) = RunStore::create(out.path(), "failover", 42, started).expect("a store");
    let run_folder = folder.variant("outbox").expect("a folder");
    let (run, measurement) = (sample::run_file(Write::Outbox), measured());
    write_run(&run_folder, &run, &sample::judgement(Write::Outbox), &measurement).expect("a report");
    let page = std::fs::read_to_string(run_folder.path().join("report.html")).expect("a page");
    let table = page.split("<h2>What the cluster did</h2>").nth(1).expect("a table of its own");
    let table = table.split("<h2>").next().expect("up to the next heading");
    insta::assert_snapshot!("cluster_table", table.replace("<tr>", "\n<tr>").replace("<p", "\n<p"));

    let metrics = &measurement.metrics;
    let plot = throughput(metrics, Scale::of(metrics)).expect("a plot");
    // Two that are a tenth of a second apart share a text, and each has its stroke.
    let letters = ["a", "b", "c–d"].map(|letter| plot.svg.matches(&format!("\n{letter}\n")).count());
    assert_eq!(letters, [1; 3], "{}", plot.svg);
    assert_eq!(plot.svg.matches("stroke=\"var(--mark)\"").count(), 4);
    assert!(of_run(metrics).iter().any(|plot| plot.name == "in-sync"));
}
