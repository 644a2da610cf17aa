//! One mongod in a container, a replica set of one.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use super::container::{Blueprint, Container, Network, Site};
use super::image::Image;
use super::life::Life;
use super::servers::wait_for;
use crate::environment::EnvironmentError;
use crate::environment::local::Ports;
use crate::environment::local::mongodb::{arguments, look};
use crate::environment::local::readiness::on_free_ports;

/// The folder that the public image keeps its data in.
const DATA: &str = "/data/db";

/// The running server.
#[derive(Debug)]
pub(super) struct Mongodb {
    pub(super) container: Container,
    pub(super) address: SocketAddr,
}

impl Mongodb {
    /// Starts it with fresh data and waits for a writable primary. `oplog_mb`: the size of its oplog, where it is to roll
    /// over.
    pub(super) async fn start(
        image: &Image,
        oplog_mb: Option<u32>,
        site: &Site,
        ports: &Ports,
    ) -> Result<Self, EnvironmentError> {
        on_free_ports(1, ports, async |chosen| {
            let address = chosen[0];
            let inside = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            let options = arguments(inside, Path::new(DATA), oplog_mb).into_iter();
            let options = options.map(|part| part.to_string_lossy().into_owned());
            let blueprint = Blueprint {
                name: "mongodb",
                image,
                arguments: std::iter::once("mongod".to_owned()).chain(options).collect(),
                environment: Vec::new(),
                network: Network::Published(vec![address.port()]),
            };
            let ready = |life| wait_for_primary(life, address);
            Ok(Self { container: Container::start(blueprint, site, ready).await?, address })
        })
        .await
    }

    /// Starts it again, on the data that is there, and waits for a writable primary.
    pub(super) async fn restart(&self) -> Result<(), EnvironmentError> {
        self.container.restart(|life| wait_for_primary(life, self.address)).await
    }
}

async fn wait_for_primary(life: Arc<Life>, address: SocketAddr) -> Result<(), EnvironmentError> {
    let client = tokio::sync::OnceCell::new();
    wait_for(&life, &[address], || look(&client, address)).await
}
