//! `matrix.html`: a row for each cell, with a link to each run's report.

use maud::{Markup, html};

use super::page::{self, command};
use crate::report::matrix::column::{Column, Text, Tone};
use crate::report::matrix::{MatrixTable, Row};

/// The page.
pub fn page(table: &MatrixTable) -> String {
    let columns = Column::of(table);
    let body = html! {
        header {
            p.over { "tornwrite · every combination, seed " (table.seed) @if table.repeat > 1 { " and on, each " (table.repeat) " times" } }
            h1 { (table.scenario) }
            p.lead { (table.sentence()) }
            @if !table.description.is_empty() { p.note { (table.description) } }
        }
        h2 { "The table" }
        div.scroll.cells { (cells(table, &columns)) }
        (legend(table))
        (unexpected(table))
        h2 { "Run one cell again" }
        @if let Some(run) = table.cells.iter().flat_map(|row| &row.runs).next() {
            p.note { "Each report ends with the command of its own run; of the first cell it is:" }
            (command(&run.command))
        }
        (versions(table))
    };
    page::page(&format!("{} · tornwrite", table.scenario), &body)
}

fn cells(table: &MatrixTable, columns: &[Column]) -> Markup {
    html! {
        table {
            thead { tr {
                @for column in columns {
                    th scope="col" .number[column.is_number()] .wide[matches!(column, Column::Anomaly(_))] {
                        // Long names of axes may be broken, or a table of many axes is wider than its page.
                        @for (place, part) in column.title().split('_').enumerate() { @if place > 0 { "_" wbr; } (part) }
                    }
                }
                th scope="col" { @if table.repeat > 1 { "runs" } @else { "run" } }
            } }
            tbody { @for row in &table.cells { (row_of(row, columns)) } }
        }
    }
}

fn row_of(row: &Row, columns: &[Column]) -> Markup {
    html! {
        tr {
            @for column in columns {
                @let Text { text, tone } = column.text(row);
                @if column.is_axis() { th scope="row" { (text) } } @else {
                    td class=(class(column, tone)) { (sign(column, tone)) (text) }
                }
            }
            td { @for (number, run) in row.runs.iter().enumerate() {
                @if number > 0 { " " }
                a href=(format!("{}/{}", run.folder, if run.failure.is_some() { "logs" } else { "report.html" })) {
                    @if row.runs.len() == 1 { "report" } @else { (run.seed) }
                }
            } }
        }
    }
}

fn class(column: &Column, tone: Tone) -> String {
    let tone = match tone {
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Unsure => "unsure",
        Tone::Plain => "",
    };
    if column.is_number() { format!("number {tone}") } else { tone.to_owned() }.trim_end().to_owned()
}

/// Colour alone tells nobody who does not see it.
fn sign(column: &Column, tone: Tone) -> &'static str {
    match (column, tone) {
        (Column::Expected, Tone::Good) => "✓ ",
        (Column::Expected, Tone::Bad) => "✗ ",
        (Column::Expected, Tone::Unsure) => "? ",
        _ => "",
    }
}

fn legend(table: &MatrixTable) -> Markup {
    html! {
        p.note {
            "Anomalies are counted over all operations of a run, acknowledged ones with the warm-up; ok/s and p99 are of the measured "
            "load. 0: looked for and not there. ?: can be neither found nor ruled out. –: the workload does not say enough to look. "
            "Measured: nobody said what must come out. Not usable: the load generator did not keep up."
            @if table.repeat > 1 {
                " Counts of a cell: the sum (fewest–most in a run), in how many runs. Rates and times: the middle run (least–most)."
            }
        }
    }
}

/// Every run that was not as expected, and why.
fn unexpected(table: &MatrixTable) -> Markup {
    let runs =
        || table.cells.iter().flat_map(|row| row.runs.iter().filter(|run| !run.as_expected).map(move |run| (row, run)));
    html! {
        @if runs().next().is_some() {
            h2 { "Not as expected" }
            @for (row, run) in runs() {
                h3 { (row.name) @if row.runs.len() > 1 { ", seed " (run.seed) } }
                @if let Some(failure) = &run.failure { p.bad { "✗ no verdict: " (failure) } }
                @for reason in &run.reasons { p { (reason) } }
                (command(&run.command))
            }
        }
    }
}

fn versions(table: &MatrixTable) -> Markup {
    html! {
        @if let Some(versions) = &table.versions {
            dl {
                dt { "tornwrite" } dd { (versions.torn) }
                @for (name, version) in [("MongoDB", &versions.mongodb), ("Kafka", &versions.kafka), ("Toxiproxy", &versions.toxiproxy)] {
                    @if let Some(version) = version { dt { (name) } dd { (version) } }
                }
            }
        }
    }
}
