//! `summary.md`: the comparison as a CI job's page shows it. Text of a system under test is escaped: it can neither end
//! a table's cell nor become a link.

pub mod matrix;
pub mod sweep;

use std::fmt::Write;

use super::sentence::{self, figure, grouped, milliseconds};
use super::write::RunReport;
use crate::checker::verdict::Example;
use crate::metrics::measurement::Outcomes;
use crate::metrics::resource::SERVICES;

/// Examples told for each kind of forbidden anomaly.
const EXAMPLES: usize = 2;

/// The file's text.
///
/// # Panics
/// When there is no run.
pub fn summary(runs: &[RunReport]) -> String {
    let first = runs.first().expect("a comparison has at least one variant").run;
    let all = if !runs.iter().all(|run| run.judgement.as_expected) {
        "✗ not as expected"
    } else if runs.iter().all(|run| sentence::is_good(run.judgement, run.metrics)) {
        "✓ as expected"
    } else {
        "✗ verdicts as expected, thresholds not met"
    };
    let mut text = format!("## {}: {all}\n\n", escaped(&first.resolved.name));
    for sentence in sentence::comparison(runs) {
        let _ = writeln!(text, "- {}", escaped(&sentence));
    }
    text.push_str("\n| variant | verdict | as expected | forbidden, per 10,000 operations | ok/s | p50 | p99 | commit → effect p50 | CPU/operation |\n");
    text.push_str("|---|---|---|---|--:|--:|--:|--:|--:|\n");
    for run in runs {
        row(&mut text, run);
    }
    for run in runs {
        details(&mut text, run);
    }
    let _ = writeln!(text, "\nSeed {}, plan `{}`.", first.seed, first.plan);
    text
}

fn row(text: &mut String, run: &RunReport) {
    let operations = sentence::operations(run.judgement).max(1) as f64;
    let found: Vec<String> = sentence::forbidden(run.judgement)
        .iter()
        .map(|anomaly| format!("{}: {}", anomaly.kind.name(), figure(anomaly.count as f64 * 1e4 / operations)))
        .collect();
    let latency =
        run.metrics.latency_of_all(Outcomes::Ok).map(|latency| latency.response).filter(|latency| latency.count > 0);
    let usable = if run.metrics.generator.kept_up { "" } else { " (not usable)" };
    let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), milliseconds);
    let effect = Some(run.metrics.delay.commit_to_effect).filter(|delay| delay.count > 0);
    let cpu = run.metrics.cpu_us_per_operation.get(SERVICES).map(|cpu| format!("{} µs", figure(*cpu)));
    let _ = writeln!(
        text,
        "| {} | {} | {} | {} | {} | {}{usable} | {}{usable} | {} | {} |",
        escaped(&run.run.resolved.variant().name),
        sentence::verdict(run.judgement.verdict),
        if run.judgement.as_expected { "✓ yes" } else { "✗ **no**" },
        if found.is_empty() { "–".to_owned() } else { found.join("<br>") },
        figure(run.metrics.throughput.ok_per_second),
        shown(latency.map(|latency| latency.p50)),
        shown(latency.map(|latency| latency.p99)),
        shown(effect.map(|effect| effect.p50)),
        cpu.as_deref().unwrap_or("–"),
    );
}

fn details(text: &mut String, run: &RunReport) {
    let _ =
        writeln!(text, "\n### {}\n\n{}", escaped(&run.run.resolved.variant().name), sentence::outcome(run.judgement));
    let unusable = run.metrics.generator.reasons.iter().map(|reason| format!("latencies are not usable: {reason}"));
    let notes: Vec<String> =
        run.judgement.reasons.iter().cloned().chain(unusable).chain(sentence::missed(run.metrics)).collect();
    if !notes.is_empty() {
        text.push('\n');
    }
    for note in &notes {
        let _ = writeln!(text, "- {}", escaped(note));
    }
    for anomaly in sentence::forbidden(run.judgement).iter().filter(|anomaly| !anomaly.examples.is_empty()) {
        let count = grouped(anomaly.count);
        let _ = writeln!(text, "\n<details><summary>{}: {count}</summary>\n", anomaly.kind.name());
        for example in anomaly.examples.iter().take(EXAMPLES) {
            story(text, example, run.metrics.load_started);
        }
        text.push_str("</details>\n");
    }
    let _ = writeln!(text, "\nRun it again:\n\n```sh\n{}\n```", run.run.command.replace("```", "'''"));
}

fn story(text: &mut String, example: &Example, load_started: u64) {
    let _ = writeln!(text, "{}\n", escaped(&example.explanation));
    for step in &example.story {
        let at = step.at.map_or_else(|| "never".to_owned(), |at| sentence::clock(at, load_started));
        let line = step.line.map_or_else(String::new, |line| format!(" (line {line})"));
        let _ = writeln!(text, "1. **{at}** {}{line}", escaped(&step.text));
    }
    text.push('\n');
}

/// Text as Markdown shows it as it is.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '\n' | '\r' => safe.push(' '),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '#' | '~' | '!' => {
                safe.push('\\');
                safe.push(character);
            }
            // A CI page turns an at sign or a bare address into a mention or a link.
            '@' => safe.push_str("&#64;"),
            other => safe.push(other),
        }
    }
    safe.replace("://", "&#58;//")
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn hostile_text_becomes_neither_markup_nor_cell_nor_link() {
        let safe = escaped("a|b\n<img src=x> [x](http://evil) `c` @everyone");
        assert_eq!(safe, r"a\|b &lt;img src=x&gt; \[x\](http&#58;//evil) \`c\` &#64;everyone");
    }
}
