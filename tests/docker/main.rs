//! Servers in containers: they come up, come back after a kill, and leave nothing behind; and what a machine may lack is
//! said before a load.
//!
//! Needs a Docker daemon that answers, and the images (`make offline-images` builds stand-ins).

mod bad_day;
mod ending;
mod run;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::bson::{Document, doc};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::producer::{FutureProducer, FutureRecord};
use tornwrite::environment::Needs;
use tornwrite::environment::docker::Docker;
use tornwrite::environment::local::Ports;
use tornwrite::history::entry::ProcessStep;
use tornwrite::link::{Link, LinkFault, LinkSpec, Links};
use tornwrite::process::usage;
use tornwrite::scenario::manifest::Node;

use self::run::{PATIENCE, Run, containers_of, docker, within};

/// Needs with one instance that dials both servers.
fn needs_with_links(run: &Run) -> Needs {
    let links = vec![("api-1".to_owned(), Node::Mongodb), ("api-1".to_owned(), Node::Kafka)];
    Needs { links, services: vec!["api-1".to_owned()], ..run.needs(&[Node::Mongodb, Node::Kafka]) }
}

async fn client(address: SocketAddr) -> Client {
    let uri = format!("mongodb://{address}/?directConnection=true&serverSelectionTimeoutMS=2000");
    Client::with_uri_str(uri).await.expect("the URI is right")
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
                Ok(count) => break count,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    })
    .await
}

fn configuration(address: SocketAddr) -> ClientConfig {
    let mut configuration = ClientConfig::new();
    configuration.set("bootstrap.servers", address.to_string());
    configuration.set("reconnect.backoff.ms", "50").set("reconnect.backoff.max.ms", "500");
    configuration
}

async fn make_topic(address: SocketAddr) {
    let admin: AdminClient<_> = configuration(address).create().expect("the configuration is right");
    let topic = NewTopic::new("events", 1, TopicReplication::Fixed(1));
    let made = within("the topic is made", admin.create_topics([&topic], &AdminOptions::new())).await;
    made.expect("the broker answers")[0].as_ref().expect("the topic is new");
}

/// The offset of a record that was acknowledged.
async fn produce(address: SocketAddr) -> i64 {
    let producer: FutureProducer = configuration(address).create().expect("the configuration is right");
    let record = FutureRecord::to("events").key("key").payload("value");
    producer.send(record, PATIENCE).await.expect("it is acknowledged").offset
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_serve_through_their_links_on_loopback_only_and_are_removed() {
    let run = Run::start().await;
    let began = Instant::now();
    let servers = Docker::start(&needs_with_links(&run), &run.supervisor, &run.ports).await.expect("they come up");
    eprintln!("up {:.2?}", began.elapsed());
    assert_eq!(containers_of(&run.name).lines().count(), 3);
    let published = docker(&["ps", "--filter", &run.label(), "--format", "{{.Ports}}"]);
    let ports: Vec<&str> = published.split([',', '\n']).map(str::trim).filter(|port| port.contains("->")).collect();
    assert_eq!(ports.len(), 3, "MongoDB, Kafka and Kafka's listener of the link: {published}");
    assert!(ports.iter().all(|port| port.starts_with("127.0.0.1:")), "{published}");

    let [mongodb, kafka] = [Node::Mongodb, Node::Kafka].map(|node| {
        let addresses = servers.link_addresses("api-1", node).expect("it was asked for");
        LinkSpec { link: Link::new("api-1", node.name()), listen: addresses.listen, upstream: addresses.upstream }
    });
    let api = servers.toxiproxy_address().expect("there are links");
    let links = Links::create(api, vec![mongodb.clone(), kafka.clone()]).await.expect("Toxiproxy is the host's");
    commit_transaction(&client(mongodb.listen).await).await;
    make_topic(servers.kafka_address().expect("it is up")).await;
    assert_eq!(produce(kafka.listen).await, 0, "the listener of the link leads back to its proxy");
    links.inject(1, std::slice::from_ref(&kafka.link), LinkFault::Partition).await.expect("it is cut");
    let cut = tokio::time::timeout(Duration::from_secs(2), produce(kafka.listen)).await;
    assert!(cut.is_err(), "nothing slips past the proxy");
    links.heal_all().await.expect("it is healed");
    assert_eq!(count_documents(&client(servers.mongodb_address().expect("it is up")).await).await, 1);

    let processes = servers.processes().await;
    assert_eq!(processes.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["mongodb", "kafka", "toxiproxy"]);
    for (name, pid) in &processes {
        let used = usage::usage(*pid).unwrap_or_else(|| panic!("{name} is running"));
        assert!(used.rss > 1_000_000, "{name} uses {used:?}");
    }
    servers.stop().await.expect("they end");
    let steps = run.finish().await;
    for server in ["mongodb", "kafka", "toxiproxy"] {
        let own: Vec<ProcessStep> =
            steps.iter().filter(|(process, _)| process == server).map(|(_, step)| *step).collect();
        assert_eq!(own, [ProcessStep::Started, ProcessStep::Ready, ProcessStep::Stopped], "{server}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_comes_back_on_the_same_port_with_what_it_had_committed() {
    let mut run = Run::start().await;
    let needs = run.needs(&[Node::Mongodb, Node::Kafka]);
    let servers = Docker::start(&needs, &run.supervisor, &run.ports).await.expect("they come up");
    let client = client(servers.mongodb_address().expect("it is up")).await;
    let kafka = servers.kafka_address().expect("it is up");
    commit_transaction(&client).await;
    make_topic(kafka).await;
    assert_eq!(produce(kafka).await, 0);
    // In a task, as the nemesis does it: the futures must be `Send`.
    let servers = tokio::spawn(async move {
        for node in [Node::Mongodb, Node::Kafka] {
            servers.kill(node).await.expect("it runs");
            assert!(servers.pause(node).await.is_err(), "a dead server cannot be paused");
            let began = Instant::now();
            servers.restart(node).await.expect("it comes back");
            eprintln!("{} again after {:.2?}", node.name(), began.elapsed());
            assert!(servers.restart(node).await.is_err(), "what runs cannot be started");
        }
        servers
    })
    .await
    .expect("no panic");
    assert_eq!(count_documents(&client).await, 1);
    assert_eq!(produce(kafka).await, 1, "the first record is still there");
    assert!(run.exits.try_recv().is_err(), "an injected kill is no unexpected exit");
    servers.stop().await.expect("they end");
    let log = std::fs::read_to_string(needs.log_folder.join("mongodb.log")).expect("the log stays");
    assert_eq!(log.matches("\"MongoDB starting\"").count(), 2, "each life is in the log once");
    let steps = run.finish().await;
    assert!(!steps.iter().any(|(_, step)| *step == ProcessStep::Exited), "{steps:?}");
    assert_eq!(steps.iter().filter(|(_, step)| *step == ProcessStep::Killed).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_server_answers_again_when_it_goes_on() {
    let run = Run::start().await;
    let needs = run.needs(&[Node::Mongodb]);
    let servers = Docker::start(&needs, &run.supervisor, &run.ports).await.expect("it comes up");
    let client = client(servers.mongodb_address().expect("it is up")).await;
    assert_eq!(count_documents(&client).await, 0);
    servers.pause(Node::Mongodb).await.expect("it runs");
    let asked = tokio::time::timeout(Duration::from_millis(300), count_documents(&client)).await;
    assert!(asked.is_err(), "a stopped server does not answer");
    servers.resume(Node::Mongodb).await.expect("it runs");
    assert_eq!(count_documents(&client).await, 0);
    servers.pause(Node::Mongodb).await.expect("it runs");
    servers.kill(Node::Mongodb).await.expect("a stopped server can be killed");
    servers.restart(Node::Mongodb).await.expect("it comes back");
    servers.pause(Node::Mongodb).await.expect("it runs");
    servers.stop().await.expect("a stopped server can be ended");
    run.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_dies_by_itself_is_told_to_the_run_at_once() {
    let mut run = Run::start().await;
    let needs = run.needs(&[Node::Mongodb]);
    let servers = Docker::start(&needs, &run.supervisor, &run.ports).await.expect("it comes up");
    docker(&["kill", &format!("{}-mongodb", run.name)]);
    let killed = Instant::now();
    let exit = within("the exit is told", run.exits.recv()).await.expect("the supervisor is there");
    assert!(killed.elapsed() < Duration::from_secs(5), "told only after {:?}", killed.elapsed());
    assert_eq!((exit.process.as_str(), exit.status.as_str()), ("mongodb", "exit status 137 (SIGKILL)"));
    assert!(!exit.last_lines.is_empty(), "mongod has written something");
    let error = servers.kill(Node::Mongodb).await.expect_err("what is dead cannot be killed");
    assert_eq!(error.to_string(), "mongodb is not running: exit status 137 (SIGKILL)");
    servers.stop().await.expect("there is nothing to end");
    let steps = run.finish().await;
    assert_eq!(steps.last(), Some(&("mongodb".to_owned(), ProcessStep::Exited)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_dependencies_asks_for_no_docker() {
    let run = Run::start().await;
    let servers = Docker::start(&run.needs(&[]), &run.supervisor, &Ports::new().expect("a folder")).await;
    let servers = servers.expect("there is nothing to start");
    assert_eq!(servers.processes().await, []);
    servers.stop().await.expect("there is nothing to end");
    assert_eq!(run.finish().await, []);
}
