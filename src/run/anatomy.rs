//! Before the load: one operation of each kind, alone, and the messages that it costs. Only where taps are asked for.
//!
//! What these operations do is judged as all else is; no figure of the load counts them.

use std::sync::Arc;
use std::time::Duration;

use super::context::{Context, Cut};
use super::event::Event;
use super::eyes::Eyes;
use super::lone::{Disturbed, Lone, TRAIL};
use super::stage::Stage;
use super::wiring;
use crate::history::entry::{Anatomy, Entry, PhaseName};
use crate::load::hand::Hand;
use crate::scenario::plan::Plan;
use crate::sweep::recording::{Recording, Standing, messages};

/// Operation numbers that no load gets to.
const NUMBERS: std::ops::Range<u64> = 900_000_000..900_010_000;

/// How often an operation is recorded: what is not in all recordings varies.
const RECORDINGS: u32 = 3;

/// How many operations of a kind are tried: a first one for each instance opens connections, another may be refused.
const TRIES: usize = 12;

/// How long services may take to come to rest after the first operations.
const REST: Duration = Duration::from_millis(500);

/// Records what one operation of each kind costs. What cannot be recorded is told, and is no failure of the run.
pub(super) async fn record(context: &Context<'_>, stage: &Stage, plan: &Arc<Plan>) -> Result<(), Cut> {
    let Some(taps) = stage.taps.as_ref().filter(|_| context.resolved.scenario.tap) else { return Ok(()) };
    context.enter(PhaseName::Anatomy);
    let spec = wiring::load_spec(context, stage, Arc::clone(plan))?;
    let eyes = Arc::new(Eyes::new(context));
    taps.set_observer(Some(Eyes::observer(&eyes)));
    let lone = Lone { context, eyes, hand: Hand::before(&spec, &context.cancellation)? };
    let recorded = every_kind(&lone, plan).await;
    taps.set_observer(None);
    match recorded {
        Err(Disturbed::Interrupted) => Err(Cut::Interrupted),
        Err(disturbed) => {
            (context.observer)(Event::Remark(format!("the messages of an operation are not known: {disturbed}")));
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

async fn every_kind(lone: &Lone<'_>, plan: &Plan) -> Result<(), Disturbed> {
    let numbers_of = |kind: usize| NUMBERS.filter(move |number| plan.operation(*number).kind == kind).take(TRIES);
    let kinds: Vec<(usize, Vec<u64>)> =
        (0..plan.kinds().len()).map(|kind| (kind, numbers_of(kind).collect())).collect();
    // Connections, producer ids and consumers come up with the first operations, not with those that are recorded.
    for (kind, numbers) in &kinds {
        for number in numbers.iter().take(plan.kinds()[*kind].instances.len()) {
            let _ = refused_is_none(lone.undisturbed(*number).await)?;
        }
    }
    lone.pause(REST).await?;
    let standing = lone.standing().await?;
    for (kind, numbers) in kinds.iter().filter(|(_, numbers)| !numbers.is_empty()) {
        let kind = &plan.kinds()[*kind];
        let recordings = recordings(lone, numbers, &standing).await?;
        if recordings.is_empty() {
            let told = format!("the messages of a {} are not known: each was refused", kind.name);
            (lone.context.observer)(Event::Remark(told));
            continue;
        }
        let at = lone.context.recorder.now();
        let rows = messages(&standing, &recordings);
        lone.context.recorder.record(Entry::Anatomy(Anatomy {
            at,
            operation: kind.name.clone(),
            recordings: recordings.len() as u32,
            messages: rows.into_iter().map(Into::into).collect(),
        }));
    }
    Ok(())
}

async fn recordings(lone: &Lone<'_>, numbers: &[u64], standing: &Standing) -> Result<Vec<Recording>, Disturbed> {
    let mut recordings = Vec::new();
    for number in numbers.iter().rev() {
        if recordings.len() == RECORDINGS as usize {
            break;
        }
        recordings.extend(refused_is_none(lone.recording(*number, standing, TRAIL).await)?);
    }
    Ok(recordings)
}

/// A workload may well refuse an operation: what is sold out, what was never ordered.
fn refused_is_none<T>(result: Result<T, Disturbed>) -> Result<Option<T>, Disturbed> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Disturbed::Refused { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}
