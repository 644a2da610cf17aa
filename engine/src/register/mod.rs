//! Linearizability of read / write / cas / append over independent keys.
//!
//! A history is linearizable when every operation can be given one moment between its invocation and its completion such
//! that, in the order of these moments, every answer is right (Herlihy & Wing 1990). Keys are independent, so each is
//! judged by itself (the same paper's locality).
//!
//! In reading order:
//! - [`history`]: operations as intervals, in compact rows; the programmatic door is [`History::push`]
//! - `record`: how lines become intervals; `value`: values as words
//! - [`options`]: what the judge may use
//! - `judge`: keys apart, in parallel, the verdict
//! - `unique`, `gather`, `chain`, `settled`: the fast path for values written once and for versioned documents
//! - `timeline`, `state`, `board`, `search`, `failed`: the search that decides everything else
//! - `stale`: what no order can explain, seen before any search
//! - `explain`, `picture`: why there is no order, in words and as a drawing
//!
//! What the operations mean:
//! - A key starts as null. Where its values are strings, null and `""` are the same, also for `append` and `cas`;
//!   since no integer is `""`, they are the same everywhere.
//! - `append` concatenates strings. Nothing can be appended to an integer: no order explains an `ok` append to one.
//! - A `cas` that is `fail` without an `error` saw, at some moment of its interval, a value that was not the old one.
//!   Every other `fail` is no event at all.
//! - A read that is not `ok` says nothing. Any other operation that is `info` or never completed may take effect at any
//!   time after its invocation, or never.

mod board;
mod chain;
mod explain;
mod failed;
mod gather;
pub mod history;
mod judge;
pub mod options;
mod picture;
mod record;
mod search;
mod settled;
mod stale;
mod state;
mod timeline;
mod unique;
mod value;

pub use history::{Action, History, Operation, Scalar};
pub use options::{Options, Reduction, Reductions};
