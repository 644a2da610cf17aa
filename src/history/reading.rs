//! What is told of things that are known from elsewhere: an answer tells of a document, which the change stream shows; a
//! further look at the log tells of a record, which the first look showed. Both are held against each other by checkers.

use torn_scan::batch;

use super::facts::{Facts, Mark};
use super::name::{Cell, Name};

/// What the answer of one operation tells of one document.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The operation.
    pub operation: u32,
    /// The collection's place in the schema.
    pub collection: u16,
    /// Which of the operation's answers, a place in [`super::schema::KindSchema::answers`].
    pub answer: u16,
    /// The entity.
    pub entity: Name,
    /// The version that an `ok` answer told; none if there was no such answer, or it told no integer.
    pub version: Option<i64>,
    pub(super) cells: (u32, u32),
}

/// A record at an offset that the witness had passed before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// Where and when it was seen again.
    pub mark: Mark,
    /// The topic's place in the schema.
    pub topic: u16,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Its event id; none where it does not say what the manifest promises.
    pub event: Option<Name>,
    /// Its operation id as it stands there.
    pub operation: Option<Name>,
}

/// Takes note of the documents that an operation's answer will tell of.
pub(super) fn announce(facts: &mut Facts, operation: u32, kind: Option<u16>, id: Name, row: &[Cell]) -> (u32, u32) {
    let start = facts.readings.len() as u32;
    let Some(kind) = kind else { return (start, 0) };
    for (answer, place) in facts.schema.kinds[usize::from(kind)].answers.iter().zip(0_u16..) {
        if let Some(entity) = facts.schema.answered(kind, answer, id, row, &mut facts.names) {
            let collection = answer.collection;
            let reading = Reading { operation, collection, answer: place, entity, version: None, cells: (0, 0) };
            facts.readings.push(reading);
        }
    }
    (start, facts.readings.len() as u32 - start)
}

/// Takes note of what an `ok` answer told; `row` is what is kept of it.
pub(super) fn fill_in(facts: &mut Facts, operation: u32, row: &[Cell]) {
    let known = &facts.operations[operation as usize];
    let Some(kind) = known.kind else { return };
    let (start, count) = known.readings;
    for reading in &mut facts.readings[start as usize..(start + count) as usize] {
        let answer = &facts.schema.kinds[usize::from(kind)].answers[usize::from(reading.answer)];
        reading.version = row[usize::from(answer.version)].integer();
        reading.cells = (facts.cells.len() as u32, answer.fields.len() as u32);
        facts.cells.extend(answer.fields.iter().map(|(_, kept)| row[usize::from(*kept)]));
    }
}

/// Takes note of a record at an offset that was passed before.
pub(super) fn see_again(facts: &mut Facts, line: u64, record: &batch::Record, row: &[Cell]) {
    let labels = facts.schema.topics[usize::from(record.topic)].labels(row, &facts.names).ok();
    facts.again.push(Sighting {
        mark: Mark { line, at: record.at },
        topic: record.topic,
        partition: record.partition,
        offset: record.offset,
        event: labels.map(|labels| labels.event),
        operation: labels.map(|labels| labels.operation),
    });
}
