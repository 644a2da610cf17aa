//! A cluster with the Toxiproxy that its links go through, as a run's servers.

use std::net::SocketAddr;

use super::cluster::{Cluster, ClusterSpec};
use super::ports::Ports;
use super::programs::Programs;
use super::toxiproxy::Toxiproxy;
use crate::environment::{EnvironmentError, Needs};
use crate::link::LinkSpec;
use crate::process::{HostsFile, ProcessError, Supervisor, Unit};
use crate::scenario::manifest::Node;

/// The size of an oplog where the scenario does not say, in megabytes.
const OPLOG_MB: u32 = 64;

/// The servers of a run with several of a kind.
#[derive(Debug)]
pub struct Clustered {
    cluster: Cluster,
    toxiproxy: Toxiproxy,
}

impl Clustered {
    /// Lays the cluster out and starts Toxiproxy; the servers start when their links are there.
    pub(in crate::environment) async fn start(
        needs: &Needs,
        supervisor: &Supervisor,
        ports: &Ports,
    ) -> Result<Self, EnvironmentError> {
        let programs = Programs::find(needs)?;
        let logs = &needs.log_folder;
        let cluster = Cluster::lay_out(&spec(needs), &programs, supervisor, logs, ports).await?;
        let missing = EnvironmentError::NotInstalled { server: "Toxiproxy", variable: "TORN_TOXIPROXY" };
        let program = programs.toxiproxy.as_deref().ok_or(missing)?;
        let toxiproxy = Toxiproxy::start(program, supervisor, logs, ports).await?;
        Ok(Self { cluster, toxiproxy })
    }

    pub(in crate::environment) async fn serve(&self) -> Result<(), EnvironmentError> {
        self.cluster.serve().await
    }

    pub(in crate::environment) fn link_specs(&self, _needs: &Needs) -> Vec<LinkSpec> {
        self.cluster.link_specs()
    }

    pub(in crate::environment) fn mongodb_members(&self) -> Result<Vec<(String, String)>, EnvironmentError> {
        let uri = |address| format!("mongodb://{address}/?directConnection=true");
        self.members(Node::Mongodb, "MongoDB", uri)
    }

    pub(in crate::environment) fn kafka_members(&self) -> Result<Vec<(String, String)>, EnvironmentError> {
        self.members(Node::Kafka, "Kafka", |address| address.to_string())
    }

    pub(in crate::environment) fn mongodb_uri_of(&self, instance: &str, database: &str) -> Option<String> {
        self.cluster.mongodb_uri_of(instance, database)
    }

    pub(in crate::environment) fn kafka_bootstrap_of(&self, instance: &str) -> Option<String> {
        self.cluster.kafka_bootstrap_of(instance)
    }

    pub(in crate::environment) fn hosts_file(&self, instance: &str) -> Option<HostsFile> {
        self.cluster.hosts_file(instance).cloned()
    }

    #[expect(clippy::unnecessary_wraps, reason = "other kinds of servers may have none")]
    pub(in crate::environment) fn toxiproxy_address(&self) -> Result<SocketAddr, EnvironmentError> {
        Ok(self.toxiproxy.address)
    }

    pub(in crate::environment) fn has(&self, server: &str) -> bool {
        self.cluster.unit(server).is_some()
    }

    pub(in crate::environment) async fn kill(&self, server: &str) -> Result<(), EnvironmentError> {
        Ok(self.unit(server)?.kill().await?)
    }

    pub(in crate::environment) async fn restart(&self, server: &str) -> Result<(), EnvironmentError> {
        self.cluster.restart(server).await
    }

    pub(in crate::environment) async fn pause(&self, server: &str) -> Result<(), EnvironmentError> {
        Ok(self.unit(server)?.pause().await?)
    }

    pub(in crate::environment) async fn resume(&self, server: &str) -> Result<(), EnvironmentError> {
        Ok(self.unit(server)?.resume().await?)
    }

    pub(in crate::environment) async fn processes(&self) -> Vec<(String, u32)> {
        let mut processes = Vec::new();
        for unit in self.cluster.units().chain([&self.toxiproxy.unit]) {
            if let Some(pid) = unit.pid().await {
                processes.push((unit.name().to_owned(), pid));
            }
        }
        processes
    }

    pub(in crate::environment) async fn stop(self) -> Result<(), EnvironmentError> {
        let servers = self.cluster.stop().await;
        let proxies: Result<(), ProcessError> = self.toxiproxy.unit.stop(None).await;
        servers?;
        Ok(proxies?)
    }

    fn unit(&self, server: &str) -> Result<&Unit, EnvironmentError> {
        self.cluster.unit(server).ok_or_else(|| EnvironmentError::NoServer(server.to_owned()))
    }

    fn members(
        &self,
        node: Node,
        name: &'static str,
        told: impl Fn(SocketAddr) -> String,
    ) -> Result<Vec<(String, String)>, EnvironmentError> {
        let members = self.cluster.members(node);
        if members.is_empty() {
            return Err(EnvironmentError::NotThere(name));
        }
        Ok(members.into_iter().map(|(name, address)| (name, told(address))).collect())
    }
}

fn spec(needs: &Needs) -> ClusterSpec {
    let mut clients: Vec<(String, Vec<Node>)> = Vec::new();
    for (instance, node) in &needs.links {
        match clients.iter_mut().find(|(name, _)| name == instance) {
            Some((_, nodes)) => nodes.push(*node),
            None => clients.push((instance.clone(), vec![*node])),
        }
    }
    let count = |node, count| if needs.nodes.contains(&node) { count } else { 0 };
    ClusterSpec {
        mongodb_nodes: count(Node::Mongodb, needs.mongodb.nodes),
        oplog_mb: needs.mongodb.oplog_mb.unwrap_or(OPLOG_MB),
        kafka_brokers: count(Node::Kafka, needs.kafka.brokers),
        min_insync_replicas: needs.kafka.insync_replicas(),
        clients,
        ..ClusterSpec::default()
    }
}
