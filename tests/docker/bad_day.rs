//! What a machine may lack is said in one sentence with its remedy, and nothing is left of the try.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};

use tornwrite::environment::docker::{Docker, Images};
use tornwrite::environment::local::Ports;
use tornwrite::environment::{EnvironmentError, Needs};
use tornwrite::scenario::manifest::Node;

use crate::needs_with_links;
use crate::run::{Run, TORN, containers_of, docker, name_of};

/// A `torn` that is to bring servers up with this daemon.
fn hold_with_daemon(address: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output: Output = Command::new(TORN)
        .args(["stack", "hold", "--docker", "--run", &name_of(folder.path()), "--folder"])
        .arg(folder.path())
        .env("DOCKER_HOST", address)
        .output()
        .expect("torn is built");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "one sentence: {said}");
    said
}

/// Answers every request as a rootless daemon would.
fn pretend_rootless(socket: &Path) {
    let listener = UnixListener::bind(socket).expect("the folder is new");
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && connection.read_exact(&mut byte).is_ok() {
                request.push(byte[0]);
            }
            let body = match String::from_utf8_lossy(&request) {
                request if request.contains("/info") => r#"{"SecurityOptions":["name=seccomp","name=rootless"]}"#,
                _ => "OK",
            };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = connection.write_all(format!("{head}{body}").as_bytes());
        }
    });
}

async fn start_from(images: &Images, run: &Run, needs: &Needs, ports: &Ports) -> EnvironmentError {
    Docker::start_from(images, needs, &run.supervisor, ports).await.expect_err("it cannot come up")
}

#[test]
fn no_daemon_is_said() {
    let said = hold_with_daemon("unix:///nowhere/docker.sock");
    assert!(said.contains("no Docker daemon answers") && said.contains("systemctl start docker"), "{said}");
}

#[test]
fn a_rootless_daemon_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("docker.sock");
    pretend_rootless(&socket);
    let said = hold_with_daemon(&format!("unix://{}", socket.display()));
    assert!(said.contains("is rootless") && said.contains("unix:///var/run/docker.sock"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_not_there_and_cannot_be_pulled_is_said_before_anything_starts() {
    let run = Run::start().await;
    let mut images = Images::from_environment();
    // Nobody listens there, so that the daemon is told at once.
    "127.0.0.1:1/none:1".clone_into(&mut images.kafka.reference);
    let needs = needs_with_links(&run);
    let absent = Docker::absent_images(&images, &needs).await.expect("a daemon answers");
    assert_eq!(absent, ["127.0.0.1:1/none:1"], "whoever waits can be told what is pulled");
    let said = start_from(&images, &run, &needs, &run.ports).await.to_string();
    for words in ["Kafka's image 127.0.0.1:1/none:1 is not on this machine", "TORN_KAFKA_IMAGE", "make offline-images"]
    {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(run.finish().await, [], "nothing was started");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_dies_at_its_start_is_shown_with_the_end_of_its_log() {
    let run = Run::start().await;
    let mut images = Images::from_environment();
    // mongod takes none of Toxiproxy's options.
    images.toxiproxy.reference = images.mongodb.reference.clone();
    let needs = needs_with_links(&run);
    let said = start_from(&images, &run, &needs, &run.ports).await.to_string();
    assert!(said.contains("toxiproxy did not come up: exit status "), "{said}");
    assert!(said.contains(&needs.log_folder.join("toxiproxy.log").display().to_string()), "{said}");
    assert!(said.contains("\n  | ") && !said.contains("(the log is empty)"), "{said}");
    run.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_without_the_servers_program_is_said_and_its_container_removed() {
    let run = Run::start().await;
    let mut images = Images::from_environment();
    // It has no mongod.
    images.mongodb.reference = images.kafka.reference.clone();
    let said = start_from(&images, &run, &run.needs(&[Node::Mongodb]), &run.ports).await.to_string();
    assert!(said.contains("mongod"), "{said}");
    assert_eq!(containers_of(&run.name), "");
    run.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_lost_between_choosing_and_binding_is_replaced() {
    let run = Run::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("it is bound").port();
    let needs = [
        run.needs(&[Node::Mongodb]),
        run.needs(&[Node::Kafka]),
        Needs { services: vec!["api-1".to_owned()], ..run.needs(&[]) },
    ];
    // One after the other, so that each of them is offered the taken port.
    for needs in needs {
        let ports = Ports::offering_first([port]).expect("a folder");
        let servers = Docker::start(&needs, &run.supervisor, &ports).await.expect("it takes another port");
        let addresses = [servers.mongodb_address(), servers.kafka_address(), servers.toxiproxy_address()];
        assert!(addresses.into_iter().flatten().all(|address| address.port() != port));
        servers.stop().await.expect("it ends");
    }
    run.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_that_are_all_taken_are_said_and_no_container_is_left() {
    let run = Run::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("it is bound").port();
    let ports = Ports::offering_first([port; 3]).expect("a folder");
    let said = start_from(&Images::from_environment(), &run, &run.needs(&[Node::Mongodb]), &ports).await.to_string();
    assert!(said.contains("mongodb gets no port on 127.0.0.1") && said.contains(&port.to_string()), "{said}");
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &run.label()]), "");
    run.finish().await;
}
