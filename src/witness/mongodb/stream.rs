//! The change stream, read in a task of its own and resumed without a gap.
//!
//! The task does nothing but read and pass on: a read that was cancelled would leave the driver's stream unusable.

use std::time::Duration;

use futures_util::StreamExt;
use mongodb::bson::{Document, Timestamp, doc};
use mongodb::change_stream::ChangeStream;
use mongodb::change_stream::event::{ChangeStreamEvent, ResumeToken};
use mongodb::error::Error;
use tokio::sync::mpsc::Sender;

use super::connection::{Connection, is_passing};
use crate::history::entry::Nanos;
use crate::history::recorder::Clock;

/// The pause before the stream is opened again.
const PAUSE: Duration = Duration::from_millis(50);

/// What the reader passes on, in the stream's order.
#[derive(Debug)]
pub(super) enum Sighting {
    /// Something happened.
    Event(Nanos, Box<ChangeStreamEvent<Document>>),
    /// The server was lost, and the stream goes on where it was.
    Resumed,
    /// The stream is over: what comes later is never seen.
    Lost(String),
}

/// Where a stream is to start.
#[derive(Debug, Clone)]
pub(super) enum Start {
    /// With the first change at or after this operation time.
    At(Timestamp),
    /// After the event with this token.
    After(ResumeToken),
}

/// Opens the stream over the observed collections of the run's database.
pub(super) async fn open(
    connection: &Connection,
    collections: &[String],
    start: Start,
) -> Result<ChangeStream<ChangeStreamEvent<Document>>, Error> {
    // Renames and dropped databases have another shape, and break the watch: they must come through.
    let observed = doc! { "$match": { "$or": [
        { "ns.coll": { "$in": collections } },
        { "to.coll": { "$in": collections } },
        { "operationType": { "$in": ["dropDatabase", "invalidate"] } },
    ] } };
    let watch = connection.database().watch().pipeline([observed]);
    match start {
        Start::At(time) => watch.start_at_operation_time(time).await,
        Start::After(token) => watch.resume_after(token).await,
    }
}

/// Reads until the receiver is gone or the stream cannot be resumed.
pub(super) async fn read(
    connection: Connection,
    collections: Vec<String>,
    mut stream: ChangeStream<ChangeStreamEvent<Document>>,
    mut start: Start,
    clock: Clock,
    sightings: Sender<Sighting>,
) {
    let mut moves = connection.moves();
    loop {
        let ended = loop {
            let next = tokio::select! {
                biased;
                next = stream.next() => next,
                // Another member is primary: the old one may be cut off, and then its stream stands still. A stream whose
                // read was cancelled is never used again; what it held comes again after the last token.
                Ok(()) = moves.changed() => break Ended::Moved,
            };
            match next {
                Some(Ok(event)) => {
                    // The driver resumes by itself where it can; an event after an interruption proves it.
                    if connection.take_interrupted() && sightings.send(Sighting::Resumed).await.is_err() {
                        return;
                    }
                    start = Start::After(event.id.clone());
                    if sightings.send(Sighting::Event(clock.now(), Box::new(event))).await.is_err() {
                        return;
                    }
                }
                Some(Err(error)) => break Ended::Failed(error),
                None => break Ended::Closed,
            }
        };
        let reopened = match ended {
            Ended::Moved => reopen(&connection, &collections, &start, &sightings).await,
            Ended::Failed(error) if is_passing(&error) || error.contains_label("ResumableChangeStreamError") => {
                reopen(&connection, &collections, &start, &sightings).await
            }
            Ended::Failed(error) => Err(error.to_string()),
            Ended::Closed => {
                Err("the server ended the change stream (a database or collection was dropped)".to_owned())
            }
        };
        match reopened {
            Ok(Some(again)) => stream = again,
            Ok(None) => return,
            Err(reason) => {
                // Nobody left to tell means that the witness was stopped.
                let _ = sightings.send(Sighting::Lost(reason)).await;
                return;
            }
        }
    }
}

/// Why a stream is read no further.
enum Ended {
    /// Another member has become primary.
    Moved,
    /// The server or the connection failed.
    Failed(Error),
    /// The server ended it.
    Closed,
}

/// Tries until the server is back, says that the history is gone, or the witness is stopped (`None`).
async fn reopen(
    connection: &Connection,
    collections: &[String],
    start: &Start,
    sightings: &Sender<Sighting>,
) -> Result<Option<ChangeStream<ChangeStreamEvent<Document>>>, String> {
    while !sightings.is_closed() {
        tokio::time::sleep(PAUSE).await;
        match open(connection, collections, start.clone()).await {
            Ok(stream) => {
                connection.take_interrupted();
                let told = sightings.send(Sighting::Resumed).await;
                return Ok(told.is_ok().then_some(stream));
            }
            Err(error) if is_passing(&error) || error.contains_label("ResumableChangeStreamError") => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(None)
}
