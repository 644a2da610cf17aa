//! The rows that the change stream tells of, as many at a time as there are.
//!
//! A task of its own does nothing but wait for the next event. Were that wait cut short from outside (by a stop, by a
//! batch that is complete), the driver would panic when it is asked for the stream's token; so nobody cuts it short, and
//! tokens are taken from the events.

use futures_util::StreamExt;
use mongodb::Collection;
use mongodb::bson::{Timestamp, doc};
use mongodb::change_stream::ChangeStream;
use mongodb::change_stream::event::{ChangeStreamEvent, ResumeToken};
use mongodb::error::Error;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::inventory::outbox::Row;

/// How many rows are published at once at most; as many may wait behind them.
const BATCH: usize = 500;

/// Where a feed begins.
pub(super) enum Start {
    /// Behind the row of this token.
    After(ResumeToken),
    /// With what is committed at this moment or later.
    At(Timestamp),
}

/// Rows that were committed one behind the other.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) rows: Vec<Row>,
    /// The last row's.
    pub(super) token: ResumeToken,
}

/// Why there is no next batch.
#[derive(Debug)]
pub(super) enum Interruption {
    /// The stream failed.
    Failed(Error),
    /// The stream is over: the outbox was dropped.
    Ended,
}

type Insertion = (ResumeToken, Row);

/// An open change stream. Ends its task when it is dropped.
pub(super) struct Feed {
    insertions: mpsc::Receiver<Result<Insertion, Error>>,
    /// What the task met behind rows that came first.
    failure: Option<Error>,
    _reader: JoinSet<()>,
}

impl Feed {
    /// Opens the stream; the caller bounds it.
    pub(super) async fn open(outbox: &Collection<Row>, start: Start) -> Result<Self, Error> {
        let watch = outbox.watch().pipeline([doc! { "$match": { "operationType": "insert" } }]);
        let stream = match start {
            Start::After(token) => watch.resume_after(token).await?,
            Start::At(time) => watch.start_at_operation_time(time).await?,
        };
        let (sender, insertions) = mpsc::channel(BATCH);
        let mut reader = JoinSet::new();
        reader.spawn(read(stream, sender));
        Ok(Self { insertions, failure: None, _reader: reader })
    }

    /// Waits for the next row and takes with it what is there already. Dropping the future loses none.
    pub(super) async fn next(&mut self) -> Result<Batch, Interruption> {
        if let Some(failure) = self.failure.take() {
            return Err(Interruption::Failed(failure));
        }
        let mut received = Vec::new();
        self.insertions.recv_many(&mut received, BATCH).await;
        let (rows, failure) = up_to_failure(received);
        match batch(rows) {
            Some(batch) => {
                self.failure = failure;
                Ok(batch)
            }
            None => Err(failure.map_or(Interruption::Ended, Interruption::Failed)),
        }
    }
}

/// Hands over what the stream tells of, up to its first failure.
async fn read(mut stream: ChangeStream<ChangeStreamEvent<Row>>, sender: mpsc::Sender<Result<Insertion, Error>>) {
    while let Some(event) = stream.next().await {
        let insertion = event.and_then(insertion);
        let has_failed = insertion.is_err();
        if sender.send(insertion).await.is_err() || has_failed {
            return;
        }
    }
}

fn insertion(event: ChangeStreamEvent<Row>) -> Result<Insertion, Error> {
    let row = event.full_document.ok_or_else(|| Error::custom("an insertion came without its document"))?;
    Ok((event.id, row))
}

/// What came before the first failure, and that failure.
fn up_to_failure<T, E>(received: Vec<Result<T, E>>) -> (Vec<T>, Option<E>) {
    let mut taken = Vec::new();
    for result in received {
        match result {
            Ok(item) => taken.push(item),
            Err(failure) => return (taken, Some(failure)),
        }
    }
    (taken, None)
}

fn batch(insertions: Vec<Insertion>) -> Option<Batch> {
    let token = insertions.last()?.0.clone();
    Some(Batch { rows: insertions.into_iter().map(|(_, row)| row).collect(), token })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::event::Purchased;
    use mongodb::bson::deserialize_from_document;

    fn token(name: &str) -> ResumeToken {
        deserialize_from_document(doc! { "_data": name }).unwrap()
    }

    fn inserted(version: i64) -> Insertion {
        let id = format!("row-{version}");
        let payload = Purchased { product: "p".to_owned(), quantity: 1, version: Some(version), operation: id.clone() };
        (token(&id), Row::unpublished(id.clone(), id, version, payload, None, 0))
    }

    fn feed() -> (mpsc::Sender<Result<Insertion, Error>>, Feed) {
        let (sender, insertions) = mpsc::channel(BATCH);
        (sender, Feed { insertions, failure: None, _reader: JoinSet::new() })
    }

    fn versions(batch: &Batch) -> Vec<i64> {
        batch.rows.iter().map(|row| row.sequence).collect()
    }

    #[tokio::test]
    async fn a_batch_is_what_is_there_in_its_order_with_the_token_of_the_last() {
        let (sender, mut feed) = feed();
        for version in 1..=3 {
            sender.send(Ok(inserted(version))).await.unwrap();
        }
        let batch = feed.next().await.unwrap();
        assert_eq!((versions(&batch), batch.token), (vec![1, 2, 3], token("row-3")));
    }

    #[tokio::test]
    async fn rows_in_front_of_a_failure_are_handed_out_before_it_is_told() {
        let (sender, mut feed) = feed();
        sender.send(Ok(inserted(1))).await.unwrap();
        sender.send(Err(Error::custom("away"))).await.unwrap();
        assert_eq!(versions(&feed.next().await.unwrap()), [1]);
        assert!(matches!(feed.next().await, Err(Interruption::Failed(_))));
    }

    #[tokio::test]
    async fn a_stream_that_ends_says_so() {
        let (sender, mut feed) = feed();
        drop(sender);
        assert!(matches!(feed.next().await, Err(Interruption::Ended)));
    }
}
