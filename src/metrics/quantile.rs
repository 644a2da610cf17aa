//! Quantiles of a duration, in milliseconds.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::history::entry::Nanos;

/// Significant decimal digits that every histogram keeps.
const DIGITS: u8 = 3;

/// Quantiles of one set of durations; milliseconds with three decimals. All zero when `count` is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// How many were measured.
    pub count: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 90 %.
    pub p90: f64,
    /// 95 %.
    pub p95: f64,
    /// 99 %.
    pub p99: f64,
    /// 99.9 %.
    #[serde(rename = "p99.9")]
    pub p99_9: f64,
    /// The longest.
    pub max: f64,
}

impl Quantiles {
    /// The quantiles of a histogram of nanoseconds.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| milliseconds(histogram.value_at_quantile(quantile) as f64);
        Self {
            count: histogram.len(),
            mean: milliseconds(histogram.mean()),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p99_9: at(0.999),
            max: milliseconds(histogram.max() as f64),
        }
    }

    /// The quantiles of durations in nanoseconds.
    pub fn from_nanos(values: impl IntoIterator<Item = Nanos>) -> Self {
        Self::of(&histogram(values))
    }

    /// A figure by the name it has in thresholds: `p99`, `mean`, ….
    pub fn named(&self, name: &str) -> Option<f64> {
        Some(match name {
            "mean" => self.mean,
            "p50" => self.p50,
            "p90" => self.p90,
            "p95" => self.p95,
            "p99" => self.p99,
            "p99.9" => self.p99_9,
            "max" => self.max,
            _ => return None,
        })
    }

    /// The names that [`Quantiles::named`] knows.
    pub const NAMES: [&'static str; 7] = ["mean", "p50", "p90", "p95", "p99", "p99.9", "max"];
}

/// A histogram of nanoseconds that grows with its values.
pub fn histogram(values: impl IntoIterator<Item = Nanos>) -> Histogram<u64> {
    let mut histogram = Histogram::new(DIGITS).expect("three digits are supported");
    for value in values {
        histogram.record(value).expect("a histogram that grows takes every value");
    }
    histogram
}

/// The distribution for an HDR percentile plot: (quantile below 1, milliseconds), finer towards the tail.
pub fn distribution(histogram: &Histogram<u64>) -> Vec<[f64; 2]> {
    let mut points = Vec::new();
    for step in histogram.iter_quantiles(4) {
        // The very last step is "all of them", which has no place on a logarithmic axis of 1 - q: it is put where one
        // operation in all of them would be.
        let quantile = step.quantile_iterated_to().min(1.0 - 1.0 / (histogram.len() as f64 + 1.0));
        let value = milliseconds(step.value_iterated_to().min(histogram.max()) as f64);
        points.push([(quantile * 1e7).round() / 1e7, value]);
    }
    points.dedup_by(|next, kept| next[0] <= kept[0]);
    points
}

/// Nanoseconds as milliseconds with three decimals.
pub fn milliseconds(nanos: f64) -> f64 {
    rounded(nanos / 1e6)
}

/// Three decimals: enough for a person, and the same text on every machine.
pub fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_one_to_a_thousand_milliseconds_are_within_a_thousandth() {
        let quantiles = Quantiles::from_nanos((1..=1000).map(|value| value * 1_000_000));
        for (found, right) in
            [(quantiles.p50, 500.0), (quantiles.p99, 990.0), (quantiles.p99_9, 999.0), (quantiles.max, 1000.0)]
        {
            assert!((found - right).abs() <= right / 1000.0, "{found} is not {right}");
        }
        assert_eq!(quantiles.count, 1000);
    }

    #[test]
    fn the_quantiles_of_nothing_are_zero() {
        assert_eq!(Quantiles::from_nanos([]), Quantiles::default());
    }

    #[test]
    fn a_distribution_rises_in_both_coordinates_and_stays_below_one() {
        let points = distribution(&histogram((1..=5000).map(|value| value * 10_000)));
        assert!(points.len() > 20);
        assert!(points.windows(2).all(|pair| pair[0][0] < pair[1][0] && pair[0][1] <= pair[1][1]), "{points:?}");
        assert!(points.last().unwrap()[0] < 1.0);
    }
}
