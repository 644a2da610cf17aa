//! Where everything of a sweep's diagram stands: lifelines across, time downwards, a row for each message, and beside it a
//! column for each action. Pure geometry, in pixels of a page that shows the drawing at its own size.

use indexmap::IndexSet;

use super::size::Size;
use super::words;
use crate::link::CLIENTS;
use crate::sweep::point::Action;
use crate::sweep::table::MessageRow;

/// Longer names of lifelines are cut; the whole name is its tooltip.
const NAME_AT_MOST: usize = 16;

/// Height of a message's row.
pub const ROW: f64 = 36.0;
/// Height of the rows in which the client asks and is answered.
const CLIENT_ROW: f64 = 32.0;
/// From a row's top to its request, and to its answer.
pub const REQUEST: f64 = 17.0;
/// See [`REQUEST`].
pub const ANSWER: f64 = 28.0;
/// Between a lifeline and the title of an arrow that begins there.
pub const TITLE_GAP: f64 = 9.0;
/// How much wider bold letters are.
const BOLD: f64 = 1.12;

/// One who takes part.
#[derive(Debug, Clone, PartialEq)]
pub struct Lifeline {
    /// The name.
    pub name: String,
    /// The name as far as there is room.
    pub label: String,
    /// Its middle.
    pub x: f64,
    /// The baseline of its name.
    pub label_y: f64,
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its place in the variant's messages.
    pub message: usize,
    /// Its upper edge.
    pub top: f64,
    /// Its title, as far as there is room.
    pub title: String,
    /// In how many recordings it came, if not in all: ` ≈ 2/3`.
    pub share: String,
    /// Where its title begins.
    pub title_x: f64,
    /// The middle of the lifeline that asks.
    pub client: f64,
    /// The middle of the lifeline that answers.
    pub server: f64,
}

impl Row {
    /// The room that its title takes, even if it is set in bold because something harmful falls there.
    fn width(&self, size: Size) -> f64 {
        (width(&self.title, size) + width(&self.share, size)) * BOLD
    }
}

/// A diagram's measures.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// For which screen.
    pub size: Size,
    /// The drawing's width.
    pub width: f64,
    /// The drawing's height.
    pub height: f64,
    /// Where the lifelines begin.
    pub head: f64,
    /// The client first, then in the order in which they take part.
    pub lifelines: Vec<Lifeline>,
    /// The lifeline that the client asks.
    pub front: usize,
    /// When it is asked.
    pub asked: f64,
    /// When it has answered.
    pub answered: f64,
    /// Whether something is sent after that.
    pub has_after: bool,
    /// The messages from top to bottom.
    pub rows: Vec<Row>,
    /// The left edge of the first column of cells.
    pub columns: f64,
    /// Whether there are any: a sequence alone has none.
    pub has_cells: bool,
}

impl Layout {
    /// The measures of the diagram of some messages.
    ///
    /// # Panics
    /// When there are none.
    pub fn of(messages: &[MessageRow], size: Size) -> Self {
        let has_cells = messages.iter().any(|row| !row.cells.is_empty());
        let head = size.head(has_cells);
        let lifelines = lifelines(messages, size, head);
        let place = |name: &str| lifelines.iter().position(|line| line.name == name).expect("each end has a lifeline");
        let first = &messages.first().expect("a diagram has messages").message;
        let front = place(if first.client == CLIENTS { &first.server } else { &first.client });
        let last = lifelines.last().expect("there is the client");
        let edge = last.x + half(&last.label, size);
        let mut rows: Vec<Row> = messages
            .iter()
            .enumerate()
            .map(|(message, row)| {
                let [client, server] = [&row.message.client, &row.message.server].map(|name| lifelines[place(name)].x);
                let share = if words::varies(row) { share(row) } else { String::new() };
                let title_x = client.min(server) + TITLE_GAP;
                Row { message, top: 0.0, title: row.message.title(), share, title_x, client, server }
            })
            .collect();
        let widest = rows.iter().map(|row| row.title_x + row.width(size)).fold(edge, f64::max);
        let columns = widest.min(edge + size.overhang()) + 14.0;
        for row in &mut rows {
            fit(row, columns - 8.0, size);
        }
        // What is sent after the answer stands below it, wherever it stood in the recording.
        rows.sort_by_key(|row| messages[row.message].after_answer);
        let before = rows.iter().filter(|row| !messages[row.message].after_answer).count();
        let first = head + CLIENT_ROW;
        for (number, row) in rows.iter_mut().enumerate() {
            row.top = first + number as f64 * ROW + if number < before { 0.0 } else { CLIENT_ROW };
        }
        Self {
            size,
            width: columns + if has_cells { Action::ALL.len() as f64 * size.pitch() } else { 0.0 },
            height: first + rows.len() as f64 * ROW + CLIENT_ROW + 6.0,
            head,
            front,
            asked: head + 19.0,
            answered: first + before as f64 * ROW + 17.0,
            has_after: before < rows.len(),
            rows,
            lifelines,
            columns,
            has_cells,
        }
    }

    /// The left edge of an action's cells.
    pub fn column(&self, action: Action) -> f64 {
        let place = Action::ALL.iter().position(|one| *one == action).expect("ALL has all");
        self.columns + place as f64 * self.size.pitch()
    }

    /// The lifeline of the harness's client.
    pub fn client(&self) -> &Lifeline {
        &self.lifelines[0]
    }
}

fn lifelines(messages: &[MessageRow], size: Size, head: f64) -> Vec<Lifeline> {
    let mut names = IndexSet::from([CLIENTS]);
    for row in messages {
        names.insert(row.message.client.as_str());
        names.insert(row.message.server.as_str());
    }
    let mut lifelines: Vec<Lifeline> = Vec::with_capacity(names.len());
    for (number, name) in names.into_iter().enumerate() {
        let label = if name == CLIENTS { "client".to_owned() } else { cut(name, NAME_AT_MOST) };
        let after_last = lifelines.last().map_or(size.number() + half(&label, size), |last| last.x + size.between());
        // Only names in the same storey can run into each other.
        let beside = number.checked_sub(size.storeys()).map(|place| &lifelines[place]);
        let x = beside.map_or(0.0, |beside| beside.x + half(&beside.label, size) + half(&label, size)).max(after_last);
        let storey = (number % size.storeys()) as f64;
        lifelines.push(Lifeline { name: name.to_owned(), label, x, label_y: head - 8.0 - 13.0 * storey });
    }
    lifelines
}

/// Half the room that a label takes; it is set in bold.
fn half(label: &str, size: Size) -> f64 {
    width(label, size) * BOLD / 2.0 + 6.0
}

fn width(text: &str, size: Size) -> f64 {
    text.chars().count() as f64 * size.letter()
}

fn share(row: &MessageRow) -> String {
    format!(" ≈ {}/{}", row.seen_in, row.recordings)
}

/// Moves a title to the left until it ends before `edge`, and cuts it where that does not help.
fn fit(row: &mut Row, edge: f64, size: Size) {
    let least = size.number() + TITLE_GAP;
    let letters = (edge - least) / (size.letter() * BOLD);
    row.title = cut(&row.title, (letters as usize).saturating_sub(row.share.chars().count()));
    row.title_x = row.title_x.min(edge - row.width(size));
}

fn cut(text: &str, at_most: usize) -> String {
    if text.chars().count() <= at_most {
        return text.to_owned();
    }
    text.chars().take(at_most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::point::{Manner, MessageName};

    fn row(client: &str, server: &str, command: &str, after_answer: bool) -> MessageRow {
        let (client, server, command) = (client.to_owned(), server.to_owned(), command.to_owned());
        MessageRow {
            message: MessageName { client, server, command, target: None, nth: 1 },
            manner: Manner::Call,
            seen_in: 3,
            recordings: 3,
            request_us: 0,
            answer_us: None,
            after_answer,
            cells: Vec::new(),
        }
    }

    #[test]
    fn lifelines_stand_in_the_order_in_which_they_take_part_and_do_not_touch() {
        let messages = vec![
            row("api-1", "mongodb", "update", false),
            row("a-relay-with-a-very-long-name", "mongodb", "find", true),
            row("a-relay-with-a-very-long-name", "kafka", "Produce", true),
        ];
        for size in [Size::Wide, Size::Narrow] {
            let layout = Layout::of(&messages, size);
            let labels: Vec<&str> = layout.lifelines.iter().map(|line| line.label.as_str()).collect();
            assert_eq!(labels, ["client", "api-1", "mongodb", "a-relay-with-a-…", "kafka"]);
            for (one, other) in layout.lifelines.iter().zip(layout.lifelines.iter().skip(size.storeys())) {
                let room = other.x - one.x;
                assert!(
                    room >= half(&one.label, size) + half(&other.label, size) - 0.1,
                    "{size:?}: {one:?}, {other:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_sent_after_the_answer_stands_below_it() {
        let messages = vec![
            row("api-1", "mongodb", "update", false),
            row("api-1", "kafka", "Produce", true),
            row("api-1", "mongodb", "commitTransaction", false),
        ];
        let layout = Layout::of(&messages, Size::Wide);
        let order: Vec<(usize, bool)> =
            layout.rows.iter().map(|row| (row.message, row.top > layout.answered)).collect();
        assert_eq!(order, [(0, false), (2, false), (1, true)]);
        assert!(layout.has_after && layout.rows[2].top + ROW < layout.height);
    }

    #[test]
    fn a_title_never_runs_into_the_cells() {
        let messages =
            vec![row("api-1", "mongodb", &"very-long-".repeat(30), false), row("api-1", "mongodb", "a", false)];
        for size in [Size::Wide, Size::Narrow] {
            let layout = Layout::of(&messages, size);
            for row in &layout.rows {
                assert!(row.title_x > 0.0 && row.title_x + row.width(size) < layout.columns, "{row:?}");
            }
        }
    }
}
