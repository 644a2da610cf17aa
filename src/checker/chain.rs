//! The committed states of the documents that answers tell of, in order, and where in that order each answer belongs.
//!
//! States are told apart by their place in the order of commits and not by their version: where versions went wrong (a
//! gap, a regression), that is found once, by its own family, and what readers were told is judged by what there was.

use hashbrown::HashMap;

use crate::history::entry::{Nanos, Outcome};
use crate::history::facts::{DeclaredEffect, Facts, Owner};
use crate::history::name::Name;
use crate::history::reading::Reading;

/// A state of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    /// The document.
    pub(super) document: u32,
    /// Its place among the document's states, from 0.
    pub(super) position: u32,
}

/// One document.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) collection: u16,
    /// The entity by which answers name it.
    pub(super) entity: Name,
    id: Name,
    /// Its changes in order, places in [`Facts::changes`].
    pub(super) changes: Vec<u32>,
    first: Option<i64>,
    /// Each version is one above the one before: its place can be counted.
    is_regular: bool,
    /// Several documents go by this key: answers cannot say which one they mean.
    is_ambiguous: bool,
}

/// The documents that answers tell of.
#[derive(Debug)]
pub(super) struct Chains<'facts> {
    facts: &'facts Facts,
    pub(super) documents: Vec<Document>,
    document_of: HashMap<(u16, Name), u32>,
    /// By change.
    states: Vec<Option<State>>,
    /// By change: before this it cannot have been committed, because it or one before it had not been asked for.
    earliest: Vec<Nanos>,
    /// The last state with a version, of documents that are not regular.
    irregular: HashMap<(u32, i64), u32>,
}

impl<'facts> Chains<'facts> {
    pub(super) fn of(facts: &'facts Facts) -> Self {
        let mut is_told = vec![false; facts.schema.collections.len()];
        for reading in facts.readings.iter().filter(|reading| reading.version.is_some()) {
            is_told[usize::from(reading.collection)] = true;
        }
        let mut chains = Self {
            facts,
            documents: Vec::new(),
            document_of: HashMap::new(),
            states: Vec::new(),
            earliest: Vec::new(),
            irregular: HashMap::new(),
        };
        if is_told.contains(&true) {
            chains.states = vec![None; facts.changes.len()];
            chains.earliest = vec![0; facts.changes.len()];
        }
        for (change, place) in facts.changes.iter().zip(0_u32..) {
            if is_told[usize::from(change.collection)] {
                chains.add(place);
            }
        }
        for (document, number) in chains.documents.iter().zip(0_u32..).filter(|(document, _)| !document.is_regular) {
            for (change, position) in document.changes.iter().zip(0_u32..) {
                if let Some(version) = facts.changes[*change as usize].version {
                    chains.irregular.insert((number, version), position);
                }
            }
        }
        chains
    }

    fn add(&mut self, place: u32) {
        let change = &self.facts.changes[place as usize];
        let next = self.documents.len() as u32;
        let number = *self.document_of.entry((change.collection, change.entity)).or_insert(next);
        if number == next {
            self.documents.push(Document {
                collection: change.collection,
                entity: change.entity,
                id: change.id,
                changes: Vec::new(),
                first: change.version,
                is_regular: true,
                is_ambiguous: false,
            });
        }
        let asked = match change.owner {
            Owner::Operation(writer) => self.facts.operations[writer as usize].invoked.at,
            Owner::Unattributed | Owner::NeverSent(_) => 0,
        };
        let document = &mut self.documents[number as usize];
        let before = document.changes.last().map_or(0, |&before| self.earliest[before as usize]);
        self.earliest[place as usize] = asked.max(before);
        let position = document.changes.len() as u32;
        let expected = document.first.and_then(|first| first.checked_add(i64::from(position)));
        document.is_regular &= expected.is_some() && change.version == expected;
        document.is_ambiguous |= document.id != change.id;
        document.changes.push(place);
        self.states[place as usize] = Some(State { document: number, position });
    }

    /// The state that a change made, where answers tell of its document.
    pub(super) fn made_by(&self, change: u32) -> Option<State> {
        self.states.get(change as usize).copied().flatten()
    }

    /// The change that made a state.
    pub(super) fn change(&self, state: State) -> u32 {
        self.documents[state.document as usize].changes[state.position as usize]
    }

    /// The document that an answer tells of. None where the answer confirms a change that is not there: that is a
    /// lost-acknowledged-write, and explains whatever else is wrong with what it told.
    pub(super) fn document(&self, reading: &Reading) -> Option<u32> {
        let document = *self.document_of.get(&(reading.collection, reading.entity))?;
        let is_known = !self.documents[document as usize].is_ambiguous;
        (is_known && !self.lacks_its_change(reading, document)).then_some(document)
    }

    fn lacks_its_change(&self, reading: &Reading, document: u32) -> bool {
        let facts = self.facts;
        let is_it = |effect: &DeclaredEffect| {
            (effect.collection, effect.entity) == (reading.collection, reading.entity)
                && facts.schema.collections[usize::from(effect.collection)].operation.is_some()
        };
        let kind = facts.operations[reading.operation as usize].kind;
        let may_be_empty = kind.is_none_or(|kind| facts.schema.kinds[usize::from(kind)].may_be_empty);
        !may_be_empty
            && facts.declared_effects(reading.operation).iter().any(is_it)
            && !self.made(reading.operation).any(|state| state.document == document)
    }

    /// The state that an answer tells of: the last one with this version, which is what speaks most for the answer.
    pub(super) fn told_by(&self, reading: &Reading) -> Option<State> {
        let (number, version) = (self.document(reading)?, reading.version?);
        let document = &self.documents[number as usize];
        let position = if document.is_regular {
            let position = usize::try_from(version.checked_sub(document.first?)?).ok()?;
            (position < document.changes.len()).then_some(position as u32)?
        } else {
            *self.irregular.get(&(number, version))?
        };
        Some(State { document: number, position })
    }

    /// Whether a state may have been there at this time: it and all before it had been asked for.
    pub(super) fn may_be_there(&self, state: State, at: Nanos) -> bool {
        self.earliest[self.change(state) as usize] <= at
    }

    /// The states that an operation made and that were there when it was confirmed: of each document the first. A further
    /// one is a double-apply, and may come from an attempt that was given up and took effect later.
    pub(super) fn confirmed(&self, operation: u32) -> impl Iterator<Item = State> {
        self.made(operation).filter(move |state| self.is_confirmed(operation, *state))
    }

    /// Whether a state is one of those.
    pub(super) fn is_confirmed(&self, operation: u32, state: State) -> bool {
        let is_alone = self.facts.change_places_of(operation).len() == 1;
        let is_first = || self.made(operation).find(|other| other.document == state.document) == Some(state);
        self.facts.operations[operation as usize].outcome() == Outcome::Ok && (is_alone || is_first())
    }

    /// The states that an operation made.
    pub(super) fn made(&self, operation: u32) -> impl Iterator<Item = State> {
        self.facts.change_places_of(operation).iter().filter_map(|&change| self.made_by(change))
    }

    /// How many of a document's states follow each other in good order: up to the first whose version is neither the next
    /// one nor, where nothing that is observed changed, the same.
    pub(super) fn orderly(&self, document: &Document) -> usize {
        if document.is_regular {
            return document.changes.len();
        }
        let change = |place: &u32| &self.facts.changes[*place as usize];
        let follows = |pair: &[u32]| {
            let (before, after) = (change(&pair[0]), change(&pair[1]));
            let (Some(from), Some(to)) = (before.version, after.version) else { return false };
            let is_same = before.stamp == after.stamp && self.facts.cells(before) == self.facts.cells(after);
            from.checked_add(1) == Some(to) || (from == to && is_same)
        };
        let has_version = document.changes.first().is_some_and(|first| change(first).version.is_some());
        let orderly = document.changes.windows(2).take_while(|pair| follows(pair)).count();
        if has_version { orderly + 1 } else { 0 }
    }
}
