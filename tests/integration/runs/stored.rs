//! A comparison that is run once, and everything that can be done with what it stored: judge it again, cut it, break it.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use tempfile::TempDir;
use tornwrite::checker::verdict::{AnomalyKind, Judgement, Verdict};
use tornwrite::history::entry::{Entry, Invoke};

use super::{DUAL_WRITE, OUTBOX, lay_out, manifest, scenario};
use crate::torn::{Desk, Ended, StoredRun};

/// The projector is killed while events flow, so that some that it has counted are handed out again. The link is cut for
/// longer than two sends may take: with equal lengths, loss would be a coin toss.
const REST: &str = r#"
[[fault]]
at = "1s"
kill = "projector-1"
restart_after = "500ms"

[[fault]]
at = "1300ms"
for = "4500ms"
partition = ["api", "kafka"]

[[variant]]
name = "dual-write"
DUAL_WRITE
expect.anomalies = ["lost-event", "duplicate-effect"]
expect.also = ["reordered-event", "divergent-projection"]

[[variant]]
name = "outbox"
OUTBOX
expect.verdict = "valid"
"#;

struct Comparison {
    desk: Desk,
    ended: Ended,
}

/// The comparison; whoever comes first runs it.
fn comparison() -> &'static Comparison {
    static STORED: OnceLock<Comparison> = OnceLock::new();
    STORED.get_or_init(|| {
        let rest = REST.replace("DUAL_WRITE", DUAL_WRITE).replace("OUTBOX", OUTBOX);
        let mut desk = lay_out(Desk::shared("comparison"), &manifest(), &scenario("6s", &rest));
        let ended = desk.torn(&["compare", "scenario.toml", "--format", "json", "--no-progress"]);
        desk.give_up_turn();
        Comparison { desk, ended }
    })
}

fn stored(variant: &str) -> StoredRun {
    let Comparison { desk, ended } = comparison();
    desk.runs().remove(variant).unwrap_or_else(|| panic!("{variant} is stored: {ended}"))
}

/// A copy of a stored run that may be spoilt.
fn copy(variant: &str) -> (TempDir, StoredRun) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(variant);
    fs::create_dir(&path).expect("the folder is new");
    for name in ["run.json", "history.jsonl", "verdict.json"] {
        fs::copy(stored(variant).path.join(name), path.join(name)).expect("a file of the run");
    }
    (folder, StoredRun { path })
}

fn check(path: &Path) -> Ended {
    Desk::bare().torn(&["check", &path.display().to_string()])
}

fn count(judgement: &Judgement, kind: AnomalyKind) -> u64 {
    judgement.anomalies.iter().find(|anomaly| anomaly.kind == kind).map_or(0, |anomaly| anomaly.count)
}

#[test]
fn dual_write_loses_events_and_the_outbox_with_an_inbox_does_not_under_the_same_faults() {
    let ended = comparison().ended.clone().with_code(0);
    let dual_write = stored("dual-write").judgement();
    assert_eq!((dual_write.verdict, dual_write.as_expected), (Verdict::Invalid, true), "{ended}");
    assert!(count(&dual_write, AnomalyKind::LostEvent) > 0, "{ended}");
    assert!(count(&dual_write, AnomalyKind::DuplicateEffect) > 0, "{ended}");
    let outbox = stored("outbox").judgement();
    assert_eq!((outbox.verdict, outbox.as_expected, outbox.reasons.len()), (Verdict::Valid, true, 0), "{ended}");
    assert!(!outbox.anomalies.iter().any(|anomaly| anomaly.forbidden), "{ended}");
}

#[test]
fn with_format_json_stdout_holds_one_object_a_run_that_agrees_with_its_verdict() {
    let objects = comparison().ended.objects();
    assert_eq!(objects.len(), 2, "{}", comparison().ended);
    for (object, name) in objects.iter().zip(["dual-write", "outbox"]) {
        let judgement = stored(name).judgement();
        assert_eq!(object["variant"], name);
        assert_eq!(object["scenario"], "scenario");
        assert_eq!(object["seed"], 11);
        assert_eq!(object["verdict"], serde_json::to_value(judgement.verdict).expect("a word"));
        assert_eq!(object["as_expected"], judgement.as_expected);
        assert_eq!(object["anomalies"]["lost-event"].as_u64().unwrap_or(0), count(&judgement, AnomalyKind::LostEvent));
    }
}

#[test]
fn variants_of_one_scenario_get_the_same_plan_and_the_same_operations_at_the_same_times() {
    let (one, other) = (stored("dual-write"), stored("outbox"));
    assert_eq!(one.file()["plan"], other.file()["plan"]);
    let (one, other) = (operations(&one), operations(&other));
    assert!(one.len() > 500, "6.5 s at 90 a second");
    assert_eq!(one, other);
}

/// What was planned of every operation, in order: due times count from the first, and what depends on how quick the
/// services were (when it was sent, by which client) is left out.
fn operations(run: &StoredRun) -> Vec<Invoke> {
    let invoked = run.entries().into_iter().filter_map(|entry| match entry {
        Entry::Invoke(invoke) => Some(invoke),
        _ => None,
    });
    let mut invoked: Vec<Invoke> = invoked.collect();
    invoked.sort_by_key(|invoke| invoke.due);
    let first = invoked.first().map_or(0, |invoke| invoke.due);
    for invoke in &mut invoked {
        *invoke = Invoke { at: 0, released: 0, client: 0, due: invoke.due - first, ..invoke.clone() };
    }
    invoked
}

#[test]
fn a_stored_run_is_judged_again_with_the_same_verdict_byte_for_byte() {
    for variant in ["dual-write", "outbox"] {
        let (_folder, run) = copy(variant);
        let first = run.verdict_bytes();
        fs::remove_file(run.path.join("verdict.json")).expect("it was there");
        check(&run.path).with_code(0);
        assert!(run.verdict_bytes() == first, "{variant}: the second verdict differs from the first");
    }
}

/// Where the line of the history that begins so begins, in bytes.
fn offset_of(history: &str, beginning: &str) -> usize {
    history.rfind(&format!("\n{beginning}")).map(|place| place + 1).expect("the history has such a line")
}

#[test]
fn a_history_that_is_cut_short_is_unknown_and_still_shows_what_was_present() {
    let history = String::from_utf8(fs::read(stored("dual-write").history()).expect("it is stored")).expect("text");
    // In the middle of a line, after everything was consumed; and cleanly, before the last line.
    for length in [offset_of(&history, "{\"drain\"") + 9, offset_of(&history, "{\"end\"")] {
        let (_folder, run) = copy("dual-write");
        fs::write(run.history(), &history[..length]).expect("it is writable");
        let ended = check(&run.path).with_code(2);
        let judgement = run.judgement();
        assert_eq!((judgement.verdict, judgement.as_expected), (Verdict::Unknown, false), "{ended}");
        let whole = stored("dual-write").judgement();
        let kind = AnomalyKind::DuplicateEffect;
        assert_eq!(count(&judgement, kind), count(&whole, kind), "presence holds on a prefix: {ended}");
        assert_eq!(count(&judgement, AnomalyKind::LostEvent), 0, "absence does not: {ended}");
        ended.saying("the history was cut short: it has no last line").saying("duplicate-effect");
    }
}

#[test]
fn a_history_that_is_none_is_refused_with_its_file_its_line_and_no_verdict() {
    let history = String::from_utf8(fs::read(stored("outbox").history()).expect("it is stored")).expect("text");
    let mut lines: Vec<&str> = history.lines().collect();
    lines[99] = "{\"invoke\":{}}";
    let broken = lines.join("\n");
    let version = history.replacen("\"format\":1", "\"format\":9", 1);
    let none = "line 1: not a tornwrite history";
    let cases: [(&[u8], &str); 6] = [
        (b"{\"hello\":1}\n", none),
        (b"\x7fELF\x02\x01\xff\xfe\n\x00", none),
        (b"", "the file is empty"),
        (version.as_bytes(), "history format 9, this torn reads format 1"),
        (broken.as_bytes(), "line 100: not an entry of a history"),
        (&history.as_bytes()[..20], none),
    ];
    for (content, message) in cases {
        let (_folder, run) = copy("outbox");
        fs::remove_file(run.path.join("verdict.json")).expect("it was there");
        fs::write(run.history(), content).expect("it is writable");
        let ended = check(&run.path).with_code(3).saying(message).saying(&run.history().display().to_string());
        assert_eq!(ended.stderr.lines().count(), 1, "one line says it all: {ended}");
        assert!(!run.path.join("verdict.json").exists(), "{message}: there is no verdict");
    }
}

#[test]
fn a_folder_that_holds_no_run_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    check(folder.path()).with_code(3).saying("is not a run");
    let (_folder, run) = copy("outbox");
    fs::remove_file(run.history()).expect("it was there");
    check(&run.path).with_code(3).saying("history.jsonl");
}
