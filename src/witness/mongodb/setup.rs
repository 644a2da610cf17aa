//! What happens before anyone writes: collections, a look at what is there already, setup documents.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, Timestamp, doc};
use mongodb::error::{Error, ErrorKind};
use tokio::time::Instant;

use super::connection::{Connection, NAMESPACE_EXISTS, code, patiently};
use super::json::from_json;
use crate::witness::error::WitnessError;
use crate::witness::spec::SetupDocument;

/// The code of a violated unique index.
const DUPLICATE_KEY: i32 = 11000;

/// Documents in one insert command.
const BATCH: usize = 1000;

/// Creates collections that are not there yet.
pub(super) async fn create_collections(
    connection: &Connection,
    collections: &[String],
    deadline: Instant,
) -> Result<(), WitnessError> {
    for name in collections {
        patiently(&format!("create collection {name}"), deadline, || async {
            match connection.database().create_collection(name).await {
                Err(error) if code(&error) == Some(NAMESPACE_EXISTS) => Ok(()),
                other => other,
            }
        })
        .await?;
    }
    Ok(())
}

/// The server's current operation time.
pub(super) async fn operation_time(connection: &Connection, deadline: Instant) -> Result<Timestamp, WitnessError> {
    let hello = patiently("tell its operation time", deadline, || async {
        connection.database().run_command(doc! { "hello": 1 }).await
    })
    .await?;
    hello.get_timestamp("operationTime").map_err(|_| WitnessError::NoReplicaSet)
}

/// Every document of a collection exactly as it was at an operation time, whoever writes meanwhile.
pub(super) async fn snapshot(
    connection: &Connection,
    collection: &str,
    time: Timestamp,
    deadline: Instant,
) -> Result<Vec<Document>, WitnessError> {
    let began = Instant::now();
    let doing = format!("let collection {collection} be read as it was before the run");
    let read = async {
        let find = doc! { "find": collection, "readConcern": { "level": "snapshot", "atClusterTime": time } };
        connection.database().run_cursor_command(find).await?.try_collect().await
    };
    // One attempt with all the time there is: a large collection takes longer than any single command may.
    match tokio::time::timeout_at(deadline, read).await {
        Ok(Ok(documents)) => Ok(documents),
        Ok(Err(error)) => Err(WitnessError::Mongodb { doing, source: Box::new(error) }),
        Err(_) => {
            let last = "it was still being read".to_owned();
            Err(WitnessError::MongodbDeadline { doing, waited: began.elapsed(), last })
        }
    }
}

/// Inserts the setup documents.
pub(super) async fn insert_documents(
    connection: &Connection,
    documents: &[SetupDocument],
    deadline: Instant,
) -> Result<(), WitnessError> {
    let mut by_collection: BTreeMap<&str, Vec<Document>> = BTreeMap::new();
    for document in documents {
        by_collection.entry(&document.collection).or_default().push(to_document(document)?);
    }
    for (collection, documents) in by_collection {
        for batch in documents.chunks(BATCH) {
            insert_batch(connection, collection, batch, deadline).await?;
        }
    }
    Ok(())
}

fn to_document(setup: &SetupDocument) -> Result<Document, WitnessError> {
    let refuse = |reason: String| WitnessError::SetupDocument { collection: setup.collection.clone(), reason };
    match from_json(setup.document.clone()).map_err(refuse)? {
        // The id is given here, so that an insert whose answer was lost can be repeated.
        Bson::Document(document) if !document.contains_key("_id") => {
            let mut with_id = doc! { "_id": ObjectId::new() };
            with_id.extend(document);
            Ok(with_id)
        }
        Bson::Document(document) => Ok(document),
        _ => Err(refuse("it must be an object".to_owned())),
    }
}

async fn insert_batch(
    connection: &Connection,
    collection: &str,
    batch: &[Document],
    deadline: Instant,
) -> Result<(), WitnessError> {
    let mut attempts = 0;
    patiently(&format!("insert setup documents into {collection}"), deadline, || {
        attempts += 1;
        let is_repeated = attempts > 1;
        async move {
            let collection = connection.database().collection::<Document>(collection);
            match collection.insert_many(batch).ordered(false).await {
                Err(error) if is_repeated && is_only_duplicates(&error) => Ok(()),
                other => other.map(drop),
            }
        }
    })
    .await
}

/// Whether a repeated insert failed only on what the first attempt had inserted.
fn is_only_duplicates(error: &Error) -> bool {
    match error.kind.as_ref() {
        ErrorKind::InsertMany(failure) => {
            failure.write_concern_error.is_none()
                && failure.write_errors.iter().flatten().all(|error| error.code == DUPLICATE_KEY)
        }
        _ => false,
    }
}
