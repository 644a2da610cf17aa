//! From the log to consumers' views: every event that is in the log was applied once, and the views are what it says.

use std::collections::{BTreeMap, HashSet};

use super::absence::Absence;
use super::finding::{Finding, Tally};
use super::story::{Story, record_title, seconds};
use super::verdict::{AnomalyKind, Example, Place};
use crate::history::entry::{ChangeKind, Nanos};
use crate::history::facts::{Change, Effect, Facts, Record};
use crate::history::name::{Cell, Name, NameMap, Number};
use crate::history::schema::{ConsumerSchema, Input};
use crate::scenario::manifest::ConsumerMode;

/// A record that a consumer has neither applied nor read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unread<'facts> {
    pub(super) consumer: u16,
    pub(super) record: &'facts Record,
    /// The next offset of its partition by the consumer's last commit.
    pub(super) committed: i64,
}

/// What the effects of all consumers come to.
pub(super) struct Survey<'facts> {
    pub(super) findings: Vec<Finding>,
    /// Records that a durable offset still holds at the deadline: they are stuck, not missing.
    pub(super) unread: Vec<Unread<'facts>>,
}

pub(super) fn survey<'facts>(facts: &'facts Facts, absence: &Absence) -> Survey<'facts> {
    let (mut missing, mut duplicate, mut divergent) = (Tally::new(facts), Tally::new(facts), Tally::new(facts));
    let mut unread = Vec::new();
    for (consumer, place) in facts.schema.consumers.iter().zip(0_u16..) {
        let applied = Applied::of(facts, place);
        if consumer.mode == ConsumerMode::Each {
            for (first, further) in &applied.further {
                let line = facts.changes[further.change as usize].mark.line;
                duplicate.push(line, (*first, *further));
            }
            for record in first_records(facts, consumer).filter(|record| applied.count(record.group) == 0) {
                match still_unread(facts, absence, consumer, record) {
                    Some(committed) => unread.push(Unread { consumer: place, record, committed }),
                    None => missing.push(record.mark.line, (place, record)),
                }
            }
        }
        for divergence in divergences(facts, place, &applied) {
            divergent.push(divergence.line, divergence);
        }
    }
    let mut findings = Vec::new();
    if facts.schema.consumers.iter().any(|consumer| consumer.mode == ConsumerMode::Each) {
        findings.push(
            missing.absent(AnomalyKind::MissingEffect, absence, |(consumer, record)| {
                tell_missing(facts, *consumer, record)
            }),
        );
        findings.push(
            duplicate.present(AnomalyKind::DuplicateEffect, |(first, further)| tell_duplicate(facts, first, further)),
        );
    } else {
        let reason = "the manifest has no consumer that applies each event once";
        let kinds = [AnomalyKind::MissingEffect, AnomalyKind::DuplicateEffect];
        findings.extend(kinds.map(|kind| Finding::not_checked(kind, reason)));
    }
    let kind = AnomalyKind::DivergentProjection;
    let is_fold = |consumer: &ConsumerSchema| !consumer.add.is_empty() || !consumer.set.is_empty();
    findings.push(if facts.schema.consumers.iter().any(is_fold) {
        divergent.absent(kind, absence, |divergence| tell_divergent(facts, divergence))
    } else {
        Finding::not_checked(kind, "the manifest does not say what a view's fields are made of")
    });
    Survey { findings, unread }
}

/// The first record of each event in a consumer's topics, in the order of the history.
fn first_records<'facts>(
    facts: &'facts Facts,
    consumer: &'facts ConsumerSchema,
) -> impl Iterator<Item = &'facts Record> {
    let first = facts.groups.iter().map(|group| &facts.records[group.first as usize]);
    first.filter(|record| consumer.topics.contains(&record.topic))
}

/// The next offset that the consumer would read, where that is not beyond the record. Only a drain that ran into its
/// deadline leaves something unread.
fn still_unread(facts: &Facts, absence: &Absence, consumer: &ConsumerSchema, record: &Record) -> Option<i64> {
    if *absence != Absence::Deadline || facts.drain.as_ref().is_none_or(|drain| drain.lag == 0) {
        return None;
    }
    let topic = &facts.schema.topics[usize::from(record.topic)].name;
    let committed = committed(facts, &consumer.name, topic, record.partition, Nanos::MAX);
    (committed <= record.offset).then_some(committed)
}

/// The offset that a consumer's group had last committed before a time; 0 if none.
pub(super) fn committed(facts: &Facts, consumer: &str, topic: &str, partition: i32, before: Nanos) -> i64 {
    let samples = facts.samples.iter().rev().filter(|sample| sample.at < before);
    let mut offsets = samples.filter_map(|sample| sample.committed.get(consumer));
    let partition = format!("{topic}/{partition}");
    offsets.find_map(|offsets| offsets.get(&partition).copied()).unwrap_or(0)
}

/// How often one consumer applied each event.
struct Applied<'facts> {
    /// By group.
    counts: Vec<u64>,
    /// Applications to one document beyond the first, each with the first.
    further: Vec<(&'facts Effect, &'facts Effect)>,
    /// The group that each entity applied last.
    last: NameMap<Name, u32>,
    /// Entities that applied what the log does not hold: their fold means nothing, and a guard says so.
    unfoldable: HashSet<Name>,
}

impl<'facts> Applied<'facts> {
    fn of(facts: &'facts Facts, consumer: u16) -> Self {
        let mut applied = Self {
            counts: vec![0; facts.groups.len()],
            further: Vec::new(),
            last: NameMap::default(),
            unfoldable: HashSet::new(),
        };
        // Nearly every event is applied to one document; the map holds what was applied to others as well.
        let mut first: Vec<Option<&Effect>> = vec![None; facts.groups.len()];
        let mut elsewhere: NameMap<(u32, Name), &Effect> = NameMap::default();
        let document = |effect: &Effect| facts.changes[effect.change as usize].id;
        for effect in facts.effects.iter().filter(|effect| effect.consumer == consumer) {
            let change = &facts.changes[effect.change as usize];
            let Some(group) = effect.group else {
                applied.unfoldable.insert(change.entity);
                continue;
            };
            applied.counts[group as usize] += 1;
            applied.last.insert(change.entity, group);
            match first[group as usize] {
                None => first[group as usize] = Some(effect),
                Some(first) if document(first) == change.id => applied.further.push((first, effect)),
                Some(_) => match elsewhere.get(&(group, change.id)) {
                    Some(first) => applied.further.push((first, effect)),
                    None => {
                        elsewhere.insert((group, change.id), effect);
                    }
                },
            }
        }
        applied
    }

    fn count(&self, group: u32) -> u64 {
        self.counts[group as usize]
    }
}

/// A field of a view that is not what the log says.
struct Divergence<'facts> {
    line: u64,
    consumer: u16,
    entity: Name,
    field: u16,
    expected: Cell,
    found: Cell,
    last: Option<&'facts Record>,
}

/// What the log makes of one entity: by its first records, and by what the view says it applied.
struct Expectation<'facts> {
    by_log: Vec<Cell>,
    by_effects: Vec<Cell>,
    last: Option<&'facts Record>,
}

/// Entities whose view is not the fold of the log's first records. Where every event is to be applied once, an entity
/// that is wrong exactly by effects that were counted as missing or doubled is not counted again.
fn divergences<'facts>(facts: &'facts Facts, place: u16, applied: &Applied<'_>) -> Vec<Divergence<'facts>> {
    let consumer = &facts.schema.consumers[usize::from(place)];
    let fields: Vec<u16> = consumer.add.iter().chain(&consumer.set).map(|(field, _)| *field).collect();
    let initial = initial_views(facts, consumer, &fields);
    let nothing = vec![Cell::Missing; fields.len()];
    let mut entities: NameMap<Name, Expectation<'_>> = NameMap::default();
    let start = |entity: Name| {
        let cells = initial.get(&entity).unwrap_or(&nothing).clone();
        Expectation { by_log: cells.clone(), by_effects: cells, last: None }
    };
    for record in first_records(facts, consumer) {
        let expectation = entities.entry(record.subject).or_insert_with(|| start(record.subject));
        expectation.last = Some(record);
        let count = applied.count(record.group);
        for (position, (_, input)) in consumer.add.iter().enumerate() {
            let Some(value) = input_value(facts, input, record).number() else { continue };
            add(&mut expectation.by_log[position], value);
            add(&mut expectation.by_effects[position], value.times(count));
        }
        let is_last = applied.last.get(&record.subject) == Some(&record.group);
        for (position, (_, input)) in consumer.set.iter().enumerate() {
            let position = consumer.add.len() + position;
            let value = input_value(facts, input, record);
            expectation.by_log[position] = value;
            if is_last {
                expectation.by_effects[position] = value;
            }
        }
    }
    let views: NameMap<Name, &Change> = facts
        .final_views()
        .filter(|change| change.collection == consumer.collection)
        .map(|change| (change.entity, change))
        .collect();
    for entity in views.keys().chain(initial.keys()) {
        entities.entry(*entity).or_insert_with(|| start(*entity));
    }
    let found = |entity: &Name, field: u16| {
        views.get(entity).map_or(Cell::Missing, |view| facts.cells(view)[usize::from(field)])
    };
    let differing = |entity: &Name, expected: &[Cell]| {
        fields.iter().zip(expected).position(|(field, expected)| !is_same(found(entity, *field), *expected))
    };
    let mut divergences = Vec::new();
    // In the order in which the history names them.
    let mut entities: Vec<(Name, Expectation<'_>)> = entities.into_iter().collect();
    entities.sort_unstable_by_key(|(entity, _)| *entity);
    for (entity, expectation) in entities.iter().filter(|(entity, _)| !applied.unfoldable.contains(entity)) {
        let Some(position) = differing(entity, &expectation.by_log) else { continue };
        if consumer.mode == ConsumerMode::Each && differing(entity, &expectation.by_effects).is_none() {
            continue;
        }
        divergences.push(Divergence {
            line: expectation.last.map_or(0, |record| record.mark.line),
            consumer: place,
            entity: *entity,
            field: fields[position],
            expected: expectation.by_log[position],
            found: found(entity, fields[position]),
            last: expectation.last,
        });
    }
    divergences
}

/// What views held before any event: snapshots and the harness's setup.
fn initial_views(facts: &Facts, consumer: &ConsumerSchema, fields: &[u16]) -> BTreeMap<Name, Vec<Cell>> {
    let mut initial = BTreeMap::new();
    for change in &facts.changes {
        let is_first = matches!(change.kind, ChangeKind::Setup | ChangeKind::Snapshot);
        if is_first && change.collection == consumer.collection {
            let cells = fields.iter().map(|field| facts.cells(change)[usize::from(*field)]).collect();
            initial.insert(change.entity, cells);
        }
    }
    initial
}

fn input_value(facts: &Facts, input: &Input, record: &Record) -> Cell {
    match input {
        Input::Fixed(value) => {
            value.as_i64().map_or_else(|| value.as_f64().map_or(Cell::Missing, Cell::Real), Cell::Integer)
        }
        Input::Payload(places) => {
            places.get(&record.topic).map_or(Cell::Missing, |place| facts.inputs(record)[usize::from(*place)])
        }
    }
}

fn add(cell: &mut Cell, value: Number) {
    if let Some(sum) = cell.number() {
        *cell = sum.plus(value).into();
    }
}

/// A field that is not there and one that is zero are the same sum.
fn is_same(left: Cell, right: Cell) -> bool {
    match (left.number(), right.number()) {
        (Some(left), Some(right)) => left.is_same(right),
        _ => left.is_same(right),
    }
}

fn tell_missing(facts: &Facts, consumer: u16, record: &Record) -> Example {
    let name = &facts.schema.consumers[usize::from(consumer)].name;
    Story::new(facts)
        .fact("operation", facts.text(record.operation))
        .fact("entity", facts.text(record.subject))
        .fact("type", facts.text(record.kind))
        .fact("consumer", name.as_str())
        .record(record)
        .absent(Place::Effect, format!("no change of {name}'s view by this event"))
        .tell(format!(
            "{} of {} was committed at {}, and {name} never applied it",
            record_title(facts, record),
            facts.text(record.operation),
            seconds(facts, record.mark.at)
        ))
}

fn tell_duplicate(facts: &Facts, first: &Effect, further: &Effect) -> Example {
    let name = &facts.schema.consumers[usize::from(further.consumer)].name;
    let (change, again) = (&facts.changes[first.change as usize], &facts.changes[further.change as usize]);
    let group = further.group.expect("only effects of events in the log are counted");
    let record = &facts.records[facts.groups[group as usize].first as usize];
    Story::new(facts)
        .fact("operation", facts.text(further.operation))
        .fact("entity", facts.text(again.entity))
        .fact("consumer", name.as_str())
        .fact("same_event_id", first.event == further.event)
        .record(record)
        .effect(first)
        .effect(further)
        .tell(format!(
            "{name} applied {} of {} to {} at {} and again at {}",
            facts.text(record.kind),
            facts.text(further.operation),
            facts.text(again.entity),
            seconds(facts, change.mark.at),
            seconds(facts, again.mark.at)
        ))
}

fn tell_divergent(facts: &Facts, divergence: &Divergence<'_>) -> Example {
    let consumer = &facts.schema.consumers[usize::from(divergence.consumer)];
    let collection = &facts.schema.collections[usize::from(consumer.collection)];
    let entity = facts.text(divergence.entity);
    let field = collection.fields[usize::from(divergence.field)].show();
    let (found, expected) = (divergence.found.show(&facts.names), divergence.expected.show(&facts.names));
    let story = Story::new(facts)
        .fact("entity", entity)
        .fact("consumer", consumer.name.as_str())
        .fact("field", field.as_str())
        .absent(Place::Effect, format!("{}/{entity} ends with {field} = {found}", collection.name));
    let story = match divergence.last {
        Some(record) => story.record(record),
        None => story,
    };
    story.tell(format!(
        "{}/{entity} ends with {field} = {found}, and the records of topic {} make it {expected}",
        collection.name,
        consumer
            .topics
            .iter()
            .map(|topic| facts.schema.topics[usize::from(*topic)].name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    ))
}
