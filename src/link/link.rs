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
    /// The instance or dependency (`kafka`, `mongodb-2`, `kafka-2:quorum`) that is dialled.
    pub server: String,
}

impl Link {
    /// A link from one name to another.
    pub fn new(client: impl Into<String>, server: impl Into<String>) -> Self {
        Self { client: client.into(), server: server.into() }
    }

    /// Who is dialled, without the port: brokers dial each other on two of them (`kafka-2:replication`, `kafka-2:quorum`).
    pub fn dialled(&self) -> &str {
        self.server.split(':').next().expect("a split has a first part")
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

/// In which direction a fault strikes, as seen by who dials.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Direction {
    /// What the client sends and what comes back.
    #[default]
    Both,
    /// What the client sends.
    Requests,
    /// What comes back.
    Answers,
}

impl fmt::Display for Direction {
    /// What to add to a fault's name: nothing for both.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Both => "",
            Self::Requests => " (requests only)",
            Self::Answers => " (answers only)",
        })
    }
}

/// What may be wrong with a link. None but [`LinkFault::SlowClose`] delays or hides the *closing* of a connection by one
/// of its ends: an end that closes is seen by the other even in a black hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkFault {
    /// Live connections are closed; new ones are accepted, and nothing passes in either direction.
    Partition,
    /// Live connections are closed, new ones refused.
    Refuse,
    /// Connections stay and new ones are accepted; nothing passes. Healing closes them.
    BlackHole {
        /// Where nothing passes.
        direction: Direction,
    },
    /// A request and its answer together take `delay` ± `jitter` longer, half of it on each way unless only one is
    /// struck. What is on its way is delivered even when the sender dies meanwhile.
    Latency {
        /// How much longer; whole milliseconds count.
        delay: Duration,
        /// At most this much more or less, evenly distributed.
        jitter: Duration,
        /// Which way is slow.
        direction: Direction,
    },
    /// Requests arrive, answers do not; connections stay. Healing closes them. A black hole for answers only.
    AnswerLost,
    /// Each connection carries so many bytes and no more; connections stay, also through the heal. Several on one link
    /// follow each other: a stream is as slow as the narrowest of them, a single message waits at each.
    Bandwidth {
        /// 1000 bytes a second, in each direction that is struck; 1 at least.
        kilobytes_per_second: u32,
        /// Which way is narrow.
        direction: Direction,
    },
    /// New connections are accepted, and reset (RST, to both ends) as soon as either end sends something, which never
    /// arrives. Live ones are closed first: an end that only watches them sees a close, not a reset. In a direction in
    /// which bytes are dropped as well, nothing is there to be answered with a reset.
    ResetPeer,
    /// When one end closes a connection, the other sees it `delay` later; bytes pass as ever. Healing lets go of what is
    /// held back. What torn closes itself (a partition, a refusal, a kill) is closed at once, and so is everything while
    /// the link resets.
    SlowClose {
        /// How much later; whole milliseconds count.
        delay: Duration,
    },
}

/// That a change is in place: read back from the proxies' server and probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// From the first change to the last; a change of several links is not atomic.
    pub took: Duration,
    /// How it was confirmed, in words.
    pub detail: String,
}
