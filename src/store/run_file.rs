//! `run.json`: what ran, where and how to run it again.

use serde::{Deserialize, Serialize};

use crate::scenario::resolved::Resolved;

/// The version of `run.json`.
pub const FORMAT: u32 = 1;

/// `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunFile {
    /// [`FORMAT`].
    pub format: u32,
    /// One variant with everything filled in.
    pub resolved: Resolved,
    /// The seed that the plan was drawn from.
    pub seed: u64,
    /// Hash of the plan; variants of one scenario share it.
    pub plan: String,
    /// What ran.
    pub versions: Versions,
    /// Where it ran.
    pub host: Host,
    /// Wall-clock time of nanosecond 0, RFC 3339, UTC.
    pub started: String,
    /// How the dependencies were brought up: `local`, `docker`, `external`.
    pub environment: String,
    /// The exact command that repeats the run.
    pub command: String,
}

/// The versions of everything that took part; absent for a dependency that did not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// This program.
    pub torn: String,
    /// `MongoDB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mongodb: Option<String>,
    /// Kafka.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka: Option<String>,
    /// Toxiproxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toxiproxy: Option<String>,
}

/// The machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Logical processors.
    pub cpus: u32,
    /// Memory, bytes.
    pub memory: u64,
    /// Kernel name and release.
    pub kernel: String,
}
