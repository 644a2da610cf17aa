//! What came out of a sweep: for each variant the messages of one operation, and for each message and action a verdict.
//! `sweep.json`, from which the page, `junit.xml` and `summary.md` follow. Pure.

use serde::{Deserialize, Serialize};

use super::point::{Action, Manner, MessageName, Point};
use crate::checker::verdict::{AnomalyKind, Example};
use crate::history::entry::{Anatomy, AnatomyMessage, Nanos};

/// The version of `sweep.json`.
pub const FORMAT: u32 = 1;

/// A sweep: the variants side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// [`FORMAT`].
    pub format: u32,
    /// The scenario.
    pub scenario: String,
    /// Its seed.
    pub seed: u64,
    /// The operation that was carried out at each point.
    pub operation: String,
    /// What a client does when it got no answer.
    pub retry: Retry,
    /// How often each point was tried.
    pub repeat: u32,
    /// The variants, in the order of the scenario.
    pub variants: Vec<VariantSweep>,
}

/// What a client does when it got no answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// Nothing.
    #[default]
    None,
    /// It asks again under the same `Idempotency-Key`.
    SameKey,
    /// It asks again under another one.
    NewKey,
}

/// The sweep of one variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VariantSweep {
    /// The variant's name.
    pub variant: String,
    /// Its run's folder beside `sweep.json`.
    pub folder: String,
    /// The messages of the operation, in order.
    pub messages: Vec<MessageRow>,
    /// When the first operation began, in nanoseconds of its history: where the times of its stories count from.
    pub started: Nanos,
    /// Seconds that the points took together.
    pub seconds: f64,
    /// Why there is no verdict, if the harness or its environment failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// One message of the operation, and what may be done at it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageRow {
    /// Which.
    pub message: MessageName,
    /// How it comes to pass.
    pub manner: Manner,
    /// In how many of the recordings it came.
    pub seen_in: u32,
    /// How many recordings there were. A message that is not in all of them varies from run to run.
    pub recordings: u32,
    /// Microseconds from the operation's invocation to the request (of a delivery: to the answer), in the first recording
    /// that has it.
    pub request_us: u64,
    /// To the answer; none where none was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_us: Option<u64>,
    /// Whether the service had answered its client before this message left: what is broken here, the client is never told.
    pub after_answer: bool,
    /// One cell for each action that is possible at it.
    pub cells: Vec<Cell>,
}

/// What became of one action at one message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Which action.
    pub action: Action,
    /// The worst of all tries.
    pub verdict: CellVerdict,
    /// Every try.
    pub tries: Vec<Try>,
}

/// One try of one point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Try {
    /// What came out.
    pub verdict: CellVerdict,
    /// What was found, forbidden kinds only.
    pub anomalies: Vec<AnomalyKind>,
    /// The first example of what was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<Example>,
    /// Why it is unknown, or what is worth knowing besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What the client was told: `201`, `no answer`, ….
    pub told: String,
    /// The operation that was struck.
    pub operation: String,
    /// The key that it was about.
    pub entity: String,
    /// Milliseconds that it took, restart and sentinel included.
    pub took_ms: u64,
}

/// What came out at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellVerdict {
    /// It may fall here: nothing that the workload forbids came of it.
    Harmless,
    /// The message never came, or a service did not come back: nothing can be said.
    Unknown,
    /// It may not: something that the workload forbids came of it.
    Harmful,
}

impl From<MessageRow> for AnatomyMessage {
    fn from(row: MessageRow) -> Self {
        let MessageName { client, server, command, target, nth } = row.message;
        Self {
            client,
            server,
            command,
            target,
            nth,
            is_delivery: row.manner == Manner::Delivery,
            seen_in: row.seen_in,
            request_us: row.request_us,
            answer_us: row.answer_us,
            after_answer: row.after_answer,
        }
    }
}

impl MessageRow {
    /// The messages of an operation as a run has recorded them: nothing was done at them.
    pub fn all_of(anatomy: &Anatomy) -> Vec<Self> {
        let row = |message: &AnatomyMessage| Self {
            message: MessageName {
                client: message.client.clone(),
                server: message.server.clone(),
                command: message.command.clone(),
                target: message.target.clone(),
                nth: message.nth,
            },
            manner: if message.is_delivery { Manner::Delivery } else { Manner::Call },
            seen_in: message.seen_in,
            recordings: anatomy.recordings,
            request_us: message.request_us,
            answer_us: message.answer_us,
            after_answer: message.after_answer,
            cells: Vec::new(),
        };
        anatomy.messages.iter().map(row).collect()
    }

    /// Whether it is not in every recording.
    pub fn varies(&self) -> bool {
        self.seen_in < self.recordings
    }
}

impl VariantSweep {
    /// Every point with its cell.
    pub fn points(&self) -> impl Iterator<Item = (Point, &Cell)> {
        self.messages.iter().flat_map(|row| {
            row.cells
                .iter()
                .map(|cell| (Point { message: row.message.clone(), manner: row.manner, action: cell.action }, cell))
        })
    }

    /// How many points came out so.
    pub fn count(&self, verdict: CellVerdict) -> usize {
        self.points().filter(|(_, cell)| cell.verdict == verdict).count()
    }
}
