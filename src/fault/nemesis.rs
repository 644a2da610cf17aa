//! Carries out a schedule: each fault in a task of its own, since several may be in place at once. Whatever it did it
//! takes back, also when it is told to stop early; each step goes into the history.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::ambush::Ambush;
use super::fault::{Fault, FaultKind};
use super::life::Life;
use super::schedule::Schedule;
use super::target::Strikes;
use crate::history::entry::{Entry, FaultEvent, FaultStep};
use crate::history::recorder::Recorder;
use crate::link::Links;
use crate::witness::Role;

/// Ends, stops and continues services and dependencies by name. Each answer says in words how it was confirmed.
pub trait Processes: Send + Sync + 'static {
    /// SIGKILL; returns once the process is dead.
    fn kill(&self, name: &str) -> impl Future<Output = anyhow::Result<String>> + Send;
    /// Starts a killed process again; returns once it is ready. One that was never killed is left as it is.
    fn restart(&self, name: &str) -> impl Future<Output = anyhow::Result<String>> + Send;
    /// SIGSTOP; returns once the process stands still.
    fn pause(&self, name: &str) -> impl Future<Output = anyhow::Result<String>> + Send;
    /// SIGCONT; returns once the process goes on. One that was never stopped is left as it is.
    fn resume(&self, name: &str) -> impl Future<Output = anyhow::Result<String>> + Send;
}

/// Asks the servers of clusters who plays which role, and brings about what only they can do. Each answer is asked of the
/// servers at that moment.
pub trait Cluster: Send + Sync + 'static {
    /// The name of the server that plays a role now.
    fn resolve(&self, role: &Role) -> impl Future<Output = anyhow::Result<String>> + Send;
    /// The primary steps down and is not elected again for so many seconds; in words, what became of it.
    fn step_down(&self, seconds: u32) -> impl Future<Output = anyhow::Result<String>> + Send;
    /// Makes a member primary at once.
    fn step_up(&self, server: &str) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// Waits until every member holds everything that is written until now.
    fn replicate_everywhere(&self) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// Writes until the oplog has forgotten what it holds now; in words, what it took.
    fn roll_oplog(&self) -> impl Future<Output = anyhow::Result<String>> + Send;
}

/// How each fault of a schedule ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultLog {
    /// In the schedule's order.
    pub faults: Vec<(Fault, FaultOutcome)>,
}

impl FaultLog {
    /// Faults for time 0 that were not in place when the load began: the run proves nothing (exit 3).
    pub fn missing_at_start(&self) -> impl Iterator<Item = (&Fault, &str)> {
        // What waits for a message is in place from the start, and strikes when that comes.
        self.not_injected().filter(|(fault, _)| fault.at.is_zero() && !matches!(fault.kind, FaultKind::Message(_)))
    }

    /// Faults that could not be injected, and why.
    pub fn not_injected(&self) -> impl Iterator<Item = (&Fault, &str)> {
        self.faults.iter().filter_map(|(fault, outcome)| match outcome {
            FaultOutcome::NotInjected(reason) | FaultOutcome::HalfInjected(reason) => Some((fault, reason.as_str())),
            _ => None,
        })
    }

    /// Faults that could not be healed, and why.
    pub fn not_healed(&self) -> impl Iterator<Item = (&Fault, &str)> {
        self.faults.iter().filter_map(|(fault, outcome)| match outcome {
            FaultOutcome::NotHealed(reason) | FaultOutcome::HalfInjected(reason) => Some((fault, reason.as_str())),
            _ => None,
        })
    }
}

/// How one fault ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultOutcome {
    /// It was in place and is gone.
    Healed,
    /// It could not be injected; what was in place of it is gone.
    NotInjected(String),
    /// It could not be injected as a whole, and a part of it may still be there.
    HalfInjected(String),
    /// It was in place and may still be.
    NotHealed(String),
    /// This variant has nobody to strike.
    NotApplicable,
    /// The run stopped before its time came.
    NotStarted,
}

/// Carries out schedules; cheap to clone.
#[derive(Debug)]
pub struct Nemesis<P> {
    pub(super) links: Links,
    pub(super) processes: Arc<P>,
    recorder: Recorder,
    pub(super) active: Arc<Active>,
    pub(super) ambush: Option<Ambush>,
}

impl<P> Clone for Nemesis<P> {
    fn clone(&self) -> Self {
        let (links, processes) = (self.links.clone(), Arc::clone(&self.processes));
        let (recorder, active, ambush) = (self.recorder.clone(), Arc::clone(&self.active), self.ambush.clone());
        Self { links, processes, recorder, active, ambush }
    }
}

/// The faults in place, for the terminal.
#[derive(Debug)]
pub(super) struct Active {
    by_id: Mutex<BTreeMap<u32, String>>,
    view: watch::Sender<Vec<String>>,
}

impl Active {
    /// Changes them, and shows them as they are then.
    pub(super) fn change(&self, change: impl FnOnce(&mut BTreeMap<u32, String>)) {
        let mut by_id = self.by_id.lock().expect("nothing panics while it holds the active faults");
        change(&mut by_id);
        self.view.send_replace(by_id.values().cloned().collect());
    }
}

impl<P: Processes + Cluster> Nemesis<P> {
    /// A nemesis, and a view of the faults that are in place.
    pub fn new(links: Links, processes: Arc<P>, recorder: Recorder) -> (Self, watch::Receiver<Vec<String>>) {
        let (view, faults) = watch::channel(Vec::new());
        let active = Arc::new(Active { by_id: Mutex::default(), view });
        (Self { links, processes, recorder, active, ambush: None }, faults)
    }

    /// The same on links with taps, where faults can fall on exact messages.
    #[must_use]
    pub fn with_ambush(self, ambush: Option<Ambush>) -> Self {
        Self { ambush, ..self }
    }

    /// Carries out a schedule whose time 0 is `load_start`; returns when every fault is healed or given up. Once it is told
    /// to stop, nothing more is injected, and everything in place is healed.
    pub async fn run(&self, schedule: Schedule, load_start: Instant, stop: CancellationToken) -> FaultLog {
        let mut log = FaultLog::default();
        let mut tasks = JoinSet::new();
        let mut places = HashMap::new();
        let topology = Arc::new(schedule.topology);
        for (place, (fault, strikes)) in schedule.faults.into_iter().enumerate() {
            // A task that panics leaves this behind.
            let unknown = FaultOutcome::NotHealed("its task panicked; what is in place of it is not known".to_owned());
            log.faults.push((fault.clone(), unknown));
            let topology = Arc::clone(&topology);
            let life = Life { nemesis: self.clone(), topology, fault, strikes, stop: stop.clone() };
            let handle = tasks.spawn(life.live(load_start));
            places.insert(handle.id(), place);
        }
        while let Some(ended) = tasks.join_next_with_id().await {
            match ended {
                Ok((task, outcome)) => log.faults[places[&task]].1 = outcome,
                Err(error) => {
                    let (fault, FaultOutcome::NotHealed(reason)) = &log.faults[places[&error.id()]] else {
                        unreachable!("an outcome is replaced only by its own task's");
                    };
                    self.record(fault, &Strikes::Nobody, FaultStep::Failed, Some(reason.clone()));
                    self.active.change(|active| {
                        active.remove(&fault.id);
                    });
                }
            }
        }
        log
    }

    pub(super) fn record(&self, fault: &Fault, strikes: &Strikes, step: FaultStep, detail: Option<String>) {
        self.recorder.record(Entry::Fault(FaultEvent {
            at: self.recorder.now(),
            fault: fault.id,
            step,
            what: fault.name(),
            targets: strikes.names(),
            detail,
        }));
    }
}
