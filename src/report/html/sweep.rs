//! `sweep.html`: where an operation may die or be cut and where not, at one glance. Variants side by side as sequence
//! diagrams with a cell for each point; below, what came of each harmful one, and everything again as tables.

use maud::{Markup, html};

use super::page;
use super::story;
use crate::checker::verdict::AnomalyKind;
use crate::report::sentence::{self, milliseconds};
use crate::report::sweep::diagram::{self, message_anchor, point_anchor};
use crate::report::sweep::drawing;
use crate::report::sweep::layout::Layout;
use crate::report::sweep::size::Size;
use crate::report::sweep::words;
use crate::sweep::point::{Action, Point};
use crate::sweep::table::{Cell, CellVerdict, MessageRow, Sweep, Try, VariantSweep};

/// Stories that are open when the page is, of each variant; the others unfold.
const OPEN: usize = 3;

/// A point, and where it stands: variant, message, cell.
type Placed<'a> = (usize, &'a VariantSweep, usize, &'a MessageRow, &'a Cell);

/// The page.
pub fn page(sweep: &Sweep) -> String {
    let body = html! {
        header {
            p.over { "tornwrite · a crash and a cut at every message, seed " (sweep.seed) }
            h1 { (sweep.scenario) }
            ul.lead.outcomes { @for variant in &sweep.variants { (outcome(variant)) } }
            p.note { (words::conditions(sweep)) }
        }
        div.sweeps { @for (number, variant) in sweep.variants.iter().enumerate() { (figure(sweep, number, variant)) } }
        (legend(sweep))
        (harmful(sweep))
        (unknown(sweep))
        h2 { "Every message and every action" }
        p.note { "When: from the operation's invocation to the request (+ to its answer), in the first recording that has the message." }
        @for (number, variant) in sweep.variants.iter().enumerate() { (table(number, variant)) }
    };
    page::page(&format!("{} · tornwrite", sweep.scenario), &body)
}

fn outcome(variant: &VariantSweep) -> Markup {
    let (class, sign) = tone(variant);
    html! { li { span class=(class) { (sign) " " (variant.variant) } ": " (words::outcome(variant)) } }
}

fn tone(variant: &VariantSweep) -> (&'static str, &'static str) {
    let has = |verdict| variant.count(verdict) > 0;
    if has(CellVerdict::Harmful) {
        ("bad", "✗")
    } else if variant.failure.is_some() || has(CellVerdict::Unknown) || variant.points().next().is_none() {
        ("unsure", "?")
    } else {
        ("good", "✓")
    }
}

fn figure(sweep: &Sweep, number: usize, variant: &VariantSweep) -> Markup {
    if variant.messages.is_empty() {
        return html! {};
    }
    let sizes = [Size::Wide, Size::Narrow].map(|size| Layout::of(&variant.messages, size));
    let (class, sign) = tone(variant);
    html! {
        figure.sweep style=(format!("--natural:{}", sizes[0].width.ceil())) {
            figcaption { strong class=(class) { (sign) " " (variant.variant) } " " span { (counts(variant)) } }
            @for layout in &sizes { div.picture { (diagram::draw(&variant.variant, &variant.messages, number, &sweep.operation, layout)) } }
        }
    }
}

/// `3 harmful · 1 unknown · 34 harmless`.
fn counts(variant: &VariantSweep) -> String {
    let counts = [CellVerdict::Harmful, CellVerdict::Unknown, CellVerdict::Harmless]
        .map(|verdict| (variant.count(verdict), words::word(verdict)));
    let counts = counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
    counts.collect::<Vec<_>>().join(" · ")
}

/// What the signs and strokes mean.
fn legend(sweep: &Sweep) -> Markup {
    let rows = || sweep.variants.iter().flat_map(|variant| &variant.messages);
    html! {
        div.legend {
            p {
                @for verdict in [CellVerdict::Harmless, CellVerdict::Harmful, CellVerdict::Unknown] { (swatch(verdict)) }
                span.key { "no cell: that cannot happen at this message" }
            }
            p {
                (strokes())
                span.key { svg.swatch viewBox="0 0 14 14" aria-hidden="true" { (drawing::cross((7.0, 7.0))) } "where a harmful point falls" }
                @if rows().any(words::varies) { (variation()) }
            }
            dl.actions {
                @for action in Action::ALL { dt { (words::head(action)) } dd { (words::meaning(action)) } }
            }
            p.note { "The process is always the one that sends the request. Time runs downwards, not to scale. A cell leads to what was found there." }
        }
    }
}

fn swatch(verdict: CellVerdict) -> Markup {
    let means = match verdict {
        CellVerdict::Harmless => "it may fall here: nothing that is forbidden comes of it",
        CellVerdict::Harmful => "it may not",
        CellVerdict::Unknown => "nothing can be said",
    };
    html! {
        span.key {
            svg.swatch viewBox="0 0 28 22" aria-hidden="true" {
                (drawing::cell(verdict, 0.0, 0.0, 28.0, 22.0))
            }
            (means)
        }
    }
}

/// What the arrows mean.
pub(super) fn strokes() -> Markup {
    html! {
        span.key { (stroke("ask")) "request; or an answer that brings something" }
        span.key { (stroke("reply")) "answer" }
        span.key { (stroke("standing")) "question that is asked all the time" }
    }
}

/// What the mark of a message means that does not always come.
pub(super) fn variation() -> Markup {
    html! { span.key { span.unsure { "≈ 2/3" } " came in 2 of 3 recordings: it varies from run to run" } }
}

fn stroke(class: &str) -> Markup {
    html! { svg.swatch.long viewBox="0 0 36 10" aria-hidden="true" { (drawing::arrow(class, 0.0, 36.0, 5.0)) } }
}

fn placed(sweep: &Sweep, verdict: CellVerdict) -> Vec<Placed<'_>> {
    let mut placed = Vec::new();
    for (number, variant) in sweep.variants.iter().enumerate() {
        for (message, row) in variant.messages.iter().enumerate() {
            let cells = row.cells.iter().filter(|cell| cell.verdict == verdict);
            placed.extend(cells.map(|cell| (number, variant, message, row, cell)));
        }
    }
    placed
}

fn point(row: &MessageRow, cell: &Cell) -> Point {
    Point { message: row.message.clone(), manner: row.manner, action: cell.action }
}

/// What came of each harmful point.
fn harmful(sweep: &Sweep) -> Markup {
    let points = placed(sweep, CellVerdict::Harmful);
    html! {
        @if !points.is_empty() {
            h2 { "Where it may not die or be cut" }
            @for (number, variant) in sweep.variants.iter().enumerate() {
                @let of_it = points.iter().filter(|one| one.0 == number);
                @for (place, one) in of_it.enumerate() { (harmful_point(sweep, variant, *one, place < OPEN)) }
            }
        }
    }
}

fn harmful_point(sweep: &Sweep, variant: &VariantSweep, placed: Placed, is_open: bool) -> Markup {
    let (number, _, message, row, cell) = placed;
    html! {
        section.point id=(point_anchor(number, message, cell.action)) {
            h3 { span.bad { "✗ " (variant.variant) } ": " (words::struck(&point(row, cell))) }
            p { "What came of it: " strong.bad { (words::found(cell)) } ". "
                @for kind in words::kinds(cell) { (sentence::meaning(kind)) " " }
                "The client was told: " strong { (words::told(cell)) } "."
                @if row.after_answer { " It already had its answer when this message left." }
            }
            p.note {
                a href=(format!("#{}", message_anchor(number, message))) { "message " (message + 1) }
                ", " (row.message.client) " → " (row.message.server) ", " (words::head(cell.action)) "; " (tried(cell))
            }
            @if let Some(example) = words::told_try(cell).and_then(|one| one.example.as_ref()) {
                @if is_open { (story::example(example, variant.started)) } @else {
                    details { summary { "Step by step" } (story::example(example, variant.started)) }
                }
            }
            @for note in words::notes(cell) { p.note { (note) } }
            @if sweep.repeat > 1 { details { summary { "Every try" } (tries(&cell.tries)) } }
        }
    }
}

/// `3 of 3 tries harmful`, or of a single one what it was about.
fn tried(cell: &Cell) -> String {
    let of_them = cell.tries.iter().filter(|one| one.verdict == cell.verdict).count();
    match cell.tries.as_slice() {
        [one] => format!("{} on {}, {}", one.operation, one.entity, milliseconds(one.took_ms as f64)),
        tries => format!("{of_them} of {} tries {}", tries.len(), words::word(cell.verdict)),
    }
}

fn tries(tries: &[Try]) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr {
                    th.number scope="col" { "try" } th scope="col" { "came out" } th scope="col" { "found" }
                    th scope="col" { "the client was told" } th scope="col" { "operation" } th scope="col" { "entity" }
                    th.number scope="col" { "took" }
                } }
                tbody {
                    @for (number, one) in tries.iter().enumerate() {
                        tr {
                            td.number { (number + 1) }
                            td class=(class(one.verdict)) { (words::sign(one.verdict)) " " (words::word(one.verdict)) }
                            td { (one.anomalies.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")) }
                            td.text { (one.told) } td { (one.operation) } td { (one.entity) }
                            td.number { (milliseconds(one.took_ms as f64)) }
                        }
                    }
                }
            }
        }
    }
}

fn class(verdict: CellVerdict) -> &'static str {
    match verdict {
        CellVerdict::Harmless => "good",
        CellVerdict::Unknown => "unsure",
        CellVerdict::Harmful => "bad",
    }
}

/// The points of which nothing can be said, and why.
fn unknown(sweep: &Sweep) -> Markup {
    let points = placed(sweep, CellVerdict::Unknown);
    html! {
        @if !points.is_empty() {
            h2 { "Of which nothing can be said" }
            div.scroll {
                table {
                    thead { tr { th scope="col" { "variant" } th scope="col" { "place" } th scope="col" { "why" } th scope="col" { "tries" } } }
                    tbody {
                        @for (number, variant, message, row, cell) in points {
                            tr id=(point_anchor(number, message, cell.action)) {
                                th scope="row" { (variant.variant) }
                                td.text { (words::struck(&point(row, cell))) }
                                td.text { (words::notes(cell).join("; ")) }
                                td { (tried(cell)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// All of a variant as a table that needs no picture.
fn table(number: usize, variant: &VariantSweep) -> Markup {
    html! {
        h3 { (variant.variant) }
        p.note { (counts(variant)) " " a href=(format!("{}/", variant.folder)) { "history and logs" } }
        @if !variant.messages.is_empty() {
            div.scroll.cells.points {
                table {
                    thead { tr {
                        th.number scope="col" { "#" } th scope="col" { "message" } th scope="col" { "between" } th scope="col" { "when" }
                        @for action in Action::ALL { th scope="col" { (words::head(action)) } }
                    } }
                    tbody { @for (message, row) in variant.messages.iter().enumerate() { (table_row(number, message, row)) } }
                }
            }
        }
    }
}

/// A message's number, name, ends and time, as a table tells them.
pub(super) fn message_cells(number: usize, row: &MessageRow) -> Markup {
    html! {
        td.number { (number + 1) }
        th scope="row" {
            (row.message.title())
            @if words::varies(row) { span.unsure { " ≈ in " (row.seen_in) " of " (row.recordings) " recordings" } }
            @if row.after_answer { span.note { " after the answer" } }
        }
        td { (row.message.client) " → " (row.message.server) }
        td { (words::when(row)) }
    }
}

fn table_row(number: usize, message: usize, row: &MessageRow) -> Markup {
    html! {
        tr id=(message_anchor(number, message)) {
            (message_cells(message, row))
            @for action in Action::ALL {
                @match row.cells.iter().find(|cell| cell.action == action) {
                    Some(cell) => td class=(class(cell.verdict)) { (table_cell(number, message, cell)) },
                    None => td { "–" },
                }
            }
        }
    }
}

fn table_cell(number: usize, message: usize, cell: &Cell) -> Markup {
    let link = format!("#{}", point_anchor(number, message, cell.action));
    let kinds: Vec<&str> = words::kinds(cell).into_iter().map(AnomalyKind::name).collect();
    html! {
        (words::sign(cell.verdict)) " "
        @match cell.verdict {
            CellVerdict::Harmless => (words::word(cell.verdict)),
            CellVerdict::Unknown => a href=(link) { (words::word(cell.verdict)) },
            CellVerdict::Harmful => a href=(link) { (if kinds.is_empty() { words::word(cell.verdict).to_owned() } else { kinds.join(", ") }) },
        }
    }
}
