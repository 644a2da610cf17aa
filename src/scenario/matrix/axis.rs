//! What varies: the axes of a matrix, and what each of their values changes in the scenario.

use toml::{Table, Value};
use toml_edit::Key;

use super::Matrix;
use super::condition::VARIANT;
use crate::scenario::validation::Finding;

/// Keys that no axis sets, and what to do instead.
const OUT_OF_REACH: [(&str, &str); 5] = [
    ("workload", "all cells share the workload; write a scenario for each"),
    ("description", "all cells share the description"),
    ("seed", "all cells share the seed; `repeat` runs each with several"),
    ("variant", "every variant runs in every cell; `pattern.X` sets the pattern of each"),
    ("matrix", "a matrix holds no other"),
];

/// One axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Its key in the file: `pattern.write`, `fault`.
    pub key: String,
    /// Its short name: the key's last part, where no other axis has the same.
    pub label: String,
    /// What it may be, in the file's order.
    pub values: Vec<AxisValue>,
}

/// One value of an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct AxisValue {
    /// As tables and `--cell` name it.
    pub name: String,
    /// What it changes in the scenario.
    pub fragment: Table,
    /// Where it stands in the file: `matrix.axis."pattern.write"[1]`.
    pub place: String,
    /// Whether the fragment itself is written there, so that its keys follow the place.
    pub is_set: bool,
}

impl Axis {
    /// Whether it sets the key of an override of the command line, or a part of it: `fault.0.for`, `variant.0.pattern.x`.
    pub fn sets(&self, key: &str) -> bool {
        let mut parts: Vec<&str> = key.split('.').collect();
        if parts.len() > 2 && parts[0] == "variant" && parts[2] == "pattern" {
            parts.drain(..2);
        }
        let key = parts.into_iter().map(written).collect::<Vec<_>>().join(".");
        let mut set = self.values.iter().flat_map(|value| keys_set(&value.fragment));
        set.any(|set| is_within(&key, &set) || is_within(&set, &key))
    }
}

/// The axes of a matrix, and everything that is wrong with them in themselves.
pub fn axes(matrix: &Matrix) -> (Vec<Axis>, Vec<Finding>) {
    let mut findings = Vec::new();
    let keys: Vec<&str> = matrix.axis.keys().map(String::as_str).collect();
    let mut axes = Vec::new();
    for ((key, spec), label) in matrix.axis.iter().zip(labels(&keys)) {
        let place = format!("matrix.axis.{}", written(key));
        if label == VARIANT || key == VARIANT {
            findings.push((place.clone(), "the variants are an axis already; expected another name".to_owned()));
        }
        let values = match spec {
            Value::Array(values) => listed(key, &place, values, &mut findings),
            Value::Table(sets) => named(&place, sets, &mut findings),
            _ => {
                let message = "expected a list of values, such as [\"one\", \"majority\"], or named sets of overrides";
                findings.push((place, message.to_owned()));
                continue;
            }
        };
        axes.push(Axis { key: key.clone(), label, values });
    }
    (axes, findings)
}

/// The values of a key of the scenario.
fn listed(key: &str, place: &str, values: &[Value], findings: &mut Vec<Finding>) -> Vec<AxisValue> {
    let Ok(path) = Key::parse(key) else {
        let message = "expected a key of the scenario, such as \"load.rate\" or \"pattern.write\"";
        findings.push((place.to_owned(), message.to_owned()));
        return Vec::new();
    };
    let path: Vec<String> = path.iter().map(|key| key.get().to_owned()).collect();
    if values.is_empty() {
        findings.push((place.to_owned(), "an axis without values makes no cell; expected at least one".to_owned()));
    }
    if let Some(message) = out_of_reach(&path[0]) {
        findings.push((place.to_owned(), message));
    }
    let mut made: Vec<AxisValue> = Vec::new();
    for (number, value) in values.iter().enumerate() {
        let place = format!("{place}[{number}]");
        let Some(name) = plain(value).filter(|name| is_name(name)) else {
            let message = "expected a number, true, false or a text without comma and equals sign; for anything else \
                           give the axis named sets";
            findings.push((place, message.to_owned()));
            continue;
        };
        if made.iter().any(|earlier| earlier.name == name) {
            findings.push((place.clone(), format!("{name} is there already; expected each value once")));
        }
        let fragment =
            path.iter().rev().fold(value.clone(), |inner, key| Value::Table(Table::from_iter([(key.clone(), inner)])));
        let Value::Table(fragment) = fragment else { unreachable!("a key has at least one part") };
        made.push(AxisValue { name, fragment, place, is_set: false });
    }
    made
}

/// Named sets of overrides.
fn named(place: &str, sets: &Table, findings: &mut Vec<Finding>) -> Vec<AxisValue> {
    if sets.is_empty() {
        let message = "an axis without sets makes no cell; expected at least one, such as none = { fault = [] }";
        findings.push((place.to_owned(), message.to_owned()));
    }
    let mut made = Vec::new();
    for (name, set) in sets {
        let place = format!("{place}.{}", written(name));
        if !is_name(name) {
            findings.push((place.clone(), "expected a name without comma and equals sign".to_owned()));
        }
        let Value::Table(fragment) = set else {
            let message = format!("expected the overrides of {name}, such as {name} = {{ fault = [] }}");
            findings.push((place, message));
            continue;
        };
        for key in fragment.keys() {
            if let Some(message) = out_of_reach(key) {
                findings.push((format!("{place}.{}", written(key)), message));
            }
        }
        made.push(AxisValue { name: name.clone(), fragment: fragment.clone(), place, is_set: true });
    }
    made
}

fn out_of_reach(key: &str) -> Option<String> {
    let (_, why) = OUT_OF_REACH.iter().find(|(name, _)| *name == key)?;
    Some(format!("an axis cannot set {key}: {why}"))
}

/// A single value as people write it.
pub fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => Some(value.to_string()),
        Value::Array(_) | Value::Table(_) | Value::Datetime(_) => None,
    }
}

fn is_name(name: &str) -> bool {
    !name.trim().is_empty() && name.trim() == name && !name.contains([',', '=']) && !name.contains(char::is_control)
}

/// The short names of axes: the last part of the key, where no other has the same.
pub fn labels(keys: &[&str]) -> Vec<String> {
    let last = |key: &str| {
        let parts = Key::parse(key).unwrap_or_default();
        parts.last().map_or_else(|| key.to_owned(), |part| part.get().to_owned())
    };
    let short: Vec<String> = keys.iter().map(|key| last(key)).collect();
    let is_unique = |label: &String| label != VARIANT && short.iter().filter(|other| *other == label).count() == 1;
    short
        .iter()
        .zip(keys)
        .map(|(label, key)| if is_unique(label) { label.clone() } else { (*key).to_owned() })
        .collect()
}

/// A key as TOML writes it: in quotes where it must be.
pub fn written(key: &str) -> String {
    let is_bare = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    if !key.is_empty() && key.chars().all(is_bare) { key.to_owned() } else { format!("{key:?}") }
}

/// Every key that a fragment sets, as the file would write it; a list is one value.
pub fn keys_set(fragment: &Table) -> Vec<String> {
    let mut keys = Vec::new();
    for (key, value) in fragment {
        match value {
            Value::Table(inner) => {
                keys.extend(keys_set(inner).into_iter().map(|rest| format!("{}.{rest}", written(key))));
            }
            _ => keys.push(written(key)),
        }
    }
    keys
}

/// Whether one key is the other or lies within it.
pub fn is_within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Merges a fragment into a scenario: tables key by key, everything else is replaced; `pattern` is that of every variant.
pub fn apply(scenario: &mut Table, fragment: &Table) {
    for (key, value) in fragment {
        if key == "pattern" {
            let variants = scenario.get_mut("variant").and_then(Value::as_array_mut);
            for variant in variants.into_iter().flatten().filter_map(Value::as_table_mut) {
                merge(variant, key, value);
            }
        } else {
            merge(scenario, key, value);
        }
    }
}

fn merge(table: &mut Table, key: &str, value: &Value) {
    match (table.get_mut(key), value) {
        (Some(Value::Table(old)), Value::Table(new)) => new.iter().for_each(|(key, value)| merge(old, key, value)),
        _ => {
            table.insert(key.to_owned(), value.clone());
        }
    }
}
