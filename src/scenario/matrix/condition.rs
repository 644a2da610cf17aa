//! Which cells a `when` of the file or a `--cell` of the command line means.

use indexmap::IndexMap;

use super::axis::{self, plain};
use super::{Cell, When};

/// In a condition, the variants are an axis of this name.
pub const VARIANT: &str = "variant";

/// Axis (by its key in the file) → the values that it may have. What is not named may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition(IndexMap<String, Vec<String>>);

impl Condition {
    /// Whether a cell is meant.
    pub fn fits(&self, cell: &Cell) -> bool {
        self.0.iter().all(|(axis, values)| {
            let value = if axis == VARIANT { Some(&cell.variant) } else { cell.values.get(axis) };
            value.is_some_and(|value| values.contains(value))
        })
    }
}

/// What a condition may name: every axis by its key, `variant` last, with its values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known(IndexMap<String, Vec<String>>);

impl Known {
    /// From axes and variants.
    pub fn new(axes: impl IntoIterator<Item = (String, Vec<String>)>, variants: Vec<String>) -> Self {
        let mut known: IndexMap<String, Vec<String>> = axes.into_iter().collect();
        known.insert(VARIANT.to_owned(), variants);
        Self(known)
    }

    /// From the cells that there are.
    pub fn of<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> Self {
        let mut known: IndexMap<String, Vec<String>> = IndexMap::new();
        let mut variants = Vec::new();
        let add = |values: &mut Vec<String>, value: &String| {
            if !values.contains(value) {
                values.push(value.clone());
            }
        };
        for cell in cells {
            cell.values.iter().for_each(|(axis, value)| add(known.entry(axis.clone()).or_default(), value));
            add(&mut variants, &cell.variant);
        }
        Self::new(known, variants)
    }

    /// The condition of a `when`, or the key in it that is wrong and why.
    pub fn condition(&self, when: &When) -> Result<Condition, (String, String)> {
        let mut condition = Condition::default();
        for (name, value) in when {
            let key = axis::written(name);
            let axis = self.axis(name).map_err(|message| (key.clone(), message))?;
            let values = match value {
                toml::Value::Array(values) if !values.is_empty() => values.as_slice(),
                value => std::slice::from_ref(value),
            };
            for value in values {
                let expected = || format!("expected a value of {name} or a list of them: {}", self.0[axis].join(", "));
                let value = plain(value).ok_or_else(|| (key.clone(), expected()))?;
                let value = self.value(axis, &value).map_err(|message| (key.clone(), message))?;
                condition.0.entry(axis.to_owned()).or_default().push(value);
            }
        }
        Ok(condition)
    }

    /// The condition of `write=outbox,fault=none`.
    ///
    /// # Errors
    /// With what is wrong and what was expected.
    pub fn filter(&self, text: &str) -> Result<Condition, String> {
        let mut condition = Condition::default();
        for pair in text.split(',') {
            let (name, value) = pair.split_once('=').ok_or_else(|| {
                let axes: Vec<&str> = self.0.keys().map(String::as_str).collect();
                format!("{pair:?}: expected axis=value, with one of the axes: {}", axes.join(", "))
            })?;
            let axis = self.axis(name.trim())?;
            condition.0.entry(axis.to_owned()).or_default().push(self.value(axis, value.trim())?);
        }
        Ok(condition)
    }

    /// The key of an axis that is named by its key or its short name.
    fn axis(&self, name: &str) -> Result<&str, String> {
        let keys: Vec<&str> = self.0.keys().map(String::as_str).collect();
        let axes: Vec<&str> = keys.iter().copied().filter(|key| *key != VARIANT).collect();
        let short = axes.iter().copied().zip(axis::labels(&axes)).find(|(_, label)| label == name).map(|(key, _)| key);
        let exact = keys.iter().copied().find(|key| *key == name);
        exact.or(short).ok_or_else(|| format!("no axis {name:?}; expected one of: {}", keys.join(", ")))
    }

    fn value(&self, axis: &str, value: &str) -> Result<String, String> {
        let values = &self.0[axis];
        let known = values.iter().find(|known| *known == value).cloned();
        known.ok_or_else(|| format!("{axis} is never {value:?}; expected one of: {}", values.join(", ")))
    }
}
