//! A cluster as the environment holds it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use futures_util::future::{OptionFuture, join_all};

use super::hosts;
use super::kafka::Brokers;
use super::layout::{Layout, Member, Ports};
use super::mongodb::ReplicaSet;
use super::spec::ClusterSpec;
use crate::environment::EnvironmentError;
use crate::environment::local::readiness::LAST_LINES;
use crate::environment::local::{self, Programs};
use crate::link::LinkSpec;
use crate::process::{HostsFile, HostsWay, Supervisor, Unit, last_lines};
use crate::scenario::manifest::Node;

/// Several mongods and brokers. All methods take `&self`: faults are injected from several tasks.
#[derive(Debug)]
pub struct Cluster {
    layout: Layout,
    form_within: Duration,
    hosts: BTreeMap<String, HostsFile>,
    replica_set: Option<ReplicaSet>,
    brokers: Option<Brokers>,
}

impl Cluster {
    /// Chooses names and addresses and writes configurations and hosts files; starts no server. The ports must stay
    /// reserved for as long as the cluster is used.
    ///
    /// # Errors
    /// When the spec cannot work, a program is not installed, no port is free, or no process can be given a hosts file.
    pub async fn lay_out(
        spec: &ClusterSpec,
        programs: &Programs,
        supervisor: &Supervisor,
        log_folder: &Path,
        ports: &local::Ports,
    ) -> Result<Self, EnvironmentError> {
        spec.check()?;
        std::fs::create_dir_all(log_folder).map_err(EnvironmentError::file("cannot make", log_folder))?;
        let take = || ports.take().map(|address| address.port());
        let ports = Ports { mongodb: take()?, client: take()?, replication: take()?, quorum: take()?, direct: take()? };
        let folder = supervisor.folder().join(format!("cluster-{}", ports.mongodb));
        std::fs::create_dir(&folder).map_err(EnvironmentError::file("cannot make", &folder))?;
        let layout = Layout::new(spec, ports);
        let hosts = hosts::write(&layout, &folder, HostsWay::find().await?)?;
        let hosts_of = |member: &Member| hosts[&member.name].clone();
        let folders = (folder.as_path(), log_folder);
        let mut cluster =
            Self { layout, form_within: spec.form_within, hosts: BTreeMap::new(), replica_set: None, brokers: None };
        let layout = &cluster.layout;
        if spec.mongodb_nodes > 0 {
            let missing = EnvironmentError::NotInstalled { server: "MongoDB", variable: "TORN_MONGOD" };
            let program = programs.mongod.as_deref().ok_or(missing)?;
            let set = ReplicaSet::lay_out(layout, spec.oplog_mb, program, hosts_of, folders, supervisor)?;
            cluster.replica_set = Some(set);
        }
        if spec.kafka_brokers > 0 {
            let missing = EnvironmentError::NotInstalled { server: "Kafka", variable: "TORN_KAFKA_HOME" };
            let program = programs.kafka.as_ref().ok_or(missing)?;
            let insync = spec.min_insync_replicas;
            cluster.brokers = Some(Brokers::lay_out(layout, insync, program, hosts_of, folders, supervisor)?);
        }
        Ok(Self { hosts, ..cluster })
    }

    /// Every link, for [`crate::link::Links::create`]: `api-1 → mongodb-2`, `mongodb-1 → mongodb-2`,
    /// `kafka-1 → kafka-2:replication`, `kafka-1 → kafka-2:quorum`.
    pub fn link_specs(&self) -> Vec<LinkSpec> {
        self.layout.link_specs()
    }

    /// Starts all servers at the same time and waits until they work together: one writable primary and nothing but
    /// secondaries beside it, every broker known to every other. Their links must be there.
    ///
    /// # Errors
    /// When one does not come up, or they do not find together in time. All are ended then.
    pub async fn serve(&self) -> Result<(), EnvironmentError> {
        let set = self
            .replica_set
            .as_ref()
            .map(|set| self.in_time("the replica set", set.form(), set.units(), || set.state()));
        let brokers =
            self.brokers.as_ref().map(|all| self.in_time("the Kafka cluster", all.form(), all.units(), || all.state()));
        let formed = tokio::try_join!(async { OptionFuture::from(set).await.unwrap_or(Ok(())) }, async {
            OptionFuture::from(brokers).await.unwrap_or(Ok(()))
        },);
        if let Err(error) = formed {
            self.stop().await?;
            return Err(error);
        }
        Ok(())
    }

    /// The members of a kind, each with the address at which the harness reaches it past all faults. A broker names
    /// itself by it there; a mongod names its set, so a client must connect directly.
    pub fn members(&self, node: Node) -> Vec<(String, SocketAddr)> {
        let port = match node {
            Node::Mongodb => self.layout.ports.mongodb,
            Node::Kafka => self.layout.ports.direct,
        };
        self.layout.of(node).map(|member| (member.name.clone(), member.address(port))).collect()
    }

    /// The names of the servers as a client or a member is to see them.
    pub fn hosts_file(&self, process: &str) -> Option<&HostsFile> {
        self.hosts.get(process)
    }

    /// Where an instance reaches the replica set: through its own links, if it was given its hosts file.
    pub fn mongodb_uri_of(&self, instance: &str, database: &str) -> Option<String> {
        let told = self.told(instance, Node::Mongodb)?;
        Some(format!("mongodb://{told}/{database}?replicaSet={}", local::mongod::SET))
    }

    /// Where an instance reaches the brokers, in the same way.
    pub fn kafka_bootstrap_of(&self, instance: &str) -> Option<String> {
        self.told(instance, Node::Kafka)
    }

    /// A member, to be killed, paused and resumed.
    pub fn unit(&self, member: &str) -> Option<&Unit> {
        self.units().find(|unit| unit.name() == member)
    }

    /// Every member, mongods first.
    pub fn units(&self) -> impl Iterator<Item = &Unit> {
        let mongods = self.replica_set.iter().flat_map(ReplicaSet::units);
        mongods.chain(self.brokers.iter().flat_map(Brokers::units))
    }

    /// The members of the replica set that take writes now; two of them during some partitions.
    pub async fn primaries(&self) -> Vec<String> {
        OptionFuture::from(self.replica_set.as_ref().map(ReplicaSet::primaries)).await.unwrap_or_default()
    }

    /// Starts a killed member again on its data, and waits until it serves: as a primary or a secondary, or registered
    /// as a broker. The others need not have a primary or a leader of anything, but a broker needs their quorum.
    ///
    /// # Errors
    /// When there is no such member, it is running, or it does not come up.
    pub async fn restart(&self, member: &str) -> Result<(), EnvironmentError> {
        let found = self.layout.members.iter().find(|one| one.name == member);
        match (found.map(|found| found.node), &self.replica_set, &self.brokers) {
            (Some(Node::Mongodb), Some(set), _) => set.restart(member).await,
            (Some(Node::Kafka), _, Some(brokers)) => brokers.restart(member).await,
            _ => Err(EnvironmentError::NoServer(member.to_owned())),
        }
    }

    /// Ends all with SIGKILL: nobody will read their data again.
    ///
    /// # Errors
    /// When one cannot be ended.
    pub async fn stop(&self) -> Result<(), EnvironmentError> {
        join_all(self.units().map(|unit| unit.stop(None))).await.into_iter().collect::<Result<(), _>>()?;
        Ok(())
    }

    fn told(&self, instance: &str, node: Node) -> Option<String> {
        let client = self.layout.clients.iter().find(|client| client.name == instance)?;
        client.dials.contains(&node).then(|| self.layout.addresses_told(node)).filter(|told| !told.is_empty())
    }

    /// Waits for members to form, and says what became of them when they do not.
    async fn in_time<'a, S: Future<Output = String>>(
        &self,
        cluster: &'static str,
        form: impl Future<Output = Result<(), EnvironmentError>>,
        units: impl Iterator<Item = &'a Unit>,
        state: impl FnOnce() -> S,
    ) -> Result<(), EnvironmentError> {
        if let Ok(formed) = tokio::time::timeout(self.form_within, form).await {
            return formed;
        }
        let mut last = String::new();
        for unit in units {
            let _ = writeln!(last, "{}:", unit.log().display());
            for line in last_lines(unit.log(), LAST_LINES / 2) {
                let _ = writeln!(last, "  | {line}");
            }
        }
        let state = state().await;
        Err(EnvironmentError::NotFormed { cluster, deadline: self.form_within, state, last_lines: last })
    }
}
