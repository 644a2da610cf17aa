//! The one kind of servers that an environment has: each kind answers the same questions.

use std::net::SocketAddr;

use super::local::{self, Ports};
use super::{EnvironmentError, Kind, Needs, docker, external};
use crate::link::LinkSpec;
use crate::process::{HostsFile, Supervisor};
use crate::secret::Secret;

/// Servers of one kind.
#[derive(Debug)]
pub(super) enum Backend {
    /// Child processes, one server of each dependency.
    Single(Box<local::Servers>),
    /// Child processes, several servers of a dependency.
    Clustered(Box<local::Clustered>),
    /// Containers.
    Contained(Box<docker::Contained>),
    /// Somebody else's.
    External(Box<external::Servers>),
}

/// Asks whichever it is.
macro_rules! ask {
    ($backend:expr, $servers:ident => $answer:expr) => {
        match $backend {
            Backend::Single($servers) => $answer,
            Backend::Clustered($servers) => $answer,
            Backend::Contained($servers) => $answer,
            Backend::External($servers) => $answer,
        }
    };
}

impl Backend {
    /// Starts what does not wait for links.
    pub(super) async fn start(needs: &Needs, supervisor: &Supervisor, ports: &Ports) -> Result<Self, EnvironmentError> {
        Ok(match &needs.kind {
            Kind::External(external) => {
                Self::External(Box::new(external::Servers::start(external, needs, supervisor, ports).await?))
            }
            Kind::Docker => Self::Contained(Box::new(docker::Contained::start(needs, supervisor, ports).await?)),
            Kind::Local if needs.is_cluster() => {
                Self::Clustered(Box::new(local::Clustered::start(needs, supervisor, ports).await?))
            }
            Kind::Local => Self::Single(Box::new(local::Servers::start(needs, supervisor, ports).await?)),
        })
    }

    pub(super) async fn serve(&self) -> Result<(), EnvironmentError> {
        match self {
            Self::Clustered(servers) => servers.serve().await,
            // The others do not wait for links.
            Self::Single(_) | Self::Contained(_) | Self::External(_) => Ok(()),
        }
    }

    pub(super) fn link_specs(&self, needs: &Needs) -> Vec<LinkSpec> {
        ask!(self, servers => servers.link_specs(needs))
    }

    pub(super) fn mongodb_members(&self) -> Result<Vec<(String, String)>, EnvironmentError> {
        ask!(self, servers => servers.mongodb_members())
    }

    pub(super) fn kafka_members(&self) -> Result<Vec<(String, String)>, EnvironmentError> {
        ask!(self, servers => servers.kafka_members())
    }

    pub(super) fn mongodb_uri_of(&self, instance: &str, database: &str) -> Option<String> {
        ask!(self, servers => servers.mongodb_uri_of(instance, database))
    }

    pub(super) fn kafka_bootstrap_of(&self, instance: &str) -> Option<String> {
        ask!(self, servers => servers.kafka_bootstrap_of(instance))
    }

    /// What services are told of Kafka beside its address.
    pub(super) fn kafka_variables(&self) -> Vec<(String, Secret)> {
        match self {
            Self::External(servers) => servers.kafka_variables(),
            Self::Single(_) | Self::Clustered(_) | Self::Contained(_) => Vec::new(),
        }
    }

    pub(super) fn hosts_file(&self, instance: &str) -> Option<HostsFile> {
        match self {
            Self::Clustered(servers) => servers.hosts_file(instance),
            Self::External(servers) => servers.hosts_file(instance),
            // Addresses are plain there: nobody needs names.
            Self::Single(_) | Self::Contained(_) => None,
        }
    }

    pub(super) fn toxiproxy_address(&self) -> Result<SocketAddr, EnvironmentError> {
        ask!(self, servers => servers.toxiproxy_address())
    }

    pub(super) fn has(&self, server: &str) -> bool {
        ask!(self, servers => servers.has(server))
    }

    pub(super) async fn kill(&self, server: &str) -> Result<(), EnvironmentError> {
        ask!(self, servers => servers.kill(server).await)
    }

    pub(super) async fn restart(&self, server: &str) -> Result<(), EnvironmentError> {
        ask!(self, servers => servers.restart(server).await)
    }

    pub(super) async fn pause(&self, server: &str) -> Result<(), EnvironmentError> {
        ask!(self, servers => servers.pause(server).await)
    }

    pub(super) async fn resume(&self, server: &str) -> Result<(), EnvironmentError> {
        ask!(self, servers => servers.resume(server).await)
    }

    pub(super) async fn processes(&self) -> Vec<(String, u32)> {
        ask!(self, servers => servers.processes().await)
    }

    pub(super) async fn stop(self) -> Result<(), EnvironmentError> {
        ask!(self, servers => servers.stop().await)
    }
}
