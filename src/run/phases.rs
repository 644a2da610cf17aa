//! The phases between the first line of the history and the way down.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::Either;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::context::{Context, Cut};
use super::drain::Drainage;
use super::event::{Event, Live};
use super::ground;
use super::processes::Processes;
use super::stage::Stage;
use super::standing::Up;
use super::sweep::{self, Tried};
use super::{anatomy, wire, wiring};
use crate::fault::{Ambush, FaultLog, Nemesis, Schedule};
use crate::history::entry::{DrainEnd, Entry, PhaseName, WireSample};
use crate::link::tap::Taps;
use crate::load::arrivals::load_duration;
use crate::load::progress::Progress;
use crate::load::{self, LoadSpec, LoadSummary};
use crate::process::UnexpectedExit;
use crate::scenario::plan::Plan;
use crate::service::Services;
use crate::witness::{Gauges, Sampler, Witnesses};

/// From here to the first arrival: time to open connections.
const LEAD: Duration = Duration::from_millis(300);

/// How long a cluster may take to be whole again before a run.
const SETTLE_WITHIN: Duration = Duration::from_secs(60);

/// How long the final reads may take.
const READ_WITHIN: Duration = Duration::from_secs(60);

/// How often a sample is taken.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// How often it is looked whether the history can still be written.
const LOOK_AT_HISTORY_EVERY: Duration = Duration::from_millis(250);

/// What was played to the end.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// Operations planned for the measured load, where that is known.
    pub(super) planned: Option<u64>,
    /// What a sweep tried.
    pub(super) tried: Option<Tried>,
}

/// Plays all phases.
pub(super) async fn play(
    context: &Context<'_>,
    stage: &mut Stage,
    exits: mpsc::Receiver<UnexpectedExit>,
) -> Result<Played, Cut> {
    let failed = watch_for_failure(context, exits);
    // Biased: a failure is told as what it is, not as what it leads to. The phases stop where they are; the stage
    // comes down in order.
    tokio::select! {
        biased;
        reason = failed => Err(Cut::Failed(reason)),
        played = phases(context, stage) => played,
    }
}

async fn phases(context: &Context<'_>, stage: &mut Stage) -> Result<Played, Cut> {
    let resolved = &context.resolved;
    let plan = Arc::new(Plan::new(resolved)?);
    let schedule = Schedule::plan(resolved, load_duration(&resolved.scenario.load))?;
    Box::pin(unless_cancelled(context, set_up(context, stage, &plan))).await?;
    let (planned, tried, is_cut) = if let Some(order) = context.sweep {
        (context.observer)(Event::Phase(PhaseName::Load));
        stage.sampler = Some(Arc::new(sampler(context, stage, &Arc::default())?));
        (None, Some(Box::pin(sweep::sweep(context, stage, plan, order)).await?), false)
    } else {
        anatomy::record(context, stage, &plan).await?;
        let summary = load_and_faults(context, stage, plan, schedule).await?;
        (summary.planned, None, summary.cancelled)
    };

    context.enter(PhaseName::Drain);
    if let Some(links) = &stage.links {
        links.heal_all().await?;
        // Nothing more happens to them; the way down need not heal them again.
        stage.links = None;
    }
    let cut = if let (Some(witnesses), Some(sampler)) = (&stage.witnesses, &stage.sampler) {
        let drainage = Drainage {
            witnesses,
            sampler,
            obligations: &context.obligations,
            recorder: &context.recorder,
            settle_after: resolved.manifest.settle_after,
            deadline: resolved.scenario.drain_deadline,
            cancellation: &context.cancellation,
            observer: &context.observer,
        };
        let (drain, is_whole) = drainage.wait().await;
        stage.is_spoilt |= !is_whole;
        let cut = drain.end == DrainEnd::Cut;
        context.recorder.record(Entry::Drain(drain));
        context.enter(PhaseName::FinalReads);
        // A final read that failed is no failure of the run: what is missing makes the verdict unknown, and says so.
        if let Err(error) = witnesses.final_reads(Instant::now() + READ_WITHIN).await {
            (context.observer)(Event::Remark(format!("the final reads are not complete: {error}")));
        }
        cut
    } else {
        false
    };
    if cut || is_cut || context.cancellation.is_cancelled() {
        return Err(Cut::Interrupted);
    }
    Ok(Played { planned, tried })
}

/// Servers, links, witnesses, services.
async fn set_up(context: &Context<'_>, stage: &mut Stage, plan: &Plan) -> Result<(), Cut> {
    let resolved = &context.resolved;
    context.enter(PhaseName::Environment);
    let up = if let Some(standing) = context.standing {
        stage.is_shared = true;
        standing.enter(context, &stage.supervisor).await?
    } else {
        let needs = wiring::needs(resolved, &context.kind, &context.logs);
        Up::start(&needs, &stage.supervisor, std::slice::from_ref(resolved)).await?
    };
    let environment = Arc::clone(&up.environment);
    stage.environment = Some(up.environment);
    stage.links = up.links;
    stage.taps = up.taps;

    context.enter(PhaseName::Setup);
    let spec = wiring::witness_spec(context, &environment, plan)?;
    stage.witnesses = Some(Witnesses::start(spec, context.recorder.clone(), Arc::new(|_| {})).await?);
    if let Some(witnesses) = &stage.witnesses {
        let settled = witnesses.roles().settled(Instant::now() + SETTLE_WITHIN).await;
        settled.map_err(|missing| Cut::Failed(format!("the cluster is not whole before the load: {missing}")))?;
    }

    context.enter(PhaseName::Services);
    let specs = wiring::service_specs(context, &environment)?;
    stage.services = Some(Arc::new(Services::start(specs, &stage.supervisor, &context.logs).await?));
    stage.look_up_pids();
    Ok(())
}

/// The measured part: clients work, the nemesis strikes.
async fn load_and_faults(
    context: &Context<'_>,
    stage: &mut Stage,
    plan: Arc<Plan>,
    schedule: Schedule,
) -> Result<LoadSummary, Cut> {
    let scenario = &context.resolved.scenario;
    let progress = Arc::new(Progress::default());
    let sampler = Arc::new(sampler(context, stage, &progress)?);
    stage.sampler = Some(Arc::clone(&sampler));

    let schedule = ground::without_impossible(context, schedule)?;
    let spec = wiring::load_spec(context, stage, plan)?;
    // From here on nothing may take long: the lead is all the time there is.
    let start = context.recorder.now() + u64::try_from(LEAD.as_nanos()).expect("short");
    let load_start = context.recorder.clock().instant(start) + scenario.load.warm_up;
    let spec = LoadSpec { start, ..spec };
    let stop = CancellationToken::new();
    let (striking, faults) = match (&stage.links, &stage.environment, &stage.services) {
        (Some(links), Some(environment), Some(services)) => {
            let (environment, services) = (Arc::clone(environment), Arc::clone(services));
            let roles = stage.witnesses.as_ref().expect("the stage is set").roles();
            let processes = Arc::new(Processes { environment, services, sampler, roles });
            let (nemesis, faults) = Nemesis::new(links.clone(), processes, context.recorder.clone());
            let ambush = |taps: &Arc<Taps>| {
                Ambush::new(taps.control(), context.names.manifest_topics(), context.recorder.clone())
            };
            let nemesis = nemesis.with_ambush(stage.taps.as_ref().map(ambush));
            let stop = stop.clone();
            let strike = async move { nemesis.run(schedule, load_start.into(), stop).await };
            (Either::Left(strike), Some(faults))
        }
        _ => (Either::Right(async { FaultLog::default() }), None),
    };
    show(context, &progress, start, faults);

    let loading = async {
        let summary = load::run(spec, context.cancellation.clone(), progress).await;
        // No fault outlives the load: what is still in place is healed now.
        stop.cancel();
        summary
    };
    let (summary, log) = tokio::join!(loading, striking);
    stage.is_spoilt |= log.not_healed().next().is_some();
    tell_faults(context, &log)?;
    Ok(summary?)
}

/// A fault for time 0 that was never in place makes the run prove nothing; later ones make its verdict unknown.
fn tell_faults(context: &Context<'_>, log: &FaultLog) -> Result<(), Cut> {
    // Of a run that was told to stop, nothing is asked.
    if let Some((fault, reason)) = log.missing_at_start().next()
        && !context.cancellation.is_cancelled()
    {
        return Err(Cut::Failed(format!("{} was not in place when the load began: {reason}", fault.name())));
    }
    for (fault, reason) in log.not_injected() {
        (context.observer)(Event::Remark(format!("{} could not be injected: {reason}", fault.name())));
    }
    for (fault, reason) in log.not_healed() {
        (context.observer)(Event::Remark(format!("{} could not be healed: {reason}", fault.name())));
    }
    Ok(())
}

fn sampler(context: &Context<'_>, stage: &Stage, progress: &Arc<Progress>) -> Result<Sampler, Cut> {
    let witnesses = stage.witnesses.as_ref().expect("the stage is set");
    let gauges =
        Gauges { processes: usage_of(stage), in_flight: in_flight_of(progress, context), wire: wire_of(stage) };
    Ok(witnesses.sampler(SAMPLE_EVERY, gauges)?)
}

fn usage_of(stage: &Stage) -> Arc<dyn Fn() -> BTreeMap<String, crate::history::entry::ProcessSample> + Send + Sync> {
    let pids = Arc::clone(&stage.pids);
    Arc::new(move || Stage::usage(&pids))
}

fn wire_of(stage: &Stage) -> Arc<dyn Fn() -> BTreeMap<String, WireSample> + Send + Sync> {
    let taps = stage.taps.clone();
    Arc::new(move || taps.as_ref().map(|taps| wire::samples(taps)).unwrap_or_default())
}

fn in_flight_of(progress: &Arc<Progress>, context: &Context<'_>) -> Arc<dyn Fn() -> u64 + Send + Sync> {
    let (progress, clock) = (Arc::clone(progress), context.recorder.clock());
    Arc::new(move || progress.view(clock.now()).in_flight)
}

/// Gives whoever watches a view of the load.
fn show(context: &Context<'_>, progress: &Arc<Progress>, start: u64, faults: Option<watch::Receiver<Vec<String>>>) {
    let (progress, clock) = (Arc::clone(progress), context.recorder.clock());
    let load = &context.resolved.scenario.load;
    let total = load.warm_up + load_duration(load);
    (context.observer)(Event::Phase(PhaseName::Load));
    (context.observer)(Event::Load(Arc::new(move || {
        let now = clock.now();
        let view = progress.view(now);
        Live {
            elapsed: Duration::from_nanos(now.saturating_sub(start)).min(total),
            total,
            rate: view.rate as f64,
            in_flight: view.in_flight,
            p99: view.p99,
            ok: view.outcomes.ok,
            fail: view.outcomes.fail,
            info: view.outcomes.info,
            faults: faults.as_ref().map(|faults| faults.borrow().clone()).unwrap_or_default(),
        }
    })));
}

/// Why the run cannot go on: the history cannot be written, or a server ended by itself. A service under test that
/// ends by itself is no failure of the run: it is recorded, and told.
async fn watch_for_failure(context: &Context<'_>, mut exits: mpsc::Receiver<UnexpectedExit>) -> String {
    let mut ticks = tokio::time::interval(LOOK_AT_HISTORY_EVERY);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                if let Some(failure) = context.recorder.failure() {
                    return format!("the history can no longer be written: {failure}");
                }
            }
            Some(exit) = exits.recv() => {
                let lines = exit.last_lines.join("\n    ");
                let what = format!("{} ended by itself ({}); its last lines:\n    {lines}", exit.process, exit.status);
                if context.resolved.instances().iter().any(|instance| instance.name == exit.process) {
                    (context.observer)(Event::Remark(what));
                } else {
                    return what;
                }
            }
        }
    }
}

async fn unless_cancelled<T>(context: &Context<'_>, step: impl Future<Output = Result<T, Cut>>) -> Result<T, Cut> {
    tokio::select! {
        () = context.cancellation.cancelled() => Err(Cut::Interrupted),
        done = step => done,
    }
}
