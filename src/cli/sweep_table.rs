//! A sweep as the last thing that a person sees: for each variant its messages with a sign for each action, then each
//! harmful point as a sentence.

use std::fmt::Write;

use super::paper::{Paper, Tone};
use super::verdict_block::plain;
use crate::report::sweep::words;
use crate::sweep::point::Action;
use crate::sweep::table::{CellVerdict, MessageRow, Sweep, VariantSweep};

/// Where the lines of a pipe would end, and at least this wide.
const WIDTH: usize = 80;

/// Wider is no better to read.
const WIDEST: usize = 100;

/// The headings of the actions, in the order of [`Action::ALL`], and what stands above them.
const HEADS: [&str; 2] = [" lost     dies", " req ans  bef req ans"];

/// What signs and headings mean.
const LEGEND: [&str; 2] = [
    "✓ it may fall here, ✗ it may not, ? cannot be said; ≈ not in every recording",
    "lost: request, answer; dies: before the request, after it, after the answer",
];

/// From the left edge of the headings to the sign of each action.
const SIGNS: [usize; 5] = [2, 6, 11, 15, 19];

/// The number of a message, and what follows it.
const NUMBER: usize = 5;

/// A longer link is cut.
const LINK_AT_MOST: usize = 22;

/// The tables of all variants.
pub(crate) fn table(sweep: &Sweep, paper: Paper) -> String {
    let mut text = String::new();
    for variant in &sweep.variants {
        variant_table(&mut text, variant, paper);
    }
    for line in LEGEND {
        let _ = writeln!(text, "{}", paper.paint(Tone::Soft, line));
    }
    for variant in &sweep.variants {
        for (point, cell) in variant.points().filter(|(_, cell)| cell.verdict == CellVerdict::Harmful) {
            let sentence = format!("{}: {}", variant.variant, words::sentence(&point, cell));
            text.push_str(&paper.paragraph("✗ ", &plain(&sentence)));
        }
    }
    text
}

fn variant_table(text: &mut String, variant: &VariantSweep, paper: Paper) {
    text.push_str(&paper.paragraph("", &plain(&words::headline(variant))));
    if variant.messages.is_empty() {
        return;
    }
    let width = paper.width().unwrap_or(WIDTH).clamp(WIDTH, WIDEST);
    let links: Vec<String> = variant.messages.iter().map(|row| link(row, LINK_AT_MOST)).collect();
    let link = links.iter().map(|link| link.chars().count()).max().unwrap_or(0);
    let title = width - NUMBER - link - 2 - HEADS[1].chars().count() - 1;
    let titles: Vec<String> = variant.messages.iter().map(|row| self::title(row, title)).collect();
    let title = titles.iter().map(|title| title.chars().count()).max().unwrap_or(0);
    for head in HEADS {
        let left = NUMBER + link + 2 + title + 1;
        let _ = writeln!(text, "{}", paper.paint(Tone::Soft, &format!("{:left$}{head}", "")));
    }
    let mut was_answered = false;
    for (number, row) in variant.messages.iter().enumerate() {
        if row.after_answer && !was_answered {
            let _ = writeln!(text, "{:NUMBER$}{}", "", paper.paint(Tone::Soft, "-- here the client has its answer --"));
            was_answered = true;
        }
        let left = format!("{:>3}  {:link$}  {:title$} ", number + 1, links[number], titles[number]);
        let _ = writeln!(text, "{left}{}", signs(row, paper));
    }
    text.push('\n');
}

/// Painted after its column stands: colours have no width.
fn signs(row: &MessageRow, paper: Paper) -> String {
    let mut text = String::new();
    let mut column = 0;
    for (action, place) in Action::ALL.into_iter().zip(SIGNS) {
        let Some(cell) = row.cells.iter().find(|cell| cell.action == action) else { continue };
        let tone = match cell.verdict {
            CellVerdict::Harmless => Tone::Good,
            CellVerdict::Unknown => Tone::Unsure,
            CellVerdict::Harmful => Tone::Bad,
        };
        let sign = paper.paint(tone, words::sign(cell.verdict));
        let _ = write!(text, "{:gap$}{sign}", "", gap = place - column);
        column = place + 1;
    }
    text
}

fn link(row: &MessageRow, at_most: usize) -> String {
    cut(&format!("{} → {}", row.message.client, row.message.server), at_most)
}

fn title(row: &MessageRow, at_most: usize) -> String {
    let varies = if words::varies(row) { " ≈" } else { "" };
    format!("{}{varies}", cut(&row.message.title(), at_most - varies.chars().count()))
}

fn cut(text: &str, at_most: usize) -> String {
    let text = plain(text);
    if text.chars().count() <= at_most {
        return text;
    }
    text.chars().take(at_most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::verdict::AnomalyKind;
    use crate::sweep::point::{Manner, MessageName};
    use crate::sweep::table::{Cell, FORMAT, Retry, Try};

    fn row(message: [&str; 4], manner: Manner, after_answer: bool, signs: &str) -> MessageRow {
        let [client, server, command, target] = message.map(str::to_owned);
        let cells = Action::of(manner).zip(signs.chars()).map(|(action, sign)| {
            let verdict = match sign {
                '✗' => CellVerdict::Harmful,
                '?' => CellVerdict::Unknown,
                _ => CellVerdict::Harmless,
            };
            let anomalies = if sign == '✗' { vec![AnomalyKind::LostEvent] } else { Vec::new() };
            let one = Try {
                verdict,
                anomalies,
                example: None,
                note: None,
                told: "no answer".to_owned(),
                operation: "op-1".to_owned(),
                entity: "product-1".to_owned(),
                took_ms: 400,
            };
            Cell { action, verdict, tries: vec![one] }
        });
        MessageRow {
            cells: cells.collect(),
            message: MessageName { client, server, command, target: Some(target), nth: 1 },
            manner,
            seen_in: if signs.contains('?') { 2 } else { 3 },
            recordings: 3,
            request_us: 900,
            answer_us: Some(1400),
            after_answer,
        }
    }

    fn sample() -> Sweep {
        let messages = vec![
            row(["api-1", "mongodb", "update", "products"], Manner::Call, false, "✓✓✓✗✓"),
            row(["api-1", "kafka", "Produce", "purchases"], Manner::Call, true, "✗✓?✓✓"),
            row(
                ["projector-1", "kafka", "Fetch", "a-topic-with-\u{1b}[31m-a-very-long-name"],
                Manner::Delivery,
                true,
                "✓✓✓",
            ),
        ];
        let variant = VariantSweep {
            variant: "dual-write".to_owned(),
            folder: "dual-write".to_owned(),
            messages,
            started: 0,
            seconds: 9.0,
            failure: None,
        };
        Sweep {
            format: FORMAT,
            scenario: "sweep".to_owned(),
            seed: 1,
            operation: "purchase".to_owned(),
            retry: Retry::None,
            repeat: 1,
            variants: vec![variant],
        }
    }

    #[test]
    fn each_message_is_a_line_of_signs_and_each_harmful_point_a_sentence() {
        let text = table(&sample(), Paper::plain(None));
        let expected = [
            "dual-write: 2 of 13 places where it may not die or be cut: api-1 at update products (dies after request), api-1 at \
             Produce purchases (request lost). Of 1 place nothing can be said.",
            "                                                            lost     dies",
            "                                                            req ans  bef req ans",
            "  1  api-1 → mongodb      update products                    ✓   ✓    ✓   ✗   ✓",
        ];
        assert_eq!(text.lines().take(4).collect::<Vec<_>>(), expected);
        assert!(text.contains("✗ dual-write: Produce purchases of api-1 never reaches kafka: 1 lost event; the client was told: no answer."));
        assert!(!text.contains('\u{1b}'), "what a system under test calls its topics must not drive the terminal");
    }

    #[test]
    fn no_line_is_wider_than_80_columns() {
        let text = table(&sample(), Paper::plain(Some(80)));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
