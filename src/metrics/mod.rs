//! What a run cost: figures from its history, in one streaming pass.
//!
//! In reading order:
//! - [`measurement`]: what `metrics.json` holds; every figure with its unit and its rule
//! - [`compute`]: from entries to a measurement
//! - [`tally`]: the pass: one compact record for each operation, and what was sampled
//! - [`quantile`]: `HdrHistogram` quantiles in milliseconds
//! - [`latency`]: generator, throughput, response and service times
//! - [`timeline`]: the same second by second, with backlog, lag, CPU and memory
//! - [`contention`]: conflicts and retries per operation, hot keys
//! - [`delay`]: commit → record → effect
//! - [`resource`]: CPU and memory by process and role
//! - [`stage`]: the load stage by stage
//! - [`fault`]: before, during and after each fault; time to recover
//! - `cluster`: elections, leaders, replicas in sync
//! - [`thresholds`]: `"latency.p99" = "<50ms"`
//! - [`latency_log`]: the intervals of `latency.hlog`
//!
//! **Architecture invariant:** nothing here reads a clock or a socket; the same history gives the same figures.

mod cluster;
pub mod compute;
pub mod contention;
pub mod delay;
pub mod fault;
pub mod latency;
pub mod latency_log;
pub mod measurement;
pub mod quantile;
pub mod resource;
pub mod stage;
pub mod tally;
pub mod thresholds;
pub mod timeline;

pub use compute::compute;
pub use measurement::{Measurement, Metrics};
