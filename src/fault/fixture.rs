//! A workload and scenarios for the tests of this room.

use crate::link::topology::Topology;
use crate::scenario::file::Scenario;
use crate::scenario::manifest::Manifest;
use crate::scenario::resolved::Resolved;

const MANIFEST: &str = r#"
name = "shop"
[axis.write.values]
dual-write = "both stores, one after the other"
outbox = "one transaction"
[process.api]
command = ["shop", "api"]
instances = 2
dependencies = ["mongodb", "kafka"]
[process.relay]
command = ["shop", "relay"]
dependencies = ["mongodb", "kafka"]
when = { write = ["outbox"] }
[process.ghost]
command = ["shop", "ghost"]
dependencies = ["kafka"]
when = { write = ["nothing"] }
[process.legacy]
url = "http://127.0.0.1:1"
dependencies = ["mongodb"]
[topic.purchases]
partitions = 2
[operation.buy]
method = "POST"
path = "/buy"
ok = [200]
[operation.look]
role = "legacy"
method = "GET"
path = "/"
ok = [200]
"#;

const SCENARIO: &str = r#"
workload = "shop"
[load]
rate = 10
duration = "60s"
[[variant]]
name = "dual-write"
pattern = { write = "dual-write" }
[[variant]]
name = "outbox"
pattern = { write = "outbox" }
"#;

/// The workload: `api` (two instances), `relay` (only in variant 1), `ghost` (in none), `legacy` (elsewhere).
pub(super) fn manifest() -> Manifest {
    toml::from_str(MANIFEST).expect("the fixture is a manifest")
}

/// The scenario with further tables, `[[fault]]` and the like.
pub(super) fn scenario(further: &str) -> Scenario {
    toml::from_str(&format!("{SCENARIO}{further}")).expect("the fixture is a scenario")
}

/// Everything that exists in a variant.
pub(super) fn topology() -> Topology {
    Topology::of(&scenario(""), &manifest())
}

/// The same with three servers of each dependency.
pub(super) fn cluster_topology() -> Topology {
    Topology::of(&scenario("\n[mongodb]\nnodes = 3\n[kafka]\nbrokers = 3\n"), &manifest())
}

/// One of the variants: 0 without a relay, 1 with it.
pub(super) fn resolved(scenario: Scenario, variant: usize) -> Resolved {
    Resolved { name: "test".to_owned(), scenario, manifest: manifest(), manifest_folder: "/".into(), variant }
}
