//! The Kafka protocol: frames, requests, answers. <https://kafka.apache.org/protocol>
//!
//! Read by hand, field by field: a message that is cut short says what it holds up to there, and no memory is reserved for
//! what bytes only claim to hold. The tests hold each version of each message to an encoder that is not ours.

mod answer;
mod api;
mod batch;
mod cursor;
mod request;

use crate::framing::Head;
use crate::message::Direction;

pub(crate) use answer::read as read_answer;
pub(crate) use request::read as read_request;

/// Brokers take requests of at most 100 MB unless told otherwise (`socket.request.max.bytes`). The first bytes of TLS and
/// of text, read as a length, are beyond this.
const LONGEST: i32 = 256 << 20;

/// The size stands in the first four bytes and counts what follows.
const SIZE: usize = 4;

/// Key, version and correlation id; or the latter alone.
pub(crate) fn header_length(direction: Direction) -> usize {
    match direction {
        Direction::Requests => SIZE + 8,
        Direction::Answers => SIZE + 4,
    }
}

/// What a frame's header says.
pub(crate) fn head(direction: Direction, start: &[u8]) -> Head {
    let size = cursor::Cursor::new(start).int32().unwrap_or(-1);
    let header = header_length(direction) - SIZE;
    let is_possible = (0..=LONGEST).contains(&size) && size as usize >= header;
    let is_known = || match direction {
        Direction::Requests => {
            let mut cursor = cursor::Cursor::new(&start[SIZE..]);
            cursor.int16().is_some_and(|key| (0..1024).contains(&key))
                && cursor.int16().is_some_and(|version| (0..64).contains(&version))
        }
        Direction::Answers => true,
    };
    if is_possible && is_known() { Head::Frame { length: SIZE as u64 + size as u64 } } else { Head::Nonsense }
}
