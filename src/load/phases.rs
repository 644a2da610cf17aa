//! Warm-up, load and end on the run's clock, and their entries in the history.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use crate::history::entry::{Entry, Nanos, Phase, PhaseName};
use crate::history::recorder::Recorder;

/// When the parts of a load begin and end.
#[derive(Debug)]
pub(super) struct Phases {
    /// The first moment of the warm-up.
    pub(super) start: Nanos,
    /// The first moment of the measured load.
    pub(super) load: Nanos,
    /// The moment after its last planned arrival's gap.
    pub(super) end: Nanos,
    recorder: Recorder,
    is_warming_up: AtomicBool,
    is_loading: AtomicBool,
}

impl Phases {
    pub(super) fn new(recorder: Recorder, start: Nanos, warm_up: Duration, load: Duration) -> Self {
        let after = |moment: Nanos, span: Duration| moment + u64::try_from(span.as_nanos()).unwrap_or(u64::MAX / 4);
        let load_begins = after(start, warm_up);
        let end = after(load_begins, load);
        let (is_warming_up, is_loading) = (AtomicBool::new(warm_up.is_zero()), AtomicBool::new(false));
        Self { start, load: load_begins, end, recorder, is_warming_up, is_loading }
    }

    /// For operations that stand before a load: its phases are somebody else's to record.
    pub(super) fn unrecorded(recorder: Recorder) -> Self {
        let phases = Self::new(recorder, 0, Duration::ZERO, Duration::MAX);
        phases.is_loading.store(true, Ordering::Relaxed);
        phases
    }

    /// Records the phases that have begun by now, each once and with its planned beginning. Called before every
    /// invocation, so that in the file too a phase comes before its operations.
    pub(super) fn enter_until(&self, now: Nanos) {
        if now >= self.start && !self.is_warming_up.swap(true, Ordering::Relaxed) {
            self.record(PhaseName::WarmUp, self.start);
        }
        if now >= self.load && !self.is_loading.swap(true, Ordering::Relaxed) {
            self.record(PhaseName::Load, self.load);
        }
    }

    /// Records the end: no operation may start after it.
    pub(super) fn leave(&self, at: Nanos) {
        self.record(PhaseName::LoadEnd, at);
    }

    /// Waits for the first moment; returns at once when `stop` is cancelled.
    pub(super) async fn wait_for_start(&self, stop: &CancellationToken) {
        self.wait_until(self.start, stop).await;
    }

    /// Waits for the end; returns at once when `stop` is cancelled.
    pub(super) async fn wait_for_end(&self, stop: &CancellationToken) {
        self.wait_until(self.load, stop).await;
        self.wait_until(self.end, stop).await;
    }

    async fn wait_until(&self, moment: Nanos, stop: &CancellationToken) {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = sleep_until(self.recorder.clock().instant(moment).into()) => self.enter_until(self.recorder.now()),
        }
    }

    fn record(&self, name: PhaseName, at: Nanos) {
        self.recorder.record(Entry::Phase(Phase { at, name }));
    }
}
