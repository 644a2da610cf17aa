//! Servers of which there are several, on one host: every link between any two of them, and from every client to each,
//! can be cut.
//!
//! Servers have names, which every process resolves differently. A process with the number `p` reaches the server with
//! the number `s` at `127.1.p.s`, where that link's proxy listens, and the server itself listens at `127.0.1.s`. The
//! port is the same on both sides; so the members tell each other and their clients names and ports, and whoever follows
//! them stays on links of its own.
//!
//! In reading order: [`ClusterSpec`] says what there is to be; [`Cluster`] is that, started and stopped; `layout` gives
//! numbers, addresses and links (pure), `hosts` writes each process's names; `mongodb` and `kafka` know how the members
//! of their kind find together.

mod handle;
mod hosts;
mod kafka;
mod layout;
mod mongodb;
mod spec;

pub use handle::Cluster;
pub use spec::ClusterSpec;
