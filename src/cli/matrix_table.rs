//! The table of a matrix as the last thing that a person sees: as columns where they fit, else each cell in two lines.

use std::fmt::Write;

use super::paper::{Paper, Tone};
use super::verdict_block::plain;
use crate::report::matrix::MatrixTable;
use crate::report::matrix::column::{self, Column, Text};

/// Where the lines of a pipe would end.
const WIDTH: usize = 80;

/// Between columns.
const GAP: &str = "  ";

/// The table, with the sentence that sums it up.
pub(crate) fn table(table: &MatrixTable, paper: Paper) -> String {
    let columns = Column::of(table);
    let rows: Vec<Vec<Text>> =
        table.cells.iter().map(|row| columns.iter().map(|column| cleaned(&column.text(row))).collect()).collect();
    let widths: Vec<usize> = columns.iter().enumerate().map(|(number, column)| width(column, &rows, number)).collect();
    let total = widths.iter().sum::<usize>() + GAP.len() * (widths.len() - 1);
    let drawn = if total <= paper.width().unwrap_or(WIDTH) {
        as_columns(&columns, &rows, &widths, paper)
    } else {
        as_blocks(&columns, &rows, paper)
    };
    format!("{drawn}{}", table.sentence())
}

fn cleaned(text: &Text) -> Text {
    Text { text: plain(&text.text), tone: text.tone }
}

/// As wide as its widest cell and the longest word of its heading, which is broken at its hyphens.
fn width(column: &Column, rows: &[Vec<Text>], number: usize) -> usize {
    let cells = rows.iter().map(|row| row[number].text.chars().count());
    let heading = heading(column).into_iter().map(|word| word.chars().count());
    cells.chain(heading).max().unwrap_or(0)
}

/// `lost-`, `acknowledged-`, `write`.
fn heading(column: &Column) -> Vec<String> {
    match column {
        Column::Anomaly(kind) => kind.name().split_inclusive('-').map(str::to_owned).collect(),
        Column::Expected => vec!["as".to_owned(), "expected".to_owned()],
        other => vec![other.title().to_owned()],
    }
}

fn as_columns(columns: &[Column], rows: &[Vec<Text>], widths: &[usize], paper: Paper) -> String {
    let headings: Vec<Vec<String>> = columns.iter().map(heading).collect();
    let height = headings.iter().map(Vec::len).max().unwrap_or(0);
    let mut text = String::new();
    for line in 0..height {
        let word = |heading: &Vec<String>| {
            let above = height - heading.len();
            line.checked_sub(above).map_or_else(String::new, |index| heading[index].clone())
        };
        let cells: Vec<String> = columns
            .iter()
            .zip(&headings)
            .zip(widths)
            .map(|((column, words), width)| placed(column, &word(words), *width))
            .collect();
        let _ = writeln!(text, "{}", paper.paint(Tone::Soft, cells.join(GAP).trim_end()));
    }
    for row in rows {
        // Painted after the columns stand: colours have no width.
        let cells = columns.iter().zip(row).zip(widths).map(|((column, cell), width)| {
            let placed = placed(column, &cell.text, *width);
            painted(paper, cell, &placed)
        });
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join(GAP).trim_end());
    }
    text
}

fn placed(column: &Column, text: &str, width: usize) -> String {
    if column.is_number() { format!("{text:>width$}") } else { format!("{text:<width$}") }
}

fn painted(paper: Paper, cell: &Text, text: &str) -> String {
    match cell.tone {
        column::Tone::Good => paper.paint(Tone::Good, text),
        column::Tone::Bad => paper.paint(Tone::Bad, text),
        column::Tone::Unsure => paper.paint(Tone::Unsure, text),
        column::Tone::Plain => text.to_owned(),
    }
}

/// A cell's name, then what came out.
fn as_blocks(columns: &[Column], rows: &[Vec<Text>], paper: Paper) -> String {
    let mut text = String::new();
    for row in rows {
        let cells = || columns.iter().zip(row);
        let name = cells().filter(|(column, _)| column.is_axis());
        let name =
            name.map(|(column, cell)| format!("{}={}", column.title(), cell.text)).collect::<Vec<_>>().join(", ");
        text.push_str(&paper.paragraph("", &name));
        let outcome = cells().filter(|(column, _)| matches!(column, Column::Verdict | Column::Expected));
        let outcome: Vec<String> = outcome
            .map(|(column, cell)| match column {
                Column::Expected => painted(paper, cell, &format!("as expected: {}", cell.text)),
                _ => painted(paper, cell, &cell.text),
            })
            .collect();
        let _ = writeln!(text, "    {}", outcome.join(GAP));
        let figures = cells().filter(|(column, _)| column.is_number());
        let figures = figures.map(|(column, cell)| format!("{} {}", column.title(), cell.text)).collect::<Vec<_>>();
        text.push_str(&paper.paragraph("    ", &figures.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample(axes: &[(&str, [&str; 2])]) -> MatrixTable {
        let cell = |number: usize, anomalies: serde_json::Value| {
            let values: serde_json::Map<_, _> =
                axes.iter().map(|(axis, values)| ((*axis).to_owned(), values[number].into())).collect();
            json!({
                "name": "a cell", "values": values, "variant": "one", "is_judged": true,
                "sum": {
                    "verdicts": { "invalid": 1 }, "as_expected": 1, "failed": 0, "anomalies": {},
                    "acknowledged": { "least": 1802, "median": 1802, "most": 1802 },
                    "ok_per_second": { "least": 148.2, "median": 148.2, "most": 148.2 },
                    "p99_ms": { "least": 12.0, "median": 12.0, "most": 12.0 },
                },
                "runs": [{
                    "folder": "a-cell", "seed": 1, "command": "torn run", "verdict": "invalid", "as_expected": true,
                    "operations": { "ok": 1802, "fail": 0, "info": 0 }, "anomalies": anomalies,
                    "ok_per_second": 148.2, "p99_ms": 12.0,
                }],
            })
        };
        let all: serde_json::Map<_, _> =
            axes.iter().map(|(axis, values)| ((*axis).to_owned(), json!(values))).collect();
        let table = json!({
            "format": 1, "scenario": "failover", "description": "", "seed": 1, "repeat": 1, "planned": 2,
            "as_expected": true, "axes": all, "columns": ["lost-acknowledged-write"], "columns_named": true,
            "cells": [cell(0, json!({ "lost-acknowledged-write": 12 })), cell(1, json!({}))],
        });
        serde_json::from_value(table).expect("a table")
    }

    // Axes in the order of their keys: that is how JSON holds them.
    #[test]
    fn a_table_that_fits_into_80_columns_is_drawn_as_one() {
        let text =
            table(&sample(&[("fault", ["none", "cut-off"]), ("pattern.acks", ["1", "all"])]), Paper::plain(None));
        let expected = [
            "                                          lost-",
            "                        as        acknowledged-",
            "fault    acks  verdict  expected          write  acknowledged  ok/s    p99",
            "none     1     invalid  yes                  12         1,802   148  12 ms",
            "cut-off  all   invalid  yes                   0         1,802   148  12 ms",
            "2 runs in 2 cells: as expected in 2 of 2 judged.",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_wider_table_tells_each_cell_in_lines_of_at_most_80_columns() {
        let axes = [
            ("fault", ["isolate-primary", "isolate-leader"]),
            ("kafka.min_insync_replicas", ["1", "2"]),
            ("pattern.read_concern", ["local", "linearizable"]),
            ("pattern.write_concern", ["one", "majority"]),
        ];
        let text = table(&sample(&axes), Paper::plain(Some(80)));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let expected = [
            "fault=isolate-primary, min_insync_replicas=1, read_concern=local,",
            "write_concern=one",
            "    invalid  as expected: yes",
            "    lost-acknowledged-write 12, acknowledged 1,802, ok/s 148, p99 12 ms",
        ];
        assert_eq!(text.lines().take(4).collect::<Vec<_>>(), expected);
    }
}
