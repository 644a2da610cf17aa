//! What may go wrong with a link; every message names the link and what to do.

use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;

use super::link::Link;

/// Why a link is not in the state that was asked for.
#[derive(Debug, Error)]
pub enum LinkError {
    /// Toxiproxy is gone or was never there.
    #[error(
        "toxiproxy at {api} cannot be reached to {action}: {reason}; it has ended or never started (its log says why), \
         and no link can be changed without it"
    )]
    Unreachable {
        /// Its API.
        api: SocketAddr,
        /// What was wanted of it.
        action: String,
        /// What the system says.
        reason: String,
    },
    /// Toxiproxy said no.
    #[error("toxiproxy at {api} refused to {action}: {reason}")]
    Refused {
        /// Its API.
        api: SocketAddr,
        /// What was wanted of it.
        action: String,
        /// Its answer.
        reason: String,
    },
    /// Toxiproxy took too long.
    #[error(
        "toxiproxy at {api} did not {action} within {}; the state of the link is not known",
        humantime::format_duration(*.after)
    )]
    Deadline {
        /// Its API.
        api: SocketAddr,
        /// What was wanted of it.
        action: String,
        /// How long was waited.
        after: Duration,
    },
    /// Toxiproxy said yes, but reading back shows something else.
    #[error("{link}: the change did not happen: wanted {wanted}, read back {found}")]
    NotInPlace {
        /// Which link.
        link: Link,
        /// What was wanted.
        wanted: String,
        /// What there is.
        found: String,
    },
    /// The proxy does not listen again.
    #[error(
        "{link}: {listen} is not open again after {}; another program may have taken the port",
        humantime::format_duration(*.after)
    )]
    NotListening {
        /// Which link.
        link: Link,
        /// Where it should listen.
        listen: SocketAddr,
        /// How long was tried.
        after: Duration,
    },
    /// Settings are as wanted, but a connection through the link shows something else.
    #[error("{link}: set as wanted, but a connection to {listen} shows otherwise: {seen}")]
    Probe {
        /// Which link.
        link: Link,
        /// Where it was dialled.
        listen: SocketAddr,
        /// What was expected, and what was seen.
        seen: String,
    },
    /// There is no such link.
    #[error("there is no link {link}; there are: {known}")]
    Unknown {
        /// What was asked for.
        link: Link,
        /// What there is.
        known: String,
    },
    /// Two links of one name, or two faults of one number.
    #[error("{what} is there twice")]
    Twice {
        /// What.
        what: String,
    },
    /// The fault was never injected.
    #[error("fault {fault} is on no link")]
    NoSuchFault {
        /// Its number.
        fault: u32,
    },
}
