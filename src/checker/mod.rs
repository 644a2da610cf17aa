//! Pure functions from facts to verdicts. No I/O, no tokio, no clock.

pub mod verdict;
