//! What a client was promised: an operation that was `ok` must have left a change on every document it declares.

use super::absence::Absence;
use super::finding::{Finding, Tally};
use super::story::{Story, operation_title, seconds, told};
use super::verdict::{AnomalyKind, Example, Place};
use crate::history::entry::Outcome;
use crate::history::facts::{DeclaredEffect, Facts};

pub(super) fn check(facts: &Facts, absence: &Absence) -> Finding {
    let kind = AnomalyKind::LostAcknowledgedWrite;
    if !facts.schema.kinds.iter().any(|kind| kind.is_observed && !kind.may_be_empty) {
        return Finding::not_checked(kind, "no operation declares an effect on documents that name their operation");
    }
    let mut lost = Tally::new(facts);
    for (operation, place) in facts.operations.iter().zip(0_u32..) {
        let may_be_empty = operation.kind.is_none_or(|kind| facts.schema.kinds[usize::from(kind)].may_be_empty);
        if may_be_empty || operation.outcome() != Outcome::Ok {
            continue;
        }
        if let Some(effect) = facts.declared_effects(place).iter().find(|effect| is_missing(facts, place, effect)) {
            let line = operation.completed.map_or(operation.invoked.line, |completed| completed.mark.line);
            lost.push(line, (place, effect));
        }
    }
    lost.absent(kind, absence, |(place, effect)| tell(facts, *place, effect))
}

fn is_missing(facts: &Facts, operation: u32, effect: &DeclaredEffect) -> bool {
    facts.schema.collections[usize::from(effect.collection)].operation.is_some()
        && !facts
            .changes_of(operation)
            .any(|change| change.collection == effect.collection && change.entity == effect.entity)
}

fn tell(facts: &Facts, place: u32, effect: &DeclaredEffect) -> Example {
    let operation = &facts.operations[place as usize];
    let collection = &facts.schema.collections[usize::from(effect.collection)].name;
    let entity = facts.text(effect.entity);
    Story::new(facts)
        .operation(place)
        .fact("entity", entity)
        .absent(Place::Document, format!("no committed change of {collection}/{entity} by this operation"))
        .tell(format!(
            "of {} the client {} at {}, and no change of {collection}/{entity} by it was ever committed",
            operation_title(facts, place),
            told(facts, operation),
            seconds(facts, operation.completed.map_or(0, |completed| completed.mark.at))
        ))
}
