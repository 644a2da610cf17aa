//! What every phase knows, and why a run may be cut short.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

use super::event::{Event, Observer};
use super::names::Names;
use crate::history::entry::{Entry, Phase, PhaseName};
use crate::history::obligation::Obligations;
use crate::history::recorder::Recorder;
use crate::scenario::resolved::Resolved;

/// What every phase knows.
pub(super) struct Context {
    pub(super) resolved: Resolved,
    pub(super) names: Names,
    pub(super) logs: PathBuf,
    pub(super) recorder: Recorder,
    pub(super) obligations: Arc<Mutex<Obligations>>,
    pub(super) observer: Observer,
    pub(super) cancellation: CancellationToken,
}

impl Context {
    /// Enters a phase: in the history, and for whoever watches.
    pub(super) fn enter(&self, name: PhaseName) {
        self.recorder.record(Entry::Phase(Phase { at: self.recorder.now(), name }));
        (self.observer)(Event::Phase(name));
    }
}

/// Why a run did not go through all its phases.
#[derive(Debug)]
pub(super) enum Cut {
    /// The user wanted it to end.
    Interrupted,
    /// The harness or its environment failed.
    Failed(String),
}

impl Cut {
    pub(super) fn failure(&self) -> Option<String> {
        match self {
            Self::Interrupted => None,
            Self::Failed(reason) => Some(reason.clone()),
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => formatter.write_str("interrupted"),
            Self::Failed(reason) => formatter.write_str(reason),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Cut {
    fn from(error: E) -> Self {
        Self::Failed(format!("{:#}", error.into()))
    }
}
