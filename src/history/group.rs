//! Records of the same event, found by their operation: nearly every operation has one record or two, so its records are
//! looked at one by one; where there are many (every record carries the same id, say), a table finds them.

use std::collections::HashMap;

use super::attribution::{full_event_id, is_full_event_id};
use super::facts::{Effect, Group, Record};
use super::list::Lists;
use super::name::{Name, Names};
use super::schema::ConsumerSchema;

/// More records than that are found by a table.
const FEW: usize = 16;

/// Topic, type, subject.
type Event = (u16, Name, Name);

/// Which records belong together.
#[derive(Debug, Default)]
pub(super) struct Grouping {
    /// Records by their operation's name.
    records_of: Lists,
    /// The groups of operations with many records.
    crowded: HashMap<(Name, Event), u32>,
}

impl Grouping {
    /// Numbers the groups of all records in the order of their first records.
    pub(super) fn of(records: &mut [Record], names: &Names) -> (Self, Vec<Group>) {
        let by_operation = records.iter().zip(0..).map(|(record, place)| (record.operation.index() as u32, place));
        let mut grouping = Self { records_of: Lists::new(names.len(), by_operation), crowded: HashMap::new() };
        let mut groups: Vec<Group> = Vec::with_capacity(records.len());
        for place in 0..records.len() as u32 {
            let (operation, event) = (records[place as usize].operation, event_of(&records[place as usize]));
            let siblings = grouping.records_of.of(operation.index() as u32);
            let next = groups.len() as u32;
            let group = if siblings.len() > FEW {
                *grouping.crowded.entry((operation, event)).or_insert(next)
            } else {
                let earlier = siblings.iter().take_while(|&&sibling| sibling < place);
                let mut earlier = earlier.map(|&sibling| &records[sibling as usize]);
                earlier.find(|sibling| event_of(sibling) == event).map_or(next, |sibling| sibling.group)
            };
            records[place as usize].group = group;
            if group == next {
                groups.push(Group { first: place, records: 1 });
            } else {
                groups[group as usize].records += 1;
            }
        }
        (grouping, groups)
    }

    /// The group of one event of an operation.
    pub(super) fn find(&self, records: &[Record], operation: Name, event: Event) -> Option<u32> {
        let siblings = self.records_of.of(operation.index() as u32);
        if siblings.len() > FEW {
            return self.crowded.get(&(operation, event)).copied();
        }
        let mut siblings = siblings.iter().map(|&sibling| &records[sibling as usize]);
        siblings.find(|sibling| event_of(sibling) == event).map(|sibling| sibling.group)
    }

    /// Gives effects their groups. Records may be seen after the effects they caused, so this comes last.
    pub(super) fn match_effects(
        &self,
        records: &[Record],
        effects: &mut [Effect],
        consumers: &[ConsumerSchema],
        names: &Names,
    ) {
        let mut crowded = None;
        for effect in effects {
            let topics = &consumers[usize::from(effect.consumer)].topics;
            let siblings = self.records_of.of(effect.operation.index() as u32);
            effect.group = if siblings.len() > FEW {
                let crowded = crowded.get_or_insert_with(|| self.events_of_crowded(records, names));
                topics.iter().find_map(|&topic| crowded.get(&(topic, effect.operation, effect.event)).copied())
            } else {
                topics.iter().find_map(|&topic| {
                    let mut siblings = siblings.iter().map(|&sibling| &records[sibling as usize]);
                    let found = siblings.find(|record| record.topic == topic && is_stamped(record, effect, names));
                    found.map(|record| record.group)
                })
            };
        }
    }

    /// Groups by topic, operation and stamped event id, of operations with many records.
    fn events_of_crowded(&self, records: &[Record], names: &Names) -> HashMap<(u16, Name, Name), u32> {
        let mut groups = HashMap::new();
        let is_crowded = |record: &&Record| self.records_of.of(record.operation.index() as u32).len() > FEW;
        for record in records.iter().filter(is_crowded) {
            groups.entry((record.topic, record.operation, record.event)).or_insert(record.group);
            let full = full_event_id(names.text(record.source), names.text(record.event));
            if let Some(full) = full.and_then(|full| names.find(&full)) {
                groups.entry((record.topic, record.operation, full)).or_insert(record.group);
            }
        }
        groups
    }
}

fn event_of(record: &Record) -> Event {
    (record.topic, record.kind, record.subject)
}

/// Whether a view's stamp names this record's event.
fn is_stamped(record: &Record, effect: &Effect, names: &Names) -> bool {
    record.event == effect.event
        || is_full_event_id(names.text(effect.event), names.text(record.source), names.text(record.event))
}
