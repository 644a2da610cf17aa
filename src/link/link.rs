//! A link, and what may happen to it.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// The name under which the harness's own clients dial services.
pub const CLIENTS: &str = "clients";

/// Who dials whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// The instance that dials (`api-1`), or [`CLIENTS`].
    pub client: String,
    /// The instance or dependency (`kafka`) that is dialled.
    pub server: String,
}

impl Link {
    /// A link from one name to another.
    pub fn new(client: impl Into<String>, server: impl Into<String>) -> Self {
        Self { client: client.into(), server: server.into() }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} → {}", self.client, self.server)
    }
}

/// A link and its two ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSpec {
    /// Which.
    pub link: Link,
    /// Where the client dials. Port 0: a free one, see [`super::Links::address`].
    pub listen: SocketAddr,
    /// Where the server listens.
    pub upstream: SocketAddr,
}

/// What may be wrong with a link. None of them delays or hides the *closing* of a connection by one of its ends: an
/// end that closes is seen by the other even in a black hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkFault {
    /// Live connections are closed; new ones are accepted, and nothing passes in either direction.
    Partition,
    /// Live connections are closed, new ones refused.
    Refuse,
    /// Connections stay and new ones are accepted; nothing passes in either direction. Healing closes them.
    BlackHole,
    /// A request and its answer together take `delay` ± `jitter` longer, half of it on each way. What is on its way is
    /// delivered even when the sender dies meanwhile.
    Latency {
        /// How much longer; whole milliseconds count.
        delay: Duration,
        /// At most this much more or less, evenly distributed.
        jitter: Duration,
    },
    /// Requests arrive, answers do not; connections stay. Healing closes them.
    AnswerLost,
}

/// That a change is in place: read back from the proxies' server and probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// From the first change to the last; a change of several links is not atomic.
    pub took: Duration,
    /// How it was confirmed, in words.
    pub detail: String,
}
