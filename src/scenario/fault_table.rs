//! The tables of a scenario that ask for faults: `[[fault]]` at a fixed time, `[random_faults]` drawn from the seed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::duration;

/// A table that says what happens and to whom, beside keys of its own. Flattening a common struct into two would do the
/// same, but serde then knows no unknown keys and no places.
macro_rules! fault_table {
    ($(#[$about:meta])* $name:ident { $($own:tt)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($own)*
            /// Live connections are closed, new ones are accepted and never answered.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub partition: Option<[String; 2]>,
            /// Live connections are closed, new ones refused.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub refuse: Option<[String; 2]>,
            /// Nothing passes in either direction (or in that of `only`); connections stay.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub black_hole: Option<[String; 2]>,
            /// Everything takes `delay` ± `jitter` longer.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub latency: Option<[String; 2]>,
            /// Requests arrive, answers do not.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub answer_lost: Option<[String; 2]>,
            /// Each connection carries `kilobytes_per_second` and no more.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub bandwidth: Option<[String; 2]>,
            /// Live connections are closed, new ones reset (RST) as soon as something is sent.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub reset_peer: Option<[String; 2]>,
            /// The closing of a connection is seen `delay` later.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub slow_close: Option<[String; 2]>,
            /// A server of a cluster (`mongodb-2`, `primary`, `leader:<topic>-<partition>`, …) is cut off from its peers; who dials
            /// it as a client keeps its link.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub isolate: Option<String>,
            /// Those named here stay connected with each other and are cut off from all other services and servers.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub halves: Option<Vec<String>>,
            /// SIGKILL, of a service's instance or a dependency.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub kill: Option<String>,
            /// SIGSTOP, then SIGCONT.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub pause: Option<String>,
            /// `"mongodb"`: its primary steps down, and is not elected again before `for` is over.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub step_down: Option<String>,
            /// `"mongodb"`: its primary is cut off from its peers, and one of those made primary at once, while the old one still
            /// takes writes.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub two_primaries: Option<String>,
            /// Of `two_primaries`: services that reach the old primary alone.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub with: Option<Vec<String>>,
            /// `"mongodb"`: so much is written that its oplog forgets everything before; needs a small `mongodb.oplog_mb`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub roll_oplog: Option<String>,
            /// Of `latency` and `slow_close`.
            #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
            pub delay: Option<Duration>,
            /// Of `latency`.
            #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
            pub jitter: Option<Duration>,
            /// Of `bandwidth`: 1000 bytes a second, from 1 up.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub kilobytes_per_second: Option<u32>,
            /// Of `black_hole`, `latency` and `bandwidth`: strikes in this direction alone (`requests`, `answers`). Of `isolate`:
            /// only the links on which its peers dial it (`inbound`), or on which it dials them (`outbound`).
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub only: Option<Only>,
            /// Of `isolate` and `halves`: what is done to each link; by default `partition`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub how: Option<How>,
            /// Of `kill`: for how long nothing is replicated from a server of a cluster before it dies.
            #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
            pub unreplicated_for: Option<Duration>,
        }
    };
}

fault_table! {
    /// One fault at a fixed time. Exactly one of the kinds is given. Targets are instances (`projector-1`), roles (`api`:
    /// every instance), or dependencies (`mongodb`, `kafka`); a link is `[who dials, whom]`, and `clients` dials services.
    /// Times count from the first planned arrival after the warm-up.
    FaultSpec {
        /// When it strikes.
        #[serde(with = "duration")]
        pub at: Duration,
        /// How long a link fault or a pause lasts.
        #[serde(rename = "for", default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
        pub duration: Option<Duration>,
        /// Of `kill` and of `at_message` with a kill: how long the target stays down. By default 1 s.
        #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
        pub restart_after: Option<Duration>,
        /// An exact message: from `at` on it is waited for, and `do` is done when it passes. Once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub at_message: Option<MessageSpec>,
        /// Of `at_message`: what is done.
        #[serde(rename = "do", default, skip_serializing_if = "Option::is_none")]
        pub action: Option<DoSpec>,
    }
}

/// Which message. Background traffic (heartbeats, metadata, empty answers to polls) does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageSpec {
    /// Who sends the request and who answers it: `api-1:mongodb`.
    pub link: String,
    /// The command or API: `insert`, `commitTransaction`, `Produce`.
    pub command: String,
    /// The collection or topic, as the manifest names it; by default any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The how-manieth of them, from 1.
    #[serde(default = "first")]
    pub nth: u32,
}

fn first() -> u32 {
    1
}

/// What is done at a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DoSpec {
    /// The request never arrives, and its connection is closed.
    DropRequest,
    /// The request is carried out, its answer never arrives, and the connection is closed.
    DropAnswer,
    /// Who sends it dies before it leaves.
    KillBefore,
    /// Who sent it dies when it was carried out, before the answer arrives.
    KillAfterRequest,
    /// Who sent it dies when it has the answer, before it sends anything else.
    KillAfterAnswer,
    /// It arrives `delay` later.
    Delay,
}

/// How a server is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Live connections are closed, new ones are accepted and never answered.
    Partition,
    /// Live connections are closed, new ones refused: the milder way.
    Refuse,
    /// Live connections stay, and nothing passes: the harsher way.
    BlackHole,
}

/// The one direction in which a link fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Only {
    /// What the client sends.
    Requests,
    /// What comes back.
    Answers,
    /// Where others dial the server.
    Inbound,
    /// Where the server dials others.
    Outbound,
}

/// Faults drawn from the seed. Faults on one target never overlap; none starts in the last tenth of the load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomFaults {
    /// How many to draw.
    pub count: u32,
    /// The shortest and the longest gap between the heal of one and the start of the next on the same target.
    #[serde(default = "default_gap", with = "duration")]
    pub gap: Duration,
    /// What to draw from.
    pub choice: Vec<FaultChoice>,
}

fn default_gap() -> Duration {
    Duration::from_secs(1)
}

fault_table! {
    /// One kind of random fault.
    FaultChoice {
        /// How often, against the other choices.
        #[serde(default = "default_weight")]
        pub weight: f64,
        /// At least once in every schedule.
        #[serde(default)]
        pub always: bool,
        /// The shortest duration (of the fault, or of the time a killed target stays down).
        #[serde(with = "duration")]
        pub shortest: Duration,
        /// The longest.
        #[serde(with = "duration")]
        pub longest: Duration,
    }
}

fn default_weight() -> f64 {
    1.0
}
