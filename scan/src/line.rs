//! One line of a history: the kinds of entry that batches hold, with only what is looked at. Texts are borrowed from the
//! line, and values are read where they are to be kept, once it is known what they belong to.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

use crate::batch::{self, Batch, Item};
use crate::name::Cell;
use crate::outline::{Fields, NO_RECORD, NOTHING, Outline, place_of};
use crate::print::Print;
use crate::value::{Headers, Kept};
use crate::word::{ChangeKind, Outcome, Part};

/// What a line was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scanned {
    /// It is in the batch, or tells of nothing that the outline names.
    Taken,
    /// It is of a kind that batches do not hold, or no entry at all; the batch is as it was, but for texts that nothing
    /// points at.
    Odd,
}

/// Reads one line, without its line break, into a batch.
pub fn scan(outline: &Outline, line: &str, batch: &mut Batch) -> Scanned {
    let number = batch.lines;
    batch.lines += 1;
    let cells = batch.cells.len();
    // Other kinds are rare, and what is wrong with a line is told by whoever knows every kind.
    let Ok(item) = serde_json::from_str::<Line<'_>>(line).and_then(|line| line.item(outline, batch)) else {
        batch.cells.truncate(cells);
        batch.scratch.clear();
        return Scanned::Odd;
    };
    batch.items.extend(item.map(|item| (number, item)));
    Scanned::Taken
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line<'line> {
    #[serde(borrow)]
    Invoke(Invoke<'line>),
    #[serde(borrow)]
    Complete(Complete<'line>),
    #[serde(borrow)]
    Change(Change<'line>),
    #[serde(borrow)]
    Record(Record<'line>),
    #[serde(borrow)]
    Document(Document<'line>),
}

#[derive(Deserialize)]
struct Invoke<'line> {
    at: u64,
    due: u64,
    released: u64,
    #[serde(borrow)]
    operation: Cow<'line, str>,
    #[serde(borrow)]
    kind: Cow<'line, str>,
    part: Part,
    client: u32,
    #[serde(borrow, rename = "instance")]
    _instance: Cow<'line, str>,
    #[serde(borrow)]
    values: &'line RawValue,
}

#[derive(Deserialize)]
struct Complete<'line> {
    at: u64,
    #[serde(borrow)]
    operation: Cow<'line, str>,
    outcome: Outcome,
    status: Option<u16>,
    #[serde(borrow)]
    error: Option<Cow<'line, str>>,
    sent: u64,
    #[serde(rename = "attempts")]
    _attempts: u32,
    #[serde(borrow, default, deserialize_with = "there")]
    kept: Option<&'line RawValue>,
}

#[derive(Deserialize)]
struct Change<'line> {
    at: u64,
    #[serde(borrow)]
    collection: Cow<'line, str>,
    #[serde(borrow)]
    id: Cow<'line, str>,
    kind: ChangeKind,
    #[serde(borrow)]
    after: &'line RawValue,
    #[serde(rename = "time")]
    _time: [u32; 2],
    #[serde(borrow, rename = "transaction")]
    _transaction: Option<Cow<'line, str>>,
}

#[derive(Deserialize)]
struct Record<'line> {
    at: u64,
    #[serde(borrow)]
    topic: Cow<'line, str>,
    partition: i32,
    offset: i64,
    #[serde(borrow, rename = "key")]
    _key: Option<Cow<'line, str>>,
    #[serde(borrow, default, deserialize_with = "there")]
    headers: Option<&'line RawValue>,
    #[serde(borrow)]
    payload: &'line RawValue,
    #[serde(rename = "timestamp")]
    _timestamp: Option<i64>,
}

#[derive(Deserialize)]
struct Document<'line> {
    #[serde(borrow)]
    collection: Cow<'line, str>,
    #[serde(borrow)]
    id: Cow<'line, str>,
    #[serde(borrow, rename = "document")]
    found: &'line RawValue,
}

/// A field that may be left out; null is a value.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

impl Line<'_> {
    /// None where the line is about a collection or topic that the outline does not name.
    fn item(self, outline: &Outline, batch: &mut Batch) -> serde_json::Result<Option<Item>> {
        match self {
            Self::Invoke(invoke) => invoke.item(outline, batch).map(Some),
            Self::Complete(complete) => complete.item(outline, batch).map(Some),
            Self::Change(change) => change.item(outline, batch),
            Self::Record(record) => record.item(outline, batch),
            Self::Document(document) => document.item(outline, batch),
        }
    }
}

impl Invoke<'_> {
    fn item(self, outline: &Outline, batch: &mut Batch) -> serde_json::Result<Item> {
        let Self { at, due, released, part, client, .. } = self;
        let kind = place_of(&outline.kinds, &self.kind);
        let kept = kind.map_or(&NOTHING, |kind| &outline.kinds[usize::from(kind)].1);
        let operation = batch.names.intern(&self.operation);
        let row = row(kept.count, batch);
        object(kept, self.values, row, batch)?;
        Ok(Item::Invoke(batch::Invoke { at, due, released, operation, kind, part, client, row }))
    }
}

impl Complete<'_> {
    fn item(self, outline: &Outline, batch: &mut Batch) -> serde_json::Result<Item> {
        let Self { at, sent, outcome, status, .. } = self;
        let operation = batch.names.intern(&self.operation);
        let error = self.error.map(|error| batch.names.intern(&error));
        let row = row(outline.kept.count, batch);
        if let Some(kept) = self.kept {
            object(&outline.kept, kept, row, batch)?;
        }
        Ok(Item::Complete(batch::Complete { at, sent, operation, outcome, status, error, row }))
    }
}

impl Change<'_> {
    fn item(self, outline: &Outline, batch: &mut Batch) -> serde_json::Result<Option<Item>> {
        let Self { at, kind, .. } = self;
        let collection = place_of(&outline.collections, &self.collection);
        let kept = collection.map_or(&NOTHING, |collection| &outline.collections[usize::from(collection)].1);
        let row = row(kept.count, batch);
        let print = value(kept, self.after, row, batch)?;
        Ok(collection.map(|collection| {
            let id = batch.names.intern(&self.id);
            Item::Change(batch::Change { at, print, id, collection, kind, row })
        }))
    }
}

impl Record<'_> {
    fn item(self, outline: &Outline, batch: &mut Batch) -> serde_json::Result<Option<Item>> {
        let Self { at, partition, offset, .. } = self;
        let topic = place_of(&outline.topics, &self.topic);
        let kept = topic.map_or(&NO_RECORD, |topic| &outline.topics[usize::from(topic)].1);
        let row = row(kept.payload.count, batch);
        if let Some(headers) = self.headers {
            let (names, cells) = (&mut batch.names, &mut batch.cells[row as usize..]);
            let wanted = &kept.headers;
            Headers { wanted, names, cells }.deserialize(headers)?;
        }
        value(&kept.payload, self.payload, row, batch)?;
        Ok(topic.map(|topic| Item::Record(batch::Record { at, offset, partition, topic, row })))
    }
}

impl Document<'_> {
    fn item(self, outline: &Outline, batch: &mut Batch) -> serde_json::Result<Option<Item>> {
        let collection = place_of(&outline.collections, &self.collection);
        let row = row(0, batch);
        let print = value(&NOTHING, self.found, row, batch)?;
        Ok(collection.map(|collection| {
            let id = batch.names.intern(&self.id);
            Item::Document(batch::Document { print, id, collection })
        }))
    }
}

/// Makes room for a row.
fn row(count: u16, batch: &mut Batch) -> u32 {
    let start = batch.cells.len();
    batch.cells.resize(start + usize::from(count), Cell::Missing);
    start as u32
}

/// Reads a value into its row.
fn value(kept: &Fields, raw: &RawValue, row: u32, batch: &mut Batch) -> serde_json::Result<Print> {
    let Batch { names, cells, scratch, .. } = batch;
    let cells = &mut cells[row as usize..];
    Kept { node: &kept.root, names, cells, scratch }.deserialize(raw)
}

/// Reads values that stand under names.
fn object(kept: &Fields, raw: &RawValue, row: u32, batch: &mut Batch) -> serde_json::Result<()> {
    if !raw.get().starts_with('{') {
        return Err(de::Error::custom("no object"));
    }
    value(kept, raw, row, batch).map(|_| ())
}
