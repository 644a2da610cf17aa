//! `comparison.json`, and how every JSON file is written.

use indexmap::IndexMap;
use serde::Serialize;

use super::sentence;
use super::write::RunReport;
use crate::checker::verdict::{OperationCount, Verdict};
use crate::metrics::measurement::{Delay, Generator, Latency, Outcomes, Throughput};
use crate::metrics::thresholds::Evaluation;
use crate::scenario::file::Pattern;

/// The version of `comparison.json`.
pub const FORMAT: u32 = 1;

/// `comparison.json`.
#[derive(Debug, Serialize)]
pub struct Comparison<'a> {
    /// [`FORMAT`].
    pub format: u32,
    /// The scenario's name.
    pub scenario: &'a str,
    /// The seed that all variants share.
    pub seed: u64,
    /// Hash of the plan that all variants share.
    pub plan: &'a str,
    /// Whether every variant came out as expected.
    pub as_expected: bool,
    /// What it shows, a sentence for each variant.
    pub summary: Vec<String>,
    /// The variants, in the scenario's order.
    pub variants: Vec<Variant<'a>>,
}

/// One variant of `comparison.json`.
#[derive(Debug, Serialize)]
pub struct Variant<'a> {
    /// Its name.
    pub variant: &'a str,
    /// Its folder beside this file.
    pub folder: &'a str,
    /// A value for each axis.
    pub pattern: &'a Pattern,
    /// What its history proves.
    pub verdict: Verdict,
    /// Whether that is what the variant expects.
    pub as_expected: bool,
    /// Why not, or why unknown.
    pub reasons: &'a [String],
    /// Operations by outcome, warm-up included.
    pub operations: OperationCount,
    /// Everything that was found, by kind.
    pub anomalies: IndexMap<&'static str, u64>,
    /// The same for each 10,000 operations.
    pub anomalies_per_10000: &'a IndexMap<String, f64>,
    /// Operations of the measured load.
    pub throughput: Throughput,
    /// Whether latencies may be used.
    pub generator: &'a Generator,
    /// Times of `ok` operations, milliseconds.
    pub latency: Option<&'a Latency>,
    /// From commit to record to effect.
    pub delay: &'a Delay,
    /// Microseconds by role.
    pub cpu_us_per_operation: &'a IndexMap<String, f64>,
    /// Conflicts that services told of.
    pub conflicts: u64,
    /// Retries that services told of.
    pub retries: u64,
    /// The scenario's thresholds.
    pub thresholds: &'a [Evaluation],
}

impl<'a> Comparison<'a> {
    /// The data of a comparison.
    ///
    /// # Panics
    /// When there is no run.
    pub fn of(runs: &[RunReport<'a>]) -> Self {
        let first = runs.first().expect("a comparison has at least one variant").run;
        Self {
            format: FORMAT,
            scenario: &first.resolved.name,
            seed: first.seed,
            plan: &first.plan,
            as_expected: runs.iter().all(|run| run.judgement.as_expected),
            summary: sentence::comparison(runs),
            variants: runs.iter().map(Variant::of).collect(),
        }
    }
}

impl<'a> Variant<'a> {
    fn of(report: &RunReport<'a>) -> Self {
        let RunReport { folder, run, judgement, metrics } = *report;
        let variant = run.resolved.variant();
        Self {
            variant: &variant.name,
            folder,
            pattern: &variant.pattern,
            verdict: judgement.verdict,
            as_expected: judgement.as_expected,
            reasons: &judgement.reasons,
            operations: judgement.operations,
            anomalies: judgement.anomalies.iter().map(|anomaly| (anomaly.kind.name(), anomaly.count)).collect(),
            anomalies_per_10000: &metrics.anomalies_per_10000,
            throughput: metrics.throughput,
            generator: &metrics.generator,
            latency: metrics.latency_of_all(Outcomes::Ok),
            delay: &metrics.delay,
            cpu_us_per_operation: &metrics.cpu_us_per_operation,
            conflicts: metrics.contention.conflicts,
            retries: metrics.contention.retries,
            thresholds: &metrics.thresholds,
        }
    }
}

/// A file's text: indented, with a line break at its end.
pub fn pretty(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("reports have text keys and finite numbers");
    text.push('\n');
    text
}
