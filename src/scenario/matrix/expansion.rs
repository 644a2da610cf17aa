//! From one scenario with a matrix to one for each cell.

use indexmap::IndexMap;
use toml::{Table, Value};

use super::axis::{self, Axis, AxisValue};
use super::condition::{Condition, Known};
use super::{Cell, Matrix};
use crate::checker::verdict::AnomalyKind;
use crate::scenario::file::{Expectation, Scenario, Variant};
use crate::scenario::validation::Finding;

/// The scenario of one cell.
#[derive(Debug, Clone)]
pub struct CellScenario {
    /// With every axis's value in it; each variant has its name and expectation in this cell.
    pub scenario: Scenario,
    /// Which of the variants run in this cell.
    pub variants: Vec<usize>,
    /// `write=outbox, fault=none`; empty without axes.
    pub name: String,
    values: Vec<AxisValue>,
}

impl CellScenario {
    /// A scenario without a matrix.
    pub fn whole(scenario: Scenario) -> Self {
        let variants = (0..scenario.variant.len()).collect();
        Self { scenario, variants, name: String::new(), values: Vec::new() }
    }

    /// Where in the file that stands which is wrong in this cell; none where no axis set it.
    pub fn place_of(&self, key: &str) -> Option<String> {
        // An axis sets the pattern of every variant by one key.
        let pattern = key.strip_prefix("variant[").and_then(|rest| rest.split_once("].pattern"));
        let key = pattern.map_or_else(|| key.to_owned(), |(_, rest)| format!("pattern{rest}"));
        let sets = |value: &&AxisValue| axis::keys_set(&value.fragment).iter().any(|set| axis::is_within(&key, set));
        let value = self.values.iter().find(sets)?;
        Some(if value.is_set { format!("{}.{key}", value.place) } else { value.place.clone() })
    }
}

/// Every cell of a valid matrix, the last axis the fastest. In a cell that nobody has an expectation of, everything that
/// the workload forbids may occur.
///
/// # Errors
/// With a combination of values that is no scenario.
///
/// # Panics
/// When the matrix is not valid.
pub fn cells(scenario: &Scenario, matrix: &Matrix, forbidden: &[AnomalyKind]) -> Result<Vec<CellScenario>, Finding> {
    let (axes, findings) = axis::axes(matrix);
    assert!(findings.is_empty(), "validation has seen the axes: {findings:?}");
    let rules = Rules::of(scenario, matrix, &axes, forbidden);
    let base = written(scenario);
    let mut cells = Vec::new();
    for choice in choices(&axes) {
        let mut document = base.clone();
        for value in &choice {
            axis::apply(&mut document, &value.fragment);
        }
        let values: IndexMap<String, String> =
            axes.iter().zip(&choice).map(|(axis, value)| (axis.key.clone(), value.name.clone())).collect();
        let pairs = axes.iter().zip(&choice).map(|(axis, value)| format!("{}={}", axis.label, value.name));
        let name = pairs.collect::<Vec<_>>().join(", ");
        let scenario: Scenario = Value::Table(document).try_into().map_err(|error: toml::de::Error| {
            ("matrix".to_owned(), format!("{} (in the cell {name})", error.message()))
        })?;
        let mut cell = CellScenario { scenario, variants: Vec::new(), name, values: choice };
        rules.apply(&mut cell, &values);
        cell.scenario.matrix = Some(matrix.clone());
        if !cell.variants.is_empty() {
            cells.push(cell);
        }
    }
    Ok(cells)
}

/// A scenario as its own TOML, without the matrix.
pub fn written(scenario: &Scenario) -> Table {
    let mut base = scenario.clone();
    base.matrix = None;
    match Value::try_from(&base).expect("a scenario that was read can be written") {
        Value::Table(table) => table,
        _ => unreachable!("a scenario is a table"),
    }
}

/// One value of each axis, in every combination.
fn choices(axes: &[Axis]) -> Vec<Vec<AxisValue>> {
    let mut choices = vec![Vec::new()];
    for axis in axes {
        choices = choices
            .into_iter()
            .flat_map(|choice: Vec<AxisValue>| {
                axis.values.iter().map(move |value| {
                    let mut choice = choice.clone();
                    choice.push(value.clone());
                    choice
                })
            })
            .collect();
    }
    choices
}

/// What of a matrix decides about a cell.
struct Rules<'a> {
    leave_out: Vec<Condition>,
    expect: Vec<(Condition, Expectation)>,
    forbidden: &'a [AnomalyKind],
    has_axes: bool,
}

impl<'a> Rules<'a> {
    fn of(scenario: &Scenario, matrix: &Matrix, axes: &[Axis], forbidden: &'a [AnomalyKind]) -> Self {
        let known = known(scenario, axes);
        let condition = |when| known.condition(when).expect("validation has seen every condition");
        Self {
            leave_out: matrix.leave_out.iter().map(|rule| condition(&rule.when)).collect(),
            expect: matrix.expect.iter().map(|rule| (condition(&rule.when), rule.expectation())).collect(),
            forbidden,
            has_axes: !axes.is_empty(),
        }
    }

    /// Gives each variant its place in the matrix, its name and its expectation.
    fn apply(&self, cell: &mut CellScenario, values: &IndexMap<String, String>) {
        let is_alone = cell.scenario.variant.len() == 1;
        for (number, variant) in cell.scenario.variant.iter_mut().enumerate() {
            let mut place = Cell { values: values.clone(), variant: variant.name.clone(), is_judged: false };
            if !self.leave_out.iter().any(|condition| condition.fits(&place)) {
                cell.variants.push(number);
            }
            let expectation = self.expectation(variant, &place);
            place.is_judged = expectation.is_some();
            let anything = || Expectation { also: self.forbidden.to_vec(), ..Expectation::default() };
            variant.expect = expectation.unwrap_or_else(anything);
            variant.name = match (self.has_axes, is_alone) {
                (false, _) => variant.name.clone(),
                (true, true) => cell.name.clone(),
                (true, false) => format!("{}: {}", variant.name, cell.name),
            };
            variant.cell = Some(place);
        }
    }

    fn expectation(&self, variant: &Variant, place: &Cell) -> Option<Expectation> {
        let rule = self.expect.iter().rev().find(|(condition, _)| condition.fits(place));
        let own = (!self.has_axes || variant.expect != Expectation::default()).then(|| variant.expect.clone());
        rule.map(|(_, expectation)| expectation.clone()).or(own)
    }
}

/// What a condition may name.
pub fn known(scenario: &Scenario, axes: &[Axis]) -> Known {
    let names = |axis: &Axis| axis.values.iter().map(|value| value.name.clone()).collect();
    let variants = scenario.variant.iter().map(|variant| variant.name.clone()).collect();
    Known::new(axes.iter().map(|axis| (axis.key.clone(), names(axis))), variants)
}
