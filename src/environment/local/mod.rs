//! Servers as child processes of the run, on free loopback ports; x86-64 Linux.
//!
//! In reading order: [`Servers`] starts the three together; `mongodb`, `kafka` and `toxiproxy` know one server each;
//! [`Cluster`] is several of the first two. `mongod` and `broker` know what one of them and one of several have in
//! common; [`Ports`] and `readiness` are what all share. [`Programs`] finds the servers, [`Cache`] is where [`install`] puts
//! them.

mod broker;
mod cache;
mod cluster;
mod clustered;
pub mod install;
pub(super) mod kafka;
pub(super) mod mongod;
pub(super) mod mongodb;
mod ports;
pub mod programs;
pub(super) mod readiness;
pub(super) mod servers;
mod toxiproxy;

pub use cache::{Cache, State};
pub use cluster::{Cluster, ClusterSpec};
pub use clustered::Clustered;
pub use ports::Ports;
pub use programs::{KafkaProgram, Programs};
pub use servers::Servers;
pub(super) use toxiproxy::Toxiproxy;
