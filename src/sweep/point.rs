//! Where a crash or a cut can fall: a message of an operation, and what is done when it passes. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::link::Link;

/// A message that an operation costs, by what it is rather than when it passes: `the 2nd update of products on
/// api-1 → mongodb`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageName {
    /// Who sends the request.
    pub client: String,
    /// Who answers it.
    pub server: String,
    /// The command or API: `insert`, `commitTransaction`, `Produce`.
    pub command: String,
    /// The collection or topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The how-manieth of this name within the operation, from 1.
    pub nth: u32,
}

impl MessageName {
    /// The link on which it passes.
    pub fn link(&self) -> Link {
        Link::new(&self.client, &self.server)
    }

    /// `update products`, `Produce purchases (2nd)`.
    pub fn title(&self) -> String {
        let target = self.target.as_ref().map_or_else(String::new, |target| format!(" {target}"));
        let ending = match (self.nth % 10, self.nth % 100) {
            (_, 11..=13) => "th",
            (1, _) => "st",
            (2, _) => "nd",
            (3, _) => "rd",
            _ => "th",
        };
        let nth = if self.nth == 1 { String::new() } else { format!(" ({}{ending})", self.nth) };
        format!("{}{target}{nth}", self.command)
    }
}

impl fmt::Display for MessageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} → {}: {}", self.client, self.server, self.title())
    }
}

/// How a message comes to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manner {
    /// A request that the operation causes, and its answer.
    Call,
    /// The answer to a question that is asked all the time (a poll, a fetch, a change stream): the question belongs to no
    /// operation, its answer brings one.
    Delivery,
}

/// How a message of this command comes to pass where nobody has looked: polls of the log and of change streams are asked all
/// the time.
pub fn manner_of(command: &str) -> Manner {
    if matches!(command, "Fetch" | "getMore") { Manner::Delivery } else { Manner::Call }
}

/// What is done at a message. The process is always the one that sent the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The request never arrives, and the connection is closed.
    DropRequest,
    /// The request was carried out; its answer never arrives, and the connection is closed.
    DropAnswer,
    /// The process dies before the request leaves it.
    KillBefore,
    /// The process dies when its request was carried out, before it hears of it.
    KillAfterRequest,
    /// The process dies when it has the answer, before it sends anything else.
    KillAfterAnswer,
}

impl Action {
    /// All, in the order in which they fall.
    pub const ALL: [Self; 5] =
        [Self::DropRequest, Self::DropAnswer, Self::KillBefore, Self::KillAfterRequest, Self::KillAfterAnswer];

    /// The kebab-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::DropRequest => "drop-request",
            Self::DropAnswer => "drop-answer",
            Self::KillBefore => "kill-before",
            Self::KillAfterRequest => "kill-after-request",
            Self::KillAfterAnswer => "kill-after-answer",
        }
    }

    /// Whether the process dies.
    pub fn is_kill(self) -> bool {
        matches!(self, Self::KillBefore | Self::KillAfterRequest | Self::KillAfterAnswer)
    }

    /// Whether it falls on the answer.
    pub fn is_on_answer(self) -> bool {
        matches!(self, Self::DropAnswer | Self::KillAfterRequest | Self::KillAfterAnswer)
    }

    /// What can be done at a message: of a delivery, nothing to its question.
    pub fn of(manner: Manner) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |action| manner == Manner::Call || action.is_on_answer())
    }
}

/// One place where a crash or a cut can fall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// At which message.
    pub message: MessageName,
    /// How that comes to pass.
    pub manner: Manner,
    /// What is done.
    pub action: Action,
}

impl fmt::Display for Point {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at {}", self.action.name(), self.message)
    }
}
