//! What the nemesis needs hands for: kill, restart, pause and resume by name (an instance under test or a server), and
//! what only the servers of a cluster can tell or do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::environment::Environment;
use crate::fault;
use crate::service::Services;
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
        if self.environment.has(name) {
            self.environment.restart(name).await.context("failed to restart it")?;
        } else {
            self.services.restart(name).await.context("failed to restart it")?;
        }
        Ok("started again and ready".to_owned())
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
