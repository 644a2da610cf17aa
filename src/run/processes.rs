//! What the nemesis needs hands for: kill, restart, pause and resume by name (an instance under test or a server), and
//! what only the servers of a cluster can tell or do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::environment::{Environment, EnvironmentError};
use crate::fault;
use crate::process::ProcessError;
use crate::service::{ServiceError, Services};
use crate::witness::{Role, Roles, Sampler};

/// Everything a fault can end, stop and continue.
pub(super) struct Processes {
    pub(super) environment: Arc<Environment>,
    pub(super) services: Arc<Services>,
    pub(super) sampler: Arc<Sampler>,
    pub(super) roles: Roles,
}

/// How long the servers may take to say who plays a role: longer than an election.
const RESOLVE_WITHIN: Duration = Duration::from_secs(10);

/// How long every member may take to hold what is written.
const REPLICATE_WITHIN: Duration = Duration::from_secs(20);

/// How long an oplog may take to roll over.
const ROLL_WITHIN: Duration = Duration::from_secs(50);

impl fault::Cluster for Processes {
    async fn resolve(&self, role: &Role) -> anyhow::Result<String> {
        Ok(self.roles.resolve(role, Instant::now() + RESOLVE_WITHIN).await?)
    }

    async fn step_down(&self, seconds: u32) -> anyhow::Result<String> {
        Ok(self.roles.step_down(seconds).await?)
    }

    async fn step_up(&self, server: &str) -> anyhow::Result<()> {
        Ok(self.roles.step_up(server).await?)
    }

    async fn replicate_everywhere(&self) -> anyhow::Result<()> {
        Ok(self.roles.replicate_everywhere(Instant::now() + REPLICATE_WITHIN).await?)
    }

    async fn roll_oplog(&self) -> anyhow::Result<String> {
        Ok(self.roles.roll_oplog(Instant::now() + ROLL_WITHIN).await?)
    }
}

impl fault::Processes for Processes {
    async fn kill(&self, name: &str) -> anyhow::Result<String> {
        if self.environment.has(name) {
            self.environment.kill(name).await.context("failed to kill it")?;
        } else {
            self.services.kill(name).await.context("failed to kill it")?;
        }
        // Where the consumer groups stood between the death and the restart: what lies behind it is redelivered.
        self.sampler.sample_now().await;
        Ok("SIGKILL; the process is gone".to_owned())
    }

    async fn restart(&self, name: &str) -> anyhow::Result<String> {
        let restarted = if self.environment.has(name) {
            server_unless_alive(self.environment.restart(name).await).context("failed to restart it")?
        } else {
            service_unless_alive(self.services.restart(name).await).context("failed to restart it")?
        };
        Ok(restarted.in_words().to_owned())
    }

    async fn pause(&self, name: &str) -> anyhow::Result<String> {
        if self.environment.has(name) {
            self.environment.pause(name).await.context("failed to pause it")?;
        } else {
            self.services.pause(name).await.context("failed to pause it")?;
        }
        Ok("SIGSTOP; the process stands still".to_owned())
    }

    async fn resume(&self, name: &str) -> anyhow::Result<String> {
        if self.environment.has(name) {
            self.environment.resume(name).await.context("failed to resume it")?;
        } else {
            self.services.resume(name).await.context("failed to resume it")?;
        }
        Ok("SIGCONT; the process goes on".to_owned())
    }
}

/// What came of a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Restarted {
    Anew,
    /// Its kill had failed, so there was nothing to start.
    WasAlive,
}

impl Restarted {
    fn in_words(self) -> &'static str {
        match self {
            Self::Anew => "started again and ready",
            Self::WasAlive => "it was never dead",
        }
    }
}

fn server_unless_alive(restarted: Result<(), EnvironmentError>) -> Result<Restarted, EnvironmentError> {
    match restarted {
        Err(EnvironmentError::Process(ProcessError::AlreadyRunning { .. })) => Ok(Restarted::WasAlive),
        restarted => restarted.map(|()| Restarted::Anew),
    }
}

fn service_unless_alive(restarted: Result<(), ServiceError>) -> Result<Restarted, ServiceError> {
    match restarted {
        Err(ServiceError::Process(ProcessError::AlreadyRunning { .. })) => Ok(Restarted::WasAlive),
        restarted => restarted.map(|()| Restarted::Anew),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_dead_needs_no_restart_and_every_other_failure_is_one() {
        let alive = || ProcessError::AlreadyRunning { name: "api-1".to_owned() };
        assert_eq!(server_unless_alive(Err(alive().into())).ok(), Some(Restarted::WasAlive));
        assert_eq!(service_unless_alive(Err(alive().into())).ok(), Some(Restarted::WasAlive));
        assert_eq!(server_unless_alive(Ok(())).ok(), Some(Restarted::Anew));
        assert_eq!(service_unless_alive(Ok(())).ok(), Some(Restarted::Anew));
        let dead = || ProcessError::NotRunning { name: "api-1".to_owned(), status: None };
        server_unless_alive(Err(dead().into())).expect_err("it did not come up");
        service_unless_alive(Err(dead().into())).expect_err("it did not come up");
    }
}
