//! From what each broker says to what holds, and from there to what has happened (pure).
//!
//! A broker that is cut off from the others goes on telling old news. The highest leader epoch is the latest election; of
//! those that tell it, more than half must agree on the replicas in sync, else what held before holds on.

use std::collections::BTreeMap;

use super::log::WITNESS;
use super::wire::{Metadata, Partition};
use crate::history::entry::{ClusterEvent, ClusterStep, Nanos};

/// What holds of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    /// Absent: nobody leads it.
    pub(super) leader: Option<i32>,
    pub(super) epoch: i32,
    pub(super) in_sync: Vec<i32>,
    pub(super) replicas: Vec<i32>,
}

/// A partition: the topic's real name, the number.
pub(super) type Key = (String, i32);

/// What holds of each partition, as far as the answers settle it.
pub(super) fn merged<'a>(answers: impl Iterator<Item = &'a Metadata> + Clone) -> BTreeMap<Key, State> {
    let mut newest = BTreeMap::<Key, Vec<State>>::new();
    for partition in answers.flat_map(|answer| &answer.partitions) {
        let states = newest.entry((partition.topic.clone(), partition.number)).or_default();
        let latest = states.first().map_or(i32::MIN, |state| state.epoch);
        if partition.epoch > latest {
            states.clear();
        }
        if partition.epoch >= latest {
            states.push(State::of(partition));
        }
    }
    let settled = newest.into_iter().filter_map(|(key, states)| {
        let agree = |one: &State| states.iter().filter(|other| *other == one).count() * 2 > states.len();
        Some((key, states.iter().find(|state| agree(state))?.clone()))
    });
    settled.collect()
}

impl State {
    pub(super) fn of(partition: &Partition) -> Self {
        let sorted = |ids: &[i32]| {
            let mut ids = ids.to_vec();
            ids.sort_unstable();
            ids
        };
        Self {
            leader: (partition.leader >= 0).then_some(partition.leader),
            epoch: partition.epoch,
            in_sync: sorted(&partition.in_sync),
            replicas: sorted(&partition.replicas),
        }
    }
}

/// What brokers and topics are called.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    /// Broker id → `kafka-1`.
    pub(super) brokers: BTreeMap<i32, String>,
    /// Real topic name → the manifest's.
    pub(super) topics: BTreeMap<String, String>,
}

impl Names {
    pub(super) fn broker(&self, id: i32) -> String {
        self.brokers.get(&id).cloned().unwrap_or_else(|| format!("broker {id}"))
    }

    pub(super) fn partition(&self, (topic, number): &Key) -> String {
        format!("{}/{number}", self.topics.get(topic).unwrap_or(topic))
    }

    fn list(&self, ids: &[i32]) -> Vec<String> {
        ids.iter().map(|id| self.broker(*id)).collect()
    }
}

/// What was last known of the cluster.
#[derive(Debug, Default)]
pub(super) struct Chronicle {
    partitions: BTreeMap<Key, State>,
    /// Member → whether it answered.
    answering: BTreeMap<String, bool>,
}

impl Chronicle {
    /// What has happened since the last look: the answer of each member, if it gave one.
    pub(super) fn take(
        &mut self,
        at: Nanos,
        names: &Names,
        answers: &[(String, Option<Metadata>)],
    ) -> Vec<ClusterEvent> {
        let mut events = Vec::new();
        for (member, answer) in answers {
            let answers = answer.is_some();
            let answered = self.answering.insert(member.clone(), answers);
            let (step, detail) = match (answered, answers) {
                (None | Some(true), false) => (ClusterStep::BrokerLost, "it does not answer"),
                (Some(false), true) => (ClusterStep::BrokerBack, "it answers again"),
                _ => continue,
            };
            let detail = Some(detail.to_owned());
            events.push(ClusterEvent { member: Some(member.clone()), detail, ..ClusterEvent::new(at, WITNESS, step) });
        }
        for (key, now) in merged(answers.iter().filter_map(|(_, answer)| answer.as_ref())) {
            let before = self.partitions.get(&key);
            if before.is_some_and(|before| before.epoch > now.epoch) {
                // Whoever knew better is silent now.
                continue;
            }
            if before.is_none_or(|before| (before.leader, before.epoch) != (now.leader, now.epoch)) {
                events.push(led(at, names, &key, before, &now));
            }
            if before.is_none_or(|before| before.in_sync != now.in_sync) {
                events.push(in_sync(at, names, &key, &now));
            }
            self.partitions.insert(key, now);
        }
        events
    }
}

fn led(at: Nanos, names: &Names, key: &Key, before: Option<&State>, now: &State) -> ClusterEvent {
    let name = |leader: Option<i32>| leader.map_or_else(|| "nobody".to_owned(), |leader| names.broker(leader));
    let who = match before {
        None => name(now.leader),
        Some(before) => format!("{} → {}", name(before.leader), name(now.leader)),
    };
    ClusterEvent {
        member: now.leader.map(|leader| names.broker(leader)),
        partition: Some(names.partition(key)),
        term: Some(i64::from(now.epoch)),
        detail: Some(format!("{who}, leader epoch {}", now.epoch)),
        ..ClusterEvent::new(at, WITNESS, ClusterStep::Leader)
    }
}

fn in_sync(at: Nanos, names: &Names, key: &Key, now: &State) -> ClusterEvent {
    let missing: Vec<i32> = now.replicas.iter().copied().filter(|id| !now.in_sync.contains(id)).collect();
    let (here, missing) = (names.list(&now.in_sync), names.list(&missing));
    let without = if missing.is_empty() { "all".to_owned() } else { format!("without {}", missing.join(", ")) };
    ClusterEvent {
        partition: Some(names.partition(key)),
        detail: Some(format!("{}; {without}", here.join(", "))),
        in_sync: Some(here),
        replicas: Some(now.replicas.len() as u32),
        ..ClusterEvent::new(at, WITNESS, ClusterStep::InSync)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(leader: i32, epoch: i32, in_sync: &[i32]) -> Metadata {
        let topic = "run.purchases".to_owned();
        let replicas = vec![1, 2, 3];
        let partition = Partition { topic, number: 0, leader, epoch, replicas, in_sync: in_sync.to_vec() };
        Metadata { brokers: Vec::new(), partitions: vec![partition] }
    }

    fn names() -> Names {
        let brokers = (1..=3).map(|id| (id, format!("kafka-{id}"))).collect();
        Names { brokers, topics: BTreeMap::from([("run.purchases".to_owned(), "purchases".to_owned())]) }
    }

    /// What looks come to, each event as `step member detail`.
    fn told(looks: &[[Option<Metadata>; 3]]) -> Vec<String> {
        let (mut chronicle, names) = (Chronicle::default(), names());
        let mut all = Vec::new();
        for look in looks {
            let answers: Vec<_> = (1..).zip(look).map(|(id, answer)| (format!("kafka-{id}"), answer.clone())).collect();
            let events = chronicle.take(7, &names, &answers);
            all.extend(events.into_iter().map(|event| {
                let who = event.member.or(event.partition).unwrap_or_default();
                format!("{:?} {who} {}", event.event, event.detail.unwrap_or_default())
            }));
        }
        all
    }

    /// The first look, which every story begins with.
    fn calm() -> [Option<Metadata>; 3] {
        let one = Some(answer(1, 4, &[1, 2, 3]));
        [one.clone(), one.clone(), one]
    }

    const CALM: [&str; 2] =
        ["Leader kafka-1 kafka-1, leader epoch 4", "InSync purchases/0 kafka-1, kafka-2, kafka-3; all"];

    #[test]
    fn a_leader_that_is_cut_off_tells_old_news() {
        let (old, new) = (Some(answer(1, 4, &[3, 2, 1])), Some(answer(3, 5, &[2, 3])));
        let looks = [calm(), [old.clone(), old.clone(), new.clone()], [old, new.clone(), new]];
        let later = [
            "Leader kafka-3 kafka-1 → kafka-3, leader epoch 5",
            "InSync purchases/0 kafka-2, kafka-3; without kafka-1",
        ];
        assert_eq!(told(&looks), [CALM, later].concat());
    }

    #[test]
    fn replicas_in_sync_change_when_more_than_half_say_so() {
        let (old, new) = (Some(answer(1, 4, &[1, 2, 3])), Some(answer(1, 4, &[1, 2])));
        let undecided = [calm(), [old.clone(), new.clone(), None]];
        assert_eq!(told(&undecided)[2..], ["BrokerLost kafka-3 it does not answer"]);
        let decided = [calm(), [new.clone(), new, old]];
        assert_eq!(told(&decided)[2..], ["InSync purchases/0 kafka-1, kafka-2; without kafka-3"]);
    }

    #[test]
    fn a_killed_broker_is_lost_and_comes_back_and_nobody_leads_meanwhile() {
        let nobody = Some(answer(-1, 5, &[1]));
        let again = Some(answer(1, 6, &[1]));
        let looks = [calm(), [None, nobody.clone(), nobody], [again.clone(), again.clone(), again]];
        let expected = [
            "BrokerLost kafka-1 it does not answer",
            "Leader purchases/0 kafka-1 → nobody, leader epoch 5",
            "InSync purchases/0 kafka-1; without kafka-2, kafka-3",
            "BrokerBack kafka-1 it answers again",
            "Leader kafka-1 nobody → kafka-1, leader epoch 6",
        ];
        assert_eq!(told(&looks)[2..], expected);
    }

    #[test]
    fn old_news_stay_old_when_whoever_knew_better_is_silent() {
        let (old, new) = (Some(answer(1, 4, &[1, 2, 3])), Some(answer(2, 5, &[2, 3])));
        let looks = [calm(), [old.clone(), new.clone(), new], [old, None, None]];
        assert_eq!(told(&looks).len(), 2 + 2 + 2, "{:?}", told(&looks));
    }
}
