//! What is wrong with a server is told before anything starts, in one sentence with its remedy.

use std::path::Path;

use super::runs::assert_no_secret;
use super::servers::{Certificates, Kafka, Mongod, PASSWORD, block_on, databases};
use crate::runs::{OUTBOX, lay_out, manifest, scenario};
use crate::torn::{Desk, Ended};

/// Has the servers looked at as a run would.
fn look(desk: &Desk, external: &str) -> Ended {
    desk.write("external.toml", external);
    let ended = desk.torn(&["external", "check", "--external", "external.toml"]);
    assert!(!ended.to_string().contains(PASSWORD), "{ended}");
    ended
}

fn mongodb(uri: &str) -> String {
    format!("[mongodb]\nuri = \"{uri}\"\n")
}

#[test]
fn a_mongod_that_cannot_serve_a_run_is_told_in_one_sentence_with_the_remedy() {
    let desk = Desk::with_stack();
    let users = Mongod::default().start();
    let address = users.address();
    look(&desk, &mongodb(&format!("mongodb://torn:{PASSWORD}@{address}/?replicaSet=shop")))
        .with_code(0)
        .saying("a run can work there");
    assert_eq!(databases(&users), Vec::<String>::new(), "the look leaves nothing");

    let said = look(&desk, &mongodb(&format!("mongodb://torn:wrong@{address}/?replicaSet=shop"))).with_code(3);
    said.saying(&format!("MongoDB at {address} does not accept the user or the password"));
    let said = look(&desk, &mongodb(&format!("mongodb://poor:{PASSWORD}@{address}/?replicaSet=shop"))).with_code(3);
    said.saying("does not let this user create a collection in a new database").saying("readWriteAnyDatabase");
    let said = look(&desk, &mongodb(&format!("mongodb://{address}/?replicaSet=shop"))).with_code(3);
    said.saying("does not let this user").saying("grant it the role");
    look(&desk, &mongodb("mongodb://127.0.0.1:1/")).with_code(3).saying("MongoDB at 127.0.0.1:1 cannot be reached");
    // Whoever asks for a Kafka is told that none is given.
    look(&desk, "").with_code(64).saying("no servers are given");

    let alone = Mongod { is_alone: true, ..Mongod::default() }.start();
    let said = look(&desk, &mongodb(&format!("mongodb://{}", alone.address()))).with_code(3);
    said.saying("is no member of a replica set").saying("start it with --replSet and initiate it");

    // A primary that has stepped down with nobody to follow it is a read-only member.
    block_on(async {
        let command = mongodb::bson::doc! { "replSetStepDown": 600, "force": true };
        let root = super::servers::administrator(&users, "").await;
        let _ = root.database("admin").run_command(command).await;
    });
    let said =
        look(&desk, &mongodb(&format!("mongodb://torn:{PASSWORD}@{address}/?directConnection=true"))).with_code(3);
    said.saying(&format!("MongoDB at {address} takes no writes")).saying("give the primary's address");
    assert_no_secret_but_in_the_file(&desk);
}

#[test]
fn an_interrupt_while_the_servers_are_looked_at_ends_with_130_whatever_the_look_came_to() {
    let variant = format!("[[variant]]\nname = \"outbox\"\n{OUTBOX}");
    let desk = lay_out(Desk::bare(), &manifest(), &scenario("2s", &variant));
    for arguments in [&["run", "scenario.toml", "--env", "external"][..], &["external", "check"]] {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = silent.local_addr().expect("it is bound");
        let servers = mongodb(&format!("mongodb://{address}/"));
        desk.write("external.toml", &format!("{servers}[kafka]\nbootstrap = \"127.0.0.1:1\"\n"));
        let going = desk.start(&[arguments, &["--external", "external.toml"]].concat());
        // Somebody dials, and gets no answer.
        let _dialled = silent.accept().expect("it is dialled");
        std::thread::sleep(std::time::Duration::from_millis(300));
        going.signal(nix::sys::signal::Signal::SIGINT);
        going.end().with_code(130).saying(&format!("MongoDB at {address} cannot be reached"));
    }
}

/// The file itself is the test's.
fn assert_no_secret_but_in_the_file(desk: &Desk) {
    std::fs::remove_file(desk.path("external.toml")).expect("it was written");
    assert_no_secret(&desk.path(""));
}

#[test]
fn a_certificate_that_is_not_trusted_is_told_as_that() {
    let tls = Certificates::make(&["localhost"]);
    let mongod = Mongod { tls: Some(&tls), ..Mongod::default() }.start();
    let broker = Kafka { tls: Some(&tls), name: Some("localhost"), ..Kafka::default() }.start();
    let desk = Desk::with_stack();
    let uri = format!("mongodb://torn:{PASSWORD}@localhost:{}/?directConnection=true", mongod.port);
    let said = look(&desk, &mongodb(&format!("{uri}&tls=true"))).with_code(3);
    said.saying("no TLS connection to MongoDB").saying("name the authority that signed its certificate (tlsCAFile");
    look(&desk, &mongodb(&uri)).with_code(3).saying("MongoDB at localhost");
    let kafka = |rest: &str, authority: Option<&Path>| {
        let authority = authority.map(|path| format!("ca_location = \"{}\"\n", path.display())).unwrap_or_default();
        format!("[kafka]\nbootstrap = \"localhost:{}\"\n{rest}{authority}", broker.server.port)
    };
    let user = format!(
        "security_protocol = \"SASL_SSL\"\nsasl_mechanism = \"SCRAM-SHA-256\"\nsasl_username = \"torn\"\n\
         sasl_password = \"{PASSWORD}\"\n"
    );
    let said = look(&desk, &kafka(&user, None)).with_code(3);
    said.saying("no TLS connection to Kafka").saying("(ca_location)");
    look(&desk, &kafka(&user, Some(&tls.authority))).with_code(0).saying("a run can work there");
    let said = look(&desk, &kafka("", None)).with_code(3);
    said.saying("Kafka at localhost").saying("security_protocol");
}

#[test]
fn a_kafka_that_cannot_serve_a_run_is_told_in_one_sentence_with_the_remedy() {
    let mut desk = Desk::with_stack();
    desk.set("SHOP_PASSWORD", PASSWORD);
    let broker = Kafka { spare: 1, ..Kafka::default() }.start();
    look(&desk, &broker.table("torn")).with_code(0).saying("for up to 1 services");
    assert_eq!(broker.topics(), Vec::<String>::new(), "the look leaves nothing");
    let said = look(&desk, &broker.table("poor")).with_code(3);
    said.saying("Kafka does not let this user create a topic").saying("begin with \"torn-\" (a prefixed ACL)");
    let said = look(&desk, &broker.table("stranger")).with_code(3);
    said.saying("does not accept the user or the password");
    look(&desk, "[kafka]\nbootstrap = \"127.0.0.1:1\"\n").with_code(3).saying("Kafka at 127.0.0.1:1 cannot be reached");

    let variant = format!("[kafka]\nbrokers = 3\n\n[[variant]]\nname = \"outbox\"\n{OUTBOX}");
    let mongod = Mongod::default().start();
    let desk = lay_out(desk, &manifest(), &scenario("2s", &variant));
    let uri = format!("mongodb://torn:{PASSWORD}@{}/", mongod.address());
    desk.write("external.toml", &format!("{}\n{}", mongodb(&uri), broker.table("torn")));
    let run = ["run", "scenario.toml", "--env", "external", "--external", "external.toml"];
    let ended = desk.torn(&run).with_code(3).saying("the scenario asks for 3 brokers, and 1 are there");
    assert!(desk.runs().is_empty(), "nothing was run: {ended}");
    // A workload that needs what is not given.
    desk.write("external.toml", &mongodb(&uri));
    desk.torn(&run).with_code(64).saying("the workload needs Kafka, which is not given: set kafka.bootstrap");
}
