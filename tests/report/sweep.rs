//! What a sweep leaves on disk, of a made-up one: dual-write with three harmful places, and an outbox without any.

use std::path::PathBuf;

use indexmap::IndexMap;
use serde_json::json;
use tempfile::TempDir;
use time::macros::datetime;
use tornwrite::checker::verdict::{AnomalyKind, Example, Place, Step};
use tornwrite::report::write_sweep;
use tornwrite::store::{RunStore, ScenarioFolder};
use tornwrite::sweep::point::{Action, Manner, MessageName};
use tornwrite::sweep::table::{Cell, CellVerdict, FORMAT, MessageRow, Retry, Sweep, Try, VariantSweep};

use crate::sample::{HOSTILE, LOAD, MS};

/// Who asks whom for what, in this order.
type Named<'a> = (&'a str, &'a str, &'a str, &'a str);

fn row(number: u64, name: Named, manner: Manner, after_answer: bool) -> MessageRow {
    let (client, server, command, target) = name;
    MessageRow {
        message: MessageName {
            client: client.to_owned(),
            server: server.to_owned(),
            command: command.to_owned(),
            target: (!target.is_empty()).then(|| target.to_owned()),
            nth: 1,
        },
        manner,
        seen_in: 3,
        recordings: 3,
        request_us: 900 + 1350 * number,
        answer_us: Some(900 + 1350 * number + 640),
        after_answer,
        cells: Action::of(manner).map(|action| cell(action, CellVerdict::Harmless, 3)).collect(),
    }
}

/// Three tries, of which some came out so and the others harmless.
fn cell(action: Action, verdict: CellVerdict, of_them: usize) -> Cell {
    let tries = (0..3).map(|number| tried(if number < of_them { verdict } else { CellVerdict::Harmless }, number));
    Cell { action, verdict, tries: tries.collect() }
}

fn tried(verdict: CellVerdict, number: usize) -> Try {
    let operation = format!("purchase-{:06}", 40 + number);
    Try {
        verdict,
        anomalies: if verdict == CellVerdict::Harmful { vec![AnomalyKind::LostEvent] } else { Vec::new() },
        example: (verdict == CellVerdict::Harmful).then(|| lost_event(&operation)),
        note: (verdict == CellVerdict::Unknown).then(|| format!("projector-1 did not come back: {HOSTILE}")),
        told: if verdict == CellVerdict::Harmless { "201" } else { "no answer" }.to_owned(),
        operation,
        entity: format!("product-{:03}", 40 + number),
        took_ms: 412 + 9 * number as u64,
    }
}

fn lost_event(operation: &str) -> Example {
    let step = |at, line, place, text: &str| Step { at, line, place, text: text.to_owned() };
    Example {
        explanation: format!("{operation} took 2 of product-040, and no record of purchase.completed tells of it."),
        story: vec![
            step(Some(LOAD), Some(311), Place::Operation, "sent purchase of product-040, quantity 2"),
            step(
                Some(LOAD + 9 * MS),
                Some(318),
                Place::Document,
                "products/product-040: stock 500 → 498, version 1 → 2",
            ),
            step(Some(LOAD + 9 * MS), Some(319), Place::Fault, "api-1 was killed"),
            step(Some(LOAD + 11 * MS), Some(320), Place::Operation, "the client got no answer: connection reset"),
            step(None, None, Place::Record, "no record of purchases names this operation"),
        ],
        facts: IndexMap::from([("operation".to_owned(), json!(operation))]),
    }
}

fn set(row: &mut MessageRow, action: Action, verdict: CellVerdict, of_them: usize) {
    let place = row.cells.iter().position(|cell| cell.action == action).expect("it is possible there");
    row.cells[place] = cell(action, verdict, of_them);
}

/// What a projector costs, the same in both variants; all of it after the answer.
fn projector(first: u64) -> Vec<MessageRow> {
    let messages: [Named; 5] = [
        ("projector-1", "kafka", "Fetch", "purchases"),
        ("projector-1", "mongodb", "insert", "applied"),
        ("projector-1", "mongodb", "update", "sales"),
        ("projector-1", "mongodb", "commitTransaction", ""),
        ("projector-1", "kafka", "OffsetCommit", "projector"),
    ];
    let manner = |name: &Named| if name.2 == "Fetch" { Manner::Delivery } else { Manner::Call };
    (first..).zip(messages).map(|(number, name)| row(number, name, manner(&name), true)).collect()
}

fn dual_write() -> Vec<MessageRow> {
    let mut messages = vec![
        row(0, ("api-1", "mongodb", "find", "products"), Manner::Call, false),
        row(1, ("api-1", "mongodb", "update", "products"), Manner::Call, false),
        row(2, ("api-1", "kafka", "Produce", "purchases"), Manner::Call, false),
    ];
    set(&mut messages[1], Action::KillAfterRequest, CellVerdict::Harmful, 3);
    set(&mut messages[1], Action::KillAfterAnswer, CellVerdict::Harmful, 3);
    set(&mut messages[2], Action::KillBefore, CellVerdict::Harmful, 2);
    messages.extend(projector(3));
    set(&mut messages[7], Action::KillAfterRequest, CellVerdict::Unknown, 1);
    messages
}

fn outbox() -> Vec<MessageRow> {
    let mut messages = vec![
        row(0, ("api-1", "mongodb", "find", "products"), Manner::Call, false),
        row(1, ("api-1", "mongodb", "update", "products"), Manner::Call, false),
        row(2, ("api-1", "mongodb", "insert", "outbox"), Manner::Call, false),
        row(3, ("api-1", "mongodb", "commitTransaction", ""), Manner::Call, false),
        row(4, ("relay-1", "mongodb", "find", "outbox"), Manner::Delivery, true),
        row(5, ("relay-1", "kafka", "Produce", "purchases"), Manner::Call, true),
        row(6, ("relay-1", "mongodb", "update", "outbox"), Manner::Call, true),
        row(7, ("relay-1", "mongodb", "aggregate", "<script>alert(1)</script>"), Manner::Call, true),
    ];
    messages[7].seen_in = 2;
    messages[7].message.nth = 2;
    messages.extend(projector(8));
    messages
}

pub(crate) fn sample() -> Sweep {
    let variant = |variant: &str, messages, seconds| VariantSweep {
        variant: variant.to_owned(),
        folder: variant.to_owned(),
        messages,
        started: 0,
        seconds,
        failure: None,
    };
    Sweep {
        format: FORMAT,
        scenario: "sweep".to_owned(),
        seed: 42,
        operation: "purchase".to_owned(),
        retry: Retry::None,
        repeat: 3,
        variants: vec![variant("dual-write", dual_write(), 61.2), variant("outbox", outbox(), 98.7)],
    }
}

pub(crate) fn written_of(sweep: &Sweep) -> (TempDir, ScenarioFolder) {
    let out = tempfile::tempdir().expect("a folder");
    let started = datetime!(2026-11-22 10:15:00 UTC);
    let (_, folder) = RunStore::create(out.path(), &sweep.scenario, 42, started).expect("created");
    write_sweep(&folder, sweep).expect("written");
    (out, folder)
}

fn text(path: PathBuf) -> String {
    std::fs::read_to_string(path).expect("it was written")
}

/// Panics where an element ends that did not begin, or the other way round.
fn assert_balanced(page: &str) {
    const VOID: [&str; 6] = ["meta", "link", "br", "!DOCTYPE", "hr", "input"];
    let mut open = Vec::new();
    for tag in page.split('<').skip(1).map(|part| part.split('>').next().expect("a split has a first part")) {
        let name = tag.split_whitespace().next().expect("a tag has a name");
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "</{name}> ends something else");
        } else if !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} never end");
}

/// Every value of an attribute.
fn attributes<'page>(page: &'page str, start: &str) -> Vec<&'page str> {
    page.split(start).skip(1).map(|rest| rest.split('"').next().expect("a split has a first part")).collect()
}

#[test]
fn the_page_of_a_sweep_reads_as_it_did() {
    let (_out, folder) = written_of(&sample());
    let page = text(folder.sweep_html());
    let body = &page[page.find("<body>").expect("a page has a body")..];
    // A line for each element: what changed is then seen.
    insta::assert_snapshot!("sweep_page", body.replace("><", ">\n<"));
}

#[test]
fn a_sweep_as_markdown_and_for_ci_reads_as_it_did() {
    let (_out, folder) = written_of(&sample());
    insta::assert_snapshot!("sweep_summary", text(folder.summary()));
    insta::assert_snapshot!("sweep_markdown", text(folder.sweep_markdown()));
    insta::assert_snapshot!("sweep_junit", text(folder.junit()));
}

#[test]
fn a_sweep_reads_back_as_it_was() {
    let (_out, folder) = written_of(&sample());
    let sweep: Sweep = serde_json::from_str(&text(folder.sweep_json())).expect("it reads back");
    assert_eq!(sweep, sample());
}

#[test]
fn the_page_of_a_sweep_is_whole_and_each_link_leads_somewhere() {
    let (_out, folder) = written_of(&sample());
    let page = text(folder.sweep_html());
    assert_balanced(&page);
    assert!(!page.contains("url(") && !page.contains("@import"), "it refers to nothing outside");
    let ids = attributes(&page, " id=\"");
    let distinct: std::collections::BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "no id is there twice");
    let places = attributes(&page, "href=\"#");
    assert!(places.len() > 2 * 38, "each cell of both sizes is a link: {}", places.len());
    for place in places {
        assert!(ids.contains(&place), "nothing has the id {place}");
    }
}

#[test]
fn names_and_notes_of_a_system_under_test_stay_text() {
    let mut sweep = sample();
    sweep.operation = HOSTILE.to_owned();
    sweep.variants[1].variant = HOSTILE.to_owned();
    sweep.variants[1].failure = Some(HOSTILE.to_owned());
    sweep.variants[0].messages[0].message.client = HOSTILE.to_owned();
    sweep.variants[0].messages[1].cells[3].tries[0].told = HOSTILE.to_owned();
    let (_out, folder) = written_of(&sweep);
    for page in [folder.sweep_html(), folder.sweep_markdown(), folder.summary(), folder.junit()].map(text) {
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        assert!(page.contains("&lt;script"), "it is shown all the same");
    }
    assert_balanced(&text(folder.sweep_html()));
}

#[test]
fn harmful_is_a_failure_and_unknown_an_error() {
    let (_out, folder) = written_of(&sample());
    let junit = text(folder.junit());
    assert_eq!(junit.matches("<testsuite ").count(), 2, "{junit}");
    assert_eq!((junit.matches("<failure ").count(), junit.matches("<error ").count()), (3, 1), "{junit}");
}

#[test]
fn a_variant_without_messages_says_so_and_the_others_stand() {
    let mut sweep = sample();
    sweep.variants[1].messages.clear();
    sweep.variants[1].failure = Some("MongoDB speaks TLS on this link".to_owned());
    let (_out, folder) = written_of(&sweep);
    let page = text(folder.sweep_html());
    assert_balanced(&page);
    assert!(page.contains("no verdict: MongoDB speaks TLS on this link") && page.contains("3 of 38 places"), "{page}");
    assert!(text(folder.junit()).contains("type=\"failed\""));
    assert!(text(folder.summary()).contains("no verdict: MongoDB speaks TLS"));
}
