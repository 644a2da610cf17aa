//! The definitions of the kinds, one function each.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::{
    Items, Key, Log, Message, Operation, add, delta, must_have_committed, place_in_set, plain, plains, skipped,
};

pub(super) fn inconsistent(logs: &BTreeMap<Key, Log>, items: &mut Items) {
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

pub(super) fn duplicate(logs: &BTreeMap<Key, Log>, items: &mut Items) {
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

pub(super) fn lost(
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

pub(super) fn unseen(operations: &[Operation], items: &mut Items) {
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

pub(super) fn aborted(operations: &[Operation], items: &mut Items) {
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

pub(super) fn precommitted(operations: &[Operation], items: &mut Items) {
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

pub(super) fn within(operations: &[Operation], logs: &BTreeMap<Key, Log>, items: &mut Items) {
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

pub(super) fn across_polls(operations: &[Operation], logs: &BTreeMap<Key, Log>, items: &mut Items) {
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

pub(super) fn across_sends(operations: &[Operation], logs: &BTreeMap<Key, Log>, items: &mut Items) {
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
