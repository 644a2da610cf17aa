//! One operating-system process, the leader of a group of its own, so that a terminal's Ctrl-C does not reach it and a
//! kill reaches all that it forked.

use std::ffi::OsString;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use thiserror::Error;
use tokio::sync::watch;

use super::hosts::HostsFile;
use super::log::{indented, last_lines_without};
use crate::secret::Secret;

/// How long a group may take to end after SIGKILL. The kernel needs milliseconds, unless a disk hangs.
const KILL_DEADLINE: Duration = Duration::from_secs(10);

/// How long a process may take to stand still after SIGSTOP.
const PAUSE_DEADLINE: Duration = Duration::from_secs(5);

/// What can go wrong with a process.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// Its log file cannot be written.
    #[error("cannot write the log {}: {cause}", path.display())]
    Log {
        /// The log file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It could not be started.
    #[error("cannot start {name} ({}): {cause}", program.display())]
    Start {
        /// The process's name.
        name: String,
        /// The program.
        program: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A signal could not be sent.
    #[error("cannot send {signal} to {name}: {cause}")]
    Signal {
        /// The process's name.
        name: String,
        /// The signal.
        signal: Signal,
        /// Why.
        cause: nix::Error,
    },
    /// It is not running, so it cannot be killed, paused, ….
    #[error("{name} is not running{}", status.as_ref().map(|status| format!(": {status}")).unwrap_or_default())]
    NotRunning {
        /// The process's name.
        name: String,
        /// How it ended.
        status: Option<String>,
    },
    /// It is running already.
    #[error("{name} is running already; kill it before it is started again")]
    AlreadyRunning {
        /// The process's name.
        name: String,
    },
    /// SIGKILL did not end it in time.
    #[error("{name} (process {pid}) is still there {} s after SIGKILL", KILL_DEADLINE.as_secs())]
    Unkillable {
        /// The process's name.
        name: String,
        /// Its process id.
        pid: u32,
    },
    /// SIGSTOP did not stop it in time.
    #[error("{name} (process {pid}) still does not stand still {} s after SIGSTOP", PAUSE_DEADLINE.as_secs())]
    Unstoppable {
        /// The process's name.
        name: String,
        /// Its process id.
        pid: u32,
    },
    /// The process that ends all others should the harness be killed cannot do its work.
    #[error("the guard process failed: {0}")]
    Guard(String),
}

/// How to start a process.
#[derive(Clone)]
pub struct Command {
    /// Its name in logs, errors and the history: `api-1`, `mongodb`.
    pub name: String,
    /// The program: a path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables on top of the harness's own environment.
    pub environment: Vec<(String, OsString)>,
    /// Its working folder; by default the harness's.
    pub folder: Option<PathBuf>,
    /// Where its standard output and error go, appended.
    pub log: PathBuf,
    /// What it resolves names by, instead of the machine's own hosts file.
    pub hosts: Option<HostsFile>,
    /// What it is told and may write into its log, and nobody else may say.
    pub secrets: Vec<Secret>,
}

impl fmt::Debug for Command {
    /// Without the values of variables: one may be a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Command");
        shown.field("name", &self.name).field("program", &self.program).field("arguments", &self.arguments);
        let variables: Vec<&String> = self.environment.iter().map(|(name, _)| name).collect();
        shown.field("environment", &variables).field("log", &self.log).finish_non_exhaustive()
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Its exit status.
    pub status: ExitStatus,
    /// Whether the harness ended it.
    pub intended: bool,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.status.code(), self.status.signal().map(Signal::try_from)) {
            (Some(code), _) => write!(formatter, "exit status {code}"),
            (None, Some(Ok(signal))) => write!(formatter, "ended by {signal}"),
            (None, _) => write!(formatter, "{}", self.status),
        }
    }
}

/// A started process.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    log: PathBuf,
    secrets: Vec<Secret>,
    intended: Arc<AtomicBool>,
    exit: watch::Receiver<Option<Exit>>,
    // Owned here: it ends with the process, and the process with the run.
    _waiter: tokio::task::JoinHandle<()>,
}

/// Called once, when the process has ended and its group is gone, and before anybody can see that; what it returns is
/// called once everybody can.
pub(super) type OnExit = Box<dyn FnOnce(u32, Exit) -> OnceKnown + Send>;

/// See [`OnExit`].
pub(super) type OnceKnown = Box<dyn FnOnce() + Send>;

impl Process {
    /// Starts it. [`super::Supervisor::spawn`] is the way in: only that lets the guard know of it.
    pub(super) fn spawn(command: &Command, on_exit: OnExit) -> Result<Self, ProcessError> {
        let with_hosts = command.hosts.as_ref().map(|hosts| hosts.given_to(command));
        let command = with_hosts.as_ref().unwrap_or(command);
        let open = || -> io::Result<(File, File)> {
            let log = OpenOptions::new().create(true).append(true).open(&command.log)?;
            Ok((log.try_clone()?, log))
        };
        let (output, errors) = open().map_err(|cause| ProcessError::Log { path: command.log.clone(), cause })?;
        let mut builder = tokio::process::Command::new(&command.program);
        builder.args(&command.arguments).envs(command.environment.iter().map(|(name, value)| (name, value)));
        builder.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
        if let Some(folder) = &command.folder {
            builder.current_dir(folder);
        }
        let mut child = builder.spawn().map_err(|cause| ProcessError::Start {
            name: command.name.clone(),
            program: command.program.clone(),
            cause,
        })?;
        let pid = child.id().expect("a child that was not waited for has a process id");
        let (sender, exit) = watch::channel(None);
        let intended = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&intended);
        let waiter = tokio::spawn(async move {
            let status = child.wait().await.unwrap_or_else(|_| ExitStatus::from_raw(0xff00));
            // What the leader leaves behind would keep ports and files of its next life.
            let _ = killpg(group(pid), Signal::SIGKILL);
            let exit = Exit { status, intended: shared.load(Ordering::Acquire) };
            let once_known = on_exit(pid, exit);
            sender.send_replace(Some(exit));
            once_known();
        });
        let (name, log, secrets) = (command.name.clone(), command.log.clone(), command.secrets.clone());
        Ok(Self { name, pid, log, secrets, intended, exit, _waiter: waiter })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id, which is also its group's.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its log file.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines of its log, below each other and without its secrets, for an error message.
    pub fn log_end(&self, count: usize) -> String {
        indented(&last_lines_without(&self.secrets, &self.log, count))
    }

    /// How it ended, once it has.
    pub fn exit(&self) -> Option<Exit> {
        *self.exit.borrow()
    }

    /// Waits until it has ended. May be dropped and called again.
    pub async fn exited(&self) -> Exit {
        let mut exit = self.exit.clone();
        let ended = exit.wait_for(Option::is_some).await.expect("the waiter tells the exit before it ends");
        ended.expect("it was just seen to be there")
    }

    /// Ends the whole group with SIGKILL and waits until it is gone.
    pub async fn kill(&self) -> Result<Exit, ProcessError> {
        self.intended.store(true, Ordering::Release);
        self.signal(Signal::SIGKILL)?;
        tokio::time::timeout(KILL_DEADLINE, self.exited())
            .await
            .map_err(|_| ProcessError::Unkillable { name: self.name.clone(), pid: self.pid })
    }

    /// Sends SIGKILL to the whole group and does not wait.
    pub(super) fn abandon(&self) {
        self.intended.store(true, Ordering::Release);
        let _ = self.signal(Signal::SIGKILL);
    }

    /// Asks the group to end with SIGTERM; ends it with SIGKILL if it has not after `grace`.
    pub async fn terminate(&self, grace: Duration) -> Result<Exit, ProcessError> {
        self.intended.store(true, Ordering::Release);
        self.signal(Signal::SIGTERM)?;
        // A paused process would see the SIGTERM only when it goes on.
        self.signal(Signal::SIGCONT)?;
        match tokio::time::timeout(grace, self.exited()).await {
            Ok(exit) => Ok(exit),
            Err(_) => self.kill().await,
        }
    }

    /// Stops the group in its tracks (SIGSTOP), and waits until none of the process's threads runs any more: a signal takes
    /// its time on a busy machine.
    pub async fn pause(&self) -> Result<(), ProcessError> {
        self.must_run()?;
        self.signal(Signal::SIGSTOP)?;
        let deadline = Instant::now() + PAUSE_DEADLINE;
        while !stands_still(self.pid()) {
            if Instant::now() >= deadline {
                return Err(ProcessError::Unstoppable { name: self.name().to_owned(), pid: self.pid() });
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) -> Result<(), ProcessError> {
        self.must_run()?;
        self.signal(Signal::SIGCONT)
    }

    fn must_run(&self) -> Result<(), ProcessError> {
        match self.exit() {
            Some(exit) => Err(ProcessError::NotRunning { name: self.name.clone(), status: Some(exit.to_string()) }),
            None => Ok(()),
        }
    }

    /// Sends a signal to the group; one that has ended is no error.
    fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        // Once the leader is reaped its number may be given to somebody else's group.
        if self.exit().is_some() {
            return Ok(());
        }
        match killpg(group(self.pid), signal) {
            Ok(()) | Err(nix::Error::ESRCH) => Ok(()),
            Err(cause) => Err(ProcessError::Signal { name: self.name.clone(), signal, cause }),
        }
    }
}

/// The process group that `pid` leads.
pub(super) fn group(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("Linux process ids are below 2^22"))
}

/// Whether every thread of a process is stopped.
fn stands_still(pid: u32) -> bool {
    let tasks = procfs::process::Process::new(pid.cast_signed()).and_then(|process| process.tasks());
    let is_stopped = |task: procfs::process::Task| task.stat().is_ok_and(|stat| stat.state == 'T');
    tasks.is_ok_and(|tasks| tasks.flatten().all(is_stopped))
}
