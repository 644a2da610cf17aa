//! What a request says.

use std::sync::Arc;

use bson::raw::RawElement;

use super::{begin, command, document, open};
use crate::framing::Frame;
use crate::ledger::Ledger;
use crate::message::{Asked, Direction, Manner, Message, Session, Step, Transaction};

/// Reads a request; with what to remember of it, if it wants an answer.
pub(crate) fn read(frame: &Frame, ledger: &mut Ledger) -> (Message, Option<Asked>) {
    let mut message = begin(frame, Direction::Requests, ledger);
    let (mut wants_answer, mut opens_awaiting) = (true, false);
    if let Some(content) = open(frame) {
        let (mut patch, mut fields) = (Vec::new(), Fields::default());
        let is_read = document::each_element(content.body, &mut patch, |element| fields.take(&element));
        fields.name = fields.name.or_else(|| document::first_key(content.body));
        wants_answer = !content.more_to_come;
        opens_awaiting = fields.opens_awaiting;
        message.is_whole = content.is_whole && is_read;
        let continues_awaiting = fields.cursor.is_some_and(|cursor| ledger.is_awaiting(cursor));
        fields.tell(&mut message);
        message.is_background = command::is_background(&message.name) || continues_awaiting;
    }
    let asked = wants_answer.then(|| Asked {
        correlation: message.correlation,
        name: message.name.clone(),
        database: message.database.clone(),
        target: message.target.clone(),
        transaction: message.transaction.clone(),
        is_background: message.is_background,
        commits: None,
        manner: Manner::Mongodb { opens_awaiting },
    });
    (message, asked)
}

/// What stands in a command.
#[derive(Default)]
struct Fields<'a> {
    name: Option<&'a str>,
    /// The text beside the name.
    subject: Option<&'a str>,
    collection: Option<&'a str>,
    database: Option<&'a str>,
    session: Option<[u8; 16]>,
    number: Option<i64>,
    starts: bool,
    is_in_transaction: bool,
    /// The cursor that a `getMore` continues.
    cursor: Option<i64>,
    opens_awaiting: bool,
}

impl<'a> Fields<'a> {
    fn take(&mut self, element: &RawElement<'a>) {
        let key: &'a str = element.key().as_str();
        if self.name.is_none() {
            self.name = Some(key);
            self.subject = document::text(element);
            self.cursor = document::number(element).filter(|_| key == "getMore");
            return;
        }
        match key {
            "$db" => self.database = document::text(element),
            "collection" => self.collection = document::text(element),
            "lsid" => {
                let mut parts = document::elements(element);
                self.session = parts.find(|part| part.key().as_str() == "id").as_ref().and_then(document::uuid);
            }
            "txnNumber" => self.number = document::number(element),
            "startTransaction" => self.starts = document::number(element) == Some(1),
            "autocommit" => self.is_in_transaction = document::number(element) == Some(0),
            "tailable" => self.opens_awaiting |= document::number(element) == Some(1),
            "pipeline" => {
                let first = document::elements(element).next();
                let stage = first.and_then(|first| document::elements(&first).next());
                self.opens_awaiting |= stage.is_some_and(|stage| stage.key().as_str() == "$changeStream");
            }
            _ => {}
        }
    }

    fn tell(self, message: &mut Message) {
        let Some(name) = self.name else { return };
        message.name = command::name(name);
        message.database = self.database.map(Arc::from);
        message.target = self.subject.or(self.collection.filter(|_| self.cursor.is_some())).map(Arc::from);
        if let (Some(session), Some(number)) = (self.session, self.number) {
            let step = match name {
                "commitTransaction" => Step::Commits,
                "abortTransaction" => Step::Aborts,
                _ if self.starts => Step::Starts,
                _ if self.is_in_transaction => Step::Continues,
                _ => Step::Retryable,
            };
            message.transaction = Some(Transaction { session: Session(session), number, step });
        }
    }
}
