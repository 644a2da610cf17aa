//! BSON to relaxed extended JSON and back, and an `_id` as text.

use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document};
use serde_json::{Map, Value, json};

/// A value as relaxed extended JSON (version 2 of its specification).
pub fn to_json(value: &Bson) -> Value {
    match value {
        Bson::Document(document) => document_to_json(document),
        Bson::Array(elements) => Value::Array(elements.iter().map(to_json).collect()),
        Bson::Double(number) if number.is_nan() => json!({ "$numberDouble": "NaN" }),
        Bson::Double(number) if number.is_infinite() => {
            json!({ "$numberDouble": if *number > 0.0 { "Infinity" } else { "-Infinity" } })
        }
        Bson::DateTime(moment) => match moment.try_to_rfc3339_string() {
            // The specification keeps text for the years 1970 to 9999; the others are milliseconds.
            Ok(text) if moment.timestamp_millis() >= 0 => json!({ "$date": text }),
            _ => json!({ "$date": { "$numberLong": moment.timestamp_millis().to_string() } }),
        },
        Bson::Binary(binary) => binary_to_json(binary),
        other => serde_json::to_value(other).expect("a BSON scalar serializes to JSON"),
    }
}

/// A document as relaxed extended JSON.
pub fn document_to_json(document: &Document) -> Value {
    Value::Object(document.iter().map(|(name, value)| (name.clone(), to_json(value))).collect::<Map<_, _>>())
}

/// The driver serializes a generic binary as an array of numbers and every other subtype as extended JSON: borrow
/// another subtype for its base64.
fn binary_to_json(binary: &Binary) -> Value {
    let borrowed = Binary { subtype: BinarySubtype::UserDefined(0x80), bytes: binary.bytes.clone() };
    let mut value = serde_json::to_value(Bson::Binary(borrowed)).expect("a binary serializes to JSON");
    value["$binary"]["subType"] = json!(format!("{:02x}", u8::from(binary.subtype)));
    value
}

/// An `_id` as text: a string as it is, an object id as hex, else compact JSON.
pub fn id_text(id: &Bson) -> String {
    match id {
        Bson::String(text) => text.clone(),
        Bson::ObjectId(id) => id.to_hex(),
        other => to_json(&canonical_id(other)).to_string(),
    }
}

/// An `_id` with every whole number as a 64-bit one. To `MongoDB`, 1 is the same `_id` whatever its type, and a
/// replacement may change that type.
pub(super) fn canonical_id(id: &Bson) -> Bson {
    /// Beyond it a double no longer tells neighbours apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match id {
        Bson::Int32(number) => Bson::Int64(i64::from(*number)),
        Bson::Double(number) if number.fract() == 0.0 && number.abs() < EXACT => Bson::Int64(*number as i64),
        Bson::Array(elements) => Bson::Array(elements.iter().map(canonical_id).collect()),
        Bson::Document(fields) => {
            Bson::Document(fields.iter().map(|(name, value)| (name.clone(), canonical_id(value))).collect())
        }
        other => other.clone(),
    }
}

/// Extended JSON as BSON, every integer as a 64-bit one: a counter must not change its type when it grows.
///
/// # Errors
/// When a `$` key says something that extended JSON does not know.
pub fn from_json(value: Value) -> Result<Bson, String> {
    serde_json::from_value(value).map(widen).map_err(|error| error.to_string())
}

fn widen(value: Bson) -> Bson {
    match value {
        Bson::Int32(number) => Bson::Int64(number.into()),
        Bson::Array(elements) => Bson::Array(elements.into_iter().map(widen).collect()),
        Bson::Document(document) => {
            Bson::Document(document.into_iter().map(|(name, value)| (name, widen(value))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::oid::ObjectId;
    use mongodb::bson::{DateTime, Decimal128, Timestamp, doc};

    use super::*;

    #[test]
    fn every_kind_of_value_becomes_relaxed_extended_json() {
        let oid = ObjectId::parse_str("65f0a1b2c3d4e5f601234567").expect("an object id");
        let document = doc! {
            "text": "a", "small": 7_i32, "large": 9_007_199_254_740_993_i64, "fraction": 1.5, "yes": true,
            "none": Bson::Null, "nan": f64::NAN, "far": f64::NEG_INFINITY, "list": [1_i32, { "deep": 2_i64 }],
            "id": oid, "date": DateTime::from_millis(1_700_000_000_123), "before": DateTime::from_millis(-1),
            "bytes": Binary { subtype: BinarySubtype::Generic, bytes: vec![1, 2, 255] },
            "stamp": Timestamp { time: 5, increment: 6 },
            "decimal": "1.50".parse::<Decimal128>().expect("a decimal"),
        };
        assert_eq!(
            document_to_json(&document),
            json!({
                "text": "a", "small": 7, "large": 9_007_199_254_740_993_i64, "fraction": 1.5, "yes": true,
                "none": null, "nan": { "$numberDouble": "NaN" }, "far": { "$numberDouble": "-Infinity" },
                "list": [1, { "deep": 2 }], "id": { "$oid": "65f0a1b2c3d4e5f601234567" },
                "date": { "$date": "2023-11-14T22:13:20.123Z" }, "before": { "$date": { "$numberLong": "-1" } },
                "bytes": { "$binary": { "base64": "AQL/", "subType": "00" } },
                "stamp": { "$timestamp": { "t": 5, "i": 6 } }, "decimal": { "$numberDecimal": "1.50" },
            })
        );
    }

    #[test]
    fn an_id_reads_as_a_person_would_write_it() {
        let oid = ObjectId::parse_str("65f0a1b2c3d4e5f601234567").expect("an object id");
        assert_eq!(id_text(&Bson::String("p-1".to_owned())), "p-1");
        assert_eq!(id_text(&Bson::ObjectId(oid)), "65f0a1b2c3d4e5f601234567");
        assert_eq!([Bson::Int64(7), Bson::Int32(7), Bson::Double(7.0)].map(|id| id_text(&id)), ["7", "7", "7"]);
        assert_eq!(id_text(&Bson::Document(doc! { "a": 1_i32 })), r#"{"a":1}"#);
    }

    #[test]
    fn integers_of_a_setup_document_are_stored_with_64_bits_and_fractions_as_doubles() {
        let value = json!({ "stock": 5, "price": 2.5, "tags": [1], "deep": { "n": -1 }, "at": { "$date": "1970-01-01T00:00:01Z" } });
        let expected = doc! {
            "stock": 5_i64, "price": 2.5, "tags": [1_i64], "deep": { "n": -1_i64 }, "at": DateTime::from_millis(1000),
        };
        assert_eq!(from_json(value), Ok(Bson::Document(expected)));
    }
}
