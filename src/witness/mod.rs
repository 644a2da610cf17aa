//! The harness's own eyes on each dependency, on direct connections that no fault touches.
//!
//! In reading order:
//! - [`watch`]: starts every witness, catches up after the load, reads everything at the end, stops
//! - [`spec`]: what is to be watched, and who listens
//! - [`mongodb`]: setup, change stream, fold, final reads, elections and rollbacks, server status
//! - [`kafka`]: topics, the log from offset 0, leaders and replicas in sync, consumer groups' offsets
//! - [`role`], [`Roles`]: who is primary, who leads a partition, and elections on demand
//! - [`sample`]: what is measured about once a second
//! - [`journal`]: the one way from a witness into the history
//! - [`preflight`]: servers that somebody else runs, looked at before anything starts
//! - [`error`]: what may go wrong, with the remedy
//!
//! **Architecture invariant:** a witness starts before anyone writes, and says so when it can no longer vouch for
//! completeness; silence is never taken for absence.

pub mod error;
mod journal;
pub mod kafka;
pub mod mongodb;
pub mod preflight;
pub mod role;
mod roles;
pub mod sample;
pub mod spec;
pub mod watch;

pub use error::WitnessError;
pub use role::{Role, RoleError};
pub use roles::Roles;
pub use sample::{Gauges, Sampler};
pub use spec::{GroupSpec, KafkaSpec, Listener, MongodbSpec, SetupDocument, TopicSpec, WitnessSpec};
pub use watch::Witnesses;
