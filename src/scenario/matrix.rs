//! The cross product of parameters: `[matrix]` in a scenario, and the cells that come of it. Pure.
//!
//! In reading order:
//! - [`axis`]: what varies, and what each value changes in the scenario
//! - [`condition`]: which cells a `when` or a `--cell` means
//! - [`expansion`]: from one scenario to one for each cell
//! - [`problem`]: what is wrong in cells, told once each

pub mod axis;
pub mod condition;
pub mod expansion;
pub mod problem;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::file::Expectation;
use super::resolved::Resolved;
use crate::checker::verdict::{AnomalyKind, Verdict};

/// The axes of one matrix make at most so many cells, those that are left out included.
pub const CELLS_AT_MOST: usize = 1000;

/// Each cell runs at most so often.
pub const REPEAT_AT_MOST: u32 = 1000;

/// `[matrix]`: every combination of the axes' values is a cell, and every variant runs in every cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    /// What varies: a key of the scenario with a list of values (`pattern.X` is that of every variant), or a name with
    /// named sets of overrides.
    #[serde(default)]
    pub axis: IndexMap<String, toml::Value>,
    /// How often each cell runs, with the seeds `seed`, `seed + 1`, ….
    #[serde(default = "once")]
    pub repeat: u32,
    /// The anomalies that the table counts; by default every one that occurred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<AnomalyKind>>,
    /// What must come out; of those that fit a cell the last decides. Without any, the variant's own `expect` does;
    /// without that, the cell is measured and not judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<CellExpectation>,
    /// Combinations that make no sense.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leave_out: Vec<LeaveOut>,
}

fn once() -> u32 {
    1
}

impl Matrix {
    /// Whether it says nothing: one run of each variant, as without it.
    pub fn is_trivial(&self) -> bool {
        self.axis.is_empty() && self.repeat == 1
    }
}

/// Axis → the value, or the list of values, that it has; `variant` is an axis too.
pub type When = IndexMap<String, toml::Value>;

/// `[[matrix.expect]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellExpectation {
    /// In which cells; in all, where nothing is said.
    #[serde(default)]
    pub when: When,
    /// As a variant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// As a variant's.
    #[serde(default)]
    pub anomalies: Vec<AnomalyKind>,
    /// As a variant's.
    #[serde(default)]
    pub also: Vec<AnomalyKind>,
}

impl CellExpectation {
    /// The same as a variant has it.
    pub fn expectation(&self) -> Expectation {
        Expectation { verdict: self.verdict, anomalies: self.anomalies.clone(), also: self.also.clone() }
    }
}

/// `[[matrix.leave_out]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaveOut {
    /// Which cells.
    pub when: When,
}

/// A variant's place in the matrix that it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Axis → the name of its value, in the scenario's order.
    pub values: IndexMap<String, String>,
    /// The variant's name in the scenario.
    pub variant: String,
    /// Whether the scenario says what must come out. Else everything that the workload forbids may, and is counted.
    pub is_judged: bool,
}

impl Cell {
    /// `write=outbox,fault=none`, as `--cell` reads it.
    pub fn filter(&self) -> String {
        let keys: Vec<&str> = self.values.keys().map(String::as_str).collect();
        let pairs = axis::labels(&keys).into_iter().zip(self.values.values());
        pairs.map(|(label, value)| format!("{label}={value}")).collect::<Vec<_>>().join(",")
    }
}

/// The cell that a run is of; none outside a matrix.
pub fn cell(resolved: &Resolved) -> Option<&Cell> {
    resolved.variant().cell.as_ref()
}

/// The run of a cell with this number, from 0: seed + number, and a name that says so where a cell runs more than once.
#[must_use]
pub fn repetition(resolved: &Resolved, number: u32) -> Resolved {
    let mut resolved = resolved.clone();
    let scenario = &mut resolved.scenario;
    scenario.seed = scenario.seed.wrapping_add(u64::from(number));
    if scenario.matrix.as_ref().is_some_and(|matrix| matrix.repeat > 1) {
        let seed = scenario.seed;
        let name = &mut scenario.variant[resolved.variant].name;
        *name = format!("{name}, seed {seed}");
    }
    resolved
}
