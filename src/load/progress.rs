//! What a load has done so far: for the live line of the terminal, the sampler, and the summary at the end.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::lateness::{Lateness, Punctuality};
use crate::checker::verdict::OperationCount;
use crate::history::entry::{Nanos, Outcome, Part};

const SECOND: Nanos = 1_000_000_000;

/// An hour in microseconds; a longer response counts as an hour.
const HOUR: u64 = 3_600_000_000;

/// Shared between the load, which writes, and whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    inner: Mutex<Inner>,
}

/// A look at a load under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct View {
    /// Operations started, warm-up included.
    pub started: u64,
    /// Operations ended, warm-up included.
    pub outcomes: OperationCount,
    /// Operations under way.
    pub in_flight: u64,
    /// Operations ended in the last whole second.
    pub rate: u64,
    /// The 99th percentile of their response times, from the intended start; none when none ended.
    pub p99: Option<Duration>,
}

#[derive(Debug, Default)]
struct Inner {
    started: u64,
    last_start: Nanos,
    outcomes: OperationCount,
    measured: OperationCount,
    lateness: Lateness,
    unsent: u64,
    window: Window,
}

impl Progress {
    /// A look at it, at this moment of the run's clock.
    pub fn view(&self, now: Nanos) -> View {
        let mut inner = self.lock();
        inner.window.advance(now);
        let ended = inner.outcomes.ok + inner.outcomes.fail + inner.outcomes.info;
        View {
            started: inner.started,
            outcomes: inner.outcomes,
            in_flight: inner.started - ended,
            rate: inner.window.rate,
            p99: inner.window.p99,
        }
    }

    pub(super) fn start(&self, now: Nanos, part: Part, late: Duration) {
        let mut inner = self.lock();
        inner.started += 1;
        inner.last_start = inner.last_start.max(now);
        if part == Part::Load {
            inner.lateness.record(late);
        }
    }

    pub(super) fn end(&self, now: Nanos, part: Part, outcome: Outcome, response: Duration) {
        let mut inner = self.lock();
        count(&mut inner.outcomes, outcome);
        if part == Part::Load {
            count(&mut inner.measured, outcome);
        }
        inner.window.advance(now);
        inner.window.current.saturating_record(u64::try_from(response.as_micros()).unwrap_or(u64::MAX));
    }

    /// An operation of the measured load could not be sent for want of a port or an open file.
    pub(super) fn could_not_send(&self) {
        self.lock().unsent += 1;
    }

    /// Operations started so far, and when the last one was.
    pub(super) fn starts(&self) -> (u64, Nanos) {
        let inner = self.lock();
        (inner.started, inner.last_start)
    }

    /// The measured load's outcomes and punctuality.
    pub(super) fn measured(&self, offered: Option<u64>, saturated: bool) -> (OperationCount, Punctuality) {
        let inner = self.lock();
        (inner.measured, Punctuality { unsent: inner.unsent, ..inner.lateness.punctuality(offered, saturated) })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Counters stay counters, also when another thread panicked while it held them.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(counts: &mut OperationCount, outcome: Outcome) {
    match outcome {
        Outcome::Ok => counts.ok += 1,
        Outcome::Fail => counts.fail += 1,
        Outcome::Info => counts.info += 1,
    }
}

/// The second under way, and the figures of the last whole one.
#[derive(Debug)]
struct Window {
    second: u64,
    current: Histogram<u64>,
    rate: u64,
    p99: Option<Duration>,
}

impl Default for Window {
    fn default() -> Self {
        let current = Histogram::new_with_max(HOUR, 2).expect("an hour and two digits are allowed");
        Self { second: 0, current, rate: 0, p99: None }
    }
}

impl Window {
    fn advance(&mut self, now: Nanos) {
        let second = now / SECOND;
        if second <= self.second {
            return;
        }
        let is_next = second == self.second + 1;
        self.rate = if is_next { self.current.len() } else { 0 };
        self.p99 = (self.rate > 0).then(|| Duration::from_micros(self.current.value_at_quantile(0.99)));
        self.current.reset();
        self.second = second;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_view_shows_the_last_whole_second() {
        let progress = Progress::default();
        for _ in 0..3 {
            progress.start(100, Part::WarmUp, Duration::ZERO);
        }
        progress.end(SECOND / 2, Part::WarmUp, Outcome::Ok, millis(20));
        progress.end(SECOND / 2, Part::WarmUp, Outcome::Info, millis(40));
        assert_eq!((progress.view(SECOND / 2).rate, progress.view(SECOND / 2).in_flight), (0, 1));
        let view = progress.view(SECOND);
        assert_eq!((view.rate, view.started, view.in_flight), (2, 3, 1));
        assert_eq!(view.outcomes, OperationCount { ok: 1, fail: 0, info: 1 });
        assert!(view.p99.unwrap().abs_diff(millis(40)) < millis(1), "{:?}", view.p99);
    }

    #[test]
    fn a_second_in_which_nothing_ended_shows_no_rate() {
        let progress = Progress::default();
        progress.start(0, Part::Load, Duration::ZERO);
        progress.end(1, Part::Load, Outcome::Ok, millis(1));
        let view = progress.view(5 * SECOND);
        assert_eq!((view.rate, view.p99), (0, None));
    }

    #[test]
    fn the_warm_up_is_not_measured() {
        let progress = Progress::default();
        for part in [Part::WarmUp, Part::Load] {
            progress.start(1, part, millis(1));
            progress.end(2, part, Outcome::Fail, millis(1));
        }
        let (outcomes, punctuality) = progress.measured(Some(1), false);
        assert_eq!(outcomes, OperationCount { ok: 0, fail: 1, info: 0 });
        assert_eq!(punctuality.started, 1);
    }
}
