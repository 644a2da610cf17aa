//! Kill, restart, pause and resume by name, for the nemesis: an instance under test or a dependency.

use std::sync::Arc;

use anyhow::Context;

use crate::environment::Environment;
use crate::fault;
use crate::scenario::manifest::Node;
use crate::service::Services;
use crate::witness::Sampler;

/// Everything a fault can end, stop and continue.
pub(super) struct Processes {
    pub(super) environment: Arc<Environment>,
    pub(super) services: Arc<Services>,
    pub(super) sampler: Arc<Sampler>,
}

fn node(name: &str) -> Option<Node> {
    [Node::Mongodb, Node::Kafka].into_iter().find(|node| node.name() == name)
}

impl fault::Processes for Processes {
    async fn kill(&self, name: &str) -> anyhow::Result<String> {
        match node(name) {
            Some(node) => self.environment.kill(node).await.context("failed to kill it")?,
            None => self.services.kill(name).await.context("failed to kill it")?,
        }
        // Where the consumer groups stood between the death and the restart: what lies behind it is redelivered.
        self.sampler.sample_now().await;
        Ok("SIGKILL; the process is gone".to_owned())
    }

    async fn restart(&self, name: &str) -> anyhow::Result<String> {
        match node(name) {
            Some(node) => self.environment.restart(node).await.context("failed to restart it")?,
            None => self.services.restart(name).await.context("failed to restart it")?,
        }
        Ok("started again and ready".to_owned())
    }

    async fn pause(&self, name: &str) -> anyhow::Result<String> {
        match node(name) {
            Some(node) => self.environment.pause(node).await.context("failed to pause it")?,
            None => self.services.pause(name).await.context("failed to pause it")?,
        }
        Ok("SIGSTOP; the process stands still".to_owned())
    }

    async fn resume(&self, name: &str) -> anyhow::Result<String> {
        match node(name) {
            Some(node) => self.environment.resume(node).await.context("failed to resume it")?,
            None => self.services.resume(name).await.context("failed to resume it")?,
        }
        Ok("SIGCONT; the process goes on".to_owned())
    }
}
