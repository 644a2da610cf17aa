//! The pass over the history: one compact record for each operation, and what was sampled. Everything else is computed
//! from this; memory grows with the number of operations (about 200 bytes each), not with documents or payloads.

use std::collections::{BTreeMap, HashMap};

use indexmap::IndexSet;
use serde_json::Value;

use crate::history::entry::{
    Anatomy, Change, ChangeKind, ClusterEvent, Complete, End, Entry, FaultEvent, Invoke, Nanos, Outcome, Part,
    PhaseName, ProcessEvent, Record, Sample,
};
use crate::load::lateness::is_own_shortage;
use crate::scenario::manifest::{Collection, Topic};
use crate::scenario::resolved::Resolved;

/// What is kept of one operation.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Index into [`Tally::kinds`].
    pub kind: usize,
    /// Index into [`Tally::entities`], where the manifest names an entity.
    pub entity: Option<usize>,
    /// Whether it belongs to the measured load.
    pub part: Part,
    /// Intended start.
    pub due: Nanos,
    /// When the generator released it.
    pub released: Nanos,
    /// What came out, once known.
    pub end: Option<Completion>,
    /// First committed change.
    pub commit: Option<Nanos>,
    /// First record.
    pub record: Option<Nanos>,
    /// First effect at a consumer.
    pub effect: Option<Nanos>,
}

/// What is kept of a completion.
#[derive(Debug, Clone, Copy)]
pub struct Completion {
    /// When.
    pub at: Nanos,
    /// When the last attempt was sent.
    pub sent: Nanos,
    /// What came out.
    pub outcome: Outcome,
    /// `conflicts` of the answer, where it told.
    pub conflicts: Option<u64>,
    /// `retries` of the answer, where it told.
    pub retries: Option<u64>,
    /// Whether it was never sent because the generator had run out of something.
    pub is_own_shortage: bool,
}

impl Operation {
    /// From the intended start to the answer.
    pub fn response(&self) -> Option<Nanos> {
        self.end.map(|end| end.at.saturating_sub(self.due))
    }
}

/// What one pass over a history leaves.
#[derive(Debug)]
pub struct Tally<'a> {
    resolved: &'a Resolved,
    /// Names of operations.
    pub kinds: IndexSet<String>,
    /// Keys of entities.
    pub entities: IndexSet<String>,
    /// Every operation, in the order of their invocation.
    pub operations: Vec<Operation>,
    /// The start of each phase.
    pub phases: BTreeMap<PhaseName, Nanos>,
    /// Every sample.
    pub samples: Vec<Sample>,
    /// Every step of every fault.
    pub faults: Vec<FaultEvent>,
    /// Everything that clusters did by themselves.
    pub clusters: Vec<ClusterEvent>,
    /// Everything that happened to processes.
    pub processes: Vec<ProcessEvent>,
    /// The messages that an operation costs, by kind.
    pub anatomies: Vec<Anatomy>,
    /// The last line.
    pub end: Option<End>,
    /// The latest time of anything that moved: completions, changes, records.
    pub last_movement: Nanos,
    by_id: HashMap<Box<str>, usize>,
}

impl<'a> Tally<'a> {
    /// Before the first entry.
    pub fn new(resolved: &'a Resolved) -> Self {
        Self {
            resolved,
            kinds: IndexSet::new(),
            entities: IndexSet::new(),
            operations: Vec::new(),
            phases: BTreeMap::new(),
            samples: Vec::new(),
            faults: Vec::new(),
            clusters: Vec::new(),
            processes: Vec::new(),
            anatomies: Vec::new(),
            end: None,
            last_movement: 0,
            by_id: HashMap::new(),
        }
    }

    /// Takes the next entry.
    pub fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Phase(phase) => {
                self.phases.entry(phase.name).or_insert(phase.at);
            }
            Entry::Invoke(invoke) => self.invoke(invoke),
            Entry::Complete(complete) => self.complete(&complete),
            Entry::Change(change) => self.change(&change),
            Entry::Record(record) => self.record(&record),
            Entry::Fault(event) => self.faults.push(event),
            Entry::Cluster(event) => self.clusters.push(event),
            Entry::Process(event) => self.processes.push(event),
            Entry::Sample(sample) => self.samples.push(sample),
            Entry::Anatomy(anatomy) => self.anatomies.push(anatomy),
            Entry::End(end) => self.end = Some(end),
            Entry::Run(_)
            | Entry::Strike(_)
            | Entry::Wire(_)
            | Entry::Attempt(_)
            | Entry::Document(_)
            | Entry::Collection(_)
            | Entry::Witness(_)
            | Entry::Drain(_) => {}
        }
    }

    /// Operations of the measured load.
    pub fn measured(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(|operation| operation.part == Part::Load)
    }

    /// The first planned arrival of the measured load; of a run cut short before, what there is.
    pub fn load_start(&self) -> Nanos {
        let first = || self.measured().map(|operation| operation.due).min();
        self.phases.get(&PhaseName::Load).copied().or_else(first).unwrap_or(0)
    }

    /// The end of the measured load; of a run cut short in mid-load, the last completion.
    pub fn load_end(&self) -> Nanos {
        let last = || self.measured().filter_map(|operation| operation.end).map(|end| end.at).max();
        self.phases.get(&PhaseName::LoadEnd).copied().or_else(last).unwrap_or(0).max(self.load_start())
    }

    fn invoke(&mut self, invoke: Invoke) {
        let entity = self.entity_of(&invoke).map(|entity| self.entities.insert_full(entity).0);
        let kind = self.kinds.insert_full(invoke.kind).0;
        self.by_id.insert(invoke.operation.into_boxed_str(), self.operations.len());
        self.operations.push(Operation {
            kind,
            entity,
            part: invoke.part,
            due: invoke.due,
            released: invoke.released,
            end: None,
            commit: None,
            record: None,
            effect: None,
        });
    }

    fn entity_of(&self, invoke: &Invoke) -> Option<String> {
        let template = self.resolved.manifest.operation.get(&invoke.kind)?.entity.as_ref()?;
        Some(invoke.values.iter().fold(template.clone(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), &as_text(value).unwrap_or_default())
        }))
    }

    fn complete(&mut self, complete: &Complete) {
        self.last_movement = self.last_movement.max(complete.at);
        let Some(&index) = self.by_id.get(complete.operation.as_str()) else { return };
        let kept = |name: &str| complete.kept.get(name).and_then(Value::as_u64);
        self.operations[index].end = Some(Completion {
            at: complete.at,
            sent: complete.sent,
            outcome: complete.outcome,
            conflicts: kept("conflicts"),
            retries: kept("retries"),
            is_own_shortage: complete.error.as_deref().is_some_and(is_own_shortage),
        });
    }

    fn change(&mut self, change: &Change) {
        if matches!(change.kind, ChangeKind::Snapshot | ChangeKind::Setup | ChangeKind::Delete) {
            return;
        }
        self.last_movement = self.last_movement.max(change.at);
        let view =
            self.resolved.manifest.consumer.values().find(|consumer| consumer.view.collection == change.collection);
        let (pointer, is_effect) = match (view, self.resolved.manifest.collection.get(&change.collection)) {
            (Some(consumer), _) => (Some(consumer.view.operation.as_str()), true),
            // The outbox row is committed with the change it belongs to and must not stand in for it.
            (None, Some(Collection { operation, outbox: None, .. })) => (operation.as_deref(), false),
            _ => (None, false),
        };
        let Some(id) = pointer.and_then(|pointer| as_text(change.after.pointer(pointer)?)) else { return };
        let Some(&index) = self.by_id.get(id.as_str()) else { return };
        let operation = &mut self.operations[index];
        // A later change of the same document still names the last operation: only the first one is its own.
        let seen = if is_effect { &mut operation.effect } else { &mut operation.commit };
        seen.get_or_insert(change.at);
    }

    fn record(&mut self, record: &Record) {
        self.last_movement = self.last_movement.max(record.at);
        let Some(topic) = self.resolved.manifest.topic.get(&record.topic) else { return };
        let Some(id) = operation_of(record, topic) else { return };
        let Some(&index) = self.by_id.get(id.as_str()) else { return };
        self.operations[index].record.get_or_insert(record.at);
    }
}

/// The operation id of a record: a header, with `CloudEvents`' structured mode read too, or a pointer into the payload.
fn operation_of(record: &Record, topic: &Topic) -> Option<String> {
    let Some(header) = topic.operation.strip_prefix("header:") else {
        return as_text(record.payload.pointer(&topic.operation)?);
    };
    let structured = || as_text(record.payload.get(header.strip_prefix("ce_")?)?);
    record.headers.get(header).cloned().or_else(structured)
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
