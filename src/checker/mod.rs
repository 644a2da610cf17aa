//! Pure functions from facts to verdicts. No I/O, no tokio, no clock.
//!
//! - [`verdict`]: what comes out

pub mod verdict;
