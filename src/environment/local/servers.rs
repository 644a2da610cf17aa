//! The servers of one run, started together.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use futures_util::future::OptionFuture;

use super::kafka::Kafka;
use super::mongodb::Mongodb;
use super::ports::Ports;
use super::programs::Programs;
use super::toxiproxy::{TOXIPROXY, Toxiproxy};
use crate::environment::{EnvironmentError, LinkAddresses, Needs};
use crate::link::{Link, LinkSpec};
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
        let (mongodb_port, kafka_port) = needs.fixed_ports.unzip();
        let oplog_mb = needs.mongodb.oplog_mb;
        let mongodb = programs
            .mongod
            .as_deref()
            .map(|program| Mongodb::start(program, mongodb_port, oplog_mb, supervisor, logs, ports));
        let kafka = programs
            .kafka
            .as_ref()
            .map(|program| Kafka::start(program, kafka_port, &kafka_proxies, supervisor, logs, ports));
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

    pub(in crate::environment) fn link_specs(&self, needs: &Needs) -> Vec<LinkSpec> {
        let spec = |(instance, node): &(String, Node)| {
            let LinkAddresses { listen, upstream } = self.link_addresses(instance, *node)?;
            Some(LinkSpec { link: Link::new(instance, node.name()), listen, upstream })
        };
        needs.links.iter().filter_map(spec).collect()
    }

    pub(in crate::environment) fn mongodb_members(&self) -> Result<Vec<(String, String)>, EnvironmentError> {
        let server = self.mongodb.as_ref().ok_or(EnvironmentError::NotThere("MongoDB"))?;
        // The set's one member has told everybody its own address; a client must not follow it past its link.
        let uri = format!("mongodb://{}/?directConnection=true", server.address);
        Ok(vec![(Node::Mongodb.name().to_owned(), uri)])
    }

    pub(in crate::environment) fn kafka_members(&self) -> Result<Vec<(String, String)>, EnvironmentError> {
        let server = self.kafka.as_ref().ok_or(EnvironmentError::NotThere("Kafka"))?;
        Ok(vec![(Node::Kafka.name().to_owned(), server.address.to_string())])
    }

    pub(in crate::environment) fn mongodb_uri_of(&self, instance: &str, database: &str) -> Option<String> {
        let address = self.link_addresses(instance, Node::Mongodb)?.listen;
        Some(format!("mongodb://{address}/{database}?directConnection=true"))
    }

    pub(in crate::environment) fn kafka_bootstrap_of(&self, instance: &str) -> Option<String> {
        Some(self.link_addresses(instance, Node::Kafka)?.listen.to_string())
    }

    pub(in crate::environment) fn toxiproxy_address(&self) -> Result<SocketAddr, EnvironmentError> {
        Ok(self.toxiproxy.as_ref().ok_or(EnvironmentError::NotThere("link"))?.address)
    }

    pub(in crate::environment) fn has(&self, server: &str) -> bool {
        self.unit(server).is_ok()
    }

    pub(in crate::environment) async fn kill(&self, server: &str) -> Result<(), EnvironmentError> {
        Ok(self.unit(server)?.kill().await?)
    }

    pub(in crate::environment) async fn pause(&self, server: &str) -> Result<(), EnvironmentError> {
        Ok(self.unit(server)?.pause().await?)
    }

    pub(in crate::environment) async fn resume(&self, server: &str) -> Result<(), EnvironmentError> {
        Ok(self.unit(server)?.resume().await?)
    }

    /// Name and process id of each server that is running.
    pub(in crate::environment) async fn processes(&self) -> Vec<(String, u32)> {
        let mut processes = Vec::new();
        for unit in self.units() {
            if let Some(pid) = unit.pid().await {
                processes.push((unit.name().to_owned(), pid));
            }
        }
        processes
    }

    fn unit(&self, server: &str) -> Result<&Unit, EnvironmentError> {
        let unit = self.units().find(|unit| unit.name() == server && unit.name() != TOXIPROXY);
        unit.ok_or_else(|| EnvironmentError::NoServer(server.to_owned()))
    }

    pub(in crate::environment) async fn restart(&self, server: &str) -> Result<(), EnvironmentError> {
        match (&self.mongodb, &self.kafka) {
            (Some(mongodb), _) if mongodb.unit.name() == server => mongodb.serve().await,
            (_, Some(kafka)) if kafka.unit.name() == server => kafka.serve().await,
            _ => Err(EnvironmentError::NoServer(server.to_owned())),
        }
    }

    fn link_addresses(&self, instance: &str, node: Node) -> Option<LinkAddresses> {
        match node {
            Node::Kafka => self.kafka.as_ref()?.links.get(instance).copied(),
            Node::Mongodb => {
                let listen = *self.mongodb_proxies.get(instance)?;
                Some(LinkAddresses { listen, upstream: self.mongodb.as_ref()?.address })
            }
        }
    }

    /// Every server, by start order.
    fn units(&self) -> impl Iterator<Item = &Unit> {
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
pub(in crate::environment) fn proxies(
    needs: &Needs,
    node: Node,
    ports: &Ports,
) -> Result<BTreeMap<String, SocketAddr>, EnvironmentError> {
    let instances = needs.links.iter().filter(|(_, to)| *to == node && needs.nodes.contains(&node));
    instances.map(|(instance, _)| Ok((instance.clone(), ports.take()?))).collect()
}

/// What came up, and why something did not; neither for what nobody asked for.
pub(in crate::environment) fn split<T>(
    result: Option<Result<T, EnvironmentError>>,
) -> (Option<T>, Option<EnvironmentError>) {
    match result {
        None => (None, None),
        Some(Ok(server)) => (Some(server), None),
        Some(Err(error)) => (None, Some(error)),
    }
}
