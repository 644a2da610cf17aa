//! How many servers there are, and what is asked of them.

use super::Finding;
use crate::scenario::file::Scenario;

/// So many members can outvote each other; more of them on one host show nothing new.
const COUNTS: [u32; 4] = [1, 3, 5, 7];

/// Everything wrong with `[mongodb]` and `[kafka]`.
pub(super) fn check(scenario: &Scenario, findings: &mut Vec<Finding>) {
    for (key, count) in [("mongodb.nodes", scenario.mongodb.nodes), ("kafka.brokers", scenario.kafka.brokers)] {
        if !COUNTS.contains(&count) {
            findings
                .push((key.to_owned(), format!("expected 1, 3, 5 or 7 (a majority must be possible), found {count}")));
        }
    }
    if scenario.mongodb.oplog_mb == Some(0) {
        findings
            .push(("mongodb.oplog_mb".to_owned(), "expected megabytes, at least 1; 64 rolls over quickly".to_owned()));
    }
    let brokers = scenario.kafka.brokers;
    if let Some(wanted) = scenario.kafka.min_insync_replicas
        && !(1..=brokers).contains(&wanted)
    {
        let message = format!("expected 1 to {brokers}, the number of brokers (kafka.brokers), found {wanted}");
        findings.push(("kafka.min_insync_replicas".to_owned(), message));
    }
}
