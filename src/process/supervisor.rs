//! Who owns the processes of a run.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::child::{Command, Exit, OnceKnown, Process, ProcessError};
use super::guard::{Guard, RUN_VARIABLE};
use super::unit::UnexpectedExit;
use crate::history::entry::{Entry, ProcessEvent, ProcessStep};
use crate::history::recorder::Recorder;

/// Unexpected exits that may wait for the run to look; more processes than this do not exist.
const EXITS: usize = 256;

/// Starts every process of a run and sees to it that none outlives the harness. Cheap to clone.
#[derive(Clone)]
pub struct Supervisor {
    run: String,
    folder: PathBuf,
    told: Arc<Mutex<Option<Told>>>,
    guard: Arc<Mutex<Option<Guard>>>,
}

/// Who hears of what happens to the processes: the history, and the run.
#[derive(Clone)]
struct Told {
    recorder: Recorder,
    exits: mpsc::Sender<UnexpectedExit>,
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Supervisor")
            .field("run", &self.run)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Supervisor {
    /// Starts the guard.
    ///
    /// `folder` is the run's temporary data folder: it is made if need be, must be empty, and is removed when the run
    /// ends, however it ends. `guard` is the `torn` program. The receiver tells of processes that were ready and then
    /// ended by themselves.
    ///
    /// # Errors
    /// When the folder is not usable or the guard does not start.
    pub fn start(
        run: &str,
        folder: &Path,
        guard: &Path,
        recorder: Recorder,
    ) -> Result<(Self, mpsc::Receiver<UnexpectedExit>), ProcessError> {
        std::fs::create_dir_all(folder)
            .map_err(|error| ProcessError::Guard(format!("making the data folder {}: {error}", folder.display())))?;
        let guard = Arc::new(Mutex::new(Some(Guard::start(guard, run, folder)?)));
        let (exits, receiver) = mpsc::channel(EXITS);
        let told = Arc::new(Mutex::new(Some(Told { recorder, exits })));
        Ok((Self { run: run.to_owned(), folder: folder.to_owned(), told, guard }, receiver))
    }

    /// From now on whatever happens to these processes is told to whom `other` tells it, or to nobody: servers that stay up
    /// for several runs belong to the history of the one that goes on, and keep none open.
    pub fn tell_as(&self, other: Option<&Self>) {
        let told = other.and_then(Self::told);
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = told;
    }

    fn told(&self) -> Option<Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The run's temporary data folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Closes the guard's pipe and waits until it has ended what is left and removed the data folder.
    ///
    /// # Errors
    /// When something could not be ended or removed.
    pub async fn finish(self) -> Result<(), ProcessError> {
        let guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner).take();
        match guard {
            Some(guard) => guard.finish().await,
            None => Ok(()),
        }
    }

    /// Starts a process that belongs to the run. `on_exit` is called before the process is known to have ended, what it
    /// returns after.
    pub(super) fn spawn(
        &self,
        command: &Command,
        on_exit: impl FnOnce(Exit) -> OnceKnown + Send + 'static,
    ) -> Result<Process, ProcessError> {
        let mut marked = command.clone();
        marked.environment.push((RUN_VARIABLE.to_owned(), self.run.clone().into()));
        let guard = Arc::clone(&self.guard);
        let process = Process::spawn(
            &marked,
            Box::new(move |pid, exit| {
                // Told before the exit is known to anybody: no later group of this number is registered before.
                if let Some(guard) = guard.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
                    let _ = guard.forget(pid);
                }
                on_exit(exit)
            }),
        )?;
        if let Err(error) = self.guarded(|guard| guard.register(process.pid())) {
            process.abandon();
            return Err(error);
        }
        Ok(process)
    }

    /// The run's id.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Tells the guard that containers may carry the run's id from now on, so that it looks for them should the harness
    /// be killed.
    ///
    /// # Errors
    /// When the guard is gone.
    pub fn expect_containers(&self) -> Result<(), ProcessError> {
        self.guarded(|guard| guard.expect_containers(true))
    }

    /// Tells the guard that no container is left.
    ///
    /// # Errors
    /// When the guard is gone.
    pub fn expect_no_containers(&self) -> Result<(), ProcessError> {
        self.guarded(|guard| guard.expect_containers(false))
    }

    fn guarded(&self, tell: impl FnOnce(&Guard) -> Result<(), ProcessError>) -> Result<(), ProcessError> {
        match self.guard.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(guard) => tell(guard),
            None => Err(ProcessError::Guard("the run has ended".to_owned())),
        }
    }

    /// Writes what happened to a process, or to a container, into the history.
    pub fn record(&self, process: &str, event: ProcessStep, pid: Option<u32>, detail: Option<String>) {
        let Some(Told { recorder, .. }) = self.told() else { return };
        let at = recorder.now();
        recorder.record(Entry::Process(ProcessEvent { at, process: process.to_owned(), event, pid, detail }));
    }

    /// Tells the run of a process, or a container, that was ready and ended by itself.
    pub fn tell(&self, exit: UnexpectedExit) {
        // Full or closed: the history has it, and the run has ended or has long been told of others.
        if let Some(told) = self.told() {
            let _ = told.exits.try_send(exit);
        }
    }
}
