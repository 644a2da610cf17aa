//! A server or service over all its lives: it is killed and started again with the same command and the same log, and
//! the history tells of each step.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use super::child::{Command, Process, ProcessError};
use super::log::last_lines_without;
use super::supervisor::Supervisor;
use crate::history::entry::ProcessStep;

/// A process that was ready and then ended by itself: never an injected crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnexpectedExit {
    /// The instance (`api-1`) or dependency (`mongodb`).
    pub process: String,
    /// `exit status 1`, `ended by SIGSEGV`.
    pub status: String,
    /// The last lines of its log, without its secrets.
    pub last_lines: Vec<String>,
}

impl fmt::Display for UnexpectedExit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{} ended by itself: {}; its last log lines:", self.process, self.status)?;
        formatter.write_str(&super::log::indented(&self.last_lines))
    }
}

/// One server or service.
#[derive(Debug)]
pub struct Unit {
    command: Command,
    supervisor: Supervisor,
    // Held for as long as a step takes, so that a kill and a restart of one unit come one after the other.
    life: Mutex<Option<Life>>,
}

/// One life of it.
#[derive(Debug)]
struct Life {
    process: Arc<Process>,
    ready: Arc<AtomicBool>,
}

impl Unit {
    /// A unit that is not yet running.
    pub fn new(command: Command, supervisor: Supervisor) -> Self {
        Self { command, supervisor, life: Mutex::new(None) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.command.name
    }

    /// Its log file.
    pub fn log(&self) -> &Path {
        &self.command.log
    }

    /// Its process id, while it is running.
    pub async fn pid(&self) -> Option<u32> {
        let life = self.life.lock().await;
        life.as_ref().filter(|life| life.process.exit().is_none()).map(|life| life.process.pid())
    }

    /// Starts it and waits until `ready`, which is given the process, says so. One that is not ready is killed.
    ///
    /// # Errors
    /// What `ready` says, or that it could not be started.
    pub async fn start<E, F, R>(&self, ready: R) -> Result<(), E>
    where
        E: From<ProcessError>,
        F: Future<Output = Result<(), E>>,
        R: FnOnce(Arc<Process>) -> F,
    {
        let mut slot = self.life.lock().await;
        if slot.as_ref().is_some_and(|life| life.process.exit().is_none()) {
            return Err(ProcessError::AlreadyRunning { name: self.command.name.clone() }.into());
        }
        let life = slot.insert(self.spawn()?);
        if let Err(error) = ready(Arc::clone(&life.process)).await {
            let exit = life.process.kill().await?;
            if exit.intended {
                let detail = "it was not ready in time".to_owned();
                self.record(ProcessStep::Stopped, Some(life.process.pid()), Some(detail));
            }
            return Err(error);
        }
        life.ready.store(true, Ordering::SeqCst);
        self.record(ProcessStep::Ready, Some(life.process.pid()), None);
        match life.process.exit() {
            // It ended after its last answer and before it counted as ready, so that nobody else was told.
            Some(exit) => Err(ProcessError::NotRunning {
                name: self.command.name.clone(),
                status: Some(format!("{exit} just after it was ready")),
            }
            .into()),
            None => Ok(()),
        }
    }

    /// Ends it with SIGKILL, as an injected crash.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn kill(&self) -> Result<(), ProcessError> {
        let slot = self.life.lock().await;
        let life = self.running(slot.as_ref())?;
        // Recorded first: what follows from the crash must not stand before it.
        self.record(ProcessStep::Killed, Some(life.process.pid()), None);
        let exit = life.process.kill().await?;
        if exit.intended { Ok(()) } else { Err(self.not_running(Some(exit.to_string()))) }
    }

    /// Stops it in its tracks.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn pause(&self) -> Result<(), ProcessError> {
        let slot = self.life.lock().await;
        let life = self.running(slot.as_ref())?;
        life.process.pause().await?;
        self.record(ProcessStep::Paused, Some(life.process.pid()), None);
        Ok(())
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn resume(&self) -> Result<(), ProcessError> {
        let slot = self.life.lock().await;
        let life = self.running(slot.as_ref())?;
        life.process.resume()?;
        self.record(ProcessStep::Resumed, Some(life.process.pid()), None);
        Ok(())
    }

    /// Ends it in order, at the end of the run: SIGTERM and `grace`, or SIGKILL at once where `grace` is none. One that
    /// is not running is left as it is.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn stop(&self, grace: Option<Duration>) -> Result<(), ProcessError> {
        let slot = self.life.lock().await;
        let Some(life) = slot.as_ref().filter(|life| life.process.exit().is_none()) else { return Ok(()) };
        let exit = match grace {
            Some(grace) => life.process.terminate(grace).await?,
            None => life.process.kill().await?,
        };
        if exit.intended {
            self.record(ProcessStep::Stopped, Some(life.process.pid()), Some(exit.to_string()));
        }
        Ok(())
    }

    fn spawn(&self) -> Result<Life, ProcessError> {
        let ready = Arc::new(AtomicBool::new(false));
        let was_ready = Arc::clone(&ready);
        let supervisor = self.supervisor.clone();
        let (name, log, secrets) = (self.command.name.clone(), self.command.log.clone(), self.command.secrets.clone());
        let process = self.supervisor.spawn(&self.command, move |exit| {
            if exit.intended {
                return Box::new(|| {});
            }
            let last = last_lines_without(&secrets, &log, 10);
            let detail = last.last().map_or_else(|| exit.to_string(), |line| format!("{exit}: {line}"));
            supervisor.record(&name, ProcessStep::Exited, None, Some(detail));
            // Once it is known, so that who is told and asks finds it dead, and so that either `start` or this sees both.
            Box::new(move || {
                if was_ready.load(Ordering::SeqCst) {
                    supervisor.tell(UnexpectedExit { process: name, status: exit.to_string(), last_lines: last });
                }
            })
        })?;
        self.record(ProcessStep::Started, Some(process.pid()), None);
        Ok(Life { process: Arc::new(process), ready })
    }

    fn running<'a>(&self, life: Option<&'a Life>) -> Result<&'a Life, ProcessError> {
        match life {
            Some(life) => match life.process.exit() {
                None => Ok(life),
                Some(exit) => Err(self.not_running(Some(exit.to_string()))),
            },
            None => Err(self.not_running(None)),
        }
    }

    fn not_running(&self, status: Option<String>) -> ProcessError {
        ProcessError::NotRunning { name: self.command.name.clone(), status }
    }

    fn record(&self, event: ProcessStep, pid: Option<u32>, detail: Option<String>) {
        self.supervisor.record(&self.command.name, event, pid, detail);
    }
}
