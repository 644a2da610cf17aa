//! A row of the outbox: an event that is committed together with the change it tells of, and published afterwards.
//!
//! Rows stay after they were published, with the time in `publishedAt`; a real system would let old ones expire.

use mongodb::bson::{DateTime, doc};
use mongodb::options::IndexOptions;
use mongodb::{Collection, IndexModel};
use serde::{Deserialize, Serialize};

use super::event::{Event, PURCHASE_COMPLETED, Purchased};
use crate::service::rfc3339;

/// The collection's name.
pub(crate) const OUTBOX: &str = "outbox";

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    /// The event id: however often the row is published, it is the same event.
    #[serde(rename = "_id")]
    pub(crate) id: String,
    /// The command id, unique: one request of a client, however often its transaction is attempted.
    pub(crate) command_id: String,
    /// The event type.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The product.
    pub(crate) subject: String,
    /// The operation id.
    pub(crate) operation_id: String,
    /// The product's version: orders the events of one product.
    pub(crate) sequence: i64,
    /// The event's data.
    pub(crate) payload: Purchased,
    /// What else the record's headers carry.
    pub(crate) headers: TraceHeaders,
    /// What was left of the product, for the answer to a repeated command.
    pub(crate) stock_after: i64,
    /// By the writer's clock; nothing is ordered by it.
    pub(crate) created_at: DateTime,
    /// Null until the log has acknowledged the event.
    pub(crate) published_at: Option<DateTime>,
}

/// W3C trace context.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TraceHeaders {
    /// The request's `traceparent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) traceparent: Option<String>,
}

impl Row {
    /// A row that waits to be published.
    pub(crate) fn unpublished(
        id: String,
        command_id: String,
        sequence: i64,
        payload: Purchased,
        traceparent: Option<String>,
        stock_after: i64,
    ) -> Self {
        Self {
            id,
            command_id,
            kind: PURCHASE_COMPLETED.to_owned(),
            subject: payload.product.clone(),
            operation_id: payload.operation.clone(),
            sequence,
            payload,
            headers: TraceHeaders { traceparent },
            stock_after,
            created_at: DateTime::now(),
            published_at: None,
        }
    }

    /// The event it holds.
    pub(crate) fn event(&self) -> Event {
        Event {
            id: self.id.clone(),
            time: rfc3339(self.created_at),
            traceparent: self.headers.traceparent.clone(),
            data: self.payload.clone(),
        }
    }
}

/// Creates the indexes that the pattern stands on: unique commands, and quick access to what is unpublished.
pub(crate) async fn create_indexes(outbox: &Collection<Row>) -> mongodb::error::Result<()> {
    let unique = IndexOptions::builder().unique(true).build();
    let command = IndexModel::builder().keys(doc! { "commandId": 1 }).options(unique).build();
    let unpublished = IndexModel::builder().keys(doc! { "publishedAt": 1, "sequence": 1, "_id": 1 }).build();
    outbox.create_indexes([command, unpublished]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_published_under_its_own_id_however_often() {
        let payload = Purchased {
            product: "product-1".to_owned(),
            quantity: 2,
            version: Some(5),
            operation: "operation-1".to_owned(),
        };
        let row = Row::unpublished("row-1".to_owned(), "command-1".to_owned(), 5, payload.clone(), None, 8);
        assert_eq!(row.event().id, "row-1");
        assert_eq!(row.event(), row.event());
        assert_eq!(row.event().data, payload);
    }

    #[test]
    fn an_unpublished_row_says_so_with_null_and_names_its_fields_as_the_manifest_does() {
        let payload =
            Purchased { product: "p".to_owned(), quantity: 1, version: Some(1), operation: "operation-1".to_owned() };
        let row = Row::unpublished("row-1".to_owned(), "command-1".to_owned(), 1, payload, None, 0);
        let document = mongodb::bson::serialize_to_document(&row).unwrap();
        assert!(document.get("publishedAt").is_some_and(|value| value.as_null().is_some()), "{document}");
        assert_eq!(document.get_str("_id").unwrap(), "row-1");
        assert_eq!(document.get_str("operationId").unwrap(), "operation-1");
        assert_eq!(document.get_str("type").unwrap(), "purchase.completed");
        assert_eq!(document.get_str("subject").unwrap(), "p");
        assert_eq!(document.get_i64("sequence").unwrap(), 1);
    }
}
