//! Asks every broker by itself, a few times a second, and tells what happened to leaders and replicas.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::view::{Chronicle, Names};
use super::wire::{Metadata, Wire};
use crate::history::entry::Entry;
use crate::witness::journal::Journal;
use crate::witness::spec::KafkaSpec;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// How long a broker may take to answer; one that does not is lost.
const ANSWER_AT_MOST: Duration = Duration::from_millis(500);

/// The brokers of a run, each on a connection of its own; cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::witness) struct Brokers {
    members: Arc<[Broker]>,
    /// The manifest's topic name → its real one.
    topics: Arc<BTreeMap<String, String>>,
}

#[derive(Debug)]
struct Broker {
    name: String,
    address: String,
    /// Between two questions; a question that was not answered in time takes its connection along.
    wire: Mutex<Option<Wire>>,
}

impl Brokers {
    pub(super) fn new(spec: &KafkaSpec) -> Self {
        let member = |(name, address): &(String, String)| Broker {
            name: name.clone(),
            address: address.clone(),
            wire: Mutex::new(None),
        };
        Self {
            members: spec.members.iter().map(member).collect(),
            topics: Arc::new(spec.topics.iter().map(|(name, topic)| (name.clone(), topic.name.clone())).collect()),
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.members.len()
    }

    /// A topic's real name.
    pub(super) fn topic(&self, name: &str) -> Option<&str> {
        self.topics.get(name).map(String::as_str)
    }

    /// Whether the run has any.
    pub(super) fn has_topics(&self) -> bool {
        !self.topics.is_empty()
    }

    /// What each broker says now, if it answers.
    pub(super) async fn ask(&self) -> Vec<(String, Option<Metadata>)> {
        let topics: Vec<String> = self.topics.values().cloned().collect();
        let asked = self.members.iter().map(|broker| async {
            let answer = tokio::time::timeout(ANSWER_AT_MOST, broker.ask(&topics)).await;
            (broker.name.clone(), answer.ok().flatten())
        });
        join_all(asked).await
    }

    /// What the brokers are called, by the ids that their answers tell.
    pub(super) fn names(&self, answers: &[(String, Option<Metadata>)]) -> Names {
        let mut brokers = BTreeMap::new();
        // A cluster's members are numbered as their brokers are; where an address is known, it is the better proof.
        for broker in self.members.iter() {
            if let Some(id) = broker.name.rsplit_once('-').and_then(|(_, number)| number.parse().ok()) {
                brokers.insert(id, broker.name.clone());
            }
        }
        for (id, address) in answers.iter().filter_map(|(_, answer)| answer.as_ref()).flat_map(|answer| &answer.brokers)
        {
            if let Some(broker) = self.members.iter().find(|broker| broker.address == *address) {
                brokers.insert(*id, broker.name.clone());
            }
        }
        let topics = self.topics.iter().map(|(name, real)| (real.clone(), name.clone())).collect();
        Names { brokers, topics }
    }

    /// Watches until the task is dropped; the first look is told when this returns. Nothing where there is only one.
    pub(super) async fn watch(&self, journal: Journal) -> JoinSet<()> {
        let mut task = JoinSet::new();
        if self.count() < 2 {
            return task;
        }
        let (mut chronicle, mut names) = (Chronicle::default(), Names::default());
        self.look(&mut chronicle, &mut names, &journal).await;
        let brokers = self.clone();
        task.spawn(async move {
            loop {
                tokio::time::sleep(PAUSE).await;
                brokers.look(&mut chronicle, &mut names, &journal).await;
            }
        });
        task
    }

    async fn look(&self, chronicle: &mut Chronicle, names: &mut Names, journal: &Journal) {
        let answers = self.ask().await;
        let now = self.names(&answers);
        names.topics = now.topics;
        // Those that were known stay known while nobody tells of them.
        names.brokers.extend(now.brokers);
        for event in chronicle.take(journal.now(), names, &answers) {
            journal.tell(Entry::Cluster(event));
        }
    }
}

impl Broker {
    /// Asks on the connection that is there, and once more on a new one: the broker may have been restarted.
    async fn ask(&self, topics: &[String]) -> Option<Metadata> {
        let mut kept = self.wire.lock().await;
        if let Some(mut wire) = kept.take()
            && let Ok(metadata) = wire.ask(topics).await
        {
            *kept = Some(wire);
            return Some(metadata);
        }
        let mut wire = Wire::dial(&self.address).await.ok()?;
        let metadata = wire.ask(topics).await.ok()?;
        *kept = Some(wire);
        Some(metadata)
    }
}
