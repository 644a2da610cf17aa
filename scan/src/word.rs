//! The few words of the format that batches hold as enums.

use serde::{Deserialize, Serialize};

/// What a client knows in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It took effect.
    Ok,
    /// It certainly had no effect.
    Fail,
    /// It may have had one.
    Info,
}

/// Which part of the load an operation belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Judged, not measured.
    WarmUp,
    /// Judged and measured.
    Load,
}

/// What was done to a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// It was there before the stream began (never judged).
    Snapshot,
    /// Inserted by the harness itself during setup (never judged; it gives the first state).
    Setup,
    /// Inserted.
    Insert,
    /// Updated by a delta.
    Update,
    /// Replaced as a whole.
    Replace,
    /// Deleted.
    Delete,
}
