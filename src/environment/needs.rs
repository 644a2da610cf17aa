//! What a run asks of its environment, and the addresses it gets.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::scenario::manifest::Node;

/// What a run needs. Without nodes and links nothing is started.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// The dependencies.
    pub nodes: Vec<Node>,
    /// Who dials which dependency: an instance (`api-1`) and a node; each through a proxy of its own.
    pub links: Vec<(String, Node)>,
    /// The instances that clients call.
    pub services: Vec<String>,
    /// How clients reach them.
    pub client_path: ClientPath,
    /// Where the servers' logs go; they stay after the run.
    pub log_folder: PathBuf,
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
