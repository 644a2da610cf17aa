//! Three brokers: leaders and replicas in sync in the history, roles asked of the brokers.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use indexmap::IndexMap;
use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};
use tempfile::TempDir;
use tornwrite::environment::local::{KafkaProgram, Ports};
use tornwrite::history::entry::{ClusterEvent, ClusterStep, Entry};
use tornwrite::witness::{KafkaSpec, Role, TopicSpec, WitnessError, WitnessSpec};

use super::bench::{Bench, soon, until};
use super::stack::{Server, await_kafka, cache, free_port};

/// Three brokers that are each other's controllers.
fn cluster() -> Vec<Server> {
    let program = KafkaProgram::find(&cache()).unwrap_or_else(|error| panic!("{error}"));
    let places: Vec<(TempDir, Ports)> = (0..3)
        .map(|_| (TempDir::new().expect("a folder"), Ports::new().unwrap_or_else(|error| panic!("{error}"))))
        .collect();
    let ports: Vec<[u16; 2]> = places.iter().map(|(_, ports)| [free_port(ports), free_port(ports)]).collect();
    let voters: Vec<String> = (1..).zip(&ports).map(|(id, ports)| format!("{id}@127.0.0.1:{}", ports[1])).collect();
    let voters = voters.join(",");
    let mut servers = Vec::new();
    for ((folder, reserved), (id, ports)) in places.into_iter().zip((1..).zip(ports)) {
        let file = folder.path().join("server.properties");
        fs::write(&file, properties(id, ports, &voters, &folder.path().join("data"))).expect("a properties file");
        let java = |class: &str, arguments: &[&str]| -> Vec<OsString> {
            let before = std::iter::once(program.java.clone().into_os_string()).chain(program.java_arguments());
            before.chain(std::iter::once(class).chain(arguments.iter().copied()).map(OsString::from)).collect()
        };
        let file = file.display().to_string();
        let format = java("kafka.tools.StorageTool", &["format", "-t", "AAAAAAAAAAAAAAAAAAAAAA", "-c", &file]);
        let formatted = Command::new(&format[0]).args(&format[1..]).output().expect("java on the path");
        assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stderr));
        let address = format!("127.0.0.1:{}", ports[0]);
        servers.push(Server::new(java("kafka.Kafka", &[&file]), folder, address, reserved));
    }
    servers.iter_mut().for_each(Server::start);
    servers.iter().for_each(await_kafka);
    servers
}

fn properties(id: u16, [port, controller]: [u16; 2], voters: &str, data: &Path) -> String {
    format!(
        "process.roles=broker,controller\nnode.id={id}\ncontroller.quorum.voters={voters}\n\
         listeners=CLIENT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=CLIENT://127.0.0.1:{port}\n\
         listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=CLIENT\ncontroller.listener.names=CONTROLLER\nlog.dirs={}\n\
         default.replication.factor=3\nmin.insync.replicas=2\nauto.create.topics.enable=false\n\
         offsets.topic.num.partitions=1\nbroker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500\n\
         controller.quorum.election.timeout.ms=1000\ncontroller.quorum.request.timeout.ms=1000\n\
         controller.quorum.fetch.timeout.ms=1500\nreplica.lag.time.max.ms=4000\nunclean.leader.election.enable=false\n\
         auto.leader.rebalance.enable=false\n",
        data.display()
    )
}

fn watch(servers: &[Server]) -> WitnessSpec {
    let topic = TopicSpec { name: "run.purchases".to_owned(), partitions: 3, min_insync_replicas: Some(2) };
    let addresses: Vec<_> = servers.iter().map(|server| server.address.clone()).collect();
    let kafka = KafkaSpec {
        bootstrap: addresses.join(","),
        members: (1..).zip(addresses).map(|(id, address)| (format!("kafka-{id}"), address)).collect(),
        topics: IndexMap::from([("purchases".to_owned(), topic)]),
        ..KafkaSpec::default()
    };
    WitnessSpec { kafka: Some(kafka), ..WitnessSpec::default() }
}

fn is(entry: &Entry, claim: impl Fn(&ClusterEvent) -> bool) -> bool {
    matches!(entry, Entry::Cluster(event) if claim(event))
}

/// The number of a broker among the servers.
fn place(broker: &str) -> usize {
    broker.strip_prefix("kafka-").and_then(|number| number.parse::<usize>().ok()).expect("a broker's name") - 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaders_replicas_in_sync_and_lost_brokers_are_told_and_roles_are_asked_anew() {
    let mut servers = cluster();
    let bench = Bench::start(watch(&servers)).await;
    let roles = bench.witnesses.roles();
    roles.settled(soon()).await.expect("it becomes whole");
    let leader: Role = "leader:purchases-0".parse().expect("a role");
    let follower: Role = "follower:purchases-0".parse().expect("a role");
    let first = roles.resolve(&leader, soon()).await.expect("a leader");
    let second = roles.resolve(&follower, soon()).await.expect("a follower");
    assert_ne!(first, second);
    let on_first = |entry: &Entry, step: ClusterStep| {
        is(entry, |event| event.event == step && event.partition.as_deref() == Some("purchases/0"))
    };
    until("the first leader", || bench.heard(|entry| on_first(entry, ClusterStep::Leader)) == 1).await;

    servers[place(&first)].kill();
    let lost = |entry: &Entry| is(entry, |event| event.event == ClusterStep::BrokerLost);
    until("the loss of the broker", || bench.heard(lost) == 1).await;
    until("another leader", || {
        bench.heard(|entry| {
            on_first(entry, ClusterStep::Leader)
                && is(entry, |event| event.member.as_ref().is_some_and(|one| *one != first))
        }) == 1
    })
    .await;
    until("fewer in sync", || {
        bench.heard(|entry| {
            is(entry, |event| {
                event.partition.as_deref() == Some("purchases/0")
                    && event.replicas == Some(3)
                    && event.in_sync.as_ref().is_some_and(|here| here.len() == 2 && !here.contains(&first))
            })
        }) == 1
    })
    .await;
    assert_ne!(roles.resolve(&leader, soon()).await.expect("a leader"), first);
    let missing = roles.settled(Instant::now()).await.expect_err("one is dead");
    assert_eq!(missing, format!("{first} does not answer"));

    servers[place(&first)].start();
    roles.settled(soon()).await.expect("it becomes whole again");
    until("the broker's return", || {
        bench.heard(|entry| is(entry, |event| event.event == ClusterStep::BrokerBack)) == 1
    })
    .await;

    // A stopped broker answers nobody, and its connections stay open.
    let stopped = roles.resolve(&follower, soon()).await.expect("a follower");
    servers[place(&stopped)].signal(SIGSTOP);
    until("the second loss", || bench.heard(lost) == 2).await;
    servers[place(&stopped)].signal(SIGCONT);
    roles.settled(soon()).await.expect("it becomes whole again");

    let nobody = roles.resolve(&"leader:sales-0".parse().expect("a role"), soon()).await;
    assert!(matches!(nobody, Err(WitnessError::NoSuchRole { .. })), "{nobody:?}");
    let nobody = roles.resolve(&Role::Primary, soon()).await;
    assert!(matches!(nobody, Err(WitnessError::NoSuchRole { .. })), "{nobody:?}");
    let told = bench.finish().await;
    told.assert_heard_is_recorded();
    let full = told
        .cluster()
        .into_iter()
        .rfind(|event| event.event == ClusterStep::InSync && event.partition.as_deref() == Some("purchases/0"));
    assert_eq!(full.and_then(|event| event.in_sync.as_ref()).map(Vec::len), Some(3));
    for event in told.cluster() {
        assert!(event.detail.is_some() && event.dependency == "kafka", "{event:?}");
    }
}
