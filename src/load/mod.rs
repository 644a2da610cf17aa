//! Clients: they send what was planned, when it was planned, and write down what they did and heard.
//!
//! In reading order:
//! - [`arrivals`]: when the operations of an open loop are due (pure)
//! - [`outcome`]: what an answer, or its absence, says about an operation (pure)
//! - [`lateness`]: whether the generator kept up, so that its latencies may be used (pure)
//! - `client`: one HTTP request, one answer, within a deadline
//! - `operation`: one operation with its attempts, and their entries in the history
//! - `generator`: the run of a load, on a thread of its own; [`run`] begins it
//! - `phases`: warm-up, load and end on the run's clock
//! - `open_loop`, `closed_loop`: who starts operations, and when
//! - [`hand`]: single operations, one at a time, when somebody asks for them
//! - [`progress`]: what the terminal shows meanwhile
//!
//! **Architecture invariant:** an invocation is queued to the history before its request leaves, and the latency of an
//! open loop counts from the intended start, whatever the system under test does.

pub mod arrivals;
mod client;
mod closed_loop;
mod generator;
pub mod hand;
pub mod lateness;
mod open_loop;
mod operation;
pub mod outcome;
mod phases;
pub mod progress;

pub use generator::{LoadError, LoadSpec, LoadSummary, Target, run};
