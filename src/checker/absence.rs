//! When something that is not there may be called missing.
//!
//! Presence (a second record, a stock below zero) holds on any prefix of a history. Absence needs the whole: the last
//! line, witnesses that vouch for completeness and have passed everything that was written, and a drain that ended
//! because nothing was left to wait for. At the drain's deadline, only what a durable rest explains (an unpublished
//! row, an unread offset) is decided; anything else that is missing then is unknown.

use crate::history::entry::{DrainEnd, WitnessStep};
use crate::history::facts::Facts;

/// What absence is worth in this history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Absence {
    /// What is not there is missing.
    Decided,
    /// The drain ran into its deadline: only what a durable rest explains is decided.
    Deadline,
    /// Nothing can be said; why.
    Unknown(String),
}

impl Absence {
    pub(super) fn of(facts: &Facts) -> Self {
        if let Some(reason) = cut_short(facts) {
            return Self::Unknown(reason);
        }
        if let Some((line, witness)) = facts.witnesses.iter().find(|(_, event)| event.event == WitnessStep::Lost) {
            let detail = witness.detail.as_deref().unwrap_or("no detail");
            return Self::Unknown(format!(
                "the {} witness can no longer vouch for completeness (line {line}: {detail})",
                witness.witness
            ));
        }
        let Some(drain) = &facts.drain else {
            return Self::Unknown("the history tells of no drain".to_owned());
        };
        if !drain.witnesses_caught_up {
            return Self::Unknown(
                "the witnesses had not passed the end of what was written when the drain ended".to_owned(),
            );
        }
        match drain.end {
            DrainEnd::Met | DrainEnd::Settled => Self::Decided,
            DrainEnd::Deadline => Self::Deadline,
            DrainEnd::Cut => Self::Unknown("the drain was cut short".to_owned()),
        }
    }
}

/// Why the history does not cover the whole run, if so.
pub(super) fn cut_short(facts: &Facts) -> Option<String> {
    match &facts.end {
        None => Some("the history was cut short: it has no last line".to_owned()),
        Some(end) if !end.complete => {
            let reason = end.reason.as_deref().unwrap_or("it does not say why");
            Some(format!("the run did not go through all its phases: {reason}"))
        }
        Some(_) => facts
            .drain
            .as_ref()
            .is_some_and(|drain| drain.end == DrainEnd::Cut)
            .then(|| "the drain was cut short".to_owned()),
    }
}
