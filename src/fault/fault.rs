//! One fault: what happens to whom, when, and for how long.

use std::fmt;
use std::time::Duration;

use super::target::Target;
use crate::link::LinkFault;
use crate::sweep::point::Action;

/// One fault of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its number in the schedule, from 0.
    pub id: u32,
    /// When it strikes, from the first planned arrival after the warm-up.
    pub at: Duration,
    /// How long it stays, from the moment it is in place; of a kill: how long until the restart.
    pub duration: Duration,
    /// What happens.
    pub kind: FaultKind,
    /// To whom.
    pub target: Target,
}

impl Fault {
    /// When it should be healed.
    pub fn until(&self) -> Duration {
        self.at + self.kind.lead() + self.duration
    }

    /// The fault without its duration, as the history names it: `partition api → kafka`, `kill projector-1`.
    pub fn name(&self) -> String {
        format!("{} {}", self.kind, self.target)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} for {}", self.kind, self.target, humantime::format_duration(self.duration))
    }
}

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// To a link.
    Link(LinkFault),
    /// SIGKILL to a process, and a restart.
    Kill,
    /// The same to a server of a cluster, after nothing was replicated from it for a while.
    KillUnreplicated(Duration),
    /// SIGSTOP to a process, then SIGCONT.
    Pause,
    /// A primary gives up its office.
    StepDown,
    /// A primary is cut off, and another made at once.
    TwoPrimaries,
    /// An oplog forgets what it held.
    RollOplog,
    /// Something at an exact message, when that comes.
    Message(AtMessage),
}

/// What is done at an exact message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtMessage {
    /// It, or its answer, is lost, or who sends it dies.
    Do(Action),
    /// It arrives so much later.
    Delay(Duration),
}

impl AtMessage {
    /// Whether it falls on the answer.
    pub fn is_on_answer(self) -> bool {
        matches!(self, Self::Do(action) if action.is_on_answer())
    }

    /// Whether a process dies of it.
    pub fn is_kill(self) -> bool {
        matches!(self, Self::Do(action) if action.is_kill())
    }
}

impl FaultKind {
    /// How long it is on its way before it is in place: its target is struck from the first moment.
    pub fn lead(self) -> Duration {
        match self {
            Self::KillUnreplicated(time) => time,
            _ => Duration::ZERO,
        }
    }

    /// Whether a process is dead until the heal.
    pub fn is_kill(self) -> bool {
        matches!(self, Self::Kill | Self::KillUnreplicated(_)) || matches!(self, Self::Message(at) if at.is_kill())
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Link(LinkFault::Partition) => "partition",
            Self::Link(LinkFault::Refuse) => "refuse",
            Self::Link(LinkFault::BlackHole { direction }) => return write!(formatter, "black-hole{direction}"),
            Self::Link(LinkFault::AnswerLost) => "answer-lost",
            Self::Kill => "kill",
            Self::KillUnreplicated(time) => {
                return write!(formatter, "kill unreplicated for {}:", humantime::format_duration(*time));
            }
            Self::Pause => "pause",
            Self::StepDown => "step-down",
            Self::TwoPrimaries => "two-primaries",
            Self::RollOplog => "roll-oplog",
            Self::Message(AtMessage::Do(action)) => action.name(),
            Self::Message(AtMessage::Delay(delay)) => {
                return write!(formatter, "delay {}", humantime::format_duration(*delay));
            }
            Self::Link(LinkFault::ResetPeer) => "reset-peer",
            Self::Link(LinkFault::Latency { delay, jitter, direction }) => {
                write!(formatter, "latency {}", humantime::format_duration(*delay))?;
                if *jitter > Duration::ZERO {
                    write!(formatter, " ± {}", humantime::format_duration(*jitter))?;
                }
                return write!(formatter, "{direction}");
            }
            Self::Link(LinkFault::Bandwidth { kilobytes_per_second, direction }) => {
                return write!(formatter, "bandwidth {kilobytes_per_second} KB/s{direction}");
            }
            Self::Link(LinkFault::SlowClose { delay }) => {
                return write!(formatter, "slow-close {}", humantime::format_duration(*delay));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Direction;

    #[test]
    fn a_fault_reads_as_a_sentence() {
        let target = Target::Link { client: "api".to_owned(), server: "kafka".to_owned() };
        let latency = LinkFault::Latency {
            delay: Duration::from_millis(100),
            jitter: Duration::from_millis(20),
            direction: Direction::Both,
        };
        let (at, duration) = (Duration::from_secs(4), Duration::from_secs(5));
        let mut fault = Fault { id: 0, at, duration, kind: FaultKind::Link(LinkFault::Partition), target };
        assert_eq!(fault.to_string(), "partition api → kafka for 5s");
        fault.kind = FaultKind::Link(latency);
        assert_eq!(fault.to_string(), "latency 100ms ± 20ms api → kafka for 5s");
        for (what, name) in [
            (LinkFault::BlackHole { direction: Direction::Requests }, "black-hole (requests only) api → kafka"),
            (
                LinkFault::Bandwidth { kilobytes_per_second: 10, direction: Direction::Answers },
                "bandwidth 10 KB/s (answers only) api → kafka",
            ),
            (LinkFault::ResetPeer, "reset-peer api → kafka"),
            (LinkFault::SlowClose { delay: Duration::from_secs(2) }, "slow-close 2s api → kafka"),
        ] {
            fault.kind = FaultKind::Link(what);
            assert_eq!(fault.name(), name);
        }
        (fault.kind, fault.target) = (FaultKind::Kill, Target::Process("projector-1".to_owned()));
        assert_eq!(fault.name(), "kill projector-1");
    }
}
