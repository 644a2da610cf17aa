//! Everything that is up while a run goes on, and how it comes down, from whatever point the run has reached.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinHandle;

use super::context::{Context, in_words};
use super::event::Event;
use super::ground;
use crate::environment::Environment;
use crate::history::entry::{PhaseName, ProcessSample};
use crate::link::Links;
use crate::link::tap::Taps;
use crate::process::{Supervisor, usage};
use crate::service::Services;
use crate::witness::{Sampler, Witnesses};

/// How long healing all links may take on the way down.
const HEAL_WITHIN: Duration = Duration::from_secs(30);

/// How long the removal of a run's database and topics may take on torn's own servers.
const REMOVE_WITHIN: Duration = Duration::from_secs(30);

/// The same on somebody else's: what a killed service left open in a transaction is locked for as long as the server lets
/// one live, by default 60 s (`transactionLifetimeLimitSeconds`), and the server looks for such only every half of that.
const REMOVE_EXTERNAL_WITHIN: Duration = Duration::from_secs(100);

/// How often the process ids for the samples are looked up.
const LOOK_UP_EVERY: Duration = Duration::from_millis(500);

/// What is up.
pub(super) struct Stage {
    pub(super) supervisor: Supervisor,
    pub(super) environment: Option<Arc<Environment>>,
    /// Whether the servers stay up for further runs; then this one leaves nothing of its own in them.
    pub(super) is_shared: bool,
    /// Whether they are not as they were before the run: a fault is not healed, or a cluster not whole again.
    pub(super) is_spoilt: bool,
    pub(super) links: Option<Links>,
    pub(super) taps: Option<Arc<Taps>>,
    pub(super) witnesses: Option<Witnesses>,
    pub(super) sampler: Option<Arc<Sampler>>,
    pub(super) services: Option<Arc<Services>>,
    /// Name → process id, for the samples.
    pub(super) pids: Arc<Mutex<BTreeMap<String, u32>>>,
    look_up: Option<JoinHandle<()>>,
}

impl Stage {
    pub(super) fn new(supervisor: Supervisor) -> Self {
        Self {
            supervisor,
            environment: None,
            is_shared: false,
            is_spoilt: false,
            links: None,
            taps: None,
            witnesses: None,
            sampler: None,
            services: None,
            pids: Arc::default(),
            look_up: None,
        }
    }

    /// Keeps the process ids for the samples up to date.
    pub(super) fn look_up_pids(&mut self) {
        let environment = self.environment.as_ref().map(Arc::downgrade);
        let services = self.services.as_ref().map(Arc::downgrade);
        let pids = Arc::clone(&self.pids);
        if let Some(previous) = self.look_up.take() {
            previous.abort();
        }
        self.look_up = Some(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(LOOK_UP_EVERY);
            loop {
                ticks.tick().await;
                let mut all = Vec::new();
                if let Some(environment) = environment.as_ref().and_then(std::sync::Weak::upgrade) {
                    all.extend(environment.processes().await);
                }
                if let Some(services) = services.as_ref().and_then(std::sync::Weak::upgrade) {
                    all.extend(services.processes().await);
                }
                *pids.lock().unwrap_or_else(PoisonError::into_inner) = all.into_iter().collect();
            }
        }));
    }

    /// What each process has used; `torn` is the harness itself.
    pub(super) fn usage(pids: &Mutex<BTreeMap<String, u32>>) -> BTreeMap<String, ProcessSample> {
        let by_group = usage::by_group();
        let pids = pids.lock().unwrap_or_else(PoisonError::into_inner);
        let mut samples: BTreeMap<String, ProcessSample> =
            pids.iter().filter_map(|(name, pid)| Some((name.clone(), *by_group.get(pid)?))).collect();
        samples.extend(usage::own().map(|own| ("torn".to_owned(), own)));
        samples
    }

    /// Takes everything down, in the order that loses nothing: heal, services, witnesses, servers, guard.
    pub(super) async fn down(mut self, context: &Context<'_>) -> anyhow::Result<()> {
        context.enter(PhaseName::Stop);
        let mut first_error = Ok(());
        let mut note = |result: anyhow::Result<()>| {
            if first_error.is_ok() {
                first_error = result;
            }
        };
        if let Some(look_up) = self.look_up.take() {
            look_up.abort();
            let _ = look_up.await;
        }
        if let Some(links) = self.links.take() {
            // Only after a cut (the drain begins by healing): this is what lets the services stop in order.
            let healed = tokio::time::timeout(HEAL_WITHIN, links.heal_all()).await;
            note(healed.context("the links did not heal in time").and_then(|healed| Ok(healed.map(|_| ())?)));
        }
        if let Some(services) = self.services.take().and_then(Arc::into_inner) {
            note(services.stop().await.context("a service did not stop"));
        }
        if let Some(sampler) = self.sampler.take().and_then(Arc::into_inner) {
            sampler.stop().await;
        }
        if let Some(witnesses) = self.witnesses.take() {
            if self.is_shared && context.kind.external().is_none() {
                let removed = witnesses.remove(Instant::now() + REMOVE_WITHIN).await;
                note(removed.context("the run's database and topics could not be removed"));
            } else {
                witnesses.stop().await;
            }
        }
        if self.environment.is_some() {
            // Whether the witnesses ever came up or not. The history is complete by now: what is left behind is told, and
            // is no reason not to judge it.
            if let Err(error) = ground::remove_own(context, Instant::now() + REMOVE_EXTERNAL_WITHIN).await {
                let left = ground::own_in_words(context);
                let reason = in_words(&error);
                (context.observer)(Event::Remark(format!(
                    "not all that the run made could be removed ({left}): {reason}; list what is left with `torn external \
                     clean`, and remove it with --yes"
                )));
            }
        }
        let environment = self.environment.take();
        if let Some(environment) = environment.filter(|_| !self.is_shared).and_then(Arc::into_inner) {
            note(environment.down().await.context("a server did not stop"));
        }
        note(self.supervisor.finish().await.context("the guard could not clean up"));
        first_error
    }
}
