//! Who is primary now, and elections on demand.

use std::time::Duration;

use futures_util::future::join_all;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Document, doc};
use mongodb::error::{Error, ErrorKind};
use tokio::time::Instant;

use super::connection::{Connection, Member, patiently};
use super::eye::MARKS;
use super::look::{Look, look};
use super::pilot::latest;
use crate::witness::error::WitnessError;
use crate::witness::role::Role;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// How long an election on demand may take.
const ELECTED_WITHIN: Duration = Duration::from_secs(20);

/// How long one write may wait for all members, before it is tried with whoever is primary then.
const REPLICATED_WITHIN: Duration = Duration::from_secs(2);

/// The code of a write that was not replicated in time, and of a command that failed for other reasons.
const COMMAND_FAILED: i32 = 125;

impl Connection {
    /// Looks at every member at the same time.
    async fn looks(&self) -> Vec<Option<Look>> {
        join_all(self.members().iter().map(look)).await
    }

    /// The member that is primary now, and its election.
    async fn primary(&self) -> Option<(&Member, ObjectId)> {
        let claims: Vec<_> = self.looks().await.iter().map(|look| look.as_ref()?.election).collect();
        let place = latest(&claims)?;
        Some((&self.members()[place], claims[place]?))
    }

    /// The member that plays a part.
    pub(in crate::witness) async fn resolve(&self, role: &Role, deadline: Instant) -> Result<String, WitnessError> {
        let began = Instant::now();
        loop {
            let looks = self.looks().await;
            let claims: Vec<_> = looks.iter().map(|look| look.as_ref()?.election).collect();
            let player = match role {
                Role::Primary => latest(&claims),
                _ => looks.iter().position(|look| look.as_ref().is_some_and(Look::is_secondary)),
            };
            if let Some(place) = player {
                return Ok(self.members()[place].name.clone());
            }
            if Instant::now() + PAUSE >= deadline {
                let last = self.in_words(&looks);
                return Err(WitnessError::Nobody { role: role.clone(), waited: began.elapsed(), last });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Makes the primary step down and waits for the next one; says who was and who is primary.
    pub(in crate::witness) async fn step_down(&self, seconds: u32) -> Result<String, WitnessError> {
        let deadline = Instant::now() + ELECTED_WITHIN + Duration::from_secs(seconds.into());
        let before = self.resolve(&Role::Primary, deadline).await?;
        let failed = |reason: String| WitnessError::Election { doing: format!("make {before} step down"), reason };
        let Some((member, election)) = self.primary().await else {
            return Err(failed("it lost its place just now by itself".to_owned()));
        };
        let before = member.name.clone();
        // The server wants the wait for a secondary to be the shorter one.
        let seconds = seconds.max(2);
        let command = doc! { "replSetStepDown": seconds, "secondaryCatchUpPeriodSecs": (seconds - 1).min(10) };
        let asked = Instant::now();
        match tokio::time::timeout_at(deadline, member.admin(command)).await {
            Ok(Err(error)) if !is_closed(&error) => return Err(failed(error.to_string())),
            Ok(_) => {}
            Err(_) => return Err(failed("it did not answer".to_owned())),
        }
        loop {
            if let Some((member, now)) = self.primary().await
                && now > election
            {
                return Ok(format!("{before} stepped down, {} is primary after {:.1?}", member.name, asked.elapsed()));
            }
            if Instant::now() + PAUSE >= deadline {
                let last = self.in_words(&self.looks().await);
                return Err(failed(format!("nobody was elected in its place: {last}")));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Ends sessions on every member, with their open transactions.
    pub(in crate::witness) async fn end_sessions(
        &self,
        sessions: &[[u8; 16]],
        deadline: Instant,
    ) -> Result<(), WitnessError> {
        let ids: Vec<Document> = sessions
            .iter()
            .map(|id| doc! { "id": Binary { subtype: BinarySubtype::Uuid, bytes: id.to_vec() } })
            .collect();
        for member in self.members() {
            let failed = |reason: String| WitnessError::Election {
                doing: format!("end sessions of a killed client on {}", member.name),
                reason,
            };
            let ended = tokio::time::timeout_at(deadline, member.admin(doc! { "killSessions": &ids })).await;
            ended.map_err(|_| failed("it did not answer".to_owned()))?.map_err(|error| failed(error.to_string()))?;
        }
        Ok(())
    }

    /// Makes a member stand for election until it has won.
    pub(in crate::witness) async fn step_up(&self, name: &str) -> Result<(), WitnessError> {
        let failed = |reason: String| WitnessError::Election { doing: format!("elect {name}"), reason };
        let Some(member) = self.members().iter().find(|member| member.name == name) else {
            let names: Vec<_> = self.members().iter().map(|member| member.name.as_str()).collect();
            return Err(failed(format!("there is no such member, only {}", names.join(", "))));
        };
        let deadline = Instant::now() + ELECTED_WITHIN;
        let mut last = "it did not answer".to_owned();
        loop {
            match tokio::time::timeout_at(deadline, member.admin(doc! { "replSetStepUp": 1 })).await {
                Ok(Ok(_)) => {
                    if look(member).await.is_some_and(|look| look.is_primary()) {
                        return Ok(());
                    }
                    "it has won and does not take writes yet".clone_into(&mut last);
                }
                // Not enough votes, or not yet caught up: the next try may find both.
                Ok(Err(error)) if is_closed(&error) || super::connection::code(&error) == Some(COMMAND_FAILED) => {
                    last = error.to_string();
                }
                Ok(Err(error)) => return Err(failed(error.to_string())),
                Err(_) => return Err(failed(last)),
            }
            if Instant::now() + PAUSE >= deadline {
                return Err(failed(last));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Writes a mark, and waits until every member has it.
    pub(in crate::witness) async fn replicate_everywhere(&self, deadline: Instant) -> Result<(), WitnessError> {
        let members = i64::try_from(self.members().len()).expect("a replica set has at most 50 members");
        patiently("replicate a write to every member", deadline, || async {
            let left = deadline.saturating_duration_since(Instant::now()).min(REPLICATED_WITHIN);
            let mark = doc! { "_id": ObjectId::new(), "replicated": "everywhere" };
            let write = doc! {
                "insert": MARKS,
                "documents": [mark],
                "writeConcern": { "w": members, "wtimeout": left.as_millis() as i64 },
            };
            let answer = self.database().run_command(write).await?;
            // The driver does not look for it in the answer to a bare command.
            unreplicated(&answer)
                .map_or(Ok(()), |_| Err(Error::from(std::io::Error::from(std::io::ErrorKind::TimedOut))))
        })
        .await
    }

    /// What is still missing until exactly one member is primary and all others follow it.
    pub(in crate::witness) async fn missing(&self) -> Option<String> {
        let looks = self.looks().await;
        let primaries = looks.iter().flatten().filter(|look| look.is_primary()).count();
        let secondaries = looks.iter().flatten().filter(|look| look.is_secondary()).count();
        (primaries != 1 || primaries + secondaries < looks.len()).then(|| self.in_words(&looks))
    }

    fn in_words(&self, looks: &[Option<Look>]) -> String {
        let state = |look: &Option<Look>| look.as_ref().map_or("silent".to_owned(), |look| look.state.clone());
        let each: Vec<_> = self
            .members()
            .iter()
            .zip(looks)
            .map(|(member, look)| format!("{} is {}", member.name, state(look)))
            .collect();
        each.join(", ")
    }
}

fn unreplicated(answer: &Document) -> Option<&Document> {
    answer.get_document("writeConcernError").ok()
}

/// Whether a connection ended under the question: members close theirs when their state changes.
fn is_closed(error: &Error) -> bool {
    matches!(
        error.kind.as_ref(),
        ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } | ErrorKind::ServerSelection { .. }
    )
}
