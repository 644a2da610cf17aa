//! Texts as small integers, and field values that fit in two words, so that the facts of a million operations fit in
//! memory and compare at the speed of integers.

use indexmap::IndexSet;
use serde_json::Value;

/// A text that a history holds, possibly many times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(u32);

impl Name {
    /// Its place in order of first appearance.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Every text that was seen, once.
#[derive(Debug, Default)]
pub struct Names(IndexSet<Box<str>>);

impl Names {
    /// The name of a text; the same text always has the same one.
    pub fn intern(&mut self, text: &str) -> Name {
        let index = self.0.get_index_of(text).unwrap_or_else(|| self.0.insert_full(text.into()).0);
        Name(u32::try_from(index).expect("a history holds fewer than 2^32 different texts"))
    }

    /// The name of a text that was seen before.
    pub fn find(&self, text: &str) -> Option<Name> {
        self.0.get_index_of(text).map(|index| Name(index as u32))
    }

    /// The text.
    pub fn text(&self, name: Name) -> &str {
        &self.0[name.index()]
    }
}

/// The value of one observed field.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Cell {
    /// Not there, or null.
    #[default]
    Missing,
    /// An integer.
    Integer(i64),
    /// Any other number.
    Real(f64),
    /// A text.
    Text(Name),
    /// Anything else, as compact JSON.
    Json(Name),
}

impl Cell {
    /// The value of a field.
    pub fn read(value: Option<&Value>, names: &mut Names) -> Self {
        match value {
            None | Some(Value::Null) => Self::Missing,
            Some(Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => Self::Integer(integer),
                (None, Some(real)) => Self::Real(real),
                (None, None) => Self::Json(names.intern(&number.to_string())),
            },
            Some(Value::String(text)) => Self::Text(names.intern(text)),
            Some(other) => Self::Json(names.intern(&other.to_string())),
        }
    }

    /// The number it is; a field that is not there counts as zero, as it does for `$inc`.
    pub fn number(self) -> Option<Number> {
        match self {
            Self::Missing => Some(Number::Integer(0)),
            Self::Integer(integer) => Some(Number::Integer(integer)),
            Self::Real(real) => Some(Number::Real(real)),
            Self::Text(_) | Self::Json(_) => None,
        }
    }

    /// Whether both hold the same value: 3 and 3.0 do, and two sums of reals that differ by rounding alone.
    pub fn is_same(self, other: Self) -> bool {
        if matches!(self, Self::Missing) || matches!(other, Self::Missing) {
            return matches!((self, other), (Self::Missing, Self::Missing));
        }
        match (self.number(), other.number()) {
            (Some(left), Some(right)) => left.is_same(right),
            _ => self == other,
        }
    }

    /// As a person reads it.
    pub fn show(self, names: &Names) -> String {
        match self {
            Self::Missing => "nothing".to_owned(),
            Self::Integer(integer) => integer.to_string(),
            Self::Real(real) => real.to_string(),
            Self::Text(name) => format!("\"{}\"", names.text(name)),
            Self::Json(name) => names.text(name).to_owned(),
        }
    }
}

/// A number to calculate with: exact as long as everything is an integer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// An integer.
    Integer(i64),
    /// A real, or an integer beyond 64 bits.
    Real(f64),
}

impl Number {
    /// Zero.
    pub const ZERO: Self = Self::Integer(0);

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => {
                left.checked_add(right).map_or(Self::Real(left as f64 + right as f64), Self::Integer)
            }
            _ => Self::Real(self.real() + other.real()),
        }
    }

    /// The same with the other sign.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::Integer(integer) => integer.checked_neg().map_or(Self::Real(-(integer as f64)), Self::Integer),
            Self::Real(real) => Self::Real(-real),
        }
    }

    /// That many times.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        match self {
            Self::Integer(integer) => i64::try_from(count)
                .ok()
                .and_then(|count| integer.checked_mul(count))
                .map_or(Self::Real(integer as f64 * count as f64), Self::Integer),
            Self::Real(real) => Self::Real(real * count as f64),
        }
    }

    /// Whether it is below zero.
    pub fn is_negative(self) -> bool {
        self.real() < 0.0
    }

    /// Whether both are the same; reals up to the rounding of a long sum.
    pub fn is_same(self, other: Self) -> bool {
        if let (Self::Integer(left), Self::Integer(right)) = (self, other) {
            return left == right;
        }
        let (left, right) = (self.real(), other.real());
        (left - right).abs() <= 1e-9 * left.abs().max(right.abs()).max(1.0)
    }

    /// As a real.
    pub fn real(self) -> f64 {
        match self {
            Self::Integer(integer) => integer as f64,
            Self::Real(real) => real,
        }
    }
}

impl From<Number> for Cell {
    fn from(number: Number) -> Self {
        match number {
            Number::Integer(integer) => Self::Integer(integer),
            Number::Real(real) => Self::Real(real),
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(integer) => integer.fmt(formatter),
            Self::Real(real) => real.fmt(formatter),
        }
    }
}
