//! Why an environment did not come up, or stopped working.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::docker::DockerError;
use crate::process::{ProcessError, mentions};

/// What can go wrong with an environment. Each message holds its cause, which is therefore no `source` besides.
#[derive(Debug, Error)]
pub enum EnvironmentError {
    /// A server's program is nowhere.
    #[error("{server} is not installed; run `torn stack install`, or set {variable} to your own")]
    NotInstalled {
        /// Which.
        server: &'static str,
        /// The variable that names a user's own.
        variable: &'static str,
    },
    /// A program that the user named is not there.
    #[error("{variable} names {}, which {expected}", path.display())]
    Unusable {
        /// The variable.
        variable: &'static str,
        /// Its value.
        path: PathBuf,
        /// What is wrong with it.
        expected: &'static str,
    },
    /// Neither `TORN_CACHE` nor `XDG_CACHE_HOME` nor `HOME` says where the cache is.
    #[error("no place for the cache: set TORN_CACHE, XDG_CACHE_HOME or HOME")]
    NoCache,
    /// A file or folder.
    #[error("{what} {}: {cause}", path.display())]
    File {
        /// What was tried: `cannot write`.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        cause: io::Error,
    },
    /// No port could be had.
    #[error("no free port on 127.0.0.1 after {tries} tries")]
    NoPort {
        /// How many were tried.
        tries: u32,
    },
    /// A server ended before it served.
    #[error("{server} did not come up: {status}; the end of {}:\n{last_lines}", log.display())]
    Exited {
        /// Which.
        server: String,
        /// How it ended.
        status: String,
        /// Its log.
        log: PathBuf,
        /// The end of the log.
        last_lines: String,
    },
    /// A server did not serve in time.
    #[error(
        "{server} does not serve after {} s ({last}); the end of {}:\n{last_lines}",
        deadline.as_secs(), log.display()
    )]
    NotReady {
        /// Which.
        server: String,
        /// How long it had.
        deadline: Duration,
        /// What the last look at it gave.
        last: String,
        /// Its log.
        log: PathBuf,
        /// The end of the log.
        last_lines: String,
    },
    /// A process could not be started or ended.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The machine's Docker did not do what was asked of it.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// Kafka's storage could not be formatted.
    #[error("cannot format Kafka's storage: {0}")]
    Format(crate::process::tool::ToolError),
    /// There is no server of this name.
    #[error("this run has no server {0}")]
    NoServer(String),
    /// A cluster that cannot be.
    #[error("the cluster cannot be as it is asked for: {problem}")]
    UnfitCluster {
        /// What is wrong, and the remedy.
        problem: String,
    },
    /// The members of a cluster do not find together in time.
    #[error(
        "{cluster} has not formed after {} s ({state}); see that the links between its members are open and the machine \
         is not overloaded; the ends of the logs:\n{last_lines}",
        deadline.as_secs()
    )]
    NotFormed {
        /// Of which kind.
        cluster: &'static str,
        /// How long it had.
        deadline: Duration,
        /// What its members say.
        state: String,
        /// The ends of their logs.
        last_lines: String,
    },
    /// No process can be given names of its own.
    #[error(transparent)]
    Hosts(#[from] crate::process::HostsError),
    /// The run did not ask for this dependency.
    #[error("this run has no {0}; its manifest names it neither as a dependency nor by a topic or collection")]
    NotThere(&'static str),
}

impl EnvironmentError {
    /// For `map_err`: something failed on a path.
    pub(super) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::File { what, path, cause }
    }

    /// Whether somebody took a port between choosing and binding.
    pub(super) fn is_port_taken(&self) -> bool {
        match self {
            Self::Exited { log, .. } => mentions(log, "address already in use"),
            Self::Docker(error) => matches!(error, DockerError::PortTaken { .. }),
            _ => false,
        }
    }
}
