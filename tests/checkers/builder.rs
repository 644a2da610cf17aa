//! Histories told in sentences: `history.buys("purchase-1", "product-0", 2)`. The builder keeps the documents, so that
//! a history without a deliberate wrong is valid.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tornwrite::checker::judge;
use tornwrite::checker::verdict::{AnomalyKind, Judgement};
use tornwrite::history::entry::{
    Attempt, Change, ChangeKind, CollectionEnd, Complete, Document, Drain, DrainEnd, End, Entry, FaultEvent, FaultStep,
    Header, Invoke, Nanos, Outcome, Part, Phase, PhaseName, ProcessEvent, ProcessStep, Record, Sample, WitnessEvent,
    WitnessStep,
};
use tornwrite::history::facts::Facts;
use tornwrite::scenario::resolved::Resolved;

const MILLISECOND: Nanos = 1_000_000;

/// The scenario that all histories here are of.
pub(crate) fn resolved() -> Resolved {
    let manifest = include_str!("../golden/manifest.toml");
    let scenario = include_str!("../golden/scenario.toml");
    Resolved {
        name: "golden".to_owned(),
        scenario: toml::from_str(scenario).expect("the golden scenario is valid"),
        manifest: toml::from_str(manifest).expect("the golden manifest is valid"),
        manifest_folder: "tests/golden".into(),
        variant: 0,
    }
}

/// The facts of some entries.
pub(crate) fn facts(resolved: &Resolved, entries: &[Entry]) -> Facts {
    let numbered = entries.iter().cloned().zip(1..).map(|(entry, line)| Ok((line, entry)));
    Facts::read(resolved, numbered).expect("entries in memory can be read")
}

/// The judgement of some entries.
pub(crate) fn judgement(entries: &[Entry]) -> Judgement {
    let resolved = resolved();
    judge(&resolved, &facts(&resolved, entries))
}

/// How often each anomaly was found.
pub(crate) fn counts(judgement: &Judgement) -> BTreeMap<AnomalyKind, u64> {
    judgement.anomalies.iter().map(|anomaly| (anomaly.kind, anomaly.count)).collect()
}

/// How often each forbidden anomaly was found.
pub(crate) fn forbidden(judgement: &Judgement) -> BTreeMap<AnomalyKind, u64> {
    let forbidden = judgement.anomalies.iter().filter(|anomaly| anomaly.forbidden);
    forbidden.map(|anomaly| (anomaly.kind, anomaly.count)).collect()
}

/// What an operation is about.
#[derive(Debug, Clone)]
struct Intent {
    product: String,
    quantity: i64,
    version: i64,
}

/// A history under construction.
#[derive(Debug, Clone)]
pub(crate) struct History {
    /// Its entries so far.
    pub(crate) entries: Vec<Entry>,
    now: Nanos,
    clock: u32,
    documents: BTreeMap<(String, String), Value>,
    offsets: BTreeMap<(String, i32), i64>,
    intents: BTreeMap<String, Intent>,
    drain: Drain,
}

impl History {
    /// A run that has begun: two products with five pieces each, and a fault that comes and goes.
    pub(crate) fn begins() -> Self {
        let mut history = Self {
            entries: Vec::new(),
            now: 0,
            clock: 0,
            documents: BTreeMap::new(),
            offsets: BTreeMap::new(),
            intents: BTreeMap::new(),
            drain: Drain {
                at: 0,
                end: DrainEnd::Met,
                unpublished: 0,
                lag: 0,
                witnesses_caught_up: true,
                outstanding: 0,
            },
        };
        let topics = ["parcels", "purchases"].map(|name| (name.to_owned(), format!("golden-{name}")));
        history.entries.push(Entry::Run(Header {
            format: 1,
            scenario: "golden".to_owned(),
            variant: "golden".to_owned(),
            seed: 1,
            plan: "0".to_owned(),
            started: "2026-01-01T00:00:00Z".to_owned(),
            database: "golden".to_owned(),
            topics: topics.into(),
        }));
        history.phase(PhaseName::Setup);
        for witness in ["mongodb", "kafka"] {
            history.witness(witness, WitnessStep::Ready);
        }
        for product in ["product-0", "product-1"] {
            let document = json!({"_id": product, "stock": 5, "version": 1});
            history.writes("products", product, ChangeKind::Setup, document);
        }
        history.phase(PhaseName::Load);
        history
    }

    /// When the last thing happened.
    pub(crate) fn now(&self) -> Nanos {
        self.now
    }

    fn tick(&mut self) -> Nanos {
        self.now += MILLISECOND;
        self.now
    }

    fn phase(&mut self, name: PhaseName) {
        let at = self.tick();
        self.entries.push(Entry::Phase(Phase { at, name }));
    }

    /// A witness says something.
    pub(crate) fn witness(&mut self, witness: &str, event: WitnessStep) {
        let at = self.tick();
        self.entries.push(Entry::Witness(WitnessEvent { at, witness: witness.to_owned(), event, detail: None }));
    }

    /// A partition between api and kafka begins.
    pub(crate) fn partition_begins(&mut self) {
        self.fault(FaultStep::Asked);
        self.fault(FaultStep::Confirmed);
    }

    /// It ends.
    pub(crate) fn partition_heals(&mut self) {
        self.fault(FaultStep::Healing);
        self.fault(FaultStep::Healed);
    }

    /// A step of the one fault.
    pub(crate) fn fault(&mut self, step: FaultStep) {
        let at = self.tick();
        self.entries.push(Entry::Fault(FaultEvent {
            at,
            fault: 0,
            step,
            what: "partition api → kafka".to_owned(),
            targets: vec!["api-1 → kafka".to_owned()],
            detail: None,
        }));
    }

    /// Something happens to a process.
    pub(crate) fn process(&mut self, process: &str, event: ProcessStep) {
        let at = self.tick();
        let process = process.to_owned();
        self.entries.push(Entry::Process(ProcessEvent { at, process, event, pid: None, detail: None }));
    }

    /// The projector's group has committed this next offset of a partition of purchases.
    pub(crate) fn projector_committed(&mut self, partition: i32, offset: i64) {
        let at = self.tick();
        let offsets = BTreeMap::from([(format!("purchases/{partition}"), offset)]);
        let committed = BTreeMap::from([("projector".to_owned(), offsets)]);
        self.entries.push(Entry::Sample(Sample { at, committed, ..Sample::default() }));
    }

    /// A client sends an operation.
    pub(crate) fn sends(&mut self, kind: &str, operation: &str, product: &str, quantity: i64) {
        let at = self.tick();
        self.intents.insert(
            operation.to_owned(),
            Intent { product: product.to_owned(), quantity, version: self.version(product) + 1 },
        );
        self.entries.push(Entry::Invoke(Invoke {
            at,
            due: at,
            released: at,
            operation: operation.to_owned(),
            kind: kind.to_owned(),
            part: Part::Load,
            client: 0,
            instance: "api-1".to_owned(),
            values: BTreeMap::from([("product".to_owned(), json!(product)), ("quantity".to_owned(), json!(quantity))]),
        }));
    }

    /// This client asks for a product.
    pub(crate) fn asks(&mut self, client: u32, operation: &str, product: &str) {
        self.sends("read", operation, product, 0);
        self.is_of(client);
    }

    /// What was sent last was sent by this client.
    pub(crate) fn is_of(&mut self, client: u32) {
        match self.entries.last_mut() {
            Some(Entry::Invoke(invoke)) => invoke.client = client,
            other => panic!("nothing was sent last, but {other:?}"),
        }
    }

    /// The client hears of its product: this version, this stock.
    pub(crate) fn hears(&mut self, operation: &str, version: i64, stock: i64) {
        let is_read = self.intents[operation].quantity == 0;
        self.is_told(operation, if is_read { 200 } else { 201 });
        match self.entries.last_mut() {
            Some(Entry::Complete(complete)) => {
                complete.kept = [("version", version), ("stock", stock)]
                    .map(|(name, value)| (name.to_owned(), json!(value)))
                    .into();
            }
            other => panic!("nothing was heard last, but {other:?}"),
        }
    }

    /// This client asks for a product and hears of it as it is.
    pub(crate) fn reads(&mut self, client: u32, operation: &str, product: &str) {
        self.asks(client, operation, product);
        self.hears(operation, self.version(product), self.stock(operation));
    }

    /// The client sends it once more under another key.
    pub(crate) fn sends_again(&mut self, operation: &str, key: &str) {
        let at = self.tick();
        let intent = self.intents[operation].clone();
        self.intents.insert(key.to_owned(), intent);
        self.entries.push(Entry::Attempt(Attempt {
            at,
            operation: operation.to_owned(),
            number: 2,
            key: key.to_owned(),
            instance: "api-1".to_owned(),
        }));
    }

    /// The service commits it as it should: stock, version, operation id.
    pub(crate) fn takes_effect(&mut self, operation: &str) {
        let quantity = self.intents[operation].quantity;
        self.moves_stock(operation, -quantity);
    }

    /// The service commits a change of the stock by this much.
    pub(crate) fn moves_stock(&mut self, operation: &str, by: i64) {
        let stock = self.stock(operation) + by;
        self.stores(operation, stock, 1);
    }

    /// The stock of an operation's product.
    pub(crate) fn stock(&self, operation: &str) -> i64 {
        let product = &self.intents[operation].product;
        self.documents[&("products".to_owned(), product.clone())]["stock"].as_i64().expect("a stock is an integer")
    }

    /// The service stores this stock and raises the version by so much.
    pub(crate) fn stores(&mut self, operation: &str, stock: i64, raise: i64) {
        let product = self.intents[operation].product.clone();
        let version = self.version(&product) + raise;
        if let Some(intent) = self.intents.get_mut(operation) {
            intent.version = version;
        }
        let document = json!({"_id": product, "stock": stock, "version": version, "lastOperation": operation});
        self.writes("products", &product, ChangeKind::Update, document);
    }

    pub(crate) fn version(&self, product: &str) -> i64 {
        let document = self.documents.get(&("products".to_owned(), product.to_owned()));
        document.and_then(|document| document["version"].as_i64()).unwrap_or(0)
    }

    /// The service inserts its outbox row.
    pub(crate) fn inserts_row(&mut self, operation: &str) {
        let row = self.row(operation, &Value::Null);
        self.writes("outbox", &format!("event-{operation}"), ChangeKind::Insert, row);
    }

    /// The relay marks the row as published.
    pub(crate) fn marks_row(&mut self, operation: &str) {
        let row = self.row(operation, &json!({"$date": "2026-01-01T00:00:01Z"}));
        self.writes("outbox", &format!("event-{operation}"), ChangeKind::Update, row);
    }

    fn row(&self, operation: &str, published: &Value) -> Value {
        let intent = &self.intents[operation];
        json!({
            "_id": format!("event-{operation}"), "type": "purchase.completed", "subject": intent.product,
            "operationId": operation, "sequence": intent.version, "publishedAt": published,
        })
    }

    /// A document is written and seen by the witness.
    pub(crate) fn writes(&mut self, collection: &str, id: &str, kind: ChangeKind, after: Value) {
        let at = self.tick();
        self.clock += 1;
        let key = (collection.to_owned(), id.to_owned());
        self.documents.insert(key, after.clone());
        self.entries.push(Entry::Change(Change {
            at,
            collection: collection.to_owned(),
            id: id.to_owned(),
            kind,
            after,
            time: [self.clock, 1],
            transaction: None,
        }));
    }

    /// The client hears this status.
    pub(crate) fn is_told(&mut self, operation: &str, status: u16) {
        let outcome = match status {
            200 | 201 => Outcome::Ok,
            409 => Outcome::Fail,
            _ => Outcome::Info,
        };
        self.completes(operation, outcome, Some(status));
    }

    /// The client knows as much as it will ever know.
    pub(crate) fn completes(&mut self, operation: &str, outcome: Outcome, status: Option<u16>) {
        let at = self.tick();
        self.entries.push(Entry::Complete(Complete {
            at,
            operation: operation.to_owned(),
            outcome,
            status,
            error: status.is_none().then(|| "timeout".to_owned()),
            sent: at - MILLISECOND,
            attempts: 1,
            kept: BTreeMap::new(),
        }));
    }

    /// The event of an operation appears in its product's partition.
    pub(crate) fn publishes(&mut self, operation: &str) {
        let partition = i32::from(self.intents[operation].product.ends_with('1'));
        self.publishes_as(operation, &format!("event-{operation}"), partition);
    }

    /// The event appears under this id in this partition.
    pub(crate) fn publishes_as(&mut self, operation: &str, event: &str, partition: i32) {
        self.appears("purchases", "purchase.completed", operation, event, partition);
    }

    /// A record appears.
    pub(crate) fn appears(&mut self, topic: &str, kind: &str, operation: &str, event: &str, partition: i32) {
        let at = self.tick();
        let offset = self.offsets.entry((topic.to_owned(), partition)).or_insert(0);
        let intent = &self.intents[operation];
        let headers = [
            ("ce_specversion", "1.0"),
            ("ce_id", event),
            ("ce_source", "/api"),
            ("ce_type", kind),
            ("ce_subject", &intent.product),
            ("ce_correlationid", operation),
            ("ce_sequence", &intent.version.to_string()),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.entries.push(Entry::Record(Record {
            at,
            topic: topic.to_owned(),
            partition,
            offset: *offset,
            key: Some(intent.product.clone()),
            headers: headers.into(),
            payload: json!({"product": intent.product, "quantity": intent.quantity}),
            timestamp: None,
        }));
        *offset += 1;
    }

    /// The projector applies the event of an operation to its view.
    pub(crate) fn projects(&mut self, operation: &str) {
        self.projects_as(operation, &format!("event-{operation}"), self.intents[operation].quantity);
    }

    /// The projector applies an event, adding so much to what was sold.
    pub(crate) fn projects_as(&mut self, operation: &str, event: &str, quantity: i64) {
        let product = self.intents[operation].product.clone();
        let before = self.documents.get(&("sales".to_owned(), product.clone())).cloned();
        let kind = if before.is_some() { ChangeKind::Update } else { ChangeKind::Insert };
        let before = before.unwrap_or_else(|| json!({"sold": 0, "purchases": 0}));
        let count = |field: &str| before[field].as_i64().expect("a view counts in integers");
        let after = json!({
            "_id": product, "sold": count("sold") + quantity, "purchases": count("purchases") + 1,
            "lastEvent": event, "lastOperation": operation,
        });
        self.writes("sales", &product, kind, after);
    }

    /// What was projected last says that it was read from here.
    pub(crate) fn stamps(&mut self, partition: i32, offset: i64) {
        let Some(Entry::Change(change)) = self.entries.last_mut() else { panic!("nothing was projected last") };
        change.after["lastPartition"] = json!(partition);
        change.after["lastOffset"] = json!(offset);
        let key = (change.collection.clone(), change.id.clone());
        self.documents.insert(key, change.after.clone());
    }

    /// The witness is handed this record of the run (counted from 0) again, changed.
    pub(crate) fn is_read_again(&mut self, number: usize, change: impl FnOnce(&mut Record)) {
        let records = self.entries.iter().filter_map(|entry| match entry {
            Entry::Record(record) => Some(record),
            _ => None,
        });
        let mut record = records.clone().nth(number).expect("there are as many records").clone();
        record.at = self.tick();
        change(&mut record);
        self.entries.push(Entry::Record(record));
    }

    /// A purchase that goes well from the client to the view.
    pub(crate) fn buys(&mut self, operation: &str, product: &str, quantity: i64) {
        self.sends("purchase", operation, product, quantity);
        self.takes_effect(operation);
        self.inserts_row(operation);
        self.is_told(operation, 201);
        self.publishes(operation);
        self.marks_row(operation);
        self.projects(operation);
    }

    /// A purchase that is refused because the stock is short.
    pub(crate) fn is_refused(&mut self, operation: &str, product: &str, quantity: i64) {
        self.sends("purchase", operation, product, quantity);
        self.is_told(operation, 409);
    }

    /// How the drain will end.
    pub(crate) fn drains(&mut self, end: DrainEnd, unpublished: u64, lag: u64) {
        self.drain = Drain { end, unpublished, lag, ..self.drain.clone() };
    }

    /// The drain will end before the witnesses have seen everything.
    pub(crate) fn witnesses_lag_behind(&mut self) {
        self.drain.witnesses_caught_up = false;
    }

    /// The run ends in order: drain, final reads, last line.
    pub(crate) fn ends(mut self) -> Vec<Entry> {
        self.phase(PhaseName::Drain);
        let at = self.tick();
        self.entries.push(Entry::Drain(Drain { at, ..self.drain.clone() }));
        self.phase(PhaseName::FinalReads);
        for collection in ["outbox", "products", "sales"] {
            let mut documents = 0;
            for ((_, id), document) in self.documents.iter().filter(|((name, _), _)| name == collection) {
                documents += 1;
                self.entries.push(Entry::Document(Document {
                    collection: collection.to_owned(),
                    id: id.clone(),
                    document: document.clone(),
                }));
            }
            let at = self.now;
            self.entries.push(Entry::Collection(CollectionEnd { at, collection: collection.to_owned(), documents }));
        }
        self.phase(PhaseName::Stop);
        let at = self.tick();
        self.entries.push(Entry::End(End { at, complete: true, reason: None, planned: None }));
        self.entries
    }
}

/// A small valid run that exercises every guard (contention, a key that sells out, a fault), up to the moment at which
/// the fault is active.
pub(crate) fn start_under_fault() -> History {
    let mut history = History::begins();
    history.sends("purchase", "purchase-1", "product-0", 2);
    history.sends("purchase", "purchase-2", "product-0", 1);
    for operation in ["purchase-1", "purchase-2"] {
        history.takes_effect(operation);
        history.inserts_row(operation);
        history.is_told(operation, 201);
        history.publishes(operation);
    }
    history.projects("purchase-1");
    history.projects("purchase-2");
    history.marks_row("purchase-1");
    history.marks_row("purchase-2");
    history.partition_begins();
    history.is_refused("purchase-3", "product-0", 3);
    history
}

/// The same, with the fault healed.
pub(crate) fn valid_start() -> History {
    let mut history = start_under_fault();
    history.partition_heals();
    history
}
