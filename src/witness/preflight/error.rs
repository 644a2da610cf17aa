//! What may be wrong with a server, in one sentence with its remedy.

use thiserror::Error;

/// Why a server cannot be used for a run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PreflightError {
    /// Nobody answers.
    #[error("{server} cannot be reached: {reason}; check its address, and that this host may dial it")]
    Unreachable {
        /// Which, with its address.
        server: String,
        /// What the system says.
        reason: String,
    },
    /// Wrong user or password.
    #[error("{server} does not accept the user or the password: {reason}; check both, and where the user is defined")]
    Credentials {
        /// Which.
        server: String,
        /// What it says.
        reason: String,
    },
    /// TLS was not agreed on.
    #[error(
        "no TLS connection to {server}: {reason}; name the authority that signed its certificate ({key}), and dial it by \
         a name that the certificate holds"
    )]
    Tls {
        /// Which.
        server: String,
        /// What the library says.
        reason: String,
        /// Where to name it.
        key: &'static str,
    },
    /// One side speaks TLS or SASL and the other does not.
    #[error("{server} answers in another protocol: {reason}; check {key}")]
    Protocol {
        /// Which.
        server: String,
        /// What the library says.
        reason: String,
        /// The setting.
        key: &'static str,
    },
    /// Too old.
    #[error("{server} is too old ({found}): {oldest} or newer is needed, for {reason}; upgrade it, or choose another")]
    TooOld {
        /// Which.
        server: String,
        /// What it is.
        found: String,
        /// What it must be.
        oldest: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// A single mongod.
    #[error(
        "{server} is no member of a replica set: it has no transactions and no change streams; start it with --replSet \
         and initiate it (a set of one is enough)"
    )]
    NoReplicaSet {
        /// Which.
        server: String,
    },
    /// A mongos.
    #[error("{server} is a mongos: sharded clusters are not supported; give a replica set")]
    Sharded {
        /// Which.
        server: String,
    },
    /// The only address leads to a member that takes no writes.
    #[error(
        "{server} takes no writes: it is a secondary, or read-only; give the primary's address, or all members without \
         directConnection=true"
    )]
    ReadOnly {
        /// Which.
        server: String,
    },
    /// A set without a primary.
    #[error(
        "the replica set {set} has no primary: {state}; wait until it has elected one, and look at its members' logs"
    )]
    NoPrimary {
        /// Its name.
        set: String,
        /// What its members say.
        state: String,
    },
    /// A right is missing.
    #[error("{server} does not let this user {doing}: {reason}; grant it {right}")]
    NoRight {
        /// Which.
        server: &'static str,
        /// What was tried.
        doing: String,
        /// What it says.
        reason: String,
        /// What is missing.
        right: &'static str,
    },
    /// A broker's policy, or a limit.
    #[error("Kafka refuses to {doing}: {reason}; {remedy}")]
    Refused {
        /// What was tried.
        doing: String,
        /// What it says.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Anything else.
    #[error("{server} did not {doing}: {reason}; look at its log")]
    Failed {
        /// Which.
        server: &'static str,
        /// What was tried.
        doing: String,
        /// What it says.
        reason: String,
    },
}
