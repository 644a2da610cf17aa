//! The `MongoDB` wire protocol: frames, requests, answers.
//! <https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/>

mod answer;
mod command;
mod document;
mod request;

use std::borrow::Cow;

use crate::framing::{Frame, Head};
use crate::ledger::Ledger;
use crate::message::{COMPRESSED, Direction, Message};

pub(crate) use answer::read as read_answer;
pub(crate) use request::read as read_request;

/// Length, number, number answered, operation.
pub(crate) const HEADER: usize = 16;

/// The most that a server takes is 48 MB (`maxMessageSizeBytes`); answers are a little larger than 16 MB.
const LONGEST: i32 = 64 << 20;

const OP_REPLY: i32 = 1;
const OP_QUERY: i32 = 2004;
const OP_COMPRESSED: i32 = 2012;
const OP_MSG: i32 = 2013;

const CHECKSUM_PRESENT: u32 = 1;
const MORE_TO_COME: u32 = 1 << 1;

/// What a frame's header says.
pub(crate) fn head(start: &[u8]) -> Head {
    let (length, operation) = (integer(start, 0), integer(start, 12));
    // Between the two: updates, inserts, more batches, deletes and killed cursors of servers before 5.1.
    let is_known = matches!(operation, OP_REPLY | 2001..=OP_MSG) && !(2008..OP_COMPRESSED).contains(&operation);
    match u64::try_from(length) {
        Ok(bytes) if is_known && bytes >= HEADER as u64 && length <= LONGEST => Head::Frame { length: bytes },
        _ => Head::Nonsense,
    }
}

/// The number at this place of a header that is there.
fn integer(start: &[u8], at: usize) -> i32 {
    i32::from_le_bytes(start[at..at + 4].try_into().expect("four bytes are four bytes"))
}

/// What a frame is made of, however it was sent.
struct Content<'a> {
    /// The command or answer, perhaps cut short.
    body: &'a [u8],
    /// More answers follow this one, or no answer is wanted to it.
    more_to_come: bool,
    /// Nothing is missing and every section was understood.
    is_whole: bool,
}

/// Opens a frame of a kind that is read.
fn open(frame: &Frame) -> Option<Content<'_>> {
    match integer(&frame.bytes, 12) {
        OP_MSG => open_message(frame),
        OP_QUERY => {
            // Flags, name of the collection, two numbers.
            let collection = frame.bytes.get(HEADER + 4..)?;
            let end = collection.iter().position(|byte| *byte == 0)?;
            let body = collection.get(end + 9..)?;
            Some(Content { body, more_to_come: false, is_whole: frame.is_whole() })
        }
        OP_REPLY => {
            let body = frame.bytes.get(HEADER + 20..)?;
            Some(Content { body, more_to_come: false, is_whole: frame.is_whole() })
        }
        _ => None,
    }
}

fn open_message(frame: &Frame) -> Option<Content<'_>> {
    let flags = u32::from_le_bytes(frame.bytes.get(HEADER..HEADER + 4)?.try_into().ok()?);
    let mut sections = &frame.bytes[HEADER + 4..];
    if flags & CHECKSUM_PRESENT != 0 && frame.is_whole() {
        sections = sections.get(..sections.len().checked_sub(4)?)?;
    }
    let (mut body, mut is_understood) = (None, true);
    while let [kind, section @ ..] = sections {
        let Some(length) = section.first_chunk().map(|length| i32::from_le_bytes(*length)) else {
            is_understood = false;
            break;
        };
        let length = usize::try_from(length).ok().filter(|length| *length >= 5)?;
        match kind {
            // The document with the command or the answer; all else goes along with it.
            0 => body = body.or(Some(&section[..length.min(section.len())])),
            1 => {}
            _ => return None,
        }
        let Some(rest) = section.get(length..) else {
            is_understood = false;
            break;
        };
        sections = rest;
    }
    let is_whole = frame.is_whole() && is_understood;
    Some(Content { body: body?, more_to_come: flags & MORE_TO_COME != 0, is_whole })
}

/// A message of which only the header is known yet.
fn begin(frame: &Frame, direction: Direction, ledger: &mut Ledger) -> Message {
    let correlation = integer(&frame.bytes, if direction == Direction::Requests { 4 } else { 8 });
    let mut message = Message::new(direction, correlation, frame.length);
    if integer(&frame.bytes, 12) == OP_COMPRESSED {
        message.name = Cow::Borrowed(COMPRESSED);
        ledger.counters.opaque_frames += 1;
    }
    message
}
