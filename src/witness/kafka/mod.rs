//! The Kafka witness: every committed record of the observed topics, from offset 0.
//!
//! In reading order:
//! - [`eye`]: starts the witness, catches up, stops
//! - [`topic`]: creates topics and waits for their leaders
//! - [`log`]: the consumer's thread
//! - [`extent`]: which offsets of a partition hold records (pure)
//! - [`record`]: a message as a history entry (pure)
//! - [`wire`], [`view`], [`cluster`]: what each broker says of leaders and replicas, what holds, and what happened
//! - [`role`]: who leads or follows now
//! - [`group`]: committed offsets and lag of consumer groups

mod cluster;
pub mod extent;
mod eye;
mod group;
mod log;
mod record;
mod role;
mod topic;
mod view;
mod wire;

pub(super) use cluster::Brokers;
pub(super) use eye::KafkaEye;
pub(super) use group::{GroupProbe, GroupSample};
pub(super) use topic::refused;

use rdkafka::ClientConfig;

use super::spec::KafkaSpec;

/// What all handles share: after a restart of the broker they are back within half a second, not ten.
pub(super) fn client_config(spec: &KafkaSpec) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &spec.bootstrap)
        .set("client.id", "torn-witness")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false");
    for (key, value) in &spec.settings {
        config.set(key, value.reveal());
    }
    config
}
