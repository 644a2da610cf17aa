//! Witnesses with a history of their own, and what stands in it afterwards.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tornwrite::history::entry::{Change, ClusterEvent, Entry, FORMAT, Header, Record, WitnessStep};
use tornwrite::history::reader::Reader;
use tornwrite::history::recorder::{Clock, Recorder, Writer};
use tornwrite::witness::{WitnessSpec, Witnesses};

/// Running witnesses and their history.
pub(super) struct Bench {
    pub(super) witnesses: Witnesses,
    heard: Arc<Mutex<Vec<Entry>>>,
    recorder: Recorder,
    writer: Writer,
    folder: TempDir,
}

impl Bench {
    pub(super) async fn start(spec: WitnessSpec) -> Self {
        let folder = TempDir::new().expect("a folder");
        let (recorder, writer) =
            Recorder::create(&folder.path().join("history.jsonl"), Clock::start()).expect("a history");
        recorder.record(Entry::Run(header()));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        let listener = Arc::new(move |entry: &Entry| ears.lock().expect("the ears").push(entry.clone()));
        let spec = WitnessSpec { start_within: Duration::from_secs(30), ..spec };
        let witnesses = Witnesses::start(spec, recorder.clone(), listener).await.expect("the witnesses start");
        Self { witnesses, heard, recorder, writer, folder }
    }

    /// How many entries the listener has heard that satisfy a claim.
    pub(super) fn heard(&self, claim: impl Fn(&Entry) -> bool) -> usize {
        self.heard.lock().expect("the ears").iter().filter(|entry| claim(entry)).count()
    }

    /// Catches up, reads everything, stops, and reads the history back.
    pub(super) async fn finish(self) -> Told {
        let is_caught_up = self.witnesses.catch_up(soon()).await;
        let steps = self.heard.lock().expect("the ears").clone();
        let last = steps.iter().rev().find(|entry| matches!(entry, Entry::Witness(_)));
        assert!(is_caught_up, "the witnesses did not catch up: {last:?}");
        self.witnesses.final_reads(soon()).await.expect("everything can be read");
        self.witnesses.stop().await;
        drop(self.recorder);
        self.writer.finish().expect("everything is written");
        let reader = Reader::open(&self.folder.path().join("history.jsonl")).expect("a history");
        let entries = reader.map(|line| line.expect("an entry").1).collect();
        Told { entries, heard: self.heard.lock().expect("the ears").clone() }
    }
}

/// A history, read back.
pub(super) struct Told {
    pub(super) entries: Vec<Entry>,
    heard: Vec<Entry>,
}

impl Told {
    pub(super) fn changes(&self, collection: &str) -> Vec<&Change> {
        let changes = self.entries.iter().filter_map(|entry| match entry {
            Entry::Change(change) if change.collection == collection => Some(change),
            _ => None,
        });
        changes.collect()
    }

    pub(super) fn records(&self) -> Vec<&Record> {
        let records = self.entries.iter().filter_map(|entry| match entry {
            Entry::Record(record) => Some(record),
            _ => None,
        });
        records.collect()
    }

    pub(super) fn cluster(&self) -> Vec<&ClusterEvent> {
        let events = self.entries.iter().filter_map(|entry| match entry {
            Entry::Cluster(event) => Some(event),
            _ => None,
        });
        events.collect()
    }

    pub(super) fn has_step(&self, step: WitnessStep) -> bool {
        self.entries.iter().any(|entry| matches!(entry, Entry::Witness(event) if event.event == step))
    }

    /// The witness checks itself: the last `after` of each document is what the final read found, and nothing else is
    /// there.
    pub(super) fn assert_fold_equals_final_reads(&self, collection: &str) {
        let mut folded = BTreeMap::new();
        for change in self.changes(collection) {
            folded.insert(change.id.clone(), change.after.clone());
        }
        folded.retain(|_, after| *after != Value::Null);
        let mut read = BTreeMap::new();
        let mut counted = None;
        for entry in &self.entries {
            match entry {
                Entry::Document(found) if found.collection == collection => {
                    let doubled = read.insert(found.id.clone(), found.document.clone());
                    assert_eq!(doubled, None, "a document was read twice");
                }
                Entry::Collection(end) if end.collection == collection => counted = Some(end.documents),
                _ => {}
            }
        }
        assert_eq!(counted, Some(read.len() as u64));
        assert_eq!(folded, read);
    }

    pub(super) fn assert_heard_is_recorded(&self) {
        let key = |entry: &Entry| serde_json::to_string(entry).expect("an entry serializes");
        let mut heard: Vec<_> = self.heard.iter().map(key).collect();
        let mut recorded: Vec<_> = self.entries.iter().map(key).collect();
        heard.sort();
        recorded.sort();
        assert_eq!(heard, recorded);
    }
}

/// Far enough for every wait that is expected to end well.
pub(super) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(40)
}

/// Near enough for a wait that is expected to end at its deadline.
pub(super) fn shortly() -> Instant {
    Instant::now() + Duration::from_millis(1500)
}

/// Waits for a condition.
pub(super) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = soon();
    while !condition() {
        assert!(Instant::now() < deadline, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn header() -> Header {
    Header {
        format: FORMAT,
        scenario: "witness".to_owned(),
        variant: "test".to_owned(),
        seed: 1,
        plan: String::new(),
        started: "2026-01-01T00:00:00Z".to_owned(),
        database: "run".to_owned(),
        topics: BTreeMap::new(),
    }
}
