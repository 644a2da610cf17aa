//! `"latency.p99" = "<50ms"`: which figures may be bounded, what a condition may say, whether it holds.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::measurement::{Metrics, Outcomes};
use super::quantile::{Quantiles, rounded};
use super::resource::SERVICES;
use crate::scenario::resolved::Resolved;

/// What a figure is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Milliseconds; conditions say `us`, `ms`, `s` or `m`.
    Milliseconds,
    /// Per second; conditions say `/s`.
    PerSecond,
    /// Percent; conditions say `%`.
    Percent,
    /// A count; conditions say no unit.
    Count,
}

impl Unit {
    /// How a value is written.
    pub fn show(self, value: f64) -> String {
        if value.is_infinite() {
            return "never".to_owned();
        }
        let value = rounded(value);
        match self {
            Self::Milliseconds => format!("{value}ms"),
            Self::PerSecond => format!("{value}/s"),
            Self::Percent => format!("{value}%"),
            Self::Count => value.to_string(),
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Milliseconds => "<50ms",
            Self::PerSecond => ">=190/s",
            Self::Percent => "<1%",
            Self::Count => "<=10",
        }
    }

    /// How many of this unit one of the written unit is.
    fn factor(self, written: &str) -> Option<f64> {
        match (self, written) {
            (Self::Milliseconds, "us" | "µs") => Some(1e-3),
            (Self::Milliseconds, "ms") | (Self::PerSecond, "/s") | (Self::Percent, "%") | (Self::Count, "") => {
                Some(1.0)
            }
            (Self::Milliseconds, "s") => Some(1e3),
            (Self::Milliseconds, "m" | "min") => Some(60e3),
            _ => None,
        }
    }
}

/// How a figure is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// Below.
    #[serde(rename = "<")]
    Below,
    /// Below or the same.
    #[serde(rename = "<=")]
    AtMost,
    /// Above.
    #[serde(rename = ">")]
    Above,
    /// Above or the same.
    #[serde(rename = ">=")]
    AtLeast,
}

/// One condition, checked against the metrics that there are.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// The metric's name.
    pub metric: String,
    /// As it stands in the scenario.
    pub condition: String,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what, in the metric's unit.
    pub bound: f64,
    /// The metric's unit.
    pub unit: Unit,
}

/// What came out of one threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The metric's name.
    pub metric: String,
    /// As it stands in the scenario.
    pub condition: String,
    /// What was measured, with its unit; absent where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<String>,
    /// What that means.
    pub outcome: ThresholdOutcome,
}

/// What came out of one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThresholdOutcome {
    /// It held.
    Met,
    /// It did not.
    Missed,
    /// There is nothing to compare with, or a generator that did not keep up made the figure unusable.
    NotMeasured,
}

/// Why a threshold is refused before a run.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ThresholdError {
    /// No such metric.
    #[error("unknown metric {metric:?}; expected one of: {known}")]
    UnknownMetric {
        /// What was asked for.
        metric: String,
        /// Everything there is.
        known: String,
    },
    /// The condition cannot be read.
    #[error("{condition:?}: {problem}; expected something like {example:?}")]
    BadCondition {
        /// The metric.
        metric: String,
        /// What was written.
        condition: String,
        /// What is wrong with it.
        problem: &'static str,
        /// A right one for this metric.
        example: &'static str,
    },
}

impl ThresholdError {
    /// The key of the threshold.
    pub fn metric(&self) -> &str {
        match self {
            Self::UnknownMetric { metric, .. } | Self::BadCondition { metric, .. } => metric,
        }
    }
}

/// Every metric that this scenario may bound, with its unit.
pub fn metrics(resolved: &Resolved) -> Vec<(String, Unit)> {
    let mut known = Vec::new();
    let operations = resolved.manifest.operation.keys().map(|name| format!("latency.{name}"));
    let durations = ["latency", "service_time", "lateness", "commit_to_record", "record_to_effect", "commit_to_effect"];
    for family in durations.into_iter().map(str::to_owned).chain(operations) {
        known.extend(Quantiles::NAMES.iter().map(|name| (format!("{family}.{name}"), Unit::Milliseconds)));
    }
    known.extend(FIGURES.iter().map(|(name, unit, _)| ((*name).to_owned(), *unit)));
    known
}

/// A figure of a run.
type Figure = fn(&Metrics) -> Option<f64>;

/// The metrics that are not quantiles.
const FIGURES: [(&str, Unit, Figure); 14] = [
    ("throughput.ok", Unit::PerSecond, |metrics| Some(metrics.throughput.ok_per_second)),
    ("throughput.completed", Unit::PerSecond, |metrics| Some(metrics.throughput.completed_per_second)),
    ("outcomes.ok", Unit::Percent, |metrics| share(metrics, metrics.throughput.ok)),
    ("outcomes.fail", Unit::Percent, |metrics| share(metrics, metrics.throughput.fail)),
    ("outcomes.info", Unit::Percent, |metrics| share(metrics, metrics.throughput.info)),
    ("conflicts.per_operation", Unit::Count, |metrics| per_operation(metrics, metrics.contention.conflicts)),
    ("retries.per_operation", Unit::Count, |metrics| per_operation(metrics, metrics.contention.retries)),
    ("backlog.max", Unit::Count, |metrics| Some(metrics.largest(|sample| sample.backlog.values().sum())? as f64)),
    ("lag.max", Unit::Count, |metrics| Some(metrics.largest(|sample| sample.lag.values().sum())? as f64)),
    ("connections.max", Unit::Count, |metrics| Some(metrics.largest(|sample| sample.connections.unwrap_or(0))? as f64)),
    ("cpu.services_per_operation", Unit::Milliseconds, |metrics| {
        Some(metrics.cpu_us_per_operation.get(SERVICES)? / 1e3)
    }),
    ("cpu.torn_per_operation", Unit::Milliseconds, |metrics| Some(metrics.cpu_us_per_operation.get("torn")? / 1e3)),
    ("recovery.max", Unit::Milliseconds, longest_recovery),
    ("anomalies.per_10000", Unit::Count, |metrics| Some(metrics.anomalies_per_10000.values().sum())),
];

/// Reads one condition.
///
/// # Errors
/// When there is no such metric, or the condition does not fit it.
pub fn parse(resolved: &Resolved, metric: &str, condition: &str) -> Result<Threshold, ThresholdError> {
    let known = metrics(resolved);
    let Some(unit) = known.iter().find(|(name, _)| name == metric).map(|(_, unit)| *unit) else {
        let known = known.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
        return Err(ThresholdError::UnknownMetric { metric: metric.to_owned(), known });
    };
    let bad = |problem| ThresholdError::BadCondition {
        metric: metric.to_owned(),
        condition: condition.to_owned(),
        problem,
        example: unit.example(),
    };
    let text = condition.trim();
    let comparisons =
        [("<=", Comparison::AtMost), (">=", Comparison::AtLeast), ("<", Comparison::Below), (">", Comparison::Above)];
    let (comparison, rest) = comparisons
        .iter()
        .find_map(|(sign, comparison)| Some((*comparison, text.strip_prefix(sign)?.trim())))
        .ok_or_else(|| bad("it must begin with <, <=, > or >="))?;
    let digits = rest.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(rest.len());
    let number: f64 = rest[..digits].parse().map_err(|_| bad("there is no number"))?;
    let factor =
        unit.factor(rest[digits..].trim()).ok_or_else(|| bad("the unit is missing or does not fit this metric"))?;
    Ok(Threshold { metric: metric.to_owned(), condition: text.to_owned(), comparison, bound: number * factor, unit })
}

/// Reads all thresholds of a scenario: those that are right, and what is wrong with the others.
pub fn parse_all(resolved: &Resolved) -> (Vec<Threshold>, Vec<ThresholdError>) {
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for (metric, condition) in &resolved.scenario.thresholds {
        match parse(resolved, metric, condition) {
            Ok(threshold) => right.push(threshold),
            Err(error) => wrong.push(error),
        }
    }
    (right, wrong)
}

/// Compares each threshold with what was measured.
pub fn evaluate(thresholds: &[Threshold], metrics: &Metrics) -> Vec<Evaluation> {
    thresholds.iter().map(|threshold| threshold.evaluate(metrics)).collect()
}

impl Threshold {
    fn evaluate(&self, metrics: &Metrics) -> Evaluation {
        let measured = value(&self.metric, metrics);
        let is_usable = metrics.generator.kept_up || !self.metric.starts_with("latency.");
        let outcome = match measured {
            Some(measured) if is_usable && self.holds(measured) => ThresholdOutcome::Met,
            Some(_) if is_usable => ThresholdOutcome::Missed,
            _ => ThresholdOutcome::NotMeasured,
        };
        Evaluation {
            metric: self.metric.clone(),
            condition: self.condition.clone(),
            measured: measured.map(|measured| self.unit.show(measured)),
            outcome,
        }
    }

    fn holds(&self, measured: f64) -> bool {
        match self.comparison {
            Comparison::Below => measured < self.bound,
            Comparison::AtMost => measured <= self.bound,
            Comparison::Above => measured > self.bound,
            Comparison::AtLeast => measured >= self.bound,
        }
    }
}

/// A metric's value; latencies are response times of `ok` operations.
fn value(metric: &str, metrics: &Metrics) -> Option<f64> {
    if let Some((_, _, figure)) = FIGURES.iter().find(|(name, _, _)| *name == metric) {
        return figure(metrics);
    }
    // `p99.9` holds a dot itself.
    let (family, quantile) =
        Quantiles::NAMES.iter().find_map(|name| Some((metric.strip_suffix(name)?.strip_suffix('.')?, *name)))?;
    let all = metrics.latency_of_all(Outcomes::Ok);
    let quantiles = match family {
        "latency" => all?.response,
        "service_time" => all?.service,
        "lateness" => metrics.generator.lateness,
        "commit_to_record" => metrics.delay.commit_to_record,
        "record_to_effect" => metrics.delay.record_to_effect,
        "commit_to_effect" => metrics.delay.commit_to_effect,
        other => {
            let name = other.strip_prefix("latency.")?;
            let found = metrics
                .latency
                .iter()
                .find(|latency| latency.operation.as_deref() == Some(name) && latency.outcomes == Outcomes::Ok);
            // A single kind of operation is not listed apart from all of them.
            found.or_else(|| all.filter(|_| metrics.latency.len() == 2))?.response
        }
    };
    (quantiles.count > 0).then(|| quantiles.named(quantile)).flatten()
}

fn share(metrics: &Metrics, count: u64) -> Option<f64> {
    let all = metrics.throughput.ok + metrics.throughput.fail + metrics.throughput.info;
    (all > 0).then(|| count as f64 * 100.0 / all as f64)
}

fn per_operation(metrics: &Metrics, count: u64) -> Option<f64> {
    let operations = metrics.contention.operations;
    (operations > 0).then(|| count as f64 / operations as f64)
}

/// The longest time to recover, milliseconds; infinitely long where one fault was not recovered from.
fn longest_recovery(metrics: &Metrics) -> Option<f64> {
    let struck = metrics.faults.iter().filter(|fault| fault.before.is_some() && fault.after.is_some());
    struck.map(|fault| fault.recovered_after.map_or(f64::INFINITY, |seconds| seconds * 1e3)).reduce(f64::max)
}
