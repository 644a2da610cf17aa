//! Looks at servers that somebody else runs, before anything starts: whether they can be reached, by this user, and can
//! and may do what a run asks of them. Everything is tried for real, in a database and a topic of the trial's own.
//!
//! In reading order:
//! - [`error`]: what may be found, each with its remedy
//! - [`mongodb`]: members, version, replica set, rights
//! - [`kafka`]: brokers, rights, policies
//! - [`leftovers`]: what runs made, and its removal

mod error;
#[cfg(test)]
mod fixture;
mod kafka;
mod leftovers;
mod mongodb;

pub use error::PreflightError;
pub use kafka::{find_brokers, try_kafka};
pub use leftovers::{Leftovers, find_leftovers, remove_run_database, remove_topics};
pub use mongodb::{FoundMongodb, Uris, look_at_mongodb};

/// What every database of a run begins with.
pub const DATABASE_PREFIX: &str = "torn_";

/// What every topic and group of a run on servers that outlive it begins with.
pub const TOPIC_PREFIX: &str = "torn-";
