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
    /// The servers of each dependency.
    nodes: IndexMap<Node, Vec<String>>,
    /// The partitions of each topic.
    topics: IndexMap<String, u32>,
}

/// Which of a server's links with its peers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Way {
    /// All.
    #[default]
    Both,
    /// Those on which its peers dial it.
    Inbound,
    /// Those on which it dials them.
    Outbound,
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
        let count = |node| match node {
            Node::Mongodb => scenario.mongodb.nodes,
            Node::Kafka => scenario.kafka.brokers,
        };
        let nodes = nodes.into_iter().map(|node| (node, node.server_names(count(node))));
        let topics = manifest.topic.iter().map(|(name, topic)| (name.clone(), topic.partitions));
        Self { roles: roles.collect(), nodes: nodes.collect(), topics: topics.collect() }
    }

    /// Every link: clients to each instance that serves operations, each instance to each server of the nodes that it
    /// dials, and the servers of a cluster to each other. A process that runs elsewhere dials its nodes directly.
    pub fn links(&self) -> Vec<Link> {
        let mut links = Vec::new();
        for (name, role) in &self.roles {
            for instance in instances(name, role) {
                links.extend(role.serves.then(|| Link::new(CLIENTS, &instance)));
                if !role.runs_elsewhere {
                    let dialled = role.dials.iter().filter_map(|node| self.nodes.get(node)).flatten();
                    links.extend(dialled.map(|member| Link::new(&instance, member)));
                }
            }
        }
        for (node, members) in &self.nodes {
            links.extend(between(*node, members));
        }
        links
    }

    /// The servers of a dependency: `mongodb`, or `mongodb-1` and its peers.
    pub fn members(&self, node: Node) -> &[String] {
        self.nodes.get(&node).map(Vec::as_slice).unwrap_or_default()
    }

    /// Which dependency a server belongs to.
    pub fn node_of(&self, member: &str) -> Option<Node> {
        self.nodes.iter().find(|(_, members)| members.iter().any(|other| other == member)).map(|(node, _)| *node)
    }

    /// The links between two targets, each an instance, a role, a node, a server or [`CLIENTS`]; the one that is dialled
    /// may name one of a broker's ports. Empty: there is none.
    pub fn links_between(&self, client: &str, server: &str) -> Vec<Link> {
        let (clients, servers) = (self.expand(client), self.expand(server));
        let is_dialled = |link: &Link| link.server == server || servers.iter().any(|server| server == link.dialled());
        self.links().into_iter().filter(|link| clients.contains(&link.client) && is_dialled(link)).collect()
    }

    /// The links between a server of a cluster and its peers.
    pub fn peer_links(&self, server: &str, way: Way) -> Vec<Link> {
        let Some(node) = self.node_of(server) else { return Vec::new() };
        let mut links = between(node, self.members(node));
        links.retain(|link| match way {
            Way::Both => link.client == server || link.dialled() == server,
            Way::Inbound => link.dialled() == server,
            Way::Outbound => link.client == server,
        });
        links
    }

    /// The links on which a server of a cluster hands its writes to its peers.
    pub fn replication_links(&self, server: &str) -> Vec<Link> {
        let mut links = self.peer_links(server, Way::Inbound);
        links.retain(|link| !link.server.ends_with(":quorum"));
        links
    }

    /// The links between those named and all others. Clients stand on both sides.
    pub fn links_across(&self, side: &[String]) -> Vec<Link> {
        let side: Vec<String> = side.iter().flat_map(|name| self.expand(name)).collect();
        let is_inside = |name: &str| side.iter().any(|inside| inside == name);
        let mut links = self.links();
        links.retain(|link| link.client != CLIENTS && is_inside(&link.client) != is_inside(link.dialled()));
        links
    }

    /// How many partitions a topic has.
    pub fn partitions(&self, topic: &str) -> Option<u32> {
        self.topics.get(topic).copied()
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

    /// Every name that a fault may aim at: roles, instances, nodes, their servers, and [`CLIENTS`].
    pub fn targets(&self) -> Vec<String> {
        let roles =
            self.roles.iter().flat_map(|(name, role)| std::iter::once(name.clone()).chain(instances(name, role)));
        let nodes = self.nodes.iter().flat_map(|(node, members)| {
            let cluster = (members.len() > 1).then(|| node.name().to_owned());
            cluster.into_iter().chain(members.iter().cloned())
        });
        roles.chain(nodes).chain([CLIENTS.to_owned()]).collect()
    }

    fn expand(&self, target: &str) -> Vec<String> {
        if let Some(role) = self.roles.get(target) {
            return instances(target, role).collect();
        }
        if let Some((_, members)) = self.nodes.iter().find(|(node, _)| node.name() == target) {
            return members.clone();
        }
        self.targets().into_iter().filter(|name| name == target).collect()
    }
}

/// The links among the servers of one cluster. Brokers dial each other on two ports, which are cut apart.
fn between(node: Node, members: &[String]) -> Vec<Link> {
    let ports: &[&str] = match node {
        Node::Mongodb => &[""],
        Node::Kafka => &[":replication", ":quorum"],
    };
    let pairs = members.iter().flat_map(|client| members.iter().map(move |server| (client, server)));
    pairs
        .filter(|(client, server)| client != server)
        .flat_map(|(client, server)| ports.iter().map(move |port| Link::new(client, format!("{server}{port}"))))
        .collect()
}

fn instances(name: &str, role: &Role) -> impl Iterator<Item = String> {
    (1..=role.instances).map(move |number| format!("{name}-{number}"))
}

fn applies(variant: &Variant, condition: &Condition) -> bool {
    condition.iter().all(|(axis, values)| variant.pattern.get(axis).is_some_and(|value| values.contains(value)))
}
