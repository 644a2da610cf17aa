//! Operations that are carried out alone, one after the other, so that every message that passes meanwhile belongs to one.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::context::{Context, Cut};
use super::eyes::Eyes;
use crate::history::entry::{Entry, Outcome, WireMessage};
use crate::load::hand::{Hand, Told};
use crate::sweep::recording::{Recording, Seen, Standing};

/// How long nobody asks anything of the services, so that it shows what they send by themselves.
const QUIET: Duration = Duration::from_millis(2500);

/// How long an operation is recorded after it came through; what follows late belongs to it too.
pub(super) const TRAIL: Duration = Duration::from_millis(400);

/// How long operations may take to come through.
pub(super) const THROUGH_WITHIN: Duration = Duration::from_secs(15);

/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(4);

/// Whoever carries them out.
pub(super) struct Lone<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) eyes: Arc<Eyes>,
    pub(super) hand: Hand,
}

/// Why an operation says nothing although nothing was broken. No error of its own: it is a reason for a [`Cut`], or for a
/// remark.
#[derive(Debug)]
pub(super) enum Disturbed {
    /// Another answer than a success.
    Refused {
        /// The operation.
        id: String,
        /// What the client was told.
        answer: String,
    },
    /// An effect is missing.
    NotThrough {
        /// The operation.
        id: String,
        /// The folder of the logs.
        logs: String,
    },
    /// The run was told to stop.
    Interrupted,
}

impl fmt::Display for Disturbed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { id, answer } => {
                write!(formatter, "{id} was answered with {answer} although nothing was broken")
            }
            Self::NotThrough { id, logs } => {
                let within = humantime::format_duration(THROUGH_WITHIN);
                write!(
                    formatter,
                    "{id} did not come through within {within} although nothing was broken; the services' logs are in {logs}"
                )
            }
            Self::Interrupted => formatter.write_str("interrupted"),
        }
    }
}

impl From<Disturbed> for Cut {
    fn from(disturbed: Disturbed) -> Self {
        match disturbed {
            Disturbed::Interrupted => Self::Interrupted,
            told => Self::Failed(told.to_string()),
        }
    }
}

impl Lone<'_> {
    /// What the services send by themselves all the time.
    pub(super) async fn standing(&self) -> Result<Standing, Disturbed> {
        self.eyes.record();
        self.pause(QUIET).await?;
        Ok(Standing::learn(&self.eyes.recorded()))
    }

    /// One operation from its invocation to its last effect, and `trail` beyond.
    pub(super) async fn recording(
        &self,
        number: u64,
        standing: &Standing,
        trail: Duration,
    ) -> Result<Recording, Disturbed> {
        self.eyes.record();
        let invoked = self.context.recorder.now();
        let told = self.undisturbed(number).await?;
        self.pause(trail).await?;
        let seen = self.eyes.recorded();
        for message in &seen {
            if standing.manner(message).is_some() || message.is_answer && !message.is_background {
                self.context.recorder.record(Entry::Wire(wire(message)));
            }
        }
        Ok(Recording { invoked, answered: told.at, seen })
    }

    /// One operation that nobody disturbs.
    pub(super) async fn undisturbed(&self, number: u64) -> Result<Told, Disturbed> {
        let told = self.hand.carry_out(number).await;
        let id = self.hand.planned(number).id;
        if told.outcome != Outcome::Ok {
            return Err(Disturbed::Refused { id, answer: words(&told) });
        }
        if !self.comes_through(&id, Instant::now() + THROUGH_WITHIN).await? {
            return Err(Disturbed::NotThrough { id, logs: self.context.logs.display().to_string() });
        }
        Ok(told)
    }

    /// Waits until an operation has had all its effects; whether it has.
    pub(super) async fn comes_through(&self, operation: &str, deadline: Instant) -> Result<bool, Disturbed> {
        loop {
            if self.is_through(operation) {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            self.pause(LOOK_EVERY).await?;
        }
    }

    /// Whether an operation has had all its effects.
    pub(super) fn is_through(&self, operation: &str) -> bool {
        self.context.obligations.lock().unwrap_or_else(PoisonError::into_inner).has_come_through(operation)
    }

    /// Waits, unless the run is told to stop.
    pub(super) async fn pause(&self, time: Duration) -> Result<(), Disturbed> {
        tokio::select! {
            () = self.context.cancellation.cancelled() => Err(Disturbed::Interrupted),
            () = sleep(time) => Ok(()),
        }
    }
}

/// What a client was told: `201`, `no answer (…)`.
pub(super) fn words(told: &Told) -> String {
    match &told.answer {
        Ok(status) => status.to_string(),
        Err(reason) => format!("no answer ({reason})"),
    }
}

fn wire(seen: &Seen) -> WireMessage {
    WireMessage {
        at: seen.at,
        link: seen.link.to_string(),
        connection: seen.connection,
        correlation: seen.correlation,
        is_answer: seen.is_answer,
        command: seen.command.clone(),
        target: seen.target.clone(),
        brings: seen.brings,
    }
}
