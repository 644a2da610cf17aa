//! From the judgement of a sweep's history to a verdict for each point. Pure.
//!
//! What is *there* (an effect applied twice) is blamed on the try during which it came about: a crash may bring back what
//! earlier operations had left. What is *missing* (an event that never came) is blamed on the try whose operation it belongs
//! to.

use std::time::Duration;

use super::point::Action;
use super::table::{Cell, CellVerdict, MessageRow, Try};
use crate::checker::SweepJudgement;
use crate::checker::verdict::{Anomaly, AnomalyKind, Example};
use crate::history::entry::Nanos;

/// One try, as it was carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The message's place among the rows.
    pub row: usize,
    /// The how-manieth try of its point, from 0.
    pub round: u32,
    /// What was done.
    pub action: Action,
    /// The operation that was struck.
    pub operation: String,
    /// The key that it was about.
    pub entity: String,
    /// What its client was told.
    pub told: String,
    /// Whether the message came: else nothing was done here, and nothing can be blamed on it.
    pub has_struck: bool,
    /// Whether a later operation on the same entity came through.
    pub has_recovered: bool,
    /// Whether the client was told that all is well, and what follows from it had not arrived when a later operation had.
    pub is_late: bool,
    /// What is worth knowing besides.
    pub note: Option<String>,
    /// When it began.
    pub from: Nanos,
    /// How long it took.
    pub took: Duration,
}

/// Gives each row its cells.
pub fn fill(mut rows: Vec<MessageRow>, trials: &[Trial], judgement: &SweepJudgement) -> Vec<MessageRow> {
    let blamed = blame(trials, judgement);
    for (trial, found) in trials.iter().zip(blamed) {
        let found = if trial.has_struck { found } else { Vec::new() };
        let mut anomalies: Vec<AnomalyKind> = found.iter().map(|(kind, _)| *kind).collect();
        anomalies.dedup();
        let is_decided = trial.has_struck && trial.has_recovered && judgement.doubt.is_none();
        let verdict = match (anomalies.is_empty(), is_decided) {
            (false, _) => CellVerdict::Harmful,
            (true, false) => CellVerdict::Unknown,
            (true, true) => CellVerdict::Harmless,
        };
        let late = trial.is_late && anomalies.is_empty();
        let note = trial
            .note
            .clone()
            .or_else(|| judgement.doubt.clone())
            .or_else(|| late.then(|| "came later than an operation after it".to_owned()));
        let one = Try {
            verdict,
            anomalies,
            example: found.first().map(|(_, example)| (*example).clone()),
            note,
            told: trial.told.clone(),
            operation: trial.operation.clone(),
            entity: trial.entity.clone(),
            took_ms: u64::try_from(trial.took.as_millis()).unwrap_or(u64::MAX),
        };
        let cells = &mut rows[trial.row].cells;
        match cells.iter_mut().find(|cell| cell.action == trial.action) {
            Some(cell) => {
                cell.verdict = cell.verdict.max(verdict);
                cell.tries.push(one);
            }
            None => cells.push(Cell { action: trial.action, verdict, tries: vec![one] }),
        }
    }
    rows
}

/// What each try is to be blamed for.
fn blame<'a>(trials: &[Trial], judgement: &'a SweepJudgement) -> Vec<Vec<(AnomalyKind, &'a Example)>> {
    let mut blamed = vec![Vec::new(); trials.len()];
    let forbidden = judgement.anomalies.iter().filter(|anomaly| anomaly.forbidden);
    for Anomaly { kind, examples, .. } in forbidden {
        for example in examples {
            let place = if is_absence(*kind) { owner(trials, example) } else { moment(trials, example) };
            if let Some(place) = place.or_else(|| owner(trials, example)) {
                blamed[place].push((*kind, example));
            }
        }
    }
    blamed
}

/// The try whose operation or entity an example is about.
fn owner(trials: &[Trial], example: &Example) -> Option<usize> {
    let fact = |name: &str| example.facts.get(name).and_then(|value| value.as_str());
    let by_operation = fact("operation").and_then(|id| trials.iter().position(|trial| trial.operation == id));
    by_operation.or_else(|| fact("entity").and_then(|key| trials.iter().position(|trial| trial.entity == key)))
}

/// The try during which an example came about.
fn moment(trials: &[Trial], example: &Example) -> Option<usize> {
    let last = example.story.iter().filter_map(|step| step.at).max()?;
    trials.iter().rposition(|trial| trial.from <= last)
}

fn is_absence(kind: AnomalyKind) -> bool {
    use AnomalyKind::{
        DivergentProjection, LostAcknowledgedWrite, LostEvent, MissingEffect, PhantomEvent, StuckEvent, TornPublication,
    };
    matches!(
        kind,
        LostEvent
            | StuckEvent
            | TornPublication
            | PhantomEvent
            | MissingEffect
            | DivergentProjection
            | LostAcknowledgedWrite
    )
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;
    use crate::checker::verdict::{Place, Step};
    use crate::sweep::point::{Manner, MessageName};

    fn row() -> MessageRow {
        let (client, server, command) = ("api-1".to_owned(), "mongodb".to_owned(), "update".to_owned());
        MessageRow {
            message: MessageName { client, server, command, target: None, nth: 1 },
            manner: Manner::Call,
            seen_in: 1,
            recordings: 1,
            request_us: 0,
            answer_us: None,
            after_answer: false,
            cells: Vec::new(),
        }
    }

    fn trial(number: u64, action: Action) -> Trial {
        Trial {
            row: 0,
            round: 0,
            action,
            operation: format!("purchase-{number}"),
            entity: format!("product-{number}"),
            told: "201".to_owned(),
            has_struck: true,
            has_recovered: true,
            is_late: false,
            note: None,
            from: number * 1000,
            took: Duration::from_millis(300),
        }
    }

    fn found(kind: AnomalyKind, operation: &str, at: Nanos) -> Anomaly {
        let step = Step { at: Some(at), line: Some(1), place: Place::Effect, text: String::new() };
        let facts = IndexMap::from([("operation".to_owned(), operation.into())]);
        let example = Example { explanation: String::new(), story: vec![step], facts };
        Anomaly { kind, count: 1, forbidden: true, examples: vec![example] }
    }

    fn verdicts(trials: &[Trial], anomalies: Vec<Anomaly>, doubt: Option<&str>) -> Vec<CellVerdict> {
        let judgement = SweepJudgement { anomalies, doubt: doubt.map(str::to_owned) };
        let rows = fill(vec![row()], trials, &judgement);
        rows[0].cells.iter().map(|cell| cell.verdict).collect()
    }

    #[test]
    fn what_is_missing_is_blamed_on_its_operation_and_what_is_there_twice_on_the_moment() {
        use CellVerdict::{Harmful, Harmless};
        let trials = [trial(1, Action::KillBefore), trial(2, Action::KillAfterRequest), trial(3, Action::DropAnswer)];
        let lost = found(AnomalyKind::LostEvent, "purchase-1", 2500);
        assert_eq!(verdicts(&trials, vec![lost], None), [Harmful, Harmless, Harmless]);
        let doubled = found(AnomalyKind::DuplicateEffect, "purchase-1", 2500);
        assert_eq!(verdicts(&trials, vec![doubled], None), [Harmless, Harmful, Harmless]);
    }

    #[test]
    fn a_cell_is_as_bad_as_its_worst_try_and_unknown_is_no_acquittal() {
        use CellVerdict::{Harmful, Unknown};
        let mut undecided = trial(1, Action::KillBefore);
        undecided.has_recovered = false;
        let trials = [undecided, trial(2, Action::KillBefore)];
        assert_eq!(verdicts(&trials, Vec::new(), None), [Unknown]);
        let lost = || vec![found(AnomalyKind::LostEvent, "purchase-2", 2500)];
        assert_eq!(verdicts(&trials, lost(), None), [Harmful]);
        assert_eq!(verdicts(&trials[1..], Vec::new(), Some("the drain was cut")), [Unknown]);
    }

    #[test]
    fn where_nothing_was_done_nothing_is_blamed() {
        let mut missed = trial(1, Action::KillBefore);
        missed.has_struck = false;
        let stuck = found(AnomalyKind::StuckEvent, "purchase-1", 1500);
        assert_eq!(verdicts(&[missed], vec![stuck], None), [CellVerdict::Unknown]);
    }

    #[test]
    fn what_the_workload_allows_harms_nobody() {
        let mut allowed = found(AnomalyKind::DuplicateEvent, "purchase-1", 1500);
        allowed.forbidden = false;
        assert_eq!(verdicts(&[trial(1, Action::KillBefore)], vec![allowed], None), [CellVerdict::Harmless]);
    }
}
