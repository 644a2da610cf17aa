//! One process at a time, in the order of the file: where it is in each key.

use crate::budget::Exhausted;

use super::history::{History, NONE, Row, Stage};
use super::ledger::Ledger;
use super::message::Message;
use super::vocabulary::Key;

/// Where the process at hand is in each key: its last operation there, and that operation's last message.
#[derive(Debug)]
pub(super) struct Session {
    places: Vec<Spot>,
    /// What an older epoch said holds no more.
    epoch: u32,
}

#[derive(Debug, Clone, Copy)]
struct Spot {
    epoch: u32,
    row: Row,
    message: Message,
}

impl Session {
    pub(super) fn new(history: &History, budget: &Ledger<'_>) -> Result<Self, Exhausted> {
        let keys = history.vocabulary.key_count();
        budget.hold((keys * size_of::<Spot>()) as u64)?;
        Ok(Self { places: vec![Spot { epoch: 0, row: NONE, message: NONE }; keys], epoch: 1 })
    }

    /// Another process begins: nothing is known of it.
    pub(super) fn clear(&mut self) {
        self.epoch += 1;
    }

    pub(super) fn get(&self, key: Key) -> Option<(Row, Message)> {
        let spot = self.places[key as usize];
        (spot.epoch == self.epoch).then_some((spot.row, spot.message))
    }

    pub(super) fn set(&mut self, key: Key, row: Row, message: Message) {
        self.places[key as usize] = Spot { epoch: self.epoch, row, message };
    }

    /// An assign or subscribe keeps what is known of the keys that it names, unless it certainly did not happen.
    pub(super) fn assign(&mut self, history: &History, row: Row) {
        if !matches!(history.stage(row), Stage::Ok | Stage::Info) {
            return;
        }
        let before = self.epoch;
        self.epoch += 1;
        for &key in &history.polls.key[history.polls(row)] {
            let spot = &mut self.places[key as usize];
            if spot.epoch == before {
                spot.epoch = self.epoch;
            }
        }
    }
}

/// The keys of one operation, in the order of their first mention, with the first and the last message of each.
#[derive(Debug)]
pub(super) struct Touched {
    all: Vec<(Key, Message, Message)>,
    /// Where a key stands in `all`.
    place: Vec<u32>,
}

impl Touched {
    pub(super) fn new(history: &History, budget: &Ledger<'_>) -> Result<Self, Exhausted> {
        let keys = history.vocabulary.key_count();
        budget.hold(keys as u64 * 4)?;
        Ok(Self { all: Vec::new(), place: vec![NONE; keys] })
    }

    pub(super) fn touch(&mut self, key: Key, first: Message, last: Message) {
        let place = &mut self.place[key as usize];
        if *place == NONE {
            *place = self.all.len() as u32;
            self.all.push((key, first, last));
            return;
        }
        let entry = &mut self.all[*place as usize];
        if entry.1 == NONE {
            entry.1 = first;
        }
        if last != NONE {
            entry.2 = last;
        }
    }

    pub(super) fn all(&self) -> &[(Key, Message, Message)] {
        &self.all
    }

    pub(super) fn clear(&mut self) {
        for &(key, ..) in &self.all {
            self.place[key as usize] = NONE;
        }
        self.all.clear();
    }
}

/// All rows, process after process, each in the order of the file, with whether a process begins.
pub(super) fn rows_by_process(history: &History, budget: &Ledger<'_>) -> Result<Vec<(bool, Row)>, Exhausted> {
    budget.hold(history.len() as u64 * size_of::<(bool, Row)>() as u64 + history.processes.len() as u64 * 4)?;
    let mut next = vec![0_u32; history.processes.len()];
    for &process in &history.rows.process {
        next[process as usize] += 1;
    }
    let mut total = 0;
    for count in &mut next {
        total += std::mem::replace(count, total);
    }
    let starts = next.clone();
    let mut rows = vec![(false, NONE); history.len()];
    for (row, &process) in history.rows.process.iter().enumerate() {
        let place = &mut next[process as usize];
        rows[*place as usize] = (*place == starts[process as usize], row as Row);
        *place += 1;
    }
    Ok(rows)
}
