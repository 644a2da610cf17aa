//! What one operation of each kind costs in messages, as a sequence diagram and as a table.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::sweep::{message_cells, strokes, variation};
use crate::history::entry::Anatomy;
use crate::metrics::Metrics;
use crate::report::sweep::diagram;
use crate::report::sweep::layout::Layout;
use crate::report::sweep::size::Size;
use crate::report::sweep::words;
use crate::sweep::table::MessageRow;

/// The section; nothing where no taps were asked for.
pub(super) fn section(metrics: &Metrics) -> Markup {
    let kinds: Vec<(&Anatomy, Vec<MessageRow>)> =
        metrics.anatomies.iter().map(|anatomy| (anatomy, MessageRow::all_of(anatomy))).collect();
    html! {
        @if !kinds.is_empty() {
            h2 { "The messages that one operation costs" }
            p.note {
                "One of each kind, alone, before the load, as taps saw it pass. Logins, heartbeats and metadata are not shown, nor what "
                "a timer sends later (offset commits)."
            }
            div.sweeps { @for (anatomy, rows) in &kinds { (kind(anatomy, rows)) } }
            div.legend { p { (strokes()) @if kinds.iter().any(|(_, rows)| rows.iter().any(words::varies)) { (variation()) } } }
            @for (anatomy, rows) in kinds.iter().filter(|(_, rows)| !rows.is_empty()) {
                details { summary { "The messages of a " (anatomy.operation) " as a table" } (table(rows)) }
            }
        }
    }
}

fn kind(anatomy: &Anatomy, rows: &[MessageRow]) -> Markup {
    if rows.is_empty() {
        return html! { p { strong { (anatomy.operation) } ": no message to MongoDB or Kafka that could be read." } };
    }
    let sizes = [Size::Wide, Size::Narrow].map(|size| Layout::of(rows, size));
    html! {
        figure.sweep style=(format!("--natural:{}", sizes[0].width.ceil())) {
            figcaption { strong { (anatomy.operation) } " " span { (counts(rows)) } }
            @for layout in &sizes {
                div.picture { (diagram::draw(&anatomy.operation, rows, 0, &anatomy.operation, layout)) }
            }
        }
    }
}

/// `7 messages: 4 api-1 → mongodb, 3 relay-1 → kafka; 3 before the client is answered`.
fn counts(rows: &[MessageRow]) -> String {
    let mut links: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows {
        *links.entry(row.message.link().to_string()).or_default() += 1;
    }
    let links: Vec<String> = links.into_iter().map(|(link, count)| format!("{count} {link}")).collect();
    let before = rows.iter().filter(|row| !row.after_answer).count();
    let messages = if rows.len() == 1 { "message" } else { "messages" };
    format!("{} {messages}: {}; {before} before the client is answered", rows.len(), links.join(", "))
}

fn table(rows: &[MessageRow]) -> Markup {
    html! {
        p.note { "When: from the operation's invocation to the request (+ to its answer), in the first recording that has the message." }
        div.scroll {
            table {
                thead { tr {
                    th.number scope="col" { "#" } th scope="col" { "message" } th scope="col" { "between" } th scope="col" { "when" }
                } }
                tbody { @for (number, row) in rows.iter().enumerate() {
                    tr {
                        (message_cells(number, row))
                    }
                } }
            }
        }
    }
}
