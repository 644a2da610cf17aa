//! Installs the local stack into the cache, from ordinary registries through their ordinary clients, each pinned.
//!
//! [`install`] brings every [`Component`] that is missing or damaged; [`status`] tells how each stands.

mod component;
mod error;
mod kafka;
mod kafka_start;
mod mongodb;
mod python;
mod toxiproxy;

pub use component::{Component, ComponentStatus, Lacking, install, lacking, status};
pub use error::InstallError;
