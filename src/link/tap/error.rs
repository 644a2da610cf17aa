//! What may go wrong with a tap.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

use crate::link::Link;

/// Why there is no tap.
#[derive(Debug, Error)]
pub enum TapError {
    /// Nothing can listen there.
    #[error("the tap of {link} cannot listen on {address}: {reason}; another program may have taken the port")]
    Listen {
        /// Whose.
        link: Link,
        /// Where.
        address: SocketAddr,
        /// What the system says.
        reason: io::Error,
    },
    /// Two taps for one link.
    #[error("there are two taps for {link}")]
    Twice {
        /// Which.
        link: Link,
    },
}
