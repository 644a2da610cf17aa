//! Single operations of the plan, when somebody asks for them: what a load is made of, without its timing.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::generator::{LoadError, LoadSpec, office, routes};
use super::operation::{Office, Release};
use super::phases::Phases;
use super::progress::Progress;
use crate::history::entry::{Nanos, Outcome, Part};
use crate::scenario::plan::PlannedOperation;

/// Longer than anybody works by hand: the load ends when it is told to.
const UNTIL_TOLD: Duration = Duration::from_secs(365 * 24 * 3600);

/// Carries operations out, one at a time.
#[derive(Debug)]
pub struct Hand {
    office: Office,
    part: Part,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// By the manifest's statuses.
    pub outcome: Outcome,
    /// The last answer's status, or why there was none.
    pub answer: Result<u16, String>,
    /// When the client knew.
    pub at: Nanos,
}

impl Hand {
    /// For the operations of a load; what it says of arrivals and stages does not matter. The load's phase begins now.
    ///
    /// # Errors
    /// When an instance has no address, or a method is none.
    pub fn new(spec: &LoadSpec, cancellation: &CancellationToken) -> Result<Self, LoadError> {
        let phases = Phases::new(spec.recorder.clone(), spec.recorder.now(), Duration::ZERO, UNTIL_TOLD);
        let (routes, client) = (routes(spec)?, Client::new(spec.load.timeout));
        let office = office(spec, routes, client, phases, &Arc::new(Progress::default()), cancellation);
        Ok(Self { office, part: Part::Load })
    }

    /// As [`Hand::new`], for operations that belong to the warm-up: no phase begins, and no figure counts them.
    ///
    /// # Errors
    /// When an instance has no address, or a method is none.
    pub fn before(spec: &LoadSpec, cancellation: &CancellationToken) -> Result<Self, LoadError> {
        let mut hand = Self::new(spec, cancellation)?;
        hand.office.phases = Phases::unrecorded(spec.recorder.clone());
        hand.part = Part::WarmUp;
        Ok(hand)
    }

    /// What operation `number` is.
    pub fn planned(&self, number: u64) -> PlannedOperation {
        self.office.plan.operation(number)
    }

    /// Carries out operation `number`, with the load's retries.
    pub async fn carry_out(&self, number: u64) -> Told {
        let now = self.office.recorder.now();
        let release = Release { number, due: now, released: now, part: self.part };
        let ended = self.office.carry_out(release, 0).await;
        Told { outcome: ended.outcome, answer: ended.told, at: self.office.recorder.now() }
    }

    /// Nothing more is started.
    pub fn end(self) {
        self.office.over.cancel();
        self.office.phases.leave(self.office.recorder.now());
    }
}
