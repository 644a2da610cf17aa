//! A plausible run, made up: 20 s of purchases and reads at 200/s, Kafka cut off from 4 s to 9 s, the projector killed
//! at 13 s. Figures follow from simple rules, so that tests can say what must come out.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::{Value, json};
use tornwrite::checker::verdict::{
    Anomaly, AnomalyKind, Check, CheckVerdict, Example, Judgement, OperationCount, Place, Step, Verdict,
};
use tornwrite::history::entry::*;
use tornwrite::history::reader::ReadError;
use tornwrite::scenario::file::Scenario;
use tornwrite::scenario::manifest::Manifest;
use tornwrite::scenario::resolved::Resolved;
use tornwrite::store::{Host, RunFile, Versions};

/// Text that a system under test might send to break a page.
pub(crate) const HOSTILE: &str = "<script>alert(1)</script><img src=http://evil.example/x> & \"quoted\" 'too'";

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1_000 * MS;

/// The clock at the start of the load: environment, services and warm-up came before.
pub(crate) const LOAD: u64 = 5 * SECOND;

/// Operations a second.
pub(crate) const RATE: u64 = 200;

/// The part of the plan that is measured.
pub(crate) const PLANNED: u64 = 20 * RATE;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    DualWrite,
    Outbox,
}

pub(crate) fn resolved(write: Write) -> Resolved {
    let manifest: Manifest = toml::from_str(include_str!("inventory.toml")).expect("the manifest is right");
    let scenario: Scenario = toml::from_str(include_str!("scenario.toml")).expect("the scenario is right");
    Resolved {
        name: "dual-write-vs-outbox".to_owned(),
        scenario,
        manifest,
        manifest_folder: "workloads/inventory".into(),
        variant: usize::from(write == Write::Outbox),
    }
}

pub(crate) fn run_file(write: Write) -> RunFile {
    let resolved = resolved(write);
    RunFile {
        format: 1,
        seed: 42,
        plan: "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8".to_owned(),
        command: format!(
            "torn run scenarios/dual-write-vs-outbox.toml --seed 42 --variant {}",
            resolved.variant().name
        ),
        versions: Versions {
            torn: "0.1.0".to_owned(),
            mongodb: Some("6.0.5".to_owned()),
            kafka: Some("4.1.0".to_owned()),
            toxiproxy: Some("2.5.0".to_owned()),
        },
        host: Host { name: "ci-runner".to_owned(), cpus: 2, memory: 8 << 30, kernel: "Linux 6.1".to_owned() },
        started: "2026-11-22T10:15:00Z".to_owned(),
        environment: "local".to_owned(),
        resolved,
    }
}

/// The entries of the run, in the order of their times.
pub(crate) fn history(write: Write) -> Vec<Entry> {
    let mut run = Made { write, entries: Vec::new() };
    run.frame();
    for number in 0..PLANNED {
        run.operation(number);
    }
    for second in 0..=27 {
        run.sample(second);
    }
    run.entries.sort_by_key(|(at, _)| *at);
    run.entries.into_iter().map(|(_, entry)| entry).collect()
}

/// The same as a reader yields it.
pub(crate) fn lines(entries: Vec<Entry>) -> impl Iterator<Item = Result<(u64, Entry), ReadError>> {
    entries.into_iter().enumerate().map(|(index, entry)| Ok((index as u64 + 2, entry)))
}

/// Whether this purchase's event is lost: the send of a dual-write timed out while Kafka was away.
pub(crate) fn is_lost(write: Write, due: u64) -> bool {
    write == Write::DualWrite && (LOAD + 4 * SECOND..LOAD + 7 * SECOND).contains(&due)
}

pub(crate) fn is_purchase(number: u64) -> bool {
    !number.is_multiple_of(5)
}

struct Made {
    write: Write,
    entries: Vec<(u64, Entry)>,
}

impl Made {
    fn push(&mut self, at: u64, entry: Entry) {
        self.entries.push((at, entry));
    }

    fn frame(&mut self) {
        let phases = [
            (0, PhaseName::Environment),
            (2 * SECOND, PhaseName::Services),
            (3 * SECOND, PhaseName::WarmUp),
            (LOAD, PhaseName::Load),
            (LOAD + 20 * SECOND, PhaseName::LoadEnd),
            (LOAD + 20 * SECOND + MS, PhaseName::Drain),
        ];
        for (at, name) in phases {
            self.push(at, Entry::Phase(Phase { at, name }));
        }
        let faults = [
            (0, "partition api → kafka", "api-1 → kafka", 4, FaultStep::Confirmed),
            (0, "partition api → kafka", "api-1 → kafka", 9, FaultStep::Healed),
            (1, "kill projector-1", "projector-1", 13, FaultStep::Confirmed),
            (1, "kill projector-1", "projector-1", 14, FaultStep::Healed),
            (2, "kill lease-holder", "", 15, FaultStep::NotApplicable),
        ];
        for (fault, what, target, second, step) in faults {
            let at = LOAD + second * SECOND;
            let targets = if target.is_empty() { vec![] } else { vec![target.to_owned()] };
            self.push(at, Entry::Fault(FaultEvent { at, fault, step, what: what.to_owned(), targets, detail: None }));
        }
        let killed = LOAD + 13 * SECOND;
        let event = ProcessStep::Killed;
        let process = "projector-1".to_owned();
        self.push(killed, Entry::Process(ProcessEvent { at: killed, process, event, pid: Some(77), detail: None }));
        let at = LOAD + 28 * SECOND;
        self.push(at, Entry::End(End { at, complete: true, reason: None, planned: Some(PLANNED) }));
    }

    fn operation(&mut self, number: u64) {
        let due = LOAD + number * SECOND / RATE;
        let id = format!("op-{number:06}");
        let product = format!("product-{:03}", zipf(number));
        let is_purchase = is_purchase(number);
        let noise = (number * 7919) % 997;
        let values = BTreeMap::from([("product".to_owned(), json!(product))]);
        let kind = if is_purchase { "purchase" } else { "read" }.to_owned();
        let sent = due + 40_000;
        self.push(
            sent,
            Entry::Invoke(Invoke {
                at: sent,
                due,
                released: due + 20_000,
                operation: id.clone(),
                kind,
                part: Part::Load,
                client: (number % 32) as u32,
                instance: "api-1".to_owned(),
                values,
            }),
        );
        let is_lost = is_purchase && is_lost(self.write, due);
        let base = if self.write == Write::Outbox { 9 * MS } else { 6 * MS };
        let took = match (is_lost, is_purchase) {
            (true, _) => 2_000 * MS + noise * 1_000,
            (_, false) => 2 * MS + noise * 2_000,
            (_, true) => base + noise * 4_000 + if noise > 994 { 60 * MS } else { 0 },
        };
        let sold_out = is_purchase && number.is_multiple_of(97);
        let outcome = match (is_lost, sold_out) {
            (true, _) => Outcome::Info,
            (_, true) => Outcome::Fail,
            _ => Outcome::Ok,
        };
        let conflicts = if is_purchase { [0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 5][(number % 12) as usize] } else { 0 };
        let kept =
            BTreeMap::from([("conflicts".to_owned(), json!(conflicts)), ("retries".to_owned(), json!(conflicts))]);
        let at = due + took;
        let status = Some(match outcome {
            Outcome::Ok => 200,
            Outcome::Fail => 409,
            Outcome::Info => 502,
        });
        let complete = Complete { at, operation: id.clone(), outcome, status, error: None, sent, attempts: 1, kept };
        self.push(at, Entry::Complete(complete));
        if is_purchase && !sold_out {
            self.aftermath(due, &id, &product, number, is_lost);
        }
    }

    fn aftermath(&mut self, due: u64, id: &str, product: &str, number: u64, is_lost: bool) {
        let commit = due + 4 * MS;
        let after = json!({"_id": product, "stock": 100, "version": number, "lastOperation": id});
        self.change(commit, "products", product, after);
        if is_lost {
            return;
        }
        let away = (LOAD + 4 * SECOND..LOAD + 9 * SECOND).contains(&commit);
        let record = match self.write {
            Write::DualWrite => commit + 3 * MS,
            Write::Outbox if away => LOAD + 9 * SECOND + 100 * MS + (number % 50) * MS,
            Write::Outbox => commit + 60 * MS,
        };
        let headers = BTreeMap::from([("ce_correlationid".to_owned(), id.to_owned())]);
        self.push(
            record,
            Entry::Record(Record {
                at: record,
                topic: "purchases".to_owned(),
                partition: 0,
                offset: number.cast_signed(),
                key: Some(product.to_owned()),
                headers,
                payload: json!({"quantity": 1}),
                timestamp: None,
            }),
        );
        let down = (LOAD + 13 * SECOND..LOAD + 14 * SECOND).contains(&record);
        let effect = if down { LOAD + 14 * SECOND + 500 * MS } else { record + 8 * MS };
        self.change(effect, "sales", product, json!({"_id": product, "lastOperation": id, "lastEvent": id}));
    }

    fn change(&mut self, at: u64, collection: &str, id: &str, after: Value) {
        let change = Change {
            at,
            collection: collection.to_owned(),
            id: id.to_owned(),
            kind: ChangeKind::Update,
            after,
            time: [1, 1],
            transaction: None,
        };
        self.push(at, Entry::Change(change));
    }

    fn sample(&mut self, second: u64) {
        let at = LOAD - 2 * SECOND + second * SECOND;
        let load = second.saturating_sub(2);
        let is_away = (4..9).contains(&load);
        let backlog = if self.write == Write::Outbox && is_away { (load - 3) * 158 } else { 0 };
        let lag = if load == 13 { 150 } else { 0 };
        let mut processes = BTreeMap::new();
        let all = [
            ("api-1", 180, 24),
            ("relay-1", 40, 18),
            ("projector-1", 60, 19),
            ("mongodb", 420, 180),
            ("kafka", 310, 620),
            ("torn", 95, 41),
        ];
        for (name, cpu_ms, mib) in all {
            // A process that was killed starts again with a counter of zero.
            let age = if name == "projector-1" && load >= 14 { load - 13 } else { second };
            let is_here = (name != "relay-1" || self.write == Write::Outbox) && !(name == "projector-1" && load == 13);
            if is_here {
                processes
                    .insert(name.to_owned(), ProcessSample { cpu_ms: cpu_ms * age, rss: (mib << 20) + load * 40_000 });
            }
        }
        let sample = Sample {
            at,
            mongodb: Some(MongodbSample {
                write_conflicts: second * 3,
                transactions_aborted: second * 2,
                transactions_committed: second * 160,
                connections: 24,
            }),
            backlog: if self.write == Write::Outbox {
                BTreeMap::from([("outbox".to_owned(), backlog)])
            } else {
                BTreeMap::new()
            },
            lag: BTreeMap::from([("projector".to_owned(), lag)]),
            committed: BTreeMap::new(),
            processes,
            in_flight: if is_away && self.write == Write::DualWrite { 320 } else { 2 },
            wire: BTreeMap::new(),
        };
        self.push(at, Entry::Sample(sample));
    }
}

/// A skewed key, the first ones the most frequent.
fn zipf(number: u64) -> u64 {
    let draw = (number * 2_654_435_761) % 1000;
    draw * draw * draw * 50 / 1_000_000_000
}

pub(crate) fn judgement(write: Write) -> Judgement {
    let lost = (0..PLANNED)
        .filter(|number| is_purchase(*number) && !number.is_multiple_of(97))
        .filter(|number| is_lost(write, LOAD + number * SECOND / RATE))
        .count() as u64;
    let anomalies = if write == Write::Outbox {
        vec![Anomaly { kind: AnomalyKind::DuplicateEvent, count: 3, forbidden: false, examples: Vec::new() }]
    } else {
        vec![
            Anomaly {
                kind: AnomalyKind::LostEvent,
                count: lost,
                forbidden: true,
                examples: (0..4).map(lost_event).collect(),
            },
            Anomaly { kind: AnomalyKind::DuplicateEffect, count: 7, forbidden: true, examples: Vec::new() },
        ]
    };
    let is_broken = write == Write::DualWrite;
    let lost_check = if is_broken { CheckVerdict::Invalid } else { CheckVerdict::Valid };
    Judgement {
        format: 1,
        verdict: if is_broken { Verdict::Invalid } else { Verdict::Valid },
        as_expected: true,
        reasons: Vec::new(),
        operations: OperationCount { ok: PLANNED - lost - 33, fail: 33, info: lost },
        anomalies,
        checks: vec![
            check("lost-event", lost_check, if is_broken { "found" } else { "" }),
            check("oversold", CheckVerdict::Valid, ""),
            check("version-gap", CheckVerdict::NotChecked, "the manifest names no version of `sales`"),
            check("fault exercised: kill projector-1", CheckVerdict::Valid, ""),
        ],
    }
}

fn check(name: &str, verdict: CheckVerdict, reason: &str) -> Check {
    Check { name: name.to_owned(), verdict, reason: reason.to_owned() }
}

fn lost_event(number: u64) -> Example {
    let at = LOAD + 4 * SECOND + 500 * MS + number * 5 * MS;
    let step = |at, line, place, text: &str| Step { at, line, place, text: text.to_owned() };
    Example {
        explanation: format!("op-{:06} sold 2 of product-007, and no record tells of it.", 900 + number),
        story: vec![
            step(Some(LOAD + 4 * SECOND), Some(4400), Place::Fault, "partition api → kafka is in place"),
            step(Some(at), Some(4810 + number), Place::Operation, "purchase of product-007, quantity 2, sent to api-1"),
            step(
                Some(at + 4 * MS),
                Some(4815 + number),
                Place::Document,
                "products/product-007: stock 31 → 29, version 212 → 213",
            ),
            step(None, None, Place::Record, "no record of purchases names this operation"),
            step(None, None, Place::Effect, "so the projector never applied it"),
            step(Some(at + 2_000 * MS), Some(6120 + number), Place::Operation, &format!("answered 502: {HOSTILE}")),
        ],
        facts: IndexMap::from([("operation".to_owned(), json!(format!("op-{:06}", 900 + number)))]),
    }
}
