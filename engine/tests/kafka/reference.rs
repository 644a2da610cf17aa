//! A slow judge of logs, with maps and lists only, which follows the definitions of `jepsen.tests.kafka` word by word. It
//! shares nothing with the judge it is compared with.

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
    inconsistent(&logs, &mut items);
    duplicate(&logs, &mut items);
    lost(&operations, &logs, &ok_reads, &writers, &mut items);
    unseen(&operations, &mut items);
    aborted(&operations, &mut items);
    precommitted(&operations, &mut items);
    within(&operations, &logs, &mut items);
    across_polls(&operations, &logs, &mut items);
    across_sends(&operations, &logs, &mut items);
    for list in items.values_mut() {
        list.sort();
    }
    (items, lag(&operations))
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

fn inconsistent(logs: &BTreeMap<Key, Log>, items: &mut Items) {
    for (key, log) in logs {
        for (index, (offset, seen)) in log.iter().enumerate() {
            if seen.len() > 1 {
                let mut values = plains(seen);
                values.sort_by_key(|value| match value {
                    Json::Null => (0, 0, String::new()),
                    Json::String(text) => (2, 0, text.clone()),
                    number => (1, number.as_i64().expect("an integer"), String::new()),
                });
                let said = json!({"key": key, "offset": offset, "index": index, "values": values});
                add(items, "inconsistent-offsets", &said, &Json::Null);
            }
        }
    }
}

fn duplicate(logs: &BTreeMap<Key, Log>, items: &mut Items) {
    for (key, log) in logs {
        for message in log.values().flatten().collect::<BTreeSet<_>>() {
            let at = log.iter().filter(|(_, seen)| seen.contains(message));
            let offsets: Vec<i64> = at.map(|(offset, _)| *offset).collect();
            if offsets.len() > 1 {
                let said = json!({"key": key, "value": plain(message), "count": offsets.len(), "offsets": offsets});
                add(items, "duplicate", &said, &Json::Null);
            }
        }
    }
}

fn lost(
    operations: &[Operation],
    logs: &BTreeMap<Key, Log>,
    ok_reads: &BTreeMap<Key, BTreeSet<Message>>,
    writers: &BTreeMap<(Key, Message), Operation>,
    items: &mut Items,
) {
    for (key, read) in ok_reads {
        let Some(log) = logs.get(key) else { continue };
        let first = |message: &Message| log.values().position(|seen| seen.contains(message));
        let last = |message: &Message| log.values().collect::<Vec<_>>().iter().rposition(|seen| seen.contains(message));
        let Some(bound) = read.iter().filter_map(first).max() else { continue };
        let all: BTreeSet<&Message> = log.values().flatten().collect();
        let reader = |is_candidate: &dyn Fn(&Message) -> bool| {
            let candidates = all.iter().filter(|message| is_candidate(message));
            let shown = candidates.min_by_key(|message| place_in_set(message))?;
            let mut completions = operations.iter().filter(|operation| operation.kind != "invoke");
            completions.find(|operation| operation.reads().get(key).is_some_and(|read| read.contains(shown)))
        };
        // Jepsen shows a reader of what ends at the bound; where there is none we show who reached it.
        let ends_there = reader(&|message| last(message) == Some(bound));
        let reader = ends_there.or_else(|| reader(&|message| first(message) == Some(bound) && read.contains(message)));
        for message in all.iter().filter(|message| last(message) <= Some(bound) && !read.contains(**message)) {
            let Some(writer) = writers.get(&(key.clone(), (*message).clone())) else { continue };
            if must_have_committed(writer, ok_reads) {
                let mut indices = vec![writer.index.clone()];
                indices.extend(reader.map(|reader| reader.index.clone()));
                indices.dedup();
                let said =
                    json!({"key": key, "value": plain(message), "index": first(message), "max-read-index": bound});
                add(items, "lost-write", &said, &json!(indices));
            }
        }
    }
}

fn unseen(operations: &[Operation], items: &mut Items) {
    let mut unseen: BTreeMap<Key, BTreeSet<Message>> = BTreeMap::new();
    let mut polled: BTreeMap<Key, BTreeSet<Message>> = BTreeMap::new();
    for operation in operations.iter().filter(|operation| operation.is_any(&["ok"], &["send", "poll", "txn"])) {
        for (key, messages) in operation.writes() {
            unseen.entry(key).or_default().extend(messages);
        }
        for (key, messages) in operation.reads() {
            polled.entry(key).or_default().extend(messages);
        }
        for (key, polled) in &polled {
            match unseen.get_mut(key) {
                Some(unseen) => unseen.retain(|message| !polled.contains(message)),
                None => drop(unseen.insert(key.clone(), polled.clone())),
            }
        }
    }
    for (key, messages) in unseen {
        for message in messages {
            add(items, "unseen", &json!({"key": key, "value": plain(&message)}), &Json::Null);
        }
    }
}

fn aborted(operations: &[Operation], items: &mut Items) {
    let mut failed: BTreeSet<(Key, Message)> = BTreeSet::new();
    for operation in operations.iter().filter(|operation| operation.kind == "fail") {
        for (key, messages) in operation.writes() {
            failed.extend(messages.into_iter().map(|message| (key.clone(), message)));
        }
    }
    for operation in operations.iter().filter(|operation| operation.kind == "ok") {
        for (key, messages) in operation.reads() {
            for message in messages.iter().filter(|message| failed.contains(&(key.clone(), (*message).clone()))) {
                add(items, "g1a", &json!({"key": key, "value": plain(message)}), &json!([operation.index]));
            }
        }
    }
}

fn precommitted(operations: &[Operation], items: &mut Items) {
    for operation in operations {
        let reads = operation.reads();
        let writes = operation.writes();
        let own = |key: &Key| -> Vec<&Message> {
            let read = reads.get(key).cloned().unwrap_or_default();
            let mut own: Vec<&Message> = writes.get(key).into_iter().flatten().collect();
            own.retain(|message| read.contains(message));
            own.sort_by_key(|message| place_in_set(message));
            own
        };
        if let Some((key, _, _)) = operation.sends.iter().find(|(key, ..)| !own(key).is_empty()) {
            let said = json!({"key": key, "value": plain(own(key)[0])});
            add(items, "precommitted-read", &said, &json!([operation.index]));
        }
    }
}

fn within(operations: &[Operation], logs: &BTreeMap<Key, Log>, items: &mut Items) {
    for operation in operations {
        let mut all = vec![];
        all.extend(operation.reads().into_iter().map(|(key, messages)| ("poll", key, messages)));
        if operation.kind != "invoke" {
            all.extend(operation.writes().into_iter().map(|(key, messages)| ("send", key, messages)));
        }
        for (what, key, messages) in all {
            if what == "poll" && operation.rebalanced.contains(&key) {
                continue;
            }
            for two in messages.windows(2) {
                let log = logs.get(&key);
                let delta = delta(log, Some(&two[0]), Some(&two[1]));
                let mut said = json!({"key": key, "values": plains(two), "delta": delta});
                let kind = if delta > 1 {
                    said["skipped"] = json!(skipped(log, &two[0], &two[1]));
                    format!("int-{what}-skip")
                } else {
                    format!("int-nonmonotonic-{what}")
                };
                if delta != 1 {
                    add(items, &kind, &said, &json!([operation.index]));
                }
            }
        }
    }
}

fn across_polls(operations: &[Operation], logs: &BTreeMap<Key, Log>, items: &mut Items) {
    let mut last: BTreeMap<(i64, Key), Operation> = BTreeMap::new();
    for operation in operations {
        let process = operation.process;
        if operation.is_any(&["ok", "info"], &["assign", "subscribe"]) {
            last.retain(|(other, key), _| *other != process || operation.keys.contains(key));
        }
        for (key, messages) in operation.reads() {
            if let Some(before) = last.get(&(process, key.clone())) {
                let (from, to) = (before.reads()[&key].last().cloned(), messages.first().cloned());
                let log = logs.get(&key);
                let delta = delta(log, from.as_ref(), to.as_ref());
                let indices = json!([before.index, operation.index]);
                if let (2.., Some(from), Some(to)) = (delta, &from, &to) {
                    let said = json!({"key": key, "delta": delta, "skipped": skipped(log, from, to)});
                    add(items, "poll-skip", &said, &indices);
                } else if let (..=0, Some(from), Some(to)) = (delta, &from, &to) {
                    let said = json!({"key": key, "delta": delta, "values": [plain(from), plain(to)]});
                    add(items, "nonmonotonic-poll", &said, &indices);
                }
            }
            if operation.kind == "ok" {
                last.insert((process, key), operation.clone());
            }
        }
    }
}

fn across_sends(operations: &[Operation], logs: &BTreeMap<Key, Log>, items: &mut Items) {
    let mut last: BTreeMap<(i64, Key), Operation> = BTreeMap::new();
    for operation in operations.iter().filter(|operation| operation.kind == "ok" || operation.kind == "info") {
        let process = operation.process;
        if operation.function == "assign" || operation.function == "subscribe" {
            last.retain(|(other, key), _| *other != process || operation.keys.contains(key));
        }
        for (key, messages) in operation.writes() {
            if let Some(before) = last.insert((process, key.clone()), operation.clone()) {
                let from = before.writes()[&key].last().expect("it sent something").clone();
                let delta = delta(logs.get(&key), Some(&from), messages.first());
                if delta < 1 {
                    let said = json!({"key": key, "delta": delta, "values": [plain(&from), plain(&messages[0])]});
                    add(items, "nonmonotonic-send", &said, &json!([before.index, operation.index]));
                }
            }
        }
    }
}

/// The highest offset that an operation shows of each key.
fn highest(operation: &Operation) -> BTreeMap<Key, i64> {
    let mut highest: BTreeMap<Key, i64> = BTreeMap::new();
    if operation.is_any(&["ok", "info"], &["poll", "txn"]) {
        for (key, pairs) in &operation.polls {
            let most = pairs.iter().filter_map(|(offset, _)| *offset).max().unwrap_or(-1);
            let known = highest.entry(key.clone()).or_insert(-1);
            *known = most.max(*known);
        }
    }
    if operation.is_any(&["ok", "info"], &["send", "txn"]) {
        let mut sent: BTreeMap<Key, i64> = BTreeMap::new();
        for (key, offset, _) in &operation.sends {
            match offset {
                Some(offset) => {
                    let known = sent.entry(key.clone()).or_insert(0);
                    *known = (*known).max(*offset);
                }
                None => sent.clear(),
            }
        }
        for (key, offset) in sent {
            let known = highest.entry(key).or_insert(-1);
            *known = offset.max(*known);
        }
    }
    highest
}

fn lag(operations: &[Operation]) -> i64 {
    let mut expired: BTreeMap<Key, BTreeMap<i64, i64>> = BTreeMap::new();
    for operation in operations {
        for (key, offset) in highest(operation) {
            let times = expired.entry(key).or_default();
            for lower in 0..=offset {
                times.entry(lower).or_insert(operation.time);
            }
        }
    }
    let mut places: BTreeMap<i64, BTreeMap<Key, i64>> = BTreeMap::new();
    let mut worst = 0;
    for operation in operations.iter().filter(|operation| operation.kind == "ok") {
        let places = places.entry(operation.process).or_default();
        match operation.function.as_str() {
            "assign" => {
                let kept = operation.keys.iter().map(|key| (key.clone(), places.get(key).copied().unwrap_or(-1)));
                *places = kept.collect();
            }
            "subscribe" => places.clear(),
            "poll" | "txn" => {
                for (key, offset) in highest(operation) {
                    let place = places.entry(key).or_insert(offset);
                    *place = offset.max(*place);
                }
                for (key, offset) in places {
                    let since = expired.get(key).and_then(|times| times.get(&(*offset + 1)));
                    if let (Some(invoked), Some(since)) = (operation.invoked, since) {
                        worst = worst.max(invoked - since);
                    }
                }
            }
            _ => {}
        }
    }
    worst
}
