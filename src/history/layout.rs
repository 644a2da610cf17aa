//! Which parts of a history are read, and how they lie in rows of cells.

use std::slice;

use torn_scan::outline::{self, Fields, Form, Outline};

use super::name::{Cell, Name, Names};
use super::schema::{Locator, Schema, TopicSchema};

/// How what is read of a document or record lies in a row of cells.
pub mod row {
    /// A document: the entity key,
    pub const ENTITY: usize = 0;
    /// the version,
    pub const VERSION: usize = 1;
    /// the operation id that it carries,
    pub const STAMP: usize = 2;
    /// and from here on the observed fields.
    pub const FIELDS: usize = 3;

    /// An outbox row or a record: the operation id,
    pub const OPERATION: usize = 0;
    /// the event id,
    pub const EVENT: usize = 1;
    /// the event type,
    pub const KIND: usize = 2;
    /// the entity;
    pub const SUBJECT: usize = 3;
    /// of a row, whether it is published;
    pub const PUBLISHED: usize = 4;
    /// of a record, who made the event,
    pub const SOURCE: usize = 4;
    /// the entity's version,
    pub const SEQUENCE: usize = 5;
    /// and from here on the fields of the payload.
    pub const INPUTS: usize = 6;
}

/// What a record says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Labels {
    /// The operation id.
    pub operation: Name,
    /// The event id, without its source.
    pub event: Name,
    /// Who made it.
    pub source: Option<Name>,
    /// The event type.
    pub kind: Name,
    /// The entity.
    pub subject: Name,
    /// The entity's version.
    pub sequence: Option<i64>,
}

impl TopicSchema {
    /// What the row of a record says of it, or which label is missing. A missing source or sequence is no obstacle.
    pub fn labels(&self, row: &[Cell], names: &Names) -> Result<Labels, &'static str> {
        Ok(Labels {
            operation: row[row::OPERATION].text().ok_or("operation id")?,
            event: row[row::EVENT].text().ok_or("event id")?,
            source: row[row::SOURCE].text(),
            kind: row[row::KIND].text().ok_or("event type")?,
            subject: row[row::SUBJECT].text().ok_or("subject")?,
            sequence: row[row::SEQUENCE].text().and_then(|text| names.text(text).trim().parse().ok()),
        })
    }
}

impl Locator {
    fn keep(&self, record: &mut outline::Record) {
        match self {
            Self::Header(name) => record.keep_header(name),
            Self::Payload(path) => record.keep(&path.0, Form::Key),
        };
    }
}

impl Schema {
    /// What is to be read of a history, in the order of the tables here.
    pub fn outline(&self) -> Outline {
        let mut kept = Fields::default();
        for name in &self.kept {
            kept.keep(slice::from_ref(name), Form::Cell);
        }
        Outline {
            collections: self.collections.iter().map(|one| (one.name.clone(), one.row.clone())).collect(),
            topics: self.topics.iter().map(|topic| (topic.name.clone(), topic.row.clone())).collect(),
            kinds: self.kinds.iter().map(|kind| (kind.name.clone(), kind.row.clone())).collect(),
            kept,
        }
    }

    pub(super) fn lay_out(&mut self) {
        for collection in &mut self.collections {
            let row = &mut collection.row;
            if let Some(outbox) = &collection.outbox {
                for path in [&outbox.operation, &outbox.event, &outbox.kind, &outbox.subject] {
                    row.keep(&path.0, Form::Key);
                }
                row.keep(&outbox.published.0, Form::Flag);
                continue;
            }
            row.keep(&collection.entity.0, Form::Key);
            for (path, form) in [(&collection.version, Form::Integer), (&collection.operation, Form::Key)] {
                match path {
                    Some(path) => row.keep(&path.0, form),
                    None => row.skip(),
                };
            }
            for path in &collection.fields {
                row.keep(&path.0, Form::Cell);
            }
        }
        for topic in &mut self.topics {
            let TopicSchema { operation, event, kind, subject, source, sequence, inputs, row, .. } = topic;
            for locator in [operation, event, kind, subject, source, sequence] {
                locator.keep(row);
            }
            for path in inputs {
                row.keep(&path.0, Form::Cell);
            }
        }
        for kind in &mut self.kinds {
            kind.lay_out();
        }
    }
}
