//! Who leads or follows a partition now, and whether the cluster is whole: asked of every broker, never from memory.

use std::time::{Duration, Instant};

use super::cluster::Brokers;
use super::view::{Key, Names, State, merged};
use super::wire::Metadata;
use crate::witness::error::WitnessError;
use crate::witness::role::Role;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

impl Brokers {
    /// The broker that plays a part in a partition.
    pub(in crate::witness) async fn resolve(
        &self,
        role: &Role,
        (topic, partition): (&str, i32),
        deadline: Instant,
    ) -> Result<String, WitnessError> {
        let began = Instant::now();
        let impossible = |reason: &str| WitnessError::NoSuchRole { role: role.clone(), reason: reason.to_owned() };
        let real = self.topic(topic).ok_or_else(|| {
            impossible("the workload's manifest has no such topic; write leader:<topic>-<partition> with a name of it")
        })?;
        if self.count() == 0 {
            return Err(impossible("the brokers are not known one by one; name one of them instead"));
        }
        let key = (real.to_owned(), partition);
        loop {
            let answers = self.ask().await;
            let last = match self.player(role, &key, &answers) {
                Ok(broker) => return Ok(broker),
                Err(reason) => reason,
            };
            if Instant::now() + PAUSE >= deadline {
                return Err(WitnessError::Nobody { role: role.clone(), waited: began.elapsed(), last });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn player(&self, role: &Role, key: &Key, answers: &[(String, Option<Metadata>)]) -> Result<String, String> {
        let answering = answers.iter().filter(|(_, answer)| answer.is_some()).count();
        // Fewer may be those that were cut off, with old news.
        if answering * 2 <= self.count() {
            return Err(format!("{answering} of {} brokers answer", self.count()));
        }
        let states = merged(answers.iter().filter_map(|(_, answer)| answer.as_ref()));
        let state = states.get(key).ok_or_else(|| "the brokers do not agree on this partition".to_owned())?;
        let leader = state.leader.ok_or_else(|| "nobody leads this partition".to_owned())?;
        let names = self.names(answers);
        if let Role::Leader { .. } = role {
            return Ok(names.broker(leader));
        }
        let followers = state.in_sync.iter().filter(|id| **id != leader).map(|id| names.broker(*id));
        followers.min().ok_or_else(|| "no replica but the leader's is in sync".to_owned())
    }

    /// What is still missing until every broker answers and gives the same leaders, with every replica in sync.
    pub(in crate::witness) async fn missing(&self) -> Option<String> {
        let answers = self.ask().await;
        if let Some((member, _)) = answers.iter().find(|(_, answer)| answer.is_none()) {
            return Some(format!("{member} does not answer"));
        }
        let names = self.names(&answers);
        answers.iter().find_map(|(member, answer)| self.missing_to(member, answer.as_ref()?, &names, &answers))
    }

    /// What one broker still has to learn.
    fn missing_to(
        &self,
        member: &str,
        answer: &Metadata,
        names: &Names,
        answers: &[(String, Option<Metadata>)],
    ) -> Option<String> {
        if answer.brokers.len() < self.count() {
            return Some(format!("{member} knows of {} of {} brokers", answer.brokers.len(), self.count()));
        }
        if answer.partitions.is_empty() && self.has_topics() {
            return Some(format!("{member} does not know the run's topics yet"));
        }
        let holds = merged(answers.iter().filter_map(|(_, answer)| answer.as_ref()));
        answer.partitions.iter().find_map(|partition| {
            let key = (partition.topic.clone(), partition.number);
            let (state, name) = (State::of(partition), names.partition(&key));
            if holds.get(&key) != Some(&state) {
                return Some(format!("the brokers do not agree on {name}"));
            }
            if state.leader.is_none() {
                return Some(format!("nobody leads {name}"));
            }
            let (in_sync, replicas) = (state.in_sync.len(), state.replicas.len());
            (in_sync < replicas).then(|| format!("{in_sync} of {replicas} replicas of {name} are in sync"))
        })
    }
}
