//! What an observer sees of the connections and what a gate may order about their messages.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use torn_tap::framing::Opaque;
use torn_tap::{Asked, Direction, Message};

use crate::link::Link;

/// A message that is about to pass.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    /// On which link.
    pub link: &'a Link,
    /// On which connection of this link: they are counted from 1 in the order in which they were opened.
    pub connection: u64,
    /// Which.
    pub message: &'a Message,
}

/// What happens on a connection.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// It was opened, and the server accepted it.
    Opened,
    /// A message is about to be forwarded, unless the gate orders something else.
    Message(&'a Message),
    /// A direction is not read from now on; its bytes pass as they come.
    Opaque(Direction, Opaque),
    /// It has ended, and these requests got no answer (to what was still on its way, none can come).
    Ended(&'a [Asked]),
}

/// Sees what happens on all taps. It is called on the way of the messages: what it does must take microseconds, and it must
/// not block.
pub type Observer = Arc<dyn Fn(&Link, u64, Event<'_>) + Send + Sync>;

/// Decides about messages.
#[derive(Clone)]
pub struct Gate {
    /// Asked about **every** message, background or not, after the observer saw it and before any byte of it is forwarded.
    /// (A message whose first bytes had to be released early is asked about when its header is there.)
    pub decide: Arc<dyn Fn(Sight<'_>) -> Order + Send + Sync>,
    /// Told when an order other than [`Order::Forward`] was carried out: the delayed message was forwarded, the
    /// connection is closed, the instance is frozen. Whoever kills a frozen process does it from here, or is told from here.
    pub carried_out: Arc<dyn Fn(Sight<'_>, Order) + Send + Sync>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Gate")
    }
}

/// What happens to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// It is forwarded.
    Forward,
    /// It is forwarded so much later, and what follows on its connection in this direction after it.
    Delay(Duration),
    /// It is not forwarded, and its connection is closed on both sides. Of a request: it was never sent. Of an answer: the
    /// server has done the work, and the client does not learn it.
    Cut,
    /// It is not forwarded, and the link's client is frozen at once (see [`super::Taps::freeze`]).
    FreezeBefore,
    /// It is the last that is forwarded: the link's client is frozen, and this message alone still passes, to its last
    /// byte.
    FreezeAfter,
}
