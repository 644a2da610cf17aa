//! Servers as containers of this machine's Docker daemon; Linux.
//!
//! In reading order: [`Contained`] is what a run gets; [`Docker`] starts the three together; `mongodb`, `kafka` and `toxiproxy` know one server each;
//! `container` is one of them over all its lives, `life` one life of it; [`Images`] says what they are made from,
//! `daemon` who runs them, [`leftovers`] how they go when a run could not remove them; [`DockerError`] is what a machine
//! may lack. This is the one room that names `testcontainers`.
//!
//! Everything is published on 127.0.0.1 only, under the same port number inside and outside: a replica set's member and
//! a broker are told one address, and it must be right on both sides. Toxiproxy uses the host's network, so that its
//! proxies listen on 127.0.0.1 and reach containers and services alike.

mod contained;
mod container;
mod daemon;
mod error;
mod image;
mod kafka;
pub mod leftovers;
mod life;
mod mongodb;
mod servers;
mod toxiproxy;

pub use contained::Contained;
pub use error::DockerError;
pub use image::Images;
pub use servers::Docker;
