//! Reads the messages of `MongoDB` and Kafka connections as they pass. Bytes go in, the same bytes come out as pieces, and
//! where a message begins in a piece, what it means. Pure: no socket, no clock, no task.
//!
//! In reading order:
//! - [`connection`]: one connection; its two directions, and which answer belongs to which request
//! - [`message`]: what is told about a message
//! - [`framing`]: where frames begin and end, in bounded memory
//! - [`mongodb`] and [`kafka`]: what one frame says
//! - [`ledger`]: what is remembered across the connections of a link
//! - [`counters`]: what is counted of a link
//!
//! **Invariant:** the pieces of a direction, joined, are its input, however it was chunked and whatever it holds.
//!
//! **Invariant:** a direction holds at most [`framing::LIMIT`] bytes back, and a ledger remembers a bounded number of
//! things.

mod bounded;
pub mod connection;
pub mod counters;
pub mod framing;
pub mod kafka;
pub mod ledger;
pub mod message;
pub mod mongodb;

/// The crate of the buffers that go in and come out.
pub use bytes;
pub use connection::{Connection, Piece};
pub use counters::Counters;
pub use ledger::{Ledger, Topics};
pub use message::{Asked, Direction, Failure, Message, Partition, Producer, Session, Step, Transaction};

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// The `MongoDB` wire protocol.
    Mongodb,
    /// Kafka's.
    Kafka,
    /// Something that is not read (HTTP): bytes are counted, nothing more.
    Unread,
}
