//! The table of a matrix: what stands in it, and what it leaves on disk.

use indexmap::IndexMap;
use tempfile::TempDir;
use time::macros::datetime;
use tornwrite::checker::verdict::{CheckVerdict, Judgement, Verdict};
use tornwrite::metrics::{Metrics, compute};
use tornwrite::report::junit::Suites;
use tornwrite::report::matrix::column::Column;
use tornwrite::report::matrix::{MatrixTable, RunRow};
use tornwrite::report::{RunReport, write_matrix};
use tornwrite::scenario::matrix::{Cell, cell, repetition};
use tornwrite::scenario::resolved::Resolved;
use tornwrite::store::{RunStore, ScenarioFolder};

use crate::sample::{self, HOSTILE, Write};

/// Dual-write (judged) and outbox (judged), each with a fault and (measured) without.
fn cells(repeat: u32) -> Vec<Resolved> {
    let mut cells = Vec::new();
    for write in [Write::DualWrite, Write::Outbox] {
        for fault in ["none", "cut-off"] {
            let mut resolved = sample::resolved(write);
            let variant = &mut resolved.scenario.variant[resolved.variant];
            let write = variant.pattern["write"].clone();
            let values = [("pattern.write", write.as_str()), ("fault", fault)];
            let values = values.map(|(axis, value)| (axis.to_owned(), value.to_owned()));
            variant.name = format!("write={write}, fault={fault}");
            variant.cell =
                Some(Cell { values: IndexMap::from(values), variant: "one".to_owned(), is_judged: fault != "none" });
            let matrix = toml::from_str(&format!("repeat = {repeat}")).expect("a matrix");
            resolved.scenario.matrix = Some(matrix);
            cells.push(resolved);
        }
    }
    cells
}

fn write_of(resolved: &Resolved) -> Write {
    if resolved.variant().pattern["write"] == "outbox" { Write::Outbox } else { Write::DualWrite }
}

/// The table of all runs, each with a judgement that may be adjusted; `None`: the run failed.
fn table(repeat: u32, adjust: impl Fn(&Resolved, Judgement) -> Option<Judgement>) -> (MatrixTable, Suites) {
    let cells = cells(repeat);
    let (mut table, mut suites) = (MatrixTable::new(&cells, repeat), Suites::default());
    let metrics = [Write::DualWrite, Write::Outbox].map(|write| {
        let history = sample::lines(sample::history(write));
        let mut metrics =
            compute(&sample::resolved(write), history, &sample::judgement(write)).expect("measured").metrics;
        metrics.thresholds.clear();
        metrics
    });
    for resolved in (0..repeat).flat_map(|number| cells.iter().map(move |cell| repetition(cell, number))) {
        let write = write_of(&resolved);
        let metrics: &Metrics = &metrics[usize::from(write == Write::Outbox)];
        let name = resolved.variant().name.clone();
        let folder = tornwrite::store::layout::safe_name(&name);
        let seed = resolved.scenario.seed;
        let place = cell(&resolved).expect("a cell").clone();
        if let Some(judgement) = adjust(&resolved, sample::judgement(write)) {
            let run = sample::run_file(write);
            let run = tornwrite::store::RunFile { resolved, seed, ..run };
            let report = RunReport { folder: &folder, run: &run, judgement: &judgement, metrics };
            suites.add(&report);
            table.add(&place, RunRow::of(&report), Some(&run.versions));
        } else {
            let run = RunRow::failed(&folder, seed, "torn run again".to_owned(), format!("mongod died: {HOSTILE}"));
            suites.add_failed("sample", &name, &run);
            table.add(&place, run, None);
        }
    }
    (table, suites)
}

/// The table's text, a line for each row.
fn rows(table: &MatrixTable) -> Vec<String> {
    let columns = Column::of(table);
    let text = |row| columns.iter().map(|column| column.text(row).text).collect::<Vec<_>>().join(" | ");
    table.cells.iter().map(text).collect()
}

pub(crate) fn written() -> (TempDir, ScenarioFolder) {
    let (table, suites) = table(1, |resolved, judgement| {
        let is_last = resolved.variant().name == "write=outbox, fault=cut-off";
        if is_last { None } else { Some(judgement) }
    });
    let out = tempfile::tempdir().expect("a folder");
    let started = datetime!(2026-11-22 10:15:00 UTC);
    let (_, folder) = RunStore::create(out.path(), &table.scenario, 42, started).expect("created");
    write_matrix(&folder, &table, &suites).expect("written");
    (out, folder)
}

#[test]
fn a_row_says_what_came_out_of_its_cell() {
    let (table, _) = table(1, |_, judgement| Some(judgement));
    assert!(table.as_expected, "{}", table.sentence());
    insta::assert_snapshot!(format!("{}\n{}", rows(&table).join("\n"), table.sentence()));
}

#[test]
fn a_row_of_several_runs_says_in_how_many_and_from_what_to_what() {
    let (table, _) = table(3, |resolved, mut judgement| {
        if write_of(resolved) == Write::DualWrite {
            judgement.anomalies[0].count -= resolved.scenario.seed;
            if resolved.scenario.seed == sample::resolved(Write::Outbox).scenario.seed {
                judgement.anomalies.remove(1);
            }
        } else if cell(resolved).expect("a cell").is_judged && resolved.scenario.seed % 2 == 1 {
            judgement.verdict = Verdict::Invalid;
            judgement.as_expected = false;
        }
        Some(judgement)
    });
    assert!(!table.as_expected, "a cell is as expected when each of its runs is: {}", table.sentence());
    insta::assert_snapshot!(format!("{}\n{}", rows(&table).join("\n"), table.sentence()));
}

#[test]
fn what_can_be_neither_found_nor_ruled_out_is_not_told_as_zero() {
    let (table, _) = table(1, |resolved, mut judgement| {
        if write_of(resolved) == Write::Outbox {
            judgement.verdict = Verdict::Unknown;
            judgement.as_expected = false;
            judgement.checks[0].verdict = CheckVerdict::Unknown;
            judgement.anomalies.clear();
        }
        Some(judgement)
    });
    let lost = Column::of(&table).into_iter().find(|column| column.title() == "lost-event").expect("a column");
    let texts: Vec<String> = table.cells.iter().map(|row| lost.text(row).text).collect();
    assert_eq!(texts[2..], ["?", "?"], "of an unknown run nobody knows what was lost");
    assert!(table.sentence().contains("too little was seen to measure 1"), "{}", table.sentence());
}

#[test]
fn a_run_that_failed_is_shown_as_failed_and_the_others_stand() {
    let (_out, folder) = written();
    let text = |path: std::path::PathBuf| std::fs::read_to_string(path).expect("it was written");
    let (markdown, junit) = (text(folder.matrix_markdown()), text(folder.junit()));
    assert!(markdown.contains("| outbox | cut-off | failed | ✗ **NO** | – |"), "{markdown}");
    assert!(junit.contains("type=\"failed\"") && junit.matches("<testsuite ").count() == 4, "{junit}");
    let table: MatrixTable = serde_json::from_str(&text(folder.matrix_json())).expect("it reads back");
    assert_eq!((table.finished(), table.failed(), table.as_expected), (4, 1, false));
    assert_eq!(tornwrite::report::json::pretty(&table), text(folder.matrix_json()));
    for page in [text(folder.matrix_html()), text(folder.summary())] {
        assert!(!page.contains("<script") && !page.contains("<img"), "text of the machine is escaped");
        assert!(page.contains("mongod died"), "why it failed is told");
    }
}

#[test]
fn the_table_as_data_and_as_markdown_reads_as_it_did() {
    let (_out, folder) = written();
    let text = |path: std::path::PathBuf| std::fs::read_to_string(path).expect("it was written");
    insta::assert_snapshot!("matrix_json", text(folder.matrix_json()));
    insta::assert_snapshot!("matrix_summary", text(folder.summary()));
}
