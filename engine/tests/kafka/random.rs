//! Random histories: what the fast judge says is what the slow one says, and nothing makes it panic.

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use torn_engine::budget::Budget;
use torn_engine::kafka::Options;

use crate::reference;
use crate::told::{everything, items, judge, read};

/// The generator `SplitMix64`.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

const KEYS: [&str; 3] = ["x", "y", "17"];

/// A log that misbehaves now and then, and clients that do whatever clients do.
struct World {
    random: Random,
    /// How often something goes wrong: one in so many times.
    rare: usize,
    logs: [Vec<(i64, Json)>; 3],
    next: i64,
    time: i64,
    history: Vec<Json>,
    /// Where each process is in each key.
    places: Vec<[usize; 3]>,
}

impl World {
    fn history(seed: u64) -> Vec<Json> {
        let mut random = Random(seed);
        let rare = random.pick(&[3, 6, 12, 40]);
        let processes = 1 + random.below(4);
        let steps = 2 + random.below(24);
        let places = vec![[0; 3]; processes];
        let mut world = Self { random, rare, logs: Default::default(), next: 0, time: 0, history: Vec::new(), places };
        let mut open: Vec<Option<(&str, Json)>> = vec![None; processes];
        for _ in 0..steps {
            let process = world.random.below(processes);
            match open[process].take() {
                None => open[process] = Some(world.invoke(process)),
                Some((function, planned)) if !world.random.one_in(30) => world.complete(process, function, &planned),
                Some(_) => {}
            }
        }
        world.history
    }

    fn tell(&mut self, process: usize, kind: &str, function: &str, value: &Json) {
        self.time += self.random.next().cast_signed() & 31;
        let index = self.history.len();
        let operation =
            json!({"index": index, "time": self.time, "process": process, "type": kind, "f": function, "value": value});
        self.history.push(operation);
    }

    fn invoke(&mut self, process: usize) -> (&'static str, Json) {
        let function = self.random.pick(&[
            "send",
            "send",
            "send",
            "poll",
            "poll",
            "poll",
            "txn",
            "txn",
            "assign",
            "subscribe",
            "crash",
        ]);
        let value = match function {
            "assign" | "subscribe" => {
                let count = self.random.below(3);
                (0..count).map(|_| self.key()).collect()
            }
            "crash" => Json::Null,
            _ => {
                let count = 1 + self.random.below(3);
                (0..count).map(|_| self.micro(function)).collect()
            }
        };
        self.tell(process, "invoke", function, &value);
        (function, value)
    }

    fn key(&mut self) -> Json {
        let place = self.random.below(3);
        if place == 2 && self.random.one_in(2) { json!(17) } else { json!(KEYS[place]) }
    }

    fn micro(&mut self, function: &str) -> Json {
        if function == "poll" || function == "txn" && self.random.one_in(2) {
            return json!(["poll"]);
        }
        if !self.random.one_in(self.rare) {
            self.next += 1;
        }
        let value = match self.random.below(12) {
            0 => json!(self.next.to_string()),
            1 if self.random.one_in(self.rare) => Json::Null,
            _ => json!(self.next),
        };
        json!(["send", self.key(), value])
    }

    fn complete(&mut self, process: usize, function: &str, planned: &Json) {
        let kind = self.random.pick(&["ok", "ok", "ok", "ok", "ok", "ok", "info", "fail"]);
        if function == "assign" || function == "subscribe" {
            if kind == "ok" && self.random.one_in(2) {
                self.places[process] = [0; 3];
            }
            return self.tell(process, kind, function, planned);
        }
        let micros = planned.as_array().into_iter().flatten();
        let value: Vec<Json> = micros.map(|micro| self.done(process, kind, micro)).collect();
        let value = if function == "crash" { Json::Null } else { json!(value) };
        self.tell(process, kind, function, &value);
        if self.random.one_in(2 * self.rare) {
            let keys = vec![self.key()];
            let operation = self.history.last_mut().expect("it was just told");
            operation["rebalance-log"] = json!([{"keys": keys}]);
        }
    }

    fn done(&mut self, process: usize, kind: &str, micro: &Json) -> Json {
        if micro[0] == "poll" {
            return if kind != "ok" && self.random.one_in(2) { json!(["poll"]) } else { self.poll(process) };
        }
        let key = KEYS.iter().position(|key| micro[1] == *key).unwrap_or(2);
        let gap = if self.random.one_in(self.rare) { (self.random.next().cast_signed() & 3) - 2 } else { 1 };
        let last = self.logs[key].iter().map(|(offset, _)| *offset).max().unwrap_or(-1);
        let offset = (last + gap).max(0);
        let takes_effect = if kind == "fail" { self.random.one_in(self.rare) } else { !self.random.one_in(self.rare) };
        if takes_effect {
            self.logs[key].push((offset, micro[2].clone()));
            if self.random.one_in(self.rare * 2) {
                self.logs[key].push((offset + 1, micro[2].clone()));
            }
            self.logs[key].sort_by_key(|(offset, _)| *offset);
        }
        match self.random.below(10) {
            0 => json!(["send", micro[1], [null, micro[2]]]),
            1 => micro.clone(),
            2 if self.random.one_in(self.rare) => json!(["send", micro[1], [-1, micro[2]]]),
            _ => json!(["send", micro[1], [offset, micro[2]]]),
        }
    }

    fn poll(&mut self, process: usize) -> Json {
        let mut polled = serde_json::Map::new();
        for (key, name) in KEYS.iter().enumerate() {
            if self.random.one_in(3) {
                continue;
            }
            let mut place = self.places[process][key];
            if self.random.one_in(self.rare) {
                place = self.random.below(self.logs[key].len() + 1);
            }
            let until = self.logs[key].len().min(place + self.random.below(4));
            let mut messages = Vec::new();
            for (offset, value) in &self.logs[key][place.min(until)..until] {
                match self.random.below(4 * self.rare) {
                    0 => messages.push(json!([null, value])),
                    1 => messages.push(json!([offset + 1, value])),
                    2 => {}
                    3 => messages.push(json!([offset, 99])),
                    _ => messages.push(json!([offset, value])),
                }
            }
            self.places[process][key] = until;
            if !messages.is_empty() || self.random.one_in(3) {
                polled.insert((*name).to_owned(), json!(messages));
            }
        }
        json!(["poll", polled])
    }
}

#[test]
fn the_fast_judge_says_what_the_slow_one_says() {
    let mut kinds = std::collections::BTreeMap::new();
    for seed in 0..25_000 {
        let history = World::history(seed);
        let judgement = judge(&history, &everything());
        let mut found = items(&judgement);
        found.retain(|kind, _| !kind.starts_with("g0") && !kind.starts_with("g1c"));
        let (expected, lag) = reference::judge(&history);
        let told = || history.iter().map(Json::to_string).collect::<Vec<_>>().join("\n");
        assert_eq!(found, expected, "seed {seed}\n{}", told());
        assert_eq!(judgement.figures["worst-realtime-lag"]["lag"], json!(lag), "seed {seed}\n{}", told());
        for kind in found.into_keys() {
            *kinds.entry(kind).or_insert(0) += 1;
        }
    }
    // A comparison of histories without anomalies would prove little.
    assert_eq!(kinds.len(), 13, "{kinds:?}");
    assert!(kinds.values().all(|&histories| histories > 100), "{kinds:?}");
}

fn nonsense() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (-3_i64..5).prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        prop_oneof![Just("send"), Just("poll"), Just("x"), Just("keys"), Just("")].prop_map(Json::from),
        ".*".prop_map(Json::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::btree_map("x|y|keys|[0-9]", inner.clone(), 0..4)
                .prop_map(|map| Json::from(serde_json::Map::from_iter(map))),
            (inner.clone(), inner.clone()).prop_map(|(key, value)| json!([["send", key, value]])),
            (inner.clone(), inner).prop_map(|(offset, value)| json!([["poll", {"x": [[offset, value]]}]])),
        ]
    })
}

/// A random history in which fields are exchanged, left out or replaced by anything.
fn mangled() -> impl Strategy<Value = Vec<Json>> {
    let fields =
        prop_oneof![Just("process"), Just("type"), Just("f"), Just("value"), Just("rebalance-log"), Just("time")];
    let change = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), fields, prop::option::of(nonsense()));
    (any::<u64>(), prop::collection::vec(change, 0..4)).prop_map(|(seed, changes)| {
        let mut history = World::history(seed);
        for (target, source, field, replacement) in changes {
            if history.is_empty() {
                break;
            }
            let value = replacement.unwrap_or_else(|| source.get(&history)[field].clone());
            let target = target.index(history.len());
            history[target][field] = value;
            let twice = history[target].clone();
            history.push(twice);
        }
        history
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_history_makes_the_judge_panic(history in mangled()) {
        let lines: Vec<String> = history.iter().map(Json::to_string).collect();
        match read(lines.iter().map(String::as_str)) {
            Ok(history) => drop(history.judge(&Options::default(), &Budget::unlimited())),
            Err(error) => prop_assert!(error.starts_with("line "), "{error}"),
        }
    }
}
