//! What a run and a comparison leave on disk.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use time::macros::datetime;
use tornwrite::checker::verdict::Verdict;
use tornwrite::metrics::{Metrics, compute};
use tornwrite::report::{RunReport, write_comparison, write_run};
use tornwrite::store::{RunStore, ScenarioFolder};

use crate::sample::{self, HOSTILE, Write};

/// A whole invocation, written; the folder lives as long as this does.
pub(crate) struct Written {
    _out: TempDir,
    pub(crate) folder: ScenarioFolder,
    pub(crate) runs: Vec<PathBuf>,
}

impl Written {
    pub(crate) fn text(&self, path: impl AsRef<Path>) -> String {
        std::fs::read_to_string(self.folder.path().join(path)).expect("the file was written")
    }
}

pub(crate) fn written(adjust: impl Fn(&mut tornwrite::checker::verdict::Judgement)) -> Written {
    let out = tempfile::tempdir().unwrap();
    let started = datetime!(2026-11-22 10:15:00 UTC);
    let (_, mut folder) = RunStore::create(out.path(), "dual-write-vs-outbox", 42, started).unwrap();
    let mut parts = Vec::new();
    for write in [Write::DualWrite, Write::Outbox] {
        let run = sample::run_file(write);
        let mut judgement = sample::judgement(write);
        adjust(&mut judgement);
        let measurement = compute(&run.resolved, sample::lines(sample::history(write)), &judgement).unwrap();
        let run_folder = folder.variant(&run.resolved.variant().name).unwrap();
        write_run(&run_folder, &run, &judgement, &measurement).unwrap();
        parts.push((run_folder, run, judgement, measurement.metrics));
    }
    let names: Vec<String> = parts.iter().map(|(folder, ..)| folder.name()).collect();
    let reports: Vec<RunReport> = parts
        .iter()
        .zip(&names)
        .map(|((_, run, judgement, metrics), folder)| RunReport { folder, run, judgement, metrics })
        .collect();
    write_comparison(&folder, &reports).unwrap();
    let runs = parts.iter().map(|(folder, ..)| folder.path().to_owned()).collect();
    Written { _out: out, folder, runs }
}

#[test]
fn the_summary_of_a_comparison_reads_as_it_did() {
    insta::assert_snapshot!("summary", written(|_| {}).text("summary.md"));
}

#[test]
fn the_comparison_as_data_reads_as_it_did() {
    insta::assert_snapshot!("comparison", written(|_| {}).text("comparison.json"));
}

#[test]
fn junit_of_runs_as_expected_holds_no_failure_but_the_missed_threshold() {
    insta::assert_snapshot!("junit", written(|_| {}).text("junit.xml"));
}

#[test]
fn not_as_expected_is_a_failure_and_unknown_an_error() {
    let failed = written(|judgement| {
        judgement.as_expected = false;
        judgement.reasons = vec!["lost-event is <not> expected".to_owned()];
    });
    let junit = failed.text("junit.xml");
    assert!(junit.contains("<failure") && junit.contains("lost-event is &lt;not&gt; expected"), "{junit}");
    let unknown = written(|judgement| {
        judgement.as_expected = false;
        judgement.verdict = Verdict::Unknown;
        judgement.reasons = vec!["the drain did not finish".to_owned()];
    });
    let junit = unknown.text("junit.xml");
    assert!(junit.contains("<error") && junit.contains("the drain did not finish"), "{junit}");
}

#[test]
fn metrics_json_reads_back_as_it_was() {
    let written = written(|_| {});
    let text = written.text("dual-write/metrics.json");
    let metrics: Metrics = serde_json::from_str(&text).unwrap();
    assert_eq!(tornwrite::report::json::pretty(&metrics), text);
}

#[test]
fn the_latency_log_holds_every_completed_operation() {
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    let written = written(|_| {});
    let log = std::fs::read(written.folder.path().join("outbox/latency.hlog")).unwrap();
    let mut operations = 0;
    let mut intervals = 0;
    for entry in IntervalLogIterator::new(&log) {
        if let LogEntry::Interval(interval) = entry.unwrap() {
            let bytes = base64(interval.encoded_histogram());
            let histogram: hdrhistogram::Histogram<u64> =
                Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
            operations += histogram.len();
            intervals += 1;
        }
    }
    assert_eq!(operations, sample::PLANNED);
    assert!((20..=21).contains(&intervals), "{intervals} intervals");
}

/// Base64 as `HdrHistogram`'s logs use it.
fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for character in text.bytes().filter(|character| *character != b'=') {
        let value = ALPHABET.iter().position(|letter| *letter == character).expect("only base64");
        bits = (bits << 6 | value as u32) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    bytes
}

#[test]
fn no_page_or_plot_holds_text_of_a_system_under_test_unescaped() {
    let written = written(|_| {});
    let mut pages = vec![written.folder.comparison_html()];
    for run in &written.runs {
        pages.push(run.join("report.html"));
        pages.extend(std::fs::read_dir(run.join("plots")).unwrap().map(|entry| entry.unwrap().path()));
    }
    assert!(pages.len() > 12, "{pages:?}");
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        assert!(!text.contains("<script") && !text.contains("<img"), "{} holds {HOSTILE}", page.display());
        assert!(
            !text.contains("#0101") && !text.contains("#0102"),
            "{} holds a colour that stands for a role",
            page.display()
        );
    }
}

#[test]
fn a_hostile_name_cannot_leave_its_place_in_a_plot() {
    let mut entries = sample::history(Write::Outbox);
    for entry in &mut entries {
        if let tornwrite::history::entry::Entry::Sample(sample) = entry {
            let lag = sample.lag.remove("projector").unwrap_or_default();
            sample.lag.insert("<script>x</script>\"&".to_owned(), lag);
        }
    }
    let run = sample::run_file(Write::Outbox);
    let measurement = compute(&run.resolved, sample::lines(entries), &sample::judgement(Write::Outbox)).unwrap();
    let plots = tornwrite::report::plot::of_run(&measurement.metrics);
    let waiting = plots.iter().find(|plot| plot.name == "waiting").unwrap();
    assert!(waiting.svg.contains("&lt;script&gt;") && !waiting.svg.contains("<script"), "{}", waiting.svg);
}

#[test]
fn a_plot_of_a_variant_names_it_for_screen_readers_too() {
    let page = written(|_| {}).text("comparison.html");
    assert!(page.contains("<title>Throughput by outcome: outbox</title>"), "each drawing has a title of its own");
}
