//! A replica set of three: elections, step-downs and rollbacks in the history, roles asked of the servers.

use std::ffi::OsString;
use std::fs;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use mongodb::bson::{Document, doc};
use mongodb::options::{Acknowledgment, WriteConcern};
use mongodb::{Client, Collection};
use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};
use tempfile::TempDir;
use tornwrite::environment::local::{Ports, programs};
use tornwrite::history::entry::{ClusterEvent, ClusterStep, Entry};
use tornwrite::witness::{MongodbSpec, Role, WitnessSpec};

use super::bench::{Bench, soon, until};
use super::stack::{Server, UP_WITHIN, cache, client, free_port, is_primary, mongod_with};

/// Three members of equal rights that elect within two seconds.
async fn replica_set() -> Vec<Server> {
    let mut servers = Vec::new();
    let mut members = Vec::new();
    for id in 0..3_i32 {
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
            "--setParameter=diagnosticDataCollectionEnabled=false".to_owned(),
            // A member that is stopped must not find in its socket what the primary sent it meanwhile.
            "--setParameter=oplogFetcherUsesExhaust=false".to_owned(),
        ];
        members.push(doc! { "_id": id, "host": format!("127.0.0.1:{port}") });
        let address = format!("mongodb://127.0.0.1:{port}/?directConnection=true");
        let mut server = Server::new(command.into_iter().map(OsString::from).collect(), folder, address, ports);
        server.start();
        servers.push(server);
    }
    let settings = doc! {
        "electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500, "heartbeatTimeoutSecs": 2, "catchUpTimeoutMillis": 0,
    };
    let initiate = doc! { "replSetInitiate": { "_id": "rs0", "members": members, "settings": settings } };
    let admin = client(&servers[0]).await.database("admin");
    let deadline = Instant::now() + UP_WITHIN;
    while !has_primary(&servers).await {
        assert!(Instant::now() < deadline, "nobody was elected: {}", servers[0].log());
        // Refused while a member starts, and once it is initiated.
        let _ = admin.run_command(initiate.clone()).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    servers
}

async fn has_primary(servers: &[Server]) -> bool {
    for server in servers {
        if is_primary(&client(server).await.database("admin")).await {
            return true;
        }
    }
    false
}

fn watch(servers: &[Server]) -> WitnessSpec {
    let members = (1..).zip(servers).map(|(id, server)| (format!("mongodb-{id}"), server.address.clone()));
    let mongodb = MongodbSpec {
        members: members.collect(),
        database: "run".to_owned(),
        collections: vec!["things".to_owned()],
        ..MongodbSpec::default()
    };
    WitnessSpec { mongodb: Some(mongodb), ..WitnessSpec::default() }
}

fn is(entry: &Entry, step: ClusterStep, member: &str) -> bool {
    matches!(entry, Entry::Cluster(event) if event.event == step && event.member.as_deref() == Some(member))
}

fn place(member: &str) -> usize {
    member.strip_prefix("mongodb-").and_then(|number| number.parse::<usize>().ok()).expect("a member's name") - 1
}

async fn things(server: &Server) -> Collection<Document> {
    let client: Client = client(server).await;
    client.database("run").collection("things")
}

/// Writes that only the primary ever has: the others stand still, and then it does. Returns once they have elected another.
async fn lose_writes(bench: &Bench, servers: &[Server], primary: &str) {
    let things = things(&servers[place(primary)]).await;
    let others = || servers.iter().enumerate().filter(|(other, _)| *other != place(primary)).map(|(_, server)| server);
    others().for_each(|server| server.signal(SIGSTOP));
    // The first may lie in the others' sockets as the answer to what they asked last.
    for number in 0..5 {
        let write = things.insert_one(doc! { "_id": format!("lost-{number}") });
        write
            .write_concern(WriteConcern::builder().w(Acknowledgment::Nodes(1)).journal(true).build())
            .await
            .expect("one is enough");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    servers[place(primary)].signal(SIGSTOP);
    let elections = bench.heard(|entry| matches!(entry, Entry::Cluster(event) if event.event == ClusterStep::Elected));
    others().for_each(|server| server.signal(SIGCONT));
    until("another election", || {
        bench.heard(|entry| matches!(entry, Entry::Cluster(event) if event.event == ClusterStep::Elected)) > elections
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn elections_step_downs_and_rollbacks_are_told_and_roles_are_asked_anew() {
    let servers = replica_set().await;
    let bench = Bench::start(watch(&servers)).await;
    let roles = bench.witnesses.roles();
    roles.settled(soon()).await.expect("it becomes whole");
    let first = roles.resolve(&Role::Primary, soon()).await.expect("a primary");
    assert_eq!(bench.heard(|entry| is(entry, ClusterStep::Elected, &first)), 1, "the first state is told");
    let secondary = roles.resolve(&Role::Secondary, soon()).await.expect("a secondary");
    assert_ne!(first, secondary);
    roles.replicate_everywhere(soon()).await.expect("all three are there");

    let words = roles.step_down(10).await.expect("it steps down");
    let second = roles.resolve(&Role::Primary, soon()).await.expect("a primary");
    assert!(words.starts_with(&format!("{first} stepped down, {second} is primary")), "{words}");
    until("the step-down", || bench.heard(|entry| is(entry, ClusterStep::SteppedDown, &first)) == 1).await;
    until("the election", || bench.heard(|entry| is(entry, ClusterStep::Elected, &second)) == 1).await;

    let third = roles.resolve(&Role::Secondary, soon()).await.expect("a secondary");
    let third =
        if third == first { roles.settled(soon()).await.map(|()| other(&first, &second)).unwrap() } else { third };
    roles.step_up(&third).await.expect("it is elected");
    assert_eq!(roles.resolve(&Role::Primary, soon()).await.expect("a primary"), third);
    roles.settled(soon()).await.expect("it becomes whole again");

    things(&servers[place(&third)]).await.insert_one(doc! { "_id": "kept" }).await.expect("a write");
    roles.replicate_everywhere(soon()).await.expect("all three have it");
    lose_writes(&bench, &servers, &third).await;
    let missing = roles.settled(Instant::now()).await.expect_err("one is stopped");
    assert!(missing.contains(&format!("{third} is silent")), "{missing}");
    servers[place(&third)].signal(SIGCONT);
    until("the rollback", || bench.heard(|entry| is(entry, ClusterStep::RolledBack, &third)) == 1).await;
    roles.settled(soon()).await.expect("it becomes whole again");

    let told = bench.finish().await;
    told.assert_heard_is_recorded();
    told.assert_fold_equals_final_reads("things");
    let ids: Vec<_> = told.changes("things").iter().map(|change| change.id.clone()).collect();
    assert!(ids.contains(&"kept".to_owned()) && !ids.contains(&"lost-4".to_owned()), "{ids:?}");
    let lines: Vec<String> = told.cluster().iter().map(|event| in_words(event)).collect();
    let down = format!("State {third} DOWN");
    assert!(lines.contains(&down), "{lines:#?}");
    let silent = lines.iter().filter(|line| line.ends_with("DOWN") && **line != down).count();
    // The others were stopped for a moment, and nobody else ever fell silent.
    assert!(silent <= 2, "{lines:#?}");
}

fn other(one: &str, another: &str) -> String {
    let names = (1..=3).map(|id| format!("mongodb-{id}"));
    names.into_iter().find(|name| name != one && name != another).expect("three members")
}

fn in_words(event: &ClusterEvent) -> String {
    let (member, detail) = (event.member.as_deref().unwrap_or("-"), event.detail.as_deref().unwrap_or("-"));
    format!("{:?} {member} {detail}", event.event)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_member_has_rolled_back_if_it_lost_writes_and_not_otherwise() {
    let mut servers = replica_set().await;
    let bench = Bench::start(watch(&servers)).await;
    let roles = bench.witnesses.roles();
    roles.settled(soon()).await.expect("it becomes whole");
    let first = roles.resolve(&Role::Primary, soon()).await.expect("a primary");
    things(&servers[place(&first)]).await.insert_one(doc! { "_id": "kept" }).await.expect("a write");
    roles.replicate_everywhere(soon()).await.expect("all three have it");
    servers[place(&first)].kill();
    let second = roles.resolve(&Role::Primary, soon()).await.expect("another primary");
    assert_ne!(first, second);
    servers[place(&first)].start();
    roles.settled(soon()).await.expect("it becomes whole again");
    let rolled_back = |entry: &Entry| is(entry, ClusterStep::RolledBack, &second);
    lose_writes(&bench, &servers, &second).await;
    servers[place(&second)].kill();
    servers[place(&second)].start();
    until("the rollback", || bench.heard(rolled_back) == 1).await;
    roles.settled(soon()).await.expect("it becomes whole again");
    let told = bench.finish().await;
    told.assert_fold_equals_final_reads("things");
    let lines: Vec<String> = told.cluster().iter().map(|event| in_words(event)).collect();
    assert!(lines.contains(&format!("State {first} DOWN")) && lines.contains(&format!("State {first} SECONDARY")));
    assert!(!lines.iter().any(|line| line.starts_with(&format!("RolledBack {first}"))), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolled_over_oplog_has_forgotten_what_came_before_and_the_witness_has_not() {
    let server = mongod_with(&["--syncdelay=2"]).await;
    let bench = Bench::start(watch(std::slice::from_ref(&server))).await;
    let things = things(&server).await;
    things.insert_one(doc! { "_id": "before" }).await.expect("a write");
    let mut stream = things.watch().await.expect("a change stream");
    things.insert_one(doc! { "_id": "seen" }).await.expect("a write");
    let token = stream.next().await.expect("it goes on").expect("an event").id;
    things.insert_one(doc! { "_id": "unseen" }).await.expect("a write");
    let words = bench.witnesses.roles().roll_oplog(soon()).await.expect("it rolls over");
    assert!(words.contains("rolled over with"), "{words}");
    let resumed = things.watch().resume_after(token).await;
    let error = match resumed {
        Err(error) => error,
        Ok(mut stream) => stream.next().await.expect("an answer").expect_err("what it needs is gone"),
    };
    assert!(format!("{error:?}").contains("286"), "{error:?}");
    let names = client(&server).await.list_database_names().await.expect("the names");
    assert!(!names.iter().any(|name| name.contains("ballast")), "{names:?}");
    things.insert_one(doc! { "_id": "after" }).await.expect("a write");
    let told = bench.finish().await;
    told.assert_fold_equals_final_reads("things");
    assert!(told.cluster().is_empty(), "a single member has no history of its own");
}
