//! A server in a container over all its lives: it is killed and started again with the same data and the same log, and
//! the history tells of each step.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use testcontainers::bollard::models::{HostConfig, PortBinding};
use testcontainers::bollard::query_parameters::KillContainerOptionsBuilder;
use testcontainers::core::IntoContainerPort;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};
use tokio::sync::Mutex;

use super::DockerError;
use super::daemon::{Daemon, HARNESS_LABEL, RUN_LABEL, SERVER_LABEL, status_of};
use super::image::Image;
use super::leftovers::harness;
use super::life::{Exit, Life, Watched};
use crate::environment::EnvironmentError;
use crate::history::entry::ProcessStep;
use crate::process::{ProcessError, Supervisor, UnexpectedExit, last_lines};

/// How long the daemon may take to make and start a container: with the storage driver vfs it copies the whole image.
const START_DEADLINE: Duration = Duration::from_secs(120);

/// How long a container may take to end after SIGKILL.
const KILL_DEADLINE: Duration = Duration::from_secs(20);

/// How many lines of its log the run is told when it ends by itself.
const LAST_LINES: usize = 10;

/// What the daemon says when somebody else has a port.
const TAKEN: [&str; 2] = ["port is already allocated", "address already in use"];

/// Where containers are made.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) daemon: Daemon,
    pub(super) supervisor: Supervisor,
    pub(super) log_folder: PathBuf,
}

/// What a container is made from.
#[derive(Debug)]
pub(super) struct Blueprint<'a> {
    /// `mongodb`, ….
    pub(super) name: &'static str,
    pub(super) image: &'a Image,
    /// What follows its entry point; empty: what the image says.
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) network: Network,
}

/// What a container's ports are to the host.
#[derive(Debug, Clone)]
pub(super) enum Network {
    /// These are published on 127.0.0.1, under the same numbers.
    Published(Vec<u16>),
    /// All are the host's own.
    Host,
}

/// One server.
#[derive(Debug)]
pub(super) struct Container {
    name: &'static str,
    watched: Watched,
    supervisor: Supervisor,
    // Held for as long as a step takes, so that a kill and a restart of one container come one after the other. Dropped
    // before the container, whose removal is then nothing unexpected.
    state: Mutex<State>,
    handle: ContainerAsync<GenericImage>,
}

#[derive(Debug)]
struct State {
    life: Arc<Life>,
    was_ready: Arc<AtomicBool>,
}

impl Container {
    /// Makes it, starts it and waits until `ready`, which is given its life, says so. One that does not come up is
    /// removed.
    pub(super) async fn start<F>(
        blueprint: Blueprint<'_>,
        site: &Site,
        ready: impl FnOnce(Arc<Life>) -> F,
    ) -> Result<Self, EnvironmentError>
    where
        F: Future<Output = Result<(), EnvironmentError>>,
    {
        let name = blueprint.name;
        let log = site.log_folder.join(format!("{name}.log"));
        let handle = match request(&blueprint, site).start().await {
            Ok(handle) => handle,
            Err(error) => {
                // It may be there all the same: made, but not started.
                remove_of(&site.daemon, site.supervisor.run(), name).await?;
                let cause = error.to_string();
                let is_taken = TAKEN.iter().any(|words| cause.contains(words));
                let server = name.to_owned();
                let refused = if is_taken {
                    DockerError::PortTaken { server, cause }
                } else {
                    DockerError::Refused { what: "start", server, cause }
                };
                return Err(refused.into());
            }
        };
        let id = handle.id().to_owned();
        let watched = Watched { daemon: site.daemon.clone(), id, log, written: Arc::new(AtomicU64::new(0)) };
        let state = begin(name, &watched, &site.supervisor).await;
        let supervisor = site.supervisor.clone();
        let made = Self { name, watched, supervisor, state: Mutex::new(state), handle };
        let is_ready = {
            let state = made.state.lock().await;
            made.until_ready(&state, ready).await
        };
        match is_ready {
            Ok(()) => Ok(made),
            Err(error) => {
                made.remove().await?;
                Err(error)
            }
        }
    }

    /// Its first process as the host numbers it, while it is running.
    pub(super) async fn pid(&self) -> Option<u32> {
        let state = self.state.lock().await;
        state.life.pid.filter(|_| state.life.exit().is_none())
    }

    /// Its name.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Ends it with SIGKILL, as an injected crash.
    pub(super) async fn kill(&self) -> Result<(), EnvironmentError> {
        let state = self.state.lock().await;
        self.must_run(&state)?;
        // Recorded first: what follows from the crash must not stand before it.
        self.record(ProcessStep::Killed, state.life.pid, None);
        let exit = self.end(&state.life).await?;
        if exit.intended { Ok(()) } else { Err(self.not_running(&exit).into()) }
    }

    /// Starts it again, on the data that is there, and waits until `ready` says so.
    pub(super) async fn restart<F>(&self, ready: impl FnOnce(Arc<Life>) -> F) -> Result<(), EnvironmentError>
    where
        F: Future<Output = Result<(), EnvironmentError>>,
    {
        let mut state = self.state.lock().await;
        if state.life.exit().is_none() {
            return Err(ProcessError::AlreadyRunning { name: self.name.to_owned() }.into());
        }
        let started = tokio::time::timeout(START_DEADLINE, self.handle.start()).await;
        let refused = |cause: String| DockerError::Refused { what: "start", server: self.name.to_owned(), cause };
        started
            .map_err(|_| refused(format!("no answer within {} s", START_DEADLINE.as_secs())))?
            .map_err(|error| refused(error.to_string()))?;
        *state = begin(self.name, &self.watched, &self.supervisor).await;
        self.until_ready(&state, ready).await
    }

    /// Stops it in its tracks.
    pub(super) async fn pause(&self) -> Result<(), EnvironmentError> {
        let state = self.state.lock().await;
        self.must_run(&state)?;
        self.handle.pause().await.map_err(DockerError::refused("pause", self.name))?;
        self.record(ProcessStep::Paused, state.life.pid, None);
        Ok(())
    }

    /// Lets it go on.
    pub(super) async fn resume(&self) -> Result<(), EnvironmentError> {
        let state = self.state.lock().await;
        self.must_run(&state)?;
        self.handle.unpause().await.map_err(DockerError::refused("resume", self.name))?;
        self.record(ProcessStep::Resumed, state.life.pid, None);
        Ok(())
    }

    /// Ends it at once, at the end of the run, and removes it with its data; its log stays.
    pub(super) async fn stop(self) -> Result<(), EnvironmentError> {
        {
            let state = self.state.lock().await;
            if state.life.exit().is_none() {
                let exit = self.end(&state.life).await?;
                if exit.intended {
                    self.record(ProcessStep::Stopped, state.life.pid, Some(exit.status));
                }
            }
        }
        self.remove().await
    }

    /// Waits until it is ready, and tells of it. One that is not is ended.
    async fn until_ready<F>(&self, state: &State, ready: impl FnOnce(Arc<Life>) -> F) -> Result<(), EnvironmentError>
    where
        F: Future<Output = Result<(), EnvironmentError>>,
    {
        if let Err(error) = ready(Arc::clone(&state.life)).await {
            if state.life.exit().is_none() {
                let exit = self.end(&state.life).await?;
                if exit.intended {
                    self.record(ProcessStep::Stopped, state.life.pid, Some("it was not ready in time".to_owned()));
                }
            }
            return Err(error);
        }
        state.was_ready.store(true, Ordering::SeqCst);
        self.record(ProcessStep::Ready, state.life.pid, None);
        match state.life.exit() {
            // It ended after its last answer and before it counted as ready, so that nobody else was told.
            Some(exit) => Err(self.not_running(&exit).into()),
            None => Ok(()),
        }
    }

    /// Sends SIGKILL and waits until it has ended.
    async fn end(&self, life: &Life) -> Result<Exit, DockerError> {
        life.is_to_end();
        let options = KillContainerOptionsBuilder::new().signal("SIGKILL").build();
        match self.watched.daemon.api.kill_container(&self.watched.id, Some(options)).await {
            Ok(()) => {}
            // It has just ended by itself.
            Err(error) if matches!(status_of(&error), Some(404 | 409)) => {}
            Err(error) => return Err(DockerError::refused("kill", self.name)(error)),
        }
        let unkillable = |_| DockerError::Unkillable { server: self.name.to_owned(), deadline: KILL_DEADLINE };
        tokio::time::timeout(KILL_DEADLINE, life.exited()).await.map_err(unkillable)
    }

    async fn remove(self) -> Result<(), EnvironmentError> {
        Ok(self.handle.rm().await.map_err(DockerError::refused("remove", self.name))?)
    }

    fn must_run(&self, state: &State) -> Result<(), ProcessError> {
        state.life.exit().map_or(Ok(()), |exit| Err(self.not_running(&exit)))
    }

    fn not_running(&self, exit: &Exit) -> ProcessError {
        ProcessError::NotRunning { name: self.name.to_owned(), status: Some(exit.status.clone()) }
    }

    fn record(&self, event: ProcessStep, pid: Option<u32>, detail: Option<String>) {
        self.supervisor.record(self.name, event, pid, detail);
    }
}

/// Tells of a start, and of the end should it come unasked.
async fn begin(name: &'static str, watched: &Watched, supervisor: &Supervisor) -> State {
    let was_ready = Arc::new(AtomicBool::new(false));
    let (shared, told, log) = (Arc::clone(&was_ready), supervisor.clone(), watched.log.clone());
    let life = Life::watch(name, watched.clone(), move |exit| {
        if exit.intended {
            return Box::new(|| {});
        }
        let last = last_lines(&log, LAST_LINES);
        let detail = last.last().map_or_else(|| exit.status.clone(), |line| format!("{}: {line}", exit.status));
        told.record(name, ProcessStep::Exited, None, Some(detail));
        let status = exit.status.clone();
        Box::new(move || {
            if shared.load(Ordering::SeqCst) {
                told.tell(UnexpectedExit { process: name.to_owned(), status, last_lines: last });
            }
        })
    })
    .await;
    supervisor.record(name, ProcessStep::Started, life.pid, None);
    State { life: Arc::new(life), was_ready }
}

fn request(blueprint: &Blueprint<'_>, site: &Site) -> ContainerRequest<GenericImage> {
    let mut image = blueprint.image.container();
    if let Network::Published(ports) = &blueprint.network {
        for port in ports {
            image = image.with_exposed_port(port.tcp());
        }
    }
    let network = blueprint.network.clone();
    let mut request = image
        .with_container_name(format!("{}-{}", site.supervisor.run(), blueprint.name))
        .with_label(RUN_LABEL, site.supervisor.run())
        .with_label(SERVER_LABEL, blueprint.name)
        .with_label(HARNESS_LABEL, harness())
        .with_startup_timeout(START_DEADLINE)
        .with_host_config_modifier(move |host| connect(host, &network));
    if !blueprint.arguments.is_empty() {
        request = request.with_cmd(blueprint.arguments.clone());
    }
    for (name, value) in &blueprint.environment {
        request = request.with_env_var(name, value);
    }
    request
}

/// Publishes what is asked for on 127.0.0.1, and nothing else: not what the image exposes either.
fn connect(host: &mut HostConfig, network: &Network) {
    host.publish_all_ports = Some(false);
    host.port_bindings = None;
    match network {
        Network::Host => host.network_mode = Some("host".to_owned()),
        Network::Published(ports) => {
            let binding = |port: &u16| {
                let address = SocketAddr::from(([127, 0, 0, 1], *port));
                let (host_ip, host_port) = (Some(address.ip().to_string()), Some(address.port().to_string()));
                (port.tcp().to_string(), Some(vec![PortBinding { host_ip, host_port }]))
            };
            host.port_bindings = Some(ports.iter().map(binding).collect());
        }
    }
}

/// Removes what there is of one server of a run.
async fn remove_of(daemon: &Daemon, run: &str, name: &str) -> Result<(), DockerError> {
    let labels = [format!("{RUN_LABEL}={run}"), format!("{SERVER_LABEL}={name}")];
    for container in daemon.labelled(&labels).await.map_err(DockerError::refused("list", name))? {
        let id = container.id.unwrap_or_default();
        daemon.remove(&id).await.map_err(DockerError::refused("remove", name))?;
    }
    Ok(())
}
