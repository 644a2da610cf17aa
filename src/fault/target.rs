//! Whom a fault is aimed at, and what that means in a variant. Pure: a role (`primary`) is put in a server's place by
//! whoever asked the servers.

use std::fmt;

use crate::link::Link;
use crate::link::topology::{Topology, Way};
use crate::scenario::manifest::Node;
use crate::sweep::point::MessageName;
use crate::witness::Role;

/// Whom a fault is aimed at, as the scenario says it. A service's role means every instance, a dependency all its servers;
/// where a server's name may stand, a [`Role`] may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Every link from one to the other.
    Link {
        /// Who dials.
        client: String,
        /// Who is dialled.
        server: String,
    },
    /// A service's role or instance, a dependency or one of its servers.
    Process(String),
    /// A server of a cluster, on its links with its peers.
    Peers {
        /// The server.
        server: String,
        /// Which of the links.
        way: Way,
    },
    /// Those named on one side, all others on the other: every link between the sides.
    Halves(Vec<String>),
    /// A replica set as a whole.
    Cluster {
        /// Which.
        node: Node,
        /// Services that stay with the old primary where another is made.
        with: Vec<String>,
    },
    /// An exact message.
    Message(MessageName),
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link { client, server } => write!(formatter, "{client} → {server}"),
            Self::Process(name) => formatter.write_str(name),
            Self::Peers { server, way: Way::Both } => write!(formatter, "{server} ↔ its peers"),
            Self::Peers { server, way: Way::Inbound } => write!(formatter, "its peers → {server}"),
            Self::Peers { server, way: Way::Outbound } => write!(formatter, "{server} → its peers"),
            Self::Halves(side) => write!(formatter, "{} ↔ the rest", side.join(", ")),
            Self::Message(message) => write!(formatter, "at {message}"),
            Self::Cluster { node, with } if with.is_empty() => formatter.write_str(node.name()),
            Self::Cluster { node, with } => write!(formatter, "{} (with {})", node.name(), with.join(", ")),
        }
    }
}

impl Target {
    /// The roles in it: who they are, only the servers know.
    pub fn roles(&self) -> Vec<Role> {
        self.names().into_iter().filter_map(|name| name.parse().ok()).collect()
    }

    /// The same with a server in the place of a role.
    #[must_use]
    pub fn with(&self, role: &Role, server: &str) -> Self {
        let mut target = self.clone();
        for name in target.names_mut() {
            if name.parse().ok().as_ref() == Some(role) {
                server.clone_into(name);
            }
        }
        target
    }

    /// Every name in it.
    pub fn names(&self) -> Vec<&String> {
        match self {
            Self::Link { client, server } | Self::Message(MessageName { client, server, .. }) => vec![client, server],
            Self::Process(name) | Self::Peers { server: name, .. } => vec![name],
            Self::Halves(side) | Self::Cluster { with: side, .. } => side.iter().collect(),
        }
    }

    fn names_mut(&mut self) -> Vec<&mut String> {
        match self {
            Self::Link { client, server } | Self::Message(MessageName { client, server, .. }) => vec![client, server],
            Self::Process(name) | Self::Peers { server: name, .. } => vec![name],
            Self::Halves(side) | Self::Cluster { with: side, .. } => side.iter_mut().collect(),
        }
    }

    /// What it means in a variant.
    pub fn strikes(&self, topology: &Topology) -> Strikes {
        let roles = self.roles();
        if roles.is_empty() {
            return self.strikes_now(topology);
        }
        // Whom nobody could strike, whoever plays the role, need not be looked for when the time comes.
        if self.reach(topology) == Strikes::Nobody { Strikes::Nobody } else { Strikes::Late(roles) }
    }

    /// The most that it can mean: a role may be any server of its cluster.
    pub(super) fn reach(&self, topology: &Topology) -> Strikes {
        match self {
            Self::Link { client, server } => links(topology.links_between(&widest(client), &widest(server))),
            Self::Process(name) => processes(topology.processes(&widest(name))),
            // All servers of the cluster stand for the one: then every link among them is reached.
            Self::Peers { server, .. } if server.parse::<Role>().is_ok() => {
                links(topology.links_between(&widest(server), &widest(server)))
            }
            Self::Halves(side) => links(links_across_any(side, topology)),
            Self::Cluster { node, .. } => processes(topology.members(*node).to_vec()),
            Self::Peers { .. } | Self::Message(_) => self.strikes_now(topology),
        }
    }

    fn strikes_now(&self, topology: &Topology) -> Strikes {
        match self {
            Self::Link { client, server } | Self::Message(MessageName { client, server, .. }) => {
                links(topology.links_between(client, server))
            }
            Self::Process(name) => processes(topology.processes(name)),
            Self::Peers { server, way } => links(topology.peer_links(server, *way)),
            Self::Halves(side) => links(topology.links_across(side)),
            Self::Cluster { node, .. } if topology.members(*node).is_empty() => Strikes::Nobody,
            Self::Cluster { node, with } => Strikes::Cluster { node: *node, with: with.clone() },
        }
    }
}

/// In the place of a role, all servers that may play it.
fn widest(name: &str) -> String {
    name.parse().map_or_else(|_| name.to_owned(), |role| node_of(&role).name().to_owned())
}

/// Every link that may lie between the halves. Of a cluster's servers, one alone stands with those named: which one is
/// not known, so each may be on either side.
fn links_across_any(side: &[String], topology: &Topology) -> Vec<Link> {
    let roles = side.iter().filter_map(|name| name.parse().ok());
    let clusters: Vec<Node> =
        roles.map(|role| node_of(&role)).filter(|node| topology.members(*node).len() > 1).collect();
    let is_certain = |name: &&String| name.parse().map_or(true, |role| !clusters.contains(&node_of(&role)));
    let certain: Vec<String> = side.iter().filter(is_certain).map(|name| widest(name)).collect();
    let all: Vec<String> = side.iter().map(|name| widest(name)).collect();
    let among = clusters.iter().flat_map(|node| topology.links_between(node.name(), node.name()));
    let mut reached = topology.links_across(&all);
    for link in topology.links_across(&certain).into_iter().chain(among) {
        if !reached.contains(&link) {
            reached.push(link);
        }
    }
    reached
}

/// Which dependency a role is one of.
pub(super) fn node_of(role: &Role) -> Node {
    match role {
        Role::Primary | Role::Secondary => Node::Mongodb,
        Role::Leader { .. } | Role::Follower { .. } => Node::Kafka,
    }
}

/// What a fault strikes in one variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strikes {
    /// These links.
    Links(Vec<Link>),
    /// These processes.
    Processes(Vec<String>),
    /// A replica set as a whole.
    Cluster {
        /// Which.
        node: Node,
        /// Services that stay with the old primary where another is made.
        with: Vec<String>,
    },
    /// Whoever plays these roles when the fault strikes.
    Late(Vec<Role>),
    /// This variant has nobody to strike.
    Nobody,
}

impl Strikes {
    /// What is struck, as the history names it.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Links(links) => links.iter().map(Link::to_string).collect(),
            Self::Processes(processes) => processes.clone(),
            Self::Cluster { node, .. } => vec![node.name().to_owned()],
            Self::Late(roles) => roles.iter().map(Role::to_string).collect(),
            Self::Nobody => Vec::new(),
        }
    }
}

fn links(links: Vec<Link>) -> Strikes {
    if links.is_empty() { Strikes::Nobody } else { Strikes::Links(links) }
}

fn processes(names: Vec<String>) -> Strikes {
    if names.is_empty() { Strikes::Nobody } else { Strikes::Processes(names) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::fixture::{cluster_topology, resolved, scenario, topology};

    #[test]
    fn a_role_is_struck_late_and_reaches_every_server_that_may_play_it() {
        let topology = cluster_topology();
        let target = Target::Process("primary".to_owned());
        assert_eq!(target.strikes(&topology), Strikes::Late(vec![Role::Primary]));
        let all = ["mongodb-1", "mongodb-2", "mongodb-3"].map(str::to_owned).to_vec();
        assert_eq!(target.reach(&topology), Strikes::Processes(all));
        let struck = target.with(&Role::Primary, "mongodb-2").strikes(&topology);
        assert_eq!(struck, Strikes::Processes(vec!["mongodb-2".to_owned()]));
    }

    #[test]
    fn a_server_is_cut_off_from_its_peers_and_keeps_its_clients() {
        let topology = cluster_topology();
        let cut = |way| Target::Peers { server: "mongodb-2".to_owned(), way }.strikes(&topology).names();
        assert_eq!(cut(Way::Inbound), ["mongodb-1 → mongodb-2", "mongodb-3 → mongodb-2"]);
        assert_eq!(cut(Way::Outbound), ["mongodb-2 → mongodb-1", "mongodb-2 → mongodb-3"]);
        assert_eq!(cut(Way::Both).len(), 4);
        let broker = Target::Peers { server: "kafka-1".to_owned(), way: Way::Both }.strikes(&topology);
        assert_eq!(broker.names().len(), 8, "brokers dial each other on two ports");
    }

    #[test]
    fn halves_cut_every_link_between_the_sides_and_none_within() {
        let side = ["mongodb-1", "relay"].map(str::to_owned).to_vec();
        let struck = Target::Halves(side).strikes(&cluster_topology()).names();
        assert!(struck.contains(&"api-1 → mongodb-1".to_owned()), "{struck:?}");
        assert!(struck.contains(&"relay-1 → mongodb-2".to_owned()), "{struck:?}");
        assert!(struck.contains(&"relay-1 → kafka-3".to_owned()), "{struck:?}");
        assert!(!struck.contains(&"relay-1 → mongodb-1".to_owned()), "{struck:?}");
        assert!(!struck.iter().any(|link| link.starts_with("clients")), "clients stand on both sides: {struck:?}");
    }

    #[test]
    fn a_role_whose_dialler_a_variant_lacks_leaves_nobody_to_strike() {
        let cluster = "\n[mongodb]\nnodes = 3\n[kafka]\nbrokers = 3\n";
        let of_variant = |variant| Topology::of_variant(&resolved(scenario(cluster), variant));
        let (without_relay, with_relay) = (of_variant(0), of_variant(1));
        let link = |client: &str, server: &str| Target::Link { client: client.to_owned(), server: server.to_owned() };
        let halves = |side: &[&str]| Target::Halves(side.iter().map(|name| (*name).to_owned()).collect());
        for (target, is_struck_without) in [
            (link("relay", "primary"), false),
            (link("relay-1", "leader:purchases-0"), false),
            (link("api", "primary"), true),
            (link("primary", "secondary"), true),
            (halves(&["primary", "relay"]), true),
            (Target::Process("primary".to_owned()), true),
            (Target::Peers { server: "primary".to_owned(), way: Way::Both }, true),
        ] {
            assert!(matches!(target.strikes(&with_relay), Strikes::Late(_)), "{target}");
            let struck = target.strikes(&without_relay);
            assert_eq!(struck != Strikes::Nobody, is_struck_without, "{target}: {struck:?}");
        }
    }

    #[test]
    fn whatever_a_role_turns_out_to_be_is_within_its_reach() {
        let topology = cluster_topology();
        let halves = |side: &[&str]| Target::Halves(side.iter().map(|name| (*name).to_owned()).collect());
        let peers = |server: &str| Target::Peers { server: server.to_owned(), way: Way::Inbound };
        // Everybody who dials the set stands with the primary: only its peers are cut off.
        let everybody = halves(&["primary", "api", "relay", "legacy", "kafka"]);
        for target in
            [everybody, halves(&["primary"]), halves(&["primary", "relay"]), peers("primary"), peers("mongodb-2")]
        {
            let Strikes::Links(reached) = target.reach(&topology) else { panic!("{target} reaches links") };
            for server in topology.members(Node::Mongodb) {
                let Strikes::Links(struck) = target.with(&Role::Primary, server).strikes(&topology) else {
                    panic!("{target}, {server}: links are struck");
                };
                assert!(struck.iter().all(|link| reached.contains(link)), "{target}, {server}: {struck:?}");
            }
        }
    }

    #[test]
    fn a_single_server_has_no_peers_to_be_cut_off_from() {
        let target = Target::Peers { server: "mongodb".to_owned(), way: Way::Both };
        assert_eq!(target.strikes(&topology()), Strikes::Nobody);
    }
}
