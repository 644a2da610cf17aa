//! Which operations an example cites, and what they are called.

use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::verdict::Cited;

use super::super::history::{History, NO_INDEX, NONE, Row, Stage};
use super::super::message::Message;
use super::super::order::first_of_set;
use super::super::record::Function;
use super::super::vocabulary::{Key, Spelled, Value};
use super::Explainer;
use super::phrase::{listed, placed, shortened};

impl Explainer<'_> {
    pub(super) fn key(&self, message: Message) -> Key {
        self.messages.key[message as usize]
    }

    pub(super) fn json(&self, message: Message) -> Json {
        self.history.vocabulary.json(self.messages.value[message as usize])
    }

    pub(super) fn spelled(&self, message: Message) -> Spelled<'_> {
        self.history.vocabulary.spelled(self.messages.value[message as usize])
    }

    pub(super) fn client(&self, row: Row) -> i64 {
        self.history.processes.client(self.history.rows.process[row as usize])
    }

    pub(super) fn name(&self, message: Message) -> String {
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
    pub(super) fn offset(&self, message: Message) -> Option<i64> {
        let mut entries = self.orders.entries(self.key(message)).iter();
        entries.find(|entry| entry.message == message).map(|entry| entry.offset)
    }

    pub(super) fn at_offset(&self, message: Message) -> String {
        self.offset(message).map_or_else(String::new, |offset| format!(" at offset {offset}"))
    }

    pub(super) fn failed_writer(&self, message: Message) -> Option<Row> {
        let rows = 0..self.history.len() as Row;
        let wrote = |row: &Row| {
            self.history.stage(*row) == Stage::Fail
                && self.messages.of_send[self.history.writes(*row)].contains(&message)
        };
        rows.into_iter().find(wrote)
    }

    /// A message that was polled at the last index that was read, and the first completion that polled it: what
    /// `lost-write-cases` shows as `max-read`, or where it shows none what made that index the last one read.
    pub(super) fn max_read(&self, key: Key, index: u32) -> Option<(Message, Row)> {
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
    pub(super) fn first_mention(&self, message: Message, offset: i64) -> Option<Row> {
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
    pub(super) fn cite(&self, rows: impl IntoIterator<Item = Row>, key: Key) -> Vec<Cited> {
        let mut cited: Vec<Row> = Vec::new();
        for row in rows {
            if row != NONE && !cited.contains(&row) {
                cited.push(row);
            }
        }
        cited.into_iter().map(|row| self.cited(row, key)).collect()
    }

    pub(super) fn cited(&self, row: Row, key: Key) -> Cited {
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
