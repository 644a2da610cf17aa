//! The one way from a witness into the history: the listener hears of an entry first, then it is recorded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::spec::Listener;
use crate::history::entry::{Entry, Nanos, WitnessEvent, WitnessStep};
use crate::history::recorder::Recorder;

/// A handle to the history; cheap to clone.
#[derive(Clone)]
pub(super) struct Journal {
    recorder: Recorder,
    listener: Listener,
    last_seen: Arc<AtomicU64>,
}

impl Journal {
    pub(super) fn new(recorder: Recorder, listener: Listener) -> Self {
        let last_seen = Arc::new(AtomicU64::new(recorder.now()));
        Self { recorder, listener, last_seen }
    }

    pub(super) fn now(&self) -> Nanos {
        self.recorder.now()
    }

    /// Records what a witness saw of the system under test: a sign of life that a drain waits out.
    pub(super) fn saw(&self, entry: Entry) {
        self.last_seen.fetch_max(self.now(), Ordering::Relaxed);
        self.tell(entry);
    }

    /// Records what the harness itself did or measured.
    pub(super) fn tell(&self, entry: Entry) {
        (self.listener)(&entry);
        self.recorder.record(entry);
    }

    /// Records a step in the life of a witness.
    pub(super) fn step(&self, witness: &str, event: WitnessStep, detail: String) {
        self.tell(Entry::Witness(WitnessEvent {
            at: self.now(),
            witness: witness.to_owned(),
            event,
            detail: Some(detail),
        }));
    }

    pub(super) fn last_seen(&self) -> Nanos {
        self.last_seen.load(Ordering::Relaxed)
    }
}
