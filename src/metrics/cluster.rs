//! What clusters did by themselves: before the load, and from its start on.

use std::collections::{BTreeMap, BTreeSet};

use super::measurement::{Cluster, ClusterMark, InSync};
use super::quantile::rounded;
use super::tally::Tally;
use crate::history::entry::{ClusterEvent, ClusterStep, Nanos};

/// What one member did to several partitions within this time is told in one sentence: it is one election of many leaders.
const TOGETHER: Nanos = 300_000_000;

/// Everything that happened, as seconds of the load.
pub(super) fn cluster(tally: &Tally) -> Cluster {
    let start = tally.load_start();
    let (before, during): (Vec<&ClusterEvent>, Vec<&ClusterEvent>) =
        tally.clusters.iter().partition(|event| event.at < start);
    let relative = |at: Nanos| rounded(at.saturating_sub(start) as f64 / 1e9);
    Cluster {
        before: standing(&before),
        marks: gathered(&during)
            .into_iter()
            .map(|together| ClusterMark {
                at: relative(together[0].at),
                event: together[0].event,
                what: in_words(&together),
            })
            .collect(),
        in_sync: in_sync(&before, &during, relative),
    }
}

/// How each member and partition stood when the load began.
fn standing(events: &[&ClusterEvent]) -> Vec<String> {
    let mut members = BTreeMap::new();
    let mut leaders = BTreeMap::new();
    let mut short = BTreeMap::new();
    for event in events {
        match (&event.member, &event.partition, event.event) {
            (Some(member), None, ClusterStep::Elected) => _ = members.insert(member, "primary".to_owned()),
            (Some(member), None, ClusterStep::State | ClusterStep::SteppedDown) => {
                _ = members.insert(member, event.detail.as_deref().unwrap_or("?").to_lowercase());
            }
            (Some(member), None, ClusterStep::BrokerLost) => _ = members.insert(member, "silent".to_owned()),
            (Some(member), None, ClusterStep::BrokerBack) => _ = members.remove(member),
            (leader, Some(partition), ClusterStep::Leader) => _ = leaders.insert(partition, leader.clone()),
            (_, Some(partition), ClusterStep::InSync) => _ = short.insert(partition, missing(event)),
            _ => {}
        }
    }
    let mut lines = Vec::new();
    if !members.is_empty() {
        let members: Vec<String> = members.iter().map(|(member, state)| format!("{member} {state}")).collect();
        lines.push(members.join(", "));
    }
    let mut by_leader = BTreeMap::<String, Vec<&str>>::new();
    for (partition, leader) in leaders {
        by_leader.entry(leader.unwrap_or_else(|| "nobody".to_owned())).or_default().push(partition);
    }
    lines.extend(by_leader.into_iter().map(|(leader, partitions)| format!("{leader} leads {}", partitions.join(", "))));
    short.retain(|_, missing| *missing > 0);
    lines
        .extend(short.into_iter().map(|(partition, missing)| format!("{missing} replicas of {partition} not in sync")));
    lines
}

/// How many replicas are not in sync.
fn missing(event: &ClusterEvent) -> u64 {
    let in_sync = event.in_sync.as_ref().map_or(0, Vec::len) as u64;
    u64::from(event.replicas.unwrap_or(0)).saturating_sub(in_sync)
}

/// Events that are one happening: many partitions, the same news, nearly the same time.
fn gathered<'a>(events: &[&'a ClusterEvent]) -> Vec<Vec<&'a ClusterEvent>> {
    let mut gathered: Vec<Vec<&ClusterEvent>> = Vec::new();
    for event in events {
        let key = |event: &ClusterEvent| (event.event, event.member.clone(), event.in_sync.clone());
        let fits = |together: &&mut Vec<&ClusterEvent>| {
            event.partition.is_some() && key(together[0]) == key(event) && event.at < together[0].at + TOGETHER
        };
        match gathered.iter_mut().rev().find(fits) {
            Some(together) => together.push(event),
            None => gathered.push(vec![event]),
        }
    }
    gathered
}

fn in_words(together: &[&ClusterEvent]) -> String {
    let event = together[0];
    let member = event.member.as_deref().unwrap_or("nobody");
    let detail = event.detail.as_deref().unwrap_or_default();
    let partitions: BTreeSet<&str> = together.iter().filter_map(|event| event.partition.as_deref()).collect();
    let partitions = partitions.into_iter().collect::<Vec<_>>().join(", ");
    match event.event {
        ClusterStep::Elected => format!("{member} was elected primary ({detail})"),
        ClusterStep::SteppedDown => format!("{member} stepped down and is {detail}"),
        ClusterStep::State if detail == "DOWN" => format!("{member} does not answer"),
        ClusterStep::State => format!("{member} is {detail}"),
        ClusterStep::RolledBack => format!("{member} undid writes that the others never had ({detail})"),
        ClusterStep::Leader => match together {
            [one] => format!("{member} leads {partitions} ({})", one.detail.as_deref().unwrap_or_default()),
            _ => format!("{member} leads {partitions}"),
        },
        ClusterStep::InSync => {
            let here = event.in_sync.as_deref().unwrap_or_default();
            let names = if here.is_empty() { "none".to_owned() } else { here.join(", ") };
            format!("in sync of {partitions}: {names} ({} of {})", here.len(), event.replicas.unwrap_or(0))
        }
        ClusterStep::BrokerLost => format!("{member} does not answer"),
        ClusterStep::BrokerBack => format!("{member} answers again"),
    }
}

/// The least number of replicas in sync over the partitions of each topic, wherever it changed; empty where it never fell
/// below the full number.
fn in_sync(
    before: &[&ClusterEvent],
    during: &[&ClusterEvent],
    relative: impl Fn(Nanos) -> f64,
) -> BTreeMap<String, InSync> {
    let mut topics = BTreeMap::<String, InSync>::new();
    let mut counts = BTreeMap::<&str, BTreeMap<&str, u32>>::new();
    let places = before.iter().map(|event| (0.0, event)).chain(during.iter().map(|event| (relative(event.at), event)));
    for (at, event) in places {
        let (Some(partition), Some(here)) = (&event.partition, &event.in_sync) else { continue };
        let topic = partition.rsplit_once('/').map_or(partition.as_str(), |(topic, _)| topic);
        let counts = counts.entry(topic).or_default();
        counts.insert(partition, here.len() as u32);
        let least = counts.values().copied().min().unwrap_or(0);
        let known = topics.entry(topic.to_owned()).or_default();
        known.replicas = known.replicas.max(event.replicas.unwrap_or(0));
        match known.least.last_mut() {
            Some((_, before)) if *before == least => {}
            Some((when, before)) if *when >= at => *before = least,
            _ => known.least.push((at, least)),
        }
    }
    topics.retain(|_, known| known.least.iter().any(|(_, least)| *least < known.replicas));
    topics
}
