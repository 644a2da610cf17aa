//! A mongod, alone or a member of a cluster: how it is started, made part of a replica set, and asked what it is.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::options::{ClientOptions, ServerAddress};

use crate::process::{Command, HostsFile};

/// The replica set's name.
pub(super) const SET: &str = "rs0";

/// `MongoDB`'s error code for a set that was initiated before.
const ALREADY_INITIALIZED: i32 = 23;

/// An oplog of up to this size (in MB) is there to be rolled over. What is no longer needed is removed from it only
/// behind a checkpoint, which by default comes once a minute.
const SMALL_OPLOG_MB: u32 = 64;

/// What a mongod's command is made from.
pub(super) struct Mongod<'a> {
    pub(super) name: &'a str,
    pub(super) program: &'a Path,
    /// The only address that it listens on.
    pub(super) address: SocketAddr,
    pub(super) data: &'a Path,
    pub(super) oplog_mb: u32,
    pub(super) hosts: Option<HostsFile>,
    pub(super) log_folder: &'a Path,
}

impl Mongod<'_> {
    pub(super) fn command(self) -> Command {
        let arguments = arguments(self.address, self.data, self.oplog_mb);
        Command {
            name: self.name.to_owned(),
            program: self.program.to_owned(),
            arguments,
            environment: Vec::new(),
            folder: None,
            log: self.log_folder.join(format!("{}.log", self.name)),
            hosts: self.hosts,
            secrets: Vec::new(),
        }
    }
}

/// The server's arguments.
pub(super) fn arguments(address: SocketAddr, data: &Path, oplog_mb: u32) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec![
        "--dbpath".into(),
        data.into(),
        "--port".into(),
        address.port().to_string().into(),
        "--bind_ip".into(),
        address.ip().to_string().into(),
        "--replSet".into(),
        SET.into(),
        "--wiredTigerCacheSizeGB".into(),
        "0.25".into(),
        "--oplogSize".into(),
        oplog_mb.to_string().into(),
        "--nounixsocket".into(),
        "--setParameter".into(),
        "diagnosticDataCollectionEnabled=false".into(),
        // What a killed or cut-off client leaves open must not block its successor for the default 60 s.
        "--setParameter".into(),
        "transactionLifetimeLimitSeconds=3".into(),
    ];
    if oplog_mb <= SMALL_OPLOG_MB {
        arguments.extend(["--syncdelay".into(), "2".into()]);
    }
    arguments
}

/// What a mongod says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hello {
    /// A primary that takes writes.
    pub(super) is_primary: bool,
    /// A secondary that has what it needs to become one.
    pub(super) is_secondary: bool,
}

/// A client of this mongod alone. To be made once it listens: the driver waits half a second after a refused
/// connection.
pub(super) fn connect(address: SocketAddr) -> Result<Client, String> {
    let options = ClientOptions::builder()
        .hosts(vec![ServerAddress::Tcp { host: address.ip().to_string(), port: Some(address.port()) }])
        .direct_connection(true)
        .server_selection_timeout(Duration::from_secs(1))
        .connect_timeout(Duration::from_secs(1))
        .build();
    Client::with_options(options).map_err(|error| error.to_string())
}

/// Makes a set, unless a former life did.
pub(super) async fn initiate(client: &Client, set: Document) -> Result<(), String> {
    match run(client, doc! { "replSetInitiate": set }).await {
        Ok(_) => Ok(()),
        Err(error) => match *error.kind {
            mongodb::error::ErrorKind::Command(ref command) if command.code == ALREADY_INITIALIZED => Ok(()),
            _ => Err(format!("replSetInitiate: {error}")),
        },
    }
}

pub(super) async fn hello(client: &Client) -> Result<Hello, String> {
    let hello = run(client, doc! { "hello": 1 }).await.map_err(|error| format!("hello: {error}"))?;
    let says = |field: &str| hello.get_bool(field).unwrap_or(false);
    Ok(Hello { is_primary: says("isWritablePrimary"), is_secondary: says("secondary") })
}

pub(super) async fn run(client: &Client, command: Document) -> mongodb::error::Result<Document> {
    client.database("admin").run_command(command).await
}
