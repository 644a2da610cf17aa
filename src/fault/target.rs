//! Whom a fault is aimed at, and what that means in a variant. Pure: a role (`primary`) is put in a server's place by
//! whoever asked the servers.

use std::fmt;

use crate::link::Link;
use crate::link::topology::{Topology, Way};
use crate::scenario::manifest::Node;
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
            Self::Link { client, server } => vec![client, server],
            Self::Process(name) | Self::Peers { server: name, .. } => vec![name],
            Self::Halves(side) | Self::Cluster { with: side, .. } => side.iter().collect(),
        }
    }

    fn names_mut(&mut self) -> Vec<&mut String> {
        match self {
            Self::Link { client, server } => vec![client, server],
            Self::Process(name) | Self::Peers { server: name, .. } => vec![name],
            Self::Halves(side) | Self::Cluster { with: side, .. } => side.iter_mut().collect(),
        }
    }

    /// What it means in a variant.
    pub fn strikes(&self, topology: &Topology) -> Strikes {
        let roles = self.roles();
        if !roles.is_empty() {
            let exist = roles.iter().all(|role| !topology.members(node_of(role)).is_empty());
            return if exist { Strikes::Late(roles) } else { Strikes::Nobody };
        }
        self.strikes_now(topology)
    }

    /// The most that it can mean: a role may be any server of its cluster.
    pub(super) fn reach(&self, topology: &Topology) -> Strikes {
        let mut widest = self.clone();
        for name in widest.names_mut() {
            if let Ok(role) = name.parse() {
                node_of(&role).name().clone_into(name);
            }
        }
        match (widest, self) {
            // All servers of the cluster stand for the one: then every link among them is reached.
            (Self::Peers { server, .. }, _) => links(topology.links_between(&server, &server)),
            (Self::Cluster { node, .. }, _) => processes(topology.members(node).to_vec()),
            (widest, _) => widest.strikes_now(topology),
        }
    }

    fn strikes_now(&self, topology: &Topology) -> Strikes {
        match self {
            Self::Link { client, server } => links(topology.links_between(client, server)),
            Self::Process(name) => processes(topology.processes(name)),
            Self::Peers { server, way } => links(topology.peer_links(server, *way)),
            Self::Halves(side) => links(topology.links_across(side)),
            Self::Cluster { node, .. } if topology.members(*node).is_empty() => Strikes::Nobody,
            Self::Cluster { node, with } => Strikes::Cluster { node: *node, with: with.clone() },
        }
    }
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
    use crate::fault::fixture::{cluster_topology, topology};

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
    fn a_single_server_has_no_peers_to_be_cut_off_from() {
        let target = Target::Peers { server: "mongodb".to_owned(), way: Way::Both };
        assert_eq!(target.strikes(&topology()), Strikes::Nobody);
    }
}
