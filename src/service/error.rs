//! Why a service did not start, or cannot be killed.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::process::ProcessError;

/// What can go wrong with a service.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// Its command is empty.
    #[error("{instance} has neither a command nor a url; give `process.{role}.command` in the manifest")]
    NoCommand {
        /// The instance.
        instance: String,
        /// Its role.
        role: String,
    },
    /// Its program is nowhere.
    #[error("{instance}: there is no program {program:?} {searched}")]
    NoProgram {
        /// The instance.
        instance: String,
        /// The program as the manifest names it.
        program: String,
        /// Where it was looked for.
        searched: String,
    },
    /// It ended before it was ready.
    #[error("{instance} ended before it was ready: {status}; the end of {}:\n{last_lines}", log.display())]
    Exited {
        /// The instance.
        instance: String,
        /// How it ended.
        status: String,
        /// Its log.
        log: PathBuf,
        /// The end of the log.
        last_lines: String,
    },
    /// It was not ready in time.
    #[error(
        "{instance} is not ready after {} s: {last}; the end of {}:\n{last_lines}",
        deadline.as_secs_f64(), log.display()
    )]
    NotReady {
        /// The instance.
        instance: String,
        /// How long it had.
        deadline: Duration,
        /// Where it was asked, and the last answer, or why there was none.
        last: String,
        /// Its log.
        log: PathBuf,
        /// The end of the log.
        last_lines: String,
    },
    /// A service that already runs elsewhere does not answer.
    #[error("{instance} runs elsewhere and is not ready after {} s: GET {url}: {last}", deadline.as_secs_f64())]
    NotReadyElsewhere {
        /// The instance.
        instance: String,
        /// Where it was asked.
        url: String,
        /// How long it had.
        deadline: Duration,
        /// The last answer, or why there was none.
        last: String,
    },
    /// A service that was named by URL is not the harness's to kill.
    #[error(
        "{instance} runs elsewhere (its manifest names a url), so it cannot be killed or paused; give its command \
         instead, or take the fault out of the scenario"
    )]
    RunsElsewhere {
        /// The instance.
        instance: String,
    },
    /// No such instance.
    #[error("there is no service instance {0}")]
    Unknown(String),
    /// A process could not be started or ended.
    #[error(transparent)]
    Process(#[from] ProcessError),
}
