//! Whole runs of the built `torn`: verdicts in both directions, stored runs judged again, and the bad days.
//!
//! The services are the built-in inventory's, with a shorter silence before absence is judged; loads last seconds.

mod bad_day;
mod both_ways;
mod exact;
mod failover;
mod interruption;
mod load_tool;
mod matrix;
mod stored;
mod sweep;
mod usage;

use crate::torn::Desk;

pub(crate) const OUTBOX: &str =
    r#"pattern = { stock = "conditional", write = "outbox", relay = "polling", consumer = "inbox" }"#;
pub(crate) const NAIVE: &str =
    r#"pattern = { stock = "conditional", write = "outbox", relay = "polling", consumer = "naive" }"#;
pub(crate) const DUAL_WRITE: &str = r#"pattern = { stock = "conditional", write = "dual-write", consumer = "naive" }"#;

/// The inventory's manifest. 4 s of silence are still longer than a send may take (2 s, looked at once a second); for
/// the rest, which waits longer, the drain looks at outbox and lag.
pub(crate) fn manifest() -> String {
    let manifest = include_str!("../../workloads/inventory/manifest.toml");
    replaced(manifest, "settle_after = \"10s\"", "settle_after = \"4s\"")
}

/// A replacement that must have something to replace.
pub(crate) fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "the manifest has {from} once");
    text.replace(from, to)
}

/// A load of this length on 20 products, and what else the scenario says. By zipf 1.1 about a third of 160 pieces a
/// second go to the first product, which sells out at once, also where a busy machine lets through a fraction; half of the
/// others last for longer than the load.
pub(crate) fn scenario(duration: &str, rest: &str) -> String {
    format!(
        r#"workload = "manifest.toml"
seed = 11
drain_deadline = "40s"

[load]
rate = 90
duration = "{duration}"
warm_up = "500ms"
keys.product = {{ count = 20, distribution = "zipf", exponent = 1.1 }}
mix = {{ purchase = 9, read = 1 }}

[parameters]
initial_stock = 30

{rest}
"#
    )
}

/// A desk with the manifest and one scenario on it.
fn desk(manifest: &str, scenario: &str) -> Desk {
    lay_out(Desk::with_stack(), manifest, scenario)
}

pub(crate) fn lay_out(desk: Desk, manifest: &str, scenario: &str) -> Desk {
    desk.write("manifest.toml", manifest);
    desk.write("scenario.toml", scenario);
    desk
}
