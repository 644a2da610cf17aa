//! The log as its readers saw it: do they agree on what lies at an offset, and was it taken in the order of the log?
//!
//! There are two kinds of readers. The witness tells of each record, and of a record that it was handed again. A consumer
//! tells by its view: each application stamps the event, and where the manifest gives `position` also the partition and
//! offset it was read from (without it, the event's first record counts).
//! - *inconsistent-offsets*: one offset, two events. An item is an offset.
//! - *nonmonotonic-poll*: a consumer applied an event to a document although it had applied a later one of the same
//!   partition to it before. An item is such an application. Only an event's first application counts: one that comes
//!   again after a crash is a duplicate-effect where it has an effect, and in order where it has none. And only within one
//!   document: a consumer may well work on several entities of a partition at once.
//!
//! There is no poll-skip: an event that was passed over and never applied is a missing-effect, and one that was applied
//! later is nonmonotonic. The engine's model of Kafka judges polls; what a consumer's view shows are applications, without
//! the polls, assignments and rebalances that the model rests on, so these two have rules of their own.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::finding::{Finding, Tally};
use super::story::{Story, record_title, seconds};
use super::verdict::{AnomalyKind, Example, Place};
use crate::history::attribution::full_event_id;
use crate::history::facts::{Effect, Facts, Record};
use crate::history::name::{Cell, Name};
use crate::history::reading::Sighting;

const ONE_READER: &str = "no offset was seen by two readers: no view says where its events were read from (position), \
                          and the witness was handed none twice";
const NO_CONSUMER: &str = "the manifest has no consumer whose view names its events";
const NO_ORDER: &str = "no consumer applied two events of one partition to one document";

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let log = Log::of(facts);
    vec![inconsistent(facts, &log), nonmonotonic(facts, &log)]
}

/// Where the records of each partition lie.
struct Log<'facts> {
    /// In the order of their offsets.
    partitions: HashMap<(u16, i32), Vec<&'facts Record>>,
}

impl<'facts> Log<'facts> {
    /// Left empty where nobody will look anything up.
    fn of(facts: &'facts Facts) -> Self {
        let mut log = Self { partitions: HashMap::new() };
        let is_needed = facts.schema.consumers.iter().any(|consumer| consumer.position.is_some());
        if is_needed || !facts.again.is_empty() {
            for record in &facts.records {
                log.partitions.entry((record.topic, record.partition)).or_default().push(record);
            }
        }
        log
    }

    fn record(&self, topic: u16, partition: i32, offset: i64) -> Option<&'facts Record> {
        let records = self.partitions.get(&(topic, partition))?;
        // Without gaps, offsets count the records.
        let guess = offset.checked_sub(records.first()?.offset).and_then(|place| usize::try_from(place).ok());
        let guess = guess.and_then(|place| records.get(place)).filter(|record| record.offset == offset);
        let search = || records.binary_search_by_key(&offset, |record| record.offset).ok().map(|place| &records[place]);
        guess.or_else(search).copied()
    }
}

/// The place that a consumer's view says an event was read from.
fn stamped(facts: &Facts, effect: &Effect) -> Option<(u16, i32, i64)> {
    let consumer = &facts.schema.consumers[usize::from(effect.consumer)];
    let (partition, offset) = consumer.position?;
    let cells = facts.cells(&facts.changes[effect.change as usize]);
    match (cells[usize::from(partition)], cells[usize::from(offset)]) {
        (Cell::Integer(partition), Cell::Integer(offset)) => {
            Some((*consumer.topics.first()?, i32::try_from(partition).ok()?, offset))
        }
        _ => None,
    }
}

/// Two events at one offset.
enum Clash<'facts> {
    Consumer(&'facts Effect, &'facts Record),
    Witness(&'facts Sighting, &'facts Record),
}

fn inconsistent(facts: &Facts, log: &Log<'_>) -> Finding {
    let (mut clashes, mut told, mut was_seen_twice) = (Tally::new(facts), BTreeSet::new(), false);
    for sighting in &facts.again {
        let Some(record) = log.record(sighting.topic, sighting.partition, sighting.offset) else { continue };
        was_seen_twice = true;
        if !is_same_record(facts, sighting, record) && told.insert((record.topic, record.partition, record.offset)) {
            clashes.push(sighting.mark.line, Clash::Witness(sighting, record));
        }
    }
    for effect in &facts.effects {
        let Some((topic, partition, offset)) = stamped(facts, effect) else { continue };
        let Some(record) = log.record(topic, partition, offset) else { continue };
        was_seen_twice = true;
        if !is_event_of(facts, effect.event, record) && told.insert((topic, partition, offset)) {
            let line = facts.changes[effect.change as usize].mark.line.max(record.mark.line);
            clashes.push(line, Clash::Consumer(effect, record));
        }
    }
    let kind = AnomalyKind::InconsistentOffsets;
    if !was_seen_twice {
        return Finding::not_checked(kind, ONE_READER);
    }
    clashes.present(kind, |clash| tell_clash(facts, clash))
}

fn is_same_record(facts: &Facts, sighting: &Sighting, record: &Record) -> bool {
    let trace = |key: Name| facts.operation_of(key).map_or(key, |place| facts.operations[place as usize].id);
    sighting.event == Some(record.event) && sighting.operation.map(trace) == Some(record.operation)
}

/// A view may stamp the id alone, or its source and the id.
fn is_event_of(facts: &Facts, event: Name, record: &Record) -> bool {
    let full = || full_event_id(facts.text(record.source), facts.text(record.event));
    event == record.event || full().is_some_and(|full| full == facts.text(event))
}

/// Something that was taken too late.
enum Late<'facts> {
    /// An event, and the later one that was applied before it.
    Applied { earlier: &'facts Effect, late: &'facts Effect, passed: i64, offset: i64 },
    /// A record that the witness was handed only after later ones.
    Read(&'facts Sighting),
}

fn nonmonotonic(facts: &Facts, log: &Log<'_>) -> Finding {
    let kind = AnomalyKind::NonmonotonicPoll;
    if facts.schema.consumers.is_empty() {
        return Finding::not_checked(kind, NO_CONSUMER);
    }
    let (mut late, mut is_exercised) = (Tally::new(facts), false);
    for sighting in facts.again.iter().filter(|sighting| sighting.event.is_some()) {
        if log.record(sighting.topic, sighting.partition, sighting.offset).is_none() {
            late.push(sighting.mark.line, Late::Read(sighting));
        }
    }
    for consumer in 0..facts.schema.consumers.len() as u16 {
        let mut first = FirstOnly::new(facts);
        // By document and partition: the furthest that was applied.
        let mut furthest: HashMap<(Name, u16, i32), (i64, &Effect)> = HashMap::new();
        for effect in facts.effects.iter().filter(|effect| effect.consumer == consumer) {
            let change = &facts.changes[effect.change as usize];
            let Some(group) = effect.group.filter(|&group| first.is_first(group, change.id)) else { continue };
            let record = &facts.records[facts.groups[group as usize].first as usize];
            // Where a stamp is inconsistent, the event's first record says where it lies.
            let is_right = |(topic, partition, offset): &(u16, i32, i64)| {
                let there = log.record(*topic, *partition, *offset);
                there.is_some_and(|record| is_event_of(facts, effect.event, record))
            };
            let first = (record.topic, record.partition, record.offset);
            let (topic, partition, offset) = stamped(facts, effect).filter(is_right).unwrap_or(first);
            match furthest.entry((change.id, topic, partition)) {
                std::collections::hash_map::Entry::Vacant(entry) => {
                    entry.insert((offset, effect));
                }
                std::collections::hash_map::Entry::Occupied(mut entry) => {
                    is_exercised = true;
                    let (passed, earlier) = *entry.get();
                    if offset < passed {
                        late.push(change.mark.line, Late::Applied { earlier, late: effect, passed, offset });
                    } else {
                        entry.insert((offset, effect));
                    }
                }
            }
        }
    }
    let finding = late.present(kind, |late| tell_late(facts, late));
    if finding.count == 0 && !is_exercised { Finding::not_checked(kind, NO_ORDER) } else { finding }
}

/// Which events were applied to which document before. Nearly all are applied to one.
struct FirstOnly {
    /// By group.
    to: Vec<Option<Name>>,
    elsewhere: HashSet<(u32, Name)>,
}

impl FirstOnly {
    fn new(facts: &Facts) -> Self {
        Self { to: vec![None; facts.groups.len()], elsewhere: HashSet::new() }
    }

    fn is_first(&mut self, group: u32, document: Name) -> bool {
        match self.to[group as usize] {
            None => {
                self.to[group as usize] = Some(document);
                true
            }
            Some(known) => known != document && self.elsewhere.insert((group, document)),
        }
    }
}

fn tell_clash(facts: &Facts, clash: &Clash<'_>) -> Example {
    let (Clash::Consumer(_, record) | Clash::Witness(_, record)) = clash;
    let place = format!(
        "offset {} of {}/{}",
        record.offset,
        facts.schema.topics[usize::from(record.topic)].name,
        record.partition
    );
    let story = Story::new(facts)
        .fact("topic", facts.schema.topics[usize::from(record.topic)].name.as_str())
        .fact("partition", record.partition)
        .fact("offset", record.offset)
        .record(record);
    let there = format!("event {} of {}", facts.text(record.event), facts.text(record.operation));
    let at = seconds(facts, record.mark.at);
    match clash {
        Clash::Consumer(effect, _) => {
            let change = &facts.changes[effect.change as usize];
            let name = &facts.schema.consumers[usize::from(effect.consumer)].name;
            story.fact("consumer", name.as_str()).effect(effect).tell(format!(
                "{name} says by its change at {} that it read event {} of {} at {place}, where the witness found {there} \
                 at {at}: two readers, two events",
                seconds(facts, change.mark.at),
                facts.text(effect.event),
                facts.text(effect.operation),
            ))
        }
        Clash::Witness(sighting, _) => {
            let text = |name: Option<Name>| name.map_or("none that can be read", |name| facts.text(name));
            let again = format!("event {} of {}", text(sighting.event), text(sighting.operation));
            story.step(sighting.mark, Place::Record, format!("{place} was read again: {again}")).tell(format!(
                "{place} held {there} at {at}, and {again} when it was read again at {}: the log was rewritten",
                seconds(facts, sighting.mark.at)
            ))
        }
    }
}

fn tell_late(facts: &Facts, late: &Late<'_>) -> Example {
    match late {
        Late::Applied { earlier, late, passed, offset } => {
            let name = &facts.schema.consumers[usize::from(late.consumer)].name;
            let change = |effect: &Effect| &facts.changes[effect.change as usize];
            let record = |effect: &Effect| {
                let group = effect.group.expect("only effects of events in the log are looked at");
                &facts.records[facts.groups[group as usize].first as usize]
            };
            Story::new(facts)
                .fact("operation", facts.text(late.operation))
                .fact("entity", facts.text(change(late).entity))
                .fact("consumer", name.as_str())
                .fact("offset", *offset)
                .fact("passed", *passed)
                .record(record(late))
                .record(record(earlier))
                .effect(earlier)
                .effect(late)
                .tell(format!(
                    "{name} applied {} of {} at {} only after {} of {}, which lies behind it in the log (offset {passed}, \
                     taken at {})",
                    record_title(facts, record(late)),
                    facts.text(late.operation),
                    seconds(facts, change(late).mark.at),
                    record_title(facts, record(earlier)),
                    facts.text(earlier.operation),
                    seconds(facts, change(earlier).mark.at),
                ))
        }
        Late::Read(sighting) => {
            let topic = &facts.schema.topics[usize::from(sighting.topic)].name;
            let place = format!("offset {} of {topic}/{}", sighting.offset, sighting.partition);
            Story::new(facts)
                .fact("topic", topic.as_str())
                .fact("partition", sighting.partition)
                .fact("offset", sighting.offset)
                .step(sighting.mark, Place::Record, format!("{place} was read for the first time"))
                .tell(format!(
                    "the witness was handed {place} at {}, after records that lie behind it",
                    seconds(facts, sighting.mark.at)
                ))
        }
    }
}
