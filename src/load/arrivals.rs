//! When the operations of an open loop are due: a pure function of the load and the seed. No clock, no tokio.
//!
//! The rate over time is a row of straight lines. An arrival falls where the area under it reaches the next target:
//! 0, 1, 2, … when arrivals are even, a sum of exponential draws when they are Poisson (time rescaling: Çınlar,
//! *Introduction to Stochastic Processes*, 1975). So a ramp has no steps, and no stage loses a fraction.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};

use crate::history::entry::Part;
use crate::scenario::file::{ArrivalKind, Load, Stage};
use crate::scenario::plan::random;

/// One planned arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The intended start, counted from the first moment of the warm-up.
    pub due: Duration,
    /// Warm-up or measured load.
    pub part: Part,
}

/// The planned arrivals of a run: those of the warm-up, at the first rate, then those of the load.
#[derive(Debug, Clone)]
pub struct Arrivals {
    warm_up: Curve,
    load: Curve,
    load_begins: Duration,
}

impl Arrivals {
    /// The arrivals of an open loop; none for a closed one, where the next operation starts when one has ended.
    pub fn new(load: &Load, seed: u64) -> Option<Self> {
        let lines = lines(load)?;
        let first = lines.first().map_or(0.0, |line| line.from);
        let warm_up = Line { from: first, to: first, seconds: load.warm_up.as_secs_f64() };
        Some(Self {
            warm_up: Curve::new(vec![warm_up], load.arrivals, random(seed, "warm-up arrivals")),
            load: Curve::new(lines, load.arrivals, random(seed, "arrivals")),
            load_begins: load.warm_up,
        })
    }

    /// How many arrivals the measured load has.
    pub fn planned(&self) -> u64 {
        self.load.clone().count() as u64
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        if let Some(due) = self.warm_up.next() {
            return Some(Arrival { due, part: Part::WarmUp });
        }
        self.load.next().map(|due| Arrival { due: self.load_begins + due, part: Part::Load })
    }
}

/// How long the measured load lasts: the sum of its stages, or its `duration`.
pub fn load_duration(load: &Load) -> Duration {
    if load.stages.is_empty() {
        load.duration.unwrap_or_default()
    } else {
        load.stages.iter().map(|stage| stage.duration).sum()
    }
}

/// So many clients for so long: a part of a closed loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crew {
    /// How many clients.
    pub workers: u32,
    /// For how long.
    pub duration: Duration,
}

/// The crews of a closed loop, one after another; none for an open one. The first also works through the warm-up.
pub fn crews(load: &Load) -> Option<Vec<Crew>> {
    if load.stages.is_empty() {
        let crew = |workers| Crew { workers, duration: load_duration(load) };
        return load.rate.is_none().then(|| vec![crew(load.workers.unwrap_or(1))]);
    }
    let crew = |stage: &Stage| Some(Crew { workers: stage.workers?, duration: stage.duration });
    load.stages.iter().map(crew).collect()
}

fn lines(load: &Load) -> Option<Vec<Line>> {
    if !load.stages.is_empty() {
        let line = |stage: &Stage| {
            let to = stage.rate?;
            Some(Line { from: stage.from.unwrap_or(to), to, seconds: stage.duration.as_secs_f64() })
        };
        return load.stages.iter().map(line).collect();
    }
    let rate = load.rate?;
    Some(vec![Line { from: rate, to: rate, seconds: load_duration(load).as_secs_f64() }])
}

/// A rate that changes evenly from one value to another.
#[derive(Debug, Clone, Copy)]
struct Line {
    from: f64,
    to: f64,
    seconds: f64,
}

impl Line {
    /// Operations that fall due in it.
    fn area(&self) -> f64 {
        f64::midpoint(self.from, self.to) * self.seconds
    }

    /// When that many operations have fallen due, in seconds from its start. The root of `area(t) = target` in the form
    /// that does not divide by the slope, which may be 0.
    fn seconds_until(&self, target: f64) -> f64 {
        let slope = (self.to - self.from) / self.seconds;
        let root = (self.from * self.from + 2.0 * slope * target).max(0.0).sqrt();
        if target == 0.0 { 0.0 } else { 2.0 * target / (self.from + root) }
    }
}

#[derive(Debug, Clone)]
struct Curve {
    lines: Vec<Line>,
    kind: ArrivalKind,
    random: ChaCha8Rng,
    /// The line that the next arrival is looked for in, what lies before it, and the next target.
    line: usize,
    seconds_before: f64,
    area_before: f64,
    target: f64,
}

impl Curve {
    fn new(lines: Vec<Line>, kind: ArrivalKind, random: ChaCha8Rng) -> Self {
        let mut curve = Self { lines, kind, random, line: 0, seconds_before: 0.0, area_before: 0.0, target: 0.0 };
        if kind == ArrivalKind::Poisson {
            curve.target = curve.gap();
        }
        curve
    }

    fn gap(&mut self) -> f64 {
        match self.kind {
            ArrivalKind::Constant => 1.0,
            ArrivalKind::Poisson => Exp1.sample(&mut self.random),
        }
    }
}

impl Iterator for Curve {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        loop {
            let line = *self.lines.get(self.line)?;
            let within = self.target - self.area_before;
            // The tolerance keeps a rounding error in the area from planning one operation more.
            if within < line.area() - 1e-9 {
                let due = self.seconds_before + line.seconds_until(within.max(0.0));
                self.target += self.gap();
                return Some(Duration::from_secs_f64(due));
            }
            self.area_before += line.area();
            self.seconds_before += line.seconds;
            self.line += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy};
    use proptest::prelude::{prop_assert, prop_assert_eq, prop_oneof, proptest};
    use serde_json::json;

    use super::*;

    fn load(value: serde_json::Value) -> Load {
        serde_json::from_value(value).unwrap()
    }

    fn measured(load: &Load, seed: u64) -> Vec<f64> {
        let begins = load.warm_up.as_secs_f64();
        let arrivals = Arrivals::new(load, seed).unwrap();
        arrivals
            .filter(|arrival| arrival.part == Part::Load)
            .map(|arrival| arrival.due.as_secs_f64() - begins)
            .collect()
    }

    #[test]
    fn a_closed_loop_has_no_arrivals() {
        assert!(Arrivals::new(&load(json!({"workers": 4, "duration": "1s"})), 1).is_none());
        assert!(Arrivals::new(&load(json!({"stages": [{"workers": 4, "for": "1s"}]})), 1).is_none());
    }

    #[test]
    fn a_closed_loop_has_one_crew_or_one_for_each_stage_and_an_open_loop_none() {
        let crew = |workers, seconds| Crew { workers, duration: Duration::from_secs(seconds) };
        assert_eq!(crews(&load(json!({"workers": 4, "duration": "3s"}))), Some(vec![crew(4, 3)]));
        let stages = json!([{"workers": 1, "for": "2s"}, {"workers": 32, "for": "5s"}]);
        assert_eq!(crews(&load(json!({"stages": stages}))), Some(vec![crew(1, 2), crew(32, 5)]));
        assert_eq!(crews(&load(json!({"rate": 10.0, "workers": 4, "duration": "3s"}))), None);
        assert_eq!(crews(&load(json!({"stages": [{"rate": 10.0, "for": "3s"}], "workers": 4}))), None);
    }

    #[test]
    fn even_arrivals_are_one_gap_apart_and_the_load_begins_with_one() {
        let load = load(json!({"rate": 4.0, "duration": "1s", "warm_up": "500ms"}));
        let all: Vec<Arrival> = Arrivals::new(&load, 1).unwrap().collect();
        let due = |milliseconds, part| Arrival { due: Duration::from_millis(milliseconds), part };
        assert_eq!(
            all,
            [
                due(0, Part::WarmUp),
                due(250, Part::WarmUp),
                due(500, Part::Load),
                due(750, Part::Load),
                due(1000, Part::Load),
                due(1250, Part::Load)
            ]
        );
        assert_eq!(Arrivals::new(&load, 1).unwrap().planned(), 4);
    }

    #[test]
    fn a_ramp_from_nothing_reaches_its_rate_evenly() {
        let load = load(json!({"stages": [{"from": 0.0, "rate": 100.0, "for": "10s"}], "warm_up": "0s"}));
        let due = measured(&load, 1);
        assert_eq!(due.len(), 500);
        let before = |second: f64| due.iter().filter(|due| **due < second).count();
        // The area under a line from 0 to 100 in 10 s is 5 t².
        assert_eq!(before(2.0), 20);
        assert_eq!(before(5.0), 125);
    }

    #[test]
    fn a_fraction_of_an_operation_is_carried_into_the_next_stage() {
        let stage = json!({"rate": 0.5, "for": "1s"});
        let load = load(json!({"stages": [stage, stage, stage, stage], "warm_up": "0s"}));
        assert_eq!(measured(&load, 1), [0.0, 2.0]);
    }

    #[test]
    fn a_stage_without_load_is_a_pause() {
        let stages = json!([{"rate": 2.0, "for": "1s"}, {"rate": 0.0, "for": "5s"}, {"rate": 2.0, "for": "1s"}]);
        let load = load(json!({"stages": stages, "warm_up": "0s"}));
        assert_eq!(measured(&load, 1), [0.0, 0.5, 6.0, 6.5]);
    }

    #[test]
    fn poisson_gaps_are_exponential() {
        let load = load(json!({"rate": 1000.0, "duration": "20s", "arrivals": "poisson", "warm_up": "0s"}));
        let due = measured(&load, 7);
        // 20,000 expected, standard deviation 141; of exponential gaps a share of 1 - 1/e is below the mean.
        assert!((19_500..20_500).contains(&due.len()), "{}", due.len());
        let short = due.windows(2).filter(|pair| pair[1] - pair[0] < 0.001).count() as f64 / due.len() as f64;
        assert!((0.62..0.645).contains(&short), "{short}");
    }

    fn any_load() -> impl Strategy<Value = Load> {
        let kind = prop_oneof![Just("constant"), Just("poisson")];
        let stage = (0_u32..400, 0_u32..400, 100_u64..2000);
        (kind, proptest::collection::vec(stage, 1..4)).prop_map(|(kind, stages)| {
            let stages: Vec<_> = stages
                .iter()
                .map(|(from, rate, milliseconds)| json!({"from": from, "rate": rate, "for": format!("{milliseconds}ms")}))
                .collect();
            load(json!({"arrivals": kind, "stages": stages, "warm_up": "300ms"}))
        })
    }

    proptest! {
        #[test]
        fn arrivals_rise_stay_within_the_load_and_follow_from_the_seed(load in any_load(), seed: u64) {
            let all: Vec<Arrival> = Arrivals::new(&load, seed).unwrap().collect();
            prop_assert!(all.is_sorted_by_key(|arrival| arrival.due));
            let end = load.warm_up + load_duration(&load);
            for arrival in &all {
                prop_assert!(arrival.due < end);
                prop_assert_eq!(arrival.part == Part::WarmUp, arrival.due < load.warm_up);
            }
            prop_assert_eq!(&all, &Arrivals::new(&load, seed).unwrap().collect::<Vec<_>>());
        }

        #[test]
        fn as_many_even_arrivals_are_planned_as_the_rate_demands(load in any_load(), seed: u64) {
            let load = Load { arrivals: ArrivalKind::Constant, ..load };
            let area: f64 = lines(&load).unwrap().iter().map(Line::area).sum();
            let planned = Arrivals::new(&load, seed).unwrap().planned() as f64;
            prop_assert!((planned - area).abs() <= 1.0, "{planned} planned, {area} demanded");
        }
    }
}
