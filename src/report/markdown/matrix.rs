//! A matrix as Markdown: `matrix.md`, which a page of documentation can hold, and `summary.md` for a CI job's page.

use std::fmt::Write;

use super::escaped;
use crate::report::matrix::column::{Column, Text, Tone};
use crate::report::matrix::{MatrixTable, Row};

/// At most so many runs that were not as expected are told in the summary; the page has all.
const UNEXPECTED: usize = 20;

/// `matrix.md`: the table, and what it was measured with.
pub fn table(table: &MatrixTable) -> String {
    let columns = Column::of(table);
    let mut text = rows(table, &columns);
    let mut with = vec![format!("seed {}", table.seed)];
    if table.repeat > 1 {
        with.push(format!(
            "each cell {} times: counts are the sum (fewest–most in a run), in how many runs; rates and times the middle \
             run (least–most)",
            table.repeat
        ));
    }
    if let Some(versions) = &table.versions {
        let servers = [("MongoDB", &versions.mongodb), ("Kafka", &versions.kafka)];
        let servers =
            servers.into_iter().filter_map(|(name, version)| Some(format!("{name} {}", number(version.as_ref()?))));
        with.push(format!("tornwrite {}", versions.torn));
        with.extend(servers);
    }
    with.extend(table.cut_short.clone());
    let _ = writeln!(text, "\n{}: {}.", escaped(&table.scenario), escaped(&with.join(", ")));
    text
}

/// `6.0.5` of `mongod 6.0.5`: the server is named already.
fn number(version: &str) -> &str {
    version.rsplit(' ').next().unwrap_or(version)
}

/// `summary.md`.
pub fn summary(table: &MatrixTable) -> String {
    let sign = if table.as_expected { "✓ as expected" } else { "✗ not as expected" };
    let mut text = format!("## {}: {sign}\n\n{}\n\n", escaped(&table.scenario), escaped(&table.sentence()));
    text.push_str("### Matrix\n\n");
    text.push_str(&self::table(table));
    let unexpected: Vec<_> = table
        .cells
        .iter()
        .flat_map(|row| row.runs.iter().filter(|run| !run.as_expected).map(move |run| (row, run)))
        .collect();
    for (row, run) in unexpected.iter().take(UNEXPECTED) {
        let _ = writeln!(text, "\n### {}, seed {}: not as expected\n", escaped(&row.name), run.seed);
        for reason in run.failure.iter().chain(&run.reasons) {
            let _ = writeln!(text, "- {}", escaped(reason));
        }
        let _ = writeln!(text, "\nRun it again:\n\n```sh\n{}\n```", run.command.replace("```", "'''"));
    }
    if unexpected.len() > UNEXPECTED {
        let _ = writeln!(text, "\n{} more are on the page matrix.html.", unexpected.len() - UNEXPECTED);
    }
    text
}

fn rows(table: &MatrixTable, columns: &[Column]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(columns.iter().map(|column| escaped(column.title())).collect());
    let marks = columns.iter().map(|column| if column.is_number() { "--:" } else { "---" });
    let _ = writeln!(text, "|{}|", marks.collect::<Vec<_>>().join("|"));
    for row in &table.cells {
        text.push_str(&line(columns.iter().map(|column| cell(column, row)).collect()));
    }
    text
}

fn cell(column: &Column, row: &Row) -> String {
    let Text { text, tone } = column.text(row);
    let text = escaped(&text);
    match (column, tone) {
        (Column::Expected, Tone::Good) => format!("✓ {text}"),
        (Column::Expected, Tone::Bad) => format!("✗ **{text}**"),
        (Column::Expected, Tone::Unsure) => format!("? {text}"),
        (Column::Anomaly(_), Tone::Bad) => format!("**{text}**"),
        _ => text,
    }
}
