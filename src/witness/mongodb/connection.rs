//! The client, and patience with a server that is just being restarted.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mongodb::bson::Document;
use mongodb::error::{Error, ErrorKind};
use mongodb::event::EventHandler;
use mongodb::event::sdam::SdamEvent;
use mongodb::options::{ClientOptions, ReadConcern, WriteConcern};
use mongodb::{Client, Database, ServerType};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::pilot;
use crate::witness::error::WitnessError;
use crate::witness::journal::Journal;

/// At most this long for one command; the driver has no limit of its own.
const ATTEMPT_AT_MOST: Duration = Duration::from_secs(5);

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// Server error codes that a restart or an election explains (the retryable reads' specification).
const PASSING_CODES: [i32; 14] = [6, 7, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436, 64];

/// The code of `NamespaceExists`.
pub(super) const NAMESPACE_EXISTS: i32 = 48;

/// The run's database with majority reads and writes, on direct connections past every link: of a replica set of several
/// members always on the one that is primary.
#[derive(Debug, Clone)]
pub(in crate::witness) struct Connection {
    members: Arc<[Member]>,
    current: watch::Receiver<usize>,
}

/// One server of the set, on a client of its own.
#[derive(Debug)]
pub(in crate::witness) struct Member {
    /// `mongodb`, `mongodb-2`.
    pub(in crate::witness) name: String,
    database: Database,
    interrupted: Arc<AtomicBool>,
}

impl Connection {
    /// Makes a client for each member; of several the primary is looked for first. The tasks follow it and tell what
    /// happens to the members, for as long as they are kept.
    pub(in crate::witness) async fn new(
        members: &[(String, String)],
        database: &str,
        journal: Journal,
    ) -> Result<(Self, JoinSet<()>), WitnessError> {
        let mut clients = Vec::new();
        for (name, uri) in members {
            clients.push(Member::new(name, uri, database).await?);
        }
        let members: Arc<[Member]> = clients.into();
        let (current, pilot) = pilot::start(Arc::clone(&members), journal).await;
        Ok((Self { members, current }, pilot))
    }

    pub(in crate::witness) fn database(&self) -> &Database {
        &self.members[*self.current.borrow()].database
    }

    /// The name of the member that was primary at the last look.
    pub(super) fn primary_name(&self) -> &str {
        &self.members[*self.current.borrow()].name
    }

    /// Every server of the set.
    pub(in crate::witness) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Changes when another member has become primary.
    pub(super) fn moves(&self) -> watch::Receiver<usize> {
        self.current.clone()
    }

    /// Whether the server was lost since this was last asked.
    pub(super) fn take_interrupted(&self) -> bool {
        self.members[*self.current.borrow()].interrupted.swap(false, Ordering::Relaxed)
    }
}

impl Member {
    async fn new(name: &str, uri: &str, database: &str) -> Result<Self, WitnessError> {
        let unusable = |error: Error| WitnessError::MongodbUri { reason: error.to_string() };
        let mut options = ClientOptions::parse(uri).await.map_err(unusable)?;
        let interrupted = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&interrupted);
        options.sdam_event_handler = Some(EventHandler::callback(move |event| {
            // The driver resumes a change stream in silence; that it lost the server is all that it tells.
            if let SdamEvent::ServerDescriptionChanged(change) = event
                && change.previous_description.server_type() != ServerType::Unknown
                && change.new_description.server_type() == ServerType::Unknown
            {
                seen.store(true, Ordering::Relaxed);
            }
        }));
        options.app_name = Some("torn witness".to_owned());
        options.connect_timeout = Some(Duration::from_secs(2));
        options.server_selection_timeout = Some(Duration::from_secs(2));
        options.heartbeat_freq = Some(Duration::from_millis(500));
        options.read_concern = Some(ReadConcern::majority());
        options.write_concern = Some(WriteConcern::majority());
        let client = Client::with_options(options).map_err(unusable)?;
        Ok(Self { name: name.to_owned(), database: client.database(database), interrupted })
    }

    /// Sends a command to this very server.
    pub(in crate::witness) async fn admin(&self, command: Document) -> mongodb::error::Result<Document> {
        self.database.client().database("admin").run_command(command).await
    }
}

/// Repeats an operation until it succeeds, the server refuses it, or the deadline passes.
pub(super) async fn patiently<T, F>(
    doing: &str,
    deadline: Instant,
    mut attempt: impl FnMut() -> F,
) -> Result<T, WitnessError>
where
    F: Future<Output = mongodb::error::Result<T>>,
{
    let began = Instant::now();
    let mut last = "no attempt was answered".to_owned();
    loop {
        let until = deadline.min(Instant::now() + ATTEMPT_AT_MOST);
        match tokio::time::timeout_at(until, attempt()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if is_passing(&error) => last = error.to_string(),
            Ok(Err(error)) => {
                return Err(WitnessError::Mongodb { doing: doing.to_owned(), source: Box::new(error) });
            }
            Err(_) => {}
        }
        if Instant::now() + PAUSE >= deadline {
            return Err(WitnessError::MongodbDeadline { doing: doing.to_owned(), waited: began.elapsed(), last });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether a server that comes back may make the same operation succeed.
pub(super) fn is_passing(error: &Error) -> bool {
    match error.kind.as_ref() {
        ErrorKind::Io(_) | ErrorKind::ServerSelection { .. } | ErrorKind::ConnectionPoolCleared { .. } => true,
        _ if error.contains_label("RetryableWriteError") => true,
        _ => code(error).is_some_and(|code| PASSING_CODES.contains(&code)),
    }
}

/// The server's error code, where it answered with one.
pub(super) fn code(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => Some(command.code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_attempt_that_never_answers_ends_at_the_deadline() {
        let deadline = Instant::now() + Duration::from_millis(120);
        let outcome: Result<(), _> = patiently("answer", deadline, std::future::pending).await;
        assert!(matches!(outcome, Err(WitnessError::MongodbDeadline { .. })), "{outcome:?}");
        assert!(Instant::now() >= deadline);
    }

    #[tokio::test]
    async fn a_lost_connection_is_tried_again_and_a_refusal_is_not() {
        let mut attempts = 0;
        let outcome = patiently("write", Instant::now() + Duration::from_secs(30), || {
            attempts += 1;
            std::future::ready(match attempts {
                1 | 2 => Err(Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset))),
                _ => Err(Error::custom("refused")),
            })
        });
        assert!(matches!(outcome.await, Err::<(), _>(WitnessError::Mongodb { .. })));
        assert_eq!(attempts, 3);
    }
}
