//! One mongod, a replica set of one: transactions and change streams need a set.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::options::{ClientOptions, ServerAddress};

use super::ports::Ports;
use super::readiness::{on_free_ports, wait_until_serving};
use crate::environment::EnvironmentError;
use crate::process::{Command, Process, Supervisor, Unit};

/// `MongoDB`'s error code for a set that was initiated before.
const ALREADY_INITIALIZED: i32 = 23;

/// The running server.
#[derive(Debug)]
pub(super) struct Mongodb {
    pub(super) unit: Unit,
    pub(super) address: SocketAddr,
}

impl Mongodb {
    /// Starts it with fresh data and waits for a writable primary.
    pub(super) async fn start(
        program: &Path,
        supervisor: &Supervisor,
        log_folder: &Path,
        ports: &Ports,
    ) -> Result<Self, EnvironmentError> {
        on_free_ports(1, ports, async |chosen| {
            let address = chosen[0];
            let data = supervisor.folder().join(format!("mongodb-{}", address.port()));
            std::fs::create_dir(&data).map_err(EnvironmentError::file("cannot make", &data))?;
            let command = command(program, address, &data, log_folder);
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
        let client = tokio::sync::OnceCell::new();
        wait_until_serving(process, &[self.address], || async {
            // Made once it listens: the driver would wait half a second after a refused connection.
            let client: &Client = client.get_or_try_init(|| async { connect(self.address) }).await?;
            initiate(client, self.address).await?;
            is_primary(client).await
        })
        .await
    }
}

fn command(program: &Path, address: SocketAddr, data: &Path, log_folder: &Path) -> Command {
    let arguments: Vec<std::ffi::OsString> = vec![
        "--dbpath".into(),
        data.into(),
        "--port".into(),
        address.port().to_string().into(),
        "--bind_ip".into(),
        "127.0.0.1".into(),
        "--replSet".into(),
        "rs0".into(),
        "--wiredTigerCacheSizeGB".into(),
        "0.25".into(),
        "--oplogSize".into(),
        "256".into(),
        "--nounixsocket".into(),
        "--setParameter".into(),
        "diagnosticDataCollectionEnabled=false".into(),
        // What a killed or cut-off client leaves open must not block its successor for the default 60 s.
        "--setParameter".into(),
        "transactionLifetimeLimitSeconds=3".into(),
    ];
    Command {
        name: "mongodb".to_owned(),
        program: program.to_owned(),
        arguments,
        environment: Vec::new(),
        folder: None,
        log: log_folder.join("mongodb.log"),
    }
}

fn connect(address: SocketAddr) -> Result<Client, String> {
    let options = ClientOptions::builder()
        .hosts(vec![ServerAddress::Tcp { host: address.ip().to_string(), port: Some(address.port()) }])
        .direct_connection(true)
        .server_selection_timeout(Duration::from_secs(1))
        .connect_timeout(Duration::from_secs(1))
        .build();
    Client::with_options(options).map_err(|error| error.to_string())
}

/// Makes the set, unless a former life did.
async fn initiate(client: &Client, address: SocketAddr) -> Result<(), String> {
    let set = doc! { "_id": "rs0", "members": [{ "_id": 0, "host": address.to_string() }] };
    match run(client, doc! { "replSetInitiate": set }).await {
        Ok(_) => Ok(()),
        Err(error) => match *error.kind {
            mongodb::error::ErrorKind::Command(ref command) if command.code == ALREADY_INITIALIZED => Ok(()),
            _ => Err(format!("replSetInitiate: {error}")),
        },
    }
}

async fn is_primary(client: &Client) -> Result<(), String> {
    let hello = run(client, doc! { "hello": 1 }).await.map_err(|error| format!("hello: {error}"))?;
    if hello.get_bool("isWritablePrimary").unwrap_or(false) { Ok(()) } else { Err("it is not yet primary".to_owned()) }
}

async fn run(client: &Client, command: Document) -> mongodb::error::Result<Document> {
    client.database("admin").run_command(command).await
}
