//! One Kafka broker that is its own controller, with a listener per link.
//!
//! A Kafka client follows the addresses that the broker advertises. So that none slips past its proxy, each link has a
//! listener of its own, which advertises that link's proxy.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use super::broker::{Broker, Listener, Properties, Storage, brokers_known_to, write};
use super::ports::Ports;
use super::programs::KafkaProgram;
use super::readiness::{at_port, on_free_ports, wait_until_serving};
use crate::environment::{EnvironmentError, LinkAddresses};
use crate::process::{Process, Supervisor, Unit};

/// A killed broker waits out its own old session before it serves again: 2 s instead of 12.
const SESSION: &str = "broker.session.timeout.ms=1000\nbroker.heartbeat.interval.ms=200\n";

/// The one broker's number.
pub(super) const NODE: u32 = 1;

/// The running broker.
#[derive(Debug)]
pub(super) struct Kafka {
    pub(super) unit: Unit,
    /// The listener of the harness.
    pub(super) address: SocketAddr,
    /// By dialling instance: its proxy and the listener behind it.
    pub(super) links: BTreeMap<String, LinkAddresses>,
    controller: SocketAddr,
}

/// What the broker's configuration is made from.
pub(in crate::environment) struct Layout<'a> {
    pub(in crate::environment) direct: SocketAddr,
    pub(in crate::environment) controller: SocketAddr,
    pub(in crate::environment) links: &'a BTreeMap<String, LinkAddresses>,
    pub(in crate::environment) data: &'a Path,
}

impl Kafka {
    /// Starts it with fresh data and waits until it answers. `proxies`: by instance, where its link's proxy will listen.
    pub(super) async fn start(
        program: &KafkaProgram,
        port: Option<u16>,
        proxies: &BTreeMap<String, SocketAddr>,
        supervisor: &Supervisor,
        log_folder: &Path,
        ports: &Ports,
    ) -> Result<Self, EnvironmentError> {
        on_free_ports(2 + proxies.len(), ports, async |chosen| {
            let (address, controller) = (at_port(chosen[0], port), chosen[1]);
            let links = links_of(proxies, &chosen[2..]);
            let data = supervisor.folder().join(format!("kafka-{}", address.port()));
            std::fs::create_dir(&data).map_err(EnvironmentError::file("cannot make", &data))?;
            let layout = Layout { direct: address, controller, links: &links, data: &data };
            let properties = supervisor.folder().join(format!("kafka-{}.properties", address.port()));
            write(&properties, &properties_of(&layout))?;
            Storage::new_cluster(NODE, &data, &properties).format(program).await?;
            let command =
                Broker { name: "kafka", program, runtime: &[], properties: &properties, log_folder }.command();
            let server = Self { unit: Unit::new(command, supervisor.clone()), address, links, controller };
            server.serve().await?;
            Ok(server)
        })
        .await
    }

    /// Starts the process, on the data that is there, and waits until it answers.
    pub(super) async fn serve(&self) -> Result<(), EnvironmentError> {
        self.unit.start(async |process| self.wait_for_metadata(&process).await).await
    }

    async fn wait_for_metadata(&self, process: &Process) -> Result<(), EnvironmentError> {
        let mut listeners = vec![self.address, self.controller];
        listeners.extend(self.links.values().map(|link| link.upstream));
        wait_until_serving(process, &listeners, || look(self.address)).await
    }
}

/// One look at a broker that listens: asks whether it knows itself.
pub(in crate::environment) async fn look(address: SocketAddr) -> Result<(), String> {
    match brokers_known_to(address).await {
        Ok(brokers) if brokers.contains(&NODE) => Ok(()),
        Ok(_) => Err("no broker is registered".to_owned()),
        Err(error) => Err(format!("asking for metadata: {error}")),
    }
}

/// By dialling instance, a proxy and the listener behind it.
pub(in crate::environment) fn links_of(
    proxies: &BTreeMap<String, SocketAddr>,
    listeners: &[SocketAddr],
) -> BTreeMap<String, LinkAddresses> {
    let links = proxies.iter().zip(listeners);
    links
        .map(|((instance, listen), upstream)| {
            (instance.clone(), LinkAddresses { listen: *listen, upstream: *upstream })
        })
        .collect()
}

/// The configuration of a broker without links.
pub(super) fn plain_properties(direct: SocketAddr, controller: SocketAddr, data: &Path) -> String {
    properties_of(&Layout { direct, controller, links: &BTreeMap::new(), data })
}

/// The text of the configuration.
pub(in crate::environment) fn properties_of(layout: &Layout) -> String {
    let mut listeners = vec![
        Listener::new("DIRECT", layout.direct, layout.direct),
        // Nobody dials it but the broker itself.
        Listener::new("CONTROLLER", layout.controller, layout.controller),
    ];
    for (number, link) in layout.links.values().enumerate() {
        listeners.push(Listener::new(&format!("L{number}"), link.upstream, link.listen));
    }
    let voters = format!("{NODE}@{}", layout.controller);
    let properties = Properties {
        node: NODE,
        voters: &voters,
        listeners: &listeners,
        between_brokers: "DIRECT",
        replicas: 1,
        min_insync_replicas: 1,
        data: layout.data,
        further: SESSION,
    };
    properties.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_link_advertises_its_own_proxy_and_nobody_else_does() {
        let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let link = |listen, upstream| LinkAddresses { listen: address(listen), upstream: address(upstream) };
        let links = BTreeMap::from([("api-1".to_owned(), link(201, 101)), ("relay-1".to_owned(), link(202, 102))]);
        let (direct, controller) = (address(9), address(10));
        let text = properties_of(&Layout { direct, controller, links: &links, data: Path::new("/d") });
        assert!(text.contains(
            "\nlisteners=DIRECT://127.0.0.1:9,CONTROLLER://127.0.0.1:10,L0://127.0.0.1:101,L1://127.0.0.1:102\n"
        ));
        assert!(text.contains(
            "\nadvertised.listeners=\
             DIRECT://127.0.0.1:9,CONTROLLER://127.0.0.1:10,L0://127.0.0.1:201,L1://127.0.0.1:202\n"
        ));
    }
}
