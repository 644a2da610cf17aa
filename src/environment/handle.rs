//! The environment as the run holds it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::local::{Ports, Servers};
use super::{EnvironmentError, LinkAddresses, Needs};
use crate::process::Supervisor;
use crate::scenario::manifest::Node;

/// The dependencies of one run, up and serving. All methods take `&self`: faults are injected from several tasks.
#[derive(Debug)]
pub struct Environment {
    servers: Servers,
    links: BTreeMap<(String, Node), LinkAddresses>,
    services: BTreeMap<String, LinkAddresses>,
    // Reserved for as long as the environment lives: a server's port must not be given away while the server is dead.
    _ports: Ports,
}

impl Environment {
    /// Starts what is needed, in parallel, with fresh data in the supervisor's folder, and waits until all of it serves.
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
        let servers = Servers::start(needs, supervisor, &ports).await?;
        let mut links = BTreeMap::new();
        for (instance, node) in &needs.links {
            let addresses = servers.link_addresses(instance, *node).expect("the servers were started for these links");
            links.insert((instance.clone(), *node), addresses);
        }
        let mut services = BTreeMap::new();
        for instance in &needs.services {
            let addresses = LinkAddresses { listen: ports.take()?, upstream: ports.take()? };
            services.insert(instance.clone(), addresses);
        }
        Ok(Self { servers, links, services, _ports: ports })
    }

    /// Where the harness itself reaches `MongoDB`, on a connection that no fault touches.
    ///
    /// # Errors
    /// When the run has no `MongoDB`.
    pub fn mongodb_uri(&self) -> Result<String, EnvironmentError> {
        Ok(mongodb_uri_at(self.servers.mongodb_address()?))
    }

    /// Where an instance reaches its database: through its own link.
    pub fn mongodb_uri_of(&self, instance: &str, database: &str) -> Option<String> {
        let address = self.link_addresses(instance, Node::Mongodb)?.listen;
        Some(format!("mongodb://{address}/{database}?directConnection=true"))
    }

    /// Where the harness itself reaches Kafka.
    ///
    /// # Errors
    /// When the run has no Kafka.
    pub fn kafka_bootstrap(&self) -> Result<String, EnvironmentError> {
        Ok(self.servers.kafka_address()?.to_string())
    }

    /// Where an instance reaches Kafka: through its own link, which the broker's answers lead it back to.
    pub fn kafka_bootstrap_of(&self, instance: &str) -> Option<String> {
        Some(self.link_addresses(instance, Node::Kafka)?.listen.to_string())
    }

    /// Toxiproxy's API.
    ///
    /// # Errors
    /// When the run has no link.
    pub fn toxiproxy_api(&self) -> Result<SocketAddr, EnvironmentError> {
        self.servers.toxiproxy_address()
    }

    /// Where the proxy of the link `instance` → `node` must listen and forward to.
    pub fn link_addresses(&self, instance: &str, node: Node) -> Option<LinkAddresses> {
        self.links.get(&(instance.to_owned(), node)).copied()
    }

    /// Where the proxy of the link clients → `instance` must listen; `upstream` is the service's own `LISTEN_ADDR`.
    pub fn service_addresses(&self, instance: &str) -> Option<LinkAddresses> {
        self.services.get(instance).copied()
    }

    /// Kills a server with SIGKILL.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn kill(&self, node: Node) -> Result<(), EnvironmentError> {
        Ok(self.servers.unit(node)?.kill().await?)
    }

    /// Starts a killed server again on the same ports and data, and waits until it serves.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&self, node: Node) -> Result<(), EnvironmentError> {
        self.servers.restart(node).await
    }

    /// Stops a server in its tracks (SIGSTOP).
    ///
    /// # Errors
    /// When it is not running.
    pub async fn pause(&self, node: Node) -> Result<(), EnvironmentError> {
        Ok(self.servers.unit(node)?.pause().await?)
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// When it is not running.
    pub async fn resume(&self, node: Node) -> Result<(), EnvironmentError> {
        Ok(self.servers.unit(node)?.resume().await?)
    }

    /// Name and process id of each server that is running, for [`crate::process::usage::by_group`].
    pub async fn processes(&self) -> Vec<(String, u32)> {
        let mut processes = Vec::new();
        for unit in self.servers.units() {
            if let Some(pid) = unit.pid().await {
                processes.push((unit.name().to_owned(), pid));
            }
        }
        processes
    }

    /// Ends the servers at once and removes their data; their logs stay.
    ///
    /// # Errors
    /// When one cannot be ended.
    pub async fn down(self) -> Result<(), EnvironmentError> {
        self.servers.stop().await
    }
}

fn mongodb_uri_at(address: SocketAddr) -> String {
    // The set's one member has told everybody its own address; a client must not follow it past its link.
    format!("mongodb://{address}/?directConnection=true")
}
