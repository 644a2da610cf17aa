//! What is unpublished: how it is read together with the moment at which nothing else was, and how it is marked.

use mongodb::bson::{DateTime, Timestamp, deserialize_from_document, doc};
use mongodb::error::Result;
use mongodb::{Collection, Database};
use serde::Deserialize;

use crate::inventory::outbox::Row;

/// How many rows are read at once.
pub(super) const BATCH: u32 = 100;

/// The first unpublished rows, in the order of each product, as most members had them at one moment.
#[derive(Debug, Deserialize)]
pub(super) struct Backlog {
    #[serde(rename = "firstBatch")]
    pub(super) rows: Vec<Row>,
    /// That moment: what was committed up to it was seen, and nothing that was committed later.
    #[serde(rename = "atClusterTime")]
    pub(super) time: Timestamp,
}

/// The server's answer.
#[derive(Debug, Deserialize)]
struct Answer {
    cursor: Backlog,
}

impl Backlog {
    /// Reads it. The driver keeps the moment of a snapshot to itself, so the command is given as it is. All rows come in
    /// the first answer.
    pub(super) async fn read(database: &Database, outbox: &Collection<Row>) -> Result<Self> {
        let command = doc! {
            "find": outbox.name(),
            "filter": { "publishedAt": null },
            "sort": { "sequence": 1, "_id": 1 },
            "limit": BATCH,
            "batchSize": BATCH,
            "singleBatch": true,
            "readConcern": { "level": "snapshot" },
        };
        let answer = database.run_command(command).await?;
        let Answer { cursor } = deserialize_from_document(answer)?;
        Ok(cursor)
    }

    /// Whether there may be more rows than these.
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() == BATCH as usize
    }
}

/// Marks rows that the log has acknowledged.
pub(super) async fn mark(outbox: &Collection<Row>, published: &[String]) -> Result<()> {
    if !published.is_empty() {
        let rows = doc! { "_id": { "$in": published }, "publishedAt": null };
        outbox.update_many(rows, doc! { "$set": { "publishedAt": DateTime::now() } }).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::event::Purchased;
    use mongodb::bson::serialize_to_document;

    #[test]
    fn an_answer_tells_rows_and_the_moment_of_their_snapshot() {
        let payload =
            Purchased { product: "p".to_owned(), quantity: 1, version: Some(4), operation: "operation-1".to_owned() };
        let row = Row::unpublished("row-1".to_owned(), "command-1".to_owned(), 4, payload, None, 0);
        let time = Timestamp { time: 7, increment: 3 };
        let rows = vec![serialize_to_document(&row).unwrap()];
        let answer = doc! { "cursor": { "firstBatch": rows, "id": 0_i64, "atClusterTime": time }, "ok": 1.0 };
        let Answer { cursor } = deserialize_from_document(answer).unwrap();
        assert_eq!((cursor.rows.as_slice(), cursor.time), ([row].as_slice(), time));
        assert!(!cursor.is_full());
    }
}
