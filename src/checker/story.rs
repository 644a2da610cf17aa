//! Examples that an on-call engineer understands: one plain sentence, and the steps behind it with their lines.

use indexmap::IndexMap;
use serde_json::Value;

use super::verdict::{Example, Place, Step};
use crate::history::entry::{ChangeKind, Nanos, Outcome};
use crate::history::facts::{Change, Completion, Effect, Facts, Fault, Mark, Operation, Record, Row};
use crate::history::reading::Reading;
use crate::history::schema::Motion;

/// A fault that struck up to this long after the last step may still have caused what is told.
const AFTERMATH: Nanos = 1_000_000_000;

/// At most this many faults are named in one story.
const FAULTS_AT_MOST: usize = 3;

/// A story under construction.
pub(super) struct Story<'facts> {
    facts: &'facts Facts,
    steps: Vec<Step>,
    absent: Vec<Step>,
    values: IndexMap<String, Value>,
}

impl<'facts> Story<'facts> {
    pub(super) fn new(facts: &'facts Facts) -> Self {
        Self { facts, steps: Vec::new(), absent: Vec::new(), values: IndexMap::new() }
    }

    /// Adds what a machine may want.
    pub(super) fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// Adds what the client sent and heard.
    pub(super) fn operation(mut self, place: u32) -> Self {
        let operation = &self.facts.operations[place as usize];
        let attempts = match operation.attempts {
            1 => String::new(),
            attempts => format!(", {attempts} attempts in all"),
        };
        let text = format!("sent {}{attempts}", operation_title(self.facts, place));
        self.push(operation.invoked, Place::Operation, text);
        if let Some(completed) = operation.completed {
            let text = format!("{}: the client {}", self.facts.text(operation.id), told(self.facts, operation));
            self.push(completed.mark, Place::Operation, text);
        }
        let id = self.facts.text(operation.id);
        self.fact("operation", id)
    }

    /// Adds what an answer told of a document.
    pub(super) fn answer(mut self, reading: &Reading) -> Self {
        let facts = self.facts;
        let operation = &facts.operations[reading.operation as usize];
        if let Some(completed) = operation.completed {
            let text = format!("{}: the answer tells of {}", facts.text(operation.id), answered(facts, reading));
            self.push(completed.mark, Place::Operation, text);
        }
        self
    }

    /// Adds a change of a document.
    pub(super) fn change(mut self, change: &Change) -> Self {
        let facts = self.facts;
        let is_view = !facts.schema.collections[usize::from(change.collection)].consumers.is_empty();
        let place = if is_view { Place::Effect } else { Place::Document };
        let text = format!("{} {}", document(facts, change), describe(facts, change));
        self.push(change.mark, place, text);
        self
    }

    /// Adds an outbox row: its insertion and what became of it.
    pub(super) fn row(mut self, row: &Row) -> Self {
        let facts = self.facts;
        let name = format!(
            "row {} of {} ({} about {})",
            facts.text(row.id),
            facts.schema.collections[usize::from(row.collection)].name,
            facts.text(row.kind),
            facts.text(row.subject)
        );
        self.push(row.inserted, Place::Outbox, format!("{name} was inserted"));
        if let Some(published) = row.published {
            self.push(published, Place::Outbox, format!("{name} was marked published"));
        }
        if let Some(removed) = row.removed {
            self.push(removed, Place::Outbox, format!("{name} was deleted"));
        }
        if row.is_pending() {
            self = self.absent(Place::Outbox, format!("{name} was never marked published"));
        }
        self
    }

    /// Adds a record.
    pub(super) fn record(mut self, record: &Record) -> Self {
        self.push(record.mark, Place::Record, format!("{} was committed", record_title(self.facts, record)));
        self
    }

    /// Adds an application of an event to a view.
    pub(super) fn effect(mut self, effect: &Effect) -> Self {
        let facts = self.facts;
        let change = &facts.changes[effect.change as usize];
        let text = format!(
            "{} applied event {} of {}: {} {}",
            facts.schema.consumers[usize::from(effect.consumer)].name,
            facts.text(effect.event),
            facts.text(effect.operation),
            document(facts, change),
            describe(facts, change)
        );
        self.push(change.mark, Place::Effect, text);
        self
    }

    /// Adds anything else that was seen.
    pub(super) fn step(mut self, mark: Mark, place: Place, text: String) -> Self {
        self.push(mark, place, text);
        self
    }

    /// Adds what never happened.
    pub(super) fn absent(mut self, place: Place, text: impl Into<String>) -> Self {
        self.absent.push(Step { at: None, line: None, place, text: text.into() });
        self
    }

    /// Ends the story with its sentence; names the faults that were active meanwhile.
    pub(super) fn tell(mut self, sentence: impl Into<String>) -> Example {
        let mut explanation = sentence.into();
        let first = self.steps.iter().filter_map(|step| step.at).min().unwrap_or(0);
        let last = self.steps.iter().filter_map(|step| step.at).max().unwrap_or(0).saturating_add(AFTERMATH);
        let overlaps = |fault: &&Fault| fault.interval().is_some_and(|(start, end)| start <= last && end >= first);
        for fault in self.facts.faults.iter().filter(overlaps).take(FAULTS_AT_MOST) {
            let sentence = fault_sentence(self.facts, fault);
            explanation.push_str("; fault meanwhile: ");
            explanation.push_str(&sentence);
            if let Some((_, mark)) = fault.steps.first() {
                self.push(*mark, Place::Fault, sentence);
            }
        }
        self.steps.sort_by_key(|step| step.line);
        self.steps.append(&mut self.absent);
        Example { explanation, story: self.steps, facts: self.values }
    }

    fn push(&mut self, mark: Mark, place: Place, text: String) {
        self.steps.push(Step { at: Some(mark.at), line: Some(mark.line), place, text });
    }
}

/// `4.213 s`, counted from the start of the load as everywhere in the report; `−1.609 s` before it.
pub(super) fn seconds(facts: &Facts, at: Nanos) -> String {
    let load = facts.load_started();
    let milliseconds = (at.abs_diff(load) + 500_000) / 1_000_000;
    let sign = if at < load && milliseconds > 0 { "−" } else { "" };
    format!("{sign}{}.{:03} s", milliseconds / 1000, milliseconds % 1000)
}

/// `purchase-000123 (purchase product-007: stock -2)`.
pub(super) fn operation_title(facts: &Facts, place: u32) -> String {
    let operation = &facts.operations[place as usize];
    let kind = operation.kind.map_or("unknown kind", |kind| facts.schema.kinds[usize::from(kind)].name.as_str());
    let effects: Vec<String> = facts
        .declared_effects(place)
        .iter()
        .map(|effect| {
            let fields = &facts.schema.collections[usize::from(effect.collection)].fields;
            let moves: Vec<String> = facts
                .moves(effect)
                .iter()
                .map(|motion| {
                    let sign = match motion.motion {
                        Motion::Subtract => " -",
                        Motion::Add => " +",
                        Motion::Set => " = ",
                    };
                    format!("{}{sign}{}", fields[usize::from(motion.field)].show(), motion.value.show(&facts.names))
                })
                .collect();
            format!("{}: {}", facts.text(effect.entity), moves.join(", "))
        })
        .collect();
    let about = match (effects.is_empty(), operation.entity) {
        (false, _) => format!(" {}", effects.join("; ")),
        (true, Some(entity)) => format!(" {}", facts.text(entity)),
        (true, None) => String::new(),
    };
    format!("{} ({kind}{about})", facts.text(operation.id))
}

/// `was told 201`.
pub(super) fn told(facts: &Facts, operation: &Operation) -> String {
    match operation.completed {
        None => "was still waiting when the history ended".to_owned(),
        Some(Completion { status: Some(status), outcome, .. }) => match outcome {
            Outcome::Ok => format!("was told {status}"),
            Outcome::Fail => format!("was told {status} (no effect)"),
            Outcome::Info => format!("was told {status} (may have had an effect)"),
        },
        Some(Completion { status: None, error, .. }) => {
            format!("got no answer ({})", error.map_or("no reason", |error| facts.text(error)))
        }
    }
}

/// `products/product-007`.
pub(super) fn document(facts: &Facts, change: &Change) -> String {
    format!("{}/{}", facts.schema.collections[usize::from(change.collection)].name, facts.text(change.id))
}

/// `record 17 of purchases/2 (purchase.completed about product-007, sequence 18)`.
pub(super) fn record_title(facts: &Facts, record: &Record) -> String {
    let sequence = record.sequence.map_or_else(String::new, |sequence| format!(", sequence {sequence}"));
    format!(
        "record {} of {}/{} ({} about {}{sequence})",
        record.offset,
        facts.schema.topics[usize::from(record.topic)].name,
        record.partition,
        facts.text(record.kind),
        facts.text(record.subject)
    )
}

/// `version 3 of products/product-007 (stock 5)`.
pub(super) fn answered(facts: &Facts, reading: &Reading) -> String {
    let operation = &facts.operations[reading.operation as usize];
    let collection = &facts.schema.collections[usize::from(reading.collection)];
    let version = reading.version.map_or_else(|| "no version".to_owned(), |version| format!("version {version}"));
    let answer = operation.kind.map(|kind| &facts.schema.kinds[usize::from(kind)].answers[usize::from(reading.answer)]);
    let fields: Vec<String> = answer
        .into_iter()
        .flat_map(|answer| &answer.fields)
        .zip(facts.told(reading))
        .map(|((field, _), cell)| {
            format!("{} {}", collection.fields[usize::from(*field)].show(), cell.show(&facts.names))
        })
        .collect();
    let fields = if fields.is_empty() { String::new() } else { format!(" ({})", fields.join(", ")) };
    format!("{version} of {}/{}{fields}", collection.name, facts.text(reading.entity))
}

/// `version 18`, or the time where there is no version.
pub(super) fn version(change: &Change) -> String {
    change.version.map_or_else(String::new, |version| format!(" as version {version}"))
}

fn describe(facts: &Facts, change: &Change) -> String {
    let verb = match change.kind {
        ChangeKind::Snapshot | ChangeKind::Setup => "was there at the start",
        ChangeKind::Insert => "was inserted",
        ChangeKind::Update | ChangeKind::Replace => "was stored",
        ChangeKind::Delete => return "was deleted".to_owned(),
    };
    let schema = &facts.schema.collections[usize::from(change.collection)];
    let before = facts.before(change).map(|before| facts.cells(before));
    let mut fields = Vec::new();
    for (place, (path, after)) in schema.fields.iter().zip(facts.cells(change)).enumerate() {
        if is_stamp(facts, change, place) {
            continue;
        }
        match before.map(|before| before[place]) {
            Some(before) if before == *after => {}
            Some(before) => {
                let (before, after) = (before.show(&facts.names), after.show(&facts.names));
                fields.push(format!("{} {before} → {after}", path.show()));
            }
            None => fields.push(format!("{} {}", path.show(), after.show(&facts.names))),
        }
    }
    let stamp = change.stamp.map_or_else(String::new, |stamp| format!(" by {}", facts.text(stamp)));
    let fields = match (fields.is_empty(), before) {
        (false, _) => format!(": {}", fields.join(", ")),
        (true, Some(_)) => ": no other observed field changed".to_owned(),
        (true, None) => String::new(),
    };
    format!("{verb}{}{stamp}{fields}", version(change))
}

/// Whether a field of a view only says which event it took last: the story names that one itself.
fn is_stamp(facts: &Facts, change: &Change, place: usize) -> bool {
    let consumers = &facts.schema.collections[usize::from(change.collection)].consumers;
    consumers.iter().map(|&consumer| &facts.schema.consumers[usize::from(consumer)]).any(|consumer| {
        let position = consumer.position.into_iter().flat_map(|(partition, offset)| [partition, offset]);
        position.chain([consumer.event, consumer.operation]).any(|stamp| usize::from(stamp) == place)
    })
}

/// `partition api → kafka, 4.001 s to 9.093 s`.
fn fault_sentence(facts: &Facts, fault: &Fault) -> String {
    let start = fault.interval().map_or(0, |(start, _)| start);
    match fault.interval() {
        Some((_, Nanos::MAX)) | None => format!("{}, from {}, never healed", fault.what, seconds(facts, start)),
        Some((_, end)) => format!("{}, {} to {}", fault.what, seconds(facts, start), seconds(facts, end)),
    }
}
