//! From committed changes to the log: every required event is there, once, in order, and nothing else is.

use super::absence::Absence;
use super::effect::Unread;
use super::finding::{Finding, Tally};
use super::story::{Story, operation_title, record_title, seconds, told, version};
use super::verdict::{AnomalyKind, Example, Place};
use crate::history::entry::Outcome;
use crate::history::facts::{Change, DeclaredEvent, Facts, Record, Row};
use crate::history::name::{Name, NameMap};

const NO_EVENT: &str = "no operation of the manifest leads to an event";

/// An event that must be in the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Requirement<'facts> {
    pub(super) operation: u32,
    pub(super) event: &'facts DeclaredEvent,
    /// The change that requires it; none where the manifest lets us see no change and the client was told `ok`.
    pub(super) cause: Option<&'facts Change>,
}

/// What is required: by a committed change, whatever the client was told; where an operation has no effect that can be
/// observed, by its `ok`.
pub(super) fn requirements(facts: &Facts) -> impl Iterator<Item = Requirement<'_>> {
    facts.operations.iter().zip(0_u32..).flat_map(move |(operation, place)| {
        let cause = facts.effective_changes(place).next();
        let is_observed = operation.kind.is_some_and(|kind| facts.schema.kinds[usize::from(kind)].is_observed);
        let is_required = cause.is_some() || (!is_observed && operation.outcome() == Outcome::Ok);
        let events = if is_required { facts.declared_events(place) } else { &[] };
        events.iter().map(move |event| Requirement { operation: place, event, cause })
    })
}

pub(super) fn check(facts: &Facts, absence: &Absence, unread: &[Unread<'_>]) -> Vec<Finding> {
    let mut findings = if facts.operations.is_empty() || requirements_are_declared(facts) {
        let mut findings = missing(facts, absence, unread);
        findings.push(phantoms(facts, absence));
        findings
    } else {
        let kinds =
            [AnomalyKind::LostEvent, AnomalyKind::StuckEvent, AnomalyKind::TornPublication, AnomalyKind::PhantomEvent];
        kinds.into_iter().map(|kind| Finding::not_checked(kind, NO_EVENT)).collect()
    };
    if facts.schema.topics.is_empty() {
        let kinds = [AnomalyKind::DuplicateEvent, AnomalyKind::ReorderedEvent];
        findings.extend(kinds.map(|kind| Finding::not_checked(kind, "the manifest observes no topic")));
    } else {
        findings.push(duplicates(facts));
        findings.push(reordered(facts));
    }
    findings
}

fn requirements_are_declared(facts: &Facts) -> bool {
    facts.schema.kinds.iter().any(|kind| kind.event_count() > 0)
}

enum Stuck<'facts> {
    Row(Requirement<'facts>, &'facts Row),
    Unread(Unread<'facts>),
}

/// Lost-event, stuck-event and torn-publication: one cause, one count.
fn missing(facts: &Facts, absence: &Absence, unread: &[Unread<'_>]) -> Vec<Finding> {
    let pending: NameMap<(Name, Name, Name), &Row> = facts
        .rows
        .iter()
        .filter(|row| row.is_pending())
        .map(|row| ((row.operation, row.kind, row.subject), row))
        .collect();
    let (mut lost, mut stuck, mut torn) = (Tally::new(facts), Tally::new(facts), Tally::new(facts));
    let mut open: Vec<Requirement<'_>> = Vec::new();
    for requirement in requirements(facts) {
        let place = requirement.operation;
        if facts.group_of(place, requirement.event).is_some() {
            continue;
        }
        let key = (facts.operations[place as usize].id, requirement.event.kind, requirement.event.subject);
        match pending.get(&key) {
            Some(row) => stuck.push(line(facts, &requirement), Stuck::Row(requirement, row)),
            None => open.push(requirement),
        }
    }
    for missing in open.chunk_by(|left, right| left.operation == right.operation) {
        let first = missing[0];
        let events = facts.declared_events(first.operation);
        let there = events.iter().filter(|event| facts.group_of(first.operation, event).is_some()).count();
        if there > 0 {
            torn.push(line(facts, &first), missing.to_vec());
        } else {
            for requirement in missing {
                lost.push(line(facts, requirement), *requirement);
            }
        }
    }
    for unread in unread {
        stuck.push(unread.record.mark.line, Stuck::Unread(*unread));
    }
    // At the deadline, what a durable rest explains is decided.
    let durable = if *absence == Absence::Deadline { &Absence::Decided } else { absence };
    let can_be_torn = facts.schema.kinds.iter().any(|kind| kind.event_count() > 1);
    let torn = if can_be_torn {
        torn.absent(AnomalyKind::TornPublication, absence, |missing| tell_torn(facts, missing))
    } else {
        Finding::not_checked(AnomalyKind::TornPublication, "no operation of the manifest leads to several events")
    };
    vec![
        lost.absent(AnomalyKind::LostEvent, absence, |requirement| tell_lost(facts, requirement)),
        stuck.absent(AnomalyKind::StuckEvent, durable, |stuck| tell_stuck(facts, stuck)),
        torn,
    ]
}

fn line(facts: &Facts, requirement: &Requirement<'_>) -> u64 {
    let invoked = facts.operations[requirement.operation as usize].invoked.line;
    requirement.cause.map_or(invoked, |change| change.mark.line)
}

/// First records only: a further record of a phantom is a duplicate-event.
fn phantoms(facts: &Facts, absence: &Absence) -> Finding {
    let mut phantoms = Tally::new(facts);
    for group in &facts.groups {
        let record = &facts.records[group.first as usize];
        let operation = facts.operation_of(record.operation);
        let is_phantom = operation.is_none_or(|place| {
            let operation = &facts.operations[place as usize];
            let is_observed = operation.kind.is_some_and(|kind| facts.schema.kinds[usize::from(kind)].is_observed);
            if is_observed {
                facts.effective_changes(place).next().is_none()
            } else {
                operation.outcome() == Outcome::Fail
            }
        });
        if is_phantom {
            phantoms.push(record.mark.line, (record, operation));
        }
    }
    phantoms.absent(AnomalyKind::PhantomEvent, absence, |(record, operation)| tell_phantom(facts, record, *operation))
}

fn duplicates(facts: &Facts) -> Finding {
    let mut further = Tally::new(facts);
    for (record, place) in facts.records.iter().zip(0_u32..) {
        let first = facts.groups[record.group as usize].first;
        if first != place {
            further.push(record.mark.line, (&facts.records[first as usize], record));
        }
    }
    further.present(AnomalyKind::DuplicateEvent, |(first, record)| tell_duplicate(facts, first, record))
}

enum Disorder<'facts> {
    Sinks(&'facts Record, &'facts Record),
    Scattered(&'facts Record, &'facts Record),
}

/// Over first records: along a partition an entity's versions rise, and an entity keeps to one partition. Events of one
/// operation may tell of the same version.
fn reordered(facts: &Facts) -> Finding {
    let mut disorder = Tally::new(facts);
    let mut highest: NameMap<(u16, Name, i32), &Record> = NameMap::default();
    let mut home: NameMap<(u16, Name), (&Record, bool)> = NameMap::default();
    let mut has_sequence = false;
    for group in &facts.groups {
        let record = &facts.records[group.first as usize];
        let (first, is_told) = home.entry((record.topic, record.subject)).or_insert((record, false));
        if first.partition != record.partition && !*is_told {
            *is_told = true;
            disorder.push(record.mark.line, Disorder::Scattered(first, record));
        }
        if record.sequence.is_none() {
            continue;
        }
        has_sequence = true;
        let highest = highest.entry((record.topic, record.subject, record.partition)).or_insert(record);
        let is_same = highest.sequence == record.sequence && highest.operation == record.operation;
        if highest.sequence < record.sequence || is_same {
            *highest = record;
        } else {
            disorder.push(record.mark.line, Disorder::Sinks(highest, record));
        }
    }
    let finding = disorder.present(AnomalyKind::ReorderedEvent, |disorder| tell_disorder(facts, disorder));
    if finding.count == 0 && !has_sequence && !facts.groups.is_empty() {
        return Finding::not_checked(AnomalyKind::ReorderedEvent, "no record carries a sequence");
    }
    finding
}

fn requirement_story<'facts>(facts: &'facts Facts, requirement: &Requirement<'facts>) -> Story<'facts> {
    let mut story = Story::new(facts)
        .operation(requirement.operation)
        .fact("entity", facts.text(requirement.event.subject))
        .fact("type", facts.text(requirement.event.kind));
    if let Some(change) = requirement.cause {
        story = story.change(change);
    }
    let event = requirement.event;
    for row in facts.rows_of(requirement.operation).filter(|row| row.kind == event.kind && row.subject == event.subject)
    {
        story = story.row(row);
    }
    // A dual-write has no rows at all, and nobody should look for one there.
    let has_row = facts.rows_of(requirement.operation).next().is_some();
    if requirement.cause.is_some() && !facts.rows.is_empty() && !has_row {
        story = story.absent(Place::Outbox, "no outbox row of this operation");
    }
    story
}

/// `purchase-000123 (…) was stored at 4.213 s as version 18 of products/product-007, the client was told 201`.
fn what_took_effect(facts: &Facts, requirement: &Requirement<'_>) -> String {
    let title = operation_title(facts, requirement.operation);
    let operation = &facts.operations[requirement.operation as usize];
    let told = told(facts, operation);
    match requirement.cause {
        Some(change) => format!(
            "{title} was stored at {}{} of {}, the client {told}",
            seconds(facts, change.mark.at),
            version(change),
            super::story::document(facts, change)
        ),
        None => format!("of {title} the client {told}"),
    }
}

fn tell_lost(facts: &Facts, requirement: &Requirement<'_>) -> Example {
    let kind = facts.text(requirement.event.kind);
    let topic = &facts.schema.topics[usize::from(requirement.event.topic)].name;
    requirement_story(facts, requirement).absent(Place::Record, format!("no record of {kind} in topic {topic}")).tell(
        format!("{}, and no record of {kind} ever appeared in topic {topic}", what_took_effect(facts, requirement)),
    )
}

fn tell_stuck(facts: &Facts, stuck: &Stuck<'_>) -> Example {
    match stuck {
        Stuck::Row(requirement, row) => {
            let kind = facts.text(requirement.event.kind);
            let outbox = &facts.schema.collections[usize::from(row.collection)].name;
            requirement_story(facts, requirement).absent(Place::Record, format!("no record of {kind}")).tell(format!(
                "{}, but its event {kind} still lay unpublished in {outbox} when the drain ran into its deadline",
                what_took_effect(facts, requirement)
            ))
        }
        Stuck::Unread(unread) => {
            let consumer = &facts.schema.consumers[usize::from(unread.consumer)].name;
            Story::new(facts)
                .fact("operation", facts.text(unread.record.operation))
                .fact("entity", facts.text(unread.record.subject))
                .fact("consumer", consumer.as_str())
                .record(unread.record)
                .absent(
                    Place::Effect,
                    format!("{consumer} has not read it: it had committed up to {}", unread.committed),
                )
                .tell(format!(
                    "{} was committed at {}, and {consumer} had not read it when the drain ran into its deadline",
                    record_title(facts, unread.record),
                    seconds(facts, unread.record.mark.at)
                ))
        }
    }
}

fn tell_torn(facts: &Facts, missing: &[Requirement<'_>]) -> Example {
    let first = missing[0];
    let mut story = requirement_story(facts, &first);
    let mut there = Vec::new();
    for event in facts.declared_events(first.operation) {
        if let Some(group) = facts.group_of(first.operation, event) {
            story = story.record(&facts.records[facts.groups[group as usize].first as usize]);
            there.push(facts.text(event.kind));
        }
    }
    let absent: Vec<&str> = missing.iter().map(|requirement| facts.text(requirement.event.kind)).collect();
    for kind in &absent {
        story = story.absent(Place::Record, format!("no record of {kind}"));
    }
    story.tell(format!(
        "{}, and of the events it must lead to, {} appeared and {} never did",
        what_took_effect(facts, &first),
        there.join(", "),
        absent.join(", ")
    ))
}

fn tell_phantom(facts: &Facts, record: &Record, operation: Option<u32>) -> Example {
    let title = record_title(facts, record);
    let at = seconds(facts, record.mark.at);
    let story = Story::new(facts).fact("entity", facts.text(record.subject)).fact("type", facts.text(record.kind));
    let story = story.record(record).absent(Place::Document, "no committed change by its operation");
    let Some(place) = operation else {
        let id = facts.text(record.operation);
        let sentence = format!("{title} appeared at {at} under the operation id {id}, which no client ever sent");
        return story.fact("operation", id).tell(sentence);
    };
    let told = told(facts, &facts.operations[place as usize]);
    story.operation(place).tell(format!(
        "{title} appeared at {at} for {}, of which no change was ever committed; the client {told}",
        operation_title(facts, place)
    ))
}

fn tell_duplicate(facts: &Facts, first: &Record, record: &Record) -> Example {
    let is_same = (first.source, first.event) == (record.source, record.event);
    let id = if is_same { "under the same event id" } else { "under a new event id, so no consumer can tell" };
    let story = Story::new(facts);
    let story = match facts.operation_of(record.operation) {
        // What became of its row tells whether a relay published it twice.
        Some(operation) => facts.rows_of(operation).fold(story.operation(operation), Story::row),
        None => story.fact("operation", facts.text(record.operation)),
    };
    story
        .fact("entity", facts.text(record.subject))
        .fact("type", facts.text(record.kind))
        .fact("same_event_id", is_same)
        .record(first)
        .record(record)
        .tell(format!(
            "{} of {} was published at {} and again at {} {id}",
            facts.text(record.kind),
            facts.text(record.operation),
            seconds(facts, first.mark.at),
            seconds(facts, record.mark.at)
        ))
}

fn tell_disorder(facts: &Facts, disorder: &Disorder<'_>) -> Example {
    let (Disorder::Sinks(first, record) | Disorder::Scattered(first, record)) = disorder;
    let story = Story::new(facts)
        .fact("entity", facts.text(record.subject))
        .fact("operation", facts.text(record.operation))
        .record(first)
        .record(record);
    // The order in which the state changed, beside the order of the log.
    let causes = [first, record].into_iter().filter_map(|record| facts.operation_of(record.operation));
    let story = causes
        .flat_map(|operation| facts.effective_changes(operation))
        .filter(|change| change.entity == record.subject)
        .fold(story, Story::change);
    let (title, other) = (record_title(facts, record), record_title(facts, first));
    story.tell(match disorder {
        Disorder::Sinks(..) => {
            format!("{title} stands behind {other}: whoever applies them in order ends with the older state")
        }
        Disorder::Scattered(..) => {
            format!("{title} and {other} are of one entity and in different partitions: nothing keeps their order")
        }
    })
}
