//! The brokers of a cluster, each a controller too: started at once, until each knows all.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use tokio::time::timeout;

use super::layout::{Layout, Member};
use crate::environment::EnvironmentError;
use crate::environment::local::broker::{Broker, Listener, Properties, Storage, brokers_known_to, new_id, write};
use crate::environment::local::programs::KafkaProgram;
use crate::environment::local::readiness::{PAUSE, wait_until_serving};
use crate::process::{HostsFile, Process, Supervisor, Unit};
use crate::scenario::manifest::Node;

/// What only members of a cluster are told.
const FURTHER: &str = "# A fault of some seconds has a failover in it: a new leader within about three.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
controller.quorum.election.timeout.ms=1000
controller.quorum.request.timeout.ms=1000
controller.quorum.fetch.timeout.ms=1500
replica.lag.time.max.ms=4000
# Three of them share one host. The buffer of the log cleaner is 128 MB by default, of a heap of 256.
log.cleaner.dedupe.buffer.size=8388608
num.network.threads=2
num.io.threads=4
";

/// More replicas of a topic would be no further evidence.
const MOST_REPLICAS: u32 = 3;

/// How long a broker may take to say whom it knows.
const ANSWER_DEADLINE: Duration = Duration::from_secs(2);

/// The brokers.
#[derive(Debug)]
pub(super) struct Brokers {
    program: KafkaProgram,
    members: Vec<Kafka>,
}

/// One of them.
#[derive(Debug)]
struct Kafka {
    unit: Unit,
    node: u32,
    direct: SocketAddr,
    listens: Vec<SocketAddr>,
    cluster: String,
    data: PathBuf,
    properties: PathBuf,
}

impl Brokers {
    /// Makes folders, configurations and commands; starts nothing.
    pub(super) fn lay_out(
        layout: &Layout,
        min_insync_replicas: u32,
        program: &KafkaProgram,
        hosts: impl Fn(&Member) -> HostsFile,
        (folder, log_folder): (&Path, &Path),
        supervisor: &Supervisor,
    ) -> Result<Self, EnvironmentError> {
        let cluster = new_id();
        let mut members = Vec::new();
        for (node, member) in (1..).zip(layout.of(Node::Kafka)) {
            let data = folder.join(format!("{}-data", member.name));
            std::fs::create_dir(&data).map_err(EnvironmentError::file("cannot make", &data))?;
            let path = folder.join(format!("{}.properties", member.name));
            write(&path, &properties(layout, node, min_insync_replicas, &data))?;
            let runtime = runtime(&hosts(member));
            let broker = Broker { name: &member.name, program, runtime: &runtime, properties: &path, log_folder };
            let ports = layout.ports;
            let listens =
                [ports.direct, ports.client, ports.replication, ports.quorum].map(|port| member.address(port));
            members.push(Kafka {
                unit: Unit::new(broker.command(), supervisor.clone()),
                node,
                direct: member.address(ports.direct),
                listens: listens.to_vec(),
                cluster: cluster.clone(),
                data,
                properties: path,
            });
        }
        Ok(Self { program: program.clone(), members })
    }

    /// Starts all and waits until each knows each. Has no deadline of its own.
    pub(super) async fn form(&self) -> Result<(), EnvironmentError> {
        try_join_all(self.members.iter().map(|member| member.first_start(&self.program))).await?;
        while !self.is_formed(&self.known().await) {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Starts a killed broker again, and waits until it is registered as serving.
    pub(super) async fn restart(&self, name: &str) -> Result<(), EnvironmentError> {
        let member = self.members.iter().find(|member| member.unit.name() == name);
        member.ok_or_else(|| EnvironmentError::NoServer(name.to_owned()))?.start().await
    }

    pub(super) fn units(&self) -> impl Iterator<Item = &Unit> {
        self.members.iter().map(|member| &member.unit)
    }

    /// What each broker knows, for an error message.
    pub(super) async fn state(&self) -> String {
        let says = self.known().await.into_iter().map(|known| match known {
            Ok(known) => format!("knows {} of {} brokers", known.len(), self.members.len()),
            Err(error) => error,
        });
        let names = self.units().map(Unit::name);
        names.zip(says).map(|(name, says)| format!("{name}: {says}")).collect::<Vec<_>>().join(", ")
    }

    fn is_formed(&self, known: &[Result<Vec<u32>, String>]) -> bool {
        known.iter().all(|known| known.as_ref().is_ok_and(|known| known.len() == self.members.len()))
    }

    /// The brokers that each broker knows to serve.
    async fn known(&self) -> Vec<Result<Vec<u32>, String>> {
        let known = async |member: &Kafka| match timeout(ANSWER_DEADLINE, brokers_known_to(member.direct)).await {
            Ok(known) => known.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer for {ANSWER_DEADLINE:?}")),
        };
        join_all(self.members.iter().map(known)).await
    }
}

impl Kafka {
    async fn first_start(&self, program: &KafkaProgram) -> Result<(), EnvironmentError> {
        let cluster = self.cluster.clone();
        let storage = Storage { node: self.node, cluster, data: &self.data, properties: &self.properties };
        storage.format(program).await?;
        self.start().await
    }

    async fn start(&self) -> Result<(), EnvironmentError> {
        self.unit.start(async |process| self.wait_until_registered(&process).await).await
    }

    async fn wait_until_registered(&self, process: &Process) -> Result<(), EnvironmentError> {
        wait_until_serving(process, &self.listens, || async {
            match brokers_known_to(self.direct).await {
                Ok(known) if known.contains(&self.node) => Ok(()),
                Ok(_) => Err("it is not registered yet".to_owned()),
                Err(error) => Err(format!("asking for metadata: {error}")),
            }
        })
        .await
    }
}

/// The runtime's arguments of a member: less memory than one that is alone, and the names of its links. Java asks
/// nothing but that file then.
fn runtime(hosts: &HostsFile) -> [OsString; 2] {
    let mut names = OsString::from("-Djdk.net.hosts.file=");
    names.push(hosts.path());
    ["-Xmx256m".into(), names]
}

fn properties(layout: &Layout, node: u32, min_insync_replicas: u32, data: &Path) -> String {
    let members: Vec<&Member> = layout.of(Node::Kafka).collect();
    let ports = layout.ports;
    let own = members[node as usize - 1];
    let named = |name: &str, port: u16| Listener::new(name, own.address(port), format!("{}:{port}", own.name));
    let listeners = [
        Listener::new("DIRECT", own.address(ports.direct), own.address(ports.direct)),
        named("CLIENT", ports.client),
        named("REPLICATION", ports.replication),
        // Advertised too, so that nobody whom a leader tells where it is follows it past the link.
        named("CONTROLLER", ports.quorum),
    ];
    let voters: Vec<String> =
        (1..).zip(&members).map(|(node, member)| format!("{node}@{}:{}", member.name, ports.quorum)).collect();
    let properties = Properties {
        node,
        voters: &voters.join(","),
        listeners: &listeners,
        between_brokers: "REPLICATION",
        replicas: u32::try_from(members.len()).expect("at most seven").min(MOST_REPLICAS),
        min_insync_replicas,
        data,
        further: FURTHER,
    };
    properties.to_string()
}
