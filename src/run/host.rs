//! The machine, for `run.json`.

use crate::environment::Kind;
use crate::environment::docker::Images;
use crate::environment::local::Cache;
use crate::environment::local::install::{Component, status};
use crate::scenario::manifest::Node;
use crate::scenario::resolved::Resolved;
use crate::store::{Host, Versions};

/// The versions of everything that takes part.
pub(super) fn versions(resolved: &Resolved, kind: &Kind) -> Versions {
    let installed = Cache::from_environment().map(|cache| status(&cache)).unwrap_or_default();
    // A user's own server tells its version in its log only.
    let version_of = |component: Component| {
        let found = installed.iter().find(|status| status.component == component)?;
        Some(if found.own.is_some() { "the user's own".to_owned() } else { component.version().to_owned() })
    };
    if let Some(external) = kind.external() {
        return Versions {
            torn: env!("CARGO_PKG_VERSION").to_owned(),
            mongodb: external.mongodb.as_ref().map(|mongodb| mongodb.version.clone()),
            // A broker tells which requests it knows, not its version.
            kafka: None,
            toxiproxy: version_of(Component::Toxiproxy),
        };
    }
    if *kind == Kind::Docker {
        let Images { mongodb, kafka, toxiproxy } = Images::from_environment();
        let has = |node| resolved.nodes().contains(&node);
        return Versions {
            torn: env!("CARGO_PKG_VERSION").to_owned(),
            mongodb: has(Node::Mongodb).then_some(mongodb.reference),
            kafka: has(Node::Kafka).then_some(kafka.reference),
            toxiproxy: Some(toxiproxy.reference),
        };
    }
    let of = |node: Node, component| resolved.nodes().contains(&node).then(|| version_of(component)).flatten();
    Versions {
        torn: env!("CARGO_PKG_VERSION").to_owned(),
        mongodb: of(Node::Mongodb, Component::Mongodb),
        kafka: of(Node::Kafka, Component::Kafka),
        toxiproxy: version_of(Component::Toxiproxy),
    }
}

/// What can be told of this machine; zero or empty where it does not say.
pub(super) fn describe() -> Host {
    let memory = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
    });
    let kernel = ["/proc/sys/kernel/ostype", "/proc/sys/kernel/osrelease"]
        .map(|path| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned())
        .join(" ");
    Host {
        name: nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        cpus: std::thread::available_parallelism().map_or(0, |count| u32::try_from(count.get()).unwrap_or(u32::MAX)),
        memory: memory.unwrap_or(0),
        kernel,
    }
}
