//! A message as a history entry.

use std::collections::BTreeMap;

use rdkafka::Message;
use rdkafka::message::Headers;
use serde_json::Value;

use crate::history::entry::{Nanos, Record};

/// A message of an observed topic, under the manifest's name of it.
pub(super) fn record(at: Nanos, topic: &str, message: &impl Message) -> Record {
    Record {
        at,
        topic: topic.to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(text),
        headers: message.headers().map(headers).unwrap_or_default(),
        payload: payload(message.payload()),
        timestamp: message.timestamp().to_millis(),
    }
}

/// Where a name comes twice, the last one counts, as for most readers.
fn headers(headers: &impl Headers) -> BTreeMap<String, String> {
    headers.iter().map(|header| (header.key.to_owned(), header.value.map(text).unwrap_or_default())).collect()
}

fn payload(bytes: Option<&[u8]>) -> Value {
    bytes.map_or(Value::Null, |bytes| serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(text(bytes))))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use rdkafka::message::{Header, OwnedHeaders, OwnedMessage, Timestamp};
    use serde_json::json;

    use super::*;

    fn message(key: Option<&str>, payload: Option<&[u8]>, headers: Option<OwnedHeaders>) -> OwnedMessage {
        let bytes = |text: &str| text.as_bytes().to_vec();
        let time = Timestamp::CreateTime(1_700_000_000_000);
        OwnedMessage::new(
            payload.map(<[u8]>::to_vec),
            key.map(bytes),
            "run7.purchases".to_owned(),
            time,
            3,
            42,
            headers,
        )
    }

    #[test]
    fn a_cloud_event_keeps_its_headers_key_and_json() {
        let headers = OwnedHeaders::new()
            .insert(Header { key: "ce_id", value: Some("e-1") })
            .insert(Header { key: "ce_empty", value: None::<&str> });
        let seen = record(9, "purchases", &message(Some("p-1"), Some(br#"{"quantity":2}"#), Some(headers)));
        assert_eq!((seen.topic.as_str(), seen.partition, seen.offset), ("purchases", 3, 42));
        assert_eq!((seen.key.as_deref(), seen.timestamp), (Some("p-1"), Some(1_700_000_000_000)));
        assert_eq!(seen.headers.get("ce_id").map(String::as_str), Some("e-1"));
        assert_eq!(seen.headers.get("ce_empty").map(String::as_str), Some(""));
        assert_eq!(seen.payload, json!({ "quantity": 2 }));
    }

    #[test]
    fn a_payload_that_is_no_json_is_text_and_a_tombstone_is_null() {
        assert_eq!(record(0, "t", &message(None, Some(b"{broken"), None)).payload, json!("{broken"));
        assert_eq!(record(0, "t", &message(None, Some(&[0xff, b'a']), None)).payload, json!("\u{fffd}a"));
        assert_eq!(record(0, "t", &message(None, None, None)).payload, Value::Null);
    }
}
