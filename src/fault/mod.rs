//! Faults: what, when, and who carries it out.
//!
//! In reading order:
//! - [`fault`]: one fault
//! - [`target`]: whom it is aimed at, and what that means in a variant (pure)
//! - `keys`: what a table of a scenario says in itself (pure)
//! - [`validation`]: what a scenario may ask for (pure)
//! - [`schedule`]: every fault of a run, from the scenario and the seed (pure)
//! - `ambush`: faults at exact messages, carried out by taps
//! - [`nemesis`]: carries a schedule out
//! - `life`: one fault from its time to its heal

mod ambush;
#[expect(clippy::module_inception, reason = "the room is named for what it holds")]
mod fault;
#[cfg(test)]
mod fixture;
mod keys;
mod life;
pub mod nemesis;
pub mod schedule;
pub mod target;
mod validation;

pub use ambush::Ambush;
pub use fault::{AtMessage, Fault, FaultKind};
pub use nemesis::{Cluster, FaultLog, FaultOutcome, Nemesis, Processes};
pub use schedule::{Schedule, ScheduleError};
pub use target::{Strikes, Target};
pub use validation::{FaultProblem, validate, validate_choice, validate_random, validate_together};
