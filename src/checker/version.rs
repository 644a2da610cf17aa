//! Versions of documents: each committed change raises them by one. A new incarnation (after a delete) starts anew.

use super::finding::{Finding, Tally};
use super::story::{Story, document, seconds};
use super::verdict::{AnomalyKind, Example};
use crate::history::facts::{Change, Facts};

const NO_VERSION: &str = "no collection of the manifest has a version";

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let kinds = [AnomalyKind::VersionGap, AnomalyKind::VersionRegression, AnomalyKind::VersionDuplicate];
    if facts.schema.collections.iter().all(|collection| collection.version.is_none()) {
        return kinds.into_iter().map(|kind| Finding::not_checked(kind, NO_VERSION)).collect();
    }
    let (mut gaps, mut regressions, mut duplicates) = (Tally::new(facts), Tally::new(facts), Tally::new(facts));
    for change in facts.changes.iter().filter(|change| change.is_judged) {
        let Some(before) = facts.before(change) else { continue };
        let (Some(from), Some(to)) = (before.version, change.version) else { continue };
        if to > from.saturating_add(1) {
            gaps.push(change.mark.line, change);
        } else if to < from {
            regressions.push(change.mark.line, change);
        } else if to == from && (before.stamp != change.stamp || facts.cells(before) != facts.cells(change)) {
            duplicates.push(change.mark.line, change);
        }
    }
    vec![
        gaps.present(kinds[0], |change| tell(facts, change, "a change in between was never stored")),
        regressions.present(kinds[1], |change| tell(facts, change, "an older state overwrote a newer one")),
        duplicates.present(kinds[2], |change| {
            tell(facts, change, "its fields changed and its version did not, so nobody can tell both states apart")
        }),
    ]
}

fn tell(facts: &Facts, change: &Change, meaning: &str) -> Example {
    let before = facts.before(change).expect("only changes with a state before are compared");
    let (from, to) = (before.version.unwrap_or_default(), change.version.unwrap_or_default());
    Story::new(facts)
        .fact("entity", facts.text(change.entity))
        .fact("before", from)
        .fact("after", to)
        .change(before)
        .change(change)
        .tell(format!(
            "{} went from version {from} to version {to} at {}: {meaning}",
            document(facts, change),
            seconds(facts, change.mark.at)
        ))
}
