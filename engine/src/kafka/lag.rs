//! How far polls ran behind (`realtime-lag`, `worst-realtime-lag`).
//!
//! The lag of a key in a poll is how long it had been, when the poll was invoked, that the last message which the process
//! knows was no longer the last of the log: a lower bound.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::HashMap;
use serde_json::{Value as Json, json};

use crate::budget::Exhausted;

use super::history::{History, NONE, Row, Stage, UNKNOWN};
use super::ledger::Ledger;
use super::record::Function;
use super::vocabulary::Key;

/// The largest lag, the first of equals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Worst {
    lag: i64,
    time: i64,
    process: u32,
    key: Key,
}

/// The largest lag as a figure: `lag` and `time` (when the poll was invoked) in nanoseconds, `process`, `key`; of a
/// history where nothing ever lagged only `lag` and `time`, both 0.
pub(super) fn worst(history: &History, budget: &Ledger<'_>) -> Result<Json, Exhausted> {
    let expired = Expired::of(history, budget)?;
    let mut clients: HashMap<u32, Client> = HashMap::new();
    let mut highest = Highest::default();
    let mut worst: Option<Worst> = None;
    for row in 0..history.len() as Row {
        budget.check_now_and_then(row as usize)?;
        if history.stage(row) != Stage::Ok {
            continue;
        }
        let process = history.rows.process[row as usize];
        match history.function(row) {
            Function::Assign => clients.entry(process).or_default().assign(history, row, &expired),
            Function::Subscribe => drop(clients.insert(process, Client::default())),
            Function::Poll | Function::Txn => {
                let client = clients.entry(process).or_default();
                for &(key, offset) in highest.of(history, row) {
                    client.raise(key, offset, &expired);
                }
                let time = history.rows.invoked_time[row as usize];
                let Some((since, key)) = client.oldest() else { continue };
                let lag = time.saturating_sub(since).max(0);
                if history.rows.invoked[row as usize] != NONE && worst.is_none_or(|worst| lag > worst.lag) {
                    worst = Some(Worst { lag, time, process, key });
                }
            }
            Function::Send | Function::Crash => {}
        }
    }
    Ok(match worst.filter(|worst| worst.lag > 0) {
        None => json!({"lag": 0, "time": 0}),
        Some(Worst { lag, time, process, key }) => json!({
            "lag": lag,
            "time": time,
            "process": history.processes.client(process),
            "key": history.vocabulary.key_text(key),
        }),
    })
}

/// The highest offset of each key that an operation shows (`op->max-offsets`).
#[derive(Debug, Default)]
struct Highest {
    all: Vec<(Key, i64)>,
}

impl Highest {
    fn of(&mut self, history: &History, row: Row) -> &[(Key, i64)] {
        self.all.clear();
        if !matches!(history.stage(row), Stage::Ok | Stage::Info) {
            return &self.all;
        }
        for poll in history.reads(row) {
            let offset = history.pairs.offset[history.pairs(poll)].iter().copied().max().unwrap_or(UNKNOWN);
            self.all.push((history.polls.key[poll], offset));
        }
        // A send without an offset makes Jepsen forget the operation's sends before it (`op->max-send-offsets`).
        let sends = history.writes(row);
        let unknown = history.sends.offset[sends.clone()].iter().rposition(|&offset| offset == UNKNOWN);
        let known = sends.start + unknown.map_or(0, |place| place + 1);
        self.all.extend((known..sends.end).map(|send| (history.sends.key[send], history.sends.offset[send])));
        &self.all
    }
}

/// When it was known of each key that a log is longer than an offset says.
#[derive(Debug)]
struct Expired {
    /// For each key every offset that was higher than all before it, and when it became known.
    steps: Vec<Vec<(i64, i64)>>,
}

impl Expired {
    fn of(history: &History, budget: &Ledger<'_>) -> Result<Self, Exhausted> {
        let keys = history.vocabulary.key_count();
        budget.hold((keys * size_of::<Vec<(i64, i64)>>()) as u64 + history.len() as u64 * 16)?;
        let mut steps: Vec<Vec<(i64, i64)>> = vec![Vec::new(); keys];
        let mut highest = Highest::default();
        for row in 0..history.len() as Row {
            budget.check_now_and_then(row as usize)?;
            for &(key, offset) in highest.of(history, row) {
                let steps = &mut steps[key as usize];
                if steps.last().map_or(UNKNOWN, |&(known, _)| known) < offset {
                    steps.push((offset, history.rows.time[row as usize]));
                }
            }
        }
        Ok(Self { steps })
    }

    /// Since when it was known that something stands behind `offset`; `None`: never.
    fn behind(&self, key: Key, offset: i64) -> Option<i64> {
        let steps = &self.steps[key as usize];
        steps.get(steps.partition_point(|&(known, _)| known <= offset)).map(|&(_, time)| time)
    }
}

/// One process's consumer: how far it is in each of its keys.
#[derive(Debug, Default)]
struct Client {
    offsets: HashMap<Key, i64>,
    /// Since when each key is known to go on, the longest first; entries of offsets that were left are stale.
    waiting: BinaryHeap<Reverse<(i64, Key, i64)>>,
}

impl Client {
    fn raise(&mut self, key: Key, offset: i64, expired: &Expired) {
        let known = self.offsets.entry(key).or_insert(i64::MIN);
        if *known < offset {
            *known = offset;
            self.waiting.extend(expired.behind(key, offset).map(|since| Reverse((since, key, offset))));
        }
    }

    /// An assign keeps the offsets of the keys that it names; a new key begins before the log's first message.
    fn assign(&mut self, history: &History, row: Row, expired: &Expired) {
        let before = std::mem::take(self);
        for &key in &history.polls.key[history.polls(row)] {
            self.raise(key, before.offsets.get(&key).copied().unwrap_or(UNKNOWN), expired);
        }
    }

    /// The key that is known to go on for longest, and since when.
    fn oldest(&mut self) -> Option<(i64, Key)> {
        while let Some(&Reverse((since, key, offset))) = self.waiting.peek() {
            if self.offsets.get(&key) == Some(&offset) {
                return Some((since, key));
            }
            self.waiting.pop();
        }
        None
    }
}
