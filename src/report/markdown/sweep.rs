//! A sweep as Markdown: `sweep.md`, which a page of documentation can hold, and `summary.md` for a CI job's page.

use std::fmt::Write;

use super::escaped;
use crate::checker::verdict::AnomalyKind;
use crate::report::sweep::words;
use crate::sweep::point::Action;
use crate::sweep::table::{CellVerdict, MessageRow, Sweep, VariantSweep};

/// At most so many harmful points of a variant are told in the summary; the page has all.
const HARMFUL: usize = 20;

/// `sweep.md`: the variants' matrices, and how they were measured.
pub fn table(sweep: &Sweep) -> String {
    let mut text = String::new();
    for variant in &sweep.variants {
        matrix(&mut text, variant);
    }
    let _ = writeln!(
        text,
        "✓: it may fall here; ✗: it may not; ?: nothing can be said; –: that cannot happen at this message.\n\n\
         {}, seed {}. {}",
        escaped(&sweep.scenario),
        sweep.seed,
        escaped(&words::conditions(sweep))
    );
    text
}

/// `summary.md`.
pub fn summary(sweep: &Sweep) -> String {
    let mut text = format!("## {}: a crash and a cut at every message\n\n", escaped(&sweep.scenario));
    for variant in &sweep.variants {
        let _ = writeln!(text, "- {}", escaped(&words::headline(variant)));
    }
    text.push('\n');
    text.push_str(&table(sweep));
    for variant in &sweep.variants {
        points(&mut text, variant, CellVerdict::Harmful, "where it may not die or be cut");
        points(&mut text, variant, CellVerdict::Unknown, "of which nothing can be said");
    }
    text
}

fn matrix(text: &mut String, variant: &VariantSweep) {
    let _ = writeln!(text, "### {}\n", escaped(&variant.variant));
    if let Some(failure) = &variant.failure {
        let _ = writeln!(text, "✗ no verdict: {}\n", escaped(failure));
    }
    if variant.messages.is_empty() {
        return;
    }
    let heads: Vec<&str> = Action::ALL.into_iter().map(words::head).collect();
    let _ = writeln!(text, "| # | message | {} |", heads.join(" | "));
    let _ = writeln!(text, "|--:|---|{}", "---|".repeat(heads.len()));
    for (number, row) in variant.messages.iter().enumerate() {
        let cells: Vec<String> = Action::ALL.into_iter().map(|action| cell(row, action)).collect();
        let _ = writeln!(text, "| {} | {} | {} |", number + 1, message(row), cells.join(" | "));
    }
    text.push('\n');
}

/// `api-1 → kafka: Produce purchases (after the answer; in 2 of 3 recordings)`.
fn message(row: &MessageRow) -> String {
    let mut remarks = Vec::new();
    if row.after_answer {
        remarks.push("after the answer".to_owned());
    }
    if words::varies(row) {
        remarks.push(format!("in {} of {} recordings", row.seen_in, row.recordings));
    }
    let remarks = if remarks.is_empty() { String::new() } else { format!(" ({})", remarks.join("; ")) };
    format!("{}{remarks}", escaped(&row.message.to_string()))
}

fn cell(row: &MessageRow, action: Action) -> String {
    let Some(cell) = row.cells.iter().find(|cell| cell.action == action) else { return "–".to_owned() };
    let sign = words::sign(cell.verdict);
    let kinds: Vec<&str> = words::kinds(cell).into_iter().map(AnomalyKind::name).collect();
    if kinds.is_empty() { sign.to_owned() } else { format!("{sign} **{}**", kinds.join(", ")) }
}

fn points(text: &mut String, variant: &VariantSweep, verdict: CellVerdict, title: &str) {
    let all = variant.count(verdict);
    if all == 0 {
        return;
    }
    let _ = writeln!(text, "\n### {}: {title}\n", escaped(&variant.variant));
    for (point, cell) in variant.points().filter(|(_, cell)| cell.verdict == verdict).take(HARMFUL) {
        let _ = writeln!(text, "- {} {}", words::sign(verdict), escaped(&words::sentence(&point, cell)));
        for example in cell.tries.iter().filter_map(|one| one.example.as_ref()).take(1) {
            let _ = writeln!(text, "  {}", escaped(&example.explanation));
        }
    }
    if all > HARMFUL {
        let _ = writeln!(text, "\n{} more are on the page sweep.html.", all - HARMFUL);
    }
}
