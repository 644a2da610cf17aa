//! Each process sees names of its own, by whichever way the machine allows.

use std::path::PathBuf;

use tornwrite::environment::local::ClusterSpec;
use tornwrite::process::tool::find;
use tornwrite::process::{Command, HostsFile, HostsWay, ProcessError, Unit};
use tornwrite::scenario::manifest::Node;

use super::stand::Stand;
use crate::stack::run::{Run, until, within};

fn program(name: &str) -> PathBuf {
    find(name, ".".as_ref(), &[]).unwrap_or_else(|| panic!("every system has {name}"))
}

/// A unit that sees a hosts file.
fn unit(run: &Run, name: &str, command: &[&str], hosts: HostsFile) -> Unit {
    let command = Command {
        name: name.to_owned(),
        program: program(command[0]),
        arguments: command[1..].iter().map(Into::into).collect(),
        environment: Vec::new(),
        folder: None,
        log: run.folder.path().join(format!("{name}.log")),
        hosts: Some(hosts),
        secrets: Vec::new(),
    };
    Unit::new(command, run.supervisor.clone())
}

/// What `getent` says of a name, in a process with this hosts file.
async fn resolved(run: &Run, process: &str, name: &str, hosts: HostsFile) -> String {
    let unit = unit(run, process, &["getent", "ahostsv4", name], hosts);
    let ended = unit.start(async |process| {
        within("it ends", process.exited()).await;
        Ok::<(), ProcessError>(())
    });
    ended.await.expect_err("it ends by itself");
    std::fs::read_to_string(unit.log()).expect("it was started")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_client_resolves_a_server_s_name_to_its_own_link() {
    let run = Run::start();
    let clients =
        vec![("api-1".to_owned(), vec![Node::Mongodb, Node::Kafka]), ("api-2".to_owned(), vec![Node::Mongodb])];
    let stand = Stand::set(&run, &ClusterSpec { clients, ..ClusterSpec::default() }).await;
    let specs = stand.cluster.link_specs();
    for instance in ["api-1", "api-2"] {
        let hosts = stand.cluster.hosts_file(instance).expect("it is a client").clone();
        let said = resolved(&run, instance, "mongodb-2", hosts).await;
        let is_it = |spec: &&tornwrite::link::LinkSpec| spec.link.client == instance && spec.link.server == "mongodb-2";
        let link = specs.iter().find(is_it).expect("it is a link");
        assert!(said.starts_with(&link.listen.ip().to_string()), "{instance}: {said}");
        let port = link.listen.port();
        assert_eq!(
            stand.cluster.mongodb_uri_of(instance, "shop"),
            Some(format!("mongodb://mongodb-1:{port},mongodb-2:{port},mongodb-3:{port}/shop?replicaSet=rs0"))
        );
    }
    assert!(stand.cluster.kafka_bootstrap_of("api-1").is_some_and(|told| told.split(',').count() == 3));
    assert_eq!(stand.cluster.kafka_bootstrap_of("api-2"), None, "it dials no broker");
    stand.end().await;
    run.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_that_the_machine_allows_gives_a_process_its_names_and_leaves_it_in_reach() {
    let run = Run::start();
    let path = run.folder.path().join("hosts");
    std::fs::write(&path, "127.8.8.8 mongodb-2\n").expect("the folder is new");
    let mut allowed = 0;
    for way in HostsWay::ALL {
        if let Err(reason) = way.try_out().await {
            eprintln!("{way}: not here: {reason}");
            continue;
        }
        allowed += 1;
        let hosts = HostsFile::new(path.clone(), way);
        let said = resolved(&run, &format!("getent-{allowed}"), "mongodb-2", hosts.clone()).await;
        assert!(said.starts_with("127.8.8.8"), "{way}: {said}");

        let sleeper = unit(&run, &format!("sleeper-{allowed}"), &["sleep", "600"], hosts);
        sleeper.start(async |_| Ok::<(), ProcessError>(())).await.expect("it starts");
        let pid = sleeper.pid().await.expect("it runs");
        let name = || std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        until("the process is the program itself", || name() == "sleep\n").await;
        sleeper.kill().await.expect("it runs");
        assert_eq!(name(), "", "{way}: it is gone");
    }
    assert!(allowed > 0, "{:?}", HostsWay::find().await);
    HostsWay::find().await.expect("one of them works");
    run.finish().await;
}
