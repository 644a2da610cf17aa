//! What the taps saw of a made-up run: rates, plots, the page's table and its sequence diagram.

use tornwrite::history::entry::{Anatomy, AnatomyMessage, Entry, WireSample};
use tornwrite::metrics::{Measurement, compute};
use tornwrite::report::plot::of_run;
use tornwrite::report::write_run;
use tornwrite::store::RunStore;

use crate::sample::{self, LOAD, Write};

fn message(client: &str, server: &str, command: &str, target: &str) -> AnatomyMessage {
    AnatomyMessage {
        client: client.to_owned(),
        server: server.to_owned(),
        command: command.to_owned(),
        target: Some(target.to_owned()),
        nth: 1,
        is_delivery: false,
        seen_in: 3,
        request_us: 300,
        answer_us: Some(900),
        after_answer: false,
    }
}

fn history() -> Vec<Entry> {
    let mut entries = sample::history(Write::Outbox);
    let mut taken = 0;
    for entry in &mut entries {
        let Entry::Sample(sample) = entry else { continue };
        // Three write conflicts a second on one link, one insert in vain on the other; each link keeps its connections.
        taken += 1;
        let api = WireSample {
            messages: taken * 400,
            connections: 5,
            connections_opened: 5,
            write_conflicts: taken * 3,
            ..WireSample::default()
        };
        let relay = WireSample { messages: taken * 20, connections: 2, duplicate_keys: taken, ..WireSample::default() };
        sample.wire = [("api-1 → mongodb".to_owned(), api), ("relay-1 → mongodb".to_owned(), relay)].into();
    }
    let delivered = AnatomyMessage {
        is_delivery: true,
        after_answer: true,
        seen_in: 2,
        ..message("relay-1", "mongodb", "find", "outbox")
    };
    let purchase = Anatomy {
        at: LOAD - 1,
        operation: "purchase".to_owned(),
        recordings: 3,
        messages: vec![message("api-1", "mongodb", "update", "products"), delivered],
    };
    let nothing = Anatomy { at: LOAD - 1, operation: "read".to_owned(), recordings: 3, messages: Vec::new() };
    entries.splice(3..3, [Entry::Anatomy(purchase), Entry::Anatomy(nothing)]);
    entries
}

fn measured() -> Measurement {
    let judgement = sample::judgement(Write::Outbox);
    compute(&sample::resolved(Write::Outbox), sample::lines(history()), &judgement).expect("the history can be read")
}

#[test]
fn rates_are_the_growth_of_all_links_together_and_connections_are_what_is_open() {
    let metrics = measured().metrics;
    let rates: Vec<_> = metrics.timeline.iter().filter_map(|second| second.sampled.as_ref()?.wire).collect();
    assert!(rates.len() > 10, "{rates:?}");
    for rate in &rates[1..] {
        assert_eq!((rate.messages, rate.write_conflicts, rate.duplicate_keys), (420, 3, 1), "{rate:?}");
        assert_eq!((rate.connections_open, rate.connections_opened), (7, 0), "{rate:?}");
    }
}

#[test]
fn what_never_happened_has_no_line_and_a_run_without_taps_no_plot() {
    let plots = of_run(&measured().metrics);
    let named = |name: &str| plots.iter().find(|plot| plot.name == name).expect("a plot");
    let conflicts = &named("wire-conflicts").svg;
    assert!(conflicts.contains("write conflicts") && conflicts.contains("duplicate keys"), "{conflicts}");
    assert!(!conflicts.contains("matched nothing") && !conflicts.contains("sent again"), "{conflicts}");
    assert!(named("wire-connections").svg.contains("open"));

    let run = sample::run_file(Write::Outbox);
    let entries = sample::lines(sample::history(Write::Outbox));
    let without = compute(&run.resolved, entries, &sample::judgement(Write::Outbox)).expect("it can be read");
    assert!(of_run(&without.metrics).iter().all(|plot| !plot.name.starts_with("wire")));
    assert!(!tornwrite::report::json::pretty(&without.metrics).contains("anatom"));
}

#[test]
fn the_page_shows_the_messages_of_each_kind_as_a_sequence_without_cells() {
    let out = tempfile::tempdir().expect("a folder");
    let started = time::macros::datetime!(2026-11-22 10:15:00 UTC);
    let (_, mut folder) = RunStore::create(out.path(), "tapped", 42, started).expect("a store");
    let run_folder = folder.variant("outbox").expect("a folder");
    let run = sample::run_file(Write::Outbox);
    write_run(&run_folder, &run, &sample::judgement(Write::Outbox), &measured()).expect("a report");
    let page = std::fs::read_to_string(run_folder.path().join("report.html")).expect("a page");
    let section = page.split("<h2>The messages that one operation costs</h2>").nth(1).expect("a section of its own");
    let section = section.split("<h2>").next().expect("up to the next heading");
    let caption = "2 messages: 1 api-1 → mongodb, 1 relay-1 → mongodb; 1 before the client is answered";
    assert!(section.contains(caption), "{section}");
    assert!(section.contains("update products") && section.contains("≈ 2/3"), "{section}");
    assert!(section.contains("<strong>read</strong>: no message to MongoDB or Kafka that could be read."), "{section}");
    assert!(!section.contains("kill") && !section.contains("href"), "a sequence has no cells: {section}");
    let table = page.split("<h2>What passed on the links</h2>").nth(1).expect("a table");
    assert!(table.contains("api-1 → mongodb") && table.contains("duplicate keys"), "{table}");
}
