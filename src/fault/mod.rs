//! Faults: what, when, and who carries it out.
//!
//! In reading order:
//! - [`fault`]: one fault
//! - [`validation`]: what a scenario may ask for (pure)
//! - [`schedule`]: every fault of a run, from the scenario and the seed (pure)
//! - [`nemesis`]: carries a schedule out, and heals what it did

#[expect(clippy::module_inception, reason = "the room is named for what it holds")]
mod fault;
#[cfg(test)]
mod fixture;
pub mod nemesis;
pub mod schedule;
mod validation;

pub use fault::{Fault, FaultKind, Target};
pub use nemesis::{FaultLog, FaultOutcome, Nemesis, Processes, Stops};
pub use schedule::{Schedule, ScheduleError, Strikes};
pub use validation::{FaultProblem, validate, validate_choice, validate_random};
