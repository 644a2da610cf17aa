//! Which servers a run works on.

use std::sync::Arc;

use super::external::External;

/// What brings the dependencies up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Kind {
    /// Child processes of the run.
    #[default]
    Local,
    /// Containers of this machine's Docker daemon.
    Docker,
    /// Servers that somebody else runs, already looked at.
    External(Arc<External>),
}

impl Kind {
    /// Its name, as `--env` and `run.json` have it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Docker => "docker",
            Self::External(_) => "external",
        }
    }

    /// The servers that somebody else runs.
    pub fn external(&self) -> Option<&External> {
        match self {
            Self::External(external) => Some(external),
            Self::Local | Self::Docker => None,
        }
    }
}
