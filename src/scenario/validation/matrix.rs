//! The matrix: axes that set keys of the scenario and not each other's, conditions that fit a cell, a number of cells
//! that a machine can run.

use std::collections::HashMap;

use toml::{Table, Value};

use super::Finding;
use crate::checker::verdict::Verdict;
use crate::scenario::file::Scenario;
use crate::scenario::matrix::axis::{self, Axis, AxisValue};
use crate::scenario::matrix::condition::Condition;
use crate::scenario::matrix::expansion::{self, CellScenario};
use crate::scenario::matrix::{CELLS_AT_MOST, Cell, Matrix, REPEAT_AT_MOST, When};
use crate::store::layout;

/// A folder's name may be this long on every file system, room for a seed included.
const NAME_AT_MOST: usize = 200;

/// Everything wrong with a matrix before its cells are looked at.
pub fn matrix(scenario: &Scenario, matrix: &Matrix) -> Vec<Finding> {
    let (axes, mut findings) = axis::axes(matrix);
    if matrix.is_trivial() {
        let message = "expected [matrix.axis] with at least one axis, or repeat = 20";
        findings.push(("matrix".to_owned(), message.to_owned()));
    }
    if matrix.repeat == 0 || matrix.repeat > REPEAT_AT_MOST {
        let message = format!("expected how often each cell runs, from 1 to {REPEAT_AT_MOST}, found {}", matrix.repeat);
        findings.push(("matrix.repeat".to_owned(), message));
    }
    size(&axes, &mut findings);
    overlaps(&axes, &mut findings);
    if findings.is_empty() {
        let base = expansion::written(scenario);
        for value in axes.iter().flat_map(|axis| &axis.values) {
            findings.extend(override_of(&base, value));
        }
    }
    if findings.is_empty() {
        conditions(scenario, matrix, &axes, &mut findings);
    }
    findings
}

fn size(axes: &[Axis], findings: &mut Vec<Finding>) {
    let cells = axes.iter().map(|axis| axis.values.len()).fold(1_usize, usize::saturating_mul);
    if cells > CELLS_AT_MOST {
        let factors: Vec<String> = axes.iter().map(|axis| axis.values.len().to_string()).collect();
        let message = format!(
            "{} make {cells} cells, expected at most {CELLS_AT_MOST}; take values away or write a scenario for each part",
            factors.join(" × ")
        );
        findings.push(("matrix.axis".to_owned(), message));
    }
}

/// Two axes that set the same key would depend on their order.
fn overlaps(axes: &[Axis], findings: &mut Vec<Finding>) {
    for (number, axis) in axes.iter().enumerate() {
        for (value, key) in axis.values.iter().flat_map(|value| set_by(value).map(move |key| (value, key))) {
            let is_same = |other: &&Axis| {
                let mut keys = other.values.iter().flat_map(set_by);
                keys.any(|other| axis::is_within(&key, &other) || axis::is_within(&other, &key))
            };
            if let Some(other) = axes[..number].iter().find(is_same) {
                let message = format!("the axis {:?} sets {key} too; expected one axis for each key", other.key);
                let place = if value.is_set { format!("{}.{key}", value.place) } else { axis_place(axis) };
                findings.push((place, message));
            }
        }
    }
    findings.dedup();
}

fn set_by(value: &AxisValue) -> impl Iterator<Item = String> + use<> {
    axis::keys_set(&value.fragment).into_iter()
}

fn axis_place(axis: &Axis) -> String {
    format!("matrix.axis.{}", axis::written(&axis.key))
}

/// Whether a value's overrides are keys of a scenario and of their type; the part of a set that is not is named.
fn override_of(base: &Table, value: &AxisValue) -> Option<Finding> {
    let objection = |fragment: &Table| {
        let mut document = base.clone();
        axis::apply(&mut document, fragment);
        let read: Result<Scenario, toml::de::Error> = Value::Table(document).try_into();
        read.err().map(|error| error.message().trim_end().to_owned())
    };
    let message = objection(&value.fragment)?;
    if !value.is_set {
        return Some((value.place.clone(), message));
    }
    let alone = |(key, part): (&String, &Value)| {
        let message = objection(&Table::from_iter([(key.clone(), part.clone())]))?;
        Some((format!("{}.{}", value.place, axis::written(key)), message))
    };
    Some(value.fragment.iter().find_map(alone).unwrap_or_else(|| (value.place.clone(), message)))
}

/// Every condition names what there is, and fits a cell that runs.
fn conditions(scenario: &Scenario, matrix: &Matrix, axes: &[Axis], findings: &mut Vec<Finding>) {
    let known = expansion::known(scenario, axes);
    let mut read = |place: String, when: &When| match known.condition(when) {
        Ok(condition) => Some((place, condition)),
        Err((key, message)) => {
            findings.push((format!("{place}.when.{key}"), message));
            None
        }
    };
    let left_out = matrix.leave_out.iter().enumerate();
    let left_out: Vec<_> =
        left_out.filter_map(|(n, rule)| read(format!("matrix.leave_out[{n}]"), &rule.when)).collect();
    let expected = matrix.expect.iter().enumerate();
    let expected: Vec<_> = expected.filter_map(|(n, rule)| read(format!("matrix.expect[{n}]"), &rule.when)).collect();
    for (number, rule) in matrix.expect.iter().enumerate() {
        if rule.verdict == Some(Verdict::Valid) && !rule.anomalies.is_empty() {
            let message = "a run with these anomalies is not valid; expected either verdict = \"valid\" or anomalies";
            findings.push((format!("matrix.expect[{number}].anomalies"), message.to_owned()));
        }
        if rule.verdict.is_none() && rule.anomalies.is_empty() && rule.also.is_empty() {
            let message = "nothing is expected here; expected verdict, anomalies or also";
            findings.push((format!("matrix.expect[{number}]"), message.to_owned()));
        }
    }
    if !findings.is_empty() {
        return;
    }
    let cells = places(scenario, axes);
    let is_out = |cell: &&Cell| left_out.iter().any(|(_, condition): &(_, Condition)| condition.fits(cell));
    let kept: Vec<&Cell> = cells.iter().filter(|cell| !is_out(cell)).collect();
    if kept.is_empty() {
        findings
            .push(("matrix.leave_out".to_owned(), "every cell is left out; expected at least one to run".to_owned()));
        return;
    }
    for (place, _) in expected.iter().filter(|(_, condition)| !kept.iter().any(|cell| condition.fits(cell))) {
        let message = "no cell fits: all that would are left out; expected a combination that runs";
        findings.push((format!("{place}.when"), message.to_owned()));
    }
}

/// Every cell × variant, without what it changes.
fn places(scenario: &Scenario, axes: &[Axis]) -> Vec<Cell> {
    let mut cells = vec![Cell { values: indexmap::IndexMap::new(), variant: String::new(), is_judged: false }];
    for axis in axes {
        let with = |cell: &Cell, value: &AxisValue| {
            let mut cell = cell.clone();
            cell.values.insert(axis.key.clone(), value.name.clone());
            cell
        };
        cells = cells.iter().flat_map(|cell| axis.values.iter().map(move |value| with(cell, value))).collect();
    }
    let of = |cell: &Cell, variant: &str| Cell { variant: variant.to_owned(), ..cell.clone() };
    cells.iter().flat_map(|cell| scenario.variant.iter().map(move |variant| of(cell, &variant.name))).collect()
}

/// What is wrong with the names of the cells: each needs a folder of its own.
pub fn cell_names(cells: &[CellScenario]) -> Vec<Finding> {
    let mut folders: HashMap<String, String> = HashMap::new();
    let mut findings = Vec::new();
    for variant in cells.iter().flat_map(|cell| cell.variants.iter().map(|number| &cell.scenario.variant[*number])) {
        let folder = layout::safe_name(&variant.name);
        if folder.len() > NAME_AT_MOST {
            let message = format!(
                "the cell {:?} would need a folder's name of {} letters, expected at most {NAME_AT_MOST}; give the \
                 axes shorter named sets",
                variant.name,
                folder.len()
            );
            findings.push(("matrix.axis".to_owned(), message));
            break;
        }
        if let Some(other) = folders.insert(folder.clone(), variant.name.clone()) {
            let message = format!(
                "the cells {other:?} and {:?} would share the folder {folder}; give the axis named sets whose names \
                 differ in letters or digits",
                variant.name
            );
            findings.push(("matrix.axis".to_owned(), message));
            break;
        }
    }
    findings
}
