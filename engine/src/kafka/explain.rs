//! What was found, as sentences, citations and items.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use crate::verdict::{Anomaly, Cited, Example};

use super::cycle::{Because, Step};
use super::finding::{Findings, Item};
use super::history::{History, NO_INDEX, NONE, Row, Stage, UNKNOWN};
use super::kind::{Kind, Kinds};
use super::message::{Message, Messages};
use super::order::{Entry, Orders, first_of_set};
use super::record::Function;
use super::vocabulary::{Key, Spelled, Value};

/// At most so many values or offsets are listed in an item.
const LISTED_AT_MOST: usize = 256;

/// At most so many steps of a circle are told.
const STEPS_AT_MOST: usize = 8;

/// At most so many are named in a sentence.
const NAMED_AT_MOST: usize = 5;

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

    fn step(&self, kind: Kind, from: (Row, Message), to: (Row, Message)) -> Example {
        let key = self.key(from.1);
        let delta = self.orders.delta(from.1, to.1);
        let chosen = self.orders.chosen(key);
        let (first, last) = (self.orders.index[from.1 as usize] as usize, self.orders.index[to.1 as usize] as usize);
        let skipped = if delta > 1 { &chosen[first + 1..last] } else { &[] };
        let mut item = vec![
            ("key", json!(self.history.vocabulary.key_text(key))),
            ("values", json!([self.json(from.1), self.json(to.1)])),
            ("delta", json!(delta)),
        ];
        if delta > 1 {
            let listed: Vec<Json> = skipped.iter().take(LISTED_AT_MOST).map(|&message| self.json(message)).collect();
            item.push(("skipped", Json::from(listed)));
        }
        let (verb, of) = match kind {
            Kind::NonmonotonicSend | Kind::IntNonmonotonicSend | Kind::IntSendSkip => ("sent", "to"),
            _ => ("polled", "of"),
        };
        let who = if from.0 == to.0 {
            format!("One operation of process {} {verb}", self.client(to.0))
        } else {
            format!("Process {} {verb}", self.client(to.0))
        };
        let (left, right) = (self.name(from.1), self.name(to.1));
        let then = if from.0 == to.0 { "and then" } else { "and, in its next operation on that key," };
        let key_text = self.history.vocabulary.key_text(key);
        let found = match delta {
            2.. => {
                let between = listed(skipped, |message| self.name(message));
                let messages =
                    if delta == 2 { "1 message lies".to_owned() } else { format!("{} messages lie", delta - 1) };
                format!("but {messages} between them in the log: {between}")
            }
            0 => "which is the same place of the log again".to_owned(),
            -1 => format!("but in the log {right} stands 1 place before {left}"),
            _ => format!("but in the log {right} stands {} places before {left}", -delta),
        };
        Example {
            explanation: format!("{who} {left} {of} key {key_text} {then} {right}, {found}."),
            operations: self.cite([from.0, to.0], key),
            item: map(item),
        }
    }

    fn cycle(&self, steps: &[Step]) -> Example {
        let next = |place: usize| (place + 1) % steps.len();
        let told = |place: usize| {
            let because = match steps[place].because {
                Because::Sent { before, after } => format!(
                    "sent {} to key {} right before {} of",
                    self.name(before),
                    self.history.vocabulary.key_text(self.key(before)),
                    self.name(after),
                ),
                Because::Polled { message } => format!(
                    "sent {} to key {}, which was polled by",
                    self.name(message),
                    self.history.vocabulary.key_text(self.key(message)),
                ),
                Because::Realtime => "had succeeded before the invocation of".to_owned(),
                Because::Process => "was run by the same process before".to_owned(),
            };
            format!("operation {} {because} operation {}", place + 1, next(place) + 1)
        };
        let said: Vec<String> = (0..steps.len().min(STEPS_AT_MOST)).map(told).collect();
        let rest = if said.len() < steps.len() { ", and so on," } else { "," };
        let json: Vec<Json> = steps.iter().take(LISTED_AT_MOST).map(|step| self.step_item(step)).collect();
        Example {
            explanation: format!("{}{rest} so each of them must have come before itself.", capital(&said.join(", "))),
            operations: steps.iter().take(LISTED_AT_MOST).map(|step| self.cited(step.row, self.key_of(step))).collect(),
            item: map([("steps", Json::from(json))]),
        }
    }

    fn step_item(&self, step: &Step) -> Json {
        let key = |message| self.history.vocabulary.key_text(self.key(message));
        match step.because {
            Because::Sent { before, after } => {
                json!({"type": "ww", "key": key(before), "value": self.json(before), "next-value": self.json(after)})
            }
            Because::Polled { message } => json!({"type": "wr", "key": key(message), "value": self.json(message)}),
            Because::Realtime => json!({"type": "realtime"}),
            Because::Process => json!({"type": "process"}),
        }
    }

    /// The key that a step speaks of; of a step in time the first key that its operation touched.
    fn key_of(&self, step: &Step) -> Key {
        match step.because {
            Because::Sent { before: message, .. } | Because::Polled { message } => self.key(message),
            Because::Realtime | Because::Process => {
                let sent = self.history.writes(step.row).next().map(|send| self.history.sends.key[send]);
                let polled = || self.history.reads(step.row).next().map(|poll| self.history.polls.key[poll]);
                sent.or_else(polled).unwrap_or(0)
            }
        }
    }

    fn item<const N: usize>(&self, message: Message, more: [(&str, Json); N]) -> Map<String, Json> {
        let key = json!(self.history.vocabulary.key_text(self.key(message)));
        map([("key", key), ("value", self.json(message))].into_iter().chain(more))
    }

    fn key(&self, message: Message) -> Key {
        self.messages.key[message as usize]
    }

    fn json(&self, message: Message) -> Json {
        self.history.vocabulary.json(self.messages.value[message as usize])
    }

    fn spelled(&self, message: Message) -> Spelled<'_> {
        self.history.vocabulary.spelled(self.messages.value[message as usize])
    }

    fn client(&self, row: Row) -> i64 {
        self.history.processes.client(self.history.rows.process[row as usize])
    }

    fn name(&self, message: Message) -> String {
        self.name_of(self.messages.value[message as usize])
    }

    fn name_of(&self, value: Value) -> String {
        match self.history.vocabulary.spelled(value) {
            Spelled::Null => "the null message".to_owned(),
            Spelled::Integer(number) => format!("value {number}"),
            Spelled::Text(text) => format!("value {:?}", shortened(text)),
        }
    }

    /// The first offset at which a message was seen.
    fn offset(&self, message: Message) -> Option<i64> {
        let mut entries = self.orders.entries(self.key(message)).iter();
        entries.find(|entry| entry.message == message).map(|entry| entry.offset)
    }

    fn at_offset(&self, message: Message) -> String {
        self.offset(message).map_or_else(String::new, |offset| format!(" at offset {offset}"))
    }

    fn failed_writer(&self, message: Message) -> Option<Row> {
        let rows = 0..self.history.len() as Row;
        let wrote = |row: &Row| {
            self.history.stage(*row) == Stage::Fail
                && self.messages.of_send[self.history.writes(*row)].contains(&message)
        };
        rows.into_iter().find(wrote)
    }

    /// A message that was polled at the last index that was read, and the first completion that polled it: what
    /// `lost-write-cases` shows as `max-read`, or where it shows none what made that index the last one read.
    fn max_read(&self, key: Key, index: u32) -> Option<(Message, Row)> {
        let entries = self.orders.entries(key).iter().map(|entry| entry.message);
        let (mut ending, mut read): (Vec<Message>, Vec<Message>) = (Vec::new(), Vec::new());
        for message in entries {
            if self.orders.last[message as usize] == index {
                ending.push(message);
            }
            if self.orders.first[message as usize] == index && self.messages.is_ok_polled(message) {
                read.push(message);
            }
        }
        [ending, read].into_iter().find_map(|set| {
            let message = first_of_set(set.into_iter(), self.history, self.messages)?;
            Some((message, self.first_reader(message)?))
        })
    }

    /// The first completion that polled a message.
    fn first_reader(&self, message: Message) -> Option<Row> {
        let mut pairs = self.messages.of_pair.iter().enumerate().filter(|&(_, &other)| other == message);
        pairs.find_map(|(pair, _)| {
            let row = self.row_of_pair(pair);
            (self.history.stage(row) != Stage::Invoke).then_some(row)
        })
    }

    /// The first row that shows a message at an offset.
    fn first_mention(&self, message: Message, offset: i64) -> Option<Row> {
        let History { sends, pairs, rows, .. } = self.history;
        let place = |of: &[Message], offsets: &[i64]| {
            (0..of.len()).find(|&place| of[place] == message && offsets[place] == offset)
        };
        let sent = place(&self.messages.of_send, &sends.offset)
            .map(|send| rows.sends_end.partition_point(|&end| end as usize <= send) as Row)
            .filter(|&row| self.messages.is_committed(row));
        let polled = place(&self.messages.of_pair, &pairs.offset).map(|pair| self.row_of_pair(pair));
        sent.into_iter().chain(polled).min()
    }

    fn row_of_pair(&self, pair: usize) -> Row {
        let poll = self.history.polls.pairs_end.partition_point(|&end| end as usize <= pair);
        self.history.rows.polls_end.partition_point(|&end| end as usize <= poll) as Row
    }

    /// Cites rows, each once, and what they did to a key.
    fn cite(&self, rows: impl IntoIterator<Item = Row>, key: Key) -> Vec<Cited> {
        let mut cited: Vec<Row> = Vec::new();
        for row in rows {
            if row != NONE && !cited.contains(&row) {
                cited.push(row);
            }
        }
        cited.into_iter().map(|row| self.cited(row, key)).collect()
    }

    fn cited(&self, row: Row, key: Key) -> Cited {
        let place = self.history.rows.place[row as usize];
        let index = self.history.rows.index[row as usize];
        Cited {
            line: place.line,
            index: (index != NO_INDEX).then_some(index),
            ordinal: place.ordinal,
            text: self.told(row, key),
        }
    }

    fn told(&self, row: Row, key: Key) -> String {
        let function = match self.history.function(row) {
            Function::Send => "send",
            Function::Poll => "poll",
            Function::Txn => "txn",
            Function::Assign => "assign",
            Function::Subscribe => "subscribe",
            Function::Crash => "crash",
        };
        let stage = match self.history.stage(row) {
            Stage::Invoke => "invoke",
            Stage::Ok => "ok",
            Stage::Fail => "fail",
            Stage::Info => "info",
            Stage::Open => "never completed",
        };
        let mut text = format!("process {}: {function} {stage}", self.client(row));
        let key_text = self.history.vocabulary.key_text(key);
        let of_key = |send: &usize| self.history.sends.key[*send] == key;
        let sent: Vec<usize> = self.history.writes(row).filter(of_key).collect();
        if !sent.is_empty() {
            let sends = &self.history.sends;
            let each = listed(&sent, |send| placed(self.name_of(sends.value[send]), sends.offset[send]));
            write!(text, ", sent to {key_text}: {each}").expect("a text takes what is written to it");
        }
        let polls = self.history.reads(row).filter(|&poll| self.history.polls.key[poll] == key);
        let polled: Vec<usize> = polls.flat_map(|poll| self.history.pairs(poll)).collect();
        if !polled.is_empty() {
            let pairs = &self.history.pairs;
            let each = listed(&polled, |pair| placed(self.name_of(pairs.value[pair]), pairs.offset[pair]));
            write!(text, ", polled from {key_text}: {each}").expect("a text takes what is written to it");
        }
        text
    }
}

fn placed(name: String, offset: i64) -> String {
    if offset == UNKNOWN { name } else { format!("{name} at offset {offset}") }
}

/// The first ones and the last of a list, and how many are left out between.
fn listed<T: Copy>(all: &[T], name: impl Fn(T) -> String) -> String {
    if let [first @ .., last] = all
        && first.len() >= NAMED_AT_MOST
    {
        let first: Vec<String> = first[..NAMED_AT_MOST - 1].iter().copied().map(&name).collect();
        return format!("{}, … ({} more) …, {}", first.join(", "), all.len() - NAMED_AT_MOST, name(*last));
    }
    let all: Vec<String> = all.iter().copied().map(name).collect();
    all.join(", ")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn shortened(text: &str) -> String {
    const LETTERS: usize = 60;
    if text.chars().nth(LETTERS).is_none() {
        return text.to_owned();
    }
    text.chars().take(LETTERS - 1).chain(['…']).collect()
}

fn map<'a>(items: impl IntoIterator<Item = (&'a str, Json)>) -> Map<String, Json> {
    items.into_iter().map(|(name, json)| (name.to_owned(), json)).collect()
}
