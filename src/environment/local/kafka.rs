//! One Kafka broker that is its own controller, with a listener per link.
//!
//! A Kafka client follows the addresses that the broker advertises. So that none slips past its proxy, each link has a
//! listener of its own, which advertises that link's proxy.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::ports::Ports;
use super::programs::KafkaProgram;
use super::readiness::{on_free_ports, wait_until_serving};
use crate::environment::{EnvironmentError, LinkAddresses};
use crate::process::tool::Tool;
use crate::process::{Command, Process, Supervisor, Unit};

/// An answer that is longer is none of Kafka's.
const LONGEST_ANSWER: i32 = 1 << 16;

/// How long formatting may take.
const FORMAT_DEADLINE: Duration = Duration::from_secs(30);

/// The running broker.
#[derive(Debug)]
pub(super) struct Kafka {
    pub(super) unit: Unit,
    /// The listener of the harness.
    pub(super) address: SocketAddr,
    /// By dialling instance: its proxy and the listener behind it.
    pub(super) links: BTreeMap<String, LinkAddresses>,
    controller: SocketAddr,
}

/// What the broker's configuration is made from.
struct Layout<'a> {
    direct: SocketAddr,
    controller: SocketAddr,
    links: &'a BTreeMap<String, LinkAddresses>,
    data: &'a Path,
}

impl Kafka {
    /// Starts it with fresh data and waits until it answers. `proxies`: by instance, where its link's proxy will listen.
    pub(super) async fn start(
        program: &KafkaProgram,
        proxies: &BTreeMap<String, SocketAddr>,
        supervisor: &Supervisor,
        log_folder: &Path,
        ports: &Ports,
    ) -> Result<Self, EnvironmentError> {
        on_free_ports(2 + proxies.len(), ports, async |chosen| {
            let (address, controller) = (chosen[0], chosen[1]);
            let links: BTreeMap<String, LinkAddresses> = proxies
                .iter()
                .zip(&chosen[2..])
                .map(|((instance, listen), upstream)| {
                    (instance.clone(), LinkAddresses { listen: *listen, upstream: *upstream })
                })
                .collect();
            let data = supervisor.folder().join(format!("kafka-{}", address.port()));
            std::fs::create_dir(&data).map_err(EnvironmentError::file("cannot make", &data))?;
            let layout = Layout { direct: address, controller, links: &links, data: &data };
            let properties = supervisor.folder().join(format!("kafka-{}.properties", address.port()));
            write(&properties, &properties_of(&layout))?;
            format_storage(program, &data, &properties).await?;
            let command = command(program, &properties, log_folder);
            let server = Self { unit: Unit::new(command, supervisor.clone()), address, links, controller };
            server.serve().await?;
            Ok(server)
        })
        .await
    }

    /// Starts the process, on the data that is there, and waits until it answers.
    pub(super) async fn serve(&self) -> Result<(), EnvironmentError> {
        self.unit.start(async |process| self.wait_for_metadata(&process).await).await
    }

    async fn wait_for_metadata(&self, process: &Process) -> Result<(), EnvironmentError> {
        let mut listeners = vec![self.address, self.controller];
        listeners.extend(self.links.values().map(|link| link.upstream));
        wait_until_serving(process, &listeners, || async {
            match count_brokers(self.address).await {
                Ok(0) => Err("no broker is registered".to_owned()),
                Ok(_) => Ok(()),
                Err(error) => Err(format!("asking for metadata: {error}")),
            }
        })
        .await
    }
}

/// The configuration of a broker without links.
pub(super) fn plain_properties(direct: SocketAddr, controller: SocketAddr, data: &Path) -> String {
    properties_of(&Layout { direct, controller, links: &BTreeMap::new(), data })
}

fn properties_of(layout: &Layout) -> String {
    let mut listeners = format!("DIRECT://{},CONTROLLER://{}", layout.direct, layout.controller);
    let mut advertised = format!("DIRECT://{}", layout.direct);
    let mut protocols = "DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned();
    for (number, link) in layout.links.values().enumerate() {
        let _ = write!(listeners, ",L{number}://{}", link.upstream);
        let _ = write!(advertised, ",L{number}://{}", link.listen);
        let _ = write!(protocols, ",L{number}:PLAINTEXT");
    }
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{controller}
listeners={listeners}
advertised.listeners={advertised}
listener.security.protocol.map={protocols}
inter.broker.listener.name=DIRECT
controller.listener.names=CONTROLLER
log.dirs={data}
# One broker: no replica of anything.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# A topic that the harness did not make is a mistake.
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
# A killed broker waits out its own old session before it serves again: 2 s instead of 12.
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=200
",
        controller = layout.controller,
        data = layout.data.display()
    )
}

/// Prepares the data folder: from the template where there is one, which saves half a second, else by Kafka's own tool.
pub(super) async fn format_storage(
    program: &KafkaProgram,
    data: &Path,
    properties: &Path,
) -> Result<(), EnvironmentError> {
    let cluster = uuid::Uuid::new_v4().simple().to_string();
    let Some(template) = &program.template else {
        let mut arguments = program.java_arguments();
        arguments.extend(["kafka.tools.StorageTool".into(), "format".into()]);
        arguments.extend(["-t".into(), kafka_id(&cluster).into(), "-c".into(), properties.into()]);
        Tool::new(&program.java)
            .arguments(arguments)
            .deadline(FORMAT_DEADLINE)
            .run()
            .await
            .map_err(EnvironmentError::Format)?;
        return Ok(());
    };
    let checkpoint = data.join("bootstrap.checkpoint");
    std::fs::copy(template, &checkpoint).map_err(EnvironmentError::file("cannot write", &checkpoint))?;
    let meta = format!(
        "version=1\nnode.id=1\ncluster.id={}\ndirectory.id={}\n",
        kafka_id(&cluster),
        kafka_id(&uuid::Uuid::new_v4().simple().to_string())
    );
    write(&data.join("meta.properties"), &meta)
}

/// An id as Kafka writes it, 16 bytes in URL-safe base64 without padding: hexadecimal digits are digits of it too, and
/// the last of 22 holds four bits only, so `A`.
fn kafka_id(hexadecimal: &str) -> String {
    format!("{}A", &hexadecimal[..21])
}

fn command(program: &KafkaProgram, properties: &Path, log_folder: &Path) -> Command {
    let mut arguments = program.java_arguments();
    arguments.extend(["kafka.Kafka".into(), properties.into()]);
    Command {
        name: "kafka".to_owned(),
        program: program.java.clone(),
        arguments,
        environment: Vec::new(),
        folder: None,
        log: log_folder.join("kafka.log"),
    }
}

/// Asks a broker for the brokers it knows: Metadata, version 2, for no topic
/// (<https://kafka.apache.org/protocol.html#The_Messages_Metadata>). By hand, because a client library would go on
/// dialling in the background, and this is all that is asked.
async fn count_brokers(address: SocketAddr) -> std::io::Result<i32> {
    let mut request = Vec::new();
    request.extend(3_i16.to_be_bytes()); // API key: Metadata
    request.extend(2_i16.to_be_bytes()); // version
    request.extend(1_i32.to_be_bytes()); // correlation id
    request.extend(4_i16.to_be_bytes()); // client id
    request.extend(b"torn");
    request.extend(0_i32.to_be_bytes()); // topics: none
    let mut stream = TcpStream::connect(address).await?;
    stream.write_i32(i32::try_from(request.len()).expect("a few bytes")).await?;
    stream.write_all(&request).await?;
    let length = stream.read_i32().await?;
    if !(8..LONGEST_ANSWER).contains(&length) {
        return Err(std::io::Error::other(format!("an answer of {length} bytes")));
    }
    let _correlation = stream.read_i32().await?;
    stream.read_i32().await
}

fn write(path: &Path, text: &str) -> Result<(), EnvironmentError> {
    std::fs::write(path, text).map_err(EnvironmentError::file("cannot write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_link_advertises_its_own_proxy_and_nobody_else_does() {
        let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let link = |listen, upstream| LinkAddresses { listen: address(listen), upstream: address(upstream) };
        let links = BTreeMap::from([("api-1".to_owned(), link(201, 101)), ("relay-1".to_owned(), link(202, 102))]);
        let (direct, controller) = (address(9), address(10));
        let text = properties_of(&Layout { direct, controller, links: &links, data: Path::new("/d") });
        assert!(text.contains(
            "\nlisteners=DIRECT://127.0.0.1:9,CONTROLLER://127.0.0.1:10,L0://127.0.0.1:101,L1://127.0.0.1:102\n"
        ));
        assert!(text.contains("\nadvertised.listeners=DIRECT://127.0.0.1:9,L0://127.0.0.1:201,L1://127.0.0.1:202\n"));
    }

    #[test]
    fn an_id_has_22_digits() {
        assert_eq!(kafka_id("0123456789abcdef0123456789abcdef").len(), 22);
    }
}
