//! Verdicts and anomalies: what `verdict.json` holds.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of `verdict.json`.
pub const FORMAT: u32 = 1;

/// What the history proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that is forbidden was looked for, could have happened, and did not.
    Valid,
    /// Too little was seen to say so; the reasons say what is missing.
    Unknown,
    /// Something forbidden happened.
    Invalid,
}

/// Every kind of anomaly, in the order of the report. `DESIGN` of each: README, "Anomalies".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnomalyKind {
    /// A committed change requires an event; no record has it and nothing durable could still bring it.
    LostEvent,
    /// The same, but an unpublished row or unread offset still holds it at the deadline.
    StuckEvent,
    /// Of several events that one change requires, some are there and some not.
    TornPublication,
    /// A record whose operation has no committed change.
    PhantomEvent,
    /// Further records of one (operation, type, subject).
    DuplicateEvent,
    /// An entity's versions do not rise along its partition, or its events lie in several partitions.
    ReorderedEvent,
    /// A consumer did not apply an event that is in the log.
    MissingEffect,
    /// A consumer applied an event more than once.
    DuplicateEffect,
    /// The final view is not the fold of the log.
    DivergentProjection,
    /// The state after a change is not the state before plus the declared effect.
    LostUpdate,
    /// Two changes of one operation on one entity for one declared effect.
    DoubleApply,
    /// More was taken than there was.
    Oversold,
    /// A stock below zero.
    NegativeStock,
    /// A change of an operation that failed or was never sent.
    PhantomUpdate,
    /// A version rose by more than one.
    VersionGap,
    /// A version sank.
    VersionRegression,
    /// Observed fields changed and the version did not.
    VersionDuplicate,
    /// `ok` without a change.
    LostAcknowledgedWrite,
    /// An answer tells of a version that was known to be overtaken before the operation was sent.
    StaleRead,
    /// An answer tells a client of a version below one that it had read or written before.
    NonMonotonicRead,
    /// No order of a document's operations explains what the answers tell.
    NonLinearizable,
    /// One offset of a partition was seen with two contents.
    InconsistentOffsets,
    /// A reader of the log took records in another order than the log's.
    NonmonotonicPoll,
}

impl AnomalyKind {
    /// The kebab-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::LostEvent => "lost-event",
            Self::StuckEvent => "stuck-event",
            Self::TornPublication => "torn-publication",
            Self::PhantomEvent => "phantom-event",
            Self::DuplicateEvent => "duplicate-event",
            Self::ReorderedEvent => "reordered-event",
            Self::MissingEffect => "missing-effect",
            Self::DuplicateEffect => "duplicate-effect",
            Self::DivergentProjection => "divergent-projection",
            Self::LostUpdate => "lost-update",
            Self::DoubleApply => "double-apply",
            Self::Oversold => "oversold",
            Self::NegativeStock => "negative-stock",
            Self::PhantomUpdate => "phantom-update",
            Self::VersionGap => "version-gap",
            Self::VersionRegression => "version-regression",
            Self::VersionDuplicate => "version-duplicate",
            Self::LostAcknowledgedWrite => "lost-acknowledged-write",
            Self::StaleRead => "stale-read",
            Self::NonMonotonicRead => "non-monotonic-read",
            Self::NonLinearizable => "non-linearizable",
            Self::InconsistentOffsets => "inconsistent-offsets",
            Self::NonmonotonicPoll => "nonmonotonic-poll",
        }
    }
}

/// `verdict.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// [`FORMAT`].
    pub format: u32,
    /// The worst of all checks.
    pub verdict: Verdict,
    /// Whether that is what the variant expects.
    pub as_expected: bool,
    /// Why it is unknown, or not as expected: plain sentences.
    pub reasons: Vec<String>,
    /// Operations by outcome, warm-up included.
    pub operations: OperationCount,
    /// Everything that was found, forbidden or not.
    pub anomalies: Vec<Anomaly>,
    /// Every invariant, checked or not.
    pub checks: Vec<Check>,
}

/// Operations by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationCount {
    /// Took effect.
    pub ok: u64,
    /// Certainly had no effect.
    pub fail: u64,
    /// May have had one (never completed ones included).
    pub info: u64,
}

/// One kind of violation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// Which.
    pub kind: AnomalyKind,
    /// How many items.
    pub count: u64,
    /// Whether the workload forbids it.
    pub forbidden: bool,
    /// The first ones, at most [`EXAMPLES_AT_MOST`](crate::history::facts::EXAMPLES_AT_MOST).
    pub examples: Vec<Example>,
}

/// One violation, told so that a person understands it without opening a log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// One plain sentence.
    pub explanation: String,
    /// What happened, in order: each step with its line in the history.
    pub story: Vec<Step>,
    /// What a machine may want: `operation`, `entity`, `type`, `same_event_id`, ….
    #[serde(default)]
    pub facts: IndexMap<String, Value>,
}

/// One step of a story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// When, in nanoseconds since the run began; absent for what never happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// Where: the line of `history.jsonl`, from 1; absent for what never happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Which part of the system it shows.
    pub place: Place,
    /// What was seen, in words; may quote text of the system under test (escape it).
    pub text: String,
}

/// The parts of the system that a story's step may show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// What a client sent and heard.
    Operation,
    /// A change of a document.
    Document,
    /// A row of the outbox.
    Outbox,
    /// A record of a topic.
    Record,
    /// A change of a consumer's read model.
    Effect,
    /// A fault that was active or struck.
    Fault,
}

/// One invariant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// The anomaly's name, or the name of a guard (`witness fold`, `fault exercised: …`).
    pub name: String,
    /// What came out; `not checked` where the manifest does not name what it needs.
    pub verdict: CheckVerdict,
    /// Why, in one sentence; empty when valid.
    #[serde(default)]
    pub reason: String,
}

/// What came out of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckVerdict {
    /// Looked for and not found.
    Valid,
    /// Cannot be said.
    Unknown,
    /// Found.
    Invalid,
    /// The manifest does not say enough.
    NotChecked,
}
