//! Findings that are a way from one operation to the next: steps of a session, and circles.

use serde_json::{Value as Json, json};

use crate::verdict::Example;

use super::super::cycle::{Because, Step};
use super::super::history::Row;
use super::super::kind::Kind;
use super::super::message::Message;
use super::super::vocabulary::Key;
use super::phrase::{capital, listed};
use super::{Explainer, LISTED_AT_MOST, map};

/// At most so many steps of a circle are told.
const STEPS_AT_MOST: usize = 8;

impl Explainer<'_> {
    pub(super) fn step(&self, kind: Kind, from: (Row, Message), to: (Row, Message)) -> Example {
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

    pub(super) fn cycle(&self, steps: &[Step]) -> Example {
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
}
