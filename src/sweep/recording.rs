//! From what the taps saw to the messages of one operation. Pure.
//!
//! What belongs to an operation is told by time: nothing else is asked of the services meanwhile. What they send by themselves
//! all the time (polls, fetches, heartbeats) is learnt beforehand, while nobody asks anything: a *standing* question. Its
//! answer belongs to an operation only where it brings something.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::point::{Manner, MessageName};
use super::table::MessageRow;
use crate::history::entry::Nanos;
use crate::link::Link;
use crate::link::tap::{Direction, Message};

/// A message as a tap saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// When.
    pub at: Nanos,
    /// On which link.
    pub link: Link,
    /// On which of its connections.
    pub connection: u64,
    /// Which request and answer belong together on that connection.
    pub correlation: i32,
    /// Whether it is an answer.
    pub is_answer: bool,
    /// The command or API; an answer has its request's.
    pub command: String,
    /// The collection or topic.
    pub target: Option<String>,
    /// Heartbeats, metadata, logins and the like.
    pub is_background: bool,
    /// Whether an answer brings something: documents, records.
    pub brings: bool,
}

/// The run's own topics → the manifest's.
pub type Topics = BTreeMap<String, String>;

impl Seen {
    /// A message on its way, with the manifest's name of a topic.
    pub fn of(link: &Link, connection: u64, message: &Message, topics: &Topics, at: Nanos) -> Self {
        let target = message.target.as_deref();
        Self {
            at,
            link: link.clone(),
            connection,
            correlation: message.correlation,
            is_answer: message.direction == Direction::Answers,
            command: message.name.to_string(),
            target: target.map(|own| topics.get(own).map_or(own, String::as_str).to_owned()),
            is_background: message.is_background,
            brings: message.returned > 0,
        }
    }
}

/// What tells messages apart but for their number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    link: Link,
    command: String,
    target: Option<String>,
}

impl Kind {
    /// The kind of a message.
    pub fn of(seen: &Seen) -> Self {
        Self { link: seen.link.clone(), command: seen.command.clone(), target: seen.target.clone() }
    }

    /// Whether a message is of this kind; without a target any is meant.
    pub fn is_of(&self, seen: &Seen) -> bool {
        let is_target = self.target.is_none() || self.target == seen.target;
        is_target && self.link == seen.link && self.command == seen.command
    }

    /// The kind that a name means.
    pub fn named(name: &MessageName) -> Self {
        Self { link: name.link(), command: name.command.clone(), target: name.target.clone() }
    }
}

/// The questions that services ask all the time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing(BTreeSet<Kind>);

impl Standing {
    /// Learns from a time in which nobody asked anything of the services.
    pub fn learn(quiet: &[Seen]) -> Self {
        Self(quiet.iter().map(Kind::of).collect())
    }

    /// How a message comes to pass within an operation; none for what belongs to none.
    pub fn manner(&self, seen: &Seen) -> Option<Manner> {
        let is_standing = seen.is_background || self.0.contains(&Kind::of(seen));
        match (is_standing, seen.is_answer) {
            (false, false) => Some(Manner::Call),
            (true, true) if seen.brings => Some(Manner::Delivery),
            _ => None,
        }
    }
}

/// One operation as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// When it was invoked.
    pub invoked: Nanos,
    /// When its client had the answer.
    pub answered: Nanos,
    /// What passed from then until it had come through to the end.
    pub seen: Vec<Seen>,
}

/// A message of one recording.
struct Found {
    manner: Manner,
    request: Nanos,
    answer: Option<Nanos>,
    after_answer: bool,
}

/// The messages of an operation, from several recordings of it: in the order in which they left, those behind the answer to
/// the client last. No cells yet.
pub fn messages(standing: &Standing, recordings: &[Recording]) -> Vec<MessageRow> {
    let mut rows: Vec<MessageRow> = Vec::new();
    let mut place_of: HashMap<MessageName, usize> = HashMap::new();
    for recording in recordings {
        for (name, found) in found(standing, recording) {
            let micros = |at: Nanos| at.saturating_sub(recording.invoked) / 1000;
            let place = *place_of.entry(name.clone()).or_insert(rows.len());
            if place == rows.len() {
                rows.push(MessageRow {
                    message: name,
                    manner: found.manner,
                    seen_in: 0,
                    recordings: recordings.len() as u32,
                    request_us: micros(found.request),
                    answer_us: found.answer.map(micros),
                    after_answer: found.after_answer,
                    cells: Vec::new(),
                });
            }
            rows[place].seen_in += 1;
        }
    }
    rows.sort_by_key(|row| (row.after_answer, row.request_us));
    rows
}

/// The messages of one recording, in order.
fn found(standing: &Standing, recording: &Recording) -> Vec<(MessageName, Found)> {
    let mut count: BTreeMap<Kind, u32> = BTreeMap::new();
    let mut waiting: HashMap<(Link, u64, i32), usize> = HashMap::new();
    let mut all: Vec<(MessageName, Found)> = Vec::new();
    for seen in &recording.seen {
        let conversation = (seen.link.clone(), seen.connection, seen.correlation);
        if seen.is_answer
            && let Some(place) = waiting.remove(&conversation)
        {
            all[place].1.answer = Some(seen.at);
            continue;
        }
        let Some(manner) = standing.manner(seen) else { continue };
        let nth = count.entry(Kind::of(seen)).or_default();
        *nth += 1;
        let name = MessageName {
            client: seen.link.client.clone(),
            server: seen.link.server.clone(),
            command: seen.command.clone(),
            target: seen.target.clone(),
            nth: *nth,
        };
        if manner == Manner::Call {
            waiting.insert(conversation, all.len());
        }
        let answer = (manner == Manner::Delivery).then_some(seen.at);
        let after_answer = seen.at > recording.answered;
        all.push((name, Found { manner, request: seen.at, answer, after_answer }));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(at: Nanos, is_answer: bool, correlation: i32, command: &str, brings: bool) -> Seen {
        Seen {
            at,
            link: Link::new("api-1", "mongodb"),
            connection: 1,
            correlation,
            is_answer,
            command: command.to_owned(),
            target: Some("products".to_owned()),
            is_background: false,
            brings,
        }
    }

    fn titles(rows: &[MessageRow]) -> Vec<(String, Manner, u32)> {
        rows.iter().map(|row| (row.message.title(), row.manner, row.seen_in)).collect()
    }

    #[test]
    fn a_request_and_its_answer_are_one_message_and_repetitions_are_numbered() {
        let recording = Recording {
            invoked: 1000,
            answered: 9000,
            seen: vec![
                seen(2000, false, 1, "update", false),
                seen(3000, true, 1, "update", false),
                seen(4000, false, 2, "update", false),
                seen(10_000, false, 3, "insert", false),
            ],
        };
        let rows = messages(&Standing::default(), &[recording]);
        let expected = [("update products", 1), ("update products (2nd)", 1), ("insert products", 1)];
        let expected: Vec<_> = expected.map(|(title, count)| (title.to_owned(), Manner::Call, count)).into();
        assert_eq!(titles(&rows), expected);
        assert_eq!((rows[0].request_us, rows[0].answer_us), (1, Some(2)));
        assert_eq!((rows[1].answer_us, rows[1].after_answer, rows[2].after_answer), (None, false, true));
    }

    #[test]
    fn of_a_standing_question_only_an_answer_that_brings_something_belongs_to_the_operation() {
        let standing = Standing::learn(&[seen(1, false, 7, "find", false), seen(2, true, 7, "find", false)]);
        let recording = Recording {
            invoked: 0,
            answered: 10_000,
            seen: vec![
                seen(3000, false, 8, "find", false),
                seen(4000, true, 8, "find", false),
                seen(5000, false, 9, "find", false),
                seen(6000, true, 9, "find", true),
            ],
        };
        let rows = messages(&standing, &[recording]);
        assert_eq!(titles(&rows), [("find products".to_owned(), Manner::Delivery, 1)]);
        assert_eq!(rows[0].answer_us, Some(6));
    }

    #[test]
    fn a_message_that_only_some_recordings_have_is_counted_as_such() {
        let recording = |commands: &[&str]| Recording {
            invoked: 0,
            answered: 0,
            seen: (1..).zip(commands).map(|(at, command)| seen(1000 * at, false, 1, command, false)).collect(),
        };
        let rows = messages(&Standing::default(), &[recording(&["update"]), recording(&["update", "insert"])]);
        let counts: Vec<u32> = rows.iter().map(|row| row.seen_in).collect();
        assert_eq!(counts, [2, 1]);
        assert!(rows.iter().all(|row| row.recordings == 2));
    }
}
