//! What was found, as sentences, citations and items: each kind here, ways from one operation to another in `step`, the
//! operations that are cited in `cite`.

mod cite;
mod phrase;
mod step;

use serde_json::{Map, Value as Json, json};

use crate::verdict::{Anomaly, Example};

use super::finding::{Findings, Item};
use super::history::{History, Row, Stage};
use super::kind::{Kind, Kinds};
use super::message::{Message, Messages};
use super::order::{Entry, Orders};
use super::vocabulary::Key;
use phrase::{capital, listed};

/// At most so many values or offsets are listed in an item.
const LISTED_AT_MOST: usize = 256;

/// Tells of findings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Explainer<'a> {
    pub(super) history: &'a History,
    pub(super) messages: &'a Messages,
    pub(super) orders: &'a Orders,
}

impl Explainer<'_> {
    /// All of one kind; `None` if there is nothing.
    pub(super) fn anomaly(&self, kind: Kind, findings: &Findings, deciding: Kinds) -> Option<Anomaly> {
        (findings.count > 0).then(|| Anomaly {
            kind: kind.name(),
            count: findings.count,
            decides: deciding.contains(kind),
            examples: findings.items.iter().map(|item| self.example(kind, item)).collect(),
        })
    }

    fn example(&self, kind: Kind, item: &Item) -> Example {
        match *item {
            Item::Cycle { ref steps } => self.cycle(steps),
            Item::Lost { message, max_read_index } => self.lost(message, max_read_index),
            Item::Unseen { message, polled } => self.unseen(message, polled),
            Item::Duplicate { message } => self.duplicate(message),
            Item::Inconsistent { key, offset, index } => self.inconsistent(key, offset, index),
            Item::Aborted { message, reader } => self.aborted(message, reader),
            Item::Precommitted { message, row } => self.precommitted(message, row),
            Item::Step { from, to } => self.step(kind, from, to),
        }
    }

    fn lost(&self, message: Message, max_read_index: u32) -> Example {
        let key = self.key(message);
        let index = self.orders.first[message as usize];
        let written = match self.history.stage(self.messages.writer[message as usize]) {
            Stage::Ok => "was acknowledged",
            _ => "was sent by an operation of which another message was polled, so it was committed",
        };
        let read = self.max_read(key, max_read_index);
        let up_to = read.map_or_else(String::new, |(max, _)| format!(" up to {}", self.name(max)));
        let operations = [Some(self.messages.writer[message as usize]), read.map(|(_, reader)| reader)];
        Example {
            explanation: format!(
                "{} of key {} {written} and stands{} in the log; messages{up_to} behind it were polled, but no successful \
                 poll ever returned it.",
                capital(&self.name(message)),
                self.history.vocabulary.key_text(key),
                self.at_offset(message),
            ),
            operations: self.cite(operations.into_iter().flatten(), key),
            item: self.item(
                message,
                [
                    ("offset", json!(self.offset(message))),
                    ("index", json!(index)),
                    ("max-read-index", json!(max_read_index)),
                ],
            ),
        }
    }

    fn unseen(&self, message: Message, polled: bool) -> Example {
        let key = self.key(message);
        let (name, key_text) = (capital(&self.name(message)), self.history.vocabulary.key_text(key));
        let (explanation, row) = if polled {
            let explanation = format!(
                "{name} of key {key_text} was polled by the last successful operation, which is the first successful one \
                 to mention this key: as in Jepsen, messages of a key that no acknowledged send is known to count as \
                 unseen until a further operation succeeds."
            );
            (explanation, self.messages.last_ok)
        } else {
            let explanation = format!(
                "{name} sent to key {key_text} was acknowledged{}, but no successful poll ever returned it.",
                self.at_offset(message)
            );
            (explanation, self.messages.writer[message as usize])
        };
        Example {
            explanation,
            operations: self.cite([row], key),
            item: self.item(message, [("offset", json!(self.offset(message)))]),
        }
    }

    fn duplicate(&self, message: Message) -> Example {
        let key = self.key(message);
        let is_it = |entry: &&Entry| entry.message == message;
        let offsets: Vec<i64> = self.orders.entries(key).iter().filter(is_it).map(|entry| entry.offset).collect();
        let witnesses = offsets.iter().take(2).filter_map(|&offset| self.first_mention(message, offset));
        Example {
            explanation: format!(
                "{} stands {} times in the log of key {}: at offsets {}.",
                capital(&self.name(message)),
                offsets.len(),
                self.history.vocabulary.key_text(key),
                listed(&offsets, |offset| offset.to_string()),
            ),
            operations: self.cite(witnesses, key),
            item: self.item(
                message,
                [("count", json!(offsets.len())), ("offsets", json!(&offsets[..offsets.len().min(LISTED_AT_MOST)]))],
            ),
        }
    }

    fn inconsistent(&self, key: Key, offset: i64, index: u32) -> Example {
        let entries = self.orders.entries(key);
        let start = entries.partition_point(|entry| entry.offset < offset);
        let mut group: Vec<Message> =
            entries[start..].iter().take_while(|entry| entry.offset == offset).map(|entry| entry.message).collect();
        group.sort_by_key(|&message| self.spelled(message));
        let witnesses = group.iter().take(4).filter_map(|&message| self.first_mention(message, offset));
        let values: Vec<Json> = group.iter().take(LISTED_AT_MOST).map(|&message| self.json(message)).collect();
        let key_text = self.history.vocabulary.key_text(key);
        let item = [
            ("key", json!(key_text)),
            ("offset", json!(offset)),
            ("index", json!(index)),
            ("values", Json::from(values)),
        ];
        Example {
            explanation: format!(
                "Offset {offset} of key {key_text} was seen with different messages: {}.",
                listed(&group, |message| self.name(message))
            ),
            operations: self.cite(witnesses, key),
            item: map(item),
        }
    }

    fn aborted(&self, message: Message, reader: Row) -> Example {
        let key = self.key(message);
        Example {
            explanation: format!(
                "Process {} polled {} of key {}, although the send of it had failed.",
                self.client(reader),
                self.name(message),
                self.history.vocabulary.key_text(key),
            ),
            operations: self.cite(self.failed_writer(message).into_iter().chain([reader]), key),
            item: self.item(message, []),
        }
    }

    fn precommitted(&self, message: Message, row: Row) -> Example {
        let key = self.key(message);
        Example {
            explanation: format!(
                "A transaction of process {} polled {} of key {}, which it had sent itself and not yet committed.",
                self.client(row),
                self.name(message),
                self.history.vocabulary.key_text(key),
            ),
            operations: self.cite([row], key),
            item: self.item(message, []),
        }
    }

    fn item<const N: usize>(&self, message: Message, more: [(&str, Json); N]) -> Map<String, Json> {
        let key = json!(self.history.vocabulary.key_text(self.key(message)));
        map([("key", key), ("value", self.json(message))].into_iter().chain(more))
    }
}

/// A JSON object.
fn map<'a>(items: impl IntoIterator<Item = (&'a str, Json)>) -> Map<String, Json> {
    items.into_iter().map(|(name, json)| (name.to_owned(), json)).collect()
}
