//! What the benches share: a target process that answers at once, and a load against it.
//!
//! The target is the bench's own binary, started once more with an argument: it has a process of its own, so that it can
//! be stopped with SIGSTOP and its CPU time is not the harness's.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tornwrite::history::entry::{Entry, FORMAT, Header, Nanos};
use tornwrite::history::reader::Reader;
use tornwrite::history::recorder::{Clock, Recorder};
use tornwrite::load::{self, LoadSpec, LoadSummary, Target};
use tornwrite::scenario::plan::Plan;
use tornwrite::scenario::resolved::Resolved;

const TARGET: &str = "--be-the-target";

/// Connections are opened before the load begins.
const HEAD_START: Nanos = 500_000_000;

/// Serves for ever when this process was started as the target.
pub(crate) fn serve_if_target() {
    if !std::env::args().any(|argument| argument == TARGET) {
        return;
    }
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        println!("{}", listener.local_addr().expect("bound"));
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream));
            while connections.try_join_next().is_some() {}
        }
    });
    unreachable!("the listener fails only with the process");
}

/// Answers each request of a connection; the benches' requests have no body.
async fn serve(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut bytes).await {
        buffer.extend_from_slice(&bytes[..read]);
        if buffer.ends_with(b"\r\n\r\n") {
            buffer.clear();
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
                return;
            }
        }
    }
}

/// A target process; killed when dropped.
pub(crate) struct TargetProcess {
    /// Its standard input is a pipe: when the bench is gone, however that came, the target reads the end and ends too.
    child: Child,
    address: String,
}

impl TargetProcess {
    /// The process, with its id.
    pub(crate) fn start() -> (Self, u32) {
        let program = std::env::current_exe().expect("a running program has a path");
        let mut child = Command::new(program)
            .arg(TARGET)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the target starts");
        let mut address = String::new();
        let output = child.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut address).expect("the target says its address");
        let id = child.id();
        (Self { child, address: address.trim().to_owned() }, id)
    }
}

impl Drop for TargetProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a load left behind.
pub(crate) struct Left {
    pub(crate) summary: LoadSummary,
    /// Response times from the intended start, sorted, in nanoseconds.
    pub(crate) responses: Vec<Nanos>,
}

/// Runs a load against the target, history on; `meanwhile` runs on a thread of its own and is told when the load begins.
pub(crate) fn run(target: &TargetProcess, load: &Value, meanwhile: impl FnOnce(Instant) + Send + 'static) -> Left {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("history.jsonl");
    let resolved = resolved(load);
    let (recorder, writer) = Recorder::create(&path, Clock::start()).expect("the history can be written");
    recorder.record(Entry::Run(Header {
        format: FORMAT,
        scenario: resolved.name.clone(),
        variant: "only".to_owned(),
        seed: resolved.scenario.seed,
        plan: String::new(),
        started: String::new(),
        database: String::new(),
        topics: BTreeMap::new(),
    }));
    let base = format!("http://{}", target.address);
    let start = recorder.now() + HEAD_START;
    let begins = recorder.clock().instant(start);
    let spec = LoadSpec {
        plan: Arc::new(Plan::new(&resolved).expect("a plan")),
        load: resolved.scenario.load,
        seed: resolved.scenario.seed,
        targets: BTreeMap::from([("target-1".to_owned(), Target { base, ready_path: "/".to_owned() })]),
        recorder,
        start,
    };
    let meanwhile = std::thread::spawn(move || meanwhile(begins));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let summary = runtime.block_on(load::run(spec, CancellationToken::new(), Arc::default())).expect("the load runs");
    meanwhile.join().expect("no panic");
    writer.finish().expect("the history is written");
    Left { summary, responses: responses(&path) }
}

/// From the stored history: what counts is what a report would say.
fn responses(path: &std::path::Path) -> Vec<Nanos> {
    let mut due = BTreeMap::new();
    let mut responses = Vec::new();
    for entry in Reader::open(path).expect("a history") {
        match entry.expect("whole lines").1 {
            Entry::Invoke(invoke) => drop(due.insert(invoke.operation, invoke.due)),
            Entry::Complete(complete) => responses.push(complete.at - due[&complete.operation]),
            _ => {}
        }
    }
    responses.sort_unstable();
    responses
}

fn resolved(load: &Value) -> Resolved {
    let resolved = json!({
        "name": "bench", "manifest_folder": "", "variant": 0,
        "scenario": {"workload": "no-op", "load": load, "variant": [{"name": "only"}]},
        "manifest": {
            "name": "no-op",
            "process": {"target": {"url": "http://elsewhere"}},
            "operation": {"look": {"method": "GET", "path": "/products/{product}", "ok": [200]}},
        },
    });
    serde_json::from_value(resolved).expect("a scenario")
}
