//! The variants of one invocation, a line each, as the last thing that a person sees.

use std::fmt::Write;

use super::judged::Judged;
use super::paper::{Paper, Tone};
use super::verdict_block;
use crate::metrics::measurement::Outcomes;
use crate::report::sentence::{figure, forbidden, grouped, milliseconds};

/// Longer names of variants are cut: the table fits into 80 columns.
const NAME_AT_MOST: usize = 23;

/// One line.
struct Row {
    name: String,
    verdict: (&'static str, Tone),
    is_expected: bool,
    /// Forbidden anomalies; ok operations a second; response time at p50 and p99.
    figures: [String; 4],
}

/// The table; nothing for a single run, whose block has said it all.
pub(crate) fn table(runs: &[Judged], paper: Paper) -> Option<String> {
    (runs.len() > 1).then(|| drawn(&runs.iter().map(row).collect::<Vec<_>>(), paper))
}

fn row(run: &Judged) -> Row {
    let metrics = &run.measurement.metrics;
    let found: u64 = forbidden(&run.judgement).iter().map(|anomaly| anomaly.count).sum();
    let response = metrics
        .latency_of_all(Outcomes::Ok)
        .map(|latency| latency.response)
        .filter(|response| response.count > 0 && metrics.generator.kept_up);
    let time = |value: Option<f64>| value.map_or_else(|| "unusable".to_owned(), milliseconds);
    Row {
        name: run.file.resolved.variant().name.clone(),
        verdict: verdict_block::word(run.judgement.verdict),
        is_expected: run.judgement.as_expected,
        figures: [
            grouped(found),
            figure(metrics.throughput.ok_per_second),
            time(response.map(|response| response.p50)),
            time(response.map(|response| response.p99)),
        ],
    }
}

fn drawn(rows: &[Row], paper: Paper) -> String {
    let longest = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let width = longest.clamp("variant".len(), NAME_AT_MOST);
    let line = |name: &str, verdict: &str, expected: &str, [found, rate, p50, p99]: [&str; 4]| {
        let name: String = name.chars().take(width).collect();
        format!("{name:<width$}  {verdict:<7}  {expected:<8}  {found:>9}  {rate:>5}  {p50:>8}  {p99:>8}")
    };
    let head = line("variant", "verdict", "expected", ["forbidden", "ok/s", "p50", "p99"]);
    let mut text = paper.paint(Tone::Soft, &head);
    text.push('\n');
    for row in rows {
        let (word, tone) = row.verdict;
        let expected = if row.is_expected { "yes" } else { "NO" };
        let plain = line(&row.name, word, expected, row.figures.each_ref().map(String::as_str));
        // Painted after the columns stand: colours have no width.
        let cell = format!("{word:<7}  {expected:<8}");
        let tone = if row.is_expected { Tone::Good } else { tone };
        let _ = writeln!(text, "{}", plain.replacen(&cell, &paper.paint(tone, &cell), 1));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_variant_fits_into_80_columns() {
        let row = |name: &str, verdict, is_expected, figures: [&str; 4]| Row {
            name: name.to_owned(),
            verdict,
            is_expected,
            figures: figures.map(str::to_owned),
        };
        let rows = [
            row("dual-write", ("INVALID", Tone::Bad), true, ["587", "145", "4.9 ms", "2.01 s"]),
            row("outbox, naive consumer, twice", ("VALID", Tone::Bad), false, ["0", "145", "unusable", "unusable"]),
        ];
        let text = drawn(&rows, Paper::plain(Some(80)));
        let lines: Vec<&str> = text.lines().collect();
        let expected = [
            "variant                  verdict  expected  forbidden   ok/s       p50       p99",
            "dual-write               INVALID  yes             587    145    4.9 ms    2.01 s",
            "outbox, naive consumer,  VALID    NO                0    145  unusable  unusable",
        ];
        assert_eq!(lines, expected);
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
    }
}
