//! The Kafka witness: every committed record of the observed topics, from offset 0.
//!
//! In reading order:
//! - [`eye`]: starts the witness, catches up, stops
//! - [`topic`]: creates topics and waits for their leaders
//! - [`log`]: the consumer's thread
//! - [`extent`]: which offsets of a partition hold records (pure)
//! - [`record`]: a message as a history entry (pure)
//! - [`group`]: committed offsets and lag of consumer groups

pub mod extent;
mod eye;
mod group;
mod log;
mod record;
mod topic;

pub(super) use eye::KafkaEye;
pub(super) use group::{GroupProbe, GroupSample};

use rdkafka::ClientConfig;

/// What all handles share: after a restart of the broker they are back within half a second, not ten.
fn client_config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("client.id", "torn-witness")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false");
    config
}
