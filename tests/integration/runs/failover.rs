//! Clusters of three under whole runs: the servers stay up from one to the next, roles are resolved when a fault strikes,
//! and what failover loses is found where it can be lost and not where it cannot.

use std::collections::BTreeMap;

use tornwrite::checker::verdict::AnomalyKind;
use tornwrite::history::cluster::ClusterStep;
use tornwrite::history::entry::{Entry, FaultStep};

use super::{desk, manifest};

const SCENARIO: &str = r#"
workload = "manifest.toml"
seed = 5
drain_deadline = "60s"

[mongodb]
nodes = 3
oplog_mb = 64

[kafka]
brokers = 3
min_insync_replicas = 2

[load]
rate = 80
duration = "8s"
warm_up = "500ms"
timeout = "4s"
keys.product = { count = 12, distribution = "hot", hot_keys = 1, hot_share = 0.4 }
mix = { purchase = 3, read = 1 }

[parameters]
initial_stock = 120

[[variant]]
name = "outbox"
pattern = { stock = "conditional", write = "outbox", relay = "polling", consumer = "inbox" }

[matrix.axis.case]
one = { pattern = { write_concern = "one" }, fault = [{ at = "1s", for = "5s", isolate = "primary" }] }
majority = { pattern = { read_concern = "linearizable" }, fault = [{ at = "1s", for = "5s", two_primaries = "mongodb" }] }
leader = { pattern = { acks = "one" }, fault = [{ at = "1s", for = "6s", isolate = "leader:purchases-0" }] }
rest = { fault = [
    { at = "1s", for = "2s", step_down = "mongodb" },
    { at = "4s", for = "1s", halves = ["secondary", "relay"] },
    { at = "6s", roll_oplog = "mongodb" },
    { at = "6s", kill = "follower:purchases-1", unreplicated_for = "200ms", restart_after = "500ms" },
] }
"#;

#[test]
fn what_a_majority_has_survives_its_primary_and_what_one_has_does_not() {
    let desk = desk(&manifest(), SCENARIO);
    let ended = desk.torn(&["run", "scenario.toml", "--no-progress"]).with_code(0);
    let runs: BTreeMap<String, _> =
        desk.runs().into_iter().map(|(name, run)| (name.trim_start_matches("case-").to_owned(), run)).collect();
    assert_eq!(runs.keys().collect::<Vec<_>>(), ["leader", "majority", "one", "rest"], "{ended}");
    let lost = |case: &str, kind: AnomalyKind| {
        let judgement = runs[case].judgement();
        judgement.anomalies.iter().filter(|anomaly| anomaly.kind == kind).map(|anomaly| anomaly.count).sum::<u64>()
    };
    assert!(lost("one", AnomalyKind::LostAcknowledgedWrite) > 0, "{ended}");
    assert!(lost("leader", AnomalyKind::LostEvent) > 0, "{ended}");
    for kind in [AnomalyKind::LostAcknowledgedWrite, AnomalyKind::LostEvent, AnomalyKind::StaleRead] {
        assert_eq!(lost("majority", kind), 0, "{kind:?}: {ended}");
    }
    for (case, run) in &runs {
        let entries = run.entries();
        let faults: Vec<_> = entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Fault(fault) => Some(fault),
                _ => None,
            })
            .collect();
        let confirmed: Vec<_> = faults.iter().filter(|fault| fault.step == FaultStep::Confirmed).collect();
        assert_eq!(confirmed.len(), if case == "rest" { 4 } else { 1 }, "{case}: {faults:?}");
        assert!(!faults.iter().any(|fault| fault.step == FaultStep::Failed), "{case}: {faults:?}");
        for fault in confirmed {
            // Whoever played the role is named in its place.
            let is_role =
                |name: &String| name.contains("primary") || name.contains("leader") || name.contains("follower");
            assert!(!fault.targets.iter().any(is_role), "{case}: {fault:?}");
        }
        let steps: Vec<ClusterStep> = entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Cluster(event) => Some(event.event),
                _ => None,
            })
            .collect();
        let expected = match case.as_str() {
            "one" => ClusterStep::RolledBack,
            "leader" => ClusterStep::InSync,
            _ => ClusterStep::Elected,
        };
        assert!(steps.contains(&expected), "{case}: {steps:?}");
    }
}
