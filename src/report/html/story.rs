//! An anomaly, step by step: what was sent, changed, stored, published and applied, when, in which line of the history,
//! and under which fault; what is missing stands where it should have been.

use maud::{Markup, html};

use crate::checker::verdict::{Anomaly, Example, Place, Step};
use crate::report::sentence;

/// Examples that are open when the page is; the others unfold.
const OPEN: usize = 2;

/// One kind of anomaly with its examples.
pub fn anomaly(anomaly: &Anomaly, load_started: u64) -> Markup {
    let more = anomaly.examples.len().saturating_sub(OPEN);
    html! {
        h3 id=(anomaly.kind.name()) {
            span class=(if anomaly.forbidden { "bad" } else { "" }) {
                (if anomaly.forbidden { "✗ " } else { "" }) (sentence::counted(anomaly.kind, anomaly.count))
            }
            @if !anomaly.forbidden { " (allowed here)" }
        }
        p.note { (sentence::meaning(anomaly.kind)) }
        @for one in anomaly.examples.iter().take(OPEN) { (example(one, load_started)) }
        @if more > 0 {
            details {
                summary { (more) " more, of " (sentence::grouped(anomaly.count)) }
                @for one in anomaly.examples.iter().skip(OPEN) { (example(one, load_started)) }
            }
        }
    }
}

/// One worked example.
pub fn example(example: &Example, load_started: u64) -> Markup {
    html! {
        div.story {
            p { (example.explanation) }
            ol { @for one in &example.story { (step(one, load_started)) } }
        }
    }
}

fn step(step: &Step, load_started: u64) -> Markup {
    let class = match (step.at, step.place) {
        (None, _) => "missing",
        (_, Place::Fault) => "fault",
        _ => "",
    };
    html! {
        li class=(class) {
            span.when { (step.at.map_or_else(|| "✗ never".to_owned(), |at| sentence::clock(at, load_started))) }
            span.place { (place(step.place)) }
            span.text { (step.text) }
            span.where { @if let Some(line) = step.line { "line " (sentence::grouped(line)) } }
        }
    }
}

fn place(place: Place) -> &'static str {
    match place {
        Place::Operation => "operation",
        Place::Document => "document",
        Place::Outbox => "outbox row",
        Place::Record => "record",
        Place::Effect => "effect",
        Place::Fault => "⚡ fault",
    }
}
