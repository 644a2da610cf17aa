//! What every phase knows, and why a run may be cut short.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

use super::event::{Event, Observer};
use super::names::Names;
use super::standing::Standing;
use crate::environment::Kind;
use crate::history::entry::{Entry, Phase, PhaseName};
use crate::history::obligation::Obligations;
use crate::history::recorder::Recorder;
use crate::scenario::resolved::Resolved;
use crate::sweep::order::SweepOrder;

/// What every phase knows.
pub(super) struct Context<'a> {
    pub(super) resolved: Resolved,
    pub(super) names: Names,
    pub(super) logs: PathBuf,
    pub(super) recorder: Recorder,
    pub(super) obligations: Arc<Mutex<Obligations>>,
    pub(super) observer: Observer,
    pub(super) cancellation: CancellationToken,
    /// Where the servers come from.
    pub(super) kind: Kind,
    /// Whether faults may be left out that are not possible on these servers.
    pub(super) leaves_out_impossible: bool,
    /// Servers that several runs share.
    pub(super) standing: Option<&'a Standing>,
    /// What is swept, instead of a load.
    pub(super) sweep: Option<&'a SweepOrder>,
}

impl Context<'_> {
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
        Self::Failed(in_words(&error.into()))
    }
}

/// An error with its causes, each said once: many errors tell their cause in their own words already.
pub(crate) fn in_words(error: &anyhow::Error) -> String {
    error.chain().skip(1).map(ToString::to_string).fold(error.to_string(), |text, cause| {
        if text.ends_with(&cause) || text.contains(&format!("{cause};")) { text } else { format!("{text}: {cause}") }
    })
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::in_words;

    #[test]
    fn a_cause_is_said_once() {
        let told = anyhow!("no such file").context("x.toml: no such file");
        assert_eq!(in_words(&told), "x.toml: no such file");
        let with_remedy = anyhow!("no such file").context("x: no such file; choose another");
        assert_eq!(in_words(&with_remedy), "x: no such file; choose another");
        let untold: anyhow::Result<()> = Err(anyhow!("refused")).context("failed to write the report");
        assert_eq!(in_words(&untold.expect_err("it is one")), "failed to write the report: refused");
    }
}
