//! A `MongoDB` before a run: each address by itself first, since a driver that follows a set tells only that it found
//! nobody.

use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{ClientOptions, ReadConcern, WriteConcern};

use super::DATABASE_PREFIX;
use super::error::PreflightError;
use super::leftovers::{DROP_AT_MOST, remove_database};
use crate::secret::Secret;

/// How long one server may take to be found and to answer.
const ANSWER_AT_MOST: Duration = Duration::from_secs(5);

/// How long one step of the trial may take.
const STEP_AT_MOST: Duration = Duration::from_secs(15);

/// `maxWireVersion` of `MongoDB` 5.0.
const OLDEST_WIRE: i32 = 13;

/// `MongoDB`'s codes of a missing right and of a refused login.
const UNAUTHORIZED: i32 = 13;
const AUTHENTICATION_FAILED: i32 = 18;

/// What a user needs who is no administrator.
const ROLE: &str = "the role readWriteAnyDatabase (on the database admin)";

/// The same servers, by different connection strings.
pub struct Uris<'a> {
    /// The addresses that were given.
    pub hosts: &'a [String],
    /// Only these, whatever set they belong to.
    pub is_direct: bool,
    /// The string for one of them by itself.
    pub member: &'a (dyn Fn(&str) -> Secret + Sync),
    /// What nothing may say.
    pub passwords: &'a [Secret],
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundMongodb {
    /// The replica set's name.
    pub set: String,
    /// `host:port` of each member, by the set's own names unless it was dialled directly.
    pub members: Vec<String>,
    /// `6.0.5`.
    pub version: String,
    /// Whether the user may make the primary step down.
    pub may_step_down: bool,
}

/// Looks at every member, and tries on the primary what a run will do, in a database of its own that is removed again.
///
/// # Errors
/// With the first thing that a run would stumble over.
pub async fn look_at_mongodb(uris: &Uris<'_>) -> Result<FoundMongodb, PreflightError> {
    let (client, hello) = first_that_answers(uris).await?;
    let first = &uris.hosts[0];
    let version = version(&client, first).await?;
    if hello.get_str("msg").is_ok_and(|said| said == "isdbgrid") {
        return Err(PreflightError::Sharded { server: named(first) });
    }
    let wire = hello.get_i32("maxWireVersion").unwrap_or_default();
    if let Some(error) = too_old(first, wire, &version) {
        return Err(error);
    }
    let Ok(set) = hello.get_str("setName").map(str::to_owned) else {
        return Err(PreflightError::NoReplicaSet { server: named(first) });
    };
    let told = hello.get_array("hosts").map(|hosts| hosts.iter().filter_map(Bson::as_str).map(str::to_owned).collect());
    let members: Vec<String> = if uris.is_direct { uris.hosts.to_vec() } else { told.unwrap_or_default() };
    let mut primary = None;
    let mut state = Vec::new();
    for member in &members {
        let (client, hello) = greet(uris, member).await?;
        let is_primary = hello.get_bool("isWritablePrimary").unwrap_or(false);
        let is = if is_primary { "primary" } else { "not primary" };
        state.push(format!("{member} is {is}"));
        if is_primary {
            primary = Some(client);
        }
    }
    let Some(primary) = primary else {
        return Err(match members.as_slice() {
            [only] => PreflightError::ReadOnly { server: named(only) },
            _ => PreflightError::NoPrimary { set, state: state.join(", ") },
        });
    };
    let tried = trial(&primary).await;
    tried.map_err(|(doing, error)| of(uris, refused(&doing, &error)))?;
    let may_step_down = may_step_down(&primary).await;
    Ok(FoundMongodb { set, members, version, may_step_down })
}

/// The first of the given addresses at which somebody answers; else what the first of them says.
async fn first_that_answers(uris: &Uris<'_>) -> Result<(Client, Document), PreflightError> {
    let mut first = None;
    for host in uris.hosts {
        match greet(uris, host).await {
            Ok(answered) => return Ok(answered),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.expect("a connection string names a host"))
}

/// Dials one server by itself and asks what it is. The driver logs in before it asks.
async fn greet(uris: &Uris<'_>, host: &str) -> Result<(Client, Document), PreflightError> {
    let failed = |error: &Error| of(uris, unreachable(host, error));
    let mut options = ClientOptions::parse((uris.member)(host).reveal()).await.map_err(|error| failed(&error))?;
    options.app_name = Some("torn preflight".to_owned());
    options.connect_timeout = Some(ANSWER_AT_MOST);
    options.server_selection_timeout = Some(ANSWER_AT_MOST);
    options.read_concern = Some(ReadConcern::majority());
    options.write_concern = Some(WriteConcern::majority());
    let client = Client::with_options(options).map_err(|error| failed(&error))?;
    let admin = client.database("admin");
    match tokio::time::timeout(ANSWER_AT_MOST * 2, admin.run_command(doc! { "hello": 1 })).await {
        Ok(Ok(hello)) => Ok((client, hello)),
        Ok(Err(error)) => Err(failed(&error)),
        Err(_) => Err(silent(host)),
    }
}

fn silent(host: &str) -> PreflightError {
    PreflightError::Unreachable { server: named(host), reason: "it does not answer".to_owned() }
}

async fn version(client: &Client, host: &str) -> Result<String, PreflightError> {
    let admin = client.database("admin");
    let told = match tokio::time::timeout(ANSWER_AT_MOST, admin.run_command(doc! { "buildInfo": 1 })).await {
        Ok(told) => told.map_err(|error| unreachable(host, &error))?,
        Err(_) => return Err(silent(host)),
    };
    Ok(told.get_str("version").unwrap_or_default().to_owned())
}

fn too_old(host: &str, wire: i32, version: &str) -> Option<PreflightError> {
    (wire < OLDEST_WIRE).then(|| PreflightError::TooOld {
        server: named(host),
        found: version.to_owned(),
        oldest: "5.0",
        reason: "snapshot reads outside of transactions, by which the first state of every document is known",
    })
}

/// Does once what a run does; says what failed.
async fn trial(primary: &Client) -> Result<(), (String, Error)> {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let database = primary.database(&format!("{DATABASE_PREFIX}{}", &id[..8]));
    let tried = try_out(primary, &database).await;
    let removal = remove_database(&database, DROP_AT_MOST);
    let removed = step_within(DROP_AT_MOST, "remove its own database", removal).await;
    // What failed first is the cause.
    tried.and(removed)
}

async fn try_out(client: &Client, database: &mongodb::Database) -> Result<(), (String, Error)> {
    const COLLECTION: &str = "preflight";
    step("create a collection in a new database", database.create_collection(COLLECTION)).await?;
    let stream = step("watch a database by a change stream", async { database.watch().await }).await?;
    drop(stream);
    step("write in a transaction", async {
        let mut session = client.start_session().await?;
        session.start_transaction().await?;
        let collection = database.collection::<Document>(COLLECTION);
        collection.insert_one(doc! { "_id": 1 }).session(&mut session).await?;
        session.commit_transaction().await
    })
    .await?;
    step("read a snapshot", async {
        let find = doc! { "find": COLLECTION, "readConcern": { "level": "snapshot" } };
        let read: Vec<Document> = database.run_cursor_command(find).await?.try_collect().await?;
        Ok(read)
    })
    .await?;
    Ok(())
}

async fn step<T>(
    doing: &str,
    work: impl std::future::IntoFuture<Output = mongodb::error::Result<T>>,
) -> Result<T, (String, Error)> {
    step_within(STEP_AT_MOST, doing, work).await
}

async fn step_within<T>(
    at_most: Duration,
    doing: &str,
    work: impl std::future::IntoFuture<Output = mongodb::error::Result<T>>,
) -> Result<T, (String, Error)> {
    let ended = tokio::time::timeout(at_most, work.into_future()).await;
    let ended = ended.unwrap_or_else(|_| Err(Error::from(std::io::Error::from(std::io::ErrorKind::TimedOut))));
    ended.map_err(|error| (doing.to_owned(), error))
}

/// A server without users lets everybody.
async fn may_step_down(client: &Client) -> bool {
    let command = doc! { "connectionStatus": 1, "showPrivileges": true };
    let admin = client.database("admin");
    // Whoever does not answer may as well refuse.
    let Ok(Ok(status)) = tokio::time::timeout(ANSWER_AT_MOST, admin.run_command(command)).await else { return false };
    let Ok(info) = status.get_document("authInfo") else { return false };
    if info.get_array("authenticatedUsers").is_ok_and(Vec::is_empty) {
        return true;
    }
    let privileges = info.get_array("authenticatedUserPrivileges").into_iter().flatten().filter_map(Bson::as_document);
    let mut actions = privileges.filter_map(|privilege| privilege.get_array("actions").ok()).flatten();
    actions.any(|action| matches!(action.as_str(), Some("replSetStateChange" | "anyAction")))
}

fn named(host: &str) -> String {
    format!("MongoDB at {host}")
}

/// An error while somebody was dialled.
fn unreachable(host: &str, error: &Error) -> PreflightError {
    let (server, reason) = (named(host), said(error));
    let has = |parts: &[&str]| parts.iter().any(|part| reason.to_lowercase().contains(part));
    if code(error) == Some(AUTHENTICATION_FAILED) || matches!(*error.kind, ErrorKind::Authentication { .. }) {
        return PreflightError::Credentials { server, reason };
    }
    if has(&["authentication failed", "scram failure"]) {
        return PreflightError::Credentials { server, reason };
    }
    if has(&["certificate", "tls", "ssl"]) {
        return PreflightError::Tls { server, reason, key: "tlsCAFile in the URI" };
    }
    PreflightError::Unreachable { server, reason }
}

/// An error of the trial.
fn refused(doing: &str, error: &Error) -> PreflightError {
    let (server, doing, reason) = ("MongoDB", doing.to_owned(), said(error));
    let is_missing_right = code(error) == Some(UNAUTHORIZED) || reason.contains("not authorized");
    if is_missing_right || reason.contains("requires authentication") {
        return PreflightError::NoRight { server, doing, reason, right: ROLE };
    }
    PreflightError::Failed { server, doing, reason }
}

fn code(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => Some(command.code),
        _ => None,
    }
}

/// What the driver says, with the cause that it keeps to itself.
fn said(error: &Error) -> String {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => format!("{} (code {})", command.message, command.code),
        ErrorKind::ServerSelection { message, .. } => inner(message),
        _ => match std::error::Error::source(error) {
            Some(source) if !error.to_string().contains(&source.to_string()) => format!("{}: {source}", error.kind),
            _ => error.kind.to_string(),
        },
    }
}

/// Of a message about a whole topology, what its one server says, in the driver's words without its bookkeeping.
fn inner(message: &str) -> String {
    let one = message.split_once("Error: ").map_or(message, |(_, rest)| rest);
    let one = one.strip_prefix("Kind: ").unwrap_or(one);
    let one = one.split(", labels: {").next().unwrap_or(one);
    one.trim_end_matches([' ', '}', ']', ',']).to_owned()
}

/// Takes passwords out of whatever a library said.
fn of(uris: &Uris<'_>, error: PreflightError) -> PreflightError {
    let hide = |text: String| uris.passwords.iter().fold(text, |text, password| password.hidden_in(&text));
    match error {
        PreflightError::Unreachable { server, reason } => PreflightError::Unreachable { server, reason: hide(reason) },
        PreflightError::Credentials { server, reason } => PreflightError::Credentials { server, reason: hide(reason) },
        PreflightError::Tls { server, reason, key } => PreflightError::Tls { server, reason: hide(reason), key },
        PreflightError::Failed { server, doing, reason } => {
            PreflightError::Failed { server, doing, reason: hide(reason) }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::witness::preflight::fixture::mute_mongod;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_mongod_that_greets_and_answers_no_more_is_told_as_that() {
        let host = mute_mongod().await.to_string();
        let member = |host: &str| Secret::new(format!("mongodb://{host}/?directConnection=true"));
        let uris = Uris { hosts: &[host], is_direct: true, member: &member, passwords: &[] };
        let looked = tokio::time::timeout(ANSWER_AT_MOST * 4, look_at_mongodb(&uris)).await;
        let said = looked.expect("the look ends").expect_err("there is no answer").to_string();
        assert!(said.contains("cannot be reached") && said.contains("it does not answer"), "{said}");
    }

    #[test]
    fn of_what_the_driver_says_of_a_topology_the_cause_is_told() {
        let said = "Server selection timeout: No available servers. Topology: { Type: Single, Servers: [ { Address: a:1, Type: \
                    Unknown, Error: Kind: I/O error: Connection refused (os error 111), labels: {\"X\"}, source: None } ] }";
        assert_eq!(inner(said), "I/O error: Connection refused (os error 111)");
    }

    #[test]
    fn a_server_older_than_5_0_is_told_with_the_reason() {
        assert_eq!(too_old("a:1", 13, "5.0.0"), None);
        let error = too_old("a:1", 9, "4.4.29").expect("it is too old").to_string();
        assert!(error.starts_with("MongoDB at a:1 is too old (4.4.29): 5.0 or newer is needed"), "{error}");
    }
}
