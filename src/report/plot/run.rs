//! Which plots a run has. All plots over time share one time axis, so that the eye can go from one to the next.

use std::collections::{BTreeMap, BTreeSet};

use super::axis::{Axis, nines};
use super::chart::{BarChart, LineChart, Series, Shade};
use super::cluster;
use super::svg::{Plot, SERIES};
use super::wire;
use crate::metrics::Metrics;
use crate::metrics::measurement::{Sampled, Second};

/// Name and unit of the time axis.
const TIME: &str = "seconds since the load began";

/// The colour of the first consumer's lag.
const LAG_COLOR: usize = 3;

/// A figure of one second.
type Count<T> = fn(&Second) -> T;

/// Bars of a histogram: single counts, then ranges.
const BUCKETS: [(u64, u64, &str); 9] = [
    (0, 0, "0"),
    (1, 1, "1"),
    (2, 2, "2"),
    (3, 3, "3"),
    (4, 4, "4"),
    (5, 9, "5–9"),
    (10, 19, "10–19"),
    (20, 49, "20–49"),
    (50, u64::MAX, "≥ 50"),
];

/// What several runs share when their plots stand side by side: the same axes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Scale {
    /// Length of the time axis, seconds.
    pub seconds: f64,
    /// Top of the throughput axis.
    pub throughput: f64,
    /// Highest p99, milliseconds.
    pub latency: f64,
    /// Top of the backlog axis.
    pub waiting: f64,
    /// The most conflicts or retries of one operation.
    pub conflicts: u64,
    /// The longest bar of the conflict histogram.
    pub operations: u64,
}

impl Scale {
    /// What one run needs.
    pub fn of(metrics: &Metrics) -> Self {
        let most = |value: &dyn Fn(&Second) -> f64| metrics.timeline.iter().map(value).fold(0.0, f64::max);
        let (conflicts, operations) = histogram_scale(metrics);
        Self {
            conflicts,
            operations,
            seconds: metrics.timeline.len() as f64,
            throughput: most(&|second| second.ok.max(second.fail).max(second.info) as f64),
            latency: most(&|second| second.p99.unwrap_or(0.0)),
            waiting: most(&|second| {
                second.sampled.as_ref().map_or(0.0, |sample| {
                    sample.backlog.values().chain(sample.lag.values()).copied().max().unwrap_or(0) as f64
                })
            }),
        }
    }

    /// What holds both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            seconds: self.seconds.max(other.seconds),
            throughput: self.throughput.max(other.throughput),
            latency: self.latency.max(other.latency),
            waiting: self.waiting.max(other.waiting),
            conflicts: self.conflicts.max(other.conflicts),
            operations: self.operations.max(other.operations),
        }
    }
}

/// Every plot of a run for which something was measured.
pub fn of_run(metrics: &Metrics) -> Vec<Plot> {
    let scale = Scale::of(metrics);
    let plots = [
        throughput(metrics, scale),
        latency(metrics, scale),
        contention(metrics, scale),
        wire::contention(metrics, scale),
        wire::connections(metrics, scale),
        waiting(metrics, scale),
        cluster::in_sync(metrics, scale),
        cpu(metrics, scale),
        memory(metrics, scale),
        distribution(&[("ok operations", metrics)]),
        conflict_histogram(metrics, scale),
    ];
    plots.into_iter().flatten().collect()
}

/// Operations a second by outcome.
pub fn throughput(metrics: &Metrics, scale: Scale) -> Option<Plot> {
    let outcomes: [(&str, Count<u64>); 3] =
        [("ok", |second| second.ok), ("fail", |second| second.fail), ("info", |second| second.info)];
    let series = outcomes
        .iter()
        .zip([2, 4, 1])
        .filter(|((name, count), _)| *name == "ok" || metrics.timeline.iter().any(|second| count(second) > 0))
        .map(|((name, count), color)| {
            line(metrics, name, color, |second| is_whole(metrics, second).then(|| count(second) as f64))
        })
        .collect();
    over_time(
        metrics,
        scale,
        (
            "throughput",
            "Throughput by outcome",
            "Operations by the second in which they completed, while the load lasted.",
        ),
        (Axis::linear(scale.throughput * 1.05, 4), "operations/s"),
        series,
    )
}

/// Response time, median and 99 %.
pub fn latency(metrics: &Metrics, scale: Scale) -> Option<Plot> {
    let lowest = metrics.timeline.iter().filter_map(|second| second.p50).fold(f64::MAX, f64::min);
    let series = vec![
        line(metrics, "p50", 0, |second| second.p50.map(logarithm)),
        line(metrics, "p99", 1, |second| second.p99.map(logarithm)),
    ];
    // Several runs on the same axes start at the same decade.
    let axis = Axis::logarithmic(lowest.min(1.0), scale.latency);
    over_time(
        metrics,
        scale,
        (
            "latency",
            "Response time",
            "By the second in which an operation was due; a stall shows where it began. Logarithmic.",
        ),
        (axis, "response time"),
        series,
    )
}

fn contention(metrics: &Metrics, scale: Scale) -> Option<Plot> {
    let counts: [(&str, Count<Option<u64>>); 4] = [
        ("conflicts told", |second| Some(second.conflicts)),
        ("retries told", |second| Some(second.retries)),
        ("MongoDB write conflicts", |second| second.sampled.as_ref()?.write_conflicts),
        ("transactions aborted", |second| second.sampled.as_ref()?.transactions_aborted),
    ];
    let is_seen =
        |count: fn(&Second) -> Option<u64>| metrics.timeline.iter().any(|second| count(second).unwrap_or(0) > 0);
    let shown = counts.iter().enumerate().filter(|(_, (_, count))| is_seen(*count));
    let series: Vec<Series> = shown
        .map(|(color, (name, count))| {
            line(metrics, name, color, |second| {
                count(second).filter(|_| is_whole(metrics, second)).map(|count| count as f64)
            })
        })
        .collect();
    let top = highest(&series);
    over_time(
        metrics,
        scale,
        ("conflicts", "Conflicts and retries", "As the services told in their answers, and as MongoDB counted."),
        (Axis::linear(top, 4), "per second"),
        series,
    )
}

/// Unpublished rows and records not yet consumed.
pub fn waiting(metrics: &Metrics, scale: Scale) -> Option<Plot> {
    let names = |pick: fn(&Sampled) -> &BTreeMap<String, u64>| -> BTreeSet<String> {
        sampled(metrics).flat_map(|sample| pick(sample).keys().cloned()).collect()
    };
    let backlog = names(|sample| &sample.backlog).into_iter().map(|name| {
        let text = format!("unpublished: {name}");
        (
            text,
            Box::new(move |sample: &Sampled| sample.backlog.get(&name).copied())
                as Box<dyn Fn(&Sampled) -> Option<u64>>,
        )
    });
    let lag = names(|sample| &sample.lag).into_iter().map(|name| {
        let text = format!("unread: {name}");
        (text, Box::new(move |sample: &Sampled| sample.lag.get(&name).copied()) as Box<dyn Fn(&Sampled) -> Option<u64>>)
    });
    // Rows and lag keep their colours whether or not a variant has an outbox.
    let series: Vec<Series> = (0..)
        .zip(backlog)
        .chain((LAG_COLOR..).zip(lag))
        .take(SERIES)
        .map(|(color, (name, value))| {
            line(metrics, &name, color, |second| second.sampled.as_ref().and_then(&value).map(|value| value as f64))
        })
        .collect();
    over_time(
        metrics,
        scale,
        (
            "waiting",
            "Waiting: outbox rows and consumer lag",
            "Sampled once a second. What still waits is late, not lost. Unread counts from the offset that a consumer has \
             committed: one that commits every few seconds draws a saw-tooth.",
        ),
        (Axis::linear(scale.waiting, 4), "items"),
        series,
    )
}

fn cpu(metrics: &Metrics, scale: Scale) -> Option<Plot> {
    let series = by_process(metrics, |sample| &sample.cpu_percent);
    let top = highest(&series);
    over_time(
        metrics,
        scale,
        ("cpu", "CPU by process", "100 % is one core; a process that was killed leaves a gap or starts again at zero."),
        (Axis::linear(top, 4), "% of a core"),
        series,
    )
}

fn memory(metrics: &Metrics, scale: Scale) -> Option<Plot> {
    let series: Vec<Series> = by_process(metrics, |sample| &sample.memory_mib)
        .into_iter()
        .map(|series| Series {
            stretches: series
                .stretches
                .into_iter()
                .map(|points| points.into_iter().map(|(x, mib)| (x, mib.max(1.0).log10())).collect())
                .collect(),
            ..series
        })
        .collect();
    let top = highest(&series).ceil().max(1.0);
    let ticks: Vec<f64> = (0..=top as u32).map(f64::from).collect();
    let labels = ticks.iter().map(|tick| format!("{:.0}", 10_f64.powf(*tick))).collect();
    over_time(
        metrics,
        scale,
        ("memory", "Memory by process", "Resident memory. Logarithmic."),
        (Axis { from: 0.0, to: top, ticks, labels }, "MiB"),
        series,
    )
}

/// Response times of several runs as HDR percentile plots.
pub fn distribution(runs: &[(&str, &Metrics)]) -> Option<Plot> {
    let points = || runs.iter().flat_map(|(_, metrics)| &metrics.distribution);
    let lowest = points().map(|point| point[1]).fold(f64::MAX, f64::min);
    let highest = points().map(|point| point[1]).fold(0.0, f64::max);
    let largest = points().map(|point| point[0]).fold(0.0, f64::max);
    points().next()?;
    let series = runs.iter().enumerate().map(|(color, (name, metrics))| Series {
        name: (*name).to_owned(),
        stretches: vec![metrics.distribution.iter().map(|point| (nines(point[0]), logarithm(point[1]))).collect()],
        color,
    });
    let chart = LineChart {
        x: Axis::nines(largest),
        x_name: "% of ok operations were at most this slow".to_owned(),
        y: Axis::logarithmic(lowest, highest),
        y_name: "response time".to_owned(),
        series: series.collect(),
        shades: Vec::new(),
        marks: Vec::new(),
    };
    let caption = "Each step to the right is one operation in ten more of the tail. Both axes are logarithmic.";
    Some(Plot::new("latency-distribution", "Latency distribution", caption, &chart.draw()))
}

/// Conflicts and retries per operation.
pub fn conflict_histogram(metrics: &Metrics, scale: Scale) -> Option<Plot> {
    let contention = &metrics.contention;
    let told = [("conflicts", &contention.conflicts_per_operation), ("retries", &contention.retries_per_operation)];
    if told.iter().all(|(_, counts)| counts.is_empty()) {
        return None;
    }
    let buckets: Vec<_> = BUCKETS.into_iter().filter(|(from, _, _)| *from <= scale.conflicts).collect();
    let chart = BarChart {
        categories: buckets.iter().map(|(_, _, name)| (*name).to_owned()).collect(),
        x_name: "conflicts or retries of one operation".to_owned(),
        y_name: "operations".to_owned(),
        series: told
            .into_iter()
            .filter(|(_, counts)| !counts.is_empty())
            .map(|(name, counts)| {
                let values =
                    buckets.iter().map(|(from, to, _)| counts.range(*from..=*to).map(|(_, count)| count).sum());
                (name.to_owned(), values.collect())
            })
            .collect(),
        largest: scale.operations,
    };
    let caption = "How many operations met how many conflicts, and how often a service tried again.";
    Some(Plot::new("conflict-histogram", "Conflicts per operation", caption, &chart.draw()))
}

/// The most conflicts or retries of one operation, and a number of operations that no bar exceeds.
fn histogram_scale(metrics: &Metrics) -> (u64, u64) {
    let contention = &metrics.contention;
    let told = [&contention.conflicts_per_operation, &contention.retries_per_operation];
    let most = told.iter().filter_map(|counts| counts.keys().last()).max().copied().unwrap_or(0);
    let bars = told.iter().flat_map(|counts| {
        BUCKETS.iter().map(|(from, to, _)| counts.range(*from..=*to).map(|(_, count)| count).sum::<u64>())
    });
    (most, bars.max().unwrap_or(0))
}

/// A plot over time, or nothing where nothing was measured.
pub(super) fn over_time(
    metrics: &Metrics,
    scale: Scale,
    (name, title, caption): (&'static str, &str, &str),
    (y, y_name): (Axis, &str),
    series: Vec<Series>,
) -> Option<Plot> {
    if series.iter().all(|series| series.stretches.is_empty()) {
        return None;
    }
    let chart = LineChart {
        x: Axis::seconds(scale.seconds),
        x_name: TIME.to_owned(),
        y,
        y_name: y_name.to_owned(),
        series,
        shades: shades(metrics, scale.seconds),
        marks: cluster::marks(metrics, scale.seconds),
    };
    Some(Plot::new(name, title, caption, &chart.draw()))
}

fn shades(metrics: &Metrics, seconds: f64) -> Vec<Shade> {
    metrics
        .faults
        .iter()
        .filter_map(|fault| {
            let (from, to) = (fault.from?, fault.to.unwrap_or(seconds));
            // A fault shorter than a pixel must still be seen.
            let to = to.max(from + seconds / 200.0);
            (from < seconds && to > 0.0).then(|| Shade { from, to, label: (fault.fault + 1).to_string() })
        })
        .collect()
}

/// A value for each second, drawn in its middle; a second without one is a gap.
pub(super) fn line(metrics: &Metrics, name: &str, color: usize, value: impl Fn(&Second) -> Option<f64>) -> Series {
    let mut stretches: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut is_open = false;
    for second in &metrics.timeline {
        let Some(value) = value(second) else {
            is_open = false;
            continue;
        };
        if !is_open {
            stretches.push(Vec::new());
        }
        is_open = true;
        stretches.last_mut().expect("one was just pushed").push((f64::from(second.second) + 0.5, value));
    }
    Series { name: name.to_owned(), stretches, color }
}

/// Whether the load lasted through this second; the one in which it ended has counts that are no rate.
pub(super) fn is_whole(metrics: &Metrics, second: &Second) -> bool {
    f64::from(second.second) + 1.0 <= metrics.load_seconds + 0.001
}

/// One line for each process, the hungriest first; those that have no colour of their own are left out.
fn by_process(metrics: &Metrics, pick: fn(&Sampled) -> &BTreeMap<String, f64>) -> Vec<Series> {
    let mut sums = BTreeMap::<&String, f64>::new();
    for (name, value) in sampled(metrics).flat_map(pick) {
        *sums.entry(name).or_default() += value;
    }
    let mut names: Vec<(&String, f64)> = sums.into_iter().collect();
    names.sort_by(|left, right| right.1.total_cmp(&left.1));
    names.truncate(SERIES);
    // Colours go by name, so that a process has the same one in every plot of the run.
    let mut order: Vec<&String> = metrics.processes.iter().map(|process| &process.process).collect();
    order.extend(names.iter().map(|(name, _)| *name));
    names
        .into_iter()
        .map(|(name, _)| {
            let color = order.iter().position(|other| *other == name).unwrap_or(0);
            line(metrics, name, color, |second| {
                second.sampled.as_ref().and_then(|sample| pick(sample).get(name)).copied()
            })
        })
        .collect()
}

fn sampled(metrics: &Metrics) -> impl Iterator<Item = &Sampled> {
    metrics.timeline.iter().filter_map(|second| second.sampled.as_ref())
}

pub(super) fn highest(series: &[Series]) -> f64 {
    series.iter().flat_map(|series| series.stretches.iter().flatten()).map(|point| point.1).fold(0.0, f64::max)
}

fn logarithm(milliseconds: f64) -> f64 {
    milliseconds.max(1e-3).log10()
}
