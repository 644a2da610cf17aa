//! From the faults on one link to the setting of its proxy. Pure: a link's setting is always derived from everything
//! that is wrong with it, so faults overlap freely and each heals alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::link::LinkFault;

/// Everything that is wrong with one link.
#[derive(Debug, Clone, Default)]
pub(super) struct Condition {
    /// By the fault's number.
    pub(super) faults: BTreeMap<u32, LinkFault>,
    /// Faults that are being healed, or whose heal failed: no longer wanted, perhaps still there.
    pub(super) leaving: BTreeSet<u32>,
    /// The server behind it is dead: refuse, as a dead server's port does.
    pub(super) is_down: bool,
}

impl Condition {
    /// The setting that follows.
    pub(super) fn setting(&self) -> Setting {
        let mut setting = Setting { enabled: !self.is_down, toxics: BTreeMap::new() };
        for (&number, &fault) in &self.faults {
            match fault {
                LinkFault::Refuse => setting.enabled = false,
                LinkFault::Partition | LinkFault::BlackHole => {
                    setting.add(number, Stream::Upstream, Effect::Drop);
                    setting.add(number, Stream::Downstream, Effect::Drop);
                }
                LinkFault::AnswerLost => setting.add(number, Stream::Downstream, Effect::Drop),
                LinkFault::Latency { delay, jitter } => {
                    let (delay, jitter) = (millis(delay), millis(jitter));
                    setting.add(number, Stream::Upstream, Effect::Delay { delay: delay / 2, jitter: jitter / 2 });
                    let rest = Effect::Delay { delay: delay - delay / 2, jitter: jitter - jitter / 2 };
                    setting.add(number, Stream::Downstream, rest);
                }
            }
        }
        setting
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("a delay is shorter than 584 million years")
}

/// How a proxy is set, or should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// Whether it listens.
    pub(super) enabled: bool,
    /// What is done to bytes, by a name that is unique for each fault and direction.
    pub(super) toxics: BTreeMap<String, Toxic>,
}

impl Setting {
    fn add(&mut self, fault: u32, stream: Stream, effect: Effect) {
        self.toxics.insert(format!("fault-{fault}-{}", stream.name()), Toxic { stream, effect });
    }

    /// Whether bytes in this direction are dropped.
    pub(super) fn drops(&self, stream: Stream) -> bool {
        self.toxics.values().any(|toxic| toxic.stream == stream && toxic.effect == Effect::Drop)
    }

    /// The least that bytes in this direction are delayed.
    pub(super) fn least_delay(&self, stream: Stream) -> Duration {
        let delays = self.toxics.values().filter(|toxic| toxic.stream == stream).map(|toxic| match toxic.effect {
            Effect::Delay { delay, jitter } => delay.saturating_sub(jitter),
            Effect::Drop => 0,
        });
        Duration::from_millis(delays.sum())
    }

    /// The most that bytes in this direction are delayed.
    pub(super) fn most_delay(&self, stream: Stream) -> Duration {
        let delays = self.toxics.values().filter(|toxic| toxic.stream == stream).map(|toxic| match toxic.effect {
            Effect::Delay { delay, jitter } => delay + jitter,
            Effect::Drop => 0,
        });
        Duration::from_millis(delays.sum())
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.enabled { "open" } else { "closed" })?;
        if self.toxics.is_empty() {
            return formatter.write_str(" without toxics");
        }
        for (index, (name, toxic)) in self.toxics.iter().enumerate() {
            formatter.write_str(if index == 0 { " with " } else { ", " })?;
            match toxic.effect {
                Effect::Drop => write!(formatter, "{name} (drop)")?,
                Effect::Delay { delay, jitter } => write!(formatter, "{name} (delay {delay}ms ± {jitter}ms)")?,
            }
        }
        Ok(())
    }
}

/// What is done to the bytes of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Toxic {
    /// Which direction.
    pub(super) stream: Stream,
    /// What.
    pub(super) effect: Effect,
}

/// A direction, as Toxiproxy names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    Downstream,
}

impl Stream {
    /// The name in Toxiproxy's API.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Downstream => "downstream",
        }
    }
}

/// What may be done to bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Thrown away, for ever (`timeout` 0). Taking it away closes every connection that it was on.
    Drop,
    /// Held back for `delay` ± `jitter` milliseconds (`latency`).
    Delay {
        /// Milliseconds.
        delay: u64,
        /// Milliseconds.
        jitter: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(faults: &[(u32, LinkFault)]) -> Condition {
        Condition { faults: faults.iter().copied().collect(), ..Condition::default() }
    }

    #[test]
    fn a_link_with_nothing_wrong_is_open() {
        assert_eq!(Condition::default().setting().to_string(), "open without toxics");
    }

    #[test]
    fn latency_is_the_same_in_sum_however_it_is_split() {
        let latency = LinkFault::Latency { delay: Duration::from_millis(101), jitter: Duration::from_millis(3) };
        let setting = condition(&[(7, latency)]).setting();
        let sum =
            |of: fn(&Setting, Stream) -> Duration| of(&setting, Stream::Upstream) + of(&setting, Stream::Downstream);
        assert_eq!(sum(Setting::least_delay), Duration::from_millis(98));
        assert_eq!(sum(Setting::most_delay), Duration::from_millis(104));
    }

    #[test]
    fn two_faults_of_one_kind_on_one_link_do_not_share_a_name() {
        let setting = condition(&[(1, LinkFault::Partition), (2, LinkFault::BlackHole)]).setting();
        assert_eq!(setting.toxics.len(), 4);
    }

    #[test]
    fn a_link_stays_refused_while_either_its_server_is_down_or_a_fault_refuses() {
        let mut refused = condition(&[(1, LinkFault::Refuse)]);
        refused.is_down = true;
        assert!(!refused.setting().enabled);
        refused.is_down = false;
        assert!(!refused.setting().enabled);
        refused.faults.clear();
        assert!(refused.setting().enabled);
    }

    #[test]
    fn answer_lost_leaves_the_way_to_the_server_alone() {
        let setting = condition(&[(0, LinkFault::AnswerLost)]).setting();
        assert!(!setting.drops(Stream::Upstream) && setting.drops(Stream::Downstream));
    }
}
