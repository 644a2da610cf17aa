//! Keys and values as small numbers.

use std::cmp::Ordering;
use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::text::{TextId, Texts};

/// The number of a key, dense from 0. The integer 1 and the text `1` are the same key: JSON objects know only texts.
pub(super) type Key = u32;

/// A message's value in eight bytes; equal values have equal bytes. The integer 1 and the text `1` differ.
///
/// The lowest two bits say what the rest is: an integer of 62 bits, a text's number, null, or a larger integer, which is
/// kept as the text of its digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Value(u64);

const INTEGER: u64 = 0;
const TEXT: u64 = 1;
const NULL: u64 = 2;
const LARGE: u64 = 3;

impl Value {
    /// Null: a record without a value.
    pub(super) const NONE: Self = Self(NULL);
}

/// The keys and values of one history.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    keys: Texts,
    texts: Texts,
    digits: String,
}

impl Vocabulary {
    pub(super) fn key(&mut self, text: &str) -> Key {
        self.keys.intern(text).0
    }

    pub(super) fn key_of_integer(&mut self, number: i64) -> Key {
        self.spell(number);
        self.keys.intern(&self.digits).0
    }

    pub(super) fn integer(&mut self, number: i64) -> Value {
        let shifted = number << 2;
        if shifted >> 2 == number {
            return Value(shifted.cast_unsigned() | INTEGER);
        }
        self.spell(number);
        self.large()
    }

    pub(super) fn unsigned(&mut self, number: u64) -> Value {
        if let Ok(number) = i64::try_from(number) {
            return self.integer(number);
        }
        self.spell(number);
        self.large()
    }

    pub(super) fn text(&mut self, text: &str) -> Value {
        Value(u64::from(self.texts.intern(text).0) << 2 | TEXT)
    }

    fn large(&mut self) -> Value {
        Value(u64::from(self.texts.intern(&self.digits).0) << 2 | LARGE)
    }

    fn spell(&mut self, number: impl std::fmt::Display) {
        self.digits.clear();
        write!(self.digits, "{number}").expect("a text takes what is written to it");
    }

    pub(super) fn key_count(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn key_text(&self, key: Key) -> &str {
        self.keys.get(TextId(key))
    }

    pub(super) fn memory(&self) -> u64 {
        self.keys.memory() + self.texts.memory() + self.digits.capacity() as u64
    }

    /// What a value is, spelled out.
    pub(super) fn spelled(&self, value: Value) -> Spelled<'_> {
        let text = || self.texts.get(TextId((value.0 >> 2) as u32));
        match value.0 & 3 {
            INTEGER => Spelled::Integer(i128::from(value.0.cast_signed() >> 2)),
            TEXT => Spelled::Text(text()),
            LARGE => Spelled::Integer(text().parse().expect("digits were stored")),
            _ => Spelled::Null,
        }
    }

    /// A value as JSON.
    pub(super) fn json(&self, value: Value) -> Json {
        match self.spelled(value) {
            Spelled::Null => Json::Null,
            Spelled::Text(text) => Json::from(text),
            Spelled::Integer(number) => match i64::try_from(number) {
                Ok(number) => Json::from(number),
                Err(_) => u64::try_from(number).map_or(Json::Null, Json::from),
            },
        }
    }

    /// The order in which Clojure's hash set yields values.
    pub(super) fn set_order(&self, left: Value, right: Value) -> Ordering {
        place_in_set(&self.spelled(left)).cmp(&place_in_set(&self.spelled(right)))
    }
}

/// A value spelled out, in the order of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Spelled<'a> {
    Null,
    Integer(i128),
    Text(&'a str),
}

/// Where a value stands among others of a Clojure hash set: by its hash, five bits at a time, the lowest first; null
/// before all.
///
/// Where one offset shows several values, any of them may take its place in the version order. Jepsen takes the first of
/// a hash set (`version-orders`), and further findings hang on it; the same choice gives the same findings. The hashes
/// are Murmur3 as in `clojure.lang.Murmur3`.
fn place_in_set(value: &Spelled<'_>) -> (bool, [u32; 7]) {
    let hash = match value {
        Spelled::Null => return (false, [0; 7]),
        Spelled::Integer(number) => hash_long(*number as u64),
        Spelled::Text(text) => {
            let java = text.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
            hash_int(java)
        }
    };
    (true, std::array::from_fn(|level| hash >> (5 * level) & 31))
}

fn hash_long(number: u64) -> u32 {
    if number == 0 {
        return 0;
    }
    let low = mix_hash(0, number as u32);
    finish(mix_hash(low, (number >> 32) as u32), 8)
}

fn hash_int(number: u32) -> u32 {
    if number == 0 { 0 } else { finish(mix_hash(0, number), 4) }
}

fn mix_hash(hash: u32, part: u32) -> u32 {
    let part = part.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    (hash ^ part).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
}

fn finish(hash: u32, length: u32) -> u32 {
    let hash = hash ^ length;
    let hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    let hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_keeps_what_it_is() {
        let mut vocabulary = Vocabulary::default();
        let values = [
            vocabulary.integer(1),
            vocabulary.text("1"),
            vocabulary.integer(i64::MAX),
            vocabulary.text("9223372036854775807"),
            vocabulary.unsigned(u64::MAX),
            vocabulary.integer(i64::MIN),
            vocabulary.integer(-3),
            Value::NONE,
        ];
        for (place, value) in values.iter().enumerate() {
            assert_eq!(values.iter().position(|other| other == value), Some(place));
        }
        let json: Vec<String> = values.iter().map(|&value| vocabulary.json(value).to_string()).collect();
        let expected = [
            "1",
            "\"1\"",
            "9223372036854775807",
            "\"9223372036854775807\"",
            "18446744073709551615",
            "-9223372036854775808",
            "-3",
            "null",
        ];
        assert_eq!(json, expected);
    }

    #[test]
    fn the_integer_and_the_text_are_one_key() {
        let mut vocabulary = Vocabulary::default();
        assert_eq!(vocabulary.key("17"), vocabulary.key_of_integer(17));
        assert_ne!(vocabulary.key("17"), vocabulary.key("017"));
    }

    /// `(seq #{1 2 3 4 5 6 7 8 9 10})` and `(seq #{"a" "b" "c"})` as a Clojure prompt prints them.
    #[test]
    fn a_set_has_the_order_that_clojure_gives_it() {
        let mut vocabulary = Vocabulary::default();
        let mut numbers: Vec<i64> = (1..=10).collect();
        numbers.sort_by(|&left, &right| {
            let (left, right) = (vocabulary.integer(left), vocabulary.integer(right));
            vocabulary.set_order(left, right)
        });
        assert_eq!(numbers, [7, 1, 4, 6, 3, 2, 9, 5, 10, 8]);
        let mut texts = ["c", "b", "a"];
        texts.sort_by(|left, right| {
            let (left, right) = (vocabulary.text(left), vocabulary.text(right));
            vocabulary.set_order(left, right)
        });
        assert_eq!(texts, ["a", "b", "c"]);
    }
}
