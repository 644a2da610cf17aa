//! The event `purchase.completed`: a `CloudEvents` 1.0 event in Kafka's binary mode, keyed by the product.
//!
//! Attributes travel as headers, the data as payload. Three ids, never mixed: the event's own (`ce_id`), the
//! operation's that caused it (`ce_correlationid`: the client's idempotency key), and the version of the product it
//! tells of (`ce_sequence`), where that is known when the event goes out.

use anyhow::{Context, Result};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use serde::{Deserialize, Serialize};

/// Which service the event came from; with the id, its identity.
pub(crate) const SOURCE: &str = "/inventory/api";

/// The type of the only event there is.
pub(crate) const PURCHASE_COMPLETED: &str = "purchase.completed";

/// What a purchase did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Purchased {
    /// The product.
    pub(crate) product: String,
    /// How many pieces were taken.
    pub(crate) quantity: i64,
    /// The product's version afterwards; unknown to whoever tells of a purchase before it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<i64>,
    /// The operation id.
    pub(crate) operation: String,
}

/// One event on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Unique with its source.
    pub(crate) id: String,
    /// When it happened, RFC 3339.
    pub(crate) time: String,
    /// W3C trace context of the request that caused it.
    pub(crate) traceparent: Option<String>,
    /// The data.
    pub(crate) data: Purchased,
}

impl Event {
    /// The Kafka key: all events of a product lie in one partition.
    pub(crate) fn key(&self) -> &str {
        &self.data.product
    }

    /// The Kafka payload.
    pub(crate) fn payload(&self) -> String {
        serde_json::to_string(&self.data).expect("text and numbers can be written as JSON")
    }

    /// The Kafka headers.
    pub(crate) fn headers(&self) -> OwnedHeaders {
        let sequence = self.data.version.map(|version| version.to_string());
        let attributes = [
            ("ce_specversion", "1.0"),
            ("ce_id", &self.id),
            ("ce_source", SOURCE),
            ("ce_type", PURCHASE_COMPLETED),
            ("ce_subject", &self.data.product),
            ("ce_time", &self.time),
            ("ce_correlationid", &self.data.operation),
            ("content-type", "application/json"),
        ];
        let sequence = sequence.as_deref().map(|value| ("ce_sequence", value));
        let traceparent = self.traceparent.as_deref().map(|value| ("traceparent", value));
        attributes
            .into_iter()
            .chain(sequence)
            .chain(traceparent)
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
    }

    /// Reads an event from a record.
    pub(crate) fn read(record: &impl Message) -> Result<Self> {
        let headers = record.headers().context("it has no headers")?;
        let payload = record.payload().context("it has no payload")?;
        Ok(Self {
            id: header(headers, "ce_id").context("the header ce_id is missing")?,
            time: header(headers, "ce_time").context("the header ce_time is missing")?,
            traceparent: header(headers, "traceparent"),
            data: serde_json::from_slice(payload).context("the payload is no purchase")?,
        })
    }
}

fn header(headers: &impl Headers, key: &str) -> Option<String> {
    let value = headers.iter().find(|header| header.key == key)?.value?;
    String::from_utf8(value.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::Timestamp;
    use rdkafka::message::OwnedMessage;

    fn event() -> Event {
        Event {
            id: "e-1".to_owned(),
            time: "2026-01-02T03:04:05Z".to_owned(),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
            data: Purchased {
                product: "product-7".to_owned(),
                quantity: 3,
                version: Some(12),
                operation: "operation-1".to_owned(),
            },
        }
    }

    fn record(event: &Event, headers: Option<OwnedHeaders>) -> OwnedMessage {
        let (payload, key) = (event.payload().into_bytes(), event.key().as_bytes().to_vec());
        OwnedMessage::new(Some(payload), Some(key), "purchases".to_owned(), Timestamp::NotAvailable, 0, 0, headers)
    }

    #[test]
    fn an_event_survives_the_way_through_a_record() {
        let event = event();
        assert_eq!(Event::read(&record(&event, Some(event.headers()))).unwrap(), event);
    }

    #[test]
    fn the_attributes_name_operation_product_and_version() {
        let headers = event().headers();
        for (key, value) in [
            ("ce_specversion", "1.0"),
            ("ce_type", "purchase.completed"),
            ("ce_source", "/inventory/api"),
            ("ce_subject", "product-7"),
            ("ce_correlationid", "operation-1"),
            ("ce_sequence", "12"),
            ("content-type", "application/json"),
        ] {
            assert_eq!(header(&headers, key).as_deref(), Some(value), "{key}");
        }
    }

    #[test]
    fn an_event_that_goes_out_before_its_change_names_no_version() {
        let mut event = event();
        event.data.version = None;
        assert_eq!(header(&event.headers(), "ce_sequence"), None);
        assert!(!event.payload().contains("version"), "{}", event.payload());
        assert_eq!(Event::read(&record(&event, Some(event.headers()))).unwrap(), event);
    }

    #[test]
    fn a_record_without_an_event_id_is_refused() {
        let event = event();
        let error = Event::read(&record(&event, Some(OwnedHeaders::new()))).unwrap_err();
        assert_eq!(error.to_string(), "the header ce_id is missing");
        assert_eq!(Event::read(&record(&event, None)).unwrap_err().to_string(), "it has no headers");
    }
}
