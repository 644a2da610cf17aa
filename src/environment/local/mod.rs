//! Servers as child processes of the run, on free loopback ports; x86-64 Linux.
//!
//! In reading order: [`Servers`] starts the three together; `mongodb`, `kafka` and `toxiproxy` know one server each;
//! [`Ports`] and `readiness` are what they share. [`Programs`] finds the servers, [`Cache`] is where [`install`] puts
//! them.

mod cache;
pub mod install;
mod kafka;
mod mongodb;
mod ports;
pub mod programs;
mod readiness;
mod servers;
mod toxiproxy;

pub use cache::{Cache, State};
pub use ports::Ports;
pub use programs::{KafkaProgram, Programs};
pub use servers::Servers;
