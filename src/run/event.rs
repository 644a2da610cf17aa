//! What a run tells whoever watches it (the terminal): phases, the live line, remarks.

use std::sync::Arc;
use std::time::Duration;

use crate::history::entry::PhaseName;

/// Something worth showing while a run goes on.
#[derive(Clone)]
pub enum Event {
    /// A phase began.
    Phase(PhaseName),
    /// The load began; the function tells how it stands at any moment.
    Load(Arc<dyn Fn() -> Live + Send + Sync>),
    /// A sweep goes on to its next point.
    Sweep(Swept),
    /// The drain waits for this.
    Draining(String),
    /// Something a person should know now: a fault that failed, a service that ended by itself.
    Remark(String),
}

/// How a sweep stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
    /// Tries that are over.
    pub done: usize,
    /// Tries in all.
    pub total: usize,
    /// Since the first.
    pub elapsed: Duration,
    /// The point that is tried now, in words.
    pub point: String,
}

/// How the load stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Live {
    /// Since the first planned arrival (of the warm-up).
    pub elapsed: Duration,
    /// How long it will last in all.
    pub total: Duration,
    /// Operations completed in the last second.
    pub rate: f64,
    /// Operations under way.
    pub in_flight: u64,
    /// Of the operations completed in the last second.
    pub p99: Option<Duration>,
    /// Operations by outcome so far.
    pub ok: u64,
    /// Certainly without effect.
    pub fail: u64,
    /// Outcome unknown.
    pub info: u64,
    /// The faults in place, in words.
    pub faults: Vec<String>,
}

/// Whoever watches a run. Called from several tasks; must not block.
pub type Observer = Arc<dyn Fn(Event) + Send + Sync>;
