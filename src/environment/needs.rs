//! What a run asks of its environment, and the addresses it gets.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::kind::Kind;
use crate::scenario::file::{KafkaServers, MongodbServers};
use crate::scenario::manifest::Node;

/// What a run needs. Without nodes and links nothing is started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Which servers.
    pub kind: Kind,
    /// The dependencies.
    pub nodes: Vec<Node>,
    /// How many servers of `MongoDB`.
    pub mongodb: MongodbServers,
    /// How many brokers of Kafka.
    pub kafka: KafkaServers,
    /// Who dials which dependency: an instance (`api-1`) and a node; each through a proxy of its own.
    pub links: Vec<(String, Node)>,
    /// The instances that clients call.
    pub services: Vec<String>,
    /// How clients reach them.
    pub client_path: ClientPath,
    /// Where the servers' logs go; they stay after the run.
    pub log_folder: PathBuf,
    /// The ports of `MongoDB` and Kafka where people expect them; else any that are free.
    pub fixed_ports: Option<(u16, u16)>,
}

impl Needs {
    /// Whether a dependency has several servers, which dial each other.
    pub fn is_cluster(&self) -> bool {
        let has_peers = |node: &Node| match node {
            Node::Mongodb => self.mongodb.nodes > 1,
            Node::Kafka => self.kafka.brokers > 1,
        };
        self.nodes.iter().any(has_peers)
    }

    /// Takes what another run needs besides, of servers that stay up for both.
    pub fn join(&mut self, other: Self) {
        fn extend<T: PartialEq>(all: &mut Vec<T>, more: Vec<T>) {
            for one in more {
                if !all.contains(&one) {
                    all.push(one);
                }
            }
        }
        extend(&mut self.nodes, other.nodes);
        extend(&mut self.links, other.links);
        extend(&mut self.services, other.services);
        if other.client_path == ClientPath::Proxied {
            self.client_path = ClientPath::Proxied;
        }
    }

    /// Whether anything goes through a proxy.
    pub(super) fn has_links(&self) -> bool {
        let has_client_links = self.client_path == ClientPath::Proxied && !self.services.is_empty();
        has_client_links || !self.links.is_empty()
    }
}

/// How clients reach services.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClientPath {
    /// Each instance through a proxy of its own, where a fault can strike.
    #[default]
    Proxied,
    /// Directly: no fault is planned that could strike, and nothing of the stack is needed.
    Direct,
}

/// The two ends of a link's proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkAddresses {
    /// Where the proxy must listen: what the dialling side is told.
    pub listen: SocketAddr,
    /// Where the proxy must forward to.
    pub upstream: SocketAddr,
}
