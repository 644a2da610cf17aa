//! What changes did to quantities: lost updates, doubled ones, more taken than there was.

use super::finding::{Finding, Tally};
use super::story::{Story, document, operation_title, seconds, told};
use super::verdict::{AnomalyKind, Example};
use crate::history::entry::{ChangeKind, Outcome};
use crate::history::facts::{Change, DeclaredEffect, Facts, Owner};
use crate::history::name::{Cell, Name, NameMap, Number};
use crate::history::schema::{Motion, Move};

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = attributed(facts);
    findings.extend(quantities(facts));
    findings
}

/// The effects that an operation declares on the document of one of its changes.
fn declared<'facts>(
    facts: &'facts Facts,
    operation: u32,
    change: &Change,
) -> impl Iterator<Item = &'facts DeclaredEffect> {
    let (collection, entity) = (change.collection, change.entity);
    let effects = facts.declared_effects(operation).iter();
    effects.filter(move |effect| effect.collection == collection && effect.entity == entity)
}

/// Lost-update, double-apply and phantom-update: they need documents that name their operation.
fn attributed(facts: &Facts) -> Vec<Finding> {
    let kinds = [AnomalyKind::LostUpdate, AnomalyKind::DoubleApply, AnomalyKind::PhantomUpdate];
    if facts.schema.collections.iter().all(|collection| collection.operation.is_none()) {
        let reason = "no collection of the manifest says where a document names its operation";
        return kinds.into_iter().map(|kind| Finding::not_checked(kind, reason)).collect();
    }
    let (mut lost, mut doubled, mut phantoms) = (Tally::new(facts), Tally::new(facts), Tally::new(facts));
    for change in &facts.changes {
        let is_view = !facts.schema.collections[usize::from(change.collection)].consumers.is_empty();
        match change.owner {
            Owner::Unattributed => {}
            // What a view carries came through the log; an event of nobody's is a phantom-event.
            Owner::NeverSent(_) if is_view => {}
            Owner::NeverSent(_) => phantoms.push(change.mark.line, change),
            Owner::Operation(operation) => {
                if !is_view && facts.operations[operation as usize].outcome() == Outcome::Fail {
                    phantoms.push(change.mark.line, change);
                }
                let mut effects = declared(facts, operation, change);
                // Two effects on one document may come in one change or in two; only a single one can be held
                // against the state before.
                if let (Some(effect), None) = (effects.next(), effects.next())
                    && let Some(difference) = difference(facts, change, effect)
                {
                    lost.push(change.mark.line, (change, operation, difference));
                }
            }
        }
    }
    for operation in 0..facts.operations.len() as u32 {
        collect_doubled(facts, operation, &mut doubled);
    }
    vec![
        lost.present(kinds[0], |(change, operation, difference)| tell_lost(facts, change, *operation, difference)),
        doubled.present(kinds[1], |(first, change, operation)| tell_doubled(facts, first, change, *operation)),
        phantoms.present(kinds[2], |change| tell_phantom(facts, change)),
    ]
}

fn collect_doubled<'facts>(
    facts: &'facts Facts,
    operation: u32,
    doubled: &mut Tally<(&'facts Change, &'facts Change, u32)>,
) {
    if facts.changes_of(operation).nth(1).is_none() {
        return;
    }
    let mut changes = facts.effective_changes(operation);
    let Some(first) = changes.next() else { return };
    let mut seen: Vec<&Change> = vec![first];
    for change in changes {
        let is_same = |other: &&&Change| (other.collection, other.entity) == (change.collection, change.entity);
        let earlier = seen.iter().filter(is_same).count();
        if earlier >= declared(facts, operation, change).count() {
            let first = seen.iter().find(is_same).copied().unwrap_or(first);
            doubled.push(change.mark.line, (first, change, operation));
        }
        seen.push(change);
    }
}

/// A field that is not what the state before and the declared effect make it.
struct Difference {
    field: u16,
    before: Cell,
    expected: Cell,
    after: Cell,
}

fn difference(facts: &Facts, change: &Change, effect: &DeclaredEffect) -> Option<Difference> {
    let before = facts.before(change).map(|before| facts.cells(before));
    facts.moves(effect).iter().find_map(|motion| {
        let field = usize::from(motion.field);
        let (before, after) = (before.map_or(Cell::Missing, |cells| cells[field]), facts.cells(change)[field]);
        let expected = match motion.motion {
            Motion::Set => motion.value,
            // What an inserted document starts from is the service's to say.
            Motion::Subtract | Motion::Add if change.before.is_none() => return None,
            Motion::Subtract => before.number()?.plus(motion.value.number()?.negated()).into(),
            Motion::Add => before.number()?.plus(motion.value.number()?).into(),
        };
        let is_same = match (expected.number(), after.number()) {
            (Some(expected), Some(after)) => expected.is_same(after),
            _ => expected.is_same(after),
        };
        (!is_same).then_some(Difference { field: motion.field, before, expected, after })
    })
}

/// Oversold and negative-stock: they need a stock.
fn quantities(facts: &Facts) -> Vec<Finding> {
    let kinds = [AnomalyKind::Oversold, AnomalyKind::NegativeStock];
    if facts.schema.collections.iter().all(|collection| collection.stock.is_none()) {
        return kinds.into_iter().map(|kind| Finding::not_checked(kind, "the manifest names no stock")).collect();
    }
    let (mut oversold, mut negative) = (Tally::new(facts), Tally::new(facts));
    // What there is by right: the initial quantity and what was added, less what was taken, in commit order.
    let mut rest: NameMap<(u16, Name), Number> = NameMap::default();
    for change in &facts.changes {
        let Some(field) = facts.schema.collections[usize::from(change.collection)].stock else { continue };
        let document = (change.collection, change.id);
        if change.kind == ChangeKind::Delete {
            rest.remove(&document);
            continue;
        }
        let Some(after) = facts.cells(change)[usize::from(field)].number() else { continue };
        let before = facts.before(change).and_then(|before| facts.cells(before)[usize::from(field)].number());
        let has_sunk = before.is_none_or(|before| after.real() < before.real());
        if change.is_judged && after.is_negative() && has_sunk {
            negative.push(change.mark.line, (change, after));
        }
        let Some(before) = before else {
            rest.insert(document, after);
            continue;
        };
        let rest = rest.entry(document).or_insert(before);
        match change.owner {
            Owner::Operation(operation) => {
                let moves = declared(facts, operation, change).flat_map(|effect| facts.moves(effect));
                let has = *rest;
                let takes = settle(rest, moves.filter(|motion| motion.field == field));
                if takes && rest.is_negative() {
                    oversold.push(change.mark.line, (change, operation, has));
                }
            }
            // Somebody outside the manifest may restock; what it takes away by the back door is not given to anybody.
            Owner::Unattributed | Owner::NeverSent(_) => {
                if after.real() > before.real() {
                    *rest = rest.plus(after.plus(before.negated()));
                }
            }
        }
    }
    vec![
        oversold.present(kinds[0], |(change, operation, has)| tell_oversold(facts, change, *operation, *has)),
        negative.present(kinds[1], |(change, after)| tell_negative(facts, change, *after)),
    ]
}

/// Applies an operation's moves to what there is, and says whether it took something.
fn settle<'facts>(rest: &mut Number, moves: impl Iterator<Item = &'facts Move>) -> bool {
    let mut takes = false;
    for motion in moves {
        let Some(value) = motion.value.number() else { continue };
        match motion.motion {
            Motion::Subtract => {
                *rest = rest.plus(value.negated());
                takes |= value.real() > 0.0;
            }
            Motion::Add => *rest = rest.plus(value),
            Motion::Set => *rest = value,
        }
    }
    takes
}

fn with_before<'facts>(facts: &'facts Facts, change: &Change) -> Story<'facts> {
    let story = Story::new(facts).fact("entity", facts.text(change.entity));
    match facts.before(change) {
        Some(before) => story.change(before).change(change),
        None => story.change(change),
    }
}

fn tell_lost(facts: &Facts, change: &Change, operation: u32, difference: &Difference) -> Example {
    let schema = &facts.schema.collections[usize::from(change.collection)];
    let field = schema.fields[usize::from(difference.field)].show();
    let show = |cell: Cell| cell.show(&facts.names);
    with_before(facts, change).operation(operation).fact("field", field.as_str()).tell(format!(
        "{} found {field} of {} at {} and should have left {}, but at {} it stored {}: what others had written \
             in between was overwritten, or its own effect was",
        operation_title(facts, operation),
        document(facts, change),
        show(difference.before),
        show(difference.expected),
        seconds(facts, change.mark.at),
        show(difference.after),
    ))
}

fn tell_doubled(facts: &Facts, first: &Change, change: &Change, operation: u32) -> Example {
    Story::new(facts).fact("entity", facts.text(change.entity)).operation(operation).change(first).change(change).tell(
        format!(
            "{} was applied to {} at {} and again at {}, though it was meant once",
            operation_title(facts, operation),
            document(facts, change),
            seconds(facts, first.mark.at),
            seconds(facts, change.mark.at)
        ),
    )
}

fn tell_phantom(facts: &Facts, change: &Change) -> Example {
    let story = with_before(facts, change);
    let (at, name) = (seconds(facts, change.mark.at), document(facts, change));
    match change.owner {
        Owner::Operation(place) => {
            let operation = &facts.operations[place as usize];
            let (title, told) = (operation_title(facts, place), told(facts, operation));
            story.operation(place).tell(format!("{name} was changed at {at} by {title}, of which the client {told}"))
        }
        Owner::NeverSent(key) => {
            let key = facts.text(key);
            story
                .fact("operation", key)
                .tell(format!("{name} was changed at {at} under the operation id {key}, which no client ever sent"))
        }
        Owner::Unattributed => unreachable!("only attributed changes are phantoms"),
    }
}

fn tell_oversold(facts: &Facts, change: &Change, operation: u32, has: Number) -> Example {
    let missing =
        if has.is_negative() { format!("{} too many were", has.negated()) } else { format!("only {has} were left") };
    let missing = if has.is_negative() { format!("{missing} already gone") } else { missing };
    with_before(facts, change).operation(operation).tell(format!(
        "{} took effect on {} at {} although {missing}: more was taken than there ever was",
        operation_title(facts, operation),
        document(facts, change),
        seconds(facts, change.mark.at)
    ))
}

fn tell_negative(facts: &Facts, change: &Change, after: Number) -> Example {
    let story = with_before(facts, change);
    let (name, at) = (document(facts, change), seconds(facts, change.mark.at));
    match change.owner {
        Owner::Operation(operation) => {
            let title = operation_title(facts, operation);
            story.operation(operation).tell(format!("{title} left the stock of {name} at {after} at {at}"))
        }
        Owner::Unattributed | Owner::NeverSent(_) => {
            story.tell(format!("the stock of {name} stood at {after} at {at}"))
        }
    }
}
