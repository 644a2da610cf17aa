//! Fingerprints of JSON values, the same in whatever order the fields of an object stand.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::FixedState;
use serde_json::Value;

use crate::name::fingerprint;

/// 64 bits that two different values share only by a rare accident. 3 and 3.0 are different values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Print(u64);

/// What begins the fingerprint of each type, so that `3` and `"3"` differ.
#[derive(Clone, Copy)]
enum Type {
    Null,
    Bool,
    Negative,
    Unsigned,
    Real,
    Text,
    Array,
    Object,
}

fn mix(kind: Type, words: impl IntoIterator<Item = u64>) -> Print {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write_u64(kind as u64);
    for word in words {
        hasher.write_u64(word);
    }
    Print(hasher.finish())
}

impl Print {
    pub(crate) fn empty_array() -> Self {
        mix(Type::Array, [])
    }

    /// Of an array with one more item.
    pub(crate) fn followed_by(self, item: Self) -> Self {
        mix(Type::Array, [self.0, item.0])
    }

    pub(crate) fn of_text(text: &str) -> Self {
        mix(Type::Text, [fingerprint(text)])
    }

    /// Of any value.
    pub fn of(value: &Value) -> Self {
        Scratch::default().print(value)
    }
}

/// Fields of the objects that are being read, each with the fingerprints of its key and value.
#[derive(Debug, Default)]
pub(crate) struct Scratch(Vec<(u64, Print)>);

impl Scratch {
    /// An object begins.
    pub(crate) fn begin(&self) -> usize {
        self.0.len()
    }

    /// It has this field; an earlier one under the same key does not count.
    pub(crate) fn field(&mut self, key: u64, value: Print) {
        self.0.push((key, value));
    }

    /// The object that began there ends.
    pub(crate) fn end(&mut self, start: usize) -> Print {
        let fields = &mut self.0[start..];
        fields.sort_by_key(|(key, _)| *key);
        let last_of_each = fields.chunk_by(|left, right| left.0 == right.0).filter_map(<[_]>::last);
        let print = mix(Type::Object, last_of_each.flat_map(|(key, value)| [*key, value.0]));
        self.0.truncate(start);
        print
    }

    /// Forgets objects whose end never came.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn print(&mut self, value: &Value) -> Print {
        match value {
            Value::Null => mix(Type::Null, []),
            Value::Bool(value) => mix(Type::Bool, [u64::from(*value)]),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(unsigned), ..) => mix(Type::Unsigned, [unsigned]),
                (None, Some(negative), _) => mix(Type::Negative, [negative.cast_unsigned()]),
                (None, None, real) => mix(Type::Real, real.map(f64::to_bits)),
            },
            Value::String(text) => Print::of_text(text),
            Value::Array(items) => {
                items.iter().fold(Print::empty_array(), |print, item| print.followed_by(self.print(item)))
            }
            Value::Object(fields) => {
                let start = self.begin();
                for (key, field) in fields {
                    let field = self.print(field);
                    self.field(fingerprint(key), field);
                }
                self.end(start)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_that_differ_have_prints_that_differ() {
        let values = [
            json!(null),
            json!(false),
            json!(0),
            json!(-1),
            json!(u64::MAX),
            json!(0.0),
            json!("0"),
            json!([]),
            json!([0]),
            json!([[0]]),
            json!([0, 0]),
            json!({}),
            json!({"a": 0}),
            json!({"a": {"a": 0}}),
            json!({"a": 0, "b": 1}),
            json!({"a": 1, "b": 0}),
        ];
        for (place, value) in values.iter().enumerate() {
            for other in &values[..place] {
                assert_ne!(Print::of(value), Print::of(other), "{value} and {other}");
            }
        }
    }
}
