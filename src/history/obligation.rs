//! What must still arrive, kept while the run drains: events that committed changes require and no record has yet, and
//! effects that records require and no view shows yet. Constant work for each entry; memory for what is outstanding
//! and for ids.
//!
//! It must say the same as the checkers do at the end; a test holds the two together.

use std::collections::{HashMap, HashSet};

use super::attribution::{State, application, full_event_id, is_judged, owner};
use super::entry::{Change, ChangeKind, Complete, Entry, Invoke, Outcome, Record};
use super::name::{Cell, Name, Names};
use super::schema::{Declaration, Schema, row};
use crate::scenario::manifest::ConsumerMode;
use crate::scenario::resolved::Resolved;

/// Topic, operation, type, subject.
type Key = (u16, Name, Name, Name);

/// What an operation would require if it took effect.
#[derive(Debug)]
struct Promise {
    id: Name,
    is_observed: bool,
    documents: Vec<(u16, Name)>,
    /// Empty once it is required: then `events` holds it.
    events: Vec<(u16, Name, Name)>,
}

/// One event.
#[derive(Debug, Default)]
struct Event {
    is_required: bool,
    is_recorded: bool,
    /// Consumers that have applied it, one bit each.
    applied: u64,
}

/// Obligations so far.
#[derive(Debug)]
pub struct Obligations {
    schema: Schema,
    names: Names,
    promises: Vec<Promise>,
    promise_by_key: HashMap<Name, u32>,
    events: Vec<Event>,
    event_by_key: HashMap<Key, u32>,
    /// Topic, operation and event id of every record.
    event_by_id: HashMap<(u16, Name, Name), u32>,
    /// Effects whose record was not seen yet: consumer, operation, event id.
    early: HashSet<(u16, Name, Name)>,
    /// Rows of cells, as [`row`] lays them out.
    states: HashMap<(u16, Name), Vec<Cell>>,
    pending_rows: HashSet<(u16, Name)>,
    offsets: HashMap<(u16, i32), i64>,
    missing_events: u64,
    missing_effects: u64,
}

impl Obligations {
    /// Nothing yet.
    pub fn new(resolved: &Resolved) -> Self {
        let schema = Schema::new(resolved);
        assert!(schema.consumers.len() <= 64, "a manifest has at most 64 consumers");
        Self {
            schema,
            names: Names::default(),
            promises: Vec::new(),
            promise_by_key: HashMap::new(),
            events: Vec::new(),
            event_by_key: HashMap::new(),
            event_by_id: HashMap::new(),
            early: HashSet::new(),
            states: HashMap::new(),
            pending_rows: HashSet::new(),
            offsets: HashMap::new(),
            missing_events: 0,
            missing_effects: 0,
        }
    }

    /// Takes note of an entry.
    pub fn feed(&mut self, entry: &Entry) {
        match entry {
            Entry::Invoke(invoke) => self.invoke(invoke),
            Entry::Attempt(attempt) => {
                let promise = self.names.find(&attempt.operation).and_then(|id| self.promise_by_key.get(&id)).copied();
                if let Some(promise) = promise {
                    let key = self.names.intern(&attempt.key);
                    self.promise_by_key.insert(key, promise);
                }
            }
            Entry::Complete(complete) => self.complete(complete),
            Entry::Change(change) => self.change(change),
            Entry::Record(record) => self.record(record),
            _ => {}
        }
    }

    /// Events that must still appear in the log, and effects that records in the log must still have on views.
    pub fn outstanding(&self) -> u64 {
        self.missing_events + self.missing_effects
    }

    /// Outbox rows that are there and not published.
    pub fn unpublished(&self) -> u64 {
        self.pending_rows.len() as u64
    }

    /// Whether an operation has taken effect, and everything that follows from it has arrived everywhere.
    pub fn has_come_through(&self, operation: &str) -> bool {
        let promise = self.names.find(operation).and_then(|id| self.promise_by_key.get(&id));
        let Some(promise) = promise.map(|&promise| &self.promises[promise as usize]) else { return false };
        let has_arrived = |(topic, event): (u16, &Event)| {
            let consumers = self.schema.consumers.iter().enumerate();
            let mut consumers = consumers.filter(|(_, consumer)| requires(consumer, topic));
            event.is_recorded && consumers.all(|(place, _)| event.applied & (1 << place) != 0)
        };
        let mut own = self.event_by_key.iter().filter(|((_, operation, ..), _)| *operation == promise.id);
        promise.events.is_empty()
            && own.all(|((topic, ..), &place)| has_arrived((*topic, &self.events[place as usize])))
    }

    fn invoke(&mut self, invoke: &Invoke) {
        let Some(kind) = self.schema.kind(&invoke.kind) else { return };
        let id = self.names.intern(&invoke.operation);
        let (mut cells, mut declaration) = (Vec::new(), Declaration::default());
        self.schema.kinds[usize::from(kind)].read(&invoke.values, &mut self.names, &mut cells);
        if self.schema.declare(kind, id, &cells, &mut self.names, &mut declaration).is_none() {
            return;
        }
        let documents = declaration.effects.iter().map(|(collection, entity, _)| (*collection, *entity)).collect();
        let events = declaration.events;
        let is_observed = self.schema.kinds[usize::from(kind)].is_observed;
        self.promise_by_key.insert(id, self.promises.len() as u32);
        self.promises.push(Promise { id, is_observed, documents, events });
    }

    fn complete(&mut self, complete: &Complete) {
        if complete.outcome != Outcome::Ok {
            return;
        }
        let promise = self.names.find(&complete.operation).and_then(|id| self.promise_by_key.get(&id)).copied();
        if let Some(promise) = promise.filter(|&promise| !self.promises[promise as usize].is_observed) {
            self.require(promise);
        }
    }

    fn change(&mut self, change: &Change) {
        let Some(collection) = self.schema.collection(&change.collection) else { return };
        let id = self.names.intern(&change.id);
        let schema = &self.schema.collections[usize::from(collection)];
        let mut cells = Vec::new();
        schema.row.read(&change.after, &mut self.names, &mut cells);
        if schema.outbox.is_some() {
            if change.kind == ChangeKind::Delete || cells[row::PUBLISHED] != Cell::Missing {
                self.pending_rows.remove(&(collection, id));
            } else {
                self.pending_rows.insert((collection, id));
            }
            return;
        }
        let before = self.states.remove(&(collection, id));
        if change.kind == ChangeKind::Delete {
            return;
        }
        let is_first = matches!(change.kind, ChangeKind::Insert | ChangeKind::Setup | ChangeKind::Snapshot);
        let before = before.filter(|_| !is_first);
        let before = before.as_ref().map(|cells| State::of(id, cells));
        let after = State::of(id, &cells);
        let mut applied = Vec::new();
        let mut promise = None;
        if is_judged(change.kind, before.as_ref()) {
            promise = owner(schema, before.as_ref(), &after).and_then(|key| self.promise_by_key.get(&key)).copied();
            for &consumer in &schema.consumers {
                let found = application(
                    &self.schema.consumers[usize::from(consumer)],
                    before.as_ref(),
                    &after,
                    &mut self.names,
                );
                applied.extend(found.map(|(operation, event)| (consumer, operation, event)));
            }
        }
        let document = (collection, after.entity);
        self.states.insert((collection, id), cells);
        if let Some(promise) = promise.filter(|&promise| self.promises[promise as usize].documents.contains(&document))
        {
            self.require(promise);
        }
        for (consumer, operation, event) in applied {
            self.apply(consumer, operation, event);
        }
    }

    fn require(&mut self, promise: u32) {
        let promise = &mut self.promises[promise as usize];
        let operation = promise.id;
        for (topic, kind, subject) in std::mem::take(&mut promise.events) {
            let place = self.event((topic, operation, kind, subject));
            let event = &mut self.events[place as usize];
            if !event.is_required {
                event.is_required = true;
                self.missing_events += u64::from(!event.is_recorded);
            }
        }
    }

    fn event(&mut self, key: Key) -> u32 {
        let next = self.events.len() as u32;
        let place = *self.event_by_key.entry(key).or_insert(next);
        if place == next {
            self.events.push(Event::default());
        }
        place
    }

    fn record(&mut self, record: &Record) {
        let Some(topic) = self.schema.topic(&record.topic) else { return };
        let last = self.offsets.entry((topic, record.partition)).or_insert(-1);
        if record.offset <= *last {
            return;
        }
        *last = record.offset;
        let schema = &self.schema.topics[usize::from(topic)];
        let mut cells = Vec::new();
        let header = |name: &str| record.headers.get(name).map(String::as_str);
        schema.row.read(header, &record.payload, &mut self.names, &mut cells);
        let Ok(labels) = schema.labels(&cells, &self.names) else { return };
        let operation = self.trace(labels.operation);
        let (kind, subject, id) = (labels.kind, labels.subject, labels.event);
        let source = labels.source.map_or("", |source| self.names.text(source));
        let full = full_event_id(source, self.names.text(id)).map(|full| self.names.intern(&full));
        let place = self.event((topic, operation, kind, subject));
        let event = &mut self.events[place as usize];
        if !event.is_recorded {
            event.is_recorded = true;
            self.missing_events -= u64::from(event.is_required);
            self.missing_effects +=
                self.schema.consumers.iter().filter(|consumer| requires(consumer, topic)).count() as u64;
        }
        for id in [Some(id), full].into_iter().flatten() {
            self.event_by_id.entry((topic, operation, id)).or_insert(place);
            for consumer in 0..self.schema.consumers.len() as u16 {
                if self.early.remove(&(consumer, operation, id)) {
                    self.apply(consumer, operation, id);
                }
            }
        }
    }

    fn apply(&mut self, consumer: u16, key: Name, event: Name) {
        let operation = self.trace(key);
        let schema = &self.schema.consumers[usize::from(consumer)];
        let found =
            schema.topics.iter().find_map(|&topic| Some((topic, *self.event_by_id.get(&(topic, operation, event))?)));
        let Some((topic, place)) = found else {
            self.early.insert((consumer, operation, event));
            return;
        };
        let event = &mut self.events[place as usize];
        let bit = 1_u64 << consumer;
        if event.applied & bit == 0 {
            event.applied |= bit;
            self.missing_effects -= u64::from(requires(schema, topic));
        }
    }

    fn trace(&self, key: Name) -> Name {
        self.promise_by_key.get(&key).map_or(key, |&promise| self.promises[promise as usize].id)
    }
}

fn requires(consumer: &super::schema::ConsumerSchema, topic: u16) -> bool {
    consumer.mode == ConsumerMode::Each && consumer.topics.contains(&topic)
}
