//! One Toxiproxy for all links; what goes through it is the business of [`crate::link`].

use std::net::SocketAddr;
use std::path::Path;

use super::ports::Ports;
use super::readiness::{on_free_ports, wait_until_serving};
use crate::environment::EnvironmentError;
use crate::process::{Command, Supervisor, Unit};

/// Its name in logs and histories; faults strike links, not this process.
pub(super) const TOXIPROXY: &str = "toxiproxy";

/// The running server.
#[derive(Debug)]
pub(in crate::environment) struct Toxiproxy {
    pub(in crate::environment) unit: Unit,
    pub(in crate::environment) address: SocketAddr,
}

impl Toxiproxy {
    /// Starts it, without any proxy, and waits until its API listens.
    pub(in crate::environment) async fn start(
        program: &Path,
        supervisor: &Supervisor,
        log_folder: &Path,
        ports: &Ports,
    ) -> Result<Self, EnvironmentError> {
        on_free_ports(1, ports, async |chosen| {
            let address = chosen[0];
            let command = Command {
                name: TOXIPROXY.to_owned(),
                program: program.to_owned(),
                arguments: vec![
                    "-host".into(),
                    address.ip().to_string().into(),
                    "-port".into(),
                    address.port().to_string().into(),
                ],
                // It writes a line for each connection otherwise.
                environment: vec![("LOG_LEVEL".to_owned(), "warn".into())],
                folder: None,
                log: log_folder.join("toxiproxy.log"),
                hosts: None,
                secrets: Vec::new(),
            };
            let unit = Unit::new(command, supervisor.clone());
            // It listens only when its handlers are there: then it serves.
            unit.start(async |process| wait_until_serving(&process, &[address], || async { Ok(()) }).await).await?;
            Ok(Self { unit, address })
        })
        .await
    }
}
