//! Where frames begin and end in the bytes of one direction, in bounded memory.
//!
//! A frame of at most [`LIMIT`] bytes comes out whole; of a larger one the first [`LIMIT`] bytes, then the rest as it
//! comes. Whether bytes make sense is decided on a frame's whole header and nothing else, so that chunking changes nothing.

use bytes::{Buf, Bytes, BytesMut};

use crate::message::Direction;
use crate::{Protocol, kafka, mongodb};

/// The most bytes of a frame that are held back until they are read.
pub const LIMIT: usize = 64 << 10;

/// What the first bytes of a frame say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    /// Too few of them.
    Incomplete,
    /// A frame of so many bytes, its header included.
    Frame { length: u64 },
    /// No frame at all.
    Nonsense,
}

/// Why a direction is no longer read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Opaque {
    /// It is encrypted: a TLS handshake came.
    Tls,
    /// Its bytes are no frames of the protocol.
    Nonsense,
    /// It was never meant to be read.
    Unread,
}

/// Some bytes of a direction, in order.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) bytes: Bytes,
    /// The frame that begins with these bytes (or did with such as were released already).
    pub(crate) frame: Option<Frame>,
    /// A frame ends with these bytes.
    pub(crate) ends: bool,
}

/// The beginning of a frame.
#[derive(Debug)]
pub(crate) struct Frame {
    /// All of it, or as much as there is.
    pub(crate) bytes: Bytes,
    /// Of all of it.
    pub(crate) length: u64,
}

impl Frame {
    pub(crate) fn is_whole(&self) -> bool {
        self.bytes.len() as u64 == self.length
    }
}

/// Cuts the bytes of one direction into frames.
#[derive(Debug)]
pub(crate) struct Framer {
    protocol: Protocol,
    direction: Direction,
    /// What came last and is not yet used.
    input: Bytes,
    /// The beginning of a frame, from earlier input.
    held: BytesMut,
    /// How many bytes of `held` were released.
    gone: usize,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// A frame begins with the next byte, or with those held.
    Between,
    /// The rest of a frame passes.
    Passing {
        left: u64,
    },
    Opaque(Opaque),
}

impl Framer {
    pub(crate) fn new(protocol: Protocol, direction: Direction) -> Self {
        let state = if protocol == Protocol::Unread { State::Opaque(Opaque::Unread) } else { State::Between };
        Self { protocol, direction, input: Bytes::new(), held: BytesMut::new(), gone: 0, state }
    }

    /// Takes the next bytes; [`Framer::next`] has to be asked until it has no more.
    pub(crate) fn push(&mut self, input: Bytes) {
        assert!(self.input.is_empty(), "all earlier input was taken out");
        self.input = input;
    }

    /// Why it is no longer read, if so.
    pub(crate) fn opaque(&self) -> Option<Opaque> {
        match self.state {
            State::Opaque(reason) => Some(reason),
            _ => None,
        }
    }

    /// From now on everything passes as it comes.
    pub(crate) fn give_up(&mut self, reason: Opaque) {
        self.state = State::Opaque(reason);
    }

    /// Whether bytes are held back.
    pub(crate) fn is_holding(&self) -> bool {
        self.held.len() > self.gone
    }

    /// The next part, if there is one.
    pub(crate) fn next(&mut self) -> Option<Part> {
        match self.state {
            State::Between => self.begin(),
            State::Passing { left } => {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(self.input.len());
                if taken == 0 {
                    return None;
                }
                let bytes = self.input.split_to(taken);
                Some(Part { ends: self.leave(left - taken as u64), bytes, frame: None })
            }
            State::Opaque(_) => {
                let bytes = if self.is_holding() { self.take_held() } else { std::mem::take(&mut self.input) };
                (!bytes.is_empty()).then_some(Part { bytes, frame: None, ends: false })
            }
        }
    }

    /// What is held back, because its rest is long in coming. The frame goes on with the bytes that follow.
    pub(crate) fn release(&mut self) -> Option<Part> {
        assert!(self.input.is_empty(), "all earlier input was taken out");
        if !self.is_holding() {
            return None;
        }
        match self.head() {
            Head::Frame { length } => Some(self.emit(length)),
            // What follows decides what this is: it is kept, and passed.
            Head::Incomplete | Head::Nonsense => {
                let bytes = Bytes::copy_from_slice(&self.held[self.gone..]);
                self.gone = self.held.len();
                Some(Part { bytes, frame: None, ends: false })
            }
        }
    }

    fn begin(&mut self) -> Option<Part> {
        if !self.held.is_empty() {
            let missing = self.header_length().saturating_sub(self.held.len());
            self.hold(missing);
        }
        match self.head() {
            Head::Incomplete => {
                self.hold(usize::MAX);
                None
            }
            Head::Nonsense => {
                let start = if self.held.is_empty() { &self.input } else { &self.held[..] };
                self.give_up(if is_tls(start) { Opaque::Tls } else { Opaque::Nonsense });
                self.next()
            }
            Head::Frame { length } => {
                let wanted = usize::try_from(length).unwrap_or(usize::MAX).min(LIMIT);
                if self.held.is_empty() && self.input.len() >= wanted {
                    let bytes = self.input.split_to(wanted);
                    let frame = Frame { bytes: bytes.clone(), length };
                    return Some(Part { ends: self.leave(length - wanted as u64), bytes, frame: Some(frame) });
                }
                if self.held.capacity() < wanted {
                    self.held.reserve(wanted - self.held.len());
                }
                self.hold(wanted.saturating_sub(self.held.len()));
                (self.held.len() >= wanted || self.gone > 0).then(|| self.emit(length))
            }
        }
    }

    /// What the bytes at hand say about the frame that they begin.
    fn head(&self) -> Head {
        let start = if self.held.is_empty() { &self.input[..] } else { &self.held[..] };
        if start.len() < self.header_length() {
            return Head::Incomplete;
        }
        match self.protocol {
            Protocol::Mongodb => mongodb::head(start),
            Protocol::Kafka => kafka::head(self.direction, start),
            Protocol::Unread => unreachable!("it is opaque from the start"),
        }
    }

    fn header_length(&self) -> usize {
        match self.protocol {
            Protocol::Mongodb => mongodb::HEADER,
            Protocol::Kafka => kafka::header_length(self.direction),
            Protocol::Unread => 0,
        }
    }

    fn hold(&mut self, most: usize) {
        let taken = most.min(self.input.len());
        self.held.extend_from_slice(&self.input[..taken]);
        self.input.advance(taken);
        if self.input.is_empty() {
            // An empty rest would keep the memory of whoever read it from being used again.
            self.input = Bytes::new();
        }
    }

    /// The frame that begins with what is held.
    fn emit(&mut self, length: u64) -> Part {
        let gone = self.gone;
        self.gone = 0;
        let frame = std::mem::take(&mut self.held).freeze();
        let ends = self.leave(length - frame.len() as u64);
        Part { bytes: frame.slice(gone..), frame: Some(Frame { bytes: frame, length }), ends }
    }

    fn take_held(&mut self) -> Bytes {
        let gone = std::mem::take(&mut self.gone);
        std::mem::take(&mut self.held).freeze().slice(gone..)
    }

    /// Leaves so many bytes of the frame to pass; whether that is none.
    fn leave(&mut self, left: u64) -> bool {
        self.state = if left == 0 { State::Between } else { State::Passing { left } };
        left == 0
    }
}

/// Whether these are the first bytes of a TLS record with a handshake (RFC 8446, 5.1).
fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x16, 0x03, 0..=4, ..])
}
