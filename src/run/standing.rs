//! Servers that stay up between the runs of one invocation. A cluster takes many times longer to come up than a run of a
//! matrix lasts; each run has a database, topics and groups of its own in it, and removes them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;

use super::context::{Context, Cut};
use super::wiring;
use crate::environment::{Environment, Kind, Needs};
use crate::link::tap::Taps;
use crate::link::{Link, Links};
use crate::process::Supervisor;
use crate::scenario::matrix::cell;
use crate::scenario::resolved::Resolved;

/// Whose servers those of a run are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Its own.
    Own,
    /// Several runs'.
    Shared,
}

impl Sharing {
    /// Whether it pays to let the servers of one of these runs serve the next: a cluster takes longer to come up than a
    /// run lasts, and a matrix has many runs.
    pub fn of(runs: &[Resolved]) -> Self {
        let pays = |resolved: &Resolved| resolved.scenario.has_cluster() || cell(resolved).is_some();
        if runs.iter().any(pays) { Self::Shared } else { Self::Own }
    }
}

/// The servers that several runs share.
pub struct Standing {
    runs: Vec<Resolved>,
    kind: Kind,
    logs: PathBuf,
    torn: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Owns the servers' processes, from before the first of them starts.
    supervisor: Option<Supervisor>,
    up: Option<Up>,
}

/// What a run gets.
#[derive(Clone)]
pub(super) struct Up {
    pub(super) environment: Arc<Environment>,
    pub(super) links: Option<Links>,
    pub(super) taps: Option<Arc<Taps>>,
}

impl Up {
    /// Brings servers and links up.
    pub(super) async fn start(needs: &Needs, supervisor: &Supervisor, resolved: &[Resolved]) -> Result<Self, Cut> {
        let environment = Arc::new(Environment::up(needs, supervisor).await?);
        let mut specs = environment.link_specs();
        specs.extend(wiring::client_links(&environment, resolved)?);
        let mut taps = None;
        if resolved.iter().any(|resolved| resolved.scenario.is_tapped()) {
            taps = Some(Arc::new(Taps::start(specs.iter().map(wiring::tap_spec).collect()).await?));
        }
        let tap = |link: &Link| taps.as_ref().and_then(|taps| taps.address(link));
        let mut links = None;
        if !specs.is_empty() {
            links = Some(Links::create_through(environment.toxiproxy_api()?, specs, tap).await?);
        }
        environment.serve().await?;
        Ok(Self { environment, links, taps })
    }
}

impl Standing {
    /// For these runs; `logs` is where the servers' logs go, `torn` the program to start as the guard. Nothing is started
    /// yet.
    pub fn new(runs: &[Resolved], kind: &Kind, logs: &Path, torn: &Path) -> Self {
        Self {
            runs: runs.to_vec(),
            kind: kind.clone(),
            logs: logs.to_owned(),
            torn: torn.to_owned(),
            state: Mutex::default(),
        }
    }

    /// The servers for one run; brings them up where none are, or others than this run needs. What happens to them is told
    /// as to `own`.
    pub(super) async fn enter(&self, context: &Context<'_>, own: &Supervisor) -> Result<Up, Cut> {
        let mut state = self.state.lock().await;
        let (runs, needs) = self.needs(&context.resolved);
        if let (Some(supervisor), Some(up)) = (&state.supervisor, &state.up)
            && *up.environment.needs() == needs
        {
            supervisor.tell_as(Some(own));
            return Ok(up.clone());
        }
        state.down().await?;
        let name = format!("{}-servers", context.names.run);
        let data = std::env::temp_dir().join(&name);
        let (supervisor, _exits) = Supervisor::start(&name, &data, &self.torn, context.recorder.clone())?;
        supervisor.tell_as(Some(own));
        state.supervisor = Some(supervisor.clone());
        let up = Up::start(&needs, &supervisor, &runs).await?;
        state.up = Some(up.clone());
        Ok(up)
    }

    /// A run has ended in order: the servers wait for the next, and hold its history no longer.
    pub(super) async fn leave(&self) {
        if let Some(supervisor) = &self.state.lock().await.supervisor {
            supervisor.tell_as(None);
        }
    }

    /// Ends the servers: after the last run, or after one that leaves them in a state that nobody knows.
    ///
    /// # Errors
    /// When one cannot be ended.
    pub async fn down(&self) -> anyhow::Result<()> {
        self.state.lock().await.down().await
    }

    /// What this run needs, and all others that have the same servers.
    pub(super) fn needs(&self, resolved: &Resolved) -> (Vec<Resolved>, Needs) {
        joined_needs(resolved, &self.runs, &self.kind, &self.logs)
    }
}

/// Those of some runs that have the same servers as this one, and everything that they need.
pub(super) fn joined_needs(
    resolved: &Resolved,
    among: &[Resolved],
    kind: &Kind,
    logs: &Path,
) -> (Vec<Resolved>, Needs) {
    let mut all = wiring::needs(resolved, kind, logs);
    let servers = |needs: &Needs| (needs.nodes.clone(), needs.mongodb, needs.kafka);
    let mut runs = Vec::new();
    // Each run's needs joined in the same order, so that all of them ask for the same.
    let mut joined: Option<Needs> = None;
    for run in among {
        let needs = wiring::needs(run, kind, logs);
        if servers(&needs) != servers(&all) {
            continue;
        }
        runs.push(run.clone());
        match &mut joined {
            Some(joined) => joined.join(needs),
            None => joined = Some(needs),
        }
    }
    if let Some(joined) = joined {
        all = joined;
    }
    (runs, all)
}

impl State {
    async fn down(&mut self) -> anyhow::Result<()> {
        let stopped = match self.up.take() {
            Some(Up { environment, links, taps }) => {
                drop((links, taps));
                match Arc::into_inner(environment) {
                    Some(environment) => environment.down().await,
                    // A run that was cut short still holds it; the guard ends what it cannot.
                    None => Ok(()),
                }
            }
            None => Ok(()),
        };
        if let Some(supervisor) = self.supervisor.take() {
            supervisor.tell_as(None);
            supervisor.finish().await?;
        }
        Ok(stopped?)
    }
}
