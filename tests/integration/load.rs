//! The load against small HTTP servers of the test's own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tornwrite::checker::verdict::OperationCount;
use tornwrite::history::entry::{Attempt, Complete, Entry, FORMAT, Header, Invoke, Outcome, Part, PhaseName};
use tornwrite::history::reader::Reader;
use tornwrite::history::recorder::{Clock, Recorder, Writer};
use tornwrite::load::progress::Progress;
use tornwrite::load::{self, LoadError, LoadSpec, LoadSummary, Target};
use tornwrite::scenario::plan::Plan;
use tornwrite::scenario::resolved::Resolved;

/// No condition of these tests takes longer on a busy machine; it only ends a test that has gone wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a server does with a request.
#[derive(Debug, Clone, Copy)]
enum Reaction {
    Answer(u16),
    /// Never answers.
    Silence,
    /// Sends half an answer and closes.
    Tear,
    /// Answers once the test lets it.
    Hold,
}

/// A server whose requests the test can look at.
struct Server {
    address: String,
    requests: mpsc::UnboundedReceiver<Request>,
    /// One permit lets one held request go.
    gate: Arc<Semaphore>,
    /// The most requests that were ever held at once.
    held_at_most: Arc<AtomicU32>,
    _tasks: JoinSet<()>,
}

#[derive(Debug, Clone, PartialEq)]
struct Request {
    line: String,
    headers: BTreeMap<String, String>,
    body: Value,
}

impl Server {
    /// Reacts to the requests for operations in this order, and to all further ones as to the last.
    async fn start(reactions: &[Reaction]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (seen, requests) = mpsc::unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let held_at_most = Arc::new(AtomicU32::new(0));
        let script = Script {
            reactions: reactions.to_vec(),
            next: AtomicU32::new(0),
            held: AtomicU32::new(0),
            held_at_most: Arc::clone(&held_at_most),
            gate: Arc::clone(&gate),
            seen,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let script = Arc::new(script);
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let script = Arc::clone(&script);
                connections.spawn(async move { script.serve(stream).await });
            }
        });
        Self { address, requests, gate, held_at_most, _tasks: tasks }
    }

    async fn request(&mut self) -> Request {
        tokio::time::timeout(PATIENCE, self.requests.recv()).await.expect("a request comes").expect("the server runs")
    }
}

struct Script {
    reactions: Vec<Reaction>,
    next: AtomicU32,
    held: AtomicU32,
    held_at_most: Arc<AtomicU32>,
    gate: Arc<Semaphore>,
    seen: mpsc::UnboundedSender<Request>,
}

impl Script {
    async fn serve(&self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        while let Some(request) = read_request(&mut stream, &mut buffer).await {
            if request.line.starts_with("GET /ready ") {
                answer(&mut stream, 200).await;
                continue;
            }
            let index = self.next.fetch_add(1, Ordering::SeqCst) as usize;
            let reaction = self.reactions.get(index).or(self.reactions.last()).copied().unwrap();
            let held = self.held.fetch_add(1, Ordering::SeqCst) + 1;
            self.held_at_most.fetch_max(held, Ordering::SeqCst);
            let _ = self.seen.send(request);
            match reaction {
                Reaction::Hold => self.gate.acquire().await.unwrap().forget(),
                Reaction::Silence => std::future::pending().await,
                Reaction::Answer(_) | Reaction::Tear => {}
            }
            // Before the answer: after it the client is free to send the next request.
            self.held.fetch_sub(1, Ordering::SeqCst);
            match reaction {
                Reaction::Answer(status) => answer(&mut stream, status).await,
                Reaction::Hold | Reaction::Silence => answer(&mut stream, 201).await,
                Reaction::Tear => {
                    let _ = stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{").await;
                    return;
                }
            }
        }
    }
}

async fn answer(stream: &mut TcpStream, status: u16) {
    let body = r#"{"conflicts":2,"deep":{"id":"x"}}"#;
    let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    // A client that has given up is part of some tests.
    let _ = stream.write_all(head.as_bytes()).await;
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    loop {
        if let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
            let mut lines = head.split("\r\n").map(str::to_owned);
            let line = lines.next().unwrap();
            let headers: BTreeMap<String, String> = lines
                .map(|line| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned())).unwrap())
                .collect();
            let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
            if buffer.len() >= end + 4 + length {
                let body = serde_json::from_slice(&buffer[end + 4..end + 4 + length]).unwrap_or_default();
                buffer.drain(..end + 4 + length);
                return Some(Request { line, headers, body });
            }
        }
        let mut bytes = [0; 4096];
        match stream.read(&mut bytes).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => buffer.extend_from_slice(&bytes[..read]),
        }
    }
}

/// A load under test with its history.
struct Bench {
    spec: LoadSpec,
    progress: Arc<Progress>,
    cancellation: CancellationToken,
    writer: Writer,
    path: PathBuf,
    _folder: TempDir,
}

/// What a load left behind.
struct Left {
    summary: LoadSummary,
    entries: Vec<Entry>,
}

impl Bench {
    fn new(addresses: &[&str], load: Value) -> Self {
        let resolved = resolved(addresses.len(), load);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let clock = Clock::start();
        let (recorder, writer) = Recorder::create(&path, clock).unwrap();
        recorder.record(Entry::Run(Header {
            format: FORMAT,
            scenario: "load".to_owned(),
            variant: "only".to_owned(),
            seed: 1,
            plan: String::new(),
            started: String::new(),
            database: String::new(),
            topics: BTreeMap::new(),
        }));
        let target = |address: &&str| Target { base: format!("http://{address}"), ready_path: "/ready".to_owned() };
        let spec = LoadSpec {
            plan: Arc::new(Plan::new(&resolved).unwrap()),
            load: resolved.scenario.load,
            seed: 1,
            targets: (1..).map(|number| format!("api-{number}")).zip(addresses.iter().map(target)).collect(),
            start: recorder.now() + 50_000_000,
            recorder,
        };
        let (progress, cancellation) = (Arc::default(), CancellationToken::new());
        Self { spec, progress, cancellation, writer, path, _folder: folder }
    }

    async fn run(self) -> Left {
        let run = load::run(self.spec, self.cancellation, self.progress);
        let summary = tokio::time::timeout(PATIENCE, run).await.expect("the load ends").unwrap();
        finish(summary, self.writer, &self.path)
    }

    /// Runs the load while the test does something to it.
    async fn run_while(self, does: impl AsyncFnOnce(&Progress, &CancellationToken)) -> Left {
        let run = load::run(self.spec, self.cancellation.clone(), Arc::clone(&self.progress));
        let both = async { tokio::join!(run, does(&self.progress, &self.cancellation)).0.unwrap() };
        let summary = tokio::time::timeout(PATIENCE, both).await.expect("the load ends");
        finish(summary, self.writer, &self.path)
    }
}

fn finish(summary: LoadSummary, writer: Writer, path: &Path) -> Left {
    writer.finish().unwrap();
    let entries = Reader::open(path).unwrap().map(|entry| entry.unwrap().1).collect();
    Left { summary, entries }
}

impl Left {
    fn completes(&self) -> Vec<&Complete> {
        self.entries
            .iter()
            .filter_map(|entry| if let Entry::Complete(complete) = entry { Some(complete) } else { None })
            .collect()
    }

    fn invokes(&self) -> Vec<&Invoke> {
        self.entries
            .iter()
            .filter_map(|entry| if let Entry::Invoke(invoke) = entry { Some(invoke) } else { None })
            .collect()
    }

    fn attempts(&self) -> Vec<&Attempt> {
        self.entries
            .iter()
            .filter_map(|entry| if let Entry::Attempt(attempt) = entry { Some(attempt) } else { None })
            .collect()
    }

    fn phases(&self) -> Vec<(PhaseName, u64)> {
        self.entries
            .iter()
            .filter_map(|entry| if let Entry::Phase(phase) = entry { Some((phase.name, phase.at)) } else { None })
            .collect()
    }

    fn the_only_one(&self) -> &Complete {
        let completes = self.completes();
        assert_eq!(completes.len(), 1, "{completes:?}");
        completes[0]
    }
}

fn resolved(instances: usize, load: Value) -> Resolved {
    let mut settings = json!({"warm_up": "0s", "keys": {"product": {"count": 3}}});
    merge(&mut settings, load);
    serde_json::from_value(json!({
        "name": "load", "manifest_folder": "", "variant": 0,
        "scenario": {"workload": "shop", "load": settings, "variant": [{"name": "only"}]},
        "manifest": {
            "name": "shop",
            "process": {"api": {"url": "http://elsewhere", "instances": instances}},
            "operation": {"purchase": {
                "method": "POST",
                "path": "/products/{product}",
                "headers": {"x-order": "{operation}"},
                "body": {"quantity": "{quantity}"},
                "values": {"quantity": {"uniform": [1, 3]}},
                "ok": [201],
                "fail": [409],
                "keep": {"conflicts": "/conflicts", "id": "/deep/id", "absent": "/absent"},
            }},
        },
    }))
    .unwrap()
}

/// One operation, and nothing else.
fn one(more: Value) -> Value {
    let mut load = json!({"rate": 10.0, "duration": "100ms"});
    merge(&mut load, more);
    load
}

fn merge(into: &mut Value, more: Value) {
    let (Value::Object(into), Value::Object(more)) = (into, more) else { panic!("both are objects") };
    into.extend(more);
}

async fn one_outcome(reaction: Reaction) -> (Outcome, Option<u16>, Option<String>) {
    let server = Server::start(&[reaction]).await;
    let timeout = if matches!(reaction, Reaction::Silence) { "300ms" } else { "20s" };
    let left = Bench::new(&[&server.address], one(json!({"timeout": timeout}))).run().await;
    let complete = left.the_only_one();
    (complete.outcome, complete.status, complete.error.clone())
}

#[tokio::test]
async fn every_way_an_attempt_can_end_has_its_outcome() {
    let said = |error: &str| Some(error.to_owned());
    assert_eq!(one_outcome(Reaction::Answer(201)).await, (Outcome::Ok, Some(201), None));
    assert_eq!(one_outcome(Reaction::Answer(409)).await, (Outcome::Fail, Some(409), None));
    assert_eq!(one_outcome(Reaction::Answer(500)).await, (Outcome::Info, Some(500), None));
    assert_eq!(one_outcome(Reaction::Silence).await, (Outcome::Info, None, said("timeout")));
    assert_eq!(one_outcome(Reaction::Tear).await, (Outcome::Info, None, said("connection closed")));
}

#[tokio::test]
async fn a_refused_connection_is_a_fail_because_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let left = Bench::new(&[&address], one(json!({}))).run().await;
    let complete = left.the_only_one();
    assert_eq!((complete.outcome, complete.error.as_deref()), (Outcome::Fail, Some("connection refused")));
}

#[tokio::test]
async fn a_request_carries_its_id_its_trace_and_its_body_and_the_answers_fields_are_kept() {
    let mut server = Server::start(&[Reaction::Answer(201)]).await;
    let left = Bench::new(&[&server.address], one(json!({}))).run().await;
    let request = server.request().await;
    let invoke = left.invokes()[0];
    assert_eq!(request.line, format!("POST /products/{} HTTP/1.1", invoke.values["product"].as_str().unwrap()));
    assert_eq!(request.headers["idempotency-key"], "purchase-000000");
    assert_eq!(request.headers["x-order"], "purchase-000000");
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.body, json!({"quantity": invoke.values["quantity"]}));
    let trace: Vec<&str> = request.headers["traceparent"].split('-').collect();
    assert_eq!((trace[0], trace[1].len(), trace[2].len(), trace[3]), ("00", 32, 16, "01"));
    let kept = BTreeMap::from([("conflicts".to_owned(), json!(2)), ("id".to_owned(), json!("x"))]);
    assert_eq!(left.the_only_one().kept, kept);
}

async fn retried(same_key: bool) -> (Left, Vec<Request>) {
    let reactions = [Reaction::Answer(500), Reaction::Tear, Reaction::Answer(201)];
    let mut server = Server::start(&reactions).await;
    let retry = json!({"retry": {"attempts": 5, "same_key": same_key, "pause": "1ms"}});
    let left = Bench::new(&[&server.address], one(retry)).run().await;
    let requests = vec![server.request().await, server.request().await, server.request().await];
    (left, requests)
}

#[tokio::test]
async fn a_retried_operation_is_ok_once_one_attempt_is() {
    let (left, requests) = retried(true).await;
    let complete = left.the_only_one();
    assert_eq!((complete.outcome, complete.attempts, complete.status), (Outcome::Ok, 3, Some(201)));
    let attempts = left.attempts();
    assert_eq!(attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(complete.sent, attempts[1].at);
    assert!(requests.iter().all(|request| request.headers["idempotency-key"] == "purchase-000000"));
    let spans: Vec<_> = requests.iter().map(|request| request.headers["traceparent"].split_at(36)).collect();
    assert!(spans[0].0 == spans[1].0 && spans[0].1 != spans[1].1, "one trace, a span for each attempt: {spans:?}");
}

#[tokio::test]
async fn a_fresh_key_for_each_attempt_is_sent_and_recorded() {
    let (left, requests) = retried(false).await;
    let keys: Vec<&str> = requests.iter().map(|request| request.headers["idempotency-key"].as_str()).collect();
    assert_eq!(keys, ["purchase-000000", "purchase-000000.2", "purchase-000000.3"]);
    assert_eq!(left.attempts().iter().map(|attempt| attempt.key.as_str()).collect::<Vec<_>>(), keys[1..]);
}

#[tokio::test]
async fn an_operation_of_which_one_attempt_may_have_had_an_effect_is_no_fail() {
    let server = Server::start(&[Reaction::Answer(500), Reaction::Answer(409)]).await;
    let retry = json!({"retry": {"attempts": 5, "pause": "1ms"}});
    let left = Bench::new(&[&server.address], one(retry)).run().await;
    let complete = left.the_only_one();
    assert_eq!((complete.outcome, complete.attempts, complete.status), (Outcome::Info, 2, Some(409)));
}

#[tokio::test]
async fn a_further_attempt_goes_to_the_next_instance() {
    let first = Server::start(&[Reaction::Answer(500)]).await;
    let mut second = Server::start(&[Reaction::Answer(201)]).await;
    let retry = json!({"retry": {"attempts": 2, "pause": "1ms"}});
    let left = Bench::new(&[&first.address, &second.address], one(retry)).run().await;
    assert_eq!(left.the_only_one().outcome, Outcome::Ok);
    assert_eq!((left.invokes()[0].instance.as_str(), left.attempts()[0].instance.as_str()), ("api-1", "api-2"));
    assert_eq!(second.request().await.headers["idempotency-key"], "purchase-000000");
}

#[tokio::test]
async fn an_invocation_comes_before_its_completion_and_every_phase_before_its_operations() {
    let server = Server::start(&[Reaction::Answer(201)]).await;
    let load = json!({"rate": 200.0, "duration": "500ms", "warm_up": "250ms"});
    let left = Bench::new(&[&server.address], load).run().await;
    let mut invoked = std::collections::BTreeSet::new();
    let mut busy = std::collections::BTreeMap::new();
    let mut phase = None;
    for entry in &left.entries {
        match entry {
            Entry::Phase(next) => phase = Some(next.name),
            Entry::Invoke(invoke) => {
                assert!(invoke.due <= invoke.released && invoke.released <= invoke.at);
                let expected = if invoke.part == Part::WarmUp { PhaseName::WarmUp } else { PhaseName::Load };
                assert!(phase.is_some_and(|phase| phase >= expected), "{phase:?} at {invoke:?}");
                assert_eq!(
                    busy.insert(invoke.client, &invoke.operation),
                    None,
                    "a client does one operation at a time"
                );
                assert!(invoked.insert(&invoke.operation), "an id is unique");
            }
            Entry::Complete(complete) => {
                assert!(invoked.contains(&complete.operation));
                busy.retain(|_, operation| **operation != complete.operation);
            }
            _ => {}
        }
    }
    assert_eq!(invoked.len(), 150);
    let [(PhaseName::WarmUp, start), (PhaseName::Load, load), (PhaseName::LoadEnd, end)] = left.phases()[..] else {
        panic!("{:?}", left.phases());
    };
    assert_eq!(load - start, 250_000_000);
    assert!(end - load >= 500_000_000 && left.invokes().iter().all(|invoke| invoke.at <= end));
    assert_eq!(left.summary.planned, Some(100));
    assert_eq!(left.summary.outcomes, OperationCount { ok: 100, fail: 0, info: 0 });
    assert_eq!((left.summary.punctuality.offered, left.summary.punctuality.started), (Some(100), 100));
}

/// A server that holds every answer until the load has offered everything: response times must tell of the wait,
/// lateness must not.
async fn stuck(load: Value, under_way: usize) -> (Left, u32) {
    let mut server = Server::start(&[Reaction::Hold]).await;
    let gate = Arc::clone(&server.gate);
    let bench = Bench::new(&[&server.address], load);
    let (clock, end) = (bench.spec.recorder.clock(), bench.spec.start + 400_000_000);
    let left = bench
        .run_while(async |_, _| {
            for _ in 0..under_way {
                server.request().await;
            }
            tokio::time::sleep_until(clock.instant(end).into()).await;
            gate.add_permits(1000);
        })
        .await;
    (left, server.held_at_most.load(Ordering::SeqCst))
}

fn assert_latency_counts_from_the_intended_start(left: &Left) {
    let invokes = left.invokes();
    assert_eq!(invokes.len(), 40, "every operation is started in the end");
    let first = invokes[0].due;
    for (index, invoke) in invokes.iter().enumerate() {
        assert_eq!(invoke.due - first, index as u64 * 10_000_000, "what is due does not move");
        let complete = left.completes().into_iter().find(|complete| complete.operation == invoke.operation).unwrap();
        assert!(complete.at - invoke.due >= 400_000_000 - index as u64 * 10_000_000);
        assert_eq!(complete.outcome, Outcome::Ok);
    }
}

#[tokio::test]
async fn while_the_target_is_stuck_an_open_loop_goes_on_and_latency_counts_from_the_intended_start() {
    let (left, held) = stuck(json!({"rate": 100.0, "duration": "400ms"}), 40).await;
    assert_latency_counts_from_the_intended_start(&left);
    assert_eq!(held, 40, "all were under way at once");
}

#[tokio::test]
async fn with_all_workers_stuck_latency_still_counts_from_the_intended_start() {
    let (left, held) = stuck(json!({"rate": 100.0, "duration": "400ms", "workers": 3}), 3).await;
    assert_latency_counts_from_the_intended_start(&left);
    assert!(held <= 3, "{held} under way at once");
    let end = left.phases().last().unwrap().1;
    let last = left.invokes().last().unwrap().at;
    assert!(last <= end, "the load ends when the last operation has started");
    // The fourth operation waited for a worker, and the generator is not to blame for it.
    let waited = left.invokes()[3];
    assert!(waited.at - waited.due >= 360_000_000 && waited.released < waited.at);
}

#[tokio::test]
async fn a_closed_loop_has_never_more_than_its_workers_under_way() {
    let server = Server::start(&[Reaction::Answer(201)]).await;
    let left =
        Bench::new(&[&server.address], json!({"workers": 4, "duration": "300ms", "warm_up": "100ms"})).run().await;
    assert!(server.held_at_most.load(Ordering::SeqCst) <= 4);
    let clients: std::collections::BTreeSet<u32> = left.invokes().iter().map(|invoke| invoke.client).collect();
    assert_eq!(clients, (0..4).collect());
    assert_eq!(left.summary.planned, None);
    assert_eq!(left.summary.punctuality.shortfall(), None);
    assert_eq!(
        left.summary.completed(),
        left.invokes().iter().filter(|invoke| invoke.part == Part::Load).count() as u64
    );
    assert!(left.invokes().iter().all(|invoke| invoke.due == invoke.at || invoke.due == invoke.released));
    let [(PhaseName::WarmUp, _), (PhaseName::Load, load), (PhaseName::LoadEnd, _)] = left.phases()[..] else {
        panic!("{:?}", left.phases());
    };
    assert!(left.invokes().iter().all(|invoke| (invoke.due < load) == (invoke.part == Part::WarmUp)));
}

/// The most operations of a history that were under way at once, among those that were due in a stretch of it.
fn under_way_at_most(left: &Left, due: std::ops::Range<u64>) -> i64 {
    let mut moments = Vec::new();
    for invoke in left.invokes().into_iter().filter(|invoke| due.contains(&invoke.due)) {
        let complete = left.completes().into_iter().find(|complete| complete.operation == invoke.operation).unwrap();
        moments.extend([(invoke.at, 1), (complete.at, -1)]);
    }
    moments.sort_unstable();
    let running = moments.iter().scan(0, |under_way, (_, change)| {
        *under_way += change;
        Some(*under_way)
    });
    running.max().unwrap_or(0)
}

#[tokio::test]
async fn each_stage_of_a_closed_loop_has_as_many_operations_under_way_as_it_has_workers() {
    let mut server = Server::start(&[Reaction::Hold]).await;
    let (gate, held_at_most) = (Arc::clone(&server.gate), Arc::clone(&server.held_at_most));
    let stages = json!([{"workers": 1, "for": "300ms"}, {"workers": 32, "for": "1s"}]);
    let bench = Bench::new(&[&server.address], json!({"stages": stages}));
    let (clock, change) = (bench.spec.recorder.clock(), bench.spec.start + 300_000_000);
    let left = bench
        .run_while(async |_, _| {
            while clock.now() < change {
                server.request().await;
                gate.add_permits(1);
            }
            // The second stage's workers are let go once they have all met at the gate.
            while held_at_most.load(Ordering::SeqCst) < 32 {
                server.request().await;
            }
            gate.add_permits(1_000_000);
        })
        .await;
    assert_eq!(under_way_at_most(&left, 0..change), 1);
    assert_eq!(under_way_at_most(&left, 0..u64::MAX), 32);
    assert_eq!(server.held_at_most.load(Ordering::SeqCst), 32);
    let clients = |is_first: bool| {
        let stage = left.invokes().into_iter().filter(move |invoke| (invoke.due < change) == is_first);
        stage.map(|invoke| invoke.client).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!((clients(true), clients(false).last().copied()), ([0].into(), Some(31)));
    assert_eq!((left.summary.planned, left.summary.punctuality.shortfall()), (None, None));
}

#[tokio::test]
async fn a_closed_loop_whose_target_refuses_connections_does_not_flood_the_history() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let left = Bench::new(&[&address], json!({"workers": 2, "duration": "1s"})).run().await;
    // One try for each 100 ms of `retry.pause` at most.
    assert!((2..=20).contains(&left.completes().len()), "{}", left.completes().len());
}

#[tokio::test]
async fn a_cancelled_load_starts_nothing_more_and_waits_for_what_is_under_way() {
    let mut server = Server::start(&[Reaction::Hold]).await;
    let gate = Arc::clone(&server.gate);
    let bench = Bench::new(&[&server.address], json!({"rate": 50.0, "duration": "1h", "retry": {"attempts": 9}}));
    let left = bench
        .run_while(async |progress, cancellation| {
            server.request().await;
            cancellation.cancel();
            assert!(progress.view(0).in_flight >= 1);
            gate.add_permits(1000);
        })
        .await;
    assert!(left.summary.cancelled);
    assert_eq!(left.invokes().len(), left.completes().len(), "what was under way came to its end");
    assert!(left.invokes().len() < 1000, "{}", left.invokes().len());
    let end = left.phases().last().copied().unwrap();
    assert_eq!(end.0, PhaseName::LoadEnd);
    assert!(left.invokes().iter().all(|invoke| invoke.at <= end.1));
}

#[tokio::test]
async fn a_cancelled_load_gives_up_on_silence_after_the_clients_timeout_and_does_not_retry() {
    let mut server = Server::start(&[Reaction::Silence]).await;
    let load = json!({"rate": 0.1, "duration": "1h", "timeout": "200ms", "retry": {"attempts": 1000}});
    let left = Bench::new(&[&server.address], load)
        .run_while(async |_, cancellation| {
            server.request().await;
            cancellation.cancel();
        })
        .await;
    let complete = left.the_only_one();
    assert_eq!((complete.outcome, complete.attempts, complete.error.as_deref()), (Outcome::Info, 1, Some("timeout")));
}

#[tokio::test]
async fn an_instance_without_an_address_is_said_before_anything_is_sent() {
    let mut bench = Bench::new(&["127.0.0.1:1"], one(json!({})));
    bench.spec.targets.clear();
    let error = load::run(bench.spec, CancellationToken::new(), Arc::default()).await.unwrap_err();
    assert!(matches!(&error, LoadError::NoTarget { instance, .. } if instance == "api-1"), "{error}");
    let mut bench = Bench::new(&["127.0.0.1:1"], one(json!({})));
    bench.spec.targets.get_mut("api-1").unwrap().base = "https://shop".to_owned();
    let error = load::run(bench.spec, CancellationToken::new(), Arc::default()).await.unwrap_err();
    assert!(error.to_string().starts_with("api-1: `https://shop` is no address of an HTTP server"), "{error}");
}
