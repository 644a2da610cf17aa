//! A cluster of the test's own, with a Toxiproxy, all links, and eyes that no fault touches.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::bson::{Document, doc};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tornwrite::environment::local::{Cluster, ClusterSpec, Ports, Programs};
use tornwrite::environment::{EnvironmentError, Needs};
use tornwrite::link::{Link, Links};
use tornwrite::scenario::manifest::Node;

use crate::links::stage::Toxiproxy;
use crate::stack::run::{Run, within};

/// A cluster and its links.
pub(super) struct Stand {
    pub(super) cluster: Arc<Cluster>,
    pub(super) links: Links,
    _toxiproxy: Toxiproxy,
    _ports: Ports,
}

impl Stand {
    /// Everything but the servers.
    pub(super) async fn set(run: &Run, spec: &ClusterSpec) -> Self {
        let programs = Programs::find(&run.needs(&[Node::Mongodb, Node::Kafka])).expect("the stack is installed");
        let ports = Ports::new().expect("a folder");
        let Needs { log_folder, .. } = run.needs(&[]);
        let log_folder = log_folder.join(ports.take().expect("a port").port().to_string());
        let cluster = Cluster::lay_out(spec, &programs, &run.supervisor, &log_folder, &ports).await.expect("it fits");
        let toxiproxy = Toxiproxy::start().await;
        let links = Links::create(toxiproxy.api, cluster.link_specs()).await.expect("the links are free");
        Self { cluster: Arc::new(cluster), links, _toxiproxy: toxiproxy, _ports: ports }
    }

    /// The same, and the servers.
    pub(super) async fn up(run: &Run, spec: &ClusterSpec) -> Self {
        let began = Instant::now();
        let stand = Self::set(run, spec).await;
        let set = began.elapsed();
        stand.serve().await.expect("it comes up");
        let (mongods, brokers, up) = (spec.mongodb_nodes, spec.kafka_brokers, began.elapsed());
        eprintln!("{mongods} + {brokers} + 1 up, elected and in sync: {up:.2?}, {set:.2?} of it for the links");
        stand
    }

    /// In a task, as a run does it: the futures must be `Send`.
    pub(super) async fn serve(&self) -> Result<(), EnvironmentError> {
        let cluster = Arc::clone(&self.cluster);
        tokio::spawn(async move { cluster.serve().await }).await.expect("no panic")
    }

    pub(super) fn address(&self, member: &str) -> SocketAddr {
        let members = [Node::Mongodb, Node::Kafka].into_iter().flat_map(|node| self.cluster.members(node));
        members.into_iter().find(|(name, _)| name == member).expect("it is a member").1
    }

    /// Every link between a member and the others of its kind, in both directions.
    pub(super) fn around(&self, member: &str) -> Vec<Link> {
        let names: BTreeSet<String> = self.cluster.units().map(|unit| unit.name().to_owned()).collect();
        let touches = |link: &&Link| {
            let server = link.server.split(':').next().expect("there is a first part");
            names.contains(&link.client) && (link.client == member || server == member)
        };
        self.links.iter().filter(touches).cloned().collect()
    }

    /// The one primary, once there is one besides those who are `not` meant.
    pub(super) async fn primary(&self, not: &[&str]) -> String {
        within("a primary is elected", async {
            loop {
                let primaries = self.cluster.primaries().await;
                if let Some(primary) = primaries.into_iter().find(|primary| !not.contains(&primary.as_str())) {
                    return primary;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await
    }

    pub(super) async fn end(self) {
        self.cluster.stop().await.expect("it ends");
    }
}

/// What a mongod answers to `hello`, asked past all links.
pub(super) async fn hello(address: SocketAddr) -> Document {
    let uri = format!("mongodb://{address}/?directConnection=true&serverSelectionTimeoutMS=5000");
    let client = Client::with_uri_str(uri).await.expect("the URI is right");
    client.database("admin").run_command(doc! { "hello": 1 }).await.expect("it answers")
}

fn kafka_configuration(bootstrap: SocketAddr) -> ClientConfig {
    let mut configuration = ClientConfig::new();
    configuration.set("bootstrap.servers", bootstrap.to_string()).set("reconnect.backoff.max.ms", "500");
    configuration
}

/// Makes a topic of one partition, as replicated as the brokers make it by themselves.
pub(super) async fn make_topic(bootstrap: SocketAddr, name: &str) {
    let topic = NewTopic::new(name, 1, TopicReplication::Fixed(-1));
    let made = admin(bootstrap).create_topics([&topic], &AdminOptions::new()).await.expect("it serves");
    assert_eq!(made, [Ok(name.to_owned())]);
}

pub(super) async fn min_insync_replicas(bootstrap: SocketAddr, topic: &str) -> Option<String> {
    let asked = [ResourceSpecifier::Topic(topic)];
    let mut told = admin(bootstrap).describe_configs(&asked, &AdminOptions::new()).await.expect("it serves");
    let told = told.remove(0).expect("the topic is there");
    told.get("min.insync.replicas").and_then(|entry| entry.value.clone())
}

fn admin(bootstrap: SocketAddr) -> AdminClient<DefaultClientContext> {
    kafka_configuration(bootstrap).create().expect("the configuration is right")
}

/// The leader of the topic's partition and how many replicas are in sync, as this broker knows it.
pub(super) async fn leader(broker: SocketAddr, topic: &str) -> Option<(i32, usize)> {
    let topic = topic.to_owned();
    // It blocks.
    let asked = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = kafka_configuration(broker).create().expect("the configuration is right");
        let metadata = consumer.fetch_metadata(Some(&topic), Duration::from_secs(5)).ok()?;
        let partition = metadata.topics().first()?.partitions().first()?;
        Some((partition.leader(), partition.isr().len()))
    });
    asked.await.expect("no panic")
}

/// Waits until a broker knows of a leader of which this holds; it, and how long that took.
pub(super) async fn leader_where(
    broker: SocketAddr,
    topic: &str,
    holds: impl Fn(i32, usize) -> bool,
) -> (i32, Duration) {
    let began = Instant::now();
    within("such a leader is known", async {
        loop {
            match leader(broker, topic).await {
                Some((leader, insync)) if holds(leader, insync) => return (leader, began.elapsed()),
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    })
    .await
}
