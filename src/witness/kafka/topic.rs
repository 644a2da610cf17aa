//! Creates topics that keep everything, and waits until each partition has a leader.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaErrorCode;

use super::client_config;
use crate::witness::error::WitnessError;
use crate::witness::spec::{KafkaSpec, TopicSpec};

/// How many replicas a topic gets where nobody says: the cluster's own default.
const DEFAULT_REPLICATION: i32 = -1;

/// The pause between two looks at the metadata.
const PAUSE: Duration = Duration::from_millis(20);

/// Creates the topics. Each must be new: records that are there already are not this run's.
pub(super) async fn create(spec: &KafkaSpec, topics: &[TopicSpec], deadline: Instant) -> Result<(), WitnessError> {
    let bootstrap = &spec.bootstrap;
    let admin: AdminClient<DefaultClientContext> =
        client_config(spec).create().map_err(|error| refused(bootstrap, "create topics", &error))?;
    let replication = spec.replication.and_then(|count| i32::try_from(count).ok()).unwrap_or(DEFAULT_REPLICATION);
    let least: Vec<Option<String>> =
        topics.iter().map(|topic| topic.min_insync_replicas.map(|count| count.to_string())).collect();
    let new: Vec<_> = topics
        .iter()
        .zip(&least)
        .map(|(topic, least)| {
            let topic = NewTopic::new(&topic.name, topic.partition_numbers().end, TopicReplication::Fixed(replication))
                .set("retention.ms", "-1")
                .set("retention.bytes", "-1")
                .set("cleanup.policy", "delete");
            match least {
                Some(least) => topic.set("min.insync.replicas", least),
                None => topic,
            }
        })
        .collect();
    let left = deadline.saturating_duration_since(Instant::now());
    let options = AdminOptions::new().request_timeout(Some(left)).operation_timeout(Some(left));
    let results =
        admin.create_topics(&new, &options).await.map_err(|error| refused(bootstrap, "create topics", &error))?;
    for result in results {
        match result {
            Ok(_) => {}
            Err((topic, RDKafkaErrorCode::TopicAlreadyExists)) => return Err(WitnessError::TopicExists { topic }),
            Err((topic, code)) => return Err(refused(bootstrap, &format!("create topic {topic}"), &code)),
        }
    }
    Ok(())
}

/// Waits until every partition has a leader. Blocks.
pub(super) fn await_leaders(
    handle: &BaseConsumer,
    bootstrap: &str,
    topics: &[TopicSpec],
    deadline: Instant,
) -> Result<(), WitnessError> {
    for topic in topics {
        let mut last = "the metadata does not name its leaders".to_owned();
        while !has_leaders(handle, topic, deadline, &mut last) {
            if Instant::now() + PAUSE >= deadline {
                return Err(refused(bootstrap, &format!("elect leaders for topic {}", topic.name), &last));
            }
            std::thread::sleep(PAUSE);
        }
    }
    Ok(())
}

fn has_leaders(handle: &BaseConsumer, topic: &TopicSpec, deadline: Instant, last: &mut String) -> bool {
    let left = deadline.saturating_duration_since(Instant::now());
    match handle.fetch_metadata(Some(&topic.name), left.min(Duration::from_secs(1))) {
        Ok(metadata) => metadata.topics().iter().any(|seen| {
            seen.name() == topic.name
                && seen.partitions().len() as u64 == u64::from(topic.partitions)
                && seen.partitions().iter().all(|partition| partition.error().is_none() && partition.leader() >= 0)
        }),
        Err(error) => {
            *last = error.to_string();
            false
        }
    }
}

/// Deletes topics, for clusters that outlive the run.
pub(super) async fn delete(spec: &KafkaSpec, topics: &[TopicSpec], deadline: Instant) -> Result<(), WitnessError> {
    let bootstrap = &spec.bootstrap;
    let admin: AdminClient<DefaultClientContext> =
        client_config(spec).create().map_err(|error| refused(bootstrap, "delete topics", &error))?;
    let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    let left = deadline.saturating_duration_since(Instant::now());
    let options = AdminOptions::new().request_timeout(Some(left)).operation_timeout(Some(left));
    let results =
        admin.delete_topics(&names, &options).await.map_err(|error| refused(bootstrap, "delete topics", &error))?;
    for result in results {
        if let Err((topic, code)) = result {
            return Err(refused(bootstrap, &format!("delete topic {topic}"), &code));
        }
    }
    Ok(())
}

pub(in crate::witness) fn refused(bootstrap: &str, doing: &str, reason: &impl ToString) -> WitnessError {
    WitnessError::Kafka { doing: doing.to_owned(), reason: reason.to_string(), bootstrap: bootstrap.to_owned() }
}
