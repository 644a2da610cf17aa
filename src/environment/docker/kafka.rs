//! One Kafka broker in a container, its own controller, with a listener per link; see the local one for why.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::container::{Blueprint, Container, Network, Site};
use super::image::Image;
use super::life::Life;
use super::servers::wait_for;
use crate::environment::local::Ports;
use crate::environment::local::kafka::{Layout, links_of, look, properties_of};
use crate::environment::local::readiness::on_free_ports;
use crate::environment::{EnvironmentError, LinkAddresses};

/// Where the broker keeps its data: the public image's own choice, and one that its user may write to.
const DATA: &str = "/tmp/kraft-combined-logs";

/// Small, and quick to start: a broker of a test lives for a minute.
const HEAP: &str = "-Xms128m -Xmx512m";

/// The id of the cluster of one: 16 bytes in URL-safe base64.
const CLUSTER: &str = "dG9ybndyaXRlIGRvY2tlcg";

/// The running broker.
#[derive(Debug)]
pub(super) struct Kafka {
    pub(super) container: Container,
    /// The listener of the harness.
    pub(super) address: SocketAddr,
    /// By dialling instance: its proxy and the listener behind it.
    pub(super) links: BTreeMap<String, LinkAddresses>,
}

impl Kafka {
    /// Starts it with fresh data and waits until it answers. `proxies`: by instance, where its link's proxy will listen.
    pub(super) async fn start(
        image: &Image,
        proxies: &BTreeMap<String, SocketAddr>,
        site: &Site,
        ports: &Ports,
    ) -> Result<Self, EnvironmentError> {
        on_free_ports(2 + proxies.len(), ports, async |chosen| {
            let (address, controller) = (chosen[0], chosen[1]);
            let links = links_of(proxies, &chosen[2..]);
            let layout = Layout { direct: address, controller, links: &links, data: Path::new(DATA) };
            let listeners = listeners(address, &links);
            let blueprint = Blueprint {
                name: "kafka",
                image,
                arguments: Vec::new(),
                environment: variables(&properties_of(&layout)),
                network: Network::Published(listeners.iter().map(SocketAddr::port).collect()),
            };
            let ready = |life| wait_for_metadata(life, listeners);
            Ok(Self { container: Container::start(blueprint, site, ready).await?, address, links })
        })
        .await
    }

    /// Starts it again, on the data that is there, and waits until it answers.
    pub(super) async fn restart(&self) -> Result<(), EnvironmentError> {
        let listeners = listeners(self.address, &self.links);
        self.container.restart(|life| wait_for_metadata(life, listeners)).await
    }
}

/// The harness's listener, then those of the links.
fn listeners(direct: SocketAddr, links: &BTreeMap<String, LinkAddresses>) -> Vec<SocketAddr> {
    std::iter::once(direct).chain(links.values().map(|link| link.upstream)).collect()
}

async fn wait_for_metadata(life: Arc<Life>, listeners: Vec<SocketAddr>) -> Result<(), EnvironmentError> {
    wait_for(&life, &listeners, || look(listeners[0])).await
}

/// The properties as the public image takes them, in variables; bound so that a published port leads to them.
fn variables(properties: &str) -> Vec<(String, String)> {
    let of_file = properties.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    let mut variables: Vec<(String, String)> = of_file
        .map(|(key, value)| match key {
            "listeners" => ("KAFKA_LISTENERS".to_owned(), on_all_addresses(value)),
            _ => (format!("KAFKA_{}", key.to_uppercase().replace('.', "_")), value.to_owned()),
        })
        .collect();
    variables.push(("CLUSTER_ID".to_owned(), CLUSTER.to_owned()));
    variables.push(("KAFKA_HEAP_OPTS".to_owned(), HEAP.to_owned()));
    variables
}

/// All but the controller's, which nobody else dials.
fn on_all_addresses(listeners: &str) -> String {
    let bound = listeners.split(',').map(|listener| match listener.split_once("://127.0.0.1:") {
        Some((name, port)) if name != "CONTROLLER" => format!("{name}://0.0.0.0:{port}"),
        _ => listener.to_owned(),
    });
    bound.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_listener_is_bound_inside_on_the_port_that_it_is_published_under_and_still_advertises_its_proxy() {
        let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let links = links_of(&BTreeMap::from([("api-1".to_owned(), address(201))]), &[address(101)]);
        let layout = Layout { direct: address(9), controller: address(10), links: &links, data: Path::new(DATA) };
        let variables: BTreeMap<String, String> = variables(&properties_of(&layout)).into_iter().collect();
        assert_eq!(variables["KAFKA_LISTENERS"], "DIRECT://0.0.0.0:9,CONTROLLER://127.0.0.1:10,L0://0.0.0.0:101");
        assert!(variables["KAFKA_ADVERTISED_LISTENERS"].contains("L0://127.0.0.1:201"));
        assert_eq!(variables["KAFKA_CONTROLLER_QUORUM_VOTERS"], "1@127.0.0.1:10");
        assert_eq!(variables["KAFKA_LOG_DIRS"], DATA);
        assert_eq!(variables["CLUSTER_ID"].len(), 22);
    }
}
