//! One Toxiproxy for all links, in a container that uses the host's network: its proxies are then the host's, and reach
//! published ports and services as any process of the host does.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::container::{Blueprint, Container, Network, Site};
use super::image::Image;
use super::life::Life;
use super::servers::wait_for;
use crate::environment::EnvironmentError;
use crate::environment::local::Ports;
use crate::environment::local::readiness::on_free_ports;

/// The running server.
#[derive(Debug)]
pub(super) struct Toxiproxy {
    pub(super) container: Container,
    pub(super) address: SocketAddr,
}

impl Toxiproxy {
    /// Starts it, without any proxy, and waits until its API answers.
    pub(super) async fn start(image: &Image, site: &Site, ports: &Ports) -> Result<Self, EnvironmentError> {
        on_free_ports(1, ports, async |chosen| {
            let address = chosen[0];
            let blueprint = Blueprint {
                name: "toxiproxy",
                image,
                arguments: vec![format!("-host={}", address.ip()), format!("-port={}", address.port())],
                // It writes a line for each connection otherwise.
                environment: vec![("LOG_LEVEL".to_owned(), "warn".to_owned())],
                network: Network::Host,
            };
            let ready = async |life: Arc<Life>| wait_for(&life, &[address], || ask_for_version(address)).await;
            Ok(Self { container: Container::start(blueprint, site, ready).await?, address })
        })
        .await
    }
}

/// What listens there may be a stranger, which is no HTTP server with a version.
async fn ask_for_version(address: SocketAddr) -> Result<(), String> {
    let answer = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /version HTTP/1.0\r\n\r\n").await?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await?;
        std::io::Result::Ok(status)
    };
    match answer.await {
        Ok(status) if status.ends_with(b" 200") => Ok(()),
        Ok(status) => Err(format!("its API answers {:?}", String::from_utf8_lossy(&status))),
        Err(error) => Err(format!("asking its API for its version: {error}")),
    }
}
