//! Why something could not be installed.

use std::path::PathBuf;

use thiserror::Error;

use crate::environment::EnvironmentError;
use crate::process::tool::ToolError;

/// What can go wrong with an install.
#[derive(Debug, Error)]
pub enum InstallError {
    /// A tool is missing.
    #[error("{tool} is needed to install {what}; on Debian: apt-get install {package}")]
    ToolMissing {
        /// What would be installed with it.
        what: &'static str,
        /// The tool.
        tool: &'static str,
        /// The Debian package that brings it.
        package: &'static str,
    },
    /// A tool failed.
    #[error("cannot install {what}: {cause}")]
    Tool {
        /// What was being installed.
        what: &'static str,
        /// How it failed.
        cause: ToolError,
    },
    /// What was downloaded is not what was pinned.
    #[error("{what} is not what it should be: {found} instead of {pinned}; nothing of it was installed")]
    WrongHash {
        /// The file or module.
        what: String,
        /// The pinned hash.
        pinned: String,
        /// What came.
        found: String,
    },
    /// Something that should have come did not.
    #[error("cannot install {what}: {problem}")]
    Incomplete {
        /// What was being installed.
        what: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A file, the cache, a port.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// Only x86-64 Linux has all three servers as programs.
    #[error(
        "the local stack is for x86-64 Linux, and this is {0}; start the servers with `docker compose up` \
         (docker-compose.yml), or set TORN_MONGOD, TORN_KAFKA_HOME and TORN_TOXIPROXY to your own"
    )]
    OtherSystem(String),
}

impl InstallError {
    /// For `map_err`: a tool failed while `what` was installed.
    pub(super) fn tool(what: &'static str) -> impl FnOnce(ToolError) -> Self {
        move |cause| Self::Tool { what, cause }
    }

    /// For `map_err`: a file could not be made or read.
    pub(super) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |cause| EnvironmentError::File { what, path, cause }.into()
    }
}
