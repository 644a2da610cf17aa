//! What a cluster is made of.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::environment::EnvironmentError;
use crate::scenario::manifest::Node;

/// So many of a kind find together within seconds on one host, and no more are needed to fail over.
const MOST_MEMBERS: u32 = 7;

/// Processes are numbered in one byte of their addresses.
const MOST_PROCESSES: usize = 250;

/// What a cluster is made of.
#[derive(Debug, Clone)]
pub struct ClusterSpec {
    /// Members of the replica set: none, or an odd number.
    pub mongodb_nodes: u32,
    /// The size of each member's oplog.
    pub oplog_mb: u32,
    /// Brokers: none, or an odd number, as each is a controller too.
    pub kafka_brokers: u32,
    /// How many replicas must have a record before `acks=all` is answered; the brokers' default for topics.
    pub min_insync_replicas: u32,
    /// Who dials from outside, by instance, and what.
    pub clients: Vec<(String, Vec<Node>)>,
    /// How long the members may take from their start until they work together.
    pub form_within: Duration,
}

impl Default for ClusterSpec {
    /// Three of each, without clients.
    fn default() -> Self {
        Self {
            mongodb_nodes: 3,
            oplog_mb: 64,
            kafka_brokers: 3,
            min_insync_replicas: 2,
            clients: Vec::new(),
            form_within: Duration::from_secs(90),
        }
    }
}

impl ClusterSpec {
    /// How many members of a kind there are.
    pub(super) fn members(&self, node: Node) -> u32 {
        match node {
            Node::Mongodb => self.mongodb_nodes,
            Node::Kafka => self.kafka_brokers,
        }
    }

    /// Refuses what cannot work.
    pub(super) fn check(&self) -> Result<(), EnvironmentError> {
        let unfit = |problem: String| Err(EnvironmentError::UnfitCluster { problem });
        for (key, count) in [("mongodb.nodes", self.mongodb_nodes), ("kafka.brokers", self.kafka_brokers)] {
            if count > MOST_MEMBERS || (count > 0 && count % 2 == 0) {
                return unfit(format!("{key} is {count}; it can be 1, 3, 5 or {MOST_MEMBERS}"));
            }
        }
        if self.mongodb_nodes > 0 && self.oplog_mb == 0 {
            return unfit("mongodb.oplog_mb is 0; the smallest oplog has 1 MB, the usual one 64".to_owned());
        }
        if self.kafka_brokers > 0 && !(1..=self.kafka_brokers).contains(&self.min_insync_replicas) {
            let (wanted, brokers) = (self.min_insync_replicas, self.kafka_brokers);
            return unfit(format!("kafka.min_insync_replicas is {wanted}; it can be 1 to {brokers}, the brokers"));
        }
        let mut names = BTreeSet::new();
        if let Some((twice, _)) = self.clients.iter().find(|(name, _)| !names.insert(name)) {
            return unfit(format!("two of its clients are named {twice}; name each instance once"));
        }
        if self.clients.len() > MOST_PROCESSES - 2 * MOST_MEMBERS as usize {
            return unfit(format!("{} clients are more than it can tell apart; start fewer", self.clients.len()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_with_its_key() {
        let usual = ClusterSpec::default;
        usual().check().expect("three of each is the usual cluster");
        ClusterSpec { mongodb_nodes: 0, oplog_mb: 0, ..usual() }.check().expect("no MongoDB needs no oplog");
        let refused = [
            (ClusterSpec { mongodb_nodes: 2, ..usual() }, "mongodb.nodes is 2"),
            (ClusterSpec { kafka_brokers: 9, ..usual() }, "kafka.brokers is 9"),
            (ClusterSpec { oplog_mb: 0, ..usual() }, "mongodb.oplog_mb is 0"),
            (ClusterSpec { min_insync_replicas: 0, ..usual() }, "kafka.min_insync_replicas is 0"),
            (ClusterSpec { kafka_brokers: 1, ..usual() }, "kafka.min_insync_replicas is 2; it can be 1 to 1"),
            (ClusterSpec { clients: vec![("api-1".to_owned(), Vec::new()); 2], ..usual() }, "named api-1"),
            (ClusterSpec { clients: (0..300).map(|n| (format!("api-{n}"), Vec::new())).collect(), ..usual() }, "300"),
        ];
        for (spec, expected) in refused {
            let said = spec.check().expect_err(expected).to_string();
            assert!(said.contains(expected), "{said}");
        }
    }
}
