//! Round ticks, and how plotters asks for them.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// An axis: its range, where its ticks stand and what they say.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Lower end.
    pub from: f64,
    /// Upper end.
    pub to: f64,
    /// Positions of the ticks.
    pub ticks: Vec<f64>,
    /// Their texts.
    pub labels: Vec<String>,
}

impl Axis {
    /// From zero to at least `to`, with about `count` round ticks.
    pub fn linear(to: f64, count: usize) -> Self {
        let step = round_step(to.max(1e-9) / count.max(1) as f64);
        let last = (to / step).ceil().max(1.0) as usize;
        let ticks: Vec<f64> = (0..=last).map(|index| index as f64 * step).collect();
        let labels = ticks.iter().map(|tick| short(*tick, step)).collect();
        Self { from: 0.0, to: last as f64 * step, ticks, labels }
    }

    /// Seconds from zero to exactly `to`.
    pub fn seconds(to: f64) -> Self {
        let step = round_step(to.max(1.0) / 6.0).max(1.0);
        let ticks: Vec<f64> = (0..=(to / step).max(0.0) as u32).map(|index| f64::from(index) * step).collect();
        let labels = ticks.iter().map(|tick| short(*tick, step)).collect();
        Self { from: 0.0, to: to.max(1.0), ticks, labels }
    }

    /// Milliseconds on a logarithmic scale that holds both values; positions are decimal logarithms.
    pub fn logarithmic(lowest: f64, highest: f64) -> Self {
        let from = lowest.max(1e-3).log10().floor();
        let to = highest.max(1e-3).log10().ceil().max(from + 1.0);
        let decades = (from as i32)..=(to as i32);
        let ticks: Vec<f64> = decades.map(f64::from).collect();
        let labels = ticks.iter().map(|tick| decade(*tick)).collect();
        Self { from, to, ticks, labels }
    }

    /// Quantiles; positions are the number of nines.
    pub fn nines(largest_quantile: f64) -> Self {
        let to = nines(largest_quantile).max(2.0);
        let all = [
            (0.0, "0"),
            (0.5, "50"),
            (0.9, "90"),
            (0.99, "99"),
            (0.999, "99.9"),
            (0.9999, "99.99"),
            (0.99999, "99.999"),
        ];
        let shown: Vec<_> = all.into_iter().filter(|(quantile, _)| nines(*quantile) <= to + 1e-9).collect();
        Self {
            from: 0.0,
            to,
            ticks: shown.iter().map(|(quantile, _)| nines(*quantile)).collect(),
            labels: shown.iter().map(|(_, label)| (*label).to_owned()).collect(),
        }
    }

    /// The text of a tick.
    pub fn label(&self, position: f64) -> String {
        let tick = self.ticks.iter().position(|tick| (tick - position).abs() < 1e-9);
        tick.map_or_else(String::new, |index| self.labels[index].clone())
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (low, high): (i32, i32)) -> i32 {
        let share = (value - self.from) / (self.to - self.from);
        low + (share * f64::from(high - low)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

impl ValueFormatter<f64> for Axis {
    fn format(position: &f64) -> String {
        position.to_string()
    }

    fn format_ext(&self, position: &f64) -> String {
        self.label(*position)
    }
}

/// How many nines a quantile has: 0.99 → 2.
pub fn nines(quantile: f64) -> f64 {
    -(1.0 - quantile).max(1e-9).log10()
}

/// The next of 1, 2, 5 × 10ⁿ.
fn round_step(raw: f64) -> f64 {
    let magnitude = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| step * magnitude >= raw * 0.999).unwrap_or(10.0);
    step * magnitude
}

fn short(value: f64, step: f64) -> String {
    if step >= 1000.0 {
        let thousands = value / 1e3;
        if value == 0.0 { "0".to_owned() } else { format!("{thousands}k") }
    } else if step >= 1.0 {
        format!("{value:.0}")
    } else {
        let decimals = (-step.log10()).ceil().max(0.0) as usize;
        format!("{value:.decimals$}")
    }
}

fn decade(position: f64) -> String {
    let value = 10_f64.powf(position);
    if position >= 3.0 {
        format!("{:.0} s", value / 1e3)
    } else if position >= 0.0 {
        format!("{value:.0} ms")
    } else {
        format!("{:.0} µs", value * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_ticks_are_round_and_hold_the_largest_value() {
        for largest in [0.0, 0.3, 1.0, 7.0, 212.0, 999.0, 48_000.0] {
            let axis = Axis::linear(largest, 4);
            assert!(axis.to >= largest && (2..=6).contains(&axis.ticks.len()), "{largest}: {axis:?}");
            let mut labels = axis.labels.clone();
            labels.dedup();
            assert_eq!(labels.len(), axis.ticks.len(), "{axis:?}");
        }
        assert_eq!(Axis::linear(212.0, 4).labels, ["0", "100", "200", "300"]);
        assert_eq!(Axis::linear(48_000.0, 4).labels, ["0", "20k", "40k", "60k"]);
    }

    #[test]
    fn a_logarithmic_axis_names_its_decades() {
        assert_eq!(Axis::logarithmic(0.4, 2_100.0).labels, ["100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s"]);
    }

    #[test]
    fn nines_count_nines() {
        assert!((nines(0.999) - 3.0).abs() < 1e-9 && nines(0.0).abs() < 1e-9);
        assert_eq!(Axis::nines(0.9996).labels, ["0", "50", "90", "99", "99.9"]);
    }
}
