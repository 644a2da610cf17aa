//! From items to [`Facts`], one block of lines at a time and in the order of the file.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::panic::resume_unwind;
use std::thread;

use torn_scan::batch::{self, Item, Print};
use torn_scan::outline::Outline;

use super::activity::Activity;
use super::digest::Sheet;
use super::entry::{self, Entry, Outcome};
use super::facts::{
    Completion, DeclaredEffect, DeclaredEvent, EXAMPLES_AT_MOST, Facts, Fault, Mark, NO_OPERATION, Operation, Owner,
    Record, Unreadable,
};
use super::final_read::FinalReads;
use super::group::Grouping;
use super::list::Lists;
use super::name::{Cell, Name, Names};
use super::reading;
use super::schema::{Declaration, Schema, row};
use crate::scenario::resolved::Resolved;

mod change;

/// At most this many unreadable records are kept in words; all are counted.
const KEPT_AT_MOST: usize = 16;

/// The mark of a name that is no document's, and of a document without a change or row.
const NONE: u32 = u32::MAX;

/// What is known of one document.
#[derive(Debug)]
pub(super) struct Document {
    /// Absent once deleted.
    pub(super) print: Option<Print>,
    pub(super) final_print: Option<Print>,
    pub(super) id: Name,
    /// The last change, or the row that it is.
    last: u32,
    pub(super) collection: u16,
    is_there: bool,
}

/// The facts so far.
#[derive(Debug)]
pub(super) struct Fold {
    facts: Facts,
    documents: Vec<Document>,
    /// By collection, then by the id's name.
    document_by_name: Vec<Vec<u32>>,
    offsets: HashMap<(u16, i32), i64>,
    ends: BTreeMap<u16, u64>,
    /// The names of the block at hand, by their places in it.
    names: Vec<Name>,
    /// The row at hand.
    row: Vec<Cell>,
    declaration: Declaration,
}

impl Fold {
    pub(super) fn new(resolved: &Resolved) -> Self {
        let schema = Schema::new(resolved);
        let mut names = Names::default();
        Self {
            documents: Vec::new(),
            document_by_name: schema.collections.iter().map(|_| Vec::new()).collect(),
            offsets: HashMap::new(),
            ends: BTreeMap::new(),
            names: Vec::new(),
            row: Vec::new(),
            declaration: Declaration::default(),
            facts: Facts {
                examples_at_most: EXAMPLES_AT_MOST,
                nothing: names.intern(""),
                schema,
                names,
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
                clusters: Vec::new(),
                witnesses: Vec::new(),
                final_reads: FinalReads::default(),
                drain: None,
                end: None,
                activity: Activity::default(),
                cells: Vec::new(),
                moves: Vec::new(),
                declared_effects: Vec::new(),
                declared_events: Vec::new(),
                operation_by_name: Vec::new(),
                grouping: Grouping::default(),
                changes_of: Lists::default(),
                rows_of: Lists::default(),
                final_views: Vec::new(),
            },
        }
    }

    /// What is to be read of the history.
    pub(super) fn outline(&self) -> Outline {
        self.facts.schema.outline()
    }

    /// Takes what a block of lines says, and its other entries; `first` is its first line.
    pub(super) fn feed(&mut self, first: u64, sheet: &mut Sheet) {
        let batch = &sheet.batch;
        self.facts.names.adopt(&batch.names, &mut self.names);
        let mut others = mem::take(&mut sheet.others).into_iter();
        for (offset, item) in &batch.items {
            let line = first + u64::from(*offset);
            match item {
                Item::Invoke(invoke) => self.invoke(line, invoke, &batch.cells),
                Item::Complete(complete) => self.complete(line, complete, &batch.cells),
                Item::Change(change) => self.change(line, change, &batch.cells),
                Item::Record(record) => self.record(line, record, &batch.cells),
                Item::Document(document) => self.document(document),
                Item::Other(_) => self.other(line, others.next().expect("each of the others has its item, in order")),
            }
        }
    }

    fn other(&mut self, line: u64, entry: Entry) {
        match entry {
            Entry::Phase(phase) => self.facts.phases.push((line, phase)),
            Entry::Attempt(attempt) => self.attempt(&attempt),
            Entry::Fault(event) => self.fault(line, event),
            Entry::Process(event) => self.facts.processes.push((line, event)),
            Entry::Cluster(event) => self.facts.clusters.push((line, event)),
            Entry::Sample(sample) => self.facts.samples.push(sample),
            Entry::Collection(end) => {
                if let Some(collection) = self.facts.schema.collection(&end.collection) {
                    self.ends.insert(collection, end.documents);
                }
            }
            Entry::Witness(event) => self.facts.witnesses.push((line, event)),
            Entry::Drain(drain) => self.facts.drain = Some(drain),
            Entry::End(end) => self.facts.end = Some(end),
            Entry::Run(_)
            | Entry::Strike(_)
            | Entry::Wire(_)
            | Entry::Anatomy(_)
            | Entry::Invoke(_)
            | Entry::Complete(_)
            | Entry::Change(_)
            | Entry::Record(_)
            | Entry::Document(_) => {}
        }
    }

    pub(super) fn finish(mut self) -> Facts {
        let (schema, names) = (&self.facts.schema, &self.facts.names);
        self.facts.final_reads = FinalReads::compare(schema, names, &self.documents, &self.ends);
        let facts = &mut self.facts;
        let owned = facts.changes.iter().zip(0..).filter_map(|(change, place)| match change.owner {
            Owner::Operation(operation) => Some((operation, place)),
            Owner::Unattributed | Owner::NeverSent(_) => None,
        });
        let by_name = &facts.operation_by_name;
        let rows = facts.rows.iter().zip(0..).filter_map(|(row, place)| {
            by_name.get(row.operation.index()).filter(|&&found| found != NO_OPERATION).map(|&found| (found, place))
        });
        let operations = facts.operations.len();
        thread::scope(|scope| {
            let lists = scope.spawn(|| (Lists::new(operations, owned), Lists::new(operations, rows)));
            let (grouping, groups) = Grouping::of(&mut facts.records, &facts.names);
            grouping.match_effects(&facts.records, &mut facts.effects, &facts.schema.consumers, &facts.names);
            (facts.grouping, facts.groups) = (grouping, groups);
            (facts.changes_of, facts.rows_of) = lists.join().unwrap_or_else(|panic| resume_unwind(panic));
        });
        let schema = &facts.schema;
        let is_view = |document: &&Document| {
            let collection = &schema.collections[usize::from(document.collection)];
            document.is_there
                && document.last != NONE
                && collection.outbox.is_none()
                && !collection.consumers.is_empty()
        };
        facts.final_views = self.documents.iter().filter(is_view).map(|document| document.last).collect();
        self.facts
    }

    /// Takes the row that begins there, under the names of the history.
    fn take_row(&mut self, start: u32, cells: &[Cell], count: u16) {
        let cells = &cells[start as usize..start as usize + usize::from(count)];
        self.row.clear();
        self.row.extend(cells.iter().map(|cell| cell.renamed(&self.names)));
    }

    fn invoke(&mut self, line: u64, invoke: &batch::Invoke, cells: &[Cell]) {
        let id = self.names[invoke.operation.index()];
        let kind = invoke.kind;
        let mut is_declared = false;
        if let Some(kind) = kind {
            self.take_row(invoke.row, cells, self.facts.schema.kinds[usize::from(kind)].row.count());
            let (facts, declaration) = (&mut self.facts, &mut self.declaration);
            let declared = facts.schema.declare(kind, id, &self.row, &mut facts.names, declaration);
            is_declared = declared.is_some();
        }
        let facts = &mut self.facts;
        facts.undeclared += u64::from(!is_declared);
        let effects_start = facts.declared_effects.len() as u32;
        let events_start = facts.declared_events.len() as u32;
        let mut entity = None;
        if is_declared {
            let mut moves_start = facts.moves.len() as u32;
            for (collection, entity, count) in &self.declaration.effects {
                let (collection, entity, count) = (*collection, *entity, *count as u32);
                facts.declared_effects.push(DeclaredEffect { collection, entity, moves: (moves_start, count) });
                moves_start += count;
            }
            facts.moves.extend(&self.declaration.moves);
            let events = self.declaration.events.iter();
            facts.declared_events.extend(events.map(|&(topic, kind, subject)| DeclaredEvent { topic, kind, subject }));
            entity = self.declaration.entity;
        }
        let place = facts.operations.len() as u32;
        let readings = reading::announce(facts, place, kind, id, &self.row);
        facts.operations.push(Operation {
            id,
            kind,
            invoked: Mark { line, at: invoke.at },
            completed: None,
            attempts: 1,
            entity,
            client: invoke.client,
            readings,
            effects: (effects_start, facts.declared_effects.len() as u32 - effects_start),
            events: (events_start, facts.declared_events.len() as u32 - events_start),
        });
        facts.activity.add(invoke.at);
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
        self.facts.activity.add(attempt.at);
    }

    fn bind(&mut self, key: Name, operation: u32) {
        let by_name = &mut self.facts.operation_by_name;
        if by_name.len() <= key.index() {
            by_name.resize(key.index() + 1, NO_OPERATION);
        }
        by_name[key.index()] = operation;
    }

    fn complete(&mut self, line: u64, complete: &batch::Complete, cells: &[Cell]) {
        let error = complete.error.map(|error| self.names[error.index()]);
        let id = self.names[complete.operation.index()];
        if let Some(operation) = self.facts.operation_of(id) {
            let mark = Mark { line, at: complete.at };
            let completion = Completion { mark, outcome: complete.outcome, status: complete.status, error };
            self.facts.operations[operation as usize].completed = Some(completion);
            if complete.outcome == Outcome::Ok {
                self.take_row(complete.row, cells, self.facts.schema.kept.len() as u16);
                reading::fill_in(&mut self.facts, operation, &self.row);
            }
        }
        if complete.outcome != Outcome::Info {
            self.facts.activity.add(complete.at);
        }
    }

    fn record(&mut self, line: u64, record: &batch::Record, cells: &[Cell]) {
        let topic = record.topic;
        self.take_row(record.row, cells, self.facts.schema.topics[usize::from(topic)].row.count());
        // A witness that connects anew may read a record again; an offset is one record however often it is read.
        let last = self.offsets.entry((topic, record.partition)).or_insert(-1);
        if record.offset <= *last {
            reading::see_again(&mut self.facts, line, record, &self.row);
            return;
        }
        *last = record.offset;
        self.facts.activity.add(record.at);
        let mark = Mark { line, at: record.at };
        let facts = &mut self.facts;
        let labels = match facts.schema.topics[usize::from(topic)].labels(&self.row, &facts.names) {
            Ok(labels) => labels,
            Err(missing) => {
                facts.unreadable_count += 1;
                if facts.unreadable.len() < KEPT_AT_MOST {
                    facts.unreadable.push(Unreadable { mark, topic, missing });
                }
                return;
            }
        };
        let inputs = &self.row[row::INPUTS..];
        let inputs_start = facts.cells.len() as u32;
        facts.cells.extend(inputs);
        facts.records.push(Record {
            mark,
            topic,
            partition: record.partition,
            offset: record.offset,
            operation: facts.traced(labels.operation),
            event: labels.event,
            source: labels.source.unwrap_or(facts.nothing),
            kind: labels.kind,
            subject: labels.subject,
            sequence: labels.sequence,
            group: NONE,
            inputs: (inputs_start, inputs.len() as u32),
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

    fn document(&mut self, document: &batch::Document) {
        let id = self.names[document.id.index()];
        let place = self.document_at(document.collection, id);
        self.documents[place].final_print = Some(document.print);
    }
}
