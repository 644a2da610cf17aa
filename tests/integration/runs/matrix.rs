//! A scenario with a matrix: a table of what came out, whatever happens to some of its runs.

use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{OUTBOX, desk, manifest, replaced, scenario};
use crate::torn::{Desk, TORN};

const RUN: [&str; 3] = ["run", "scenario.toml", "--no-progress"];

/// Dual-write with and without Kafka: with it nobody says what must come out, without it events are lost. The cut is
/// longer than the load and than a send may take.
const MATRIX: &str = r#"[[variant]]
name = "one"
pattern = { stock = "conditional", consumer = "naive" }

[matrix]
columns = ["lost-event", "duplicate-effect"]

[matrix.axis]
"pattern.write" = ["dual-write"]
"parameters.initial_stock" = [30, 40]

[matrix.axis.fault]
none = { fault = [] }
cut-off = { fault = [{ at = "300ms", for = "5s", partition = ["api", "kafka"] }] }

[[matrix.expect]]
when = { fault = "cut-off" }
anomalies = ["lost-event"]
also = ["reordered-event", "divergent-projection", "duplicate-effect"]

[[matrix.leave_out]]
when = { initial_stock = 40, fault = "none" }
"#;

fn matrix(duration: &str) -> Desk {
    desk(&manifest(), &scenario(duration, MATRIX))
}

fn latest(desk: &Desk, file: &str) -> PathBuf {
    desk.path("results/scenario/latest").join(file)
}

fn table(desk: &Desk) -> Value {
    let text = std::fs::read_to_string(latest(desk, "matrix.json")).expect("the table is stored");
    serde_json::from_str(&text).expect("it is JSON")
}

/// The runs of each cell.
fn runs(table: &Value) -> Vec<&Vec<Value>> {
    let cells = table["cells"].as_array().expect("cells");
    cells.iter().map(|cell| cell["runs"].as_array().expect("runs")).collect()
}

#[test]
fn a_matrix_ends_in_a_table_whose_cells_can_be_run_and_judged_again() {
    let desk = matrix("2s");
    let ended = desk.torn(&[&RUN[..], &["--cell", "initial_stock=30"]].concat()).with_code(0);
    let ended = ended.saying("1/2 write=dual-write, initial_stock=30, fault=none").saying("2/2 (about ");
    assert!(ended.stdout.lines().any(|line| line.starts_with("2 runs in 2 cells: as expected in 1 of 1")), "{ended}");
    let stored = table(&desk);
    assert_eq!(stored["as_expected"], true, "{stored}");
    let cut = &stored["cells"][1];
    assert_eq!((&cut["values"]["fault"], &cut["is_judged"]), (&"cut-off".into(), &true.into()), "{stored}");
    let [run] = runs(&stored)[1].as_slice() else { panic!("it ran once: {stored}") };
    assert_eq!(run["verdict"], "invalid");
    assert!(run["anomalies"]["lost-event"].as_u64() > Some(0), "{run}");
    let command = run["command"].as_str().expect("it can be repeated");
    let expected = "torn run scenario.toml --variant one --cell \
                    write=dual-write,initial_stock=30,fault=cut-off --seed 11";
    assert_eq!(command, expected);
    let report = latest(&desk, run["folder"].as_str().expect("a folder")).join("report.html");
    assert!(report.is_file(), "the page's link leads somewhere");

    for file in ["matrix.html", "matrix.md", "summary.md", "junit.xml"] {
        std::fs::remove_file(latest(&desk, file)).expect("the matrix left it");
    }
    desk.torn(&["report", "results/scenario/latest"]).with_code(0).saying("matrix.html");
    assert_eq!(table(&desk), stored, "the stored histories say the same again");
    assert!(latest(&desk, "matrix.html").is_file() && latest(&desk, "junit.xml").is_file());
}

#[test]
fn an_interrupted_matrix_leaves_the_table_of_what_was_done() {
    let desk = matrix("2s");
    let mut going = desk.start(&RUN);
    going.until_said("2/3 (about ");
    going.signal(Signal::SIGINT);
    let ended = going.end().with_code(130).saying("interrupted");
    let stored = table(&desk);
    assert_eq!(stored["cut_short"], "interrupted", "{ended}");
    assert_eq!(runs(&stored).iter().map(|runs| runs.len()).collect::<Vec<_>>(), [1, 0, 0], "{ended}");
    let page = std::fs::read_to_string(latest(&desk, "matrix.html")).expect("the page is there");
    assert!(page.contains("not run"), "what did not run says so");
}

#[test]
fn servers_on_which_a_fault_stays_do_not_serve_the_next_run() {
    // Each run's projector starts once and never again, so its kill cannot be healed.
    let command = r#"command = ["torn-workloads", "inventory-projector", "#;
    let services = Path::new(TORN).with_file_name("torn-workloads");
    let once = format!(
        r#"command = ["sh", "-c", "mkdir once-$TORN_RUN && exec $0 inventory-projector $*", "{}", "#,
        services.display()
    );
    let kill = "[matrix]\nrepeat = 2\n\n[[fault]]\nat = \"500ms\"\nkill = \"projector-1\"\nrestart_after = \"100ms\"\n";
    let scenario = scenario("1s", &format!("[[variant]]\nname = \"outbox\"\n{OUTBOX}\n\n{kill}"));
    let scenario = replaced(&scenario, "drain_deadline = \"40s\"", "drain_deadline = \"1s\"");
    let desk = desk(&replaced(&manifest(), command, &once), &scenario);
    // Whether records are stuck or only missing depends on how far the drain gets.
    let ended = desk.torn(&RUN).saying("kill projector-1 could not be healed");
    assert!(matches!(ended.code, Some(1 | 2)), "{ended}");
    let log = std::fs::read_to_string(latest(&desk, "servers/mongodb.log")).expect("the servers' logs stay");
    assert_eq!(log.matches("\"MongoDB starting\"").count(), 2, "each run has its own: {ended}");
}

#[test]
fn a_matrix_of_runs_that_all_fail_stops_after_the_third() {
    let mut desk = matrix("2s");
    desk.set("TORN_MONGOD", "/no/such/mongod");
    let ended = desk.torn(&[&RUN[..], &["--repeat", "2"]].concat()).with_code(3);
    let ended = ended.saying("3 runs in a row failed: the matrix stops here");
    let stored = table(&desk);
    assert_eq!(runs(&stored).iter().map(|runs| runs.len()).sum::<usize>(), 3, "{ended}");
    assert!(runs(&stored)[0][0]["failure"].as_str().is_some_and(|failure| failure.contains("/no/such/mongod")));
    assert_eq!(stored["cut_short"], "stopped after 3 failed runs in a row");
}

#[test]
fn the_cells_are_counted_and_a_cell_that_is_not_there_is_told() {
    let desk = Desk::bare();
    desk.write("manifest.toml", &manifest());
    desk.write("scenario.toml", &scenario("2s", MATRIX));
    desk.torn(&["list", "."]).with_code(0).saying("matrix: 3 cells × 1 = 3 runs").saying("fault: none, cut-off");
    let wrong = ["--cell", "fault=nine"];
    let ended = desk.torn(&[&RUN[..], &wrong].concat()).with_code(64);
    ended.saying("--cell fault=nine: fault is never \"nine\"; expected one of: none, cut-off");
    let ended = desk.torn(&[&RUN[..], &["--cell", "initial_stock=40,fault=none"]].concat()).with_code(64);
    ended.saying("no cell has all of this");
    let ended = desk.torn(&[&RUN[..], &["--set", "fault.0.for=3s"]].concat()).with_code(64);
    ended.saying("set by the axis \"fault\"");
}
