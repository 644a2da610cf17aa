//! What may be wrong with servers that somebody else runs, before anything starts.

use std::path::PathBuf;

use thiserror::Error;

use super::uri::UriProblem;
use crate::witness::preflight::PreflightError;

/// Why external servers cannot be used. No message holds a secret.
#[derive(Debug, Error)]
pub enum ExternalError {
    /// Nothing is given.
    #[error(
        "no servers are given: write them into a file (--external FILE, or TORN_EXTERNAL), or set TORN_MONGODB_URI and \
         TORN_KAFKA_BOOTSTRAP_SERVERS"
    )]
    Nothing,
    /// Something in the file.
    #[error("{}{place}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Where in it.
        place: String,
        /// What is wrong, and the remedy.
        problem: String,
    },
    /// The connection string.
    #[error(transparent)]
    Uri(#[from] UriProblem),
    /// A file that the connection string names.
    #[error("the MongoDB URI cannot be used: {option}={file} {problem}")]
    UriFile {
        /// The option.
        option: String,
        /// Its value.
        file: String,
        /// What is wrong with it, and the remedy.
        problem: &'static str,
    },
    /// A setting of Kafka.
    #[error("{key} (kafka.{key} in the file, or TORN_KAFKA_{}): {problem}", key.to_uppercase())]
    Kafka {
        /// Its key in the file.
        key: String,
        /// What is wrong, and the remedy.
        problem: String,
    },
    /// The workload needs what is not given.
    #[error("the workload needs {node}, which is not given: set {key} in the file, or {variable}")]
    Missing {
        /// Which dependency.
        node: &'static str,
        /// Its key in the file.
        key: &'static str,
        /// Its variable.
        variable: &'static str,
    },
    /// Fewer servers than the scenario asks for.
    #[error(
        "the scenario asks for {asked} {what}, and {found} are there; choose servers that have them, or set {key}={found}"
    )]
    TooFew {
        /// How many are wanted.
        asked: u32,
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// The scenario's key, for `--set`.
        key: &'static str,
    },
    /// A server is not as it must be.
    #[error(transparent)]
    Preflight(#[from] PreflightError),
}

impl ExternalError {
    /// Whether it is a mistake in what was given, which no server was needed to find.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Nothing
            | Self::File { .. }
            | Self::Uri(_)
            | Self::UriFile { .. }
            | Self::Kafka { .. }
            | Self::Missing { .. } => true,
            Self::TooFew { .. } | Self::Preflight(_) => false,
        }
    }
}
