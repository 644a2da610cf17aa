//! Which operation a change belongs to, and which event a change of a view applied. One place for the rule, used by
//! the facts and by the obligations of a live run.
//!
//! A change belongs to operation X iff its after-image names X and it inserted the document or raised its version;
//! where a collection has no version, iff it inserted the document or changed an observed field or the stamp itself.

use super::entry::ChangeKind;
use super::name::{Cell, Name, Names};
use super::schema::{CollectionSchema, ConsumerSchema, row};

/// What the manifest lets us see of one document at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct State<'cells> {
    /// The entity key; the document's id where the manifest's pointer leads nowhere.
    pub entity: Name,
    /// The version.
    pub version: Option<i64>,
    /// The operation id that the document carries.
    pub stamp: Option<Name>,
    /// The observed fields, in the order of the schema.
    pub cells: &'cells [Cell],
}

impl<'cells> State<'cells> {
    /// What a row of [`CollectionSchema::row`] says.
    pub fn of(id: Name, row: &'cells [Cell]) -> Self {
        Self {
            entity: row[row::ENTITY].text().unwrap_or(id),
            version: row[row::VERSION].integer(),
            stamp: row[row::STAMP].text(),
            cells: &row[row::FIELDS..],
        }
    }
}

/// Whether the change is the system's own and its state before is known: the harness's setup, what was there before,
/// and a delta without a known document are never judged.
pub fn is_judged(kind: ChangeKind, before: Option<&State<'_>>) -> bool {
    match kind {
        ChangeKind::Snapshot | ChangeKind::Setup | ChangeKind::Delete => false,
        ChangeKind::Update => before.is_some(),
        ChangeKind::Insert | ChangeKind::Replace => true,
    }
}

/// The operation id that a judged change belongs to, if any.
pub fn owner(collection: &CollectionSchema, before: Option<&State<'_>>, after: &State<'_>) -> Option<Name> {
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
    before: Option<&State<'_>>,
    after: &State<'_>,
    names: &mut Names,
) -> Option<(Name, Name)> {
    let cell = |state: &State<'_>, field: u16| state.cells[usize::from(field)];
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

fn has_risen(before: &State<'_>, after: &State<'_>) -> bool {
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

/// Whether a stamped id is the full id of this event.
pub fn is_full_event_id(stamped: &str, source: &str, event: &str) -> bool {
    let rest = stamped.strip_suffix(event).and_then(|rest| rest.strip_suffix('/'));
    !source.is_empty() && rest == Some(source)
}
