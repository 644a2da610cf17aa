//! Which faults are possible on which of somebody else's servers.

use std::net::SocketAddr;
use std::sync::Arc;

use super::*;
use crate::environment::LinkAddresses;
use crate::environment::external::{ExternalKafka, ExternalMongodb, GivenKafka, MongodbUri, Server};
use crate::scenario::reader;

const LOAD: &str = r#"
workload = "inventory"

[load]
rate = 10
duration = "20s"
keys.product = { count = 5 }
mix = { purchase = 1 }
"#;

const FAULTS: &str = r#"
[mongodb]
nodes = 3

[[fault]]
at = "1s"
for = "1s"
isolate = "primary"

[[fault]]
at = "3s"
for = "1s"
two_primaries = "mongodb"

[[fault]]
at = "5s"
roll_oplog = "mongodb"

[[fault]]
at = "7s"
for = "1s"
step_down = "mongodb"

[[fault]]
at = "9s"
for = "1s"
pause = "primary"

[[fault]]
at = "11s"
for = "1s"
partition = ["api", "primary"]

[[fault]]
at = "13s"
for = "1s"
pause = "api"

[[fault]]
at = "15s"
for = "1s"
latency = ["clients", "api"]
delay = "10ms"
"#;

const OUTBOX: &str = r#"
[[variant]]
name = "outbox"
pattern = { stock = "conditional", write = "outbox", relay = "polling", consumer = "inbox" }
"#;

/// Every run of a scenario with these tables.
fn read(tables: &str) -> Vec<Resolved> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("faults.toml");
    std::fs::write(&path, format!("{LOAD}{tables}")).expect("it is new");
    reader::read(&path, &[]).expect("it is a scenario")
}

fn server(host: &str) -> Server {
    Server { host: host.to_owned(), port: 27017, address: SocketAddr::from(([10, 0, 0, 1], 27017)) }
}

fn mongodb(hosts: &[&str], may_step_down: bool) -> ExternalMongodb {
    let servers = hosts.iter().map(|host| server(host)).collect();
    let uri = MongodbUri::parse("mongodb://a/").expect("it is one");
    ExternalMongodb { uri, set: "shop".into(), servers, version: "6.0.5".into(), may_step_down }
}

fn told(hosts: [&str; 3], may_step_down: bool) -> Vec<(String, String)> {
    let mut resolved = read(&format!("{FAULTS}{OUTBOX}")).remove(0);
    let external = External { mongodb: Some(mongodb(&hosts, may_step_down)), ..External::default() };
    let kind = Kind::External(Arc::new(external));
    adapt(&mut resolved, &kind);
    let impossible = impossible(&[resolved], Sharing::Own, &kind).expect("it can be planned");
    impossible.into_iter().map(|one| (one.what, one.reason)).collect()
}

#[test]
fn what_needs_hands_on_a_server_or_a_link_between_two_is_not_possible_and_the_rest_is() {
    let impossible = told(["a", "b", "c"], true);
    let what: Vec<&str> = impossible.iter().map(|(what, _)| what.split(' ').next().expect("a word")).collect();
    assert_eq!(what, ["partition", "two-primaries", "roll-oplog", "pause"], "{impossible:?}");
    for (what, reason) in &impossible {
        assert!(reason.contains("--env local") && reason.contains("--possible-faults"), "{what}: {reason}");
    }
    assert!(impossible[0].0.contains("primary ↔ its peers"), "{impossible:?}");
}

#[test]
fn members_at_addresses_and_a_user_without_the_right_take_further_faults_away() {
    let impossible = told(["a", "b", "10.0.0.3"], false);
    let reason = |name: &str| {
        let found = impossible.iter().find(|(what, _)| what.starts_with(name));
        found.unwrap_or_else(|| panic!("{name}: {impossible:?}")).1.clone()
    };
    assert!(reason("step-down").contains("clusterManager"));
    assert!(reason("partition api → primary").contains("10.0.0.3:27017"));
}

#[test]
fn a_fault_that_only_a_later_seed_draws_is_told_beforehand_too() {
    let choice = |what: &str| format!("[[random_faults.choice]]\n{what}\nshortest = \"1s\"\nlongest = \"2s\"\n");
    let choices = choice("pause = \"api\"") + &choice("pause = \"mongodb\"");
    let tables = format!("[matrix]\nrepeat = 20\n[random_faults]\ncount = 1\n{choices}{OUTBOX}");
    let external = External { mongodb: Some(mongodb(&["a"], true)), ..External::default() };
    let kind = Kind::External(Arc::new(external));
    // Of a hundred first seeds, one at least draws what is possible; that of its twenty all do is past belief.
    let of_first = |seed: u64| {
        let mut resolved = read(&tables).remove(0);
        resolved.scenario.seed = seed;
        resolved
    };
    let draws = |resolved: &Resolved| {
        let schedule = Schedule::plan(resolved, load_duration(&resolved.scenario.load)).expect("there is room");
        schedule.faults[0].0.name()
    };
    let resolved = (0..100).map(of_first).find(|resolved| draws(resolved) == "pause api").expect("one draws it");
    let impossible = impossible(&[resolved], Sharing::Own, &kind).expect("it can be planned");
    assert!(impossible.iter().any(|one| one.what == "pause mongodb"), "{impossible:?}");
}

#[test]
fn a_spare_listener_must_be_there_for_each_service_of_all_runs_that_share_the_links() {
    // One service fewer dials Kafka in the run with the fault.
    let tables = r#"
[[variant]]
name = "any"
pattern = { stock = "conditional", consumer = "inbox" }

[matrix.axis.case]
cut = { pattern = { write = "dual-write" }, fault = [{ at = "1s", for = "1s", partition = ["api", "kafka"] }] }
calm = { pattern = { write = "outbox", relay = "polling" } }
"#;
    let runs = read(tables);
    let dialling = |run: &Resolved| {
        let needs = wiring::needs(run, &Kind::Local, Path::new(""));
        needs.links.iter().filter(|(_, node)| *node == Node::Kafka).count()
    };
    let cut = runs.iter().find(|run| !run.scenario.fault.is_empty()).expect("one has the fault");
    let (alone, together) = (dialling(cut), runs.iter().map(dialling).max().expect("there are runs"));
    assert!(alone < together, "{alone} and {together}");
    let told = |spare: usize, sharing: Sharing| {
        let address = SocketAddr::from(([127, 0, 0, 1], 9092));
        let mut given = GivenKafka::default();
        given.listeners = vec![LinkAddresses { listen: address, upstream: address }; spare];
        let kafka = ExternalKafka { given, servers: vec![server("10.0.0.1")], replication: None };
        let external = External { mongodb: Some(mongodb(&["a"], true)), kafka: Some(kafka), ..External::default() };
        impossible(&runs, sharing, &Kind::External(Arc::new(external))).expect("it can be planned")
    };
    assert_eq!(told(alone, Sharing::Own), []);
    assert_eq!(told(together, Sharing::Shared), []);
    let lacking = told(alone, Sharing::Shared);
    assert!(lacking[0].reason.contains(&format!("{together} services dial it")), "{lacking:?}");
}
