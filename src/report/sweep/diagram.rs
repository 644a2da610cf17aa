//! A variant's diagram: its messages as a sequence, and beside each a cell for each action. Red crosses in the sequence are
//! the red cells, at the place where they fall.

use maud::{Markup, html};

use super::drawing::{arrow, cell, cross, place, rounded};
use super::layout::{ANSWER, Layout, REQUEST, ROW, Row};
use super::size::Size;
use super::words;
use crate::sweep::point::{Action, Manner, Point};
use crate::sweep::table::{Cell, CellVerdict, MessageRow};

/// Where a point is told of on the page: the places of its variant and its message, and its action.
pub fn point_anchor(variant: usize, message: usize, action: Action) -> String {
    format!("point-{}-{}-{}", variant + 1, message + 1, action.name())
}

/// The row of a message in the page's tables.
pub fn message_anchor(variant: usize, message: usize) -> String {
    format!("message-{}-{}", variant + 1, message + 1)
}

/// Half the width of a service that is at its client's request.
const BUSY: f64 = 3.0;

/// A diagram under construction.
struct Diagram<'a> {
    /// Whose messages they are: the variant's name.
    name: &'a str,
    messages: &'a [MessageRow],
    /// The variant's place in the sweep.
    number: usize,
    operation: &'a str,
    layout: &'a Layout,
}

/// The drawing of an operation's messages, of which there is one at least; `number` is the variant's place in the sweep.
pub fn draw(name: &str, messages: &[MessageRow], number: usize, operation: &str, layout: &Layout) -> Markup {
    Diagram { name, messages, number, operation, layout }.svg()
}

impl Diagram<'_> {
    fn svg(&self) -> Markup {
        let Layout { width, height, size, .. } = *self.layout;
        let label = self.label();
        html! {
            // No image: it holds links. What it shows is told below in a table.
            svg class=(size.name()) viewBox=(format!("0 0 {} {}", rounded(width), rounded(height)))
                style=(format!("--natural:{}px", width.ceil())) role="group" aria-label=(label) {
                (self.ground())
                (self.heads())
                (self.client())
                @for row in &self.layout.rows { (self.message(row)) }
            }
        }
    }

    fn label(&self) -> String {
        let comes_of_it = if self.layout.has_cells { ", and what comes of it" } else { "" };
        format!("{}: each message of a {}{comes_of_it}", self.name, self.operation)
    }

    /// What lies behind everything: the time after the answer, rules that lead from a message to its cells, lifelines.
    fn ground(&self) -> Markup {
        let Layout { width, height, head, answered, .. } = *self.layout;
        let lifelines_end = rounded(height - 4.0);
        html! {
            @if self.layout.has_after {
                rect class="after" x="0" y=(rounded(answered)) width=(rounded(width)) height=(rounded(height - answered)) {}
            }
            @for row in &self.layout.rows {
                line class="rule" x1="0" x2=(rounded(width)) y1=(rounded(row.top + ROW)) y2=(rounded(row.top + ROW)) {}
            }
            @for line in &self.layout.lifelines {
                line class="lifeline" x1=(rounded(line.x)) x2=(rounded(line.x)) y1=(rounded(head)) y2=(lifelines_end) {}
            }
        }
    }

    /// The names of the lifelines and of the columns.
    fn heads(&self) -> Markup {
        html! {
            @for line in &self.layout.lifelines {
                text class="name" x=(rounded(line.x)) y=(rounded(line.label_y)) { title { (line.name) } (line.label) }
            }
            @if self.layout.has_cells { @for action in Action::ALL { (self.column_head(action)) } }
        }
    }

    fn column_head(&self, action: Action) -> Markup {
        let size = self.layout.size;
        let x = rounded(self.layout.column(action) + (size.pitch() - size.gap()) / 2.0);
        let bottom = self.layout.head - 8.0;
        let lines: Vec<&str> = words::head(action).split(' ').collect();
        html! {
            @match size {
                Size::Wide => text class="head" {
                    title { (words::meaning(action)) }
                    @for (number, line) in lines.iter().enumerate() {
                        tspan x=(x) y=(rounded(bottom - 13.0 * (lines.len() - 1 - number) as f64)) { (line) }
                    }
                },
                Size::Narrow => text class="head upright" transform=(format!("translate({} {bottom}) rotate(-90)", rounded(x + 3.5))) {
                    title { (words::meaning(action)) }
                    (words::head(action))
                },
            }
        }
    }

    /// What the client asks, how long its service is at it, and the answer.
    fn client(&self) -> Markup {
        let Layout { width, head, asked, answered, .. } = *self.layout;
        let (client, front) = (self.layout.client().x, self.layout.lifelines[self.layout.front].x);
        html! {
            line class="rule" x1="0" x2=(rounded(width)) y1=(rounded(head)) y2=(rounded(head)) {}
            rect class="busy" x=(rounded(front - BUSY)) y=(rounded(asked)) width=(2.0 * BUSY) height=(rounded(answered - asked)) {}
            (arrow("ask", client, front - BUSY, asked))
            text class="title operation" x=(rounded(client + 9.0)) y=(rounded(asked - 5.0)) { (self.operation) }
            line class="answered" x1="0" x2=(rounded(width)) y1=(rounded(answered)) y2=(rounded(answered)) {}
            (arrow("reply", front - BUSY, client, answered))
            text class="title operation" x=(rounded(client + 9.0)) y=(rounded(answered - 5.0)) { "answer" }
            @if self.layout.has_after {
                text class="told" x=(rounded(width - 4.0)) y=(rounded(answered - 5.0)) {
                    @match self.layout.size {
                        Size::Wide if self.layout.has_cells => "the client has its answer: of what breaks below it is never told",
                        _ => "below: after the answer",
                    }
                }
            }
        }
    }

    fn message(&self, row: &Row) -> Markup {
        let message = &self.messages[row.message];
        let harmful = || message.cells.iter().filter(|cell| cell.verdict == CellVerdict::Harmful);
        let class = match (message.after_answer, harmful().next().is_some()) {
            (true, true) => "message late torn",
            (true, false) => "message late",
            (false, true) => "message torn",
            (false, false) => "message",
        };
        html! {
            g class=(class) {
                g {
                    title { (told(message)) }
                    text class="number" x="0" y=(rounded(row.top + 22.0)) { (row.message + 1) }
                    (self.arrows(row, message))
                    (title(row))
                }
                @for cell in harmful() { (cross(place(cell.action, row))) }
                @for cell in &message.cells { (self.cell(row, message, cell)) }
            }
        }
    }

    /// The question and its answer. Of a call the question counts, of a delivery the answer.
    fn arrows(&self, row: &Row, message: &MessageRow) -> Markup {
        let (request, answer) = (row.top + REQUEST, row.top + ANSWER);
        let (client, server) = (self.edge(row.client, row.server, row), self.edge(row.server, row.client, row));
        html! {
            @match message.manner {
                Manner::Call => {
                    (arrow("ask", client, server, request))
                    @if message.answer_us.is_some() { (arrow("reply", server, client, answer)) }
                },
                Manner::Delivery => {
                    (arrow("standing", client, server, request))
                    (arrow("ask", server, client, answer))
                },
            }
        }
    }

    /// Where an arrow between two lifelines meets the first: the service that is at the client's request is as wide as that.
    fn edge(&self, of: f64, other: f64, row: &Row) -> f64 {
        let front = self.layout.lifelines[self.layout.front].x;
        let is_busy = (of - front).abs() < BUSY && row.top < self.layout.answered;
        if is_busy { of + BUSY.copysign(other - of) } else { of }
    }

    fn cell(&self, row: &Row, message: &MessageRow, one: &Cell) -> Markup {
        let size = self.layout.size;
        let point = Point { message: message.message.clone(), manner: message.manner, action: one.action };
        let is_harmless = one.verdict == CellVerdict::Harmless;
        let anchor = if is_harmless {
            message_anchor(self.number, row.message)
        } else {
            point_anchor(self.number, row.message, one.action)
        };
        html! {
            // Of a hundred green cells nobody wants to step through each.
            a href=(format!("#{anchor}")) tabindex=[is_harmless.then_some("-1")] aria-label=[(!is_harmless).then(|| words::sentence(&point, one))] {
                title { (words::sign(one.verdict)) " " (words::sentence(&point, one)) }
                (cell(one.verdict, self.layout.column(one.action), row.top + 3.5, size.pitch() - size.gap(), ROW - 7.0))
            }
        }
    }
}

fn title(row: &Row) -> Markup {
    html! {
        text class="title" x=(rounded(row.title_x)) y=(rounded(row.top + REQUEST - 5.0)) {
            (row.title)
            @if !row.share.is_empty() { tspan class="varies" { (row.share) } }
        }
    }
}

/// A message's tooltip.
fn told(row: &MessageRow) -> String {
    let manner = match row.manner {
        Manner::Call => "request and answer",
        Manner::Delivery => "the answer to a question that is asked all the time",
    };
    let varies = if words::varies(row) {
        format!("; came in {} of {} recordings", row.seen_in, row.recordings)
    } else {
        String::new()
    };
    format!("{}: {manner}, {} after the operation's invocation{varies}", row.message, words::when(row))
}
