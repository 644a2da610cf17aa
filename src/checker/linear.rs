//! Each document as a register: is there an order of what was done and told that explains every answer?
//!
//! The register's values are the document's states, numbered in the order of commits. A committed change is a
//! compare-and-set from one state to the next, between the sending of its operation and the earlier of its confirmation
//! and the witness's sight of it: by then it had happened, whatever the client was told. An answer is a read of the state
//! it tells of, between the operation's sending and the answer; where the fields it tells are not those of that state, a
//! read of a state that never was. States are written once each, so the engine decides in near-linear time.
//!
//! What is left for this name (one item is a document): an answer that tells of a version or of fields that never were,
//! or of a state that nobody had asked for yet when it came; a write that was confirmed and took effect only after a
//! later one. Whatever has a name of its own is taken out first: answers that are stale or not monotonic, and everything
//! from the first version that is out of order on. A lost update is none: its version follows in order, and what is wrong
//! is the sum, which only the declared effect tells. A refusal (`fail`) says nothing about a version.

use std::collections::BTreeMap;

use torn_engine::budget::Budget;
use torn_engine::operation::Place as Cited;
use torn_engine::register::{Action, History, Operation as Interval, Options, Scalar};

use super::absence::Absence;
use super::chain::{Chains, Document, State};
use super::finding::{Doubt, Finding, Tally};
use super::story::{Story, answered, operation_title, seconds, told};
use super::verdict::{AnomalyKind, Example, Place};
use crate::history::entry::Nanos;
use crate::history::facts::{Facts, Mark, Owner};
use crate::history::name::Cell;
use crate::history::reading::Reading;

const KIND: AnomalyKind = AnomalyKind::NonLinearizable;
const NOTHING_TOLD: &str = "no ok answer told the version of a document that the witness saw change";

/// `is_counted`, by reading: it is an anomaly already.
pub(super) fn check(facts: &Facts, chains: &Chains<'_>, is_counted: &[bool], absence: &Absence) -> Finding {
    let claims = Claims::of(facts, chains, is_counted, absence);
    let registers = claims.registers();
    let history = claims.history(&registers);
    let judgement = history.judge(&Options::default(), &Budget::unlimited());
    let (mut broken, mut blamed) = (Tally::new(facts), 0);
    if judgement.anomalies.iter().any(|anomaly| anomaly.count > 0) {
        for &document in &registers {
            if let Some(contradiction) = claims.contradiction(document) {
                broken.push(claims.line(document, &contradiction), (document, contradiction));
                blamed += 1;
            }
        }
    }
    let count: u64 = judgement.anomalies.iter().map(|anomaly| anomaly.count).sum();
    assert_eq!(count, blamed, "the engine and the story of a register agree");
    let is_exercised = registers.iter().any(|&document| claims.orderly[document as usize] > 1);
    if count == 0 && !is_exercised {
        return Finding::not_checked(KIND, NOTHING_TOLD);
    }
    let mut finding = broken.present(KIND, |(document, contradiction)| claims.tell(*document, contradiction));
    if finding.count == 0 && claims.unseen > 0 {
        let reason = format!(
            "{} answers tell of versions that the witness had not seen when it ended, and nobody can say whether they were",
            claims.unseen
        );
        finding.doubt = Some(Doubt::Unknown(reason));
    }
    finding
}

/// What an answer claims to have read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// A state that there was.
    State(u32),
    /// A version that there was, with this field (of the answer) otherwise.
    Field(u32, u16),
    /// A version that never was.
    Never,
}

/// Two things that no order explains.
#[derive(Debug, Clone, Copy)]
enum Contradiction {
    /// An answer tells of what never was.
    Never { reading: u32, claim: Claim },
    /// An answer came before the change at this position was asked for, and tells of it or of a later one.
    TooEarly { reading: u32, position: u32 },
    /// The change at `late` was asked for after the one at `early`, which follows it, had taken effect.
    OutOfOrder { early: u32, late: u32 },
}

/// Everything that was done and told, by document.
struct Claims<'facts> {
    facts: &'facts Facts,
    chains: &'facts Chains<'facts>,
    /// By document: how many of its states are in good order.
    orderly: Vec<u32>,
    /// By document: readings and what they claim, in the order of the operations.
    told: Vec<Vec<(u32, Claim)>>,
    /// Answers that tell of versions that the witness may not have seen yet.
    unseen: u64,
}

impl<'facts> Claims<'facts> {
    fn of(facts: &'facts Facts, chains: &'facts Chains<'facts>, is_counted: &[bool], absence: &Absence) -> Self {
        let orderly = chains.documents.iter().map(|document| chains.orderly(document) as u32).collect();
        let told = vec![Vec::new(); chains.documents.len()];
        let mut claims = Self { facts, chains, orderly, told, unseen: 0 };
        for ((reading, place), is_counted) in facts.readings.iter().zip(0_u32..).zip(is_counted) {
            let Some(document) = chains.document(reading).filter(|_| !is_counted && reading.version.is_some()) else {
                continue;
            };
            match claims.claim(reading, document) {
                Some(Claim::Never) if *absence != Absence::Decided => claims.unseen += 1,
                // Right after the change itself is always a place for an answer that tells of one's own change.
                Some(Claim::State(position)) if claims.writer(document, position) == Some(reading.operation) => {}
                Some(claim) => claims.told[document as usize].push((place, claim)),
                None => {}
            }
        }
        claims
    }

    /// None where versions are out of order: that is found by another name, and explains this.
    fn claim(&self, reading: &Reading, document: u32) -> Option<Claim> {
        let orderly = self.orderly[document as usize];
        let Some(State { position, .. }) = self.chains.told_by(reading) else {
            let is_all_in_order = orderly as usize == self.chains.documents[document as usize].changes.len();
            return is_all_in_order.then_some(Claim::Never);
        };
        if position >= orderly {
            return None;
        }
        let state = self.facts.cells(&self.facts.changes[self.chains.change(State { document, position }) as usize]);
        let kind = self.facts.operations[reading.operation as usize].kind?;
        let answer = &self.facts.schema.kinds[usize::from(kind)].answers[usize::from(reading.answer)];
        let differs = |(field, told): (&(u16, u16), &Cell)| {
            !matches!(told, Cell::Missing) && !told.is_same(state[usize::from(field.0)])
        };
        let wrong = answer.fields.iter().zip(self.facts.told(reading)).position(differs);
        Some(wrong.map_or(Claim::State(position), |field| Claim::Field(position, field as u16)))
    }

    /// The documents that were told of, or changed: what was confirmed must fit an order, too.
    fn registers(&self) -> Vec<u32> {
        let count = self.chains.documents.len() as u32;
        let is_register = |document: &u32| {
            let place = *document as usize;
            self.orderly[place] > 1 || (self.orderly[place] > 0 && !self.told[place].is_empty())
        };
        (0..count).filter(is_register).collect()
    }

    fn history(&self, registers: &[u32]) -> History {
        let mut history = History::default();
        for &number in registers {
            let key = number.to_string();
            for position in 0..self.orderly[number as usize] {
                let (invoked, completed) = self.interval(number, position);
                let new = Scalar::Integer(position.into());
                let action = match position.checked_sub(1) {
                    None => Action::Write(new),
                    Some(before) => Action::Cas { old: Scalar::Integer(before.into()), new },
                };
                let process = self.writer(number, position).map_or(-1, |writer| self.client(writer));
                let (place, completion) = (cited(invoked, position), Some(cited(completed, position)));
                let (invoked, completed) = (invoked.at, Some(completed.at));
                history.push(&Interval { key: &key, process, invoked, completed, action, place, completion });
            }
            for &(place, claim) in &self.told[number as usize] {
                let value = match claim {
                    Claim::State(position) => i128::from(position),
                    Claim::Field(..) | Claim::Never => -1 - i128::from(place),
                };
                let (invoked, completed) = self.asked(place);
                history.push(&Interval {
                    key: &key,
                    process: self.client(self.facts.readings[place as usize].operation),
                    invoked: invoked.at,
                    completed: Some(completed.at),
                    action: Action::Read(Scalar::Integer(value)),
                    place: cited(invoked, place),
                    completion: Some(cited(completed, place)),
                });
            }
        }
        history
    }

    fn name(&self, document: &Document) -> String {
        let collection = &self.facts.schema.collections[usize::from(document.collection)].name;
        format!("{collection}/{}", self.facts.text(document.entity))
    }

    fn client(&self, operation: u32) -> i64 {
        self.facts.operations[operation as usize].client.into()
    }

    fn writer(&self, document: u32, position: u32) -> Option<u32> {
        match self.facts.changes[self.chains.change(State { document, position }) as usize].owner {
            Owner::Operation(operation) => Some(operation),
            Owner::Unattributed | Owner::NeverSent(_) => None,
        }
    }

    /// When the change that made a state may have taken effect. Of whom it is not known, it may have been at any time
    /// before it was seen.
    fn interval(&self, document: u32, position: u32) -> (Mark, Mark) {
        let seen = self.facts.changes[self.chains.change(State { document, position }) as usize].mark;
        let Some(writer) = self.writer(document, position) else { return (Mark { at: 0, ..seen }, seen) };
        let operation = &self.facts.operations[writer as usize];
        let is_confirmed = self.chains.is_confirmed(writer, State { document, position });
        let confirmed = operation.completed.filter(|_| is_confirmed).map(|completed| completed.mark);
        let completed = confirmed.filter(|confirmed| confirmed.at < seen.at).unwrap_or(seen);
        in_order(operation.invoked, completed)
    }

    fn asked(&self, reading: u32) -> (Mark, Mark) {
        let operation = &self.facts.operations[self.facts.readings[reading as usize].operation as usize];
        let completed = operation.completed.expect("only answers tell anything");
        in_order(operation.invoked, completed.mark)
    }

    /// The first contradiction in the order of the states. With every state written once, these are all there can be:
    /// of two operations whose states say which comes first, the second had ended before the first began.
    fn contradiction(&self, document: u32) -> Option<Contradiction> {
        let mut told: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for &(reading, claim) in &self.told[document as usize] {
            match claim {
                Claim::State(position) => told.entry(position).or_default().push(reading),
                Claim::Field(..) | Claim::Never => return Some(Contradiction::Never { reading, claim }),
            }
        }
        // The change that was asked for last, of those up to here.
        let mut last: (Nanos, u32) = (0, 0);
        for position in 0..self.orderly[document as usize] {
            let (invoked, completed) = self.interval(document, position);
            if completed.at < last.0 {
                return Some(Contradiction::OutOfOrder { early: position, late: last.1 });
            }
            last = last.max((invoked.at, position));
            for &reading in told.get(&position).into_iter().flatten() {
                if self.asked(reading).1.at < last.0 {
                    return Some(Contradiction::TooEarly { reading, position: last.1 });
                }
            }
        }
        None
    }

    fn line(&self, document: u32, contradiction: &Contradiction) -> u64 {
        match *contradiction {
            Contradiction::Never { reading, .. } | Contradiction::TooEarly { reading, .. } => {
                self.asked(reading).1.line
            }
            Contradiction::OutOfOrder { early: position, .. } => {
                self.facts.changes[self.chains.change(State { document, position }) as usize].mark.line
            }
        }
    }
}

impl Claims<'_> {
    fn tell(&self, document: u32, contradiction: &Contradiction) -> Example {
        let facts = self.facts;
        let name = self.name(&self.chains.documents[document as usize]);
        let entity = facts.text(self.chains.documents[document as usize].entity);
        let change = |position| &facts.changes[self.chains.change(State { document, position }) as usize];
        match *contradiction {
            Contradiction::Never { reading, claim } => {
                let reading = &facts.readings[reading as usize];
                let told =
                    format!("{} was told {}", operation_title(facts, reading.operation), answered(facts, reading));
                let story = Story::new(facts).operation(reading.operation).answer(reading).fact("entity", entity);
                let Claim::Field(position, field) = claim else {
                    return story
                        .absent(Place::Document, format!("no change of {name} to this version"))
                        .tell(format!("{told}, and no committed change ever made that version"));
                };
                let kind = facts.operations[reading.operation as usize].kind.expect("only known kinds have answers");
                let (field, _) = facts.schema.kinds[usize::from(kind)].answers[usize::from(reading.answer)].fields
                    [usize::from(field)];
                let collection = &facts.schema.collections[usize::from(reading.collection)];
                let held = facts.cells(change(position))[usize::from(field)].show(&facts.names);
                let field = collection.fields[usize::from(field)].show();
                story
                    .change(change(position))
                    .fact("field", field.as_str())
                    .tell(format!("{told}, but {field} was {held} at that version: it never was as the answer says"))
            }
            Contradiction::TooEarly { reading, position } => {
                let reading = &facts.readings[reading as usize];
                let writer = self.writer(document, position).expect("only what somebody asked for can be too early");
                let sent = facts.operations[writer as usize].invoked.at;
                Story::new(facts)
                    .operation(writer)
                    .change(change(position))
                    .operation(reading.operation)
                    .answer(reading)
                    .fact("entity", entity)
                    .tell(format!(
                        "{} was told {} at {}, but {}, which made {name} version {}, was only sent at {}",
                        operation_title(facts, reading.operation),
                        answered(facts, reading),
                        seconds(
                            facts,
                            facts.operations[reading.operation as usize].completed.map_or(0, |told| told.mark.at)
                        ),
                        operation_title(facts, writer),
                        change(position).version.unwrap_or_default(),
                        seconds(facts, sent),
                    ))
            }
            Contradiction::OutOfOrder { early, late } => self.tell_out_of_order(document, early, late),
        }
    }

    /// `early` comes after `late` in the order of commits, and had ended before `late` was sent.
    fn tell_out_of_order(&self, document: u32, early: u32, late: u32) -> Example {
        let facts = self.facts;
        let name = self.name(&self.chains.documents[document as usize]);
        let change = |position| &facts.changes[self.chains.change(State { document, position }) as usize];
        let sent = self.interval(document, late).0.at;
        let (first, second) = (self.writer(document, early), self.writer(document, late));
        let mut story = Story::new(facts).fact("entity", facts.text(change(early).entity));
        for operation in second.into_iter().chain(first) {
            story = story.operation(operation);
        }
        let who = |operation: Option<u32>| {
            operation.map_or_else(|| "a change of nobody's".to_owned(), |place| operation_title(facts, place))
        };
        let told = first.map_or_else(String::new, |place| {
            let operation = &facts.operations[place as usize];
            format!(" (of which the client {})", told(facts, operation))
        });
        story.change(change(late)).change(change(early)).tell(format!(
            "{}{told} had ended at {} before {} was sent at {}, and yet it took effect on {name} after that, as version \
             {} behind version {}: it was confirmed before it was done",
            who(first),
            seconds(facts, self.interval(document, early).1.at),
            who(second),
            seconds(facts, sent),
            change(early).version.unwrap_or_default(),
            change(late).version.unwrap_or_default(),
        ))
    }
}

/// Nothing ends before it began, whatever a history may say.
fn in_order(invoked: Mark, completed: Mark) -> (Mark, Mark) {
    (invoked, Mark { at: completed.at.max(invoked.at), ..completed })
}

/// Where the engine may say that something stands; beyond its lines, at the last.
fn cited(mark: Mark, ordinal: u32) -> Cited {
    Cited { line: u32::try_from(mark.line).unwrap_or(u32::MAX), ordinal }
}
