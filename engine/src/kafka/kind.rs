//! What may be found in the history of a log, and which of it decides.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A kind of anomaly, under Jepsen's name in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A message that was written stands before one that was polled, and nobody ever polled it.
    LostWrite,
    /// An acknowledged message that no successful poll returned.
    Unseen,
    /// One message at several offsets.
    Duplicate,
    /// A poll returned a message whose send had failed.
    G1a,
    /// One offset with several messages.
    InconsistentOffsets,
    /// Two polls of one process left out messages between them.
    PollSkip,
    /// A poll of a process began at or before what its last one returned.
    NonmonotonicPoll,
    /// A process's later send stands at or before its earlier one.
    NonmonotonicSend,
    /// One operation's polls left out messages.
    IntPollSkip,
    /// One operation's polls went back.
    IntNonmonotonicPoll,
    /// One operation's sends went back.
    IntNonmonotonicSend,
    /// Other messages lie between one operation's sends.
    IntSendSkip,
    /// An operation polled what it had sent itself.
    PrecommittedRead,
    /// Operations precede each other in a circle by the order of their sends.
    G0,
    /// The same, with the order in which one process ran operations.
    G0Process,
    /// The same, with the order in real time.
    G0Realtime,
    /// Operations precede each other in a circle by what they sent and polled.
    G1c,
    /// The same, with the order in which one process ran operations.
    G1cProcess,
    /// The same, with the order in real time.
    G1cRealtime,
}

/// A name that is none of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no kind of anomaly is called `{0}`; there are: {names}", names = names())]
pub struct UnknownKind(String);

fn names() -> String {
    Kind::ALL.map(Kind::name).join(", ")
}

impl Kind {
    /// Every kind, in the order in which they are reported.
    pub const ALL: [Self; 19] = [
        Self::LostWrite,
        Self::Unseen,
        Self::Duplicate,
        Self::G1a,
        Self::InconsistentOffsets,
        Self::PollSkip,
        Self::NonmonotonicPoll,
        Self::NonmonotonicSend,
        Self::IntPollSkip,
        Self::IntNonmonotonicPoll,
        Self::IntNonmonotonicSend,
        Self::IntSendSkip,
        Self::PrecommittedRead,
        Self::G0,
        Self::G0Process,
        Self::G0Realtime,
        Self::G1c,
        Self::G1cProcess,
        Self::G1cRealtime,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::LostWrite => "lost-write",
            Self::Unseen => "unseen",
            Self::Duplicate => "duplicate",
            Self::G1a => "g1a",
            Self::InconsistentOffsets => "inconsistent-offsets",
            Self::PollSkip => "poll-skip",
            Self::NonmonotonicPoll => "nonmonotonic-poll",
            Self::NonmonotonicSend => "nonmonotonic-send",
            Self::IntPollSkip => "int-poll-skip",
            Self::IntNonmonotonicPoll => "int-nonmonotonic-poll",
            Self::IntNonmonotonicSend => "int-nonmonotonic-send",
            Self::IntSendSkip => "int-send-skip",
            Self::PrecommittedRead => "precommitted-read",
            Self::G0 => "g0",
            Self::G0Process => "g0-process",
            Self::G0Realtime => "g0-realtime",
            Self::G1c => "g1c",
            Self::G1cProcess => "g1c-process",
            Self::G1cRealtime => "g1c-realtime",
        }
    }

    /// Whether it is a cycle of dependencies.
    pub fn is_cycle(self) -> bool {
        self >= Self::G0
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    /// Reads a name, in any case: Jepsen writes `G1a`.
    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        let same = |kind: &Self| kind.name().eq_ignore_ascii_case(name);
        Self::ALL.into_iter().find(same).ok_or_else(|| UnknownKind(name.to_owned()))
    }
}

/// A set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kinds(u32);

impl Kinds {
    /// What makes a history invalid for Jepsen (`allowed-error-types`), cycles aside: their meaning depends on what a log
    /// promises, and they are reported only. A consumer that subscribed may be moved to other partitions at any time, so
    /// that it skips or goes back is expected there.
    pub fn deciding(subscribed: bool) -> Self {
        let expected = |kind: Kind| match kind {
            Kind::IntSendSkip => true,
            Kind::PollSkip | Kind::NonmonotonicPoll => subscribed,
            kind => kind.is_cycle(),
        };
        Kind::ALL.into_iter().filter(|&kind| !expected(kind)).collect()
    }

    /// Whether a kind is in it.
    pub fn contains(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u32) != 0
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |set, kind| set | 1 << kind as u32))
    }
}
