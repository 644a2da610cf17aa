//! Logs of records, judged as Jepsen's Kafka workload judges them.
//!
//! The semantics, and how each kind is counted, are those of `jepsen.tests.kafka` (jepsen-io/jepsen) and, for cycles, of
//! `elle.txn` (jepsen-io/elle); where a file follows a particular function of theirs, it names it.
//!
//! In reading order:
//! - [`Kind`]: what may be found, and which of it makes a history invalid ([`Options`])
//! - [`History`]: the operations in columns; `take` fills them from a deserializer, `record` closes each operation
//! - `vocabulary`: keys and values as small numbers
//! - `message`: every message once, who wrote it and whether it was polled
//! - `order`: the log of each key: which message stands at which index
//! - `log`, `poll`, `send`, `read`: the checks: of the log as a whole, of one process's polls and sends (`session`: where
//!   it is in each key), of what may be read at all
//! - `lag`: how far polls ran behind
//! - `cycle`: dependencies between operations that go round
//! - `finding`, `explain`: what was found, first as numbers, then as sentences
//! - `judge`: all of it in order; `ledger`: what it holds of the budget

mod cycle;
mod explain;
mod finding;
mod history;
mod judge;
mod kind;
mod lag;
mod ledger;
mod log;
mod message;
mod order;
mod poll;
mod read;
mod record;
mod send;
mod session;
mod take;
mod vocabulary;

pub use history::History;
pub use judge::{Options, Precedence};
pub use kind::{Kind, Kinds, UnknownKind};
pub use record::Function;
