//! Who plays which part right now, and elections on demand: what faults on a cluster are made of.
//!
//! Every answer is asked of the servers at that moment, never taken from what the watchers last saw.

use std::time::{Duration, Instant};

use super::error::WitnessError;
use super::kafka::Brokers;
use super::mongodb::Connection;
use super::role::Role;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// The servers of a run, asked directly; cheap to clone. It must not outlive its witnesses.
#[derive(Debug, Clone)]
pub struct Roles {
    pub(super) mongodb: Option<Connection>,
    pub(super) kafka: Option<Brokers>,
}

impl Roles {
    /// The name of the member that plays a part now.
    ///
    /// # Errors
    /// When nobody does before the deadline, or nobody can in this run.
    pub async fn resolve(&self, role: &Role, deadline: Instant) -> Result<String, WitnessError> {
        match role {
            Role::Primary | Role::Secondary => {
                let missing = || WitnessError::NoSuchRole { role: role.clone(), reason: NO_MONGODB.to_owned() };
                self.mongodb.as_ref().ok_or_else(missing)?.resolve(role, deadline.into()).await
            }
            Role::Leader { topic, partition } | Role::Follower { topic, partition } => {
                let missing = || WitnessError::NoSuchRole { role: role.clone(), reason: NO_KAFKA.to_owned() };
                self.kafka.as_ref().ok_or_else(missing)?.resolve(role, (topic, *partition), deadline).await
            }
        }
    }

    /// Makes the primary step down for so many seconds (at least 2) and waits for the next one; says in words who was and
    /// who is primary.
    ///
    /// # Errors
    /// When there is no primary, it refuses, or nobody is elected within 20 s more than it stays down.
    pub async fn step_down(&self, seconds: u32) -> Result<String, WitnessError> {
        self.replica_set("make the primary step down")?.step_down(seconds).await
    }

    /// Makes a member primary.
    ///
    /// # Errors
    /// When it is no member, or has not won an election after 20 s.
    pub async fn step_up(&self, member: &str) -> Result<(), WitnessError> {
        self.replica_set(&format!("elect {member}"))?.step_up(member).await
    }

    /// Writes through the primary and waits until every member has it: what was written before is then everywhere.
    ///
    /// # Errors
    /// When a member does not have it before the deadline.
    pub async fn replicate_everywhere(&self, deadline: Instant) -> Result<(), WitnessError> {
        self.replica_set("replicate a write")?.replicate_everywhere(deadline.into()).await
    }

    /// Makes the primary's oplog forget everything before this call; says what it took.
    ///
    /// # Errors
    /// When it still remembers at the deadline.
    pub async fn roll_oplog(&self, deadline: Instant) -> Result<String, WitnessError> {
        self.replica_set("roll its oplog over")?.roll_oplog(deadline.into()).await
    }

    /// Ends these sessions and their open transactions, as the server would do by itself at the end of
    /// `transactionLifetimeLimitSeconds`: who began them is dead.
    ///
    /// # Errors
    /// When no server does so before the deadline.
    pub async fn end_sessions(&self, sessions: &[[u8; 16]], deadline: Instant) -> Result<(), WitnessError> {
        match &self.mongodb {
            Some(mongodb) if !sessions.is_empty() => mongodb.end_sessions(sessions, deadline.into()).await,
            _ => Ok(()),
        }
    }

    /// Waits until the cluster is whole: one primary and all others following it; every broker answering, with the same
    /// leaders and every replica of the run's topics in sync.
    ///
    /// # Errors
    /// What is still missing at the deadline.
    pub async fn settled(&self, deadline: Instant) -> Result<(), String> {
        loop {
            let Some(missing) = self.missing().await else { return Ok(()) };
            if Instant::now() + PAUSE >= deadline {
                return Err(missing);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn missing(&self) -> Option<String> {
        let mongodb = async { self.mongodb.as_ref()?.missing().await };
        let kafka = async { self.kafka.as_ref()?.missing().await };
        let (mongodb, kafka) = tokio::join!(mongodb, kafka);
        let missing: Vec<String> = mongodb.into_iter().chain(kafka).collect();
        (!missing.is_empty()).then(|| missing.join("; "))
    }

    fn replica_set(&self, doing: &str) -> Result<&Connection, WitnessError> {
        let missing = || WitnessError::Election { doing: doing.to_owned(), reason: NO_MONGODB.to_owned() };
        self.mongodb.as_ref().ok_or_else(missing)
    }
}

/// Why nobody is primary where there is no database.
const NO_MONGODB: &str = "the workload has no MongoDB; leave this fault out, or choose a workload that has one";

/// Why nobody leads where there is no broker.
const NO_KAFKA: &str = "the workload has no Kafka; leave this fault out, or choose a workload that has one";
