//! Links: who dials whom, each through a proxy of its own, so that it can be cut, slowed and healed while both ends
//! live. Every change is read back and probed before it counts.
//!
//! In reading order:
//! - [`link`]: a link, and what may happen to it
//! - [`topology`]: which links a workload has (pure)
//! - [`condition`]: from the faults on one link to the setting of its proxy (pure)
//! - [`links`]: all links of a run; inject, heal, take a server's links down and up
//! - [`probe`]: what a TCP connection can show about a link without knowing its protocol
//! - [`toxiproxy`]: the adapter; with [`condition`] the only place that says proxy or toxic
//! - [`tap`]: a relay of our own behind each proxy that reads the messages as they pass
//! - [`error`]: what may go wrong

mod condition;
mod error;
#[expect(clippy::module_inception, reason = "the room is named for what it holds")]
mod link;
mod links;
mod probe;
pub mod tap;
pub mod topology;
mod toxiproxy;

pub use error::LinkError;
pub use link::{CLIENTS, Confirmation, Direction, Link, LinkFault, LinkSpec};
pub use links::Links;
