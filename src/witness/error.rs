//! What may go wrong with a witness, each with what to do about it.

use std::time::Duration;

use thiserror::Error;

use super::role::Role;

/// Why a witness could not do what it was asked.
#[derive(Debug, Error)]
pub enum WitnessError {
    /// The URI is none.
    #[error("the MongoDB address cannot be used: {reason}; expected mongodb://host:port/")]
    MongodbUri {
        /// What the driver says; never the URI itself, which may hold a password.
        reason: String,
    },
    /// `MongoDB` answered with an error that no retry heals.
    #[error("MongoDB refused to {doing}: {source}")]
    Mongodb {
        /// What was tried: `create collection products`.
        doing: String,
        /// What the driver says.
        source: Box<mongodb::error::Error>,
    },
    /// `MongoDB` did not answer in time.
    #[error("MongoDB did not {doing} within {waited:.0?}: {last}; look at mongod's log, and whether its disk is full")]
    MongodbDeadline {
        /// What was tried.
        doing: String,
        /// For how long.
        waited: Duration,
        /// The last error.
        last: String,
    },
    /// The server is not a member of a replica set.
    #[error("this MongoDB tells no operation time: it is no replica set; start it with --replSet and initiate it")]
    NoReplicaSet,
    /// A setup document is no document.
    #[error("setup document for collection {collection}: {reason}")]
    SetupDocument {
        /// Where it should go.
        collection: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Kafka answered with an error, or not at all.
    #[error("Kafka did not {doing}: {reason}; look at the broker's log, and whether {bootstrap} can be reached")]
    Kafka {
        /// What was tried: `create topic purchases`.
        doing: String,
        /// What the broker or the driver says.
        reason: String,
        /// Where it was tried.
        bootstrap: String,
    },
    /// A topic of the run is there already.
    #[error("topic {topic} exists already, and its records are not this run's; delete it or choose another prefix")]
    TopicExists {
        /// Its real name.
        topic: String,
    },
    /// Nobody plays a part.
    #[error(
        "nobody was {role} within {waited:.1?}: {last}; look at the logs of the servers, and at what links are cut"
    )]
    Nobody {
        /// The part.
        role: Role,
        /// How long it was looked for.
        waited: Duration,
        /// Why not, at the last look.
        last: String,
    },
    /// A part cannot be played in this run.
    #[error("nobody can be {role} here: {reason}")]
    NoSuchRole {
        /// The part.
        role: Role,
        /// Why not, and what to do about it.
        reason: String,
    },
    /// A member did not become primary, or did not stop being it.
    #[error(
        "MongoDB did not {doing}: {reason}; look at the members' logs, and whether a majority of them can reach each other"
    )]
    Election {
        /// What was tried: `elect mongodb-2`.
        doing: String,
        /// What was seen instead.
        reason: String,
    },
    /// A thread of the witness could not be started.
    #[error("cannot start the witness's thread: {0}; raise the limit of processes (ulimit -u)")]
    Thread(std::io::Error),
    /// The change stream did not deliver what the harness itself had written.
    #[error("the MongoDB witness did not see the harness's own setup within {waited:.0?}: {reason}")]
    SetupUnseen {
        /// How long it was waited for.
        waited: Duration,
        /// What the witness says.
        reason: String,
    },
}
