//! The verdict as a person reads it at the end of a run, and as one JSON line for a machine.

use std::fmt::Write;
use std::path::Path;

use serde_json::json;

use super::paper::{Paper, Tone};
use crate::checker::verdict::{Anomaly, CheckVerdict, Judgement, Verdict};
use crate::scenario::resolved::Resolved;

/// At most this many examples of one kind are told in the terminal; the report has more.
const EXAMPLES: usize = 2;

/// One line of `--format json`.
pub(crate) fn json_line(resolved: &Resolved, judgement: &Judgement, folder: &Path) -> String {
    let anomalies: serde_json::Map<String, serde_json::Value> =
        judgement.anomalies.iter().map(|anomaly| (anomaly.kind.name().to_owned(), anomaly.count.into())).collect();
    json!({
        "run": folder,
        "scenario": resolved.name,
        "variant": resolved.variant().name,
        "seed": resolved.scenario.seed,
        "verdict": judgement.verdict,
        "as_expected": judgement.as_expected,
        "anomalies": anomalies,
    })
    .to_string()
}

/// The block of one run.
pub(crate) fn block(resolved: &Resolved, judgement: &Judgement, folder: &Path, paper: Paper) -> String {
    let mut text = String::new();
    let (word, tone) = word(judgement.verdict);
    let expected = if judgement.as_expected { "as expected" } else { "NOT AS EXPECTED" };
    let tone = if judgement.as_expected { Tone::Good } else { tone };
    let _ = writeln!(text, "{}: {}", paper.paint(tone, &format!("{word}  {}", resolved.variant().name)), expected);
    let count = judgement.operations;
    let counts = format!("{} ok, {} fail, {} info (outcome unknown)", count.ok, count.fail, count.info);
    text.push_str(&paper.paragraph("  operations: ", &counts));
    for anomaly in &judgement.anomalies {
        let _ = writeln!(text, "{}", anomaly_line(anomaly, paper));
        if anomaly.forbidden {
            for example in anomaly.examples.iter().take(EXAMPLES) {
                text.push_str(&paper.paragraph("          - ", &plain(&example.explanation)));
            }
        }
    }
    if judgement.anomalies.iter().any(|anomaly| anomaly.forbidden) {
        let _ = writeln!(text, "  {}", paper.paint(Tone::Soft, "(times count from the start of the load)"));
    }
    for reason in &judgement.reasons {
        text.push_str(&paper.paragraph("  because ", &plain(reason)));
    }
    let unchecked: Vec<&str> = judgement
        .checks
        .iter()
        .filter(|check| check.verdict == CheckVerdict::NotChecked)
        .map(|check| check.name.as_str())
        .collect();
    if !unchecked.is_empty() {
        text.push_str(&paper.paragraph("  not checked: ", &unchecked.join(", ")));
    }
    let _ = writeln!(text, "  {}", folder.join("report.html").display());
    text
}

fn anomaly_line(anomaly: &Anomaly, paper: Paper) -> String {
    let line = format!("{:>9} × {}", anomaly.count, anomaly.kind.name());
    if anomaly.forbidden { paper.paint(Tone::Bad, &line) } else { format!("{line}  (allowed here)") }
}

/// A verdict, and the colour of one that was not expected.
pub(crate) fn word(verdict: Verdict) -> (&'static str, Tone) {
    match verdict {
        Verdict::Valid => ("VALID", Tone::Bad),
        Verdict::Unknown => ("UNKNOWN", Tone::Unsure),
        Verdict::Invalid => ("INVALID", Tone::Bad),
    }
}

/// Text of a system under test without control characters: it must not drive the terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
