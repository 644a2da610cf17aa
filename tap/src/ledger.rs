//! What is remembered across the connections of a link: what was counted, and the numbers by which something sent twice is
//! known. Each memory has a bound; what is older is forgotten.

use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::bounded::Bounded;
use crate::counters::Counters;
use crate::message::{Direction, Failure, Message, Session, Step, Transaction};

/// How many numbers are remembered of each kind.
const MEMORY: usize = 4096;

const WRITE_CONFLICT: i32 = 112;
const DUPLICATE_KEY: i32 = 11000;

/// The memory of a link.
#[derive(Debug)]
pub struct Ledger {
    /// What was counted.
    pub counters: Counters,
    topics: Topics,
    writes: Bounded<(Session, i64), ()>,
    batches: Bounded<Batch, ()>,
    sessions: Bounded<Session, Progress>,
    /// Cursors that wait for what is to come.
    awaiting: Bounded<i64, ()>,
}

/// Producer, epoch, first sequence; topic, partition.
type Batch = (i64, i16, i32, Arc<str>, i32);

/// How far the last transaction of a session got.
#[derive(Debug)]
struct Progress {
    number: i64,
    is_commit_sent: bool,
    end: End,
}

/// How a transaction ended, as far as answers said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Committed,
    Aborted,
    /// By an error after which it may be tried again.
    Transient,
}

impl Ledger {
    /// An empty one. Links of the same cluster share their topics: metadata is asked of any broker.
    pub fn new(topics: Topics) -> Self {
        Self {
            counters: Counters::default(),
            topics,
            writes: Bounded::new(MEMORY),
            batches: Bounded::new(MEMORY),
            sessions: Bounded::new(MEMORY),
            awaiting: Bounded::new(MEMORY),
        }
    }

    pub(crate) fn topics(&self) -> &Topics {
        &self.topics
    }

    pub(crate) fn remember_awaiting(&mut self, cursor: i64) {
        self.awaiting.insert(cursor, ());
    }

    pub(crate) fn is_awaiting(&self, cursor: i64) -> bool {
        self.awaiting.get(&cursor).is_some()
    }

    /// Counts a message.
    pub(crate) fn enter(&mut self, message: &Message) {
        self.counters.messages += 1;
        match message.direction {
            Direction::Requests => self.enter_request(message),
            Direction::Answers => self.enter_answer(message),
        }
    }

    fn enter_request(&mut self, message: &Message) {
        self.counters.count_request(&message.name);
        for partition in &message.partitions {
            let Some(producer) = partition.producer else { continue };
            let batch =
                (producer.id, producer.epoch, producer.sequence, Arc::clone(&partition.topic), partition.number);
            self.counters.batches_sent_again += u64::from(self.batches.insert(batch, ()).is_some());
        }
        let Some(Transaction { session, number, step }) = message.transaction else { return };
        match step {
            Step::Starts => {
                self.counters.transactions_begun += 1;
                let was_transient = self.sessions.get(&session).is_some_and(|last| last.end == End::Transient);
                self.counters.transactions_retried += u64::from(was_transient);
                self.sessions.insert(session, Progress::of(number));
            }
            Step::Continues | Step::Aborts => {}
            Step::Commits => {
                let progress = self.progress(session, number);
                let is_again = progress.is_some_and(|one| std::mem::replace(&mut one.is_commit_sent, true));
                self.counters.commits_sent_again += u64::from(is_again);
            }
            Step::Retryable => {
                self.counters.writes_sent_again += u64::from(self.writes.insert((session, number), ()).is_some());
            }
        }
    }

    fn enter_answer(&mut self, message: &Message) {
        if let Some(failure) = &message.failure {
            let has = |code: i32| failure.code == code || failure.write_errors.contains(&code);
            self.counters.write_conflicts += u64::from(has(WRITE_CONFLICT));
            let duplicates = failure.write_errors.iter().filter(|code| **code == DUPLICATE_KEY).count() as u64;
            let is_refused = failure.write_errors.is_empty() && failure.code == DUPLICATE_KEY;
            self.counters.duplicate_keys += duplicates + u64::from(is_refused);
        }
        let is_update = matches!(&*message.name, "update" | "findAndModify" | "findandmodify");
        if is_update && message.failure.is_none() && message.matched == Some(0) && message.upserted == 0 {
            self.counters.unmatched_updates += 1;
        }
        if matches!(&*message.name, "OffsetCommit" | "TxnOffsetCommit") && message.failure.is_none() {
            self.counters.offset_commits += 1;
        }
        match message.commits.filter(|_| message.failure.is_none()) {
            Some(true) => self.counters.transactions_committed += 1,
            Some(false) => self.counters.transactions_aborted += 1,
            None => {}
        }
        if let Some(transaction) = message.transaction.as_ref().filter(|one| one.step != Step::Retryable) {
            self.follow(transaction, message.failure.as_ref());
        }
    }

    /// Notes how a transaction ended, once.
    fn follow(&mut self, transaction: &Transaction, failure: Option<&Failure>) {
        let end = match (transaction.step, failure) {
            // Whatever it is answered with: after an error that a retry does not help (a duplicate key) the server has
            // forgotten the transaction already, and says so in the words of a transient error.
            (Step::Aborts, _) => End::Aborted,
            (_, Some(failure)) if failure.is_transient() => End::Transient,
            (Step::Commits, None) => End::Committed,
            _ => return,
        };
        let Some(progress) = self.progress(transaction.session, transaction.number) else { return };
        let before = progress.end;
        if matches!((before, end), (End::Open, _) | (End::Aborted, End::Transient)) {
            progress.end = end;
        }
        if before == End::Open {
            match end {
                End::Committed => self.counters.transactions_committed += 1,
                _ => self.counters.transactions_aborted += 1,
            }
        }
    }

    /// The progress of a transaction, unless its session has begun a later one.
    fn progress(&mut self, session: Session, number: i64) -> Option<&mut Progress> {
        if self.sessions.get(&session).is_none_or(|known| known.number < number) {
            self.sessions.insert(session, Progress::of(number));
        }
        self.sessions.get_mut(&session).filter(|known| known.number == number)
    }
}

impl Progress {
    fn of(number: i64) -> Self {
        Self { number, is_commit_sent: false, end: End::Open }
    }
}

/// The names of topics by their ids, as metadata told them. Shared: clones are the same table.
#[derive(Debug, Clone)]
pub struct Topics(Arc<Mutex<Bounded<[u8; 16], Arc<str>>>>);

impl Default for Topics {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Bounded::new(MEMORY))))
    }
}

impl Topics {
    /// Enters a name.
    pub fn learn(&self, id: [u8; 16], name: &str) {
        let mut names = self.lock();
        if names.get(&id).is_none_or(|known| **known != *name) {
            names.insert(id, Arc::from(name));
        }
    }

    /// The name of a topic, or its id in hexadecimal digits.
    pub fn name(&self, id: [u8; 16]) -> Arc<str> {
        if let Some(name) = self.lock().get(&id) {
            return Arc::clone(name);
        }
        let mut digits = String::with_capacity(32);
        for byte in id {
            write!(digits, "{byte:02x}").expect("a string takes everything");
        }
        Arc::from(digits)
    }

    fn lock(&self) -> MutexGuard<'_, Bounded<[u8; 16], Arc<str>>> {
        self.0.lock().expect("nothing panics with it")
    }
}
