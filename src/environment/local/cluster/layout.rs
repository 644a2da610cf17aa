//! Numbers, names, addresses and links of a cluster. Pure: the ports are given.

use std::net::{Ipv4Addr, SocketAddr};

use super::spec::ClusterSpec;
use crate::link::{Link, LinkSpec};
use crate::scenario::manifest::Node;

/// The ports of a cluster; each is the same for all members that have it, at addresses of their own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    /// Where a mongod listens.
    pub(super) mongodb: u16,
    /// Where a broker listens for clients that come through links.
    pub(super) client: u16,
    /// For other brokers: replication.
    pub(super) replication: u16,
    /// For other brokers: elections, metadata, heartbeats.
    pub(super) quorum: u16,
    /// For the harness; what a broker says there leads past all links.
    pub(super) direct: u16,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) node: Node,
    pub(super) name: String,
    number: u8,
}

impl Member {
    /// Where it really listens.
    pub(super) fn address(&self, port: u16) -> SocketAddr {
        SocketAddr::from((self.host(), port))
    }

    /// The same without a port.
    pub(super) fn host(&self) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, 1, self.number)
    }
}

/// Who dials from outside.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) name: String,
    pub(super) dials: Vec<Node>,
    number: u8,
}

/// Who there is and where.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) ports: Ports,
    pub(super) members: Vec<Member>,
    pub(super) clients: Vec<Client>,
}

impl Layout {
    pub(super) fn new(spec: &ClusterSpec, ports: Ports) -> Self {
        let mut numbers = 1..=u8::MAX;
        let mut next = || numbers.next().expect("the spec was checked to have few enough");
        let mut members = Vec::new();
        for node in [Node::Mongodb, Node::Kafka] {
            let names = Some(spec.members(node)).filter(|count| *count > 0).map(|count| node.server_names(count));
            members.extend(names.into_iter().flatten().map(|name| Member { node, name, number: next() }));
        }
        let clients = spec
            .clients
            .iter()
            .map(|(name, dials)| Client { name: name.clone(), dials: dials.clone(), number: next() })
            .collect();
        Self { ports, members, clients }
    }

    /// The members of a kind, in order.
    pub(super) fn of(&self, node: Node) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |member| member.node == node)
    }

    /// Names and addresses as a process is to see them: its own name where it listens, every other server it may dial at
    /// the link to it.
    pub(super) fn names_for(&self, process: &str) -> Option<Vec<(Ipv4Addr, &str)>> {
        if let Some(own) = self.members.iter().find(|member| member.name == process) {
            let peers = self.of(own.node);
            let seen = peers.map(|peer| if peer == own { own.host() } else { link_host(own.number, peer) });
            return Some(seen.zip(self.of(own.node).map(|peer| peer.name.as_str())).collect());
        }
        let client = self.clients.iter().find(|client| client.name == process)?;
        let servers = self.members.iter().filter(|member| client.dials.contains(&member.node));
        Some(servers.map(|server| (link_host(client.number, server), server.name.as_str())).collect())
    }

    /// Every link: each client to each server of a kind that it dials, and each server to each other of its kind.
    pub(super) fn link_specs(&self) -> Vec<LinkSpec> {
        let mut specs = Vec::new();
        for client in &self.clients {
            for server in self.members.iter().filter(|member| client.dials.contains(&member.node)) {
                specs.push(spec(&client.name, client.number, server, "", self.client_port(server.node)));
            }
        }
        for member in &self.members {
            for peer in self.of(member.node).filter(|peer| *peer != member) {
                let dialled = match member.node {
                    Node::Mongodb => vec![("", self.ports.mongodb)],
                    Node::Kafka => vec![(":replication", self.ports.replication), (":quorum", self.ports.quorum)],
                };
                let between =
                    dialled.into_iter().map(|(what, port)| spec(&member.name, member.number, peer, what, port));
                specs.extend(between);
            }
        }
        specs
    }

    /// `name:port` of every member of a kind, as a client is told.
    pub(super) fn addresses_told(&self, node: Node) -> String {
        let port = self.client_port(node);
        self.of(node).map(|member| format!("{}:{port}", member.name)).collect::<Vec<_>>().join(",")
    }

    fn client_port(&self, node: Node) -> u16 {
        match node {
            Node::Mongodb => self.ports.mongodb,
            Node::Kafka => self.ports.client,
        }
    }
}

fn spec(client: &str, number: u8, server: &Member, what: &str, port: u16) -> LinkSpec {
    LinkSpec {
        link: Link::new(client, format!("{}{what}", server.name)),
        listen: SocketAddr::from((link_host(number, server), port)),
        upstream: server.address(port),
    }
}

/// Where the process with this number dials a server.
fn link_host(number: u8, server: &Member) -> Ipv4Addr {
    Ipv4Addr::new(127, 1, number, server.number)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const PORTS: Ports = Ports { mongodb: 1, client: 2, replication: 3, quorum: 4, direct: 5 };

    fn layout() -> Layout {
        let clients =
            vec![("api-1".to_owned(), vec![Node::Mongodb, Node::Kafka]), ("api-2".to_owned(), vec![Node::Mongodb])];
        Layout::new(&ClusterSpec { clients, ..ClusterSpec::default() }, PORTS)
    }

    #[test]
    fn every_pair_that_dials_has_a_link_of_its_own_and_nobody_shares_an_address() {
        let specs = layout().link_specs();
        // Clients: 6 + 3; mongods: 3 × 2; brokers: 3 × 2, twice.
        assert_eq!(specs.len(), 9 + 6 + 12);
        assert_eq!(specs.iter().map(|spec| spec.listen).collect::<BTreeSet<_>>().len(), specs.len());
        assert_eq!(specs.iter().map(|spec| spec.link.clone()).collect::<BTreeSet<_>>().len(), specs.len());
        let quorum =
            specs.iter().find(|spec| spec.link == Link::new("kafka-1", "kafka-3:quorum")).expect("it is there");
        assert_eq!(
            (quorum.listen.to_string(), quorum.upstream.to_string()),
            ("127.1.4.6:4".into(), "127.0.1.6:4".into())
        );
    }

    #[test]
    fn each_name_leads_a_process_to_a_link_of_its_own_and_a_server_to_itself() {
        let layout = layout();
        let specs = layout.link_specs();
        for process in ["mongodb-2", "kafka-1", "api-1", "api-2"] {
            for (host, name) in layout.names_for(process).expect("it is there") {
                if name == process {
                    assert!(host.octets().starts_with(&[127, 0, 1]), "{process} listens at {host}");
                    continue;
                }
                let is_it = |spec: &&LinkSpec| spec.link.client == process && spec.listen.ip() == host;
                let led = specs.iter().find(is_it).unwrap_or_else(|| panic!("{process} has no link at {host}"));
                assert_eq!(led.link.server.split(':').next(), Some(name));
            }
        }
        assert_eq!(layout.names_for("api-2").expect("it is there").len(), 3, "it dials no broker and knows none");
        assert!(layout.names_for("web-1").is_none());
    }

    #[test]
    fn a_single_one_has_the_plain_name() {
        let spec = ClusterSpec { kafka_brokers: 1, min_insync_replicas: 1, ..ClusterSpec::default() };
        let names = Layout::new(&spec, PORTS).members.into_iter().map(|member| member.name).collect::<Vec<_>>();
        assert_eq!(names, ["mongodb-1", "mongodb-2", "mongodb-3", "kafka"]);
    }
}
