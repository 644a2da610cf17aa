//! Guards against empty victories: nothing passes without having been exercised, and nobody vouches who was not there.
//!
//! What each guard asks:
//! - *history complete*, *drain*, *witness …*, *witness fold*: was everything seen, and does what was seen agree with
//!   the final reads?
//! - *operation exercised*: was each kind of operation in the mix `ok` at least once?
//! - *fault exercised*: was each fault confirmed, healed, and did anything happen between its confirmation and
//!   [`RECOVERY`] after its heal? A fault that this variant has nobody for is not checked.
//! - *faults carried out*: does the history tell of every fault of the schedule, and of no other?
//! - *process*: did a program end by itself? Then the run shows that, and not what the scenario is about.
//! - *exercised: …*: an invariant that was never put to the test is not valid. It is demanded where the invariant is
//!   forbidden and the scenario sets out to test it, and not checked elsewhere:
//!   - oversold, negative-stock (wherever there is a stock): a key sold out, that is, the stock sank below the largest
//!     quantity that anybody took, or a purchase was answered with one of its `fail` statuses;
//!   - duplicate-effect (where an instance of a consumer was killed, or the log holds duplicates): a redelivery, that
//!     is, a duplicate record, or an effect that was applied before the instance came back although its record lay at
//!     or beyond the offset that the group had last committed;
//!   - lost-event (wherever operations lead to events): at least one event was required; and where a relay was killed,
//!     a row was waiting when it came back;
//!   - lost-update: two operations on one entity were under way at once (else not checked: a load of one worker cannot
//!     bring that about);
//!   - what clients were told and how the log was read: `session`, `linear` and `poll` call themselves not checked where
//!     nobody asked for what had changed, or nobody read what another had read.

use std::collections::{BTreeMap, HashMap};

use super::absence::{Absence, cut_short};
use super::delivery::requirements;
use super::effect::committed;
use super::finding::Finding;
use super::story::seconds;
use super::verdict::{AnomalyKind, Check, CheckVerdict};
use crate::fault::Schedule;
use crate::history::entry::{
    DrainEnd, FaultStep, NOBODY_TO_STRIKE, Nanos, Outcome, PhaseName, ProcessStep, WitnessStep,
};
use crate::history::facts::{Facts, Fault, Row};
use crate::history::name::{Name, Number};
use crate::history::schema::{ConsumerSchema, Motion};
use crate::load::arrivals::load_duration;
use crate::scenario::manifest::{ConsumerMode, Node};
use crate::scenario::resolved::Resolved;

/// How long after its heal a fault may still be felt.
const RECOVERY: Nanos = 2_000_000_000;

/// What guards ask, in two kinds.
pub(super) struct Guards {
    /// Did what the scenario asks for happen, and was it seen? Without that nothing has even been measured.
    pub(super) sight: Vec<Check>,
    /// Did the moments come in which an invariant could have been broken?
    pub(super) exercise: Vec<Check>,
}

impl Guards {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Check> {
        self.sight.iter().chain(&self.exercise)
    }
}

pub(super) fn check(resolved: &Resolved, facts: &Facts, absence: &Absence, findings: &[Finding]) -> Guards {
    let mut sight = vec![history(facts), drain(facts, absence)];
    sight.extend(witnesses(facts));
    sight.push(witness_fold(facts));
    sight.push(readable(facts));
    sight.extend(operations(resolved, facts));
    sight.extend(faults(resolved, facts));
    sight.extend(processes(facts));
    Guards { sight, exercise: exercised(resolved, facts, findings) }
}

fn valid(name: impl Into<String>) -> Check {
    Check { name: name.into(), verdict: CheckVerdict::Valid, reason: String::new() }
}

fn unknown(name: impl Into<String>, reason: impl Into<String>) -> Check {
    Check { name: name.into(), verdict: CheckVerdict::Unknown, reason: reason.into() }
}

fn not_checked(name: impl Into<String>, reason: impl Into<String>) -> Check {
    Check { name: name.into(), verdict: CheckVerdict::NotChecked, reason: reason.into() }
}

fn history(facts: &Facts) -> Check {
    let name = "history complete";
    cut_short(facts).map_or_else(|| valid(name), |reason| unknown(name, reason))
}

/// At the deadline, a durable rest explains what is missing; whatever it does not explain, its own check calls unknown.
fn drain(facts: &Facts, absence: &Absence) -> Check {
    let name = "drain";
    match (absence, &facts.drain) {
        (Absence::Unknown(reason), _) => unknown(name, reason.as_str()),
        (_, Some(drain)) if drain.end == DrainEnd::Deadline && drain.unpublished == 0 && drain.lag == 0 => unknown(
            name,
            format!(
                "the drain ran into its deadline with {} events or effects outstanding and nothing durable left that \
                 could bring them",
                drain.outstanding
            ),
        ),
        _ => valid(name),
    }
}

fn witnesses(facts: &Facts) -> Vec<Check> {
    let observed =
        [(Node::Mongodb, !facts.schema.collections.is_empty()), (Node::Kafka, !facts.schema.topics.is_empty())];
    let observed = observed.into_iter().filter(|(_, is_observed)| *is_observed);
    let check = |node: Node| {
        let name = format!("witness {}", node.name());
        let events = || facts.witnesses.iter().filter(|(_, event)| event.witness == node.name());
        if let Some((line, lost)) = events().find(|(_, event)| event.event == WitnessStep::Lost) {
            let detail = lost.detail.as_deref().unwrap_or("no detail");
            return unknown(
                name,
                format!("the {} witness can no longer vouch for completeness (line {line}: {detail})", node.name()),
            );
        }
        if !events().any(|(_, event)| event.event == WitnessStep::Ready) {
            return unknown(name, format!("the {} witness never said that it was ready", node.name()));
        }
        valid(name)
    };
    observed.map(|(node, _)| check(node)).collect()
}

fn witness_fold(facts: &Facts) -> Check {
    let name = "witness fold";
    let is_read = |collection: &str| facts.final_reads.collections.iter().any(|read| read == collection);
    if facts.schema.collections.is_empty() {
        return not_checked(name, "the manifest observes no collection");
    }
    if let Some(collection) = facts.schema.collections.iter().find(|collection| !is_read(&collection.name)) {
        return unknown(name, format!("the final read of {} is not in the history", collection.name));
    }
    match facts.final_reads.differences.first() {
        None => valid(name),
        Some(first) => unknown(
            name,
            format!(
                "the change stream and the final reads disagree in {} places, so the witness cannot be trusted; the \
                 first: {first}",
                facts.final_reads.count
            ),
        ),
    }
}

fn readable(facts: &Facts) -> Check {
    let name = "records and operations readable";
    if let Some(first) = facts.unreadable.first() {
        let topic = &facts.schema.topics[usize::from(first.topic)].name;
        return unknown(
            name,
            format!(
                "{} records do not say what the manifest promises; the first, of topic {topic} on line {}, has no {}",
                facts.unreadable_count, first.mark.line, first.missing
            ),
        );
    }
    if facts.undeclared > 0 {
        return unknown(
            name,
            format!("the effects of {} operations cannot be filled in from the manifest", facts.undeclared),
        );
    }
    let unmatched: Vec<_> = facts.effects.iter().filter(|effect| effect.group.is_none()).collect();
    if let Some(first) = unmatched.first() {
        return unknown(
            name,
            format!(
                "{} changes of views carry an event id that no record of the log has; the first is event {} on line {}",
                unmatched.len(),
                facts.text(first.event),
                facts.changes[first.change as usize].mark.line
            ),
        );
    }
    valid(name)
}

fn operations(resolved: &Resolved, facts: &Facts) -> Vec<Check> {
    let mix = &resolved.scenario.load.mix;
    let is_planned = |name: &str| mix.is_empty() || mix.get(name).is_some_and(|weight| *weight > 0.0);
    let mut was_ok = vec![false; facts.schema.kinds.len()];
    for operation in facts.operations.iter().filter(|operation| operation.outcome() == Outcome::Ok) {
        if let Some(kind) = operation.kind {
            was_ok[usize::from(kind)] = true;
        }
    }
    let kinds = facts.schema.kinds.iter().zip(was_ok).filter(|(kind, _)| is_planned(&kind.name));
    kinds
        .map(|(kind, was_ok)| {
            let name = format!("operation exercised: {}", kind.name);
            if was_ok { valid(name) } else { unknown(name, format!("no {} was ever ok", kind.name)) }
        })
        .collect()
}

fn faults(resolved: &Resolved, facts: &Facts) -> Vec<Check> {
    let mut checks: Vec<Check> = facts.faults.iter().map(|fault| fault_exercised(facts, fault)).collect();
    checks.extend(faults_carried_out(resolved, facts));
    checks
}

/// The schedule is a pure function of the scenario and its seed, so it can be drawn again and held against what the
/// history tells: a fault that was left out, or another one in its place, is never a quiet pass.
fn faults_carried_out(resolved: &Resolved, facts: &Facts) -> Option<Check> {
    let name = "faults carried out";
    let schedule = match Schedule::plan(resolved, load_duration(&resolved.scenario.load)) {
        Ok(schedule) => schedule,
        Err(error) => return Some(unknown(name, format!("the schedule cannot be drawn again: {error}"))),
    };
    let planned: BTreeMap<u32, String> = schedule.faults.iter().map(|(fault, _)| (fault.id, fault.name())).collect();
    let told: BTreeMap<u32, String> = facts.faults.iter().map(|fault| (fault.number, fault.what.clone())).collect();
    if planned.is_empty() && told.is_empty() {
        return None;
    }
    let difference = planned.keys().chain(told.keys()).find(|number| planned.get(number) != told.get(number));
    let Some(number) = difference else { return Some(valid(name)) };
    let nothing = "nothing".to_owned();
    Some(unknown(
        name,
        format!(
            "{} faults were planned, and the history tells of {}; first difference: fault {number} should be {} and is {}",
            planned.len(),
            told.len(),
            planned.get(number).unwrap_or(&nothing),
            told.get(number).unwrap_or(&nothing),
        ),
    ))
}

fn fault_exercised(facts: &Facts, fault: &Fault) -> Check {
    let name = format!("fault exercised: {} {}", fault.number, fault.what);
    let what = &fault.what;
    if fault.step(FaultStep::NotApplicable).is_some() {
        return not_checked(name, fault.detail.as_deref().unwrap_or(NOBODY_TO_STRIKE));
    }
    if fault.step(FaultStep::Failed).is_some() {
        let detail = fault.detail.as_deref().unwrap_or("no detail");
        return unknown(name, format!("{what} could not be carried out: {detail}"));
    }
    let Some(confirmed) = fault.step(FaultStep::Confirmed) else {
        return unknown(name, format!("{what} was never confirmed to be in place"));
    };
    let Some(healed) = fault.step(FaultStep::Healed) else {
        return unknown(name, format!("{what} was never confirmed to be healed"));
    };
    let end = healed.at.saturating_add(RECOVERY);
    if facts.activity.is_any_within(confirmed.at, end) {
        return valid(name);
    }
    let (from, to) = (seconds(facts, confirmed.at), seconds(facts, end));
    unknown(name, format!("nothing was invoked, changed, recorded or applied during {what} ({from} to {to})"))
}

fn processes(facts: &Facts) -> Vec<Check> {
    let stop =
        facts.phases.iter().find(|(_, phase)| phase.name == PhaseName::Stop).map_or(u64::MAX, |(_, phase)| phase.at);
    let exited = facts.processes.iter().filter(|(_, event)| event.event == ProcessStep::Exited && event.at < stop);
    exited
        .map(|(line, event)| {
            let detail = event.detail.as_deref().unwrap_or("no detail");
            let at = seconds(facts, event.at);
            unknown(
                format!("process {} (line {line})", event.process),
                format!(
                    "{} ended by itself at {at} (line {line}: {detail}); this was no injected crash",
                    event.process
                ),
            )
        })
        .collect()
}

fn exercised(resolved: &Resolved, facts: &Facts, findings: &[Finding]) -> Vec<Check> {
    let forbidden = &resolved.manifest.forbidden;
    let is_forbidden = |kind: AnomalyKind| forbidden.contains(&kind);
    let name = |kind: AnomalyKind| format!("exercised: {}", kind.name());
    let mut checks = Vec::new();
    for kind in [AnomalyKind::Oversold, AnomalyKind::NegativeStock] {
        if is_forbidden(kind) && facts.schema.collections.iter().any(|collection| collection.stock.is_some()) {
            let reason = "no key ever sold out, so nobody could have oversold; less stock or more load would";
            checks.push(if sold_out(facts) { valid(name(kind)) } else { unknown(name(kind), reason) });
        }
    }
    if is_forbidden(AnomalyKind::DuplicateEffect) {
        let each = facts.schema.consumers.iter().filter(|consumer| consumer.mode == ConsumerMode::Each);
        checks.extend(each.map(|consumer| redelivery(facts, consumer, findings)));
    }
    if is_forbidden(AnomalyKind::LostEvent) && facts.schema.kinds.iter().any(|kind| kind.event_count() > 0) {
        let is_required = requirements(facts).next().is_some();
        let reason = "no committed change required an event, so none could be lost";
        let name = name(AnomalyKind::LostEvent);
        checks.push(if is_required { valid(name) } else { unknown(name, reason) });
        checks.extend(backlogs(resolved, facts));
    }
    if is_forbidden(AnomalyKind::LostUpdate) {
        let reason = "no two operations on one entity were under way at once: not exercised by this load";
        let name = name(AnomalyKind::LostUpdate);
        checks.push(if has_contention(facts) { valid(name) } else { not_checked(name, reason) });
    }
    checks
}

fn sold_out(facts: &Facts) -> bool {
    for (collection, place) in facts.schema.collections.iter().zip(0_u16..) {
        let Some(field) = collection.stock else { continue };
        let takes = |kind: u16| facts.schema.kinds[usize::from(kind)].takes_from(place, field);
        let refused = facts.operations.iter().any(|operation| {
            operation.outcome() == Outcome::Fail
                && operation.completed.is_some_and(|completed| completed.status.is_some())
                && operation.kind.is_some_and(takes)
        });
        if refused {
            return true;
        }
        let moves = (0..facts.operations.len() as u32)
            .flat_map(|operation| facts.declared_effects(operation))
            .filter(|effect| effect.collection == place)
            .flat_map(|effect| facts.moves(effect))
            .filter(|motion| motion.field == field && motion.motion == Motion::Subtract);
        let largest = moves.filter_map(|motion| motion.value.number()).map(Number::real).fold(0.0, f64::max);
        let is_short = |cell: crate::history::name::Cell| cell.number().is_some_and(|rest| rest.real() < largest);
        let changes = facts.changes.iter().filter(|change| change.collection == place && change.is_judged);
        if changes.into_iter().any(|change| is_short(facts.cells(change)[usize::from(field)])) {
            return true;
        }
    }
    false
}

/// Whether an event came to a consumer twice, where the scenario set out to bring that about.
fn redelivery(facts: &Facts, consumer: &ConsumerSchema, findings: &[Finding]) -> Check {
    let name = format!("exercised: {} ({})", AnomalyKind::DuplicateEffect.name(), consumer.name);
    let has_duplicate = facts
        .groups
        .iter()
        .any(|group| group.records > 1 && consumer.topics.contains(&facts.records[group.first as usize].topic));
    let was_found = findings.iter().any(|finding| finding.kind == AnomalyKind::DuplicateEffect && finding.count > 0);
    if has_duplicate || was_found {
        return valid(name);
    }
    let restarts = restarts(facts, &consumer.role);
    if restarts.is_empty() {
        return not_checked(
            name,
            format!("no {} was killed and the log holds no duplicates: redelivery was not exercised", consumer.role),
        );
    }
    if restarts.iter().any(|(_, back)| is_redelivered(facts, consumer, *back)) {
        return valid(name);
    }
    unknown(
        name,
        format!(
            "a {} was killed, but it had committed the offset of everything it had applied, so nothing was \
             delivered twice",
            consumer.role
        ),
    )
}

fn is_instance(role: &str, process: &str) -> bool {
    let number = process.strip_prefix(role).and_then(|rest| rest.strip_prefix('-'));
    number.is_some_and(|number| number.parse::<u32>().is_ok())
}

/// When instances of a role were killed, and when they came back. A pause is none: a consumer that goes on within its
/// session gets nothing again, and whether one that was paused for longer did cannot be seen from outside.
fn restarts(facts: &Facts, role: &str) -> Vec<(Nanos, Nanos)> {
    let mut restarts = Vec::new();
    for (place, (_, event)) in facts.processes.iter().enumerate() {
        if event.event == ProcessStep::Killed && is_instance(role, &event.process) {
            let mut later = facts.processes[place..].iter().map(|(_, later)| later);
            let back = later.find(|later| later.process == event.process && later.event == ProcessStep::Started);
            restarts.extend(back.map(|back| (event.at, back.at)));
        }
    }
    restarts
}

/// Whether a relay that was killed found rows waiting when it came back: the moment in which it could forget them, or
/// publish twice what it had not yet marked.
fn backlogs(resolved: &Resolved, facts: &Facts) -> Vec<Check> {
    let relays = resolved.processes().map(|(role, _)| role).filter(|role| is_relay(resolved, role));
    let check = |role: &str| {
        let restarts = restarts(facts, role);
        let name = format!("exercised: a backlog at a restart ({role})");
        if restarts.is_empty() {
            return not_checked(name, format!("no {role} was killed"));
        }
        let is_waiting = |row: &Row, back: Nanos| {
            let end = row.published.or(row.removed).map_or(Nanos::MAX, |end| end.at);
            row.inserted.at < back && back < end
        };
        if restarts.iter().any(|(_, back)| facts.rows.iter().any(|row| is_waiting(row, *back))) {
            return valid(name);
        }
        let reason = format!("a {role} was killed, but no outbox row was waiting when it came back");
        unknown(name, reason)
    };
    relays.map(check).collect()
}

/// Who owns an outbox and takes no requests publishes from it.
fn is_relay(resolved: &Resolved, role: &str) -> bool {
    let manifest = &resolved.manifest;
    let mut outboxes = manifest.collection.values().filter(|collection| collection.outbox.is_some());
    outboxes.any(|outbox| outbox.owners.iter().any(|owner| owner == role))
        && !manifest.operation.keys().any(|operation| resolved.role_of(operation) == role)
}

fn is_redelivered(facts: &Facts, consumer: &ConsumerSchema, back: Nanos) -> bool {
    let mut offsets: HashMap<(u16, i32), i64> = HashMap::new();
    facts.effects.iter().any(|effect| {
        let change = &facts.changes[effect.change as usize];
        let is_own = facts.schema.consumers[usize::from(effect.consumer)].name == consumer.name;
        let Some(group) = effect.group.filter(|_| is_own && change.mark.at < back) else { return false };
        let record = &facts.records[facts.groups[group as usize].first as usize];
        let offset = *offsets.entry((record.topic, record.partition)).or_insert_with(|| {
            let topic = &facts.schema.topics[usize::from(record.topic)].name;
            committed(facts, &consumer.name, topic, record.partition, back)
        });
        record.offset >= offset
    })
}

fn has_contention(facts: &Facts) -> bool {
    let mut busy_until: HashMap<Name, Nanos> = HashMap::new();
    (0..facts.operations.len() as u32).any(|place| {
        let operation = &facts.operations[place as usize];
        let end = operation.completed.map_or(Nanos::MAX, |completed| completed.mark.at);
        facts.declared_effects(place).iter().any(|effect| {
            let busy = busy_until.entry(effect.entity).or_insert(0);
            let overlaps = operation.invoked.at < *busy;
            *busy = end.max(*busy);
            overlaps
        })
    })
}
