//! The table of a matrix: `matrix.json`, from which its page and its Markdown follow. A row is a cell × variant; a cell
//! that ran more than once sums up its runs.
//!
//! - [`row`]: what a run leaves in the table, and what a row says of its runs
//! - [`column`]: the columns, the same in every rendering

pub mod column;
pub mod row;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::checker::verdict::AnomalyKind;
use crate::scenario::matrix::{Cell, Matrix, axis, cell};
use crate::scenario::resolved::Resolved;
use crate::store::Versions;

pub use row::{Row, RunRow};

/// The version of `matrix.json`.
pub const FORMAT: u32 = 1;

/// `matrix.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MatrixTable {
    /// [`FORMAT`].
    pub format: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's description.
    pub description: String,
    /// The seed of the first run of each cell.
    pub seed: u64,
    /// How often each cell was to run, with seed, seed + 1, ….
    pub repeat: u32,
    /// Runs that there were to be.
    pub planned: usize,
    /// Why fewer ran; absent while they run and when all did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_short: Option<String>,
    /// Whether all ran, none failed, and each was as expected.
    pub as_expected: bool,
    /// What ran, as the first run that came to its end tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Versions>,
    /// Axis → its values in these cells, in the file's order.
    pub axes: IndexMap<String, Vec<String>>,
    /// The anomalies that the table counts.
    pub columns: Vec<AnomalyKind>,
    /// Whether the scenario names them; else every one that occurred is a column.
    pub columns_named: bool,
    /// The cells, in the order in which they run; the last axis changes fastest.
    pub cells: Vec<Row>,
}

impl MatrixTable {
    /// The table before the first run.
    ///
    /// # Panics
    /// When there is no cell.
    pub fn new(cells: &[Resolved], repeat: u32) -> Self {
        let first = cells.first().expect("a matrix has at least one cell");
        let named = first.scenario.matrix.as_ref().and_then(|matrix: &Matrix| matrix.columns.clone());
        let mut axes: IndexMap<String, Vec<String>> = IndexMap::new();
        for (axis, value) in cells.iter().filter_map(cell).flat_map(|cell| &cell.values) {
            let values = axes.entry(axis.clone()).or_default();
            if !values.contains(value) {
                values.push(value.clone());
            }
        }
        Self {
            format: FORMAT,
            scenario: first.name.clone(),
            description: first.scenario.description.clone(),
            seed: first.scenario.seed,
            repeat,
            planned: cells.len() * repeat as usize,
            cut_short: None,
            as_expected: false,
            versions: None,
            axes,
            columns_named: named.is_some(),
            columns: named.unwrap_or_default(),
            cells: cells.iter().map(Row::new).collect(),
        }
    }

    /// Adds a run to its cell; one of the same folder takes the place of the earlier.
    ///
    /// # Panics
    /// When it is of no cell of this matrix.
    pub fn add(&mut self, place: &Cell, run: RunRow, versions: Option<&Versions>) {
        self.versions = self.versions.take().or_else(|| versions.cloned());
        if !self.columns_named {
            self.columns.extend(run.anomalies.keys().copied());
            self.columns.sort_unstable();
            self.columns.dedup();
        }
        let is_its = |row: &&mut Row| row.values == place.values && row.variant == place.variant;
        self.cells.iter_mut().find(is_its).expect("a run is of a cell of its matrix").add(run);
        self.as_expected = self.finished() == self.planned && self.cells.iter().all(Row::is_as_expected);
    }

    /// Runs that ended, failed ones included.
    pub fn finished(&self) -> usize {
        self.cells.iter().map(|row| row.runs.len()).sum()
    }

    /// Runs without a verdict.
    pub fn failed(&self) -> usize {
        self.cells.iter().map(Row::failed).sum()
    }

    /// The axes' short names, in the columns' order.
    pub fn labels(&self) -> Vec<String> {
        axis::labels(&self.axes.keys().map(String::as_str).collect::<Vec<_>>())
    }

    /// Whether more than one variant runs in the cells: then the table has a column for it.
    pub fn has_variants(&self) -> bool {
        self.cells.iter().any(|row| row.variant != self.cells[0].variant)
    }

    /// Whether the matrix came out as it should, in one sentence.
    pub fn sentence(&self) -> String {
        let (finished, failed) = (self.finished(), self.failed());
        let runs = |count: usize| if count == 1 { "1 run".to_owned() } else { format!("{count} runs") };
        let of_them = if finished == self.planned {
            format!("{} in {}", runs(finished), self.cells_told())
        } else {
            format!("{finished} of {} in {}", runs(self.planned), self.cells_told())
        };
        let judged: Vec<&Row> = self.cells.iter().filter(|row| row.is_judged && !row.runs.is_empty()).collect();
        let unexpected = judged.iter().filter(|row| !row.is_as_expected()).count();
        let mut parts = vec![match (judged.len(), unexpected) {
            (0, _) => "measured, not judged".to_owned(),
            (count, 0) => format!("as expected in {count} of {count} judged"),
            (count, unexpected) => format!("NOT as expected in {unexpected} of {count} judged"),
        }];
        let measured = self.cells.iter().filter(|row| !row.is_judged);
        let (without, missed): (Vec<&Row>, Vec<&Row>) = measured
            .filter(|row| row.runs.iter().any(|run| run.failure.is_none() && !run.as_expected))
            .partition(|row| row.lacks_sight());
        if !without.is_empty() {
            parts.push(format!("too little was seen to measure {}", without.len()));
        }
        if !missed.is_empty() {
            parts.push(format!("thresholds missed in {} measured", missed.len()));
        }
        if failed > 0 {
            parts.push(format!("{failed} failed"));
        }
        parts.extend(self.cut_short.clone());
        format!("{of_them}: {}.", parts.join("; "))
    }

    fn cells_told(&self) -> String {
        let count = self.cells.len();
        if count == 1 { "1 cell".to_owned() } else { format!("{count} cells") }
    }
}
