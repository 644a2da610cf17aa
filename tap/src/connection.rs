//! One connection: the frames of both directions, and which answer belongs to which request.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::framing::{Frame, Framer, Opaque, Part};
use crate::ledger::Ledger;
use crate::message::{Asked, COMPRESSED, Direction, Message};
use crate::{Protocol, kafka, mongodb};

/// How many requests of a connection may wait for answers; of more, the oldest are forgotten.
const MOST_PENDING: usize = 4096;

/// Some bytes to relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The bytes; never empty.
    pub bytes: Bytes,
    /// The message that begins with them. Of one whose first bytes had to be released early, it goes on with them.
    pub message: Option<Message>,
    /// Whether a message ends with them.
    pub ends_message: bool,
}

/// A connection as it is read. Both directions belong to one value, since answers are understood by their requests.
#[derive(Debug)]
pub struct Connection {
    protocol: Protocol,
    requests: Framer,
    answers: Framer,
    pending: Pending,
}

impl Connection {
    /// A connection on which nothing was sent yet.
    pub fn open(protocol: Protocol, ledger: &mut Ledger) -> Self {
        ledger.counters.connections_open += 1;
        ledger.counters.connections_opened += 1;
        Self {
            protocol,
            requests: Framer::new(protocol, Direction::Requests),
            answers: Framer::new(protocol, Direction::Answers),
            pending: Pending::default(),
        }
    }

    /// Takes the next bytes of a direction; the pieces that can be relayed now, in order. Their messages are counted.
    pub fn read(&mut self, direction: Direction, input: Bytes, ledger: &mut Ledger) -> Vec<Piece> {
        ledger.counters.bytes += input.len() as u64;
        let mut pieces = Vec::new();
        self.framer(direction).push(input);
        loop {
            let was_opaque = self.opaque(direction);
            let Some(part) = self.framer(direction).next() else { break };
            if was_opaque.is_none() {
                self.notice(direction, ledger);
            }
            pieces.push(self.understand(direction, part, ledger));
        }
        pieces
    }

    /// Whether bytes of this direction are held back until their frame is whole.
    pub fn is_holding(&self, direction: Direction) -> bool {
        match direction {
            Direction::Requests => self.requests.is_holding(),
            Direction::Answers => self.answers.is_holding(),
        }
    }

    /// What is held back of a direction: to be called when its rest is long in coming, and at the end. The message to
    /// which it belongs is read as far as it goes, the rest of it passes, and the next frame is read as ever.
    pub fn release(&mut self, direction: Direction, ledger: &mut Ledger) -> Option<Piece> {
        let part = self.framer(direction).release()?;
        Some(self.understand(direction, part, ledger))
    }

    /// Why a direction is not read (any more), if so.
    pub fn opaque(&self, direction: Direction) -> Option<Opaque> {
        match direction {
            Direction::Requests => self.requests.opaque(),
            Direction::Answers => self.answers.opaque(),
        }
    }

    /// The requests that have no answer yet, in the order in which they were sent.
    pub fn unanswered(&self) -> impl Iterator<Item = &Asked> {
        self.pending.requests.iter()
    }

    /// The connection has ended; the requests that were never answered.
    pub fn close(self, ledger: &mut Ledger) -> Vec<Asked> {
        ledger.counters.connections_open -= 1;
        self.pending.requests.into()
    }

    fn framer(&mut self, direction: Direction) -> &mut Framer {
        match direction {
            Direction::Requests => &mut self.requests,
            Direction::Answers => &mut self.answers,
        }
    }

    fn understand(&mut self, direction: Direction, part: Part, ledger: &mut Ledger) -> Piece {
        let Part { bytes, frame, ends } = part;
        if self.opaque(direction).is_some_and(|reason| reason != Opaque::Unread) {
            ledger.counters.opaque_bytes += bytes.len() as u64;
        }
        let is_whole = frame.as_ref().is_some_and(Frame::is_whole);
        let message = frame.and_then(|frame| match (self.protocol, direction) {
            (Protocol::Mongodb, Direction::Requests) => Some(self.expect_answer(mongodb::read_request(&frame, ledger))),
            (Protocol::Mongodb, Direction::Answers) => Some(mongodb::read_answer(&frame, &mut self.pending, ledger)),
            (Protocol::Kafka, Direction::Requests) => Some(self.expect_answer(kafka::read_request(&frame, ledger))),
            (Protocol::Kafka, Direction::Answers) => {
                let message = kafka::read_answer(&frame, &mut self.pending, ledger);
                if message.is_none() {
                    // Brokers answer in order, and nothing else: these bytes were no frame.
                    self.answers.give_up(Opaque::Nonsense);
                    self.notice(direction, ledger);
                    ledger.counters.opaque_bytes += bytes.len() as u64;
                }
                message
            }
            (Protocol::Unread, _) => unreachable!("it has no frames"),
        });
        if let Some(message) = &message {
            let is_mongodb = self.protocol == Protocol::Mongodb && message.name != COMPRESSED;
            ledger.counters.malformed_frames += u64::from(is_mongodb && is_whole && !message.is_whole);
            ledger.enter(message);
        }
        Piece { bytes, ends_message: ends && self.opaque(direction).is_none(), message }
    }

    fn expect_answer(&mut self, (message, asked): (Message, Option<Asked>)) -> Message {
        if let Some(asked) = asked {
            self.pending.add(asked);
        }
        message
    }

    /// Counts that a direction has just become opaque, if it has.
    fn notice(&self, direction: Direction, ledger: &mut Ledger) {
        match self.opaque(direction) {
            Some(Opaque::Tls) => ledger.counters.encrypted_directions += 1,
            Some(Opaque::Nonsense) => ledger.counters.malformed_frames += 1,
            Some(Opaque::Unread) | None => {}
        }
    }
}

/// The requests that wait for their answers.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    requests: VecDeque<Asked>,
}

impl Pending {
    pub(crate) fn add(&mut self, asked: Asked) {
        if self.requests.len() == MOST_PENDING {
            self.requests.pop_front();
        }
        self.requests.push_back(asked);
    }

    /// The request with this number, which no longer waits.
    pub(crate) fn take(&mut self, correlation: i32) -> Option<Asked> {
        let at = self.requests.iter().position(|asked| asked.correlation == correlation)?;
        self.requests.remove(at)
    }
}
