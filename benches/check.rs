//! How long a history of a million operations takes to judge, and how much memory: `cargo bench --workspace --profile dev
//! --bench check [OPERATIONS]`. A generated inventory run: each purchase is invoked, stored with its outbox row, answered,
//! recorded, marked and applied to a view; 1 in 1,000 events is lost, so that every invariant has something to look at.
//!
//! The best of [`ROUNDS`] counts, since whatever else runs on the machine only ever adds; the time on all cores together
//! is told beside it, and the load.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use procfs::Current;
use serde_json::{Value, json};
use tornwrite::checker::judge;
use tornwrite::history::entry::{
    Change, ChangeKind, Complete, Drain, DrainEnd, End, Entry, Header, Invoke, Outcome, Part, Record, WitnessEvent,
    WitnessStep,
};
use tornwrite::history::facts::Facts;
use tornwrite::history::reader::Reader;
use tornwrite::scenario::resolved::Resolved;

const PRODUCTS: u64 = 1_000;

/// How often everything but the reading of single entries is measured.
const ROUNDS: usize = 3;

fn main() {
    let operations = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("history.jsonl");
    write(&path, operations).expect("the history can be written");
    let size = std::fs::metadata(&path).expect("it was just written").len();
    let resolved = resolved();

    let mut best: Option<[Span; 2]> = None;
    let mut found = Vec::new();
    for _ in 0..ROUNDS {
        let (facts, reading) = timed(|| Facts::read_file(&resolved, &path).expect("it can be read"));
        let (judgement, checking) = timed(|| judge(&resolved, &facts));
        if best.is_none_or(|[read, checked]| reading.wall + checking.wall < read.wall + checked.wall) {
            best = Some([reading, checking]);
        }
        found = judgement.anomalies;
    }
    let peak = process().status().expect("/proc can be read").vmhwm.unwrap_or_default();
    let (entries, single) = timed(|| {
        let reader = Reader::open(&path).expect("it can be opened");
        reader.fold(0_u64, |count, entry| {
            entry.expect("every line is an entry");
            count + 1
        })
    });

    let [reading, checking] = best.expect("there is more than one round");
    let (wall, megabytes) = (reading.wall + checking.wall, size as f64 / 1e6);
    let load = procfs::LoadAverage::current().map_or(f32::NAN, |load| load.one);
    println!("{operations} operations, {entries} entries, {megabytes:.0} MB; load {load}, best of {ROUNDS}");
    println!("judged                 {wall:6.2} s  ({:.2} s on all cores together)", reading.cpu + checking.cpu);
    println!("  reading into facts   {:6.2} s  ({:.2} s)", reading.wall, reading.cpu);
    println!("  checking             {:6.2} s  ({:.2} s)", checking.wall, checking.cpu);
    println!(
        "                       {:6.0} entries/s, {:.0} MB/s read",
        entries as f64 / reading.wall,
        megabytes / reading.wall
    );
    println!("                       {:6.2} of the reading's time for the checks", checking.wall / reading.wall);
    println!("peak resident memory   {:6} MB", peak / 1_024);
    println!(
        "entry by entry         {:6.2} s  ({:.2} s): one thread, every field, for who wants single entries",
        single.wall, single.cpu
    );
    for anomaly in found {
        println!("found                  {} {}", anomaly.count, anomaly.kind.name());
    }
}

/// How long something took, in seconds.
#[derive(Clone, Copy)]
struct Span {
    wall: f64,
    /// On all cores together.
    cpu: f64,
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Span) {
    let (started, before) = (Instant::now(), cpu());
    let done = work();
    (done, Span { wall: started.elapsed().as_secs_f64(), cpu: cpu() - before })
}

fn cpu() -> f64 {
    let stat = process().stat().expect("/proc can be read");
    (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64
}

fn process() -> procfs::process::Process {
    procfs::process::Process::myself().expect("/proc can be read")
}

fn resolved() -> Resolved {
    Resolved {
        name: "bench".to_owned(),
        scenario: toml::from_str(include_str!("../tests/golden/scenario.toml")).expect("the scenario is valid"),
        manifest: toml::from_str(include_str!("../tests/golden/manifest.toml")).expect("the manifest is valid"),
        manifest_folder: "tests/golden".into(),
        variant: 0,
    }
}

/// The writer of the history, and the state of the products.
struct Output {
    file: BufWriter<File>,
    at: u64,
    offsets: [i64; 2],
    sold: Vec<(i64, i64)>,
}

impl Output {
    fn entry(&mut self, entry: &Entry) -> std::io::Result<()> {
        serde_json::to_writer(&mut self.file, entry)?;
        self.file.write_all(b"\n")
    }

    fn change(&mut self, collection: &str, id: &str, kind: ChangeKind, after: Value) -> std::io::Result<()> {
        self.at += 1_000;
        let (collection, id) = (collection.to_owned(), id.to_owned());
        let time = [(self.at / 1_000_000_000) as u32, 1];
        self.entry(&Entry::Change(Change { at: self.at, collection, id, kind, after, time, transaction: None }))
    }

    fn purchase(&mut self, number: u64) -> std::io::Result<()> {
        let place = (number * 7_919) % PRODUCTS;
        let (operation, product) = (format!("purchase-{number:07}"), format!("product-{place:03}"));
        let event = format!("0190a5c2-7b1e-7000-8000-{number:012}");
        let (sold, count) = &mut self.sold[place as usize];
        (*sold, *count) = (*sold + 1, *count + 1);
        let (sold, count) = (*sold, *count);
        let values = BTreeMap::from([("product".to_owned(), json!(product)), ("quantity".to_owned(), json!(1))]);
        self.entry(&Entry::Invoke(Invoke {
            at: self.at,
            due: self.at,
            released: self.at,
            operation: operation.clone(),
            kind: "purchase".to_owned(),
            part: Part::Load,
            client: (number % 64) as u32,
            instance: "api-1".to_owned(),
            values,
        }))?;
        let version = count + 1;
        let stored = json!({"_id": product, "stock": 1_000_000 - sold, "version": version, "lastOperation": operation});
        self.change("products", &product, ChangeKind::Update, stored)?;
        let row = |published: Value| {
            json!({"_id": event, "type": "purchase.completed", "subject": product, "operationId": operation,
                "sequence": version, "publishedAt": published})
        };
        self.change("outbox", &event, ChangeKind::Insert, row(Value::Null))?;
        self.entry(&Entry::Complete(Complete {
            at: self.at,
            operation: operation.clone(),
            outcome: Outcome::Ok,
            status: Some(201),
            error: None,
            sent: self.at,
            attempts: 1,
            kept: [("conflicts", 0), ("version", version), ("stock", 1_000_000 - sold)]
                .map(|(name, value)| (name.to_owned(), json!(value)))
                .into(),
        }))?;
        self.change("outbox", &event, ChangeKind::Update, row(json!({"$date": "2026-01-01T00:00:00Z"})))?;
        if number % 1_000 == 999 {
            return Ok(());
        }
        let partition = place % 2;
        let offset = self.offsets[partition as usize];
        self.offsets[partition as usize] += 1;
        let headers = [
            ("ce_specversion", "1.0"),
            ("ce_id", &event),
            ("ce_source", "/api"),
            ("ce_type", "purchase.completed"),
            ("ce_subject", &product),
            ("ce_correlationid", &operation),
            ("ce_sequence", &version.to_string()),
            ("content-type", "application/json"),
        ];
        self.entry(&Entry::Record(Record {
            at: self.at,
            topic: "purchases".to_owned(),
            partition: partition as i32,
            offset,
            key: Some(product.clone()),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            payload: json!({"product": product, "quantity": 1}),
            timestamp: Some(1_767_225_600_000),
        }))?;
        let view = json!({"_id": product, "sold": sold, "purchases": count, "lastEvent": event,
            "lastOperation": operation});
        let kind = if count == 1 { ChangeKind::Insert } else { ChangeKind::Update };
        self.change("sales", &product, kind, view)
    }
}

fn write(path: &Path, operations: u64) -> std::io::Result<()> {
    let file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut output = Output { file, at: 0, offsets: [0; 2], sold: vec![(0, 0); PRODUCTS as usize] };
    output.entry(&Entry::Run(Header {
        format: 1,
        scenario: "bench".to_owned(),
        variant: "golden".to_owned(),
        seed: 1,
        plan: "0".to_owned(),
        started: "2026-01-01T00:00:00Z".to_owned(),
        database: "bench".to_owned(),
        topics: BTreeMap::new(),
    }))?;
    for witness in ["mongodb", "kafka"] {
        let event = WitnessStep::Ready;
        output.entry(&Entry::Witness(WitnessEvent { at: 0, witness: witness.to_owned(), event, detail: None }))?;
    }
    for place in 0..PRODUCTS {
        let product = format!("product-{place:03}");
        let document = json!({"_id": product, "stock": 1_000_000, "version": 1});
        output.change("products", &product, ChangeKind::Setup, document)?;
    }
    for number in 0..operations {
        output.purchase(number)?;
    }
    let at = output.at;
    output.entry(&Entry::Drain(Drain {
        at,
        end: DrainEnd::Settled,
        unpublished: 0,
        lag: 0,
        witnesses_caught_up: true,
        outstanding: operations / 1_000,
    }))?;
    output.entry(&Entry::End(End { at, complete: true, reason: None, planned: Some(operations) }))?;
    output.file.flush()
}
