//! Taps: a relay of our own on each link, between its proxy and the server, that reads the messages as they pass. It shows
//! them to an observer, asks a gate about each, and can freeze all that a process sends and is sent.
//!
//! In reading order:
//! - [`taps`]: all taps of a run; addresses, counters, freeze and thaw
//! - [`order`]: what an observer sees and what a gate may order
//! - [`relay`]: one connection, both ways
//! - [`session`]: what is known of that connection, from first to last
//! - [`ice`]: who is frozen
//! - [`error`]: what may go wrong
//!
//! What messages are and what they mean is `torn_tap`'s business.

mod error;
mod ice;
mod order;
mod relay;
mod session;
mod taps;

pub use error::TapError;
pub use order::{Event, Gate, Observer, Order, Sight};
pub use taps::{Control, TapSpec, Taps};
pub use torn_tap::{Asked, Counters, Direction, Message, Protocol, Step};
