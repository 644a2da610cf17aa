//! How an operation becomes a row: its parts are already in the columns' tails when it is known whose they are.

use hashbrown::HashMap;
use serde::de::Deserializer;

use crate::operation::{Head, Kind as Type, Place, Process, Recorder};

use super::history::{History, NO_INDEX, NONE, Row, Stage, UNKNOWN, bytes};
use super::take::{self, Mistake, Shape};
use super::vocabulary::{Key, Value};

/// What an operation on a log may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Function {
    /// Messages are sent.
    Send,
    /// Messages are polled.
    Poll,
    /// Both, as one transaction.
    Txn,
    /// The consumer takes these keys from now on.
    Assign,
    /// The consumer joins a group for these keys.
    Subscribe,
    /// The client is torn down.
    Crash,
}

/// Messages are numbered with 32 bits; some numbers mean something else.
const MESSAGES_AT_MOST: usize = u32::MAX as usize - 2;

impl Recorder for History {
    type Function = Function;

    fn begin(&mut self) {
        self.forget_tail();
    }

    fn function(name: &str) -> Option<Function> {
        match name {
            "send" => Some(Function::Send),
            "poll" => Some(Function::Poll),
            "txn" => Some(Function::Txn),
            "assign" => Some(Function::Assign),
            "subscribe" => Some(Function::Subscribe),
            "crash" => Some(Function::Crash),
            _ => None,
        }
    }

    fn value<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        take::value(self, deserializer)
    }

    fn rebalance_log<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        take::rebalance_log(self, deserializer)
    }

    fn operation(&mut self, head: &Head<Function>, place: Place) -> Result<(), String> {
        let Process::Client(client) = head.process else { return Ok(()) };
        self.check_shape(head.function)?;
        if [self.sends.key.len(), self.polls.key.len(), self.pairs.value.len()].into_iter().max()
            > Some(MESSAGES_AT_MOST)
        {
            return Err(format!("more than {MESSAGES_AT_MOST} messages in one history"));
        }
        if matches!(head.function, Function::Crash) {
            self.forget_tail();
        }
        self.subscribed |= head.function == Function::Subscribe;
        let process = self.processes.of(client);
        if head.kind == Type::Invoke {
            self.invoke(head, place, process);
        } else {
            self.complete(head, place, process);
        }
        Ok(())
    }

    fn memory(&self) -> u64 {
        self.bytes()
    }
}

impl History {
    /// What stands in the columns beyond the last row belongs to nobody.
    fn forget_tail(&mut self) {
        let sends = self.rows.sends_end.last().map_or(0, |&end| end as usize);
        let polls = self.rows.polls_end.last().map_or(0, |&end| end as usize);
        let pairs = if polls == 0 { 0 } else { self.polls.pairs_end[polls - 1] as usize };
        self.sends.key.truncate(sends);
        self.sends.value.truncate(sends);
        self.sends.offset.truncate(sends);
        self.polls.key.truncate(polls);
        self.polls.pairs_end.truncate(polls);
        self.pairs.offset.truncate(pairs);
        self.pairs.value.truncate(pairs);
        self.taken.clear();
    }

    fn check_shape(&self, function: Function) -> Result<(), String> {
        let (expected, fits) = match function {
            Function::Crash => return Ok(()),
            Function::Assign | Function::Subscribe => ("a list of keys", matches!(self.taken.shape, Shape::Keys)),
            _ => (
                r#"a list of ["send", key, value] and ["poll", {key: [[offset, value], …]}]"#,
                self.taken.is_operations(),
            ),
        };
        let absent = matches!(self.taken.shape, Shape::Absent | Shape::Empty);
        match self.taken.mistake {
            Some(mistake @ Mistake::Rebalance) => Err(mistake.to_string()),
            Some(mistake) => Err(format!("`value` is not {expected}: {mistake}")),
            None if fits || absent => Ok(()),
            None => Err(format!("`value` is not {expected}")),
        }
    }

    /// An invocation: what it is about to send is kept aside until its completion says how it went.
    fn invoke(&mut self, head: &Head<Function>, place: Place, process: u32) {
        let first = self.rows.sends_end.last().map_or(0, |&end| end as usize);
        let is_sending = matches!(head.function, Function::Send | Function::Txn);
        let planned = if is_sending { first..self.sends.key.len() } else { 0..0 };
        let planned = planned.map(|send| (self.sends.key[send], self.sends.value[send]));
        let open = Open { place, index: head.index.unwrap_or(NO_INDEX), time: head.time, function: head.function };
        self.processes.open(process, open, planned);
        let polled = self.rows.polls_end.last().map_or(0, |&end| end as usize) < self.polls.key.len();
        if polled && matches!(head.function, Function::Poll | Function::Txn | Function::Send) {
            self.push_row(head, place, process, None);
        } else {
            self.forget_tail();
        }
    }

    fn complete(&mut self, head: &Head<Function>, place: Place, process: u32) {
        let open = self.processes.close(process);
        if matches!(head.function, Function::Crash) {
            return;
        }
        self.push_row(head, place, process, open);
    }

    fn push_row(&mut self, head: &Head<Function>, place: Place, process: u32, open: Option<Open>) {
        let row = self.len() as Row;
        self.rebalanced.extend(self.taken.rebalanced.drain(..).map(|key| (row, key)));
        let rows = &mut self.rows;
        rows.place.push(place);
        rows.index.push(head.index.unwrap_or(NO_INDEX));
        rows.time.push(head.time);
        rows.invoked.push(open.as_ref().map_or(NONE, |open| open.place.ordinal));
        rows.invoked_time.push(open.map_or(0, |open| open.time));
        rows.process.push(process);
        rows.stage.push(Stage::from(head.kind));
        rows.function.push(head.function);
        rows.sends_end.push(end(self.sends.key.len()));
        rows.polls_end.push(end(self.polls.key.len()));
    }

    /// Everything is read: what never completed becomes a row, if it was to send something.
    pub(super) fn seal(&mut self) {
        self.forget_tail();
        let mut open = self.processes.take_open();
        open.sort_unstable_by_key(|(_, open, _)| open.place.ordinal);
        for (process, open, planned) in open {
            if planned.is_empty() {
                continue;
            }
            for (key, value) in planned {
                self.sends.key.push(key);
                self.sends.value.push(value);
                self.sends.offset.push(UNKNOWN);
            }
            let rows = &mut self.rows;
            rows.place.push(open.place);
            rows.index.push(open.index);
            rows.time.push(open.time);
            rows.invoked.push(open.place.ordinal);
            rows.invoked_time.push(open.time);
            rows.process.push(process);
            rows.stage.push(Stage::Open);
            rows.function.push(open.function);
            rows.sends_end.push(end(self.sends.key.len()));
            rows.polls_end.push(end(self.polls.key.len()));
        }
    }
}

fn end(length: usize) -> u32 {
    u32::try_from(length).expect("an operation beyond so many messages is an error")
}

/// An invocation that waits for its completion.
#[derive(Debug, Clone, Copy)]
struct Open {
    place: Place,
    index: i64,
    time: i64,
    function: Function,
}

type Planned = Vec<(Key, Value)>;

/// The clients' processes, and what each is about to do.
#[derive(Debug, Default)]
pub(super) struct Processes {
    numbers: HashMap<i64, u32>,
    clients: Vec<i64>,
    open: Vec<Option<(Open, Planned)>>,
    /// Replaced by a further invocation of the same process.
    abandoned: Vec<(u32, Open, Planned)>,
    /// Lists to use again.
    spare: Vec<Planned>,
    planned: u64,
}

impl Processes {
    fn of(&mut self, client: i64) -> u32 {
        *self.numbers.entry(client).or_insert_with(|| {
            self.clients.push(client);
            self.open.push(None);
            end(self.clients.len() - 1)
        })
    }

    fn open(&mut self, process: u32, open: Open, planned: impl Iterator<Item = (Key, Value)>) {
        let mut list = self.spare.pop().unwrap_or_default();
        list.extend(planned);
        self.planned += list.len() as u64;
        if let Some((open, list)) = self.open[process as usize].replace((open, list)) {
            self.abandoned.push((process, open, list));
        }
    }

    fn close(&mut self, process: u32) -> Option<Open> {
        let (open, mut list) = self.open[process as usize].take()?;
        self.planned -= list.len() as u64;
        list.clear();
        self.spare.push(list);
        Some(open)
    }

    fn take_open(&mut self) -> Vec<(u32, Open, Planned)> {
        let mut all = std::mem::take(&mut self.abandoned);
        for (process, open) in self.open.iter_mut().enumerate() {
            all.extend(open.take().map(|(open, list)| (end(process), open, list)));
        }
        all
    }

    /// The number by which the history calls a process.
    pub(super) fn client(&self, process: u32) -> i64 {
        self.clients[process as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.clients.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        let planned = self.planned * size_of::<(Key, Value)>() as u64;
        self.numbers.allocation_size() as u64
            + bytes(&self.clients)
            + bytes(&self.open)
            + bytes(&self.abandoned)
            + bytes(&self.spare)
            + planned
    }
}
