//! A row of the table: a cell × variant, its runs, and what they add up to.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::checker::verdict::{AnomalyKind, CheckVerdict, OperationCount, Verdict};
use crate::metrics::measurement::Outcomes;
use crate::metrics::thresholds::ThresholdOutcome;
use crate::report::RunReport;
use crate::scenario::file::Expectation;
use crate::scenario::matrix::cell;
use crate::scenario::resolved::Resolved;

/// One cell × variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name: that of its run, where it runs once.
    pub name: String,
    /// Axis → value.
    pub values: IndexMap<String, String>,
    /// The variant's name in the scenario.
    pub variant: String,
    /// Whether the scenario says what must come out.
    pub is_judged: bool,
    /// That; absent for a cell that is measured and not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expectation>,
    /// Over all its runs that have a verdict.
    pub sum: Sum,
    /// In the order of their seeds.
    pub runs: Vec<RunRow>,
}

/// What the runs of a row add up to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sum {
    /// Verdict → runs.
    pub verdicts: IndexMap<Verdict, usize>,
    /// Runs that were as expected, thresholds included.
    pub as_expected: usize,
    /// Runs without a verdict.
    pub failed: usize,
    /// Anomaly → in how many runs, and how many items.
    pub anomalies: IndexMap<AnomalyKind, Found>,
    /// Acknowledged operations, warm-up included, as anomalies count them.
    pub acknowledged: Range<u64>,
    /// Acknowledged operations a second of the measured load.
    pub ok_per_second: Range<f64>,
    /// p99 of their response time, milliseconds; only of runs whose generator kept up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<Range<f64>>,
}

/// One kind of anomaly over the runs of a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Runs in which it occurred.
    pub runs: usize,
    /// Items in all runs.
    pub sum: u64,
    /// Fewest in a run.
    pub least: u64,
    /// Most in a run.
    pub most: u64,
    /// Runs in which it could be neither found nor ruled out.
    pub unknown: usize,
    /// Runs of a workload that does not say enough to look for it.
    pub not_checked: usize,
}

/// The least, the middle and the most of the runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Range<T> {
    /// The least.
    pub least: T,
    /// The middle one; of an even number the lower of the two.
    pub median: T,
    /// The most.
    pub most: T,
}

/// What one run leaves in the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    /// Its folder beside `matrix.json`.
    pub folder: String,
    /// Its seed.
    pub seed: u64,
    /// The command that repeats it.
    pub command: String,
    /// Why it has no verdict: the harness or its environment failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What its history proves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Whether that is expected, and every threshold met.
    pub as_expected: bool,
    /// Why not, or why unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Operations by outcome, warm-up included.
    pub operations: OperationCount,
    /// Everything that was found, by kind.
    pub anomalies: IndexMap<AnomalyKind, u64>,
    /// Kinds that could be neither found nor ruled out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// Kinds for which the workload does not say enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_checked: Vec<String>,
    /// Acknowledged operations a second of the measured load.
    pub ok_per_second: f64,
    /// p99 of their response time, milliseconds; absent where the generator did not keep up, or none was acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
}

impl RunRow {
    /// A run with a verdict.
    pub fn of(report: &RunReport) -> Self {
        let RunReport { folder, run, judgement, metrics } = *report;
        let latency = metrics.latency_of_all(Outcomes::Ok).map(|latency| latency.response);
        let usable = latency.filter(|latency| latency.count > 0 && metrics.generator.kept_up);
        let is_missed = metrics.thresholds.iter().any(|threshold| threshold.outcome == ThresholdOutcome::Missed);
        let checks = |verdict: CheckVerdict| {
            let checks = judgement.checks.iter().filter(|check| check.verdict == verdict);
            checks.map(|check| check.name.clone()).collect()
        };
        Self {
            folder: folder.to_owned(),
            seed: run.seed,
            command: run.command.clone(),
            failure: None,
            verdict: Some(judgement.verdict),
            as_expected: judgement.as_expected && !is_missed,
            reasons: judgement.reasons.iter().cloned().chain(crate::report::sentence::missed(metrics)).collect(),
            operations: judgement.operations,
            anomalies: judgement.anomalies.iter().map(|anomaly| (anomaly.kind, anomaly.count)).collect(),
            unknown: checks(CheckVerdict::Unknown),
            not_checked: checks(CheckVerdict::NotChecked),
            ok_per_second: metrics.throughput.ok_per_second,
            p99_ms: usable.map(|latency| latency.p99),
        }
    }

    /// A run that failed.
    pub fn failed(folder: &str, seed: u64, command: String, failure: String) -> Self {
        Self {
            folder: folder.to_owned(),
            seed,
            command,
            failure: Some(failure),
            verdict: None,
            as_expected: false,
            reasons: Vec::new(),
            operations: OperationCount::default(),
            anomalies: IndexMap::new(),
            unknown: Vec::new(),
            not_checked: Vec::new(),
            ok_per_second: 0.0,
            p99_ms: None,
        }
    }

    fn found(&self, kind: AnomalyKind) -> Found {
        let sum = self.anomalies.get(&kind).copied().unwrap_or(0);
        let is_among = |names: &[String]| usize::from(names.iter().any(|name| name == kind.name()));
        Found {
            runs: usize::from(sum > 0),
            sum,
            least: sum,
            most: sum,
            unknown: is_among(&self.unknown),
            not_checked: is_among(&self.not_checked),
        }
    }
}

impl Row {
    /// The row of a cell before its first run.
    ///
    /// # Panics
    /// When the run is of no matrix.
    pub fn new(resolved: &Resolved) -> Self {
        let place = cell(resolved).expect("every run of a matrix is of a cell");
        Self {
            name: resolved.variant().name.clone(),
            values: place.values.clone(),
            variant: place.variant.clone(),
            is_judged: place.is_judged,
            expect: place.is_judged.then(|| resolved.variant().expect.clone()),
            sum: Sum::default(),
            runs: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, run: RunRow) {
        match self.runs.iter_mut().find(|earlier| earlier.folder == run.folder) {
            Some(earlier) => *earlier = run,
            None => self.runs.push(run),
        }
        self.sum = Sum::of(&self.runs);
    }

    /// Whether every run that there is came out as it should.
    pub fn is_as_expected(&self) -> bool {
        self.sum.as_expected == self.runs.len()
    }

    /// Whether of a run too little was seen to say what it held.
    pub fn lacks_sight(&self) -> bool {
        self.runs.iter().any(|run| !run.as_expected && run.verdict == Some(Verdict::Unknown))
    }

    /// Runs without a verdict.
    pub fn failed(&self) -> usize {
        self.sum.failed
    }

    /// How one kind of anomaly occurred in the runs of this row.
    pub fn found(&self, kind: AnomalyKind) -> Option<Found> {
        let mut found = self.runs.iter().filter(|run| run.verdict.is_some()).map(|run| run.found(kind));
        let first = found.next()?;
        Some(found.fold(first, Found::with))
    }
}

impl Found {
    fn with(self, other: Self) -> Self {
        Self {
            runs: self.runs + other.runs,
            sum: self.sum + other.sum,
            least: self.least.min(other.least),
            most: self.most.max(other.most),
            unknown: self.unknown + other.unknown,
            not_checked: self.not_checked + other.not_checked,
        }
    }
}

impl Sum {
    fn of(runs: &[RunRow]) -> Self {
        let mut sum = Self { as_expected: runs.iter().filter(|run| run.as_expected).count(), ..Self::default() };
        let judged: Vec<&RunRow> = runs.iter().filter(|run| run.verdict.is_some()).collect();
        sum.failed = runs.len() - judged.len();
        for run in &judged {
            *sum.verdicts.entry(run.verdict.expect("only those")).or_default() += 1;
        }
        sum.verdicts.sort_keys();
        let mut kinds: Vec<AnomalyKind> = judged.iter().flat_map(|run| run.anomalies.keys().copied()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            let found = judged.iter().map(|run| run.found(kind)).reduce(Found::with);
            sum.anomalies.insert(kind, found.expect("a kind comes from a run"));
        }
        let range = |pick: fn(&RunRow) -> f64| Range::of(judged.iter().map(|run| pick(run)).collect());
        sum.ok_per_second = range(|run| run.ok_per_second).unwrap_or_default();
        sum.p99_ms = Range::of(judged.iter().filter_map(|run| run.p99_ms).collect());
        sum.acknowledged = Range::of(judged.iter().map(|run| run.operations.ok).collect()).unwrap_or_default();
        sum
    }
}

impl<T: Copy + PartialOrd> Range<T> {
    fn of(mut values: Vec<T>) -> Option<Self> {
        values.sort_by(|left, right| left.partial_cmp(right).expect("figures are finite"));
        let (least, most) = (*values.first()?, *values.last()?);
        Some(Self { least, median: values[(values.len() - 1) / 2], most })
    }
}
