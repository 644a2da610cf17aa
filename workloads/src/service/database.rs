//! One `MongoDB` client with bounds on everything, and what its errors mean.
//!
//! The Rust driver has neither a socket timeout nor one for the wait in its pool's queue. Each request of a service
//! is therefore bounded from outside, by [`REQUEST_TIMEOUT`].

use std::time::Duration;

use anyhow::{Context, Result};
use mongodb::bson::doc;
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::options::{ClientOptions, CollectionOptions, WriteConcern};
use mongodb::{Client, Collection, Database};

use super::environment::Environment;
use super::predecessor::{self, application_name};

/// The longest a service works for one request on one dependency, waits in the pool's queue included.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

const POOL_AT_MOST: u32 = 20;
const POOL_AT_LEAST: u32 = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
const SELECTION_TIMEOUT: Duration = Duration::from_secs(1);
const HEARTBEAT: Duration = Duration::from_millis(500);

const NAMESPACE_EXISTS: i32 = 48;
const WRITE_CONFLICT: i32 = 112;
const INVALID_RESUME_TOKEN: i32 = 260;
const CHANGE_STREAM_FATAL_ERROR: i32 = 280;
const CHANGE_STREAM_HISTORY_LOST: i32 = 286;
const DUPLICATE_KEY: i32 = 11_000;

/// Makes the client and names the database; dials nobody yet.
pub(crate) async fn open(environment: &Environment) -> Result<Database> {
    let mut options = ClientOptions::parse(&environment.mongodb_uri)
        .await
        .context("MONGODB_URI cannot be read; expected mongodb://HOST:PORT/DATABASE")?;
    let database = options.default_database.as_deref();
    let database = database.context("MONGODB_URI names no database; expected it as the path, /DATABASE")?.to_owned();
    options.app_name = Some(application_name(environment, &database));
    options.max_pool_size = Some(POOL_AT_MOST);
    options.min_pool_size = Some(POOL_AT_LEAST);
    options.connect_timeout = Some(CONNECT_TIMEOUT);
    options.server_selection_timeout = Some(SELECTION_TIMEOUT);
    options.heartbeat_freq = Some(HEARTBEAT);
    let client = Client::with_options(options).context("MONGODB_URI holds options that contradict each other")?;
    Ok(client.database(&database))
}

/// A collection whose writes are acknowledged by a majority: what a client was told survives the loss of a node.
pub(crate) fn majority<T: Send + Sync>(database: &Database, name: &str) -> Collection<T> {
    collection(database, name, WriteConcern::majority())
}

/// A collection whose writes are acknowledged as the concern says, unless a transaction says otherwise.
pub(crate) fn collection<T: Send + Sync>(database: &Database, name: &str, concern: WriteConcern) -> Collection<T> {
    let options = CollectionOptions::builder().write_concern(concern).build();
    database.collection_with_options(name, options)
}

/// Gets the database ready for this process: it answers, nothing of a killed predecessor blocks it, and the
/// collections are there, so that no transaction has to create one (two that create the same one conflict).
pub(crate) async fn prepare(environment: &Environment, database: &Database, collections: &[&str]) -> Result<()> {
    database.run_command(doc! { "ping": 1 }).await.context("MongoDB does not answer")?;
    predecessor::end_transactions(environment, database).await?;
    create_collections(database, collections).await
}

async fn create_collections(database: &Database, names: &[&str]) -> Result<()> {
    for name in names {
        if let Err(error) = database.create_collection(*name).await
            && code(&error) != Some(NAMESPACE_EXISTS)
        {
            return Err(error).with_context(|| format!("failed to create the collection {name}"));
        }
    }
    Ok(())
}

/// Another transaction wrote the same document first.
pub(crate) fn is_write_conflict(error: &Error) -> bool {
    code(error) == Some(WRITE_CONFLICT)
}

/// A unique index already holds this key.
pub(crate) fn is_duplicate_key(error: &Error) -> bool {
    code(error) == Some(DUPLICATE_KEY)
}

/// A change stream cannot go on from where it was asked to: the server's log does not reach back that far any more, or
/// what is there is not what the token was taken from.
pub(crate) fn is_history_lost(error: &Error) -> bool {
    const CODES: [i32; 3] = [INVALID_RESUME_TOKEN, CHANGE_STREAM_FATAL_ERROR, CHANGE_STREAM_HISTORY_LOST];
    code(error).is_some_and(|code| CODES.contains(&code))
}

fn code(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => Some(command.code),
        ErrorKind::Write(WriteFailure::WriteError(write)) => Some(write.code),
        _ => None,
    }
}
