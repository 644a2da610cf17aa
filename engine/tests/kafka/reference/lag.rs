//! How far polls ran behind, message by message.

use std::collections::BTreeMap;

use super::{Key, Operation};

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

pub(super) fn lag(operations: &[Operation]) -> i64 {
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
