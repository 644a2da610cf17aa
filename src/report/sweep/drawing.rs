//! The strokes of a sweep's diagram. Their colours are classes of the page's style, so that light, dark and paper differ.

use std::fmt::Write;

use maud::{Markup, html};

use super::layout::{ANSWER, REQUEST, ROW, Row};
use super::words;
use crate::sweep::point::Action;
use crate::sweep::table::CellVerdict;

/// Length and half the width of an arrow's head.
const HEAD: (f64, f64) = (7.0, 3.5);

/// Between two lines of a hatching.
const HATCH: f64 = 7.0;

/// A number as a drawing needs it.
pub fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// An arrow from one lifeline to another.
pub fn arrow(class: &str, from: f64, to: f64, y: f64) -> Markup {
    let (length, half) = HEAD;
    let back = if to > from { to - length } else { to + length };
    let points = format!(
        "{},{} {},{} {},{}",
        rounded(to),
        rounded(y),
        rounded(back),
        rounded(y - half),
        rounded(back),
        rounded(y + half)
    );
    html! {
        g class=(class) {
            line x1=(rounded(from)) x2=(rounded(back)) y1=(rounded(y)) y2=(rounded(y)) {}
            polygon points=(points) {}
        }
    }
}

/// Where in the sequence an action falls: on the way, or on the process that sent the request.
pub fn place(action: Action, row: &Row) -> (f64, f64) {
    let on_the_way = f64::midpoint(row.client, row.server);
    let (request, answer) = (row.top + REQUEST, row.top + ANSWER);
    match action {
        Action::DropRequest => (on_the_way, request),
        Action::DropAnswer => (on_the_way, answer),
        Action::KillBefore => (row.client, row.top + 8.0),
        Action::KillAfterRequest => (row.client, f64::midpoint(request, answer)),
        Action::KillAfterAnswer => (row.client, row.top + ROW - 1.5),
    }
}

/// A cross where something harmful falls.
pub fn cross((x, y): (f64, f64)) -> Markup {
    let arms = format!("M{0} {1}l4.4 4.4m0 -4.4l-4.4 4.4", rounded(x - 2.2), rounded(y - 2.2));
    html! {
        g class="cross" {
            circle cx=(rounded(x)) cy=(rounded(y)) r="4.8" {}
            path d=(arms) {}
        }
    }
}

/// A cell: its colour, and its sign for who does not see that.
pub fn cell(verdict: CellVerdict, x: f64, y: f64, width: f64, height: f64) -> Markup {
    let word = words::word(verdict);
    html! {
        rect class=(word) x=(rounded(x)) y=(rounded(y)) width=(rounded(width)) height=(rounded(height)) rx="4" {}
        @if verdict == CellVerdict::Unknown { path class="hatching" d=(hatching(x, y, width, height)) {} }
        text class=(format!("sign {word}")) x=(rounded(x + width / 2.0)) y=(rounded(y + height / 2.0 + 5.0)) {
            (words::sign(verdict))
        }
    }
}

/// Slanting lines within a rectangle. They are drawn one by one: a pattern would be a reference, and a page has none.
fn hatching(x: f64, y: f64, width: f64, height: f64) -> String {
    let mut path = String::new();
    let mut offset = HATCH - height;
    while offset < width - 1.0 {
        // Each line rises from the lower edge to the upper one, as far as it is within.
        let (from, to) = ((-offset).max(1.0), (width - offset).min(height) - 1.0);
        let at = |rise: f64| (rounded(x + offset + rise), rounded(y + height - rise));
        let ((x1, y1), (x2, y2)) = (at(from), at(to));
        let _ = write!(path, "M{x1} {y1}L{x2} {y2}");
        offset += HATCH;
    }
    path
}
