//! The members of a replica set: started at once, made a set, and elected.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use mongodb::Client;
use mongodb::bson::{Document, doc};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use super::layout::{Layout, Member};
use crate::environment::EnvironmentError;
use crate::environment::local::mongod::{self, Hello, Mongod};
use crate::environment::local::readiness::{PAUSE, wait_until_serving};
use crate::process::{HostsFile, Process, Supervisor, Unit};
use crate::scenario::manifest::Node;

/// How long a member may take to say what it is.
const HELLO_DEADLINE: Duration = Duration::from_secs(2);

/// The members of the set.
#[derive(Debug)]
pub(super) struct ReplicaSet {
    members: Vec<Mongodb>,
    config: Document,
}

/// One of them.
#[derive(Debug)]
struct Mongodb {
    unit: Unit,
    address: SocketAddr,
}

impl ReplicaSet {
    /// Makes folders and commands; starts nothing.
    pub(super) fn lay_out(
        layout: &Layout,
        oplog_mb: u32,
        program: &Path,
        hosts: impl Fn(&Member) -> HostsFile,
        (folder, log_folder): (&Path, &Path),
        supervisor: &Supervisor,
    ) -> Result<Self, EnvironmentError> {
        let mut members = Vec::new();
        for member in layout.of(Node::Mongodb) {
            let data = folder.join(format!("{}-data", member.name));
            std::fs::create_dir(&data).map_err(EnvironmentError::file("cannot make", &data))?;
            let (address, hosts) = (member.address(layout.ports.mongodb), Some(hosts(member)));
            let mongod = Mongod { name: &member.name, program, address, data: &data, oplog_mb, hosts, log_folder };
            members.push(Mongodb { unit: Unit::new(mongod.command(), supervisor.clone()), address });
        }
        Ok(Self { members, config: config(layout) })
    }

    /// Starts all and waits for one writable primary and nothing but secondaries beside it. Has no deadline of its own.
    pub(super) async fn form(&self) -> Result<(), EnvironmentError> {
        let asked: Vec<Asked> = self.members.iter().map(Asked::new).collect();
        let starts = try_join_all(self.members.iter().zip(&asked).map(|(member, asked)| member.start(asked)));
        // When a member does not come up, its start ends with an error, and the waiting with it.
        tokio::try_join!(starts, async {
            initiate(&asked, &self.config).await;
            Ok(())
        })?;
        while !is_formed(&hellos(&asked).await) {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Starts a killed member again, and waits until it is a primary or a secondary.
    pub(super) async fn restart(&self, name: &str) -> Result<(), EnvironmentError> {
        let member = self.members.iter().find(|member| member.unit.name() == name);
        member.ok_or_else(|| EnvironmentError::NoServer(name.to_owned()))?.restart().await
    }

    pub(super) fn units(&self) -> impl Iterator<Item = &Unit> {
        self.members.iter().map(|member| &member.unit)
    }

    /// The members that take writes. During a partition these may be two.
    pub(super) async fn primaries(&self) -> Vec<String> {
        let asked: Vec<Asked> = self.members.iter().map(Asked::new).collect();
        let says = hellos(&asked).await;
        let primaries =
            self.members.iter().zip(says).filter(|(_, says)| says.as_ref().is_ok_and(|says| says.is_primary));
        primaries.map(|(member, _)| member.unit.name().to_owned()).collect()
    }

    /// What each member says of itself, for an error message.
    pub(super) async fn state(&self) -> String {
        let asked: Vec<Asked> = self.members.iter().map(Asked::new).collect();
        let says = hellos(&asked).await.into_iter().map(|says| match says {
            Ok(Hello { is_primary: true, .. }) => "primary".to_owned(),
            Ok(Hello { is_secondary: true, .. }) => "secondary".to_owned(),
            Ok(_) => "neither primary nor secondary".to_owned(),
            Err(error) => error,
        });
        self.members
            .iter()
            .zip(says)
            .map(|(member, says)| format!("{}: {says}", member.unit.name()))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

impl Mongodb {
    async fn start(&self, asked: &Asked) -> Result<(), EnvironmentError> {
        self.unit.start(async |process| self.wait_until_member(&process, asked).await).await
    }

    async fn restart(&self) -> Result<(), EnvironmentError> {
        self.start(&Asked::new(self)).await
    }

    async fn wait_until_member(&self, process: &Process, asked: &Asked) -> Result<(), EnvironmentError> {
        wait_until_serving(process, &[self.address], || async {
            match asked.hello().await? {
                Hello { is_primary: false, is_secondary: false } => Err("it is no member of a set yet".to_owned()),
                _ => Ok(()),
            }
        })
        .await
    }
}

/// A member and the one client that asks it, made when it listens.
struct Asked {
    address: SocketAddr,
    client: OnceCell<Client>,
}

impl Asked {
    fn new(member: &Mongodb) -> Self {
        Self { address: member.address, client: OnceCell::new() }
    }

    async fn client(&self) -> Result<&Client, String> {
        let connect = || async {
            TcpStream::connect(self.address).await.map_err(|error| error.to_string())?;
            mongod::connect(self.address)
        };
        self.client.get_or_try_init(connect).await
    }

    async fn hello(&self) -> Result<Hello, String> {
        mongod::hello(self.client().await?).await
    }
}

/// What all say, each in its time.
async fn hellos(asked: &[Asked]) -> Vec<Result<Hello, String>> {
    let hello = async |member: &Asked| {
        let answer = tokio::time::timeout(HELLO_DEADLINE, member.hello()).await;
        answer.unwrap_or_else(|_| Err(format!("no answer for {HELLO_DEADLINE:?}")))
    };
    join_all(asked.iter().map(hello)).await
}

fn is_formed(says: &[Result<Hello, String>]) -> bool {
    let count = |is_so: fn(&Hello) -> bool| says.iter().flatten().filter(|hello| is_so(hello)).count();
    let primaries = count(|hello| hello.is_primary);
    primaries == 1 && primaries + count(|hello| hello.is_secondary) == says.len()
}

/// Tells the first member of all, once all listen; then has it elected, which would otherwise wait for a timeout.
async fn initiate(asked: &[Asked], config: &Document) {
    // It dials all others: one that does not listen yet would cost its patience.
    while join_all(asked.iter().map(Asked::client)).await.iter().any(Result::is_err) {
        tokio::time::sleep(PAUSE).await;
    }
    let first = asked[0].client().await.expect("it was just made");
    while mongod::initiate(first, config.clone()).await.is_err() {
        tokio::time::sleep(PAUSE).await;
    }
    // Refused until the others have heard of the set.
    while mongod::run(first, doc! { "replSetStepUp": 1 }).await.is_err() {
        tokio::time::sleep(PAUSE).await;
    }
}

fn config(layout: &Layout) -> Document {
    let port = layout.ports.mongodb;
    let member = |(id, member): (usize, &Member)| {
        doc! { "_id": i32::try_from(id).expect("at most seven"), "host": format!("{}:{port}", member.name) }
    };
    let members: Vec<Document> = layout.of(Node::Mongodb).enumerate().map(member).collect();
    // A member that is cut off is missed after 2 s, so that a fault of some seconds has a failover in it.
    let settings = doc! {
        "electionTimeoutMillis": 2_000,
        "heartbeatIntervalMillis": 500,
        "heartbeatTimeoutSecs": 2,
        "catchUpTimeoutMillis": 0,
    };
    doc! { "_id": mongod::SET, "members": members, "settings": settings }
}
