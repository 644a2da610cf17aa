//! A mongod and a Kafka of the test's own, on free loopback ports, that can be killed and started again.
//!
//! Programs are found as a run finds them; everything else is the test's own, so that the witnesses are not judged by
//! the servers' options of a run.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mongodb::bson::{Document, doc};
use mongodb::{Client, Database};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tempfile::TempDir;
use tornwrite::environment::local::{Cache, KafkaProgram, Ports, programs};

/// A server must be up after this long.
pub(super) const UP_WITHIN: Duration = Duration::from_secs(60);

/// One server as a child process; it dies with the test.
pub(super) struct Server {
    command: Vec<OsString>,
    child: Option<Child>,
    folder: TempDir,
    pub(super) address: String,
    /// Reserved while the server lives, and while it is dead and will be started again.
    _ports: Ports,
}

impl Server {
    /// Not started yet.
    pub(super) fn new(command: Vec<OsString>, folder: TempDir, address: String, ports: Ports) -> Self {
        Self { command, child: None, folder, address, _ports: ports }
    }

    /// Sends it a signal; returns once one that stops it has stopped every thread, which takes its time on a busy machine.
    pub(super) fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the server runs");
        let id = i32::try_from(child.id()).expect("a process id");
        kill(Pid::from_raw(id), signal).expect("the server can be reached");
        let is_stopped = |task: procfs::process::Task| task.stat().is_ok_and(|stat| stat.state == 'T');
        let stands_still = || {
            let tasks = procfs::process::Process::new(id).and_then(|process| process.tasks());
            tasks.is_ok_and(|tasks| tasks.flatten().all(is_stopped))
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while signal == Signal::SIGSTOP && !stands_still() {
            assert!(Instant::now() < deadline, "the server does not stand still");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(super) fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).expect("a log file");
        let errors = log.try_clone().expect("a second handle");
        // The kernel kills it when this thread ends, however the test ends.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(&self.command)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("{:?}: {error}", self.command));
        self.child = Some(child);
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the server can be killed");
            child.wait().expect("the server ends");
        }
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default().lines().rev().take(10).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A one-member replica set that takes writes.
pub(super) async fn mongod() -> Server {
    mongod_with(&[]).await
}

/// The same with further options.
pub(super) async fn mongod_with(options: &[&str]) -> Server {
    let folder = TempDir::new().expect("a folder");
    let ports = Ports::new().unwrap_or_else(|error| panic!("{error}"));
    let port = free_port(&ports);
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("a data folder");
    let command = [
        programs::mongod(&cache()).unwrap_or_else(|error| panic!("{error}")).display().to_string(),
        format!("--dbpath={}", data.display()),
        format!("--port={port}"),
        "--bind_ip=127.0.0.1".to_owned(),
        "--replSet=rs0".to_owned(),
        "--wiredTigerCacheSizeGB=0.25".to_owned(),
        "--oplogSize=64".to_owned(),
        "--nounixsocket".to_owned(),
    ];
    let command = command.iter().map(String::as_str).chain(options.iter().copied()).map(OsString::from).collect();
    let address = format!("mongodb://127.0.0.1:{port}/?directConnection=true");
    let mut server = Server::new(command, folder, address, ports);
    server.start();
    let member = format!("127.0.0.1:{port}");
    let initiate = doc! { "replSetInitiate": { "_id": "rs0", "members": [{ "_id": 0, "host": member }] } };
    let admin = client(&server).await.database("admin");
    let deadline = Instant::now() + UP_WITHIN;
    while !is_primary(&admin).await {
        assert!(Instant::now() < deadline, "mongod is not up: {}", server.log());
        // Refused while it starts, and once it is initiated; `hello` has the last word.
        let _ = admin.run_command(initiate.clone()).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server
}

pub(super) async fn is_primary(admin: &Database) -> bool {
    let hello: Result<Document, _> = admin.run_command(doc! { "hello": 1 }).await;
    hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false))
}

/// A client of the test's own, as a service would have one.
pub(super) async fn client(server: &Server) -> Client {
    Client::with_uri_str(&server.address).await.expect("a client")
}

/// A broker that is its own controller.
pub(super) fn kafka() -> Server {
    let program = KafkaProgram::find(&cache()).unwrap_or_else(|error| panic!("{error}"));
    let folder = TempDir::new().expect("a folder");
    let ports = Ports::new().unwrap_or_else(|error| panic!("{error}"));
    let (port, controller) = (free_port(&ports), free_port(&ports));
    let properties = folder.path().join("server.properties");
    fs::write(&properties, kafka_properties(port, controller, &folder.path().join("data"))).expect("a properties file");
    let java = |class: &str, arguments: &[&str]| -> Vec<OsString> {
        let before = std::iter::once(program.java.clone().into_os_string()).chain(program.java_arguments());
        before.chain(std::iter::once(class).chain(arguments.iter().copied()).map(OsString::from)).collect()
    };
    let file = properties.display().to_string();
    let format = java("kafka.tools.StorageTool", &["format", "-t", "AAAAAAAAAAAAAAAAAAAAAA", "-c", &file]);
    let formatted = Command::new(&format[0]).args(&format[1..]).output().expect("java on the path");
    assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stderr));
    let address = format!("127.0.0.1:{port}");
    let mut server = Server::new(java("kafka.Kafka", &[&file]), folder, address, ports);
    server.start();
    await_kafka(&server);
    server
}

/// Blocks until the broker answers.
pub(super) fn await_kafka(server: &Server) {
    let handle: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &server.address)
        .set("reconnect.backoff.max.ms", "200")
        .create()
        .expect("a client");
    let deadline = Instant::now() + UP_WITHIN;
    while handle.fetch_metadata(None, Duration::from_millis(500)).is_err() {
        assert!(Instant::now() < deadline, "Kafka is not up: {}", server.log());
    }
}

fn kafka_properties(port: u16, controller: u16, data: &Path) -> String {
    format!(
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=DIRECT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=DIRECT://127.0.0.1:{port}\n\
         listener.security.protocol.map=DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=DIRECT\ncontroller.listener.names=CONTROLLER\nlog.dirs={}\n\
         offsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n\
         transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
         transaction.state.log.num.partitions=1\nauto.create.topics.enable=false\n\
         group.initial.rebalance.delay.ms=0\nbroker.session.timeout.ms=1000\nbroker.heartbeat.interval.ms=200\n",
        data.display()
    )
}

pub(super) fn cache() -> Cache {
    Cache::from_environment().unwrap_or_else(|error| panic!("{error}"))
}

pub(super) fn free_port(ports: &Ports) -> u16 {
    ports.take().unwrap_or_else(|error| panic!("{error}")).port()
}
