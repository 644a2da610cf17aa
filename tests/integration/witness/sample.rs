//! Samples.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use mongodb::bson::{Document, doc};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tornwrite::history::entry::{Entry, ProcessSample};
use tornwrite::witness::{Gauges, MongodbSpec, WitnessSpec};

use super::bench::{Bench, until};
use super::kafka::{produce, watch};
use super::stack::{Server, client, kafka, mongod};

fn gauges() -> Gauges {
    let used = ProcessSample { cpu_ms: 12, rss: 34 };
    Gauges {
        processes: Arc::new(move || BTreeMap::from([("api-1".to_owned(), used)])),
        in_flight: Arc::new(|| 5),
        wire: Arc::new(BTreeMap::new),
    }
}

/// Commits an offset of the group, as a consumer of it would.
fn commit(server: &Server, partition: i32, offset: i64) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &server.address)
        .set("group.id", "run.projector")
        .create()
        .expect("a consumer");
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset("run.purchases", partition, Offset::Offset(offset)).expect("an offset");
    consumer.commit(&offsets, CommitMode::Sync).expect("a commit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sample_holds_backlog_offsets_and_lag_and_a_dead_broker_does_not_stall_it() {
    let mut broker = kafka();
    let server = mongod().await;
    let mongodb = MongodbSpec {
        members: vec![("mongodb".to_owned(), server.address.clone())],
        database: "run".to_owned(),
        collections: vec!["outbox".to_owned()],
        outboxes: IndexMap::from([("outbox".to_owned(), "/published".to_owned())]),
        documents: Vec::new(),
    };
    let spec = WitnessSpec { mongodb: Some(mongodb), kafka: Some(watch(&broker, 2)), ..WitnessSpec::default() };
    let bench = Bench::start(spec).await;
    let sampler = bench.witnesses.sampler(Duration::from_millis(100), gauges()).expect("a sampler");

    let outbox = client(&server).await.database("run").collection::<Document>("outbox");
    let rows = [doc! { "_id": 1 }, doc! { "_id": 2, "published": false }, doc! { "_id": 3, "published": null }];
    outbox.insert_many(rows).await.expect("rows");
    outbox.update_one(doc! { "_id": 1 }, doc! { "$set": { "published": true } }).await.expect("a mark");
    outbox.delete_one(doc! { "_id": 3 }).await.expect("a delete");
    produce(&broker, 0, 10);
    produce(&broker, 1, 3);
    commit(&broker, 0, 4);
    assert!(bench.witnesses.catch_up(super::bench::soon()).await);

    let sample = sampler.sample_now().await;
    assert_eq!(sample.backlog, BTreeMap::from([("outbox".to_owned(), 1)]));
    assert_eq!(bench.witnesses.backlog(), sample.backlog);
    assert_eq!(sample.committed["projector"], BTreeMap::from([("purchases/0".to_owned(), 4)]), "partition 1: none yet");
    assert_eq!(sample.lag, BTreeMap::from([("projector".to_owned(), 9)]));
    assert!(sample.mongodb.is_some_and(|status| status.connections > 0), "{sample:?}");
    assert_eq!((sample.processes["api-1"].rss, sample.in_flight), (34, 5));

    broker.kill();
    let asked = Instant::now();
    let sample = sampler.sample_now().await;
    assert!(asked.elapsed() < Duration::from_secs(10), "it stalled for {:?}", asked.elapsed());
    assert!(sample.lag.is_empty() && sample.committed.is_empty() && sample.mongodb.is_some());

    let is_sample = |entry: &Entry| matches!(entry, Entry::Sample(_));
    let before = bench.heard(is_sample);
    until("samples go on without the broker", || bench.heard(is_sample) > before + 2).await;
    sampler.stop().await;
    bench.witnesses.stop().await;
}
