//! What a family hands back for each kind of anomaly: how often, the first examples, or why it cannot be said.

use super::absence::Absence;
use super::verdict::{AnomalyKind, Example};
use crate::history::facts::Facts;

/// What one invariant found.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) kind: AnomalyKind,
    pub(super) count: u64,
    pub(super) examples: Vec<Example>,
    pub(super) doubt: Option<Doubt>,
}

/// Why a count of zero does not clear.
#[derive(Debug)]
pub(super) enum Doubt {
    /// The manifest does not name what the invariant needs.
    NotChecked(String),
    /// The history does not show enough.
    Unknown(String),
}

impl Finding {
    pub(super) fn not_checked(kind: AnomalyKind, reason: &str) -> Self {
        Self { kind, count: 0, examples: Vec::new(), doubt: Some(Doubt::NotChecked(reason.to_owned())) }
    }
}

/// Items of one kind, each with the line that shows it; told only once all are known, and only the first.
#[derive(Debug)]
pub(super) struct Tally<T> {
    items: Vec<(u64, T)>,
    examples_at_most: usize,
}

impl<T> Tally<T> {
    pub(super) fn new(facts: &Facts) -> Self {
        Self { items: Vec::new(), examples_at_most: facts.examples_at_most }
    }

    pub(super) fn push(&mut self, line: u64, item: T) {
        self.items.push((line, item));
    }

    /// For what is seen: it holds on any prefix of a history.
    pub(super) fn present(mut self, kind: AnomalyKind, tell: impl Fn(&T) -> Example) -> Finding {
        // Stable, so that items of one line keep the order in which they were found.
        self.items.sort_by_key(|(line, _)| *line);
        let examples = self.items.iter().take(self.examples_at_most).map(|(_, item)| tell(item)).collect();
        Finding { kind, count: self.items.len() as u64, examples, doubt: None }
    }

    /// For what is not seen: counted only where absence is decided.
    pub(super) fn absent(self, kind: AnomalyKind, absence: &Absence, tell: impl Fn(&T) -> Example) -> Finding {
        let doubt = match absence {
            Absence::Decided => return self.present(kind, tell),
            Absence::Deadline if self.items.is_empty() => None,
            Absence::Deadline => Some(format!(
                "the drain ran into its deadline with {} of these open, and nothing durable explains them",
                self.items.len()
            )),
            Absence::Unknown(reason) => Some(reason.clone()),
        };
        Finding { kind, count: 0, examples: Vec::new(), doubt: doubt.map(Doubt::Unknown) }
    }
}
