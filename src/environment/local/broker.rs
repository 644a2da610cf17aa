//! A Kafka broker that is a controller besides, alone or of a cluster: its configuration, its storage, its command, and
//! which brokers it knows.

use std::ffi::OsString;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::programs::KafkaProgram;
use crate::environment::EnvironmentError;
use crate::process::Command;
use crate::process::tool::Tool;

/// An answer that is longer is none of Kafka's.
const LONGEST_ANSWER: i32 = 1 << 16;

/// How long formatting may take.
const FORMAT_DEADLINE: Duration = Duration::from_secs(30);

/// Where a broker listens, and what it tells those who come there.
pub(super) struct Listener {
    name: String,
    bound: SocketAddr,
    advertised: String,
}

impl Listener {
    pub(super) fn new(name: &str, bound: SocketAddr, advertised: impl Display) -> Self {
        Self { name: name.to_owned(), bound, advertised: advertised.to_string() }
    }
}

/// A broker's configuration; displayed, it is the text of its file.
pub(super) struct Properties<'a> {
    pub(super) node: u32,
    /// `node@host:port` of every controller.
    pub(super) voters: &'a str,
    /// One of them is `CONTROLLER`.
    pub(super) listeners: &'a [Listener],
    /// The listener that brokers dial.
    pub(super) between_brokers: &'a str,
    /// Of each topic, where whoever makes it says nothing else; at most the number of brokers.
    pub(super) replicas: u32,
    pub(super) min_insync_replicas: u32,
    pub(super) data: &'a Path,
    /// Lines of the file that differ between one that is alone and a member of a cluster.
    pub(super) further: &'a str,
}

impl Display for Properties<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let each = |say: &dyn Fn(&Listener) -> String| self.listeners.iter().map(say).collect::<Vec<_>>().join(",");
        write!(
            formatter,
            "process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners={listeners}
advertised.listeners={advertised}
listener.security.protocol.map={protocols}
inter.broker.listener.name={between_brokers}
controller.listener.names=CONTROLLER
log.dirs={data}
default.replication.factor={replicas}
min.insync.replicas={min_insync_replicas}
unclean.leader.election.enable=false
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={min_insync_replicas}
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={min_insync_replicas}
# A topic that the harness did not make is a mistake.
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
{further}",
            node = self.node,
            voters = self.voters,
            listeners = each(&|listener| format!("{}://{}", listener.name, listener.bound)),
            advertised = each(&|listener| format!("{}://{}", listener.name, listener.advertised)),
            protocols = each(&|listener| format!("{}:PLAINTEXT", listener.name)),
            between_brokers = self.between_brokers,
            data = self.data.display(),
            replicas = self.replicas,
            min_insync_replicas = self.min_insync_replicas,
            further = self.further,
        )
    }
}

/// A broker's data folder, to be prepared before its first start.
pub(super) struct Storage<'a> {
    pub(super) node: u32,
    /// The cluster's id, the same for all of its brokers; see [`new_id`].
    pub(super) cluster: String,
    pub(super) data: &'a Path,
    pub(super) properties: &'a Path,
}

impl<'a> Storage<'a> {
    /// That of a broker without others.
    pub(super) fn new_cluster(node: u32, data: &'a Path, properties: &'a Path) -> Self {
        Self { node, cluster: new_id(), data, properties }
    }

    /// Prepares it: from the template where there is one, which saves half a second, else by Kafka's own tool.
    pub(super) async fn format(&self, program: &KafkaProgram) -> Result<(), EnvironmentError> {
        let Some(template) = &program.template else {
            let mut arguments = program.java_arguments();
            arguments.extend(["kafka.tools.StorageTool".into(), "format".into()]);
            arguments.extend(["-t".into(), self.cluster.clone().into(), "-c".into(), self.properties.into()]);
            let tool = Tool::new(&program.java).arguments(arguments).deadline(FORMAT_DEADLINE);
            tool.run().await.map_err(EnvironmentError::Format)?;
            return Ok(());
        };
        let checkpoint = self.data.join("bootstrap.checkpoint");
        std::fs::copy(template, &checkpoint).map_err(EnvironmentError::file("cannot write", &checkpoint))?;
        let (node, cluster) = (self.node, &self.cluster);
        let meta = format!("version=1\nnode.id={node}\ncluster.id={cluster}\ndirectory.id={}\n", new_id());
        write(&self.data.join("meta.properties"), &meta)
    }
}

/// A new id as Kafka writes it, 16 bytes in URL-safe base64 without padding: hexadecimal digits are digits of it too,
/// and the last of 22 holds four bits only, so `A`.
pub(super) fn new_id() -> String {
    let hexadecimal = uuid::Uuid::new_v4().simple().to_string();
    format!("{}A", &hexadecimal[..21])
}

/// What a broker's command is made from.
pub(super) struct Broker<'a> {
    pub(super) name: &'a str,
    pub(super) program: &'a KafkaProgram,
    /// Further arguments of the Java runtime.
    pub(super) runtime: &'a [OsString],
    pub(super) properties: &'a Path,
    pub(super) log_folder: &'a Path,
}

impl Broker<'_> {
    pub(super) fn command(self) -> Command {
        let mut arguments = self.program.java_arguments();
        arguments.extend_from_slice(self.runtime);
        arguments.extend(["kafka.Kafka".into(), self.properties.into()]);
        Command {
            name: self.name.to_owned(),
            program: self.program.java.clone(),
            arguments,
            environment: Vec::new(),
            folder: None,
            log: self.log_folder.join(format!("{}.log", self.name)),
            hosts: None,
            secrets: Vec::new(),
        }
    }
}

/// Asks a broker which brokers it knows to serve: Metadata, version 2, for no topic
/// (<https://kafka.apache.org/protocol.html#The_Messages_Metadata>). By hand, because a client library would go on
/// dialling in the background, and this is all that is asked.
pub(super) async fn brokers_known_to(address: SocketAddr) -> io::Result<Vec<u32>> {
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
        return Err(io::Error::other(format!("an answer of {length} bytes")));
    }
    let mut answer = vec![0; usize::try_from(length).expect("it is positive")];
    stream.read_exact(&mut answer).await?;
    brokers_in(&answer).await
}

/// The brokers' numbers in the answer's first half: correlation id, then of each broker number, host, port and rack.
async fn brokers_in(mut answer: &[u8]) -> io::Result<Vec<u32>> {
    let _correlation = answer.read_i32().await?;
    let mut brokers = Vec::new();
    for _ in 0..answer.read_i32().await? {
        brokers.push(answer.read_u32().await?);
        skip_text(&mut answer).await?;
        let _port = answer.read_i32().await?;
        skip_text(&mut answer).await?;
    }
    Ok(brokers)
}

/// A text, or none: then its length is -1.
async fn skip_text(answer: &mut &[u8]) -> io::Result<()> {
    let length = usize::try_from(answer.read_i16().await?).unwrap_or(0);
    *answer = answer.get(length..).ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(())
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), EnvironmentError> {
    std::fs::write(path, text).map_err(EnvironmentError::file("cannot write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_22_digits() {
        assert_eq!(new_id().len(), 22);
    }

    #[tokio::test]
    async fn the_brokers_of_an_answer_are_read_and_one_cut_short_is_an_error() {
        let mut answer = vec![0, 0, 0, 1, 0, 0, 0, 2];
        answer.extend(b"\0\0\0\x07\0\x01h\0\0\0\x09\xff\xff");
        answer.extend(b"\0\0\0\x08\0\x01h\0\0\0\x09\0\x04rack");
        assert_eq!(brokers_in(&answer).await.expect("it is whole"), [7, 8]);
        for length in 0..answer.len() {
            assert!(brokers_in(&answer[..length]).await.is_err(), "{length}");
        }
    }
}
