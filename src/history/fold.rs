//! From entries to [`Facts`], one entry at a time.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::attribution::{State, application, fingerprint, full_event_id, is_judged, owner};
use super::entry::{self, ChangeKind, Entry, Outcome};
use super::facts::{
    Change, Completion, DeclaredEffect, DeclaredEvent, Effect, Facts, Fault, FinalReads, Group, Lists, Mark,
    NO_OPERATION, Operation, Owner, Record, Row, Unreadable,
};
use super::name::{Cell, Name, Names};
use super::reading;
use super::schema::{OutboxSchema, Path, Schema, Variables, text_of};
use crate::scenario::resolved::Resolved;

/// At most this many unreadable records and differences are kept in words; all are counted.
const KEPT_AT_MOST: usize = 16;

/// What is known of one document.
#[derive(Debug)]
struct Document {
    collection: u16,
    id: Name,
    /// Absent once deleted.
    print: Option<u64>,
    last_change: Option<u32>,
    state: Option<State>,
    row: Option<u32>,
    final_print: Option<u64>,
}

/// The facts so far.
#[derive(Debug)]
pub(super) struct Fold {
    facts: Facts,
    documents: Vec<Document>,
    document_by_id: HashMap<(u16, Name), u32>,
    offsets: HashMap<(u16, i32), i64>,
    ends: BTreeMap<u16, u64>,
}

impl Fold {
    pub(super) fn new(resolved: &Resolved) -> Self {
        Self {
            facts: Facts {
                schema: Schema::new(resolved),
                names: Names::default(),
                operations: Vec::new(),
                changes: Vec::new(),
                rows: Vec::new(),
                records: Vec::new(),
                groups: Vec::new(),
                effects: Vec::new(),
                readings: Vec::new(),
                again: Vec::new(),
                unreadable: Vec::new(),
                unreadable_count: 0,
                undeclared: 0,
                faults: Vec::new(),
                processes: Vec::new(),
                phases: Vec::new(),
                samples: Vec::new(),
                witnesses: Vec::new(),
                final_reads: FinalReads::default(),
                drain: None,
                end: None,
                activity: Vec::new(),
                cells: Vec::new(),
                moves: Vec::new(),
                declared_effects: Vec::new(),
                declared_events: Vec::new(),
                operation_by_name: Vec::new(),
                group_by_key: HashMap::new(),
                changes_of: Lists::default(),
                rows_of: Lists::default(),
                final_views: Vec::new(),
            },
            documents: Vec::new(),
            document_by_id: HashMap::new(),
            offsets: HashMap::new(),
            ends: BTreeMap::new(),
        }
    }

    pub(super) fn feed(&mut self, line: u64, entry: Entry) {
        match entry {
            Entry::Run(_) => {}
            Entry::Phase(phase) => self.facts.phases.push((line, phase)),
            Entry::Invoke(invoke) => self.invoke(line, &invoke),
            Entry::Attempt(attempt) => self.attempt(&attempt),
            Entry::Complete(complete) => self.complete(line, &complete),
            Entry::Change(change) => self.change(line, &change),
            Entry::Record(record) => self.record(line, &record),
            Entry::Fault(event) => self.fault(line, event),
            Entry::Process(event) => self.facts.processes.push((line, event)),
            Entry::Sample(sample) => self.facts.samples.push(sample),
            Entry::Document(document) => self.document(&document),
            Entry::Collection(end) => {
                if let Some(collection) = self.facts.schema.collection(&end.collection) {
                    self.ends.insert(collection, end.documents);
                }
            }
            Entry::Witness(event) => self.facts.witnesses.push((line, event)),
            Entry::Drain(drain) => self.facts.drain = Some(drain),
            Entry::End(end) => self.facts.end = Some(end),
        }
    }

    pub(super) fn finish(mut self) -> Facts {
        self.match_effects();
        self.compare_final_reads();
        let facts = &mut self.facts;
        let owned = facts.changes.iter().zip(0..).filter_map(|(change, place)| match change.owner {
            Owner::Operation(operation) => Some((operation, place)),
            Owner::Unattributed | Owner::NeverSent(_) => None,
        });
        facts.changes_of = Lists::new(facts.operations.len(), owned);
        let by_name = &facts.operation_by_name;
        let rows = facts.rows.iter().zip(0..).filter_map(|(row, place)| {
            by_name.get(row.operation.index()).filter(|&&found| found != NO_OPERATION).map(|&found| (found, place))
        });
        facts.rows_of = Lists::new(facts.operations.len(), rows);
        facts.activity.sort_unstable();
        for document in self.documents {
            let collection = &facts.schema.collections[usize::from(document.collection)];
            if let Some(state) = document.state.filter(|_| !collection.consumers.is_empty()) {
                facts.final_views.push((document.collection, state.entity, state));
            }
        }
        self.facts
    }

    fn invoke(&mut self, line: u64, invoke: &entry::Invoke) {
        let facts = &mut self.facts;
        let id = facts.names.intern(&invoke.operation);
        let kind = facts.schema.kind(&invoke.kind);
        let variables = Variables { operation: &invoke.operation, values: &invoke.values };
        let declaration = kind.and_then(|kind| facts.schema.declare(kind, variables, &mut facts.names));
        facts.undeclared += u64::from(declaration.is_none());
        let declaration = declaration.unwrap_or_default();
        let effects_start = facts.declared_effects.len() as u32;
        for (collection, entity, moves) in declaration.effects {
            let entity = facts.names.intern(&entity);
            let range = (facts.moves.len() as u32, moves.len() as u32);
            facts.moves.extend(moves);
            facts.declared_effects.push(DeclaredEffect { collection, entity, moves: range });
        }
        let events_start = facts.declared_events.len() as u32;
        for (topic, kind, subject) in declaration.events {
            let (kind, subject) = (facts.names.intern(&kind), facts.names.intern(&subject));
            facts.declared_events.push(DeclaredEvent { topic, kind, subject });
        }
        let place = facts.operations.len() as u32;
        let readings = reading::announce(facts, place, kind, variables);
        facts.operations.push(Operation {
            id,
            kind,
            invoked: Mark { line, at: invoke.at },
            completed: None,
            attempts: 1,
            entity: declaration.entity.map(|entity| facts.names.intern(&entity)),
            client: invoke.client,
            readings,
            effects: (effects_start, facts.declared_effects.len() as u32 - effects_start),
            events: (events_start, facts.declared_events.len() as u32 - events_start),
        });
        facts.activity.push(invoke.at);
        self.bind(id, place);
    }

    fn attempt(&mut self, attempt: &entry::Attempt) {
        let key = self.facts.names.intern(&attempt.key);
        let operation = self.facts.names.find(&attempt.operation).and_then(|id| self.facts.operation_of(id));
        if let Some(operation) = operation {
            let sent = &mut self.facts.operations[operation as usize].attempts;
            *sent = attempt.number.max(*sent);
            self.bind(key, operation);
        }
        self.facts.activity.push(attempt.at);
    }

    fn bind(&mut self, key: Name, operation: u32) {
        let by_name = &mut self.facts.operation_by_name;
        if by_name.len() <= key.index() {
            by_name.resize(key.index() + 1, NO_OPERATION);
        }
        by_name[key.index()] = operation;
    }

    fn complete(&mut self, line: u64, complete: &entry::Complete) {
        let error = complete.error.as_ref().map(|error| self.facts.names.intern(error));
        let operation = self.facts.names.find(&complete.operation).and_then(|id| self.facts.operation_of(id));
        if let Some(operation) = operation {
            let mark = Mark { line, at: complete.at };
            let completion = Completion { mark, outcome: complete.outcome, status: complete.status, error };
            self.facts.operations[operation as usize].completed = Some(completion);
            if complete.outcome == Outcome::Ok {
                reading::fill_in(&mut self.facts, operation, &complete.kept);
            }
        }
        if complete.outcome != Outcome::Info {
            self.facts.activity.push(complete.at);
        }
    }

    /// The operation id that a key was sent for, or the key itself if it was never sent.
    fn trace(&mut self, key: &str) -> Name {
        let key = self.facts.names.intern(key);
        self.facts.operation_of(key).map_or(key, |place| self.facts.operations[place as usize].id)
    }

    fn document_at(&mut self, collection: u16, id: Name) -> usize {
        let next = self.documents.len() as u32;
        let place = *self.document_by_id.entry((collection, id)).or_insert(next);
        if place == next {
            self.documents.push(Document {
                collection,
                id,
                print: None,
                last_change: None,
                state: None,
                row: None,
                final_print: None,
            });
        }
        place as usize
    }

    fn change(&mut self, line: u64, change: &entry::Change) {
        let Some(collection) = self.facts.schema.collection(&change.collection) else { return };
        let id = self.facts.names.intern(&change.id);
        let document = self.document_at(collection, id);
        let is_deleted = change.kind == ChangeKind::Delete;
        self.documents[document].print = (!is_deleted).then(|| fingerprint(&change.after));
        if !matches!(change.kind, ChangeKind::Setup | ChangeKind::Snapshot) {
            self.facts.activity.push(change.at);
        }
        let mark = Mark { line, at: change.at };
        if self.facts.schema.collections[usize::from(collection)].outbox.is_some() {
            self.row(mark, document, change);
        } else {
            self.state_change(mark, document, change);
        }
    }

    fn row(&mut self, mark: Mark, document: usize, change: &entry::Change) {
        let (collection, id) = (self.documents[document].collection, self.documents[document].id);
        let schema = &self.facts.schema.collections[usize::from(collection)];
        let outbox = schema.outbox.as_ref().expect("only rows of an outbox come here");
        if change.kind == ChangeKind::Delete {
            if let Some(row) = self.documents[document].row.take() {
                self.facts.rows[row as usize].removed = Some(mark);
            }
            return;
        }
        let is_published = is_published(outbox, &change.after);
        if let Some(row) = self.documents[document].row {
            let row = &mut self.facts.rows[row as usize];
            row.published = if is_published { row.published.or(Some(mark)) } else { None };
            return;
        }
        let text = |path: &Path| path.find(&change.after).and_then(text_of).unwrap_or_default().into_owned();
        let (operation, event) = (text(&outbox.operation), text(&outbox.event));
        let (kind, subject) = (text(&outbox.kind), text(&outbox.subject));
        let row = Row {
            collection,
            id,
            operation: self.trace(&operation),
            event: self.facts.names.intern(&event),
            kind: self.facts.names.intern(&kind),
            subject: self.facts.names.intern(&subject),
            inserted: mark,
            published: is_published.then_some(mark),
            removed: None,
        };
        self.documents[document].row = Some(self.facts.rows.len() as u32);
        self.facts.rows.push(row);
    }

    fn state_change(&mut self, mark: Mark, document: usize, change: &entry::Change) {
        let facts = &mut self.facts;
        let known = &mut self.documents[document];
        let collection = &facts.schema.collections[usize::from(known.collection)];
        let before = known.state.take();
        // A second insert without a delete in between is a new incarnation all the same.
        let is_first = matches!(change.kind, ChangeKind::Insert | ChangeKind::Setup | ChangeKind::Snapshot);
        let before = before.filter(|_| !is_first);
        let place = facts.changes.len() as u32;
        let is_deleted = change.kind == ChangeKind::Delete;
        let after = match (is_deleted, &before) {
            (false, _) => State::read(collection, known.id, &change.after, &mut facts.names),
            (true, before) => State {
                entity: before.as_ref().map_or(known.id, |before| before.entity),
                version: None,
                stamp: None,
                cells: vec![Cell::Missing; collection.fields.len()],
            },
        };
        let is_judged = is_judged(change.kind, before.as_ref());
        let key = owner(collection, before.as_ref(), &after).filter(|_| is_judged);
        let belongs = match key {
            None => Owner::Unattributed,
            Some(key) => match facts.operation_by_name.get(key.index()) {
                Some(&operation) if operation != NO_OPERATION => Owner::Operation(operation),
                _ => Owner::NeverSent(key),
            },
        };
        for &consumer in collection.consumers.iter().filter(|_| is_judged) {
            let schema = &facts.schema.consumers[usize::from(consumer)];
            if let Some((key, event)) = application(schema, before.as_ref(), &after, &mut facts.names) {
                let operation = match facts.operation_by_name.get(key.index()) {
                    Some(&place) if place != NO_OPERATION => facts.operations[place as usize].id,
                    _ => key,
                };
                facts.effects.push(Effect { consumer, change: place, operation, event, group: None });
            }
        }
        let cells = (facts.cells.len() as u32, after.cells.len() as u32);
        facts.cells.extend(&after.cells);
        facts.changes.push(Change {
            mark,
            collection: known.collection,
            id: known.id,
            entity: after.entity,
            kind: change.kind,
            before: known.last_change.filter(|_| before.is_some()),
            version: after.version,
            stamp: after.stamp,
            owner: belongs,
            is_judged,
            cells,
        });
        known.last_change = Some(place);
        known.state = (!is_deleted).then_some(after);
    }

    fn record(&mut self, line: u64, record: &entry::Record) {
        let Some(topic) = self.facts.schema.topic(&record.topic) else { return };
        // A witness that connects anew may read a record again; an offset is one record however often it is read.
        let last = self.offsets.entry((topic, record.partition)).or_insert(-1);
        if record.offset <= *last {
            reading::see_again(&mut self.facts, line, topic, record);
            return;
        }
        *last = record.offset;
        self.facts.activity.push(record.at);
        let mark = Mark { line, at: record.at };
        let labels = match self.facts.schema.topics[usize::from(topic)].labels(record) {
            Ok(labels) => labels,
            Err(missing) => {
                self.facts.unreadable_count += 1;
                if self.facts.unreadable.len() < KEPT_AT_MOST {
                    self.facts.unreadable.push(Unreadable { mark, topic, missing });
                }
                return;
            }
        };
        let (event, source) = (self.facts.names.intern(&labels.event), self.facts.names.intern(&labels.source));
        let (kind, subject) = (self.facts.names.intern(&labels.kind), self.facts.names.intern(&labels.subject));
        let sequence = labels.sequence;
        let operation = self.trace(&labels.operation);
        let facts = &mut self.facts;
        let inputs_start = facts.cells.len() as u32;
        for path in &facts.schema.topics[usize::from(topic)].inputs {
            let cell = Cell::read(path.find(&record.payload), &mut facts.names);
            facts.cells.push(cell);
        }
        let place = facts.records.len() as u32;
        let next = facts.groups.len() as u32;
        let group = *facts.group_by_key.entry((topic, operation, kind, subject)).or_insert(next);
        if group == next {
            facts.groups.push(Group { first: place, records: 1 });
        } else {
            facts.groups[group as usize].records += 1;
        }
        facts.records.push(Record {
            mark,
            topic,
            partition: record.partition,
            offset: record.offset,
            operation,
            event,
            source,
            kind,
            subject,
            sequence,
            group,
            inputs: (inputs_start, facts.cells.len() as u32 - inputs_start),
        });
    }

    fn fault(&mut self, line: u64, event: entry::FaultEvent) {
        let faults = &mut self.facts.faults;
        let place = match faults.binary_search_by_key(&event.fault, |fault| fault.number) {
            Ok(place) => place,
            Err(place) => {
                faults.insert(
                    place,
                    Fault {
                        number: event.fault,
                        what: event.what,
                        targets: Vec::new(),
                        steps: Vec::new(),
                        detail: None,
                    },
                );
                place
            }
        };
        let fault = &mut faults[place];
        fault.steps.push((event.step, Mark { line, at: event.at }));
        if !event.targets.is_empty() {
            fault.targets = event.targets;
        }
        fault.detail = event.detail.or(fault.detail.take());
    }

    fn document(&mut self, document: &entry::Document) {
        let Some(collection) = self.facts.schema.collection(&document.collection) else { return };
        let id = self.facts.names.intern(&document.id);
        let place = self.document_at(collection, id);
        self.documents[place].final_print = Some(fingerprint(&document.document));
    }

    /// Records may be seen after the effects they caused, so effects find their records at the end.
    fn match_effects(&mut self) {
        let facts = &mut self.facts;
        if facts.effects.is_empty() {
            return;
        }
        let mut groups: HashMap<(u16, Name, Name), u32> = HashMap::with_capacity(facts.records.len());
        for record in &facts.records {
            groups.entry((record.topic, record.operation, record.event)).or_insert(record.group);
            let (source, event) = (facts.names.text(record.source), facts.names.text(record.event));
            let full = full_event_id(source, event).and_then(|full| facts.names.find(&full));
            if let Some(full) = full {
                groups.entry((record.topic, record.operation, full)).or_insert(record.group);
            }
        }
        for effect in &mut facts.effects {
            let topics = &facts.schema.consumers[usize::from(effect.consumer)].topics;
            effect.group =
                topics.iter().find_map(|&topic| groups.get(&(topic, effect.operation, effect.event)).copied());
        }
    }

    fn compare_final_reads(&mut self) {
        let facts = &mut self.facts;
        let mut found: BTreeMap<u16, u64> = BTreeMap::new();
        let mut differences: Vec<(u16, String)> = Vec::new();
        let mut count = 0;
        for document in &self.documents {
            *found.entry(document.collection).or_default() += u64::from(document.final_print.is_some());
            if !self.ends.contains_key(&document.collection) || document.print == document.final_print {
                continue;
            }
            count += 1;
            if differences.len() < KEPT_AT_MOST {
                let how = match (document.print, document.final_print) {
                    (Some(_), None) => "is there by the change stream and was not read at the end",
                    (None, Some(_)) => "was read at the end and is not there by the change stream",
                    _ => "differs between the change stream and the final read",
                };
                let collection = &facts.schema.collections[usize::from(document.collection)].name;
                let sentence = format!("{collection}/{} {how}", facts.names.text(document.id));
                differences.push((document.collection, sentence));
            }
        }
        for (collection, announced) in &self.ends {
            let read = found.get(collection).copied().unwrap_or(0);
            let name = &facts.schema.collections[usize::from(*collection)].name;
            facts.final_reads.collections.push(name.clone());
            if read != *announced {
                count += 1;
                let sentence = format!("the final read of {name} announced {announced} documents and holds {read}");
                differences.push((*collection, sentence));
            }
        }
        differences.sort_by_key(|(collection, _)| *collection);
        facts.final_reads.differences = differences.into_iter().map(|(_, sentence)| sentence).collect();
        facts.final_reads.count = count;
    }
}

/// Missing, null and false mean that a row waits to be published.
pub(super) fn is_published(outbox: &OutboxSchema, row: &Value) -> bool {
    !matches!(outbox.published.find(row), None | Some(Value::Null | Value::Bool(false)))
}
