//! The witness as a whole: starts before anyone writes, catches up after the load, stops.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, Timestamp, doc};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::connection::{Connection, patiently};
use super::fold::Fold;
use super::ledger::{Backlog, Ledger, Progress, WITNESS};
use super::setup;
use super::stream::{self, Start};
use crate::history::entry::WitnessStep;
use crate::history::recorder::Clock;
use crate::witness::error::WitnessError;
use crate::witness::journal::Journal;
use crate::witness::spec::MongodbSpec;

/// Events that may wait for the fold. A full queue makes the stream wait, and that costs nothing but time.
const QUEUE: usize = 4096;

/// The collection of the harness's own marks: what is written there comes through the stream behind everything that
/// was committed before it.
pub(super) const MARKS: &str = "torn_marks";

/// Watches one database.
pub(in crate::witness) struct MongodbEye {
    connection: Connection,
    journal: Journal,
    collections: Vec<String>,
    /// The field of a mark that holds its number; another run's marks have another name.
    mark_field: String,
    next_mark: AtomicI64,
    progress: watch::Receiver<Progress>,
    backlog: Backlog,
    /// Follows the primary and tells what happens to the members.
    pilot: JoinSet<()>,
    reader: JoinSet<()>,
    ledger: JoinHandle<()>,
}

impl MongodbEye {
    /// Creates the collections, records what is there, opens the stream from that very operation time, and inserts the
    /// setup documents in sight of it.
    pub(in crate::witness) async fn start(
        spec: MongodbSpec,
        journal: Journal,
        clock: Clock,
        deadline: Instant,
    ) -> Result<Self, WitnessError> {
        let began = Instant::now();
        let (connection, pilot) = Connection::new(&spec.members, &spec.database, journal.clone()).await?;
        let mut streamed = spec.collections.clone();
        streamed.push(MARKS.to_owned());
        setup::create_collections(&connection, &streamed, deadline).await?;
        let time = setup::operation_time(&connection, deadline).await?;

        let mark_field = ObjectId::new().to_hex();
        let backlog: Backlog = Arc::new(Mutex::new(spec.outboxes.keys().map(|name| (name.clone(), 0)).collect()));
        let (progress_sender, progress) = watch::channel(Progress::default());
        let mut ledger = Ledger {
            journal: journal.clone(),
            outboxes: spec.outboxes,
            marks: (MARKS.to_owned(), mark_field.clone()),
            fold: Fold::default(),
            backlog: Arc::clone(&backlog),
            progress: progress_sender,
        };
        for collection in &spec.collections {
            for document in setup::snapshot(&connection, collection, time, deadline).await? {
                ledger.take_snapshot(collection, document, time);
            }
        }

        // The start is inclusive, and everything up to the snapshot's time is in the snapshot.
        let start = Start::At(Timestamp { time: time.time, increment: time.increment + 1 });
        let changes =
            patiently("open a change stream", deadline, || stream::open(&connection, &streamed, start.clone())).await?;
        let (sender, sightings) = mpsc::channel(QUEUE);
        let mut reader = JoinSet::new();
        reader.spawn(stream::read(connection.clone(), streamed, changes, start, clock, sender));
        let ledger = std::thread::Builder::new()
            .name("witness-mongodb".to_owned())
            .spawn(move || ledger.follow(sightings))
            .map_err(WitnessError::Thread)?;

        let collections = spec.collections;
        let next_mark = AtomicI64::new(1);
        let eye =
            Self { connection, journal, collections, mark_field, next_mark, progress, backlog, pilot, reader, ledger };
        setup::insert_documents(&eye.connection, &spec.documents, deadline).await?;
        // The first mark ends the setup: inserts that come behind it are somebody else's.
        eye.pass_mark(deadline)
            .await
            .map_err(|reason| WitnessError::SetupUnseen { waited: began.elapsed(), reason })?;
        eye.journal.step(WITNESS, WitnessStep::Ready, format!("operation time {}.{}", time.time, time.increment));
        Ok(eye)
    }

    /// Whether everything that is committed now has come through the stream before the deadline.
    pub(in crate::witness) async fn catch_up(&self, deadline: Instant) -> bool {
        match self.pass_mark(deadline).await {
            Ok(mark) => {
                self.journal.step(WITNESS, WitnessStep::CaughtUp, format!("mark {mark}"));
                true
            }
            Err(_) => false,
        }
    }

    /// Writes a mark and waits until the stream has passed it.
    async fn pass_mark(&self, deadline: Instant) -> Result<i64, String> {
        let mark = self.next_mark.fetch_add(1, Ordering::Relaxed);
        let marks = self.connection.database().collection::<Document>(MARKS);
        patiently("take a mark", deadline, || async {
            marks.insert_one(doc! { "_id": ObjectId::new(), &self.mark_field: mark }).await
        })
        .await
        .map_err(|error| error.to_string())?;
        let mut progress = self.progress.clone();
        let passed = progress.wait_for(|progress| progress.mark >= mark || progress.lost.is_some());
        match tokio::time::timeout_at(deadline, passed).await {
            Ok(Ok(progress)) => progress.lost.clone().map_or(Ok(mark), Err),
            Ok(Err(_)) => Err("the witness has stopped".to_owned()),
            Err(_) => Err("the change stream did not deliver in time".to_owned()),
        }
    }

    pub(in crate::witness) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(in crate::witness) fn collections(&self) -> &[String] {
        &self.collections
    }

    /// Unpublished rows by outbox collection.
    pub(in crate::witness) fn backlog(&self) -> BTreeMap<String, u64> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A handle to the backlog for the sampler.
    pub(in crate::witness) fn backlog_handle(&self) -> Backlog {
        Arc::clone(&self.backlog)
    }

    /// Stops, and drops the run's database: for a server that outlives the run.
    pub(in crate::witness) async fn remove(self, deadline: Instant) -> Result<(), WitnessError> {
        let connection = self.connection.clone();
        self.stop().await;
        patiently("drop the run's database", deadline, || async { connection.database().drop().await }).await
    }

    /// Ends the reader, and waits until what it had read is recorded.
    pub(in crate::witness) async fn stop(mut self) {
        self.pilot.shutdown().await;
        self.reader.shutdown().await;
        let ledger = self.ledger;
        // Its queue is closed: it ends after the events that wait there, at most `QUEUE`.
        let _ = tokio::task::spawn_blocking(move || ledger.join()).await;
    }
}
