//! The `MongoDB` witness.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::options::WriteConcern;
use mongodb::{Client, Collection};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;
use tornwrite::history::entry::{ChangeKind, Entry, WitnessStep};
use tornwrite::witness::{MongodbSpec, SetupDocument, WitnessSpec};

use super::bench::{Bench, shortly, soon, until};
use super::stack::{Server, client, mongod};

fn watch(server: &Server, collections: &[&str], documents: Vec<SetupDocument>) -> WitnessSpec {
    let mongodb = MongodbSpec {
        members: vec![("mongodb".to_owned(), server.address.clone())],
        database: "run".to_owned(),
        collections: collections.iter().map(ToString::to_string).collect(),
        outboxes: IndexMap::new(),
        documents,
    };
    WitnessSpec { mongodb: Some(mongodb), ..WitnessSpec::default() }
}

fn setup(collection: &str, document: serde_json::Value) -> SetupDocument {
    SetupDocument { collection: collection.to_owned(), document }
}

/// What a client may do to one of a few documents.
#[derive(Debug, Clone)]
enum Act {
    Set(&'static str, Bson),
    Unset(&'static str),
    Push(&'static str, Bson),
    /// Cuts an array by a pipeline: arrives as `truncatedArrays`.
    Cut(&'static str, i32),
    /// Sets a field whose name holds a dot.
    SetDotted(Bson),
    Rename,
    Replace(Bson),
    Delete,
    /// Writes the same again, and a counter: the delta holds the counter alone.
    SetEqual,
}

fn act() -> impl Strategy<Value = Act> {
    let path =
        || select(vec!["a", "b", "b.c", "b.d.e", "list", "list.0", "list.3", "list.2.x", "list.9", "0", "nest.0.y.1"]);
    let array = || select(vec!["list", "b.d", "nest"]);
    prop_oneof![
        6 => (path(), value()).prop_map(|(path, value)| Act::Set(path, value)),
        2 => path().prop_map(Act::Unset),
        3 => (array(), value()).prop_map(|(path, value)| Act::Push(path, value)),
        3 => (array(), 1..4_i32).prop_map(|(path, length)| Act::Cut(path, length)),
        1 => value().prop_map(Act::SetDotted),
        1 => Just(Act::Rename),
        1 => value().prop_map(Act::Replace),
        1 => Just(Act::Delete),
        2 => Just(Act::SetEqual),
    ]
}

fn value() -> impl Strategy<Value = Bson> {
    select(vec![
        Bson::Int32(7),
        Bson::Int64(1 << 60),
        Bson::Double(0.5),
        Bson::Null,
        Bson::Boolean(false),
        Bson::DateTime(DateTime::from_millis(1_700_000_000_000)),
        Bson::from("text"),
        Bson::from(vec![Bson::Int32(1), Bson::from(doc! { "x": 1 }), Bson::Int32(3), Bson::Int32(4)]),
        Bson::from(doc! { "c": 1, "d": { "e": [1, 2] } }),
        Bson::from(doc! { "d": ["p", "q", "r", "s"] }),
    ])
}

/// Does it; what the server refuses (a path through a number, a push to a text) changes nothing.
async fn perform(things: &Collection<Document>, id: i32, act: Act) {
    let one = doc! { "_id": id };
    let update = match act {
        Act::Set(path, value) => vec![doc! { "$set": { path: value } }],
        Act::Unset(path) => vec![doc! { "$unset": { path: 1 } }],
        Act::Push(path, value) => vec![doc! { "$push": { path: value } }],
        Act::Cut(path, length) => {
            let field = format!("${path}");
            let cut = doc! { "$cond": [{ "$isArray": &field }, { "$slice": [&field, length] }, "none"] };
            return drop(things.update_one(one, vec![doc! { "$set": { path: cut } }]).await);
        }
        Act::SetDotted(value) => {
            let set = doc! { "$setField": { "field": "x.y", "input": "$$ROOT", "value": { "$literal": value } } };
            return drop(things.update_one(one, vec![doc! { "$replaceWith": set }]).await);
        }
        Act::Rename => vec![doc! { "$rename": { "a": "z" } }],
        Act::Replace(value) => {
            return drop(things.replace_one(one, doc! { "_id": id, "list": [value, 1, 2] }).upsert(true).await);
        }
        Act::Delete => return drop(things.delete_one(one).await),
        Act::SetEqual => {
            vec![
                doc! { "$set": { "by": "op" }, "$inc": { "n": 1 } },
                doc! { "$set": { "by": "op" }, "$inc": { "n": 1 } },
            ]
        }
    };
    for update in update {
        let _ = things.update_one(one.clone(), update).upsert(true).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fold_equals_the_final_reads_whatever_clients_do() {
    let server = mongod().await;
    let bench =
        Bench::start(watch(&server, &["things"], vec![setup("things", json!({ "_id": 1, "list": [1, 2] }))])).await;
    let client = client(&server).await;
    let things = client.database("run").collection::<Document>("things");
    let mut runner = TestRunner::deterministic();
    let acts = proptest::collection::vec((0..5_i32, act(), any::<bool>()), 1500);
    for (id, act, in_transaction) in acts.new_tree(&mut runner).expect("acts").current() {
        if in_transaction && id == 0 {
            touch_two_in_a_transaction(&client, &things, id, id + 1).await;
        }
        perform(&things, id, act).await;
    }
    let told = bench.finish().await;
    assert!(
        !told.has_step(WitnessStep::Lost),
        "{:?}",
        told.entries.iter().rev().find(|e| matches!(e, Entry::Witness(_)))
    );
    told.assert_fold_equals_final_reads("things");
    told.assert_heard_is_recorded();
    let changes = told.changes("things");
    assert!(changes.windows(2).all(|pair| pair[0].time <= pair[1].time), "commit order");
    for kind in [ChangeKind::Setup, ChangeKind::Insert, ChangeKind::Update, ChangeKind::Replace, ChangeKind::Delete] {
        assert!(changes.iter().any(|change| change.kind == kind), "never exercised: {kind:?}");
    }
    assert!(changes.iter().any(|change| change.transaction.is_some()), "no transaction was exercised");
}

async fn touch_two_in_a_transaction(client: &Client, things: &Collection<Document>, one: i32, other: i32) {
    let mut session = client.start_session().await.expect("a session");
    session.start_transaction().await.expect("a transaction");
    for id in [one, other, one] {
        let increment = doc! { "$inc": { "touched": 1 } };
        things.update_one(doc! { "_id": id }, increment).upsert(true).session(&mut session).await.expect("an update");
    }
    session.commit_transaction().await.expect("a commit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_one_transaction_share_its_name_and_operation_time_and_an_aborted_one_is_not_seen() {
    let server = mongod().await;
    let bench =
        Bench::start(watch(&server, &["stock", "outbox"], vec![setup("stock", json!({ "_id": "p", "left": 5 }))]))
            .await;
    let client = client(&server).await;
    let (stock, outbox) = (client.database("run").collection("stock"), client.database("run").collection("outbox"));
    for (event, is_committed) in [("e-1", true), ("e-2", false), ("e-3", true)] {
        let mut session = client.start_session().await.expect("a session");
        session.start_transaction().await.expect("a transaction");
        let decrement = doc! { "$inc": { "left": -1 } };
        let stock: &Collection<Document> = &stock;
        stock.update_one(doc! { "_id": "p" }, decrement).session(&mut session).await.expect("an update");
        outbox.insert_one(doc! { "_id": event }).session(&mut session).await.expect("an insert");
        if is_committed {
            session.commit_transaction().await.expect("a commit");
        } else {
            session.abort_transaction().await.expect("an abort");
        }
    }
    let told = bench.finish().await;
    let (stock, outbox) = (told.changes("stock"), told.changes("outbox"));
    let left: Vec<_> = stock.iter().map(|change| change.after["left"].clone()).collect();
    assert_eq!(left, [json!(5), json!(4), json!(3)]);
    assert_eq!(outbox.iter().map(|change| change.id.as_str()).collect::<Vec<_>>(), ["e-1", "e-3"]);
    for (update, insert) in stock[1..].iter().zip(&outbox) {
        assert!(update.transaction.is_some());
        assert_eq!((&update.transaction, update.time), (&insert.transaction, insert.time));
    }
    assert_ne!(outbox[0].transaction, outbox[1].transaction);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_double_apply_is_seen_with_the_operation_id_its_delta_leaves_out() {
    let server = mongod().await;
    let bench =
        Bench::start(watch(&server, &["stock"], vec![setup("stock", json!({ "_id": "p", "left": 9, "version": 1 }))]))
            .await;
    let stock = client(&server).await.database("run").collection::<Document>("stock");
    for _ in 0..2 {
        let purchase = doc! { "$inc": { "left": -1, "version": 1 }, "$set": { "operation": "op-1" } };
        stock.update_one(doc! { "_id": "p" }, purchase).await.expect("an update");
    }
    let told = bench.finish().await;
    let seen: Vec<_> = told.changes("stock")[1..].iter().map(|change| change.after.clone()).collect();
    let after = |left, version| json!({ "_id": "p", "left": left, "version": version, "operation": "op-1" });
    assert_eq!(seen, [after(8, 2), after(7, 3)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_there_before_comes_once_as_a_snapshot_and_setup_comes_once_as_setup() {
    let server = mongod().await;
    let stock = client(&server).await.database("run").collection::<Document>("stock");
    let before = (0..300).map(|number| doc! { "_id": number, "left": 1 });
    stock.insert_many(before).write_concern(WriteConcern::majority()).await.expect("documents");
    let documents =
        (0..1200).map(|number| setup("stock", json!({ "_id": format!("p-{number}"), "left": 5 }))).collect();
    let bench = Bench::start(watch(&server, &["stock"], documents)).await;
    stock.update_one(doc! { "_id": 7 }, doc! { "$inc": { "left": 1 } }).await.expect("an update");
    let found = stock.find_one(doc! { "_id": "p-3" }).await.expect("a read").expect("a document");
    assert_eq!(found.get("left"), Some(&Bson::Int64(5)), "integers are stored with 64 bits");
    let told = bench.finish().await;
    let mut kinds = BTreeMap::new();
    for change in told.changes("stock") {
        *kinds.entry(format!("{:?}", change.kind)).or_insert(0) += 1;
    }
    let expected = [("Setup", 1200), ("Snapshot", 300), ("Update", 1)].map(|(kind, count)| (kind.to_owned(), count));
    assert_eq!(kinds, BTreeMap::from(expected));
    told.assert_fold_equals_final_reads("stock");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_mongod_costs_no_change_and_doubles_none() {
    let mut server = mongod().await;
    let bench =
        Bench::start(watch(&server, &["counter"], vec![setup("counter", json!({ "_id": "c", "version": 0 }))])).await;
    let counter = client(&server).await.database("run").collection::<Document>("counter");
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        writers.spawn(count_up(counter.clone(), 150));
    }
    let is_change = |entry: &Entry| matches!(entry, Entry::Change(_));
    until("changes before the kill", || bench.heard(is_change) > 100).await;
    server.kill();
    let before = bench.heard(is_change);
    server.start();
    writers.join_all().await;
    until("changes after the restart", || bench.heard(is_change) > before).await;
    let told = bench.finish().await;
    assert!(told.has_step(WitnessStep::Resumed) && !told.has_step(WitnessStep::Lost));
    let versions: Vec<_> =
        told.changes("counter").iter().filter_map(|change| change.after["version"].as_u64()).collect();
    assert_eq!(versions, (0..versions.len() as u64).collect::<Vec<_>>(), "each once, in order");
    assert!(versions.len() > 600, "the writers did their work: {}", versions.len());
    told.assert_fold_equals_final_reads("counter");
}

/// Raises the version `times` times, each acknowledged; a write whose answer was lost may count twice, which the
/// version itself then shows.
async fn count_up(counter: Collection<Document>, times: u32) {
    let deadline = soon();
    let mut done = 0;
    while done < times {
        let raise = counter.update_one(doc! { "_id": "c" }, doc! { "$inc": { "version": 1 } });
        match raise.write_concern(WriteConcern::majority()).await {
            Ok(_) => done += 1,
            Err(error) => {
                assert!(std::time::Instant::now() < deadline, "{error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_called_caught_up_while_mongod_is_down() {
    let mut server = mongod().await;
    let bench = Bench::start(watch(&server, &["stock"], Vec::new())).await;
    assert!(bench.witnesses.catch_up(soon()).await);
    server.kill();
    assert!(!bench.witnesses.catch_up(shortly()).await);
    assert!(bench.witnesses.final_reads(shortly()).await.is_err());
    server.start();
    assert!(bench.witnesses.catch_up(soon()).await);
    let told = bench.finish().await;
    let caught_up = |entry: &&Entry| matches!(entry, Entry::Witness(event) if event.event == WitnessStep::CaughtUp);
    assert_eq!(told.entries.iter().filter(caught_up).count(), 3, "before, after, and at the end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_collection_is_the_end_of_each_of_its_documents_and_a_renamed_one_of_the_witness() {
    let server = mongod().await;
    let documents =
        vec![setup("stock", json!({ "_id": "a" })), setup("stock", json!({ "_id": "b" })), setup("old", json!({}))];
    let bench = Bench::start(watch(&server, &["stock", "old"], documents)).await;
    let client = client(&server).await;
    client.database("run").collection::<Document>("stock").drop().await.expect("a drop");
    until("two deletes", || {
        bench.heard(|entry| matches!(entry, Entry::Change(change) if change.kind == ChangeKind::Delete)) == 2
    })
    .await;
    assert!(bench.witnesses.catch_up(soon()).await);
    let rename = doc! { "renameCollection": "run.old", "to": "run.new" };
    client.database("admin").run_command(rename).await.expect("a rename");
    until("the loss", || {
        bench.heard(|entry| matches!(entry, Entry::Witness(event) if event.event == WitnessStep::Lost)) == 1
    })
    .await;
    assert!(!bench.witnesses.catch_up(soon()).await, "a witness that was lost never catches up");
}
