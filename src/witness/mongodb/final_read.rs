//! Every observed document at the end, read with read concern majority.

use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::ReadConcern;
use tokio::time::Instant;

use super::connection::{Connection, is_passing};
use super::json::{document_to_json, id_text};
use crate::history::entry::{CollectionEnd, Document as FinalDocument, Entry};
use crate::witness::error::WitnessError;
use crate::witness::journal::Journal;

/// The pause after a lost connection.
const PAUSE: Duration = Duration::from_millis(50);

/// Reads every collection to its end, recording as it goes.
pub(in crate::witness) async fn read_all(
    connection: &Connection,
    journal: &Journal,
    collections: &[String],
    deadline: Instant,
) -> Result<(), WitnessError> {
    for collection in collections {
        let documents = read_collection(connection, journal, collection, deadline).await?;
        let end = CollectionEnd { at: journal.now(), collection: collection.clone(), documents };
        journal.tell(Entry::Collection(end));
    }
    Ok(())
}

async fn read_collection(
    connection: &Connection,
    journal: &Journal,
    collection: &str,
    deadline: Instant,
) -> Result<u64, WitnessError> {
    let began = Instant::now();
    let doing = format!("let collection {collection} be read to its end");
    let mut count = 0;
    let mut last = "it did not answer".to_owned();
    while Instant::now() < deadline {
        match tokio::time::timeout_at(deadline, read_from(connection, journal, collection, &mut count)).await {
            Ok(Ok(())) => return Ok(count),
            Ok(Err(error)) if is_passing(&error) => last = error.to_string(),
            Ok(Err(error)) => return Err(WitnessError::Mongodb { doing, source: Box::new(error) }),
            Err(_) => break,
        }
        tokio::time::sleep_until(deadline.min(Instant::now() + PAUSE)).await;
    }
    Err(WitnessError::MongodbDeadline { doing, waited: began.elapsed(), last })
}

/// Reads in the order of `_id`, so that a lost connection goes on behind what was recorded already.
async fn read_from(
    connection: &Connection,
    journal: &Journal,
    collection: &str,
    count: &mut u64,
) -> mongodb::error::Result<()> {
    let documents = connection.database().collection::<Document>(collection);
    let mut cursor =
        documents.find(doc! {}).sort(doc! { "_id": 1 }).skip(*count).read_concern(ReadConcern::majority()).await?;
    while let Some(document) = cursor.try_next().await? {
        journal.tell(Entry::Document(FinalDocument {
            collection: collection.to_owned(),
            id: id_text(document.get("_id").unwrap_or(&Bson::Null)),
            document: document_to_json(&document),
        }));
        *count += 1;
    }
    Ok(())
}
