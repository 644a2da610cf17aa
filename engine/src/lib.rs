//! The checker engine: histories in, verdict out. No server, no clock but the budget's, no randomness.
//!
//! In reading order:
//! - [`operation`]: what one line of a history says, whatever the model, and how a model takes it
//! - [`read`]: files of operations that others recorded
//! - [`text`]: texts as small numbers
//! - [`budget`]: the time and the memory that a check may take; beyond them the verdict is unknown
//! - [`verdict`]: what comes out
//! - [`kafka`]: logs of records, judged as Jepsen's Kafka workload judges them
//! - [`register`]: linearizability of read / write / cas / append
//!
//! **Architecture invariant:** this crate knows nothing of runs, scenarios or services; what it may judge is told by the
//! operations alone, whoever recorded them.

pub mod budget;
pub mod kafka;
pub mod operation;
pub mod read;
pub mod register;
pub mod text;
pub mod verdict;
