//! The servers of one run, started together.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use futures_util::future::OptionFuture;

use super::kafka::Kafka;
use super::mongodb::Mongodb;
use super::ports::Ports;
use super::programs::Programs;
use super::toxiproxy::Toxiproxy;
use crate::environment::{EnvironmentError, LinkAddresses, Needs};
use crate::process::{Supervisor, Unit};
use crate::scenario::manifest::Node;

/// The servers that a run asked for.
#[derive(Debug)]
pub struct Servers {
    mongodb: Option<Mongodb>,
    kafka: Option<Kafka>,
    toxiproxy: Option<Toxiproxy>,
    mongodb_proxies: BTreeMap<String, SocketAddr>,
}

impl Servers {
    /// Starts all that is needed at the same time.
    pub(in crate::environment) async fn start(
        needs: &Needs,
        supervisor: &Supervisor,
        ports: &Ports,
    ) -> Result<Self, EnvironmentError> {
        let programs = Programs::find(needs)?;
        let logs = &needs.log_folder;
        std::fs::create_dir_all(logs).map_err(EnvironmentError::file("cannot make", logs))?;
        let mongodb_proxies = proxies(needs, Node::Mongodb, ports)?;
        let kafka_proxies = proxies(needs, Node::Kafka, ports)?;
        let mongodb = programs.mongod.as_deref().map(|program| Mongodb::start(program, supervisor, logs, ports));
        let kafka =
            programs.kafka.as_ref().map(|program| Kafka::start(program, &kafka_proxies, supervisor, logs, ports));
        let toxiproxy = programs.toxiproxy.as_deref().map(|program| Toxiproxy::start(program, supervisor, logs, ports));
        // All to their end, so that what did come up can be ended when something else did not.
        let (mongodb, kafka, toxiproxy) =
            tokio::join!(OptionFuture::from(mongodb), OptionFuture::from(kafka), OptionFuture::from(toxiproxy));
        let (mongodb, mongodb_error) = split(mongodb);
        let (kafka, kafka_error) = split(kafka);
        let (toxiproxy, toxiproxy_error) = split(toxiproxy);
        let servers = Self { mongodb, kafka, toxiproxy, mongodb_proxies };
        match mongodb_error.or(kafka_error).or(toxiproxy_error) {
            None => Ok(servers),
            Some(error) => {
                servers.stop().await?;
                Err(error)
            }
        }
    }

    pub(in crate::environment) fn mongodb_address(&self) -> Result<SocketAddr, EnvironmentError> {
        Ok(self.mongodb.as_ref().ok_or(EnvironmentError::NotThere("MongoDB"))?.address)
    }

    pub(in crate::environment) fn kafka_address(&self) -> Result<SocketAddr, EnvironmentError> {
        Ok(self.kafka.as_ref().ok_or(EnvironmentError::NotThere("Kafka"))?.address)
    }

    pub(in crate::environment) fn toxiproxy_address(&self) -> Result<SocketAddr, EnvironmentError> {
        Ok(self.toxiproxy.as_ref().ok_or(EnvironmentError::NotThere("link"))?.address)
    }

    pub(in crate::environment) fn link_addresses(&self, instance: &str, node: Node) -> Option<LinkAddresses> {
        match node {
            Node::Kafka => self.kafka.as_ref()?.links.get(instance).copied(),
            Node::Mongodb => {
                let listen = *self.mongodb_proxies.get(instance)?;
                Some(LinkAddresses { listen, upstream: self.mongodb.as_ref()?.address })
            }
        }
    }

    pub(in crate::environment) fn unit(&self, node: Node) -> Result<&Unit, EnvironmentError> {
        match node {
            Node::Mongodb => self.mongodb.as_ref().map(|server| &server.unit),
            Node::Kafka => self.kafka.as_ref().map(|server| &server.unit),
        }
        .ok_or(EnvironmentError::NotThere(node.name()))
    }

    pub(in crate::environment) async fn restart(&self, node: Node) -> Result<(), EnvironmentError> {
        match node {
            Node::Mongodb => self.mongodb.as_ref().ok_or(EnvironmentError::NotThere("MongoDB"))?.serve().await,
            Node::Kafka => self.kafka.as_ref().ok_or(EnvironmentError::NotThere("Kafka"))?.serve().await,
        }
    }

    /// Every server, by start order.
    pub(in crate::environment) fn units(&self) -> impl Iterator<Item = &Unit> {
        let mongodb = self.mongodb.iter().map(|server| &server.unit);
        let kafka = self.kafka.iter().map(|server| &server.unit);
        let toxiproxy = self.toxiproxy.iter().map(|server| &server.unit);
        mongodb.chain(kafka).chain(toxiproxy)
    }

    /// Ends all with SIGKILL: nobody will read their data again.
    pub(in crate::environment) async fn stop(self) -> Result<(), EnvironmentError> {
        let ends = futures_util::future::join_all(self.units().map(|unit| unit.stop(None))).await;
        ends.into_iter().collect::<Result<(), _>>()?;
        Ok(())
    }
}

/// Where the proxies of the links to a node will listen, by dialling instance.
fn proxies(needs: &Needs, node: Node, ports: &Ports) -> Result<BTreeMap<String, SocketAddr>, EnvironmentError> {
    let instances = needs.links.iter().filter(|(_, to)| *to == node && needs.nodes.contains(&node));
    instances.map(|(instance, _)| Ok((instance.clone(), ports.take()?))).collect()
}

fn split<T>(result: Option<Result<T, EnvironmentError>>) -> (Option<T>, Option<EnvironmentError>) {
    match result {
        None => (None, None),
        Some(Ok(server)) => (Some(server), None),
        Some(Err(error)) => (None, Some(error)),
    }
}
