//! Which links a workload has. Pure; the same for planning faults and for making the links of a run.

use indexmap::IndexMap;

use super::link::{CLIENTS, Link};
use crate::scenario::file::{Scenario, Variant};
use crate::scenario::manifest::{Condition, Manifest, Node, Process};
use crate::scenario::resolved::Resolved;

/// Who there is, and who dials whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    roles: IndexMap<String, Role>,
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Role {
    instances: u32,
    dials: Vec<Node>,
    /// Clients send operations to it.
    serves: bool,
    /// Torn did not start it and cannot end it.
    runs_elsewhere: bool,
}

impl Topology {
    /// Everything that exists in at least one variant; faults are drawn against this, so that variants share them.
    pub fn of(scenario: &Scenario, manifest: &Manifest) -> Self {
        Self::build(scenario, manifest, |process| {
            scenario.variant.iter().any(|variant| applies(variant, &process.when))
        })
    }

    /// What exists in one variant.
    pub fn of_variant(resolved: &Resolved) -> Self {
        Self::build(&resolved.scenario, &resolved.manifest, |process| resolved.applies(&process.when))
    }

    fn build(scenario: &Scenario, manifest: &Manifest, exists: impl Fn(&Process) -> bool) -> Self {
        let first = manifest.process.keys().next().map(String::as_str);
        let serves = |role: &str| manifest.operation.values().any(|spec| spec.role.as_deref().or(first) == Some(role));
        let roles = manifest.process.iter().filter(|(_, process)| exists(process)).map(|(name, process)| {
            let role = Role {
                instances: scenario.instances.get(name).copied().unwrap_or(process.instances),
                dials: process.dependencies.clone(),
                serves: serves(name),
                runs_elsewhere: process.url.is_some(),
            };
            (name.clone(), role)
        });
        let mut nodes: Vec<Node> =
            manifest.process.values().flat_map(|process| process.dependencies.iter().copied()).collect();
        nodes.extend((!manifest.collection.is_empty()).then_some(Node::Mongodb));
        nodes.extend((!manifest.topic.is_empty()).then_some(Node::Kafka));
        nodes.sort_unstable();
        nodes.dedup();
        Self { roles: roles.collect(), nodes }
    }

    /// Every link: clients to each instance that serves operations, and each instance to each node that it dials. A
    /// process that runs elsewhere dials its nodes directly.
    pub fn links(&self) -> Vec<Link> {
        let mut links = Vec::new();
        for (name, role) in &self.roles {
            for instance in instances(name, role) {
                links.extend(role.serves.then(|| Link::new(CLIENTS, &instance)));
                if !role.runs_elsewhere {
                    links.extend(role.dials.iter().map(|node| Link::new(&instance, node.name())));
                }
            }
        }
        links
    }

    /// The links between two targets, each an instance, a role, a node or [`CLIENTS`]. Empty: there is none.
    pub fn links_between(&self, client: &str, server: &str) -> Vec<Link> {
        let (clients, servers) = (self.expand(client), self.expand(server));
        self.links()
            .into_iter()
            .filter(|link| clients.contains(&link.client) && servers.contains(&link.server))
            .collect()
    }

    /// The processes that a target means: every instance of a role, or the instance or node itself. Empty: there is none.
    pub fn processes(&self, target: &str) -> Vec<String> {
        let mut processes = self.expand(target);
        processes.retain(|process| process != CLIENTS);
        processes
    }

    /// Whether torn can kill and pause a target.
    pub fn is_in_hand(&self, target: &str) -> bool {
        let role_of =
            |(name, role): &(&String, &Role)| *name == target || instances(name, role).any(|one| one == target);
        !self.roles.iter().find(role_of).is_some_and(|(_, role)| role.runs_elsewhere)
    }

    /// Every name that a fault may aim at: roles, instances, nodes, and [`CLIENTS`].
    pub fn targets(&self) -> Vec<String> {
        let roles =
            self.roles.iter().flat_map(|(name, role)| std::iter::once(name.clone()).chain(instances(name, role)));
        let nodes = self.nodes.iter().map(|node| node.name().to_owned());
        roles.chain(nodes).chain([CLIENTS.to_owned()]).collect()
    }

    fn expand(&self, target: &str) -> Vec<String> {
        if let Some(role) = self.roles.get(target) {
            return instances(target, role).collect();
        }
        self.targets().into_iter().filter(|name| name == target).collect()
    }
}

fn instances(name: &str, role: &Role) -> impl Iterator<Item = String> {
    (1..=role.instances).map(move |number| format!("{name}-{number}"))
}

fn applies(variant: &Variant, condition: &Condition) -> bool {
    condition.iter().all(|(axis, values)| variant.pattern.get(axis).is_some_and(|value| values.contains(value)))
}
