//! Whole runs on somebody else's servers: the same verdicts as on torn's own, nothing left behind, no secret anywhere.

use std::fs;
use std::path::Path;
use std::process::Command;

use mongodb::bson::{Document, doc};
use nix::sys::signal::Signal;
use tornwrite::checker::verdict::Verdict;

use super::servers::{
    Broker, Certificates, Kafka, Mongod, PASSWORD, Server, administrator, block_on, databases, replica_set, seeing,
};
use crate::runs::{DUAL_WRITE, OUTBOX, lay_out, manifest, replaced, scenario};
use crate::torn::{Desk, TORN};

pub(super) const RUN: [&str; 7] =
    ["run", "scenario.toml", "--no-progress", "--env", "external", "--external", "external.toml"];

/// A desk that knows the servers, and the password only by a variable.
pub(super) fn desk(mongod: &Server, broker: &Broker, scenario: &str) -> Desk {
    let mut desk = lay_out(Desk::with_stack(), &manifest(), scenario);
    let uri = format!("mongodb://torn:{PASSWORD}@{}/?replicaSet=shop", mongod.address());
    desk.write("external.toml", &format!("[mongodb]\nuri = {{ env = \"SHOP_URI\" }}\n\n{}", broker.table("torn")));
    desk.set("SHOP_URI", uri);
    desk.set("SHOP_PASSWORD", PASSWORD);
    desk
}

/// Looks through everything that lies in a folder.
pub(super) fn assert_no_secret(folder: &Path) {
    for entry in fs::read_dir(folder).expect("it is there").flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            assert_no_secret(&path);
        } else if let Ok(bytes) = fs::read(&path) {
            let is_there = bytes.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes());
            assert!(!is_there, "the password is in {}", path.display());
        }
    }
}

fn both(faults: &str) -> String {
    let lossy = format!(
        "[[variant]]\nname = \"dual-write\"\n{DUAL_WRITE}\nexpect.anomalies = [\"lost-event\"]\n\
         expect.also = [\"reordered-event\", \"divergent-projection\", \"duplicate-effect\"]\n"
    );
    let sound = format!("[[variant]]\nname = \"outbox\"\n{OUTBOX}\nexpect.verdict = \"valid\"\n");
    scenario("9s", &format!("{faults}\n{lossy}\n{sound}"))
}

const CUT: &str = "[[fault]]\nat = \"1500ms\"\nfor = \"5s\"\npartition = [\"api\", \"kafka\"]\n\n\
                   [[fault]]\nat = \"7s\"\nkill = \"projector-1\"\nrestart_after = \"500ms\"\n";

#[test]
fn a_scenario_has_its_verdicts_on_servers_with_users_and_leaves_neither_data_nor_secrets() {
    let (mongod, broker) = (Mongod::default().start(), Kafka { spare: 4, ..Kafka::default() }.start());
    let desk = desk(&mongod, &broker, &both(CUT));
    let ended = desk.torn(&RUN).with_code(0);
    let runs = desk.runs();
    assert_eq!(runs["dual-write"].judgement().verdict, Verdict::Invalid, "{ended}");
    assert_eq!(runs["outbox"].judgement().verdict, Verdict::Valid, "{ended}");
    for run in runs.values() {
        let file = run.file();
        assert_eq!(file["environment"], "external");
        let command = file["command"].as_str().expect("it is text").to_owned();
        assert!(command.contains("--env external --external external.toml"), "{command}");
    }
    assert_eq!(databases(&mongod), Vec::<String>::new(), "the runs' databases are gone");
    assert_eq!(broker.topics(), Vec::<String>::new(), "the runs' topics are gone");
    assert_no_secret(&desk.path(""));
}

#[test]
fn servers_with_certificates_are_led_through_links_by_their_names() {
    let tls = Certificates::make(&["db.shop.test", "log.shop.test", "localhost"]);
    let mongod = Mongod { tls: Some(&tls), ..Mongod::default() }.start();
    let broker = Kafka { tls: Some(&tls), name: Some("log.shop.test"), ..Kafka::default() }.start();
    let mut desk = lay_out(Desk::with_stack(), &manifest(), &both(CUT));
    let authority = tls.authority.display();
    desk.set(
        "TORN_MONGODB_URI",
        format!(
            "mongodb://torn:{PASSWORD}@db.shop.test:{}/?directConnection=true&tls=true&tlsCAFile={authority}",
            mongod.port
        ),
    );
    desk.set("TORN_KAFKA_BOOTSTRAP_SERVERS", format!("log.shop.test:{}", broker.server.port));
    desk.set("TORN_KAFKA_SECURITY_PROTOCOL", "SASL_SSL");
    desk.set("TORN_KAFKA_SASL_MECHANISM", "SCRAM-SHA-256");
    desk.set("TORN_KAFKA_SASL_USERNAME", "torn");
    desk.set("TORN_KAFKA_SASL_PASSWORD", PASSWORD);
    desk.set("TORN_KAFKA_CA_LOCATION", &tls.authority);
    // The names are known on the user's host; here they are known to this torn alone.
    let hosts = desk.write("hosts", "127.0.0.1 localhost db.shop.test log.shop.test\n");
    let ended = desk.start_command(torn_seeing(&hosts)).end().with_code(0);
    assert_eq!(desk.runs()["outbox"].judgement().verdict, Verdict::Valid, "{ended}");
    assert_no_secret(&desk.path(""));
}

fn torn_seeing(hosts: &Path) -> Command {
    let words = seeing(hosts);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg(TORN).args(["run", "scenario.toml", "--no-progress", "--env", "external"]);
    command
}

#[test]
fn a_set_of_three_is_followed_by_its_names_cut_at_its_primary_and_steps_down_where_the_user_may() {
    let faults = "[[fault]]\nat = \"1s\"\nfor = \"1s\"\npartition = [\"api\", \"primary\"]\n\n\
                  [[fault]]\nat = \"3s\"\nfor = \"2s\"\nstep_down = \"mongodb\"\n";
    let variant = format!("[[variant]]\nname = \"outbox\"\n{OUTBOX}\nexpect.verdict = \"valid\"\n");
    let scenario =
        replaced(&scenario("9s", &format!("{faults}\n{variant}")), "seed = 11", "seed = 11\nmongodb.nodes = 3");
    let mut desk = lay_out(Desk::with_stack(), &manifest(), &scenario);
    let names = ["db-1.shop.test", "db-2.shop.test", "db-3.shop.test"];
    let hosts = desk.write("hosts", &format!("127.0.0.1 localhost log.shop.test {}\n", names.join(" ")));
    let members = replica_set(&names, &hosts);
    let broker = Kafka { name: Some("log.shop.test"), ..Kafka::default() }.start();
    let told: Vec<String> =
        names.iter().zip(&members).map(|(name, member)| format!("{name}:{}", member.port)).collect();
    let uri = |user: &str| format!("mongodb://{user}:{PASSWORD}@{}/?replicaSet=shop", told.join(","));
    desk.write("external.toml", &format!("[mongodb]\nuri = {{ env = \"SHOP_URI\" }}\n\n{}", broker.table("torn")));
    desk.set("TORN_EXTERNAL", "external.toml");
    desk.set("SHOP_PASSWORD", PASSWORD);
    desk.set("SHOP_URI", uri("torn"));
    let refused = desk.start_command(torn_seeing(&hosts)).end().with_code(3);
    refused.saying("step-down mongodb is not possible here").saying("grant it the role clusterManager");

    desk.set("SHOP_URI", uri("manager"));
    // How much of the load passes depends on elections, and so on how busy the machine is.
    let ended = desk.start_command(torn_seeing(&hosts)).end();
    assert!(matches!(ended.code, Some(0 | 2)), "{ended}");
    assert_ne!(desk.run().judgement().verdict, Verdict::Invalid, "{ended}");
    let history = desk.run().lines().join("\n");
    for expected in ["primary is mongodb-1", "mongodb-1 stepped down", "api-1 → mongodb-1"] {
        assert!(history.contains(expected), "{expected}: {ended}");
    }
    assert_no_secret(&desk.path(""));
}

#[test]
fn a_database_that_cannot_be_dropped_is_told_and_the_run_is_judged_all_the_same() {
    let (mongod, broker) = (Mongod::default().start(), Kafka { spare: 4, ..Kafka::default() }.start());
    let variant = format!("[[variant]]\nname = \"outbox\"\n{OUTBOX}");
    let desk = desk(&mongod, &broker, &scenario("2s", &variant));
    let mut going = desk.start(&RUN);
    going.until_recorded(&["\"complete\"", "\"ok\""]);
    // A transaction that nobody ends, as that of a killed service: it holds the database for longer than this test lasts.
    let database = block_on(hold(&mongod));
    going.until_recorded(&["\"phase\"", "\"stop\""]);
    drop(mongod);
    let ended = going.end();
    assert!(matches!(ended.code, Some(0 | 2)), "there is a verdict: {ended}");
    let ended = ended.saying(&format!("not all that the run made could be removed (database {database}, topic torn-"));
    let ended = ended.saying("torn external clean");
    assert_eq!(broker.topics(), Vec::<String>::new(), "what can be removed is: {ended}");
}

/// Leaves a transaction open in the run's database; the database's name.
async fn hold(mongod: &Server) -> String {
    let root = administrator(mongod, "").await;
    let limit = doc! { "setParameter": 1, "transactionLifetimeLimitSeconds": 600 };
    root.database("admin").run_command(limit).await.expect("the administrator may");
    let names = root.list_database_names().await.expect("it answers");
    let name = names.into_iter().find(|name| name.starts_with("torn_")).expect("the run has one");
    let mut session = root.start_session().await.expect("a session");
    session.start_transaction().await.expect("a transaction");
    let products = root.database(&name).collection::<Document>("products");
    let held = products.insert_one(doc! { "_id": "held" }).session(&mut session).await;
    held.expect("nothing is in the way");
    // Dropped, they would end it.
    std::mem::forget((root, session));
    name
}

#[test]
fn an_interrupted_run_and_one_whose_service_does_not_start_leave_nothing_either() {
    let (mongod, broker) = (Mongod::default().start(), Kafka { spare: 4, ..Kafka::default() }.start());
    let variant = format!("[[variant]]\nname = \"outbox\"\n{OUTBOX}");
    let desk_of_one = desk(&mongod, &broker, &scenario("60s", &variant));
    let mut going = desk_of_one.start(&RUN);
    going.until_recorded(&["\"complete\"", "\"ok\""]);
    assert_eq!(databases(&mongod).len(), 1, "the run has a database of its own");
    assert!(!broker.topics().is_empty() && broker.topics().iter().all(|topic| topic.starts_with("torn-")));
    going.signal(Signal::SIGINT);
    going.end().with_code(130);
    assert_eq!((databases(&mongod), broker.topics()), (vec![], vec![]));
    drop(desk_of_one);

    let desk = desk(&mongod, &broker, &scenario("2s", &variant));
    let projector = r#"command = ["torn-workloads", "inventory-projector""#;
    let missing = r#"command = ["no-such-program", "inventory-projector""#;
    desk.write("manifest.toml", &replaced(&manifest(), projector, missing));
    desk.torn(&RUN).with_code(3).saying("there is no program \"no-such-program\"");
    assert_eq!((databases(&mongod), broker.topics()), (vec![], vec![]));
}

#[test]
fn a_password_that_a_service_prints_before_it_ends_stays_in_that_service_s_own_log() {
    let (mongod, broker) = (Mongod::default().start(), Kafka { spare: 4, ..Kafka::default() }.start());
    let desk = desk(&mongod, &broker, &scenario("2s", &format!("[[variant]]\nname = \"outbox\"\n{OUTBOX}")));
    let projector = r#"command = ["torn-workloads", "inventory-projector""#;
    let telling = r#"command = ["sh", "-c", "echo no answer from $MONGODB_URI by $KAFKA_SASL_PASSWORD; exit 9""#;
    desk.write("manifest.toml", &replaced(&manifest(), projector, telling));
    let ended = desk.torn(&RUN).with_code(3).saying("| no answer from mongodb://torn:***@127.0.0.1");
    assert!(desk.run().lines().join("\n").contains("torn:***@"), "the history has it too: {ended}");
    let log = desk.run().path.join("logs/projector-1.log");
    assert!(fs::read_to_string(&log).expect("it wrote").contains(PASSWORD), "it did print it");
    fs::remove_file(log).expect("it is there");
    assert_no_secret(&desk.path(""));
}
