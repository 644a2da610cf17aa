//! Servers that somebody else runs: nothing is started but Toxiproxy on this host, in front of what can be led through
//! it, and nothing is touched but databases and topics of the runs' own.
//!
//! In reading order: [`Given`] is what the user says, `uri` a connection string taken apart; [`External`] is that with
//! what a look at the servers found; [`Way`] says how a service is led through a proxy, or why it cannot be; `servers`
//! are a run's; [`ExternalError`] is why none of it can be used.

mod error;
mod given;
mod servers;
mod survey;
mod uri;
mod way;

pub use error::ExternalError;
pub use given::{Given, GivenKafka};
pub(super) use servers::Servers;
pub use survey::{External, ExternalKafka, ExternalMongodb, Wanted};
pub use uri::MongodbUri;
pub use way::{Means, Server, Way};
