//! Turns what the stream tells into recorded changes, marks and the outbox backlog, on a thread of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use indexmap::IndexMap;
use mongodb::bson::{Bson, Document, Timestamp};
use mongodb::change_stream::event::{ChangeStreamEvent, OperationType};
use serde_json::Value;
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;

use super::delta::Delta;
use super::fold::{Fold, Step};
use super::json::{document_to_json, id_text};
use super::stream::Sighting;
use crate::history::entry::{Change, ChangeKind, Entry, Nanos, WitnessStep};
use crate::witness::journal::Journal;

/// The witness's name in the history.
pub(super) const WITNESS: &str = "mongodb";

/// How far the stream was followed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The newest mark of the harness itself that came through the stream.
    pub(super) mark: i64,
    /// Why the witness can no longer vouch for completeness.
    pub(super) lost: Option<String>,
}

/// Unpublished rows by outbox collection.
pub(in crate::witness) type Backlog = Arc<Mutex<BTreeMap<String, u64>>>;

/// The state of the thread.
pub(super) struct Ledger {
    pub(super) journal: Journal,
    /// Outbox collection → pointer to its field that says published.
    pub(super) outboxes: IndexMap<String, String>,
    /// The collection and field that hold the harness's marks.
    pub(super) marks: (String, String),
    pub(super) fold: Fold,
    pub(super) backlog: Backlog,
    pub(super) progress: watch::Sender<Progress>,
}

impl Ledger {
    /// Takes everything until the reader ends.
    pub(super) fn follow(mut self, mut sightings: Receiver<Sighting>) {
        while let Some(sighting) = sightings.blocking_recv() {
            match sighting {
                Sighting::Event(at, event) => self.take(at, *event),
                Sighting::Resumed => {
                    self.journal.step(
                        WITNESS,
                        WitnessStep::Resumed,
                        "the change stream goes on where it was".to_owned(),
                    );
                }
                Sighting::Lost(reason) => self.lose(reason),
            }
        }
    }

    /// Records a document that was there before the stream began.
    pub(super) fn take_snapshot(&mut self, collection: &str, document: Document, time: Timestamp) {
        let Some(id) = document.get("_id").cloned() else { return };
        let context = Context { at: self.journal.now(), time: [time.time, time.increment], transaction: None };
        self.change(collection, &id, ChangeKind::Snapshot, Step::Become(document), &context);
    }

    fn take(&mut self, at: Nanos, event: ChangeStreamEvent<Document>) {
        let name = event.ns.as_ref().and_then(|namespace| namespace.coll.clone()).unwrap_or_default();
        if name == self.marks.0 {
            return self.mark(&event);
        }
        let time = event.cluster_time.unwrap_or(Timestamp { time: 0, increment: 0 });
        let context = Context { at, time: [time.time, time.increment], transaction: transaction(&event) };
        match event.operation_type {
            OperationType::Drop => self.drop_collection(&name, &context),
            OperationType::Rename => self.lose(format!("collection {name} was renamed")),
            OperationType::DropDatabase | OperationType::Invalidate => self.lose("the database was dropped".to_owned()),
            _ => self.take_change(&name, event, &context),
        }
    }

    fn take_change(&mut self, collection: &str, event: ChangeStreamEvent<Document>, context: &Context) {
        let Some(id) = event.document_key.as_ref().and_then(|key| key.get("_id")).cloned() else { return };
        let (kind, step) = match (event.operation_type, event.full_document, event.update_description) {
            (OperationType::Insert, Some(document), _) if self.progress.borrow().mark == 0 => {
                (ChangeKind::Setup, Step::Become(document))
            }
            (OperationType::Insert, Some(document), _) => (ChangeKind::Insert, Step::Become(document)),
            (OperationType::Replace, Some(document), _) => (ChangeKind::Replace, Step::Become(document)),
            (OperationType::Update, _, Some(description)) => {
                let truncated = description.truncated_arrays.unwrap_or_default();
                let truncated =
                    truncated.into_iter().map(|cut| (cut.field, usize::try_from(cut.new_size).unwrap_or(0))).collect();
                let removed = description.removed_fields;
                (ChangeKind::Update, Step::Change(Delta { updated: description.updated_fields, removed, truncated }))
            }
            (OperationType::Delete, ..) => (ChangeKind::Delete, Step::Vanish),
            (other, ..) => return self.lose(format!("an event that cannot be read: {other:?} on {collection}")),
        };
        self.change(collection, &id, kind, step, context);
    }

    fn change(&mut self, collection: &str, id: &Bson, kind: ChangeKind, step: Step, context: &Context) {
        let pointer = self.outboxes.get(collection);
        let was_unpublished = is_unpublished(pointer, self.fold.get(collection, id));
        let after = match self.fold.take(collection, id, step) {
            Ok(after) => after,
            Err(error) => return self.lose(error.to_string()),
        };
        let is_unpublished = is_unpublished(pointer, after);
        if was_unpublished != is_unpublished {
            let mut backlog = self.backlog.lock().unwrap_or_else(PoisonError::into_inner);
            let rows = backlog.entry(collection.to_owned()).or_default();
            *rows = if is_unpublished { *rows + 1 } else { rows.saturating_sub(1) };
        }
        let change = Entry::Change(Change {
            at: context.at,
            collection: collection.to_owned(),
            id: id_text(id),
            kind,
            after: after.map_or(Value::Null, document_to_json),
            time: context.time,
            transaction: context.transaction.clone(),
        });
        match kind {
            ChangeKind::Snapshot | ChangeKind::Setup => self.journal.tell(change),
            _ => self.journal.saw(change),
        }
    }

    /// A dropped collection sends no event for each document; each is gone all the same.
    fn drop_collection(&mut self, collection: &str, context: &Context) {
        let mut ids = self.fold.ids(collection);
        ids.sort_by_key(id_text);
        for id in ids {
            self.change(collection, &id, ChangeKind::Delete, Step::Vanish, context);
        }
    }

    fn mark(&self, event: &ChangeStreamEvent<Document>) {
        let number = event.full_document.as_ref().and_then(|document| document.get_i64(&self.marks.1).ok());
        if let Some(number) = number {
            self.progress.send_modify(|progress| progress.mark = progress.mark.max(number));
        }
    }

    fn lose(&self, reason: String) {
        let is_first = self.progress.send_if_modified(|progress| {
            let is_first = progress.lost.is_none();
            progress.lost.get_or_insert_with(|| reason.clone());
            is_first
        });
        if is_first {
            self.journal.step(WITNESS, WitnessStep::Lost, reason);
        }
    }
}

/// What all changes of one event share.
struct Context {
    at: Nanos,
    time: [u32; 2],
    transaction: Option<String>,
}

fn transaction(event: &ChangeStreamEvent<Document>) -> Option<String> {
    let session = event.lsid.as_ref()?.get("id")?;
    let number = event.txn_number?;
    Some(match session {
        Bson::Binary(binary) => match binary.to_uuid() {
            Ok(uuid) => format!("{uuid}/{number}"),
            Err(_) => format!("{}/{number}", id_text(session)),
        },
        other => format!("{}/{number}", id_text(other)),
    })
}

/// Whether a document is an outbox row that is there and not published.
fn is_unpublished(pointer: Option<&String>, row: Option<&Document>) -> bool {
    pointer.zip(row).is_some_and(|(pointer, row)| is_absent_or_false(row, pointer))
}

/// Whether what a pointer names is missing, null or false.
fn is_absent_or_false(document: &Document, pointer: &str) -> bool {
    let mut segments = pointer.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~"));
    let Some(first) = segments.next() else { return false };
    let found = segments.try_fold(document.get(&first), |found, segment| match found? {
        Bson::Document(fields) => Some(fields.get(&segment)),
        Bson::Array(elements) => Some(elements.get(segment.parse::<usize>().ok()?)),
        _ => None,
    });
    matches!(found.flatten(), None | Some(Bson::Null | Bson::Boolean(false)))
}
