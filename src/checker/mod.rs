//! Pure functions from facts to verdicts. No I/O, no tokio, no clock.
//!
//! In reading order:
//! - [`verdict`]: what comes out
//! - [`judge`]: every family and every guard, merged, and held against what the variant expects
//! - `absence`: when something that is not there may be called missing
//! - `delivery`, `effect`, `stock`, `version`, `acknowledgement`: one family of invariants each
//! - `chain`: the states of documents that answers tell of
//! - `session`, `linear`: what clients were told, over time and as a whole
//! - `poll`: in which order the log was read, and whether its readers agree
//! - `guard`: nothing passes without having been exercised
//! - `expectation`: whether what came out is what the variant is for
//! - `finding`, `story`: counts, and examples that a person understands
//!
//! **Architecture invariant:** the same history gives the same bytes: only ordered tables are iterated.

mod absence;
mod acknowledgement;
mod chain;
mod delivery;
mod effect;
mod expectation;
mod finding;
mod guard;
mod judge;
mod linear;
mod poll;
mod session;
mod stock;
mod story;
pub mod verdict;
mod version;

pub use expectation::objections;
pub use judge::{SweepJudgement, judge, judge_sweep};
