//! What a check says of one history.

use serde::Serialize;
use serde_json::{Map, Value};

/// At most this many worked examples are kept for a kind of anomaly; the count is always whole.
pub const EXAMPLES_AT_MOST: usize = 16;

/// What the history proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing that decides was found.
    Valid,
    /// It could not be decided; the reasons say why.
    Unknown,
    /// Something was found that no right system shows.
    Invalid,
}

/// The verdict of one history, and what it stands on.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// What the history proves.
    pub verdict: Verdict,
    /// Why it is unknown, in plain sentences; empty otherwise.
    pub reasons: Vec<String>,
    /// Everything that was found, also what does not decide; a kind stands here once, and only if its count is above 0.
    pub anomalies: Vec<Anomaly>,
    /// What was measured beside, by name (`worst-realtime-lag`), for machines.
    pub figures: Map<String, Value>,
    /// A picture of what was found: one SVG document.
    pub picture: Option<String>,
}

impl Judgement {
    /// A history that could not be judged.
    pub fn unknown(reason: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Unknown,
            reasons: vec![reason.into()],
            anomalies: Vec::new(),
            figures: Map::new(),
            picture: None,
        }
    }
}

/// One kind of violation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Anomaly {
    /// Its name, in kebab-case.
    pub kind: &'static str,
    /// How many items.
    pub count: u64,
    /// Whether it makes the history invalid.
    pub decides: bool,
    /// The first ones, at most [`EXAMPLES_AT_MOST`].
    pub examples: Vec<Example>,
}

/// One violation, told so that a person understands it and finds it in the history.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Example {
    /// One plain sentence.
    pub explanation: String,
    /// The operations on both sides, in the order of the story.
    pub operations: Vec<Cited>,
    /// What a machine may want: `key`, `value`, `offset`, `values`, `skipped`, `delta`, ….
    #[serde(flatten)]
    pub item: Map<String, Value>,
}

/// An operation that an example cites.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cited {
    /// Its line in the file, from 1.
    pub line: u32,
    /// Its `index` as the history says it; absent where the history says none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<i64>,
    /// Its place among the history's operations, from 0: all operations of one line share the line.
    pub ordinal: u32,
    /// What it said, in words; quotes text of the history (escape it in HTML).
    pub text: String,
}
