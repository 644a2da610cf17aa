//! One mongod, a replica set of one: transactions and change streams need a set.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;

use mongodb::Client;
use mongodb::bson::doc;
use tokio::sync::OnceCell;

use super::mongod::{self, Mongod};
use super::ports::Ports;
use super::readiness::{at_port, on_free_ports, wait_until_serving};
use crate::environment::EnvironmentError;
use crate::process::{Process, Supervisor, Unit};

/// The room for operations that a change stream may still ask for, where the scenario does not say.
const OPLOG_MB: u32 = 256;

/// The running server.
#[derive(Debug)]
pub(super) struct Mongodb {
    pub(super) unit: Unit,
    pub(super) address: SocketAddr,
}

impl Mongodb {
    /// Starts it with fresh data and waits for a writable primary. `oplog_mb`: the size of its oplog, where it is to roll
    /// over.
    pub(super) async fn start(
        program: &Path,
        port: Option<u16>,
        oplog_mb: Option<u32>,
        supervisor: &Supervisor,
        log_folder: &Path,
        ports: &Ports,
    ) -> Result<Self, EnvironmentError> {
        on_free_ports(1, ports, async |chosen| {
            let address = at_port(chosen[0], port);
            let data = supervisor.folder().join(format!("mongodb-{}", address.port()));
            std::fs::create_dir(&data).map_err(EnvironmentError::file("cannot make", &data))?;
            let oplog_mb = oplog_mb.unwrap_or(OPLOG_MB);
            let mongod = Mongod { name: "mongodb", program, address, data: &data, oplog_mb, hosts: None, log_folder };
            let command = mongod.command();
            let server = Self { unit: Unit::new(command, supervisor.clone()), address };
            server.serve().await?;
            Ok(server)
        })
        .await
    }

    /// Starts the process, on the data that is there, and waits for a writable primary.
    pub(super) async fn serve(&self) -> Result<(), EnvironmentError> {
        self.unit.start(async |process| self.wait_for_primary(&process).await).await
    }

    async fn wait_for_primary(&self, process: &Process) -> Result<(), EnvironmentError> {
        let client = OnceCell::new();
        wait_until_serving(process, &[self.address], || async { look(&client, self.address).await }).await
    }
}

/// One look at a mongod that listens: makes its set, unless a former life did, and asks whether it is its primary.
pub(in crate::environment) async fn look(client: &OnceCell<Client>, address: SocketAddr) -> Result<(), String> {
    // Made once it listens: the driver would wait half a second after a refused connection.
    let client = client.get_or_try_init(|| async { mongod::connect(address) }).await?;
    initiate(client, address).await?;
    is_primary(client).await
}

/// The arguments of a server that is a set of its own.
pub(in crate::environment) fn arguments(address: SocketAddr, data: &Path, oplog_mb: Option<u32>) -> Vec<OsString> {
    mongod::arguments(address, data, oplog_mb.unwrap_or(OPLOG_MB))
}

/// Makes the set, unless a former life did.
async fn initiate(client: &Client, address: SocketAddr) -> Result<(), String> {
    mongod::initiate(client, doc! { "_id": mongod::SET, "members": [{ "_id": 0, "host": address.to_string() }] }).await
}

async fn is_primary(client: &Client) -> Result<(), String> {
    if mongod::hello(client).await?.is_primary { Ok(()) } else { Err("it is not yet primary".to_owned()) }
}
