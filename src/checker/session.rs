//! What clients were told of documents over time, by the harness's clock: did anybody's view go backwards?
//!
//! One answer is one item, by the narrowest name that fits:
//! - *non-monotonic-read*: older than what the same client had read before (*monotonic reads*), or than what it had
//!   written and been told so (*read your writes*). Terry et al., Session Guarantees for Weakly Consistent Replicated
//!   Data, 1994, define both over the operations of one session; a session here is a client of the load, who does one
//!   operation at a time, whichever instance serves it. Their other two guarantees order writes, which a document's
//!   versions do. Both are one kind, because both are what a workload promises when it promises sessions, and an answer
//!   that breaks both is one wrong answer; each example says which.
//! - *stale-read*: older than what somebody else knew before the operation was sent: another client was told so, or the
//!   witness had seen it committed.
//!
//! One sweep over time, one entry a document and one for each client that used it.

use hashbrown::HashMap;

use super::chain::{Chains, State};
use super::finding::{Finding, Tally};
use super::story::{Story, answered, operation_title, seconds};
use super::verdict::{AnomalyKind, Example};
use crate::history::entry::{Nanos, Outcome};
use crate::history::facts::Facts;
use crate::history::reading::Reading;

const NO_ANSWER: &str = "no operation of the manifest says which version of which document its answer tells";
const NONE_TOLD: &str = "no ok answer of this load told the version of a document that the witness saw";
const NEVER_CHANGED: &str = "no document was asked for after it had changed: not exercised by this load";
const NEVER_AGAIN: &str = "no client asked again for a document that had changed: not exercised by this load";

/// What all answers come to.
pub(super) struct Survey {
    pub(super) findings: Vec<Finding>,
    /// By reading: it is counted here, and whatever else is wrong with it has the same cause.
    pub(super) is_counted: Vec<bool>,
}

pub(super) fn survey(facts: &Facts, chains: &Chains<'_>) -> Survey {
    let kinds = [AnomalyKind::StaleRead, AnomalyKind::NonMonotonicRead];
    let told: Vec<Option<State>> = facts.readings.iter().map(|reading| chains.told_by(reading)).collect();
    if told.iter().all(Option::is_none) {
        let is_declared = facts.schema.kinds.iter().any(|kind| !kind.answers.is_empty());
        let reason = if is_declared { NONE_TOLD } else { NO_ANSWER };
        let findings = kinds.map(|kind| Finding::not_checked(kind, reason)).into();
        return Survey { findings, is_counted: vec![false; told.len()] };
    }
    let mut sweep = Sweep::new(facts, chains, &told);
    sweep.run();
    let Sweep { stale, backwards, is_exercised, is_counted, .. } = sweep;
    let stale = stale.present(kinds[0], |wrong| tell_stale(facts, chains, wrong));
    let backwards = backwards.present(kinds[1], |wrong| tell_backwards(facts, chains, wrong));
    let findings =
        vec![demand(stale, is_exercised.document, NEVER_CHANGED), demand(backwards, is_exercised.session, NEVER_AGAIN)];
    Survey { findings, is_counted }
}

/// What was never put to the test is not valid.
fn demand(finding: Finding, is_exercised: bool, reason: &str) -> Finding {
    if finding.count == 0 && !is_exercised { Finding::not_checked(finding.kind, reason) } else { finding }
}

/// Who knew of a state.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// The witness saw it committed.
    Witness,
    /// The client of the operation that made it was told that it took effect.
    Writer(u32),
    /// An answer told of it.
    Reader(u32),
    /// The operation that was answered made it itself.
    Own,
}

/// A state that was known at some time.
#[derive(Debug, Clone, Copy)]
struct Known {
    position: u32,
    at: Nanos,
    source: Source,
}

/// An answer that tells of less than was known.
#[derive(Debug, Clone, Copy)]
struct Wrong {
    reading: u32,
    document: u32,
    known: Known,
}

/// Whether there was anything that could have gone wrong.
#[derive(Debug, Clone, Copy, Default)]
struct Exercised {
    document: bool,
    session: bool,
}

/// The state of the sweep.
struct Sweep<'facts> {
    facts: &'facts Facts,
    chains: &'facts Chains<'facts>,
    /// By reading.
    told: &'facts [Option<State>],
    /// By document: what is known to anybody.
    known: Vec<Option<Known>>,
    /// By client and document: what the client knows.
    own: HashMap<(u32, u32), Known>,
    stale: Tally<Wrong>,
    backwards: Tally<Wrong>,
    is_counted: Vec<bool>,
    is_exercised: Exercised,
}

impl<'facts> Sweep<'facts> {
    fn new(facts: &'facts Facts, chains: &'facts Chains<'facts>, told: &'facts [Option<State>]) -> Self {
        Self {
            facts,
            chains,
            told,
            known: vec![None; chains.documents.len()],
            own: HashMap::new(),
            stale: Tally::new(facts),
            backwards: Tally::new(facts),
            is_counted: vec![false; told.len()],
            is_exercised: Exercised::default(),
        }
    }

    /// Goes through the readings in the order in which they were sent, and through all that was known before each.
    fn run(&mut self) {
        let facts = self.facts;
        let mut commits: Vec<(Nanos, u32)> = Vec::new();
        for (change, place) in facts.changes.iter().zip(0..) {
            if self.chains.made_by(place).is_some() {
                commits.push((change.mark.at, place));
            }
        }
        let mut completions: Vec<(Nanos, u32)> = Vec::new();
        for (operation, place) in facts.operations.iter().zip(0..) {
            if let Some(completed) = operation.completed.filter(|completed| completed.outcome == Outcome::Ok) {
                completions.push((completed.mark.at, place));
            }
        }
        let sent = |reading: &Reading| facts.operations[reading.operation as usize].invoked.at;
        let mut sendings: Vec<(Nanos, u32)> =
            facts.readings.iter().zip(0..).map(|(reading, place)| (sent(reading), place)).collect();
        // All three are nearly in order already, which a stable sort makes use of.
        for events in [&mut commits, &mut completions, &mut sendings] {
            events.sort_by_key(|(at, _)| *at);
        }
        let (mut commits, mut completions) = (commits.into_iter().peekable(), completions.into_iter().peekable());
        for (at, reading) in sendings {
            while let Some((seen, change)) = commits.next_if(|(seen, _)| *seen < at) {
                let state = self.chains.made_by(change).expect("only changes with a state are among the commits");
                self.learn(state, seen, Source::Witness);
            }
            while let Some((completed, operation)) = completions.next_if(|(completed, _)| *completed < at) {
                self.complete(completed, operation);
            }
            self.judge(reading);
        }
    }

    /// An operation was `ok`: its client knows what it wrote and what it was told, and so does everybody.
    fn complete(&mut self, at: Nanos, operation: u32) {
        let client = self.facts.operations[operation as usize].client;
        // What cannot have been there yet is the write's or the answer's own wrong, and not held against those that follow.
        let chains = self.chains;
        for state in chains.confirmed(operation).filter(|state| chains.may_be_there(*state, at)) {
            self.learn(state, at, Source::Writer(operation));
            self.remember(client, state, at, Source::Writer(operation));
        }
        let (start, count) = self.facts.reading_places_of(operation);
        for place in start..start + count {
            let Some(state) = self.told[place as usize] else { continue };
            if chains.may_be_there(state, at) {
                self.learn(state, at, Source::Reader(place));
                self.remember(client, state, at, Source::Reader(place));
            }
        }
    }

    fn learn(&mut self, state: State, at: Nanos, source: Source) {
        let known = &mut self.known[state.document as usize];
        if known.is_none_or(|known| known.position < state.position) {
            *known = Some(Known { position: state.position, at, source });
        }
    }

    fn remember(&mut self, client: u32, state: State, at: Nanos, source: Source) {
        let next = Known { position: state.position, at, source };
        let own = self.own.entry((client, state.document)).or_insert(next);
        if own.position < state.position {
            *own = next;
        }
    }

    fn judge(&mut self, place: u32) {
        let Some(told) = self.told[place as usize] else { return };
        let facts = self.facts;
        let operation = facts.readings[place as usize].operation;
        let Some(completed) = facts.operations[operation as usize].completed else { return };
        let own = self.own.get(&(facts.operations[operation as usize].client, told.document)).copied();
        let known = self.known[told.document as usize];
        let has_changed = |known: Option<Known>| known.is_some_and(|known| known.position > 0);
        self.is_exercised.session |= has_changed(own);
        self.is_exercised.document |= has_changed(known);
        let made = self
            .chains
            .made(operation)
            .filter(|state| state.document == told.document)
            .min_by_key(|state| state.position);
        let made = made.map(|state| Known { position: state.position, at: completed.mark.at, source: Source::Own });
        let is_above = |known: &Known| known.position > told.position;
        let wrong = |known| Wrong { reading: place, document: told.document, known };
        let line = completed.mark.line;
        if let Some(known) = own.filter(is_above).or(made.filter(is_above)) {
            self.backwards.push(line, wrong(known));
            self.is_counted[place as usize] = true;
        } else if let Some(known) = known.filter(is_above) {
            self.stale.push(line, wrong(known));
            self.is_counted[place as usize] = true;
        }
    }
}

/// The version that was known, and the story up to there.
fn begin<'facts>(facts: &'facts Facts, chains: &Chains<'_>, wrong: &Wrong) -> (String, Story<'facts>) {
    let reading = &facts.readings[wrong.reading as usize];
    let state = State { document: wrong.document, position: wrong.known.position };
    let change = &facts.changes[chains.change(state) as usize];
    let collection = &facts.schema.collections[usize::from(reading.collection)].name;
    let version = change.version.map_or_else(|| "its deletion".to_owned(), |version| format!("version {version}"));
    let story = match wrong.known.source {
        Source::Writer(operation) => Story::new(facts).operation(operation),
        Source::Reader(place) => {
            let reading = &facts.readings[place as usize];
            Story::new(facts).operation(reading.operation).answer(reading)
        }
        Source::Witness | Source::Own => Story::new(facts),
    };
    let story = story
        .change(change)
        .operation(reading.operation)
        .answer(reading)
        .fact("entity", facts.text(reading.entity))
        .fact("client", facts.operations[reading.operation as usize].client)
        .fact("told", reading.version)
        .fact("known", change.version);
    (format!("{version} of {collection}/{}", facts.text(reading.entity)), story)
}

fn tell_stale(facts: &Facts, chains: &Chains<'_>, wrong: &Wrong) -> Example {
    let (known, story) = begin(facts, chains, wrong);
    let reading = &facts.readings[wrong.reading as usize];
    let at = seconds(facts, wrong.known.at);
    let known = match wrong.known.source {
        Source::Reader(place) => {
            format!("{} had been told {known} at {at}", name(facts, facts.readings[place as usize].operation))
        }
        Source::Writer(operation) => format!("{}, confirmed at {at}, had made {known}", name(facts, operation)),
        Source::Witness | Source::Own => format!("{known} was committed by {at}"),
    };
    let operation = &facts.operations[reading.operation as usize];
    story.tell(format!(
        "{}, sent at {}, was told {}, but before that {known}",
        operation_title(facts, reading.operation),
        seconds(facts, operation.invoked.at),
        answered(facts, reading),
    ))
}

fn tell_backwards(facts: &Facts, chains: &Chains<'_>, wrong: &Wrong) -> Example {
    let (known, story) = begin(facts, chains, wrong);
    let reading = &facts.readings[wrong.reading as usize];
    let operation = &facts.operations[reading.operation as usize];
    let (client, title) = (operation.client, operation_title(facts, reading.operation));
    let (at, sent) = (seconds(facts, wrong.known.at), seconds(facts, operation.invoked.at));
    let told = answered(facts, reading);
    match wrong.known.source {
        Source::Reader(place) => {
            let earlier = name(facts, facts.readings[place as usize].operation);
            story.fact("guarantee", "monotonic-reads").tell(format!(
                "client {client} was told {known} by {earlier} at {at}, and then {told} by {title}, sent at {sent}: what \
                 it had seen was gone (monotonic reads)"
            ))
        }
        Source::Writer(writer) => story.fact("guarantee", "read-your-writes").tell(format!(
            "{} of client {client}, confirmed at {at}, had made {known}, and then the same client was told {told} by \
             {title}, sent at {sent}: its own write was not there (read your writes)",
            name(facts, writer)
        )),
        Source::Own | Source::Witness => story.fact("guarantee", "read-your-writes").tell(format!(
            "{title} made {known}, and its own answer at {at} told {told}: its own write was not there (read your writes)"
        )),
    }
}

fn name(facts: &Facts, operation: u32) -> &str {
    facts.text(facts.operations[operation as usize].id)
}
