//! The containers as a run's servers.

use std::net::SocketAddr;

use super::servers::Docker;
use crate::environment::local::Ports;
use crate::environment::{EnvironmentError, LinkAddresses, Needs};
use crate::link::{Link, LinkSpec};
use crate::process::Supervisor;
use crate::scenario::manifest::Node;

/// The servers of a run, one of each dependency, in containers.
#[derive(Debug)]
pub struct Contained {
    docker: Docker,
}

impl Contained {
    /// Starts all that is needed.
    pub(in crate::environment) async fn start(
        needs: &Needs,
        supervisor: &Supervisor,
        ports: &Ports,
    ) -> Result<Self, EnvironmentError> {
        Ok(Self { docker: Docker::start(needs, supervisor, ports).await? })
    }

    pub(in crate::environment) fn link_specs(&self, needs: &Needs) -> Vec<LinkSpec> {
        let spec = |(instance, node): &(String, Node)| {
            let LinkAddresses { listen, upstream } = self.docker.link_addresses(instance, *node)?;
            Some(LinkSpec { link: Link::new(instance, node.name()), listen, upstream })
        };
        needs.links.iter().filter_map(spec).collect()
    }

    pub(in crate::environment) fn mongodb_members(&self) -> Result<Vec<(String, String)>, EnvironmentError> {
        // The set's one member has told everybody its own address; a client must not follow it past its link.
        let uri = format!("mongodb://{}/?directConnection=true", self.docker.mongodb_address()?);
        Ok(vec![(Node::Mongodb.name().to_owned(), uri)])
    }

    pub(in crate::environment) fn kafka_members(&self) -> Result<Vec<(String, String)>, EnvironmentError> {
        Ok(vec![(Node::Kafka.name().to_owned(), self.docker.kafka_address()?.to_string())])
    }

    pub(in crate::environment) fn mongodb_uri_of(&self, instance: &str, database: &str) -> Option<String> {
        let address = self.docker.link_addresses(instance, Node::Mongodb)?.listen;
        Some(format!("mongodb://{address}/{database}?directConnection=true"))
    }

    pub(in crate::environment) fn kafka_bootstrap_of(&self, instance: &str) -> Option<String> {
        Some(self.docker.link_addresses(instance, Node::Kafka)?.listen.to_string())
    }

    pub(in crate::environment) fn toxiproxy_address(&self) -> Result<SocketAddr, EnvironmentError> {
        self.docker.toxiproxy_address()
    }

    pub(in crate::environment) fn has(&self, server: &str) -> bool {
        node(server).is_ok_and(|node| self.docker.has(node))
    }

    pub(in crate::environment) async fn kill(&self, server: &str) -> Result<(), EnvironmentError> {
        self.docker.kill(node(server)?).await
    }

    pub(in crate::environment) async fn restart(&self, server: &str) -> Result<(), EnvironmentError> {
        self.docker.restart(node(server)?).await
    }

    pub(in crate::environment) async fn pause(&self, server: &str) -> Result<(), EnvironmentError> {
        self.docker.pause(node(server)?).await
    }

    pub(in crate::environment) async fn resume(&self, server: &str) -> Result<(), EnvironmentError> {
        self.docker.resume(node(server)?).await
    }

    pub(in crate::environment) async fn processes(&self) -> Vec<(String, u32)> {
        self.docker.processes().await
    }

    pub(in crate::environment) async fn stop(self) -> Result<(), EnvironmentError> {
        self.docker.stop().await
    }
}

fn node(server: &str) -> Result<Node, EnvironmentError> {
    let node = [Node::Mongodb, Node::Kafka].into_iter().find(|node| node.name() == server);
    node.ok_or_else(|| EnvironmentError::NoServer(server.to_owned()))
}
