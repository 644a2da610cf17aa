//! What the taps saw, second by second: needs nothing from the service, whatever it is written in.

use super::axis::Axis;
use super::chart::Series;
use super::run::{Scale, highest, is_whole, line, over_time};
use super::svg::Plot;
use crate::metrics::Metrics;
use crate::metrics::measurement::WireRates;

/// A counter, by its name in the legend.
type Count = (&'static str, fn(&WireRates) -> u64);

/// Conflicts, and what was sent again because of them.
pub(super) fn contention(metrics: &Metrics, scale: Scale) -> Option<Plot> {
    let counts: [Count; 5] = [
        ("write conflicts", |rates| rates.write_conflicts),
        ("updates that matched nothing", |rates| rates.unmatched_updates),
        ("duplicate keys", |rates| rates.duplicate_keys),
        ("transactions aborted", |rates| rates.transactions_aborted),
        ("sent again", |rates| rates.sent_again),
    ];
    plot(
        metrics,
        scale,
        (
            "wire-conflicts",
            "Conflicts on the links",
            "As they passed in MongoDB's and Kafka's own answers, on all links: no service was asked. Sent again: \
             transactions, commits, retryable writes and batches of records.",
        ),
        "per second",
        &counts,
    )
}

/// Connections: a pool that is too small or thrown away shows here.
pub(super) fn connections(metrics: &Metrics, scale: Scale) -> Option<Plot> {
    let counts: [Count; 2] =
        [("open", |rates| rates.connections_open), ("opened a second", |rates| rates.connections_opened)];
    plot(
        metrics,
        scale,
        ("wire-connections", "Connections on the links", "Of all services to MongoDB and Kafka."),
        "connections",
        &counts,
    )
}

/// Lines of those that were ever seen.
fn plot(
    metrics: &Metrics,
    scale: Scale,
    titles: (&'static str, &str, &str),
    unit: &str,
    counts: &[Count],
) -> Option<Plot> {
    let rates = || metrics.timeline.iter().filter_map(|second| second.sampled.as_ref()?.wire.as_ref());
    let is_seen = |(_, (_, count)): &(usize, &Count)| rates().any(|rates| count(rates) > 0);
    let series: Vec<Series> = counts
        .iter()
        .enumerate()
        .filter(is_seen)
        .map(|(color, (name, count))| {
            line(metrics, name, color, |second| {
                let rates = second.sampled.as_ref()?.wire.as_ref().filter(|_| is_whole(metrics, second))?;
                Some(count(rates) as f64)
            })
        })
        .collect();
    let top = highest(&series);
    over_time(metrics, scale, titles, (Axis::linear(top, 4), unit), series)
}
