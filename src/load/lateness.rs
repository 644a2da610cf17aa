//! Whether the generator kept up. Latencies from one that did not say more about it than about the system under test:
//! correctness still stands, latencies and comparison are marked as not usable.
//!
//! The rule is a pure function of the history's invocations, so that `torn check` and the report come to the same as
//! the run did.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::history::entry::{Invoke, Part};

/// Operations that an open loop without `workers` may have under way. When all are taken, nothing more is released.
pub const IN_FLIGHT_AT_MOST: u32 = 20_000;

/// The share of the offered operations that must have been started.
pub const STARTED_AT_LEAST: f64 = 0.999;

/// The p99 of the lateness that still counts as punctual.
pub const LATENESS_P99_AT_MOST: Duration = Duration::from_millis(10);

/// The error of an operation for whose connection this machine had no local port: connections that were given up keep
/// theirs for a minute.
pub const NO_PORT_LEFT: &str = "no local port left";

/// The error of an operation for whose connection this process had no open file.
pub const NO_FILE_LEFT: &str = "no open file left";

/// Whether an operation failed for want of something that the generator, not the system under test, has run out of.
pub fn is_own_shortage(error: &str) -> bool {
    error == NO_PORT_LEFT || error == NO_FILE_LEFT
}

/// How punctually the generator worked, over the measured load.
#[derive(Debug, Clone, PartialEq)]
pub struct Punctuality {
    /// Operations that fell due; none for a closed loop, whose operations are due when they start.
    pub offered: Option<u64>,
    /// Operations that were started.
    pub started: u64,
    /// Median of `released - due`.
    pub p50: Duration,
    /// Its 99th percentile.
    pub p99: Duration,
    /// Its maximum.
    pub max: Duration,
    /// Whether every one of [`IN_FLIGHT_AT_MOST`] places was taken at some moment.
    pub saturated: bool,
    /// Operations that were never sent because this machine had no port or open file left ([`is_own_shortage`]).
    pub unsent: u64,
}

impl Punctuality {
    /// Of the measured load's invocations in a history. `offered` is the plan's count (`end.planned`); `workers` are
    /// the scenario's.
    pub fn of<'h>(invokes: impl Iterator<Item = &'h Invoke>, offered: Option<u64>, workers: Option<u32>) -> Self {
        let mut lateness = Lateness::default();
        let mut saturated = false;
        for invoke in invokes {
            saturated |= workers.is_none() && invoke.client + 1 >= IN_FLIGHT_AT_MOST;
            if invoke.part == Part::Load {
                lateness.record(Duration::from_nanos(invoke.released.saturating_sub(invoke.due)));
            }
        }
        lateness.punctuality(offered, saturated)
    }

    /// Why the generator did not keep up; none when it did.
    pub fn shortfall(&self) -> Option<String> {
        let started = self.started as f64;
        if let Some(offered) = self.offered
            && started < offered as f64 * STARTED_AT_LEAST
        {
            return Some(format!("only {} of {offered} offered operations were started", self.started));
        }
        if self.saturated {
            return Some(format!(
                "the limit of operations under way ({IN_FLIGHT_AT_MOST}, or the open files) was reached"
            ));
        }
        if self.unsent > 0 {
            return Some(format!(
                "{} operations were never sent: this machine had no local port or open file left",
                self.unsent
            ));
        }
        if self.p99 > LATENESS_P99_AT_MOST {
            return Some(format!(
                "one operation in a hundred was released {:?} late or later (at most {LATENESS_P99_AT_MOST:?} is punctual)",
                self.p99
            ));
        }
        None
    }
}

/// An hour in microseconds; what is later counts as an hour.
const HOUR: u64 = 3_600_000_000;

/// Collects `released - due`, to the microsecond.
#[derive(Debug, Clone)]
pub struct Lateness {
    microseconds: Histogram<u64>,
}

impl Default for Lateness {
    fn default() -> Self {
        Self { microseconds: Histogram::new_with_max(HOUR, 3).expect("an hour and three digits are allowed") }
    }
}

impl Lateness {
    /// Adds one operation.
    pub fn record(&mut self, late: Duration) {
        let microseconds = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.saturating_record(microseconds);
    }

    /// The figures so far.
    pub fn punctuality(&self, offered: Option<u64>, saturated: bool) -> Punctuality {
        let quantile = |q| Duration::from_micros(self.microseconds.value_at_quantile(q));
        Punctuality {
            offered,
            started: self.microseconds.len(),
            p50: quantile(0.5),
            p99: quantile(0.99),
            max: Duration::from_micros(self.microseconds.max()),
            saturated,
            unsent: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn invoke(late: Duration, part: Part, client: u32) -> Invoke {
        let late = u64::try_from(late.as_nanos()).unwrap();
        Invoke {
            at: 5_000_000_000 + late,
            due: 5_000_000_000,
            released: 5_000_000_000 + late,
            operation: "purchase-000000".to_owned(),
            kind: "purchase".to_owned(),
            part,
            client,
            instance: "api-1".to_owned(),
            values: BTreeMap::new(),
        }
    }

    fn shortfall(invokes: &[Invoke], offered: Option<u64>, workers: Option<u32>) -> Option<String> {
        Punctuality::of(invokes.iter(), offered, workers).shortfall()
    }

    const SOON: Duration = Duration::from_millis(1);
    const LATE: Duration = Duration::from_millis(11);

    #[test]
    fn a_generator_that_started_everything_in_time_kept_up() {
        assert_eq!(shortfall(&vec![invoke(SOON, Part::Load, 0); 1000], Some(1000), None), None);
        assert_eq!(shortfall(&vec![invoke(SOON, Part::Load, 0); 999], Some(1000), None), None);
        assert_eq!(shortfall(&[], None, Some(4)), None);
    }

    #[test]
    fn operations_never_started_are_told() {
        let told = shortfall(&vec![invoke(SOON, Part::Load, 0); 998], Some(1000), None).unwrap();
        assert_eq!(told, "only 998 of 1000 offered operations were started");
    }

    #[test]
    fn more_than_one_late_operation_in_a_hundred_is_told() {
        let with = |late| {
            let mut invokes = vec![invoke(SOON, Part::Load, 0); 1000 - late];
            invokes.extend(vec![invoke(LATE, Part::Load, 0); late]);
            shortfall(&invokes, Some(1000), None)
        };
        assert_eq!(with(10), None);
        assert!(with(11).unwrap().contains("released 11"), "{:?}", with(11));
    }

    #[test]
    fn a_late_warm_up_does_not_count() {
        let mut invokes = vec![invoke(LATE, Part::WarmUp, 0); 1000];
        invokes.push(invoke(SOON, Part::Load, 0));
        assert_eq!(shortfall(&invokes, Some(1), None), None);
    }

    #[test]
    fn operations_that_could_not_be_sent_for_want_of_a_port_are_told() {
        let punctual = Punctuality::of([invoke(SOON, Part::Load, 0)].iter(), Some(1), None);
        assert_eq!(punctual.shortfall(), None);
        let told = Punctuality { unsent: 3, ..punctual }.shortfall().unwrap();
        assert!(told.starts_with("3 operations were never sent"), "{told}");
        assert!(is_own_shortage(NO_PORT_LEFT) && is_own_shortage(NO_FILE_LEFT));
        assert!(!is_own_shortage("connection refused"));
    }

    #[test]
    fn the_last_place_taken_is_saturation_unless_the_scenario_gave_so_many_workers() {
        let invokes = [invoke(SOON, Part::Load, IN_FLIGHT_AT_MOST - 1)];
        assert!(shortfall(&invokes, Some(1), None).unwrap().contains("limit of operations under way"));
        assert_eq!(shortfall(&invokes, Some(1), Some(30_000)), None);
    }
}
