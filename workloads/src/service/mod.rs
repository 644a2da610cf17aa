//! What every built-in service needs, whatever it does.
//!
//! - [`environment`]: addresses and names, from environment variables;
//! - [`database`]: one `MongoDB` client with bounded pool and waits, and what its errors mean;
//! - [`backoff`]: jittered waits between attempts, and the count of conflicts that a service reports;
//! - [`transaction`]: the loop that a correct multi-document transaction needs;
//! - [`abandoned`]: ends the transactions of requests that were given up;
//! - [`predecessor`]: ends the transactions that a killed process of the same instance left open;
//! - [`kafka`]: a producer that knows when it is ready, and a consumer with a static group membership;
//! - [`lifecycle`]: readiness, the HTTP server, and the orderly stop on SIGTERM.

pub(crate) mod abandoned;
pub(crate) mod backoff;
pub(crate) mod database;
pub(crate) mod environment;
pub(crate) mod kafka;
pub(crate) mod lifecycle;
pub(crate) mod predecessor;
pub(crate) mod transaction;

/// Writes one line with the time in front to standard error, which whoever started the process keeps as its log.
macro_rules! log {
    ($($text:tt)*) => {
        eprintln!("{} {}", $crate::service::now(), format_args!($($text)*))
    };
}
pub(crate) use log;

/// The time of the host's clock, as RFC 3339 wants it.
pub(crate) fn now() -> String {
    rfc3339(mongodb::bson::DateTime::now())
}

/// A time as RFC 3339 wants it.
pub(crate) fn rfc3339(time: mongodb::bson::DateTime) -> String {
    time.try_to_rfc3339_string().expect("dates of this millennium have four-digit years")
}
