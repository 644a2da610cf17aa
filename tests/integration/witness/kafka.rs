//! The Kafka witness.

use std::time::{Duration, Instant};

use indexmap::IndexMap;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tornwrite::history::entry::WitnessStep;
use tornwrite::history::recorder::{Clock, Recorder};
use tornwrite::witness::{GroupSpec, KafkaSpec, MongodbSpec, TopicSpec, WitnessError, WitnessSpec, Witnesses};

use super::bench::{Bench, shortly, soon};
use super::stack::{Server, await_kafka, kafka, mongod};

/// A limit for whatever a producer waits for.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn watch(server: &Server, partitions: u32) -> KafkaSpec {
    let topic = TopicSpec { name: "run.purchases".to_owned(), partitions, min_insync_replicas: None };
    let group = GroupSpec { group: "run.projector".to_owned(), topics: vec!["purchases".to_owned()] };
    KafkaSpec {
        bootstrap: server.address.clone(),
        members: vec![("kafka".to_owned(), server.address.clone())],
        topics: IndexMap::from([("purchases".to_owned(), topic)]),
        groups: IndexMap::from([("projector".to_owned(), group)]),
        ..KafkaSpec::default()
    }
}

fn only(kafka: KafkaSpec) -> WitnessSpec {
    WitnessSpec { kafka: Some(kafka), ..WitnessSpec::default() }
}

fn producer(server: &Server, transactional_id: Option<&str>) -> BaseProducer {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &server.address)
        .set("acks", "all")
        .set("linger.ms", "1")
        .set("reconnect.backoff.max.ms", "500");
    if let Some(id) = transactional_id {
        config.set("transactional.id", id);
    }
    config.create().expect("a producer")
}

/// Sends records and waits until all of them are acknowledged.
pub(super) fn produce(server: &Server, partition: i32, count: u32) {
    let producer = producer(server, None);
    send(&producer, partition, count);
    producer.flush(PATIENCE).expect("all are acknowledged");
    assert_eq!(producer.in_flight_count(), 0);
}

fn send(producer: &BaseProducer, partition: i32, count: u32) {
    for number in 0..count {
        let payload = format!("{{\"number\":{number}}}");
        let record = BaseRecord::to("run.purchases").partition(partition).key("p-1").payload(&payload);
        producer.send(record).expect("room in the queue");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aborted_and_open_transactions_are_told_apart_from_missing_records() {
    let server = kafka();
    let bench = Bench::start(only(watch(&server, 2))).await;
    let producer = producer(&server, Some("writer"));
    producer.init_transactions(PATIENCE).expect("a transactional producer");
    producer.begin_transaction().expect("a transaction");
    send(&producer, 1, 3);
    producer.commit_transaction(PATIENCE).expect("a commit");
    producer.begin_transaction().expect("a transaction");
    send(&producer, 1, 2);
    producer.flush(PATIENCE).expect("both are in the log");
    producer.abort_transaction(PATIENCE).expect("an abort");
    assert!(
        bench.witnesses.catch_up(soon()).await,
        "the log ends in markers and aborted records, and all of it was read"
    );

    producer.begin_transaction().expect("a transaction");
    send(&producer, 0, 1);
    producer.flush(PATIENCE).expect("it is in the log");
    assert!(!bench.witnesses.catch_up(shortly()).await, "what an open transaction hides is not absent");
    producer.abort_transaction(PATIENCE).expect("an abort");

    let told = bench.finish().await;
    let seen: Vec<_> = told.records().iter().map(|record| (record.partition, record.offset)).collect();
    assert_eq!(seen, [(1, 0), (1, 1), (1, 2)]);
    assert!(told.records().iter().all(|record| record.topic == "purchases"), "under the manifest's name");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_costs_no_record_and_nobody_is_called_caught_up_meanwhile() {
    let mut server = kafka();
    let bench = Bench::start(only(watch(&server, 1))).await;
    produce(&server, 0, 500);
    server.kill();
    assert!(!bench.witnesses.catch_up(shortly()).await);
    server.start();
    await_kafka(&server);
    produce(&server, 0, 500);
    let told = bench.finish().await;
    assert!(told.has_step(WitnessStep::Resumed) && !told.has_step(WitnessStep::Lost));
    let offsets: Vec<_> = told.records().iter().map(|record| record.offset).collect();
    assert_eq!(offsets, (0..1000).collect::<Vec<i64>>(), "each once, in order");
    told.assert_heard_is_recorded();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_of_another_run_is_refused_and_a_removed_one_can_be_made_again() {
    let server = kafka();
    let first = Bench::start(only(watch(&server, 3))).await;
    let folder = tempfile::tempdir().expect("a folder");
    let (recorder, _writer) = Recorder::create(&folder.path().join("history"), Clock::start()).expect("a history");
    let spec = WitnessSpec { start_within: Duration::from_secs(20), ..only(watch(&server, 3)) };
    let refused = Witnesses::start(spec, recorder, std::sync::Arc::new(|_| {})).await;
    assert!(matches!(refused.err(), Some(WitnessError::TopicExists { topic }) if topic == "run.purchases"));
    first.witnesses.remove(soon()).await.expect("the topic is removed");
    Bench::start(only(watch(&server, 3))).await.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cannot_be_dropped_leaves_no_topic_behind() {
    let (mut database, broker) = (mongod().await, kafka());
    let members = vec![("mongodb".to_owned(), database.address.clone())];
    let mongodb = MongodbSpec { members, database: "run".to_owned(), ..MongodbSpec::default() };
    let bench = Bench::start(WitnessSpec { mongodb: Some(mongodb), ..only(watch(&broker, 1)) }).await;
    let topics = || {
        let handle: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &broker.address).create().expect("a client");
        let metadata = handle.fetch_metadata(None, PATIENCE).expect("the broker answers");
        metadata.topics().iter().map(|topic| topic.name().to_owned()).collect::<Vec<_>>()
    };
    assert!(topics().contains(&"run.purchases".to_owned()));
    database.kill();
    let deadline = Instant::now() + Duration::from_secs(5);
    bench.witnesses.remove(deadline).await.expect_err("nobody drops the database");
    assert!(!topics().contains(&"run.purchases".to_owned()));
}
