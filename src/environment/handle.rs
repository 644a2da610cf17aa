//! The environment as the run holds it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::backend::Backend;
use super::local::Ports;
use super::{EnvironmentError, LinkAddresses, Needs};
use crate::link::LinkSpec;
use crate::process::{HostsFile, Supervisor};
use crate::secret::Secret;

/// The dependencies of one run, or of several that share them. All methods take `&self`: faults are injected from several
/// tasks.
#[derive(Debug)]
pub struct Environment {
    needs: Needs,
    servers: Backend,
    services: BTreeMap<String, LinkAddresses>,
    // Reserved for as long as the environment lives: a server's port must not be given away while the server is dead.
    _ports: Ports,
}

impl Environment {
    /// Starts what is needed, in parallel, with fresh data in the supervisor's folder, and waits until all of it serves:
    /// except the servers of a cluster, which find each other through links. Make those ([`Environment::link_specs`]), then
    /// call [`Environment::serve`].
    ///
    /// # Errors
    /// When a server is not installed or does not come up. What was started is ended then.
    pub async fn up(needs: &Needs, supervisor: &Supervisor) -> Result<Self, EnvironmentError> {
        Self::up_on(needs, supervisor, Ports::new()?).await
    }

    /// The same with given ports, to try what happens when one of them is lost between choosing and binding.
    ///
    /// # Errors
    /// As [`Environment::up`].
    pub async fn up_on(needs: &Needs, supervisor: &Supervisor, ports: Ports) -> Result<Self, EnvironmentError> {
        let servers = Backend::start(needs, supervisor, &ports).await?;
        let mut services = BTreeMap::new();
        for instance in &needs.services {
            let addresses = LinkAddresses { listen: ports.take()?, upstream: ports.take()? };
            services.insert(instance.clone(), addresses);
        }
        Ok(Self { needs: needs.clone(), servers, services, _ports: ports })
    }

    /// Starts what waited for its links, and waits until it serves.
    ///
    /// # Errors
    /// When a server does not come up, or no primary is elected in time.
    pub async fn serve(&self) -> Result<(), EnvironmentError> {
        self.servers.serve().await
    }

    /// What this environment was asked for.
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// Every link to a dependency: of services, and of the servers of a cluster among each other.
    pub fn link_specs(&self) -> Vec<LinkSpec> {
        self.servers.link_specs(&self.needs)
    }

    /// The servers of `MongoDB` by name, each with a URI of the harness's own, on a connection that no fault touches.
    ///
    /// # Errors
    /// When the run has no `MongoDB`.
    pub fn mongodb_members(&self) -> Result<Vec<(String, String)>, EnvironmentError> {
        self.servers.mongodb_members()
    }

    /// The brokers by name, each with an address of the harness's own.
    ///
    /// # Errors
    /// When the run has no Kafka.
    pub fn kafka_members(&self) -> Result<Vec<(String, String)>, EnvironmentError> {
        self.servers.kafka_members()
    }

    /// Where an instance reaches its database: through its own links.
    pub fn mongodb_uri_of(&self, instance: &str, database: &str) -> Option<String> {
        self.servers.mongodb_uri_of(instance, database)
    }

    /// Where an instance reaches Kafka: through its own links, which the brokers' answers lead it back to.
    pub fn kafka_bootstrap_of(&self, instance: &str) -> Option<String> {
        self.servers.kafka_bootstrap_of(instance)
    }

    /// What services are told of Kafka beside its address: TLS, a user.
    pub fn kafka_variables(&self) -> Vec<(String, Secret)> {
        self.servers.kafka_variables()
    }

    /// The hosts file in which an instance finds the names of servers, where there are names.
    pub fn hosts_file(&self, instance: &str) -> Option<HostsFile> {
        self.servers.hosts_file(instance)
    }

    /// Toxiproxy's API.
    ///
    /// # Errors
    /// When the run has no link.
    pub fn toxiproxy_api(&self) -> Result<SocketAddr, EnvironmentError> {
        self.servers.toxiproxy_address()
    }

    /// Where the proxy of the link clients → `instance` must listen; `upstream` is the service's own `LISTEN_ADDR`.
    pub fn service_addresses(&self, instance: &str) -> Option<LinkAddresses> {
        self.services.get(instance).copied()
    }

    /// Whether this is a server's name.
    pub fn has(&self, server: &str) -> bool {
        self.servers.has(server)
    }

    /// Kills a server with SIGKILL.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn kill(&self, server: &str) -> Result<(), EnvironmentError> {
        self.servers.kill(server).await
    }

    /// Starts a killed server again on the same ports and data, and waits until it serves.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&self, server: &str) -> Result<(), EnvironmentError> {
        self.servers.restart(server).await
    }

    /// Stops a server in its tracks (SIGSTOP).
    ///
    /// # Errors
    /// When it is not running.
    pub async fn pause(&self, server: &str) -> Result<(), EnvironmentError> {
        self.servers.pause(server).await
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// When it is not running.
    pub async fn resume(&self, server: &str) -> Result<(), EnvironmentError> {
        self.servers.resume(server).await
    }

    /// Name and process id of each server that is running, for [`crate::process::usage::by_group`].
    pub async fn processes(&self) -> Vec<(String, u32)> {
        self.servers.processes().await
    }

    /// Ends the servers at once and removes their data; their logs stay.
    ///
    /// # Errors
    /// When one cannot be ended.
    pub async fn down(self) -> Result<(), EnvironmentError> {
        self.servers.stop().await
    }
}
