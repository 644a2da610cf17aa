//! Taps between real drivers and real servers: the messages that they exchange, and what strikes at one of them does.
//!
//! Needs the installed stack (`torn stack install`).

use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::{Client, ClientSession, Collection};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message as _;
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::net::TcpStream;
use tornwrite::environment::{Environment, Needs};
use tornwrite::link::Link;
use tornwrite::link::tap::{Counters, Direction, Order, Protocol, TapSpec, Taps};
use tornwrite::scenario::manifest::Node;

use super::stage::{ANY, Log, SOON, send, strike};
use crate::stack::run::{Run, within};

/// A server behind a tap.
struct Tapped {
    run: Run,
    environment: Environment,
    taps: Taps,
    link: Link,
    log: Log,
}

impl Tapped {
    async fn mongodb() -> Self {
        let run = Run::start();
        let environment = Environment::up(&run.needs(&[Node::Mongodb]), &run.supervisor).await.expect("up");
        let uri = environment.mongodb_members().expect("it is up")[0].1.clone();
        let host = uri.trim_start_matches("mongodb://").split('/').next().expect("a split has a first part");
        let upstream = host.parse().expect("an address");
        Self::on(
            run,
            environment,
            TapSpec { link: Link::new("api-1", "mongodb"), listen: ANY, upstream, protocol: Protocol::Mongodb },
        )
        .await
    }

    /// The tap stands where the proxy would: the broker tells its clients to dial it.
    async fn kafka() -> Self {
        let run = Run::start();
        let needs = Needs { links: vec![("api-1".to_owned(), Node::Kafka)], ..run.needs(&[Node::Kafka]) };
        let environment = Environment::up(&needs, &run.supervisor).await.expect("up");
        let spec = environment.link_specs().remove(0);
        Self::on(
            run,
            environment,
            TapSpec { link: spec.link, listen: spec.listen, upstream: spec.upstream, protocol: Protocol::Kafka },
        )
        .await
    }

    async fn on(run: Run, environment: Environment, spec: TapSpec) -> Self {
        let link = spec.link.clone();
        let taps = Taps::start(vec![spec]).await.expect("it listens");
        let log = Log::of(&taps);
        Self { run, environment, taps, link, log }
    }

    fn address(&self) -> String {
        self.taps.address(&self.link).expect("it has a tap").to_string()
    }

    fn counters(&self) -> Counters {
        self.taps.counters(&self.link).expect("it has a tap")
    }

    /// A driver whose every message passes the tap.
    async fn client(&self) -> Client {
        let uri = format!("mongodb://{}/?directConnection=true", self.address());
        Client::with_uri_str(uri).await.expect("the URI is right")
    }

    async fn end(self) {
        self.taps.stop().await;
        self.environment.down().await.expect("it ends");
        self.run.finish().await;
    }
}

fn collection(client: &Client, name: &str) -> Collection<Document> {
    client.database("shop").collection(name)
}

/// Collections that are there and connections that are up, so that a test's messages are its own.
async fn prepare(client: &Client) {
    for name in ["orders", "stock"] {
        collection(client, name).insert_one(doc! { "_id": 0, "n": 5 }).await.expect("it is writable");
    }
}

/// Inserts an order and takes it from the stock.
async fn order(client: &Client, session: &mut ClientSession, id: i32) -> mongodb::error::Result<()> {
    collection(client, "orders").insert_one(doc! { "_id": id }).session(&mut *session).await?;
    let take = doc! { "$inc": { "n": -1 } };
    collection(client, "stock").update_one(doc! { "_id": 0 }, take).session(&mut *session).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_seen_message_by_message() {
    let tapped = Tapped::mongodb().await;
    let client = tapped.client().await;
    within("the transaction", async {
        prepare(&client).await;
        let mut session = client.start_session().await.expect("it serves");
        let before = tapped.log.messages().len();
        session.start_transaction().await.expect("it is a replica set");
        order(&client, &mut session, 1).await.expect("nobody disturbs it");
        session.commit_transaction().await.expect("it commits");
        assert_eq!(
            tapped.log.messages()[before..],
            [
                "→ insert orders",
                "← insert orders",
                "→ update stock",
                "← update stock",
                "→ commitTransaction",
                "← commitTransaction",
            ]
        );
        session.start_transaction().await.expect("it is a replica set");
        order(&client, &mut session, 2).await.expect("nobody disturbs it");
        session.abort_transaction().await.expect("it aborts");
    })
    .await;
    let counters = tapped.counters();
    let transactions = (counters.transactions_begun, counters.transactions_committed, counters.transactions_aborted);
    assert_eq!(transactions, (2, 1, 1));
    assert_eq!((counters.malformed_frames, counters.opaque_bytes, counters.commits_sent_again), (0, 0, 0));
    assert!(counters.connections_open > 0);
    tapped.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_duplicates_and_missed_updates_are_counted() {
    let tapped = Tapped::mongodb().await;
    let client = tapped.client().await;
    within("the conflicts", async {
        prepare(&client).await;
        let mut first = client.start_session().await.expect("it serves");
        let mut second = client.start_session().await.expect("it serves");
        first.start_transaction().await.expect("it is a replica set");
        order(&client, &mut first, 1).await.expect("nobody disturbs it");
        second.start_transaction().await.expect("it is a replica set");
        order(&client, &mut second, 2).await.expect_err("the stock is taken");
        second.abort_transaction().await.expect("it aborts");
        first.commit_transaction().await.expect("it commits");
        second.start_transaction().await.expect("it is a replica set");
        order(&client, &mut second, 2).await.expect("the stock is free");
        second.commit_transaction().await.expect("it commits");
        collection(&client, "orders").insert_one(doc! { "_id": 2 }).await.expect_err("it is there");
        let nobody = doc! { "_id": 0, "n": { "$gt": 100 } };
        let missed = collection(&client, "stock").update_one(nobody, doc! { "$inc": { "n": -1 } }).await;
        assert_eq!(missed.expect("no error").matched_count, 0);
    })
    .await;
    let counters = tapped.counters();
    assert_eq!((counters.write_conflicts, counters.duplicate_keys, counters.unmatched_updates), (1, 1, 1));
    assert_eq!((counters.transactions_begun, counters.transactions_retried), (3, 1));
    assert_eq!((counters.transactions_committed, counters.transactions_aborted), (2, 1));
    tapped.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_dropped_is_committed_and_sent_again() {
    let tapped = Tapped::mongodb().await;
    let client = tapped.client().await;
    within("the transaction", async {
        prepare(&client).await;
        let mut session = client.start_session().await.expect("it serves");
        let (gate, mut carried_out) = strike(Direction::Answers, "commitTransaction", Order::Cut);
        tapped.taps.set_gate(Some(gate));
        session.start_transaction().await.expect("it is a replica set");
        order(&client, &mut session, 1).await.expect("nobody disturbs it");
        session.commit_transaction().await.expect("the driver sends a commit again");
        assert_eq!(carried_out.recv().await, Some(("commitTransaction".to_owned(), Order::Cut)));
        let orders = collection(&client, "orders").count_documents(doc! {}).await.expect("it serves");
        assert_eq!(orders, 2);
    })
    .await;
    let counters = tapped.counters();
    assert_eq!((counters.commits_sent_again, counters.transactions_committed), (1, 1));
    tapped.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_is_dropped_is_sent_again_with_its_number() {
    let tapped = Tapped::mongodb().await;
    let client = tapped.client().await;
    within("the write", async {
        prepare(&client).await;
        let (gate, _carried_out) = strike(Direction::Answers, "update", Order::Cut);
        tapped.taps.set_gate(Some(gate));
        let take = doc! { "$inc": { "n": -1 } };
        collection(&client, "stock").update_one(doc! { "_id": 0 }, take).await.expect("the driver sends it again");
        let left = collection(&client, "stock").find_one(doc! { "_id": 0 }).await.expect("it serves");
        assert_eq!(left.expect("it is there").get_i32("n").ok(), Some(4), "it is done once");
    })
    .await;
    assert_eq!(tapped.counters().writes_sent_again, 1);
    tapped.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_document_passes_both_ways() {
    let tapped = Tapped::mongodb().await;
    let client = tapped.client().await;
    within("ten megabytes", async {
        let blob: String = ('a'..='z').cycle().take(10 << 20).collect();
        collection(&client, "blobs").insert_one(doc! { "_id": 1, "blob": &blob }).await.expect("it is small enough");
        let read = collection(&client, "blobs").find_one(doc! { "_id": 1 }).await.expect("it serves");
        assert!(read.expect("it is there").get_str("blob").is_ok_and(|read| read == blob));
    })
    .await;
    assert_eq!(tapped.log.messages(), ["→ insert blobs", "← insert blobs", "→ find blobs", "← find blobs"]);
    let counters = tapped.counters();
    assert!(counters.bytes > 20 << 20);
    assert_eq!((counters.malformed_frames, counters.opaque_bytes), (0, 0));
    tapped.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_wants_tls_is_seen_to_encrypt() {
    let tapped = Tapped::mongodb().await;
    let mut stream = TcpStream::connect(tapped.address()).await.expect("the tap accepts");
    send(&mut stream, b"\x16\x03\x01\0\x04\x01\0\0\0\0\0\0\0\0\0\0").await;
    tapped.log.wait_for("1 Requests Tls").await;
    assert_eq!((tapped.counters().encrypted_directions, tapped.counters().opaque_bytes), (1, 16));
    drop(stream);
    tapped.end().await;
}

fn kafka(tapped: &Tapped) -> ClientConfig {
    let mut configuration = ClientConfig::new();
    configuration.set("bootstrap.servers", tapped.address()).set("reconnect.backoff.max.ms", "500");
    configuration.set("enable.idempotence", "true").set("message.timeout.ms", "30000").set("group.id", "projector");
    configuration.set("auto.offset.reset", "earliest").set("enable.auto.commit", "false");
    configuration
}

async fn make_topic(configuration: &ClientConfig) {
    let admin: AdminClient<_> = configuration.create().expect("the configuration is right");
    let topic = NewTopic::new("events", 1, TopicReplication::Fixed(1));
    let made = admin.create_topics([&topic], &AdminOptions::new()).await.expect("it serves");
    assert_eq!(made, [Ok("events".to_owned())]);
}

async fn produce(producer: &FutureProducer, payload: &str) -> i64 {
    let record = FutureRecord::to("events").key("key").payload(payload);
    producer.send(record, Duration::from_secs(30)).await.expect("it is acknowledged").offset
}

/// The payloads of so many records; the offset after the last is committed.
async fn consume(configuration: ClientConfig, count: usize) -> Vec<String> {
    let consumer: BaseConsumer = configuration.create().expect("the configuration is right");
    consumer.subscribe(&["events"]).expect("a topic");
    let consume = move || {
        let mut payloads = Vec::new();
        while payloads.len() < count {
            let Some(Ok(message)) = consumer.poll(Duration::from_millis(200)) else { continue };
            payloads.push(String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned());
            consumer.commit_message(&message, CommitMode::Sync).expect("it is committed");
        }
        payloads
    };
    tokio::task::spawn_blocking(consume).await.expect("it does not panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_produced_consumed_and_committed_is_seen_and_a_lost_answer_makes_the_batch_come_again() {
    let tapped = Tapped::kafka().await;
    let producer: FutureProducer = kafka(&tapped).create().expect("the configuration is right");
    let payload = "x".repeat(1000);
    within("producing", async {
        make_topic(&kafka(&tapped)).await;
        assert_eq!(produce(&producer, "first").await, 0);
        let (gate, mut carried_out) = strike(Direction::Answers, "Produce", Order::Cut);
        tapped.taps.set_gate(Some(gate));
        assert_eq!(produce(&producer, &payload).await, 1);
        assert_eq!(carried_out.recv().await, Some(("Produce".to_owned(), Order::Cut)));
    })
    .await;
    let counters = tapped.counters();
    assert_eq!((counters.batches_sent_again, counters.requests_of("Produce")), (1, 3));
    let consumed = within("consuming", consume(kafka(&tapped), 2)).await;
    assert_eq!(consumed, ["first".to_owned(), payload], "each once");
    let messages = tapped.log.messages();
    let attempts =
        ["→ Produce events", "← Produce events"].map(|line| messages.iter().filter(|one| *one == line).count());
    assert_eq!(attempts, [3, 3], "{messages:#?}");
    let tail: Vec<&str> = messages.iter().map(String::as_str).skip_while(|line| !line.contains("Fetch")).collect();
    let commits = ["→ OffsetCommit events", "← OffsetCommit events"];
    assert!(tail[0] == "← Fetch events" && tail.ends_with(&commits), "{messages:#?}");
    let counters = tapped.counters();
    assert_eq!((counters.offset_commits, counters.malformed_frames, counters.opaque_bytes), (2, 0, 0));
    drop(producer);
    tokio::time::timeout(SOON, tapped.end()).await.expect("it ends soon");
}
