//! Statements that checkers work on: operations, changes, outbox rows, records and effects, attributed to each other
//! by the manifest. One pass over the history builds them ([`Facts::read`]); every prefix of a history gives facts.
//!
//! Tables hold plain numbers and point at each other by place, so a million operations fit in memory. The places are
//! in the order of the history.

use std::fs::File;
use std::path::Path;

use torn_scan::block;

use super::activity::Activity;
use super::digest::Sheet;
use super::entry::{
    ChangeKind, ClusterEvent, Drain, Entry, FaultStep, Nanos, Outcome, Phase, PhaseName, ProcessEvent, Sample,
    WitnessEvent,
};
pub use super::final_read::FinalReads;
use super::fold::Fold;
use super::group::Grouping;
use super::list::Lists;
use super::name::{Cell, Name, Names};
use super::reader::{ReadError, Reader};
use super::reading::{Reading, Sighting};
use super::schema::{Move, Schema};
use crate::scenario::resolved::Resolved;

/// Where in the history, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The line, from 1.
    pub line: u64,
    /// Nanoseconds since the run began.
    pub at: Nanos,
}

/// One intent of a client.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// The operation id.
    pub id: Name,
    /// The kind's place in the schema; none if the manifest does not know it.
    pub kind: Option<u16>,
    /// The invocation.
    pub invoked: Mark,
    /// The completion, if it was seen.
    pub completed: Option<Completion>,
    /// Requests sent.
    pub attempts: u32,
    /// The entity it is about, where the manifest says so.
    pub entity: Option<Name>,
    /// Who performed it; one client does one operation at a time.
    pub client: u32,
    pub(super) readings: (u32, u32),
    pub(super) effects: (u32, u32),
    pub(super) events: (u32, u32),
}

impl Operation {
    /// What the client knows: `info` as long as it has not completed.
    pub fn outcome(&self) -> Outcome {
        self.completed.as_ref().map_or(Outcome::Info, |completed| completed.outcome)
    }
}

/// The end of an operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Completion {
    /// Where and when.
    pub mark: Mark,
    /// What the client knows.
    pub outcome: Outcome,
    /// The last answer's status.
    pub status: Option<u16>,
    /// Why there was no answer.
    pub error: Option<Name>,
}

/// One document that an operation declares to change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeclaredEffect {
    /// The collection's place in the schema.
    pub collection: u16,
    /// The entity.
    pub entity: Name,
    pub(super) moves: (u32, u32),
}

/// One event that an operation must lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeclaredEvent {
    /// The topic's place in the schema.
    pub topic: u16,
    /// The event type.
    pub kind: Name,
    /// The entity.
    pub subject: Name,
}

/// Whom a change belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Nobody: it did not raise the version, names nobody, or is not judged at all.
    Unattributed,
    /// The operation at this place.
    Operation(u32),
    /// An operation id that no client ever sent.
    NeverSent(Name),
}

/// One committed change of an observed document (outbox rows apart).
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Where and when it was seen.
    pub mark: Mark,
    /// The collection's place in the schema.
    pub collection: u16,
    /// The document's id.
    pub id: Name,
    /// The entity.
    pub entity: Name,
    /// What was done.
    pub kind: ChangeKind,
    /// The change before it, in the same incarnation of the document.
    pub before: Option<u32>,
    /// The version afterwards.
    pub version: Option<i64>,
    /// The operation id that the after-image names.
    pub stamp: Option<Name>,
    /// Whom it belongs to.
    pub owner: Owner,
    /// Whether checkers may judge it: not setup, not a snapshot, not a delete, and its before is known.
    pub is_judged: bool,
    pub(super) cells: (u32, u32),
}

/// One outbox row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The collection's place in the schema.
    pub collection: u16,
    /// The row's id.
    pub id: Name,
    /// The operation id it carries, traced back to the operation where one was sent with it.
    pub operation: Name,
    /// The event id.
    pub event: Name,
    /// The event type.
    pub kind: Name,
    /// The entity.
    pub subject: Name,
    /// When it was inserted.
    pub inserted: Mark,
    /// When it was marked published, if it is.
    pub published: Option<Mark>,
    /// When it was deleted.
    pub removed: Option<Mark>,
}

impl Row {
    /// Whether it may still bring its event.
    pub fn is_pending(&self) -> bool {
        self.published.is_none() && self.removed.is_none()
    }
}

/// One committed record of an observed topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Where and when it was seen.
    pub mark: Mark,
    /// The topic's place in the schema.
    pub topic: u16,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// The operation id, traced back to the operation where one was sent with it.
    pub operation: Name,
    /// The event id.
    pub event: Name,
    /// Who made the event.
    pub source: Name,
    /// The event type.
    pub kind: Name,
    /// The entity.
    pub subject: Name,
    /// The entity's version.
    pub sequence: Option<i64>,
    /// Its (topic, operation, type, subject), a place in [`Facts::groups`].
    pub group: u32,
    pub(super) inputs: (u32, u32),
}

/// All records of one (topic, operation, type, subject).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// The first one's place in [`Facts::records`].
    pub first: u32,
    /// How many there are.
    pub records: u32,
}

/// A record that does not say what the manifest promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Where and when it was seen.
    pub mark: Mark,
    /// The topic's place in the schema.
    pub topic: u16,
    /// What it lacks.
    pub missing: &'static str,
}

/// One application of an event to a consumer's view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    /// The consumer's place in the schema.
    pub consumer: u16,
    /// The change of the view, a place in [`Facts::changes`].
    pub change: u32,
    /// The stamped operation id, traced back to the operation where one was sent with it.
    pub operation: Name,
    /// The stamped event id.
    pub event: Name,
    /// The event's group, if the log has a record of it.
    pub group: Option<u32>,
}

/// One fault of the schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Its number in the schedule.
    pub number: u32,
    /// In words.
    pub what: String,
    /// What was struck.
    pub targets: Vec<String>,
    /// Its steps in order.
    pub steps: Vec<(FaultStep, Mark)>,
    /// What was last said about it.
    pub detail: Option<String>,
}

impl Fault {
    /// When a step was taken, if it was.
    pub fn step(&self, step: FaultStep) -> Option<Mark> {
        self.steps.iter().find(|(taken, _)| *taken == step).map(|(_, mark)| *mark)
    }

    /// From when until when it may have been felt: from the order to inject to the confirmation that it is gone.
    pub fn interval(&self) -> Option<(Nanos, Nanos)> {
        let start = self.step(FaultStep::Asked).or_else(|| self.step(FaultStep::Confirmed))?;
        let end = self.step(FaultStep::Healed).map_or(Nanos::MAX, |healed| healed.at);
        (self.step(FaultStep::NotApplicable).is_none()).then_some((start.at, end))
    }
}

/// The most examples of one kind of anomaly that are told.
pub const EXAMPLES_AT_MOST: usize = 16;

/// Everything that checkers work on.
#[derive(Debug)]
pub struct Facts {
    /// How many examples of each anomaly are told: [`EXAMPLES_AT_MOST`], unless somebody needs all.
    pub examples_at_most: usize,
    /// The manifest, compiled.
    pub schema: Schema,
    /// Every text.
    pub names: Names,
    /// Operations.
    pub operations: Vec<Operation>,
    /// Changes, outbox rows apart.
    pub changes: Vec<Change>,
    /// Outbox rows.
    pub rows: Vec<Row>,
    /// Records.
    pub records: Vec<Record>,
    /// Their groups.
    pub groups: Vec<Group>,
    /// Applications of events to views.
    pub effects: Vec<Effect>,
    /// What answers tell of documents, in the order of the operations.
    pub readings: Vec<Reading>,
    /// Records at an offset that the witness had passed before: told of again, or for the first time.
    pub again: Vec<Sighting>,
    /// The first records that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// How many there are.
    pub unreadable_count: u64,
    /// Operations whose declared effects cannot be filled in (unknown kind, variable without a value).
    pub undeclared: u64,
    /// Faults by number.
    pub faults: Vec<Fault>,
    /// What happened to processes.
    pub processes: Vec<(u64, ProcessEvent)>,
    /// Phases.
    pub phases: Vec<(u64, Phase)>,
    /// Measurements.
    pub samples: Vec<Sample>,
    /// What clusters did by themselves.
    pub clusters: Vec<(u64, ClusterEvent)>,
    /// What happened to witnesses.
    pub witnesses: Vec<(u64, WitnessEvent)>,
    /// What the final reads say.
    pub final_reads: FinalReads,
    /// How the drain ended.
    pub drain: Option<Drain>,
    /// How the run ended.
    pub end: Option<super::entry::End>,
    /// When something was invoked, answered, changed or recorded.
    pub activity: Activity,
    /// The empty text, for what a row or record does not say.
    pub(super) nothing: Name,
    pub(super) cells: Vec<Cell>,
    pub(super) moves: Vec<Move>,
    pub(super) declared_effects: Vec<DeclaredEffect>,
    pub(super) declared_events: Vec<DeclaredEvent>,
    pub(super) operation_by_name: Vec<u32>,
    pub(super) grouping: Grouping,
    pub(super) changes_of: Lists,
    pub(super) rows_of: Lists,
    pub(super) final_views: Vec<u32>,
}

/// The mark of a name that is no operation's.
pub(super) const NO_OPERATION: u32 = u32::MAX;

impl Facts {
    /// Builds the facts of a history.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn read<I>(resolved: &Resolved, entries: I) -> Result<Self, ReadError>
    where
        I: IntoIterator<Item = Result<(u64, Entry), ReadError>>,
    {
        let mut fold = Fold::new(resolved);
        let (outline, mut sheet) = (fold.outline(), Sheet::default());
        for entry in entries {
            let (line, entry) = entry?;
            sheet.clear();
            sheet.take(&outline, entry);
            fold.feed(line, &mut sheet);
        }
        Ok(fold.finish())
    }

    /// Builds the facts of a stored history, with a thread for each core.
    ///
    /// # Errors
    /// When it cannot be read: as [`Reader`] says it.
    pub fn read_file(resolved: &Resolved, path: &Path) -> Result<Self, ReadError> {
        Reader::open(path)?;
        let io = |source| ReadError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let mut fold = Fold::new(resolved);
        let outline = fold.outline();
        let mut line = 1;
        let read = |block: &block::Block, sheet: &mut Sheet| sheet.read(&outline, block);
        let take = |sheet: &mut Sheet| {
            fold.feed(line, sheet);
            if let Some((offset, reason)) = sheet.broken.take() {
                return Err(ReadError::Line { path: path.to_owned(), line: line + u64::from(offset), reason });
            }
            line += u64::from(sheet.batch.lines);
            Ok(())
        };
        block::in_order(&file, block::threads(), read, take).map_err(io)??;
        Ok(fold.finish())
    }

    /// When the measured load began, where times in stories count from; of a run that never came so far, its start.
    pub fn load_started(&self) -> Nanos {
        self.phases.iter().find(|(_, phase)| phase.name == PhaseName::Load).map_or(0, |(_, phase)| phase.at)
    }

    /// A text.
    pub fn text(&self, name: Name) -> &str {
        self.names.text(name)
    }

    /// The operation that was sent with this id as its key.
    pub fn operation_of(&self, name: Name) -> Option<u32> {
        self.operation_by_name.get(name.index()).copied().filter(|&place| place != NO_OPERATION)
    }

    /// The operation id that a key was sent for, or the key itself if it was never sent.
    pub(super) fn traced(&self, key: Name) -> Name {
        self.operation_of(key).map_or(key, |place| self.operations[place as usize].id)
    }

    /// The documents that an operation declares to change.
    pub fn declared_effects(&self, operation: u32) -> &[DeclaredEffect] {
        slice(&self.declared_effects, self.operations[operation as usize].effects)
    }

    /// The events that an operation must lead to when it took effect.
    pub fn declared_events(&self, operation: u32) -> &[DeclaredEvent] {
        slice(&self.declared_events, self.operations[operation as usize].events)
    }

    /// What the answer of an operation tells of documents.
    pub fn readings_of(&self, operation: u32) -> &[Reading] {
        slice(&self.readings, self.operations[operation as usize].readings)
    }

    /// Where in [`Facts::readings`] those of an operation begin, and how many there are.
    pub fn reading_places_of(&self, operation: u32) -> (u32, u32) {
        self.operations[operation as usize].readings
    }

    /// The fields that an answer tells, in the order of [`super::schema::AnswerSchema::fields`].
    pub fn told(&self, reading: &Reading) -> &[Cell] {
        slice(&self.cells, reading.cells)
    }

    /// What a declared effect does to the fields of its document.
    pub fn moves(&self, effect: &DeclaredEffect) -> &[Move] {
        slice(&self.moves, effect.moves)
    }

    /// The observed fields after a change, in the order of the schema; all missing after a delete.
    pub fn cells(&self, change: &Change) -> &[Cell] {
        slice(&self.cells, change.cells)
    }

    /// The fields of the payload that views are made of.
    pub fn inputs(&self, record: &Record) -> &[Cell] {
        slice(&self.cells, record.inputs)
    }

    /// The state before a change.
    pub fn before(&self, change: &Change) -> Option<&Change> {
        change.before.map(|before| &self.changes[before as usize])
    }

    /// The changes that belong to an operation, in order.
    pub fn changes_of(&self, operation: u32) -> impl Iterator<Item = &Change> {
        self.changes_of.of(operation).iter().map(|&change| &self.changes[change as usize])
    }

    /// The places of the changes that belong to an operation, in order.
    pub fn change_places_of(&self, operation: u32) -> &[u32] {
        self.changes_of.of(operation)
    }

    /// The changes that belong to an operation and that it declares, in order.
    pub fn effective_changes(&self, operation: u32) -> impl Iterator<Item = &Change> {
        self.changes_of(operation).filter(move |change| {
            let is_declared =
                |effect: &DeclaredEffect| effect.collection == change.collection && effect.entity == change.entity;
            self.declared_effects(operation).iter().any(is_declared)
        })
    }

    /// The records of one event that an operation declares, if there are any.
    pub fn group_of(&self, operation: u32, event: &DeclaredEvent) -> Option<u32> {
        let id = self.operations[operation as usize].id;
        self.grouping.find(&self.records, id, (event.topic, event.kind, event.subject))
    }

    /// The outbox rows of an operation, in order.
    pub fn rows_of(&self, operation: u32) -> impl Iterator<Item = &Row> {
        self.rows_of.of(operation).iter().map(|&row| &self.rows[row as usize])
    }

    /// The last change of every document of a view that is there at the end.
    pub fn final_views(&self) -> impl Iterator<Item = &Change> {
        self.final_views.iter().map(|&change| &self.changes[change as usize])
    }
}

fn slice<T>(items: &[T], (start, length): (u32, u32)) -> &[T] {
    &items[start as usize..(start + length) as usize]
}
