//! Texts as small integers, and field values that fit in two words, so that the facts of a million operations fit in
//! memory and compare at the speed of integers.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::num::NonZeroU32;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use serde_json::Value;

/// A text that a history holds, possibly many times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(NonZeroU32);

impl Name {
    /// Its place in order of first appearance.
    pub fn index(self) -> usize {
        self.0.get() as usize - 1
    }

    fn at(index: usize) -> Self {
        let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("a history holds fewer than 2^32 different texts"))
    }
}

/// A map with names in its keys: small numbers of our own, so that the hash need not withstand anybody.
pub type NameMap<Key, Value> = HashMap<Key, Value, foldhash::fast::FixedState>;

/// The hash of a text, the same wherever it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Digest(u32);

impl Digest {
    fn of(text: &str) -> Self {
        Self((fingerprint(text) >> 32) as u32)
    }

    fn spread(self) -> u64 {
        // The table takes its first bits for a tag and its last ones for the place.
        (u64::from(self.0) << 32) | u64::from(self.0)
    }
}

/// 64 bits that two different texts share only by a rare accident.
pub fn fingerprint(text: &str) -> u64 {
    let mut hasher = foldhash::quality::FixedState::default().build_hasher();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// Every text that was seen, once: all in one string, found by a table of their hashes.
#[derive(Debug, Default)]
pub struct Names {
    text: String,
    /// Where each one ends; it begins where the one before ends.
    ends: Vec<usize>,
    digests: Vec<Digest>,
    table: HashTable<Name>,
    last: Option<Name>,
}

impl Names {
    /// The name of a text; the same text always has the same one.
    pub fn intern(&mut self, text: &str) -> Name {
        // A document's id often comes twice in a row.
        if let Some(last) = self.last.filter(|last| self.text(*last) == text) {
            return last;
        }
        let name = self.intern_as(Digest::of(text), text);
        self.last = Some(name);
        name
    }

    fn intern_as(&mut self, digest: Digest, text: &str) -> Name {
        let (all, ends, digests) = (&self.text, &self.ends, &self.digests);
        let is_same = |name: &Name| digests[name.index()] == digest && slice(all, ends, *name) == text;
        match self.table.entry(digest.spread(), is_same, |name| digests[name.index()].spread()) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(place) => {
                let name = Name::at(ends.len());
                place.insert(name);
                self.text.push_str(text);
                self.ends.push(self.text.len());
                self.digests.push(digest);
                name
            }
        }
    }

    /// Takes all texts of another collection, in order; `names` is made to hold their names here by their places there.
    pub fn adopt(&mut self, other: &Self, names: &mut Vec<Name>) {
        names.clear();
        names.reserve(other.len());
        let mut start = 0;
        for (&digest, &end) in other.digests.iter().zip(&other.ends) {
            names.push(self.intern_as(digest, &other.text[start..end]));
            start = end;
        }
    }

    /// The name of a text that was seen before.
    pub fn find(&self, text: &str) -> Option<Name> {
        let digest = Digest::of(text);
        let is_same = |name: &Name| self.digests[name.index()] == digest && self.text(*name) == text;
        self.table.find(digest.spread(), is_same).copied()
    }

    /// The text.
    pub fn text(&self, name: Name) -> &str {
        slice(&self.text, &self.ends, name)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Forgets every text and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.digests.clear();
        self.table.clear();
        self.last = None;
    }
}

fn slice<'text>(all: &'text str, ends: &[usize], name: Name) -> &'text str {
    let place = name.index();
    let start = if place == 0 { 0 } else { ends[place - 1] };
    &all[start..ends[place]]
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

    /// The text it is.
    pub fn text(self) -> Option<Name> {
        match self {
            Self::Text(name) => Some(name),
            _ => None,
        }
    }

    /// The integer it is.
    pub fn integer(self) -> Option<i64> {
        match self {
            Self::Integer(integer) => Some(integer),
            _ => None,
        }
    }

    /// The same under names that hold elsewhere, by the place of each one here.
    #[must_use]
    pub fn renamed(self, names: &[Name]) -> Self {
        match self {
            Self::Text(name) => Self::Text(names[name.index()]),
            Self::Json(name) => Self::Json(names[name.index()]),
            other => other,
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
