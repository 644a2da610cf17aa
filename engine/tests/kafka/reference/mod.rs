//! A slow judge of logs, with maps and lists only, which follows the definitions of `jepsen.tests.kafka` word by word. It
//! shares nothing with the judge it is compared with.

mod check;
mod lag;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

type Key = String;
/// A message as JSON text: `1` and `"1"` differ.
type Message = String;
type Pairs = Vec<(Option<i64>, Message)>;
type Items = BTreeMap<String, Vec<String>>;

#[derive(Debug, Clone)]
struct Operation {
    index: Json,
    time: i64,
    process: i64,
    kind: String,
    function: String,
    sends: Vec<(Key, Option<i64>, Message)>,
    polls: Vec<(Key, Pairs)>,
    keys: Vec<Key>,
    rebalanced: BTreeSet<Key>,
    invoked: Option<i64>,
}

impl Operation {
    fn writes(&self) -> BTreeMap<Key, Vec<Message>> {
        let mut writes: BTreeMap<Key, Vec<Message>> = BTreeMap::new();
        if self.function == "send" || self.function == "txn" {
            for (key, _, message) in &self.sends {
                writes.entry(key.clone()).or_default().push(message.clone());
            }
        }
        writes
    }

    fn reads(&self) -> BTreeMap<Key, Vec<Message>> {
        let mut reads: BTreeMap<Key, Vec<Message>> = BTreeMap::new();
        if self.function == "poll" || self.function == "txn" {
            for (key, pairs) in &self.polls {
                reads.entry(key.clone()).or_default().extend(pairs.iter().map(|(_, message)| message.clone()));
            }
        }
        reads
    }

    fn is_any(&self, kinds: &[&str], functions: &[&str]) -> bool {
        kinds.contains(&self.kind.as_str()) && functions.contains(&self.function.as_str())
    }
}

fn key(json: &Json) -> Key {
    json.as_str().map_or_else(|| json.to_string(), str::to_owned)
}

fn offset(json: &Json) -> Option<i64> {
    json.as_i64().filter(|&offset| offset >= 0)
}

fn parsed(json: &Json) -> Option<Operation> {
    let process = json["process"].as_i64()?;
    let function = json["f"].as_str().expect("f is a text").to_owned();
    let (mut sends, mut polls, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for micro in json["value"].as_array().into_iter().flatten() {
        match micro[0].as_str() {
            Some("send") => sends.push(match micro[2].as_array() {
                Some(pair) => (key(&micro[1]), offset(&pair[0]), pair[1].to_string()),
                None => (key(&micro[1]), None, micro[2].to_string()),
            }),
            Some("poll") => {
                for (key, pairs) in micro[1].as_object().into_iter().flatten() {
                    let pairs = pairs.as_array().into_iter().flatten();
                    polls.push((key.clone(), pairs.map(|pair| (offset(&pair[0]), pair[1].to_string())).collect()));
                }
            }
            _ => keys.push(key(micro)),
        }
    }
    let log = json["rebalance-log"].as_array().into_iter().flatten();
    Some(Operation {
        index: json["index"].clone(),
        time: json["time"].as_i64().unwrap_or(0),
        process,
        kind: json["type"].as_str().expect("type is a text").to_owned(),
        function,
        sends,
        polls,
        keys,
        rebalanced: log.flat_map(|event| event["keys"].as_array().into_iter().flatten().map(key)).collect(),
        invoked: None,
    })
}

/// What the history shows, kind by kind, each item as `[what it says, the operations' indices]`.
pub(crate) fn judge(history: &[Json]) -> (Items, i64) {
    let mut operations: Vec<Operation> = history.iter().filter_map(parsed).collect();
    let open = pair(&mut operations);
    let ok_reads = ok_reads(&operations);
    let mut writers: BTreeMap<(Key, Message), Operation> = BTreeMap::new();
    for operation in open.iter().chain(operations.iter().filter(|operation| operation.kind != "invoke")) {
        for (key, messages) in operation.writes() {
            for message in messages {
                writers.insert((key.clone(), message), operation.clone());
            }
        }
    }
    let logs = logs(&operations, &ok_reads);
    let mut items = Items::new();
    check::inconsistent(&logs, &mut items);
    check::duplicate(&logs, &mut items);
    check::lost(&operations, &logs, &ok_reads, &writers, &mut items);
    check::unseen(&operations, &mut items);
    check::aborted(&operations, &mut items);
    check::precommitted(&operations, &mut items);
    check::within(&operations, &logs, &mut items);
    check::across_polls(&operations, &logs, &mut items);
    check::across_sends(&operations, &logs, &mut items);
    for list in items.values_mut() {
        list.sort();
    }
    (items, lag::lag(&operations))
}

fn add(items: &mut Items, kind: &str, said: &Json, operations: &Json) {
    items.entry(kind.to_owned()).or_default().push(json!([said, operations]).to_string());
}

fn plain(message: &Message) -> Json {
    serde_json::from_str(message).expect("a message was JSON")
}

fn plains(messages: &[Message]) -> Vec<Json> {
    messages.iter().map(plain).collect()
}

/// Gives each completion its invocation's time; yields the invocations that never completed.
fn pair(operations: &mut [Operation]) -> Vec<Operation> {
    let mut open: BTreeMap<i64, usize> = BTreeMap::new();
    let mut never: Vec<usize> = Vec::new();
    for place in 0..operations.len() {
        let process = operations[place].process;
        if operations[place].kind == "invoke" {
            never.extend(open.insert(process, place));
        } else if let Some(invocation) = open.remove(&process) {
            operations[place].invoked = Some(operations[invocation].time);
        }
    }
    never.extend(open.into_values());
    // The earliest is the one that counts if two of them wrote the same.
    never.sort_unstable();
    never.into_iter().rev().map(|place| operations[place].clone()).collect()
}

fn ok_reads(operations: &[Operation]) -> BTreeMap<Key, BTreeSet<Message>> {
    let mut all: BTreeMap<Key, BTreeSet<Message>> = BTreeMap::new();
    for operation in operations.iter().filter(|operation| operation.kind == "ok") {
        for (key, messages) in operation.reads() {
            all.entry(key).or_default().extend(messages);
        }
    }
    all
}

fn must_have_committed(operation: &Operation, ok_reads: &BTreeMap<Key, BTreeSet<Message>>) -> bool {
    let was_read = |key: &Key, message: &Message| ok_reads.get(key).is_some_and(|read| read.contains(message));
    match operation.kind.as_str() {
        "ok" => true,
        "info" | "invoke" => {
            operation.writes().iter().any(|(key, messages)| messages.iter().any(|message| was_read(key, message)))
        }
        _ => false,
    }
}

/// A key's log: what was seen at each offset, in the order of a Clojure hash set.
type Log = BTreeMap<i64, Vec<Message>>;

fn logs(operations: &[Operation], ok_reads: &BTreeMap<Key, BTreeSet<Message>>) -> BTreeMap<Key, Log> {
    let mut logs: BTreeMap<Key, Log> = BTreeMap::new();
    let mut see = |key: &Key, offset: Option<i64>, message: &Message| {
        if let Some(offset) = offset {
            let seen = logs.entry(key.clone()).or_default().entry(offset).or_default();
            if !seen.contains(message) {
                seen.push(message.clone());
            }
        }
    };
    for operation in operations {
        if !["send", "poll", "txn"].contains(&operation.function.as_str()) {
            continue;
        }
        if operation.kind != "invoke" && must_have_committed(operation, ok_reads) {
            for (key, offset, message) in &operation.sends {
                see(key, *offset, message);
            }
        }
        for (key, pairs) in &operation.polls {
            for (offset, message) in pairs {
                see(key, *offset, message);
            }
        }
    }
    for seen in logs.values_mut().flat_map(BTreeMap::values_mut) {
        seen.sort_by_key(place_in_set);
    }
    logs
}

/// The path of a value's hash through Clojure's hash array mapped trie.
fn place_in_set(message: &Message) -> Vec<u32> {
    fn murmur(parts: &[u32], bytes: u32) -> u32 {
        let mut hash = 0_u32;
        for part in parts {
            hash ^= part.wrapping_mul(3_432_918_353).rotate_left(15).wrapping_mul(461_845_907);
            hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(3_864_292_196);
        }
        hash ^= bytes;
        hash = (hash ^ (hash >> 16)).wrapping_mul(2_246_822_507);
        hash = (hash ^ (hash >> 13)).wrapping_mul(3_266_489_909);
        hash ^ (hash >> 16)
    }
    let hash = match plain(message) {
        Json::Null => return Vec::new(),
        Json::String(text) => {
            let java =
                text.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
            if java == 0 { 0 } else { murmur(&[java], 4) }
        }
        number => match number.as_i64().expect("a message is a text, an integer or null") {
            0 => 0,
            number => murmur(&[number as u32, (number >> 32) as u32], 8),
        },
    };
    (0..7).map(|level| (hash >> (5 * level)) % 32).collect()
}

/// The order of a key: the first of what was seen at each offset.
fn order(log: &Log) -> Vec<Message> {
    log.values().map(|seen| seen[0].clone()).collect()
}

/// Where a message is in the order, the last place of several.
fn by_value(log: Option<&Log>, message: Option<&Message>) -> Option<i64> {
    let order = order(log?);
    let place = order.iter().rposition(|other| Some(other) == message)?;
    i64::try_from(place).ok()
}

fn delta(log: Option<&Log>, from: Option<&Message>, to: Option<&Message>) -> i64 {
    match (by_value(log, from), by_value(log, to)) {
        (Some(from), Some(to)) => to - from,
        _ => 1,
    }
}

fn skipped(log: Option<&Log>, from: &Message, to: &Message) -> Vec<Json> {
    let from = by_value(log, Some(from)).expect("it has a place") as usize;
    let to = by_value(log, Some(to)).expect("it has a place") as usize;
    plains(&order(log.expect("it has a log"))[from + 1..to])
}
