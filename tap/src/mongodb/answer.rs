//! What an answer says.

use std::borrow::Cow;

use bson::raw::RawElement;

use super::{begin, command, document, integer, open};
use crate::connection::Pending;
use crate::framing::Frame;
use crate::ledger::Ledger;
use crate::message::{Direction, Failure, Manner, Message};

/// Reads an answer and takes its request from those that wait.
pub(crate) fn read(frame: &Frame, pending: &mut Pending, ledger: &mut Ledger) -> Message {
    let mut message = begin(frame, Direction::Answers, ledger);
    let asked = pending.take(message.correlation);
    let own_name = std::mem::take(&mut message.name);
    message.answer_to(asked.as_ref());
    let Some(content) = open(frame) else {
        if asked.is_none() {
            message.name = own_name;
        }
        return message;
    };
    let (mut patch, mut fields) = (Vec::new(), Fields::default());
    let is_read = document::each_element(content.body, &mut patch, |element| fields.take(&element));
    message.is_whole = content.is_whole && is_read;
    if let Some(mut asked) = asked {
        if asked.manner == (Manner::Mongodb { opens_awaiting: true })
            && let Some(cursor) = fields.cursor.filter(|cursor| *cursor != 0)
        {
            ledger.remember_awaiting(cursor);
        }
        if content.more_to_come {
            // The next answer of an exhaust stream answers this one.
            asked.correlation = integer(&frame.bytes, 4);
            pending.add(asked);
        }
    }
    // What an awaiting cursor brings is no background.
    let brings = message.name == "getMore" && fields.documents > 0;
    message.is_background &= !brings;
    fields.tell(&mut message);
    message
}

/// What stands in an answer.
#[derive(Default)]
struct Fields {
    is_refused: bool,
    failure: Failure,
    code: Option<i32>,
    n: Option<i64>,
    /// `lastErrorObject.n` of a `findAndModify`.
    found: Option<i64>,
    modified: Option<i64>,
    upserted: u64,
    cursor: Option<i64>,
    documents: u64,
}

impl Fields {
    fn take(&mut self, element: &RawElement<'_>) {
        match element.key().as_str() {
            "ok" => self.is_refused = document::number(element) == Some(0),
            "code" => self.code = document::code(element),
            "codeName" => self.failure.name = document::text(element).map(|name| Cow::Owned(name.to_owned())),
            "errorLabels" => {
                let labels = document::elements(element).filter_map(|label| document::text(&label).map(str::to_owned));
                self.failure.labels = labels.take(MOST_ERRORS).collect();
            }
            "writeErrors" => {
                let codes = document::elements(element).filter_map(|error| find_code(&error));
                self.failure.write_errors = codes.take(MOST_ERRORS).collect();
            }
            "writeConcernError" => self.failure.write_concern = find_code(element),
            "n" => self.n = document::number(element),
            "nModified" => self.modified = document::number(element),
            "upserted" => self.upserted = document::elements(element).count() as u64,
            "lastErrorObject" => {
                let mut parts = document::elements(element);
                self.found = parts.find(|part| part.key().as_str() == "n").as_ref().and_then(document::number);
            }
            "cursor" => {
                for part in document::elements(element) {
                    match part.key().as_str() {
                        "id" => self.cursor = document::number(&part),
                        "firstBatch" | "nextBatch" => self.documents = document::elements(&part).count() as u64,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn tell(mut self, message: &mut Message) {
        message.returned = self.documents;
        let matched = match &*message.name {
            "update" => self.n.map(|n| n.saturating_sub_unsigned(self.upserted)),
            "delete" => self.n,
            "findAndModify" | "findandmodify" => self.found,
            _ => None,
        };
        message.matched = matched.and_then(|matched| u64::try_from(matched).ok());
        message.modified = self.modified.and_then(|modified| u64::try_from(modified).ok());
        message.upserted = self.upserted;
        let code = self.code.filter(|_| self.is_refused);
        let code = code.or(self.failure.write_errors.first().copied()).or(self.failure.write_concern);
        if self.is_refused || code.is_some() {
            self.failure.code = code.unwrap_or(0);
            self.failure.name = self.failure.name.or_else(|| command::code_name(self.failure.code));
            message.failure = Some(self.failure);
        }
    }
}

/// An answer may hold a thousand write errors; a driver reads them all, a tap these.
const MOST_ERRORS: usize = 1024;

fn find_code(error: &RawElement<'_>) -> Option<i32> {
    let mut parts = document::elements(error);
    parts.find(|part| part.key().as_str() == "code").as_ref().and_then(document::code)
}
