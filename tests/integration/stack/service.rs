//! Services under test: who is told of their exits, and what a start that fails says.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use indexmap::IndexMap;
use tornwrite::environment::local::Ports;
use tornwrite::history::entry::ProcessStep;
use tornwrite::secret::Secret;
use tornwrite::service::{Program, ServiceError, ServiceSpec, Services};

use super::run::{Run, within};

/// A service that tells what it was told, is ready, and dies when it is asked to.
const SERVICE: &str = r#"
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            print("told to die", flush=True)
            os._exit(3)
        self.send_response(204 if self.path == "/health/ready" else 404)
        self.end_headers()
    def log_message(self, *arguments):
        pass
host, port = os.environ["LISTEN_ADDR"].split(":")
print("serving as", os.environ["SERVICE_INSTANCE"], flush=True)
http.server.HTTPServer((host, int(port)), Handler).serve_forever()
"#;

fn service(instance: &str, program: Program, listen: SocketAddr, folder: &Path) -> ServiceSpec {
    ServiceSpec {
        instance: instance.to_owned(),
        role: "api".to_owned(),
        program,
        environment: IndexMap::new(),
        manifest_folder: folder.to_owned(),
        listen,
        mongodb_uri: None,
        kafka_bootstrap: None,
        hosts: None,
        secrets: Vec::new(),
        ready_path: "/health/ready".to_owned(),
        ready_within: Duration::from_secs(30),
    }
}

fn command(words: &[&str]) -> Program {
    Program::Command(words.iter().map(|word| (*word).to_owned()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_by_itself_is_told_to_the_run_and_an_injected_kill_is_not() {
    use ProcessStep::{Exited, Killed, Paused, Ready, Resumed, Started, Stopped};
    let mut run = Run::start();
    let ports = Ports::new().expect("a folder");
    let specs: Vec<ServiceSpec> = ["api-1", "api-2"]
        .iter()
        .map(|name| {
            let listen = ports.take().expect("a port");
            service(name, command(&["python3", "-c", SERVICE]), listen, run.folder.path())
        })
        .collect();
    let doomed = specs[1].listen;
    let services = Services::start(specs, &run.supervisor, run.folder.path()).await.expect("both are ready");
    let services = tokio::spawn(async move {
        services.kill("api-1").await.expect("it runs");
        services.restart("api-1").await.expect("it is ready again");
        services.pause("api-1").await.expect("it runs");
        services.resume("api-1").await.expect("it runs");
        services
    })
    .await
    .expect("no panic");
    let log = std::fs::read_to_string(run.folder.path().join("api-1.log")).expect("it wrote");
    assert_eq!(log, "serving as api-1\nserving as api-1\n", "the second life goes on in the same log");
    assert!(run.exits.try_recv().is_err(), "an injected kill is no unexpected exit");

    let mut stream = std::net::TcpStream::connect(doomed).expect("it serves");
    std::io::Write::write_all(&mut stream, b"GET /die HTTP/1.0\r\n\r\n").expect("it reads");
    let exit = within("the exit is told", run.exits.recv()).await.expect("the supervisor is there");
    assert_eq!((exit.process.as_str(), exit.status.as_str()), ("api-2", "exit status 3"));
    assert_eq!(exit.last_lines.last().map(String::as_str), Some("told to die"));
    services.stop().await.expect("they end");
    let steps = run.finish().await;
    let of = |name: &str| -> Vec<ProcessStep> {
        steps.iter().filter(|(process, _)| process == name).map(|(_, step)| *step).collect()
    };
    assert_eq!(of("api-1"), [Started, Ready, Killed, Started, Ready, Paused, Resumed, Stopped]);
    assert_eq!(of("api-2"), [Started, Ready, Exited]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_exits_at_start_is_shown_with_its_last_words_and_the_others_are_ended() {
    let mut run = Run::start();
    let ports = Ports::new().expect("a folder");
    let listen = || ports.take().expect("a port");
    let specs = vec![
        service("api-1", command(&["python3", "-c", SERVICE]), listen(), run.folder.path()),
        service("api-2", command(&["sh", "-c", "echo no such topic; exit 9"]), listen(), run.folder.path()),
    ];
    let error = Services::start(specs, &run.supervisor, run.folder.path()).await.expect_err("one ends").to_string();
    assert!(error.starts_with("api-2 ended before it was ready: exit status 9"), "{error}");
    assert!(error.ends_with("| no such topic"), "{error}");
    assert!(run.exits.try_recv().is_err(), "the error says it; it is not told twice");
    run.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_a_service_prints_is_not_repeated_when_it_ends() {
    let mut run = Run::start();
    let listen = Ports::new().and_then(|ports| ports.take()).expect("a port");
    let telling = SERVICE.replace("told to die", "lost mongodb://torn:hunter2@db/");
    let mut spec = service("api-1", command(&["python3", "-c", &telling]), listen, run.folder.path());
    spec.secrets = vec![Secret::new("hunter2")];
    let services = Services::start(vec![spec], &run.supervisor, run.folder.path()).await.expect("it is ready");
    let mut stream = std::net::TcpStream::connect(listen).expect("it serves");
    std::io::Write::write_all(&mut stream, b"GET /die HTTP/1.0\r\n\r\n").expect("it reads");
    let exit = within("the exit is told", run.exits.recv()).await.expect("the supervisor is there");
    assert_eq!(exit.last_lines.last().map(String::as_str), Some("lost mongodb://torn:***@db/"));
    services.stop().await.expect("there is nothing to end");
    run.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_not_ready_in_time_is_shown_with_its_last_answer() {
    let run = Run::start();
    let listen = Ports::new().and_then(|ports| ports.take()).expect("a port");
    let mut spec = service("api-1", command(&["python3", "-c", SERVICE]), listen, run.folder.path());
    spec.ready_path = "/no/such/path".to_owned();
    spec.ready_within = Duration::from_secs(5);
    let error = Services::start(vec![spec], &run.supervisor, run.folder.path()).await.expect_err("it says 404");
    assert!(error.to_string().contains("answered 404"), "{error}");
    assert!(error.to_string().contains("| serving as api-1"), "{error}");
    run.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_runs_elsewhere_is_asked_but_never_killed() {
    let run = Run::start();
    let ports = Ports::new().expect("a folder");
    let listen = ports.take().expect("a port");
    let specs = vec![service("api-1", command(&["python3", "-c", SERVICE]), listen, run.folder.path())];
    let ours = Services::start(specs, &run.supervisor, run.folder.path()).await.expect("it is ready");
    let elsewhere = Program::Elsewhere(format!("http://{listen}"));
    let specs = vec![service("other-1", elsewhere, listen, run.folder.path())];
    let theirs = Services::start(specs, &run.supervisor, run.folder.path()).await.expect("it answers");
    assert!(matches!(theirs.must_be_ours("other-1"), Err(ServiceError::RunsElsewhere { .. })));
    assert!(matches!(theirs.kill("other-1").await, Err(ServiceError::RunsElsewhere { .. })));
    theirs.stop().await.expect("there is nothing of ours");
    assert!(ours.processes().await.iter().any(|(name, _)| name == "api-1"), "it still runs");
    ours.stop().await.expect("it ends");
    run.finish().await;
}
