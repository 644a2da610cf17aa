//! Which operation a change belongs to, and which event a change of a view applied. One place for the rule, used by
//! the facts and by the obligations of a live run.
//!
//! A change belongs to operation X iff its after-image names X and it inserted the document or raised its version;
//! where a collection has no version, iff it inserted the document or changed an observed field or the stamp itself.

use std::hash::{DefaultHasher, Hasher};

use serde_json::Value;

use super::entry::ChangeKind;
use super::name::{Cell, Name, Names};
use super::schema::{CollectionSchema, ConsumerSchema, text_of};

/// What the manifest lets us see of one document at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The entity key; the document's id where the manifest's pointer leads nowhere.
    pub entity: Name,
    /// The version.
    pub version: Option<i64>,
    /// The operation id that the document carries.
    pub stamp: Option<Name>,
    /// The observed fields, in the order of the schema.
    pub cells: Vec<Cell>,
}

impl State {
    /// Reads a document.
    pub fn read(collection: &CollectionSchema, id: Name, document: &Value, names: &mut Names) -> Self {
        let entity = collection.entity.find(document).and_then(text_of).map(|text| names.intern(&text));
        let stamp = collection.operation.as_ref().and_then(|path| path.find(document)).and_then(text_of);
        Self {
            entity: entity.unwrap_or(id),
            version: collection.version.as_ref().and_then(|path| path.find(document)).and_then(Value::as_i64),
            stamp: stamp.map(|text| names.intern(&text)),
            cells: collection.fields.iter().map(|path| Cell::read(path.find(document), names)).collect(),
        }
    }
}

/// Whether the change is the system's own and its state before is known: the harness's setup, what was there before,
/// and a delta without a known document are never judged.
pub fn is_judged(kind: ChangeKind, before: Option<&State>) -> bool {
    match kind {
        ChangeKind::Snapshot | ChangeKind::Setup | ChangeKind::Delete => false,
        ChangeKind::Update => before.is_some(),
        ChangeKind::Insert | ChangeKind::Replace => true,
    }
}

/// The operation id that a judged change belongs to, if any.
pub fn owner(collection: &CollectionSchema, before: Option<&State>, after: &State) -> Option<Name> {
    let is_effective = match before {
        None => true,
        Some(before) if collection.version.is_some() => has_risen(before, after),
        Some(before) => before.stamp != after.stamp || before.cells != after.cells,
    };
    after.stamp.filter(|_| is_effective)
}

/// The operation id and event id that a judged change of a view applied, if any. The same stamp as before is a further
/// application if a field that events add to has changed, or the version rose.
pub fn application(
    consumer: &ConsumerSchema,
    before: Option<&State>,
    after: &State,
    names: &mut Names,
) -> Option<(Name, Name)> {
    let cell = |state: &State, field: u16| state.cells[usize::from(field)];
    let is_applied = before.is_none_or(|before| {
        let changed = |field: u16| cell(before, field) != cell(after, field);
        changed(consumer.event)
            || changed(consumer.operation)
            || consumer.add.iter().any(|(field, _)| changed(*field))
            || has_risen(before, after)
    });
    if !is_applied {
        return None;
    }
    let operation = id_in(cell(after, consumer.operation), names)?;
    let event = id_in(cell(after, consumer.event), names)?;
    Some((operation, event))
}

fn has_risen(before: &State, after: &State) -> bool {
    after.version.is_some_and(|after| before.version.is_none_or(|before| after > before))
}

fn id_in(cell: Cell, names: &mut Names) -> Option<Name> {
    match cell {
        Cell::Missing => None,
        Cell::Text(name) | Cell::Json(name) => Some(name),
        Cell::Integer(integer) => Some(names.intern(&integer.to_string())),
        Cell::Real(real) => Some(names.intern(&real.to_string())),
    }
}

/// The name under which an event is looked up: its id alone is what views usually stamp; a source and the id, with a
/// slash between, is what `CloudEvents` calls unique.
pub fn full_event_id(source: &str, event: &str) -> Option<String> {
    (!source.is_empty()).then(|| format!("{source}/{event}"))
}

/// A fingerprint of a document that does not depend on the order of its fields.
pub fn fingerprint(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    match value {
        Value::Null => hasher.write_u8(0),
        Value::Bool(truth) => hasher.write(&[1, u8::from(*truth)]),
        Value::Number(number) => {
            hasher.write_u8(2);
            match number.as_i64() {
                Some(integer) => hasher.write_i64(integer),
                None => hasher.write(number.to_string().as_bytes()),
            }
        }
        Value::String(text) => {
            hasher.write_u8(3);
            hasher.write(text.as_bytes());
        }
        Value::Array(items) => {
            hasher.write_u8(4);
            for item in items {
                hasher.write_u64(fingerprint(item));
            }
        }
        Value::Object(fields) => {
            let sum = fields.iter().fold(0_u64, |sum, (name, value)| {
                let mut field = DefaultHasher::new();
                field.write(name.as_bytes());
                field.write_u64(fingerprint(value));
                sum.wrapping_add(field.finish())
            });
            hasher.write_u8(5);
            hasher.write_u64(sum);
        }
    }
    hasher.finish()
}
