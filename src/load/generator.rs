//! The run of a load, on a thread and a runtime of its own, so that nothing else the harness does delays it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hyper::{Method, Uri};
use thiserror::Error;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::arrivals::{Arrivals, crews, load_duration};
use super::client::{Client, raise_open_files};
use super::lateness::{IN_FLIGHT_AT_MOST, Punctuality};
use super::operation::{Office, Route};
use super::phases::Phases;
use super::progress::Progress;
use super::{closed_loop, open_loop};
use crate::checker::verdict::OperationCount;
use crate::history::entry::Nanos;
use crate::history::recorder::Recorder;
use crate::scenario::file::Load;
use crate::scenario::plan::{Plan, PlannedKind};

/// Open files kept for everything that is not a client's connection.
const OTHER_OPEN_FILES: u64 = 256;

/// Connections opened before the load when it has no `workers`: what this much of the first second's operations need.
const CONNECTIONS_PER_RATE: f64 = 0.1;

/// Room after the last deadline of an operation, before its task is ended by force.
const END_GRACE: Duration = Duration::from_secs(1);

/// What to run.
#[derive(Debug, Clone)]
pub struct LoadSpec {
    /// The operations.
    pub plan: Arc<Plan>,
    /// How many, how often, with which patience.
    pub load: Load,
    /// The scenario's seed.
    pub seed: u64,
    /// Where the instances are reached, through the clients' links, by instance.
    pub targets: BTreeMap<String, Target>,
    /// Where the history goes, and whose clock it is.
    pub recorder: Recorder,
    /// The first moment of the warm-up. Leave some 200 ms for opening connections.
    pub start: Nanos,
}

/// Where one instance is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `http://127.0.0.1:4711`, with or without a path before all others.
    pub base: String,
    /// Asked while connections are opened before the load; the answers are not looked at.
    pub ready_path: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadSummary {
    /// Arrivals that the plan has for the measured load; none for a closed loop. What the history's `end` tells.
    pub planned: Option<u64>,
    /// How punctually the generator worked: offered and started operations, lateness, saturation.
    pub punctuality: Punctuality,
    /// Operations of the measured load by outcome.
    pub outcomes: OperationCount,
    /// Whether it was stopped before its time.
    pub cancelled: bool,
    /// When the load ended: no operation started later.
    pub end: Nanos,
}

impl LoadSummary {
    /// Operations of the measured load that ended.
    pub fn completed(&self) -> u64 {
        self.outcomes.ok + self.outcomes.fail + self.outcomes.info
    }
}

/// Why a load cannot be run to its end.
#[derive(Debug, Error)]
pub enum LoadError {
    /// An instance has no address.
    #[error(
        "operation `{operation}` is sent to {instance}, which has no address; is the process part of this variant?"
    )]
    NoTarget {
        /// The operation.
        operation: String,
        /// The instance.
        instance: String,
    },
    /// An address is not one for HTTP.
    #[error("{instance}: `{address}` is no address of an HTTP server; write http://host:port (https is not spoken)")]
    Address {
        /// The instance.
        instance: String,
        /// Its address.
        address: String,
    },
    /// A method is none.
    #[error("operation `{operation}`: `{method}` is no HTTP method; write GET, POST, PUT, PATCH or DELETE")]
    Method {
        /// The operation.
        operation: String,
        /// The method.
        method: String,
    },
    /// The thread or its runtime cannot be started.
    #[error("the load generator cannot be started: {0}")]
    Start(#[from] std::io::Error),
    /// An own bug.
    #[error("the load generator panicked: {0}; this is a bug in torn")]
    Panicked(String),
}

/// Runs a load to its end, or until `cancellation`: then nothing more is started, and what is under way is awaited for
/// at most the client's timeout. Dropping the future cancels it too.
///
/// # Errors
/// When it cannot be started, or has a bug. The history is consistent all the same.
pub async fn run(
    spec: LoadSpec,
    cancellation: CancellationToken,
    progress: Arc<Progress>,
) -> Result<LoadSummary, LoadError> {
    let routes = routes(&spec)?;
    let cancellation = cancellation.child_token();
    let cancel_when_dropped = cancellation.clone().drop_guard();
    let (done, summary) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("load".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let result = runtime.map_err(LoadError::Start).and_then(|runtime| {
            let result = runtime.block_on(generate(spec, routes, &cancellation, progress));
            // Name look-ups are all that may still block; nobody waits for their answer any more.
            runtime.shutdown_background();
            result
        });
        let _ = done.send(result);
    })?;
    let summary = summary.await;
    drop(cancel_when_dropped);
    // The sender is used or dropped as the thread's last act, so this waits for nothing.
    match (thread.join(), summary) {
        (Ok(()), Ok(summary)) => summary,
        (Err(panic), _) => Err(LoadError::Panicked(panic_text(panic.as_ref()))),
        (Ok(()), Err(_)) => unreachable!("a thread that ends in order has sent its result"),
    }
}

async fn generate(
    spec: LoadSpec,
    routes: Vec<Route>,
    cancellation: &CancellationToken,
    progress: Arc<Progress>,
) -> Result<LoadSummary, LoadError> {
    let client = Client::new(spec.load.timeout);
    let open_files = raise_open_files();
    let start = spec.recorder.clock().instant(spec.start).into();
    let uris = ready_uris(&spec);
    client.open_connections(&uris, connections_each(&spec, uris.len()), start).await;

    let arrivals = Arrivals::new(&spec.load, spec.seed);
    let planned = arrivals.as_ref().map(Arrivals::planned);
    let phases = Phases::new(spec.recorder.clone(), spec.start, spec.load.warm_up, load_duration(&spec.load));
    let office = Arc::new(office(&spec, routes, client, phases, &progress, cancellation));

    let mut tasks = JoinSet::new();
    let offered = if let Some(arrivals) = arrivals {
        let in_flight = open_files.saturating_sub(OTHER_OPEN_FILES).clamp(1, u64::from(IN_FLIGHT_AT_MOST)) as u32;
        let offered = open_loop::release_all(&office, arrivals, spec.load.workers, in_flight, &mut tasks).await;
        Some(offered.map_err(panicked)?)
    } else {
        let crews = crews(&spec.load).expect("a load without arrivals is a closed loop");
        closed_loop::run_crews(&office, &crews, &mut tasks).await.map_err(panicked)?;
        None
    };
    let cancelled = cancellation.is_cancelled();
    let end = end_load(&office, cancelled);
    drain(&office, cancelled, &mut tasks).await?;

    let saturated = offered.is_some_and(|offered| offered.saturated);
    let (outcomes, punctuality) = progress.measured(offered.map(|offered| offered.load), saturated);
    Ok(LoadSummary { planned, punctuality, outcomes, cancelled, end })
}

pub(super) fn office(
    spec: &LoadSpec,
    routes: Vec<Route>,
    client: Client,
    phases: Phases,
    progress: &Arc<Progress>,
    cancellation: &CancellationToken,
) -> Office {
    Office {
        plan: Arc::clone(&spec.plan),
        routes,
        client,
        timeout: spec.load.timeout,
        retry: spec.load.retry.clone(),
        recorder: spec.recorder.clone(),
        progress: Arc::clone(progress),
        phases,
        cancellation: cancellation.clone(),
        over: cancellation.child_token(),
    }
}

/// From here on nothing starts.
fn end_load(office: &Office, cancelled: bool) -> Nanos {
    office.over.cancel();
    let (_, last_start) = office.progress.starts();
    let end = if cancelled { office.recorder.now() } else { office.phases.end.max(last_start) };
    office.phases.leave(end);
    end
}

/// Waits for the operations under way. Each has deadlines of its own; past the last of them (a starved machine) the rest
/// is given up: in the history they stay without a completion, which means `info`.
async fn drain(office: &Office, cancelled: bool, tasks: &mut JoinSet<u32>) -> Result<(), LoadError> {
    let attempts = if cancelled { 1 } else { office.retry.attempts.max(1) };
    let patience = (office.timeout + office.retry.pause) * attempts + END_GRACE;
    let deadline = tokio::time::Instant::now() + patience;
    while let Ok(Some(ended)) = tokio::time::timeout_at(deadline, tasks.join_next()).await {
        ended.map_err(panicked)?;
    }
    tasks.shutdown().await;
    Ok(())
}

pub(super) fn routes(spec: &LoadSpec) -> Result<Vec<Route>, LoadError> {
    spec.plan.kinds().iter().map(|kind| route(spec, kind)).collect()
}

fn route(spec: &LoadSpec, kind: &PlannedKind) -> Result<Route, LoadError> {
    let method: Method = kind
        .spec
        .method
        .parse()
        .map_err(|_| LoadError::Method { operation: kind.name.clone(), method: kind.spec.method.clone() })?;
    let base = |instance: &String| {
        let Some(Target { base: address, .. }) = spec.targets.get(instance) else {
            return Err(LoadError::NoTarget { operation: kind.name.clone(), instance: instance.clone() });
        };
        let is_http = |uri: &Uri| uri.scheme_str() == Some("http") && uri.host().is_some() && uri.query().is_none();
        match address.parse::<Uri>() {
            Ok(uri) if is_http(&uri) => Ok(address.trim_end_matches('/').to_owned()),
            _ => Err(LoadError::Address { instance: instance.clone(), address: address.clone() }),
        }
    };
    Ok(Route { method, bases: kind.instances.iter().map(base).collect::<Result<_, _>>()? })
}

/// What is asked of each instance that serves operations while connections are opened.
fn ready_uris(spec: &LoadSpec) -> Vec<Uri> {
    let instances: BTreeSet<&String> = spec.plan.kinds().iter().flat_map(|kind| &kind.instances).collect();
    let targets = instances.into_iter().filter_map(|instance| spec.targets.get(instance));
    targets.filter_map(|target| [target.base.trim_end_matches('/'), &target.ready_path].concat().parse().ok()).collect()
}

/// Connections to open to each of so many targets before the load.
fn connections_each(spec: &LoadSpec, targets: usize) -> u32 {
    let load = &spec.load;
    let rate = load.rate.or_else(|| load.stages.first().and_then(|stage| stage.from.or(stage.rate)));
    let by_rate = (rate.unwrap_or_default() * CONNECTIONS_PER_RATE).ceil() as u32;
    let largest_crew = load.stages.iter().filter_map(|stage| stage.workers).max();
    load.workers.or(largest_crew).unwrap_or(by_rate).div_ceil(targets.max(1) as u32).max(1)
}

fn panicked(error: JoinError) -> LoadError {
    LoadError::Panicked(match error.try_into_panic() {
        Ok(panic) => panic_text(panic.as_ref()),
        Err(error) => error.to_string(),
    })
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
