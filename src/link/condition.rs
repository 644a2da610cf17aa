//! From the faults on one link to the setting of its proxy. Pure: a link's setting is always derived from everything
//! that is wrong with it, so faults overlap freely and each heals alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::link::{Direction, LinkFault};

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
                LinkFault::Partition => setting.add_each(number, Direction::Both, Effect::Drop),
                LinkFault::BlackHole { direction } => setting.add_each(number, direction, Effect::Drop),
                LinkFault::AnswerLost => setting.add_each(number, Direction::Answers, Effect::Drop),
                LinkFault::Latency { delay, jitter, direction } => {
                    setting.add_delay(number, direction, millis(delay), millis(jitter));
                }
                LinkFault::Bandwidth { kilobytes_per_second, direction } => {
                    setting.add_each(number, direction, Effect::Limit { rate: kilobytes_per_second.into() });
                }
                LinkFault::ResetPeer => setting.add_each(number, Direction::Both, Effect::Reset),
                LinkFault::SlowClose { delay } => {
                    setting.add_each(number, Direction::Both, Effect::Hold { delay: millis(delay) });
                }
            }
        }
        setting.settle_overlaps();
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
    fn add_each(&mut self, fault: u32, direction: Direction, effect: Effect) {
        let streams: &[Stream] = match direction {
            Direction::Both => &[Stream::Upstream, Stream::Downstream],
            Direction::Requests => &[Stream::Upstream],
            Direction::Answers => &[Stream::Downstream],
        };
        for &stream in streams {
            self.add(fault, stream, effect);
        }
    }

    /// Both directions share a delay, so that a request and its answer together take that much longer.
    fn add_delay(&mut self, fault: u32, direction: Direction, delay: u64, jitter: u64) {
        if direction != Direction::Both {
            return self.add_each(fault, direction, Effect::Delay { delay, jitter });
        }
        self.add(fault, Stream::Upstream, Effect::Delay { delay: delay / 2, jitter: jitter / 2 });
        let rest = Effect::Delay { delay: delay - delay / 2, jitter: jitter - jitter / 2 };
        self.add(fault, Stream::Downstream, rest);
    }

    /// Toxiproxy chains toxics in the order in which they came. Where that order would decide what is seen, one of the two
    /// is left out: bytes that are dropped provoke no reset, and a reset is not held back as a close is.
    fn settle_overlaps(&mut self) {
        let dropping = [Stream::Upstream, Stream::Downstream].map(|stream| (stream, self.drops(stream)));
        let is_dropped = |stream: Stream| dropping.contains(&(stream, true));
        self.toxics.retain(|_, toxic| toxic.effect != Effect::Reset || !is_dropped(toxic.stream));
        if self.toxics.values().any(|toxic| toxic.effect == Effect::Reset) {
            self.toxics.retain(|_, toxic| !matches!(toxic.effect, Effect::Hold { .. }));
        }
    }

    fn add(&mut self, fault: u32, stream: Stream, effect: Effect) {
        self.toxics.insert(format!("fault-{fault}-{}", stream.name()), Toxic { stream, effect });
    }

    /// Whether bytes in this direction are dropped.
    pub(super) fn drops(&self, stream: Stream) -> bool {
        self.effects(stream).any(|effect| effect == Effect::Drop)
    }

    /// Whether bytes in this direction are answered with a reset.
    pub(super) fn resets(&self, stream: Stream) -> bool {
        self.effects(stream).any(|effect| effect == Effect::Reset)
    }

    /// Whether the closing of connections is held back.
    pub(super) fn holds_closes(&self) -> bool {
        self.toxics.values().any(|toxic| matches!(toxic.effect, Effect::Hold { .. }))
    }

    /// The narrowest limit in this direction, in KB/s.
    pub(super) fn narrowest(&self, stream: Stream) -> Option<u64> {
        let limits = self.effects(stream).filter_map(|effect| match effect {
            Effect::Limit { rate } => Some(rate),
            _ => None,
        });
        limits.min()
    }

    /// The least that bytes in this direction are delayed, however few.
    pub(super) fn least_delay(&self, stream: Stream) -> Duration {
        Duration::from_millis(self.delays(stream).map(|(delay, jitter)| delay.saturating_sub(jitter)).sum())
    }

    /// The most that bytes in this direction are delayed, where no limit makes many of them wait.
    pub(super) fn most_delay(&self, stream: Stream) -> Duration {
        Duration::from_millis(self.delays(stream).map(|(delay, jitter)| delay + jitter).sum())
    }

    fn delays(&self, stream: Stream) -> impl Iterator<Item = (u64, u64)> {
        self.effects(stream).filter_map(|effect| match effect {
            Effect::Delay { delay, jitter } => Some((delay, jitter)),
            _ => None,
        })
    }

    fn effects(&self, stream: Stream) -> impl Iterator<Item = Effect> {
        self.toxics.values().filter(move |toxic| toxic.stream == stream).map(|toxic| toxic.effect)
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
                Effect::Limit { rate } => write!(formatter, "{name} (limit {rate} KB/s)")?,
                Effect::Reset => write!(formatter, "{name} (reset)")?,
                Effect::Hold { delay } => write!(formatter, "{name} (hold closes back {delay}ms)")?,
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
    /// Let through at so many KB/s (`bandwidth`). 0 would hang the API at its removal.
    Limit {
        /// 1000 bytes a second.
        rate: u64,
    },
    /// Answered with a reset of the connection (`reset_peer`, without its timeout). Toxiproxy prepares a connection for
    /// that when it is opened, and for good: on older ones it would be a close, and those that outlive the toxic would
    /// end in a reset.
    Reset,
    /// Let through, but the end of the stream `delay` milliseconds later (`slow_close`).
    Hold {
        /// Milliseconds.
        delay: u64,
    },
}

impl Effect {
    /// Whether no connection that it was on may outlive it.
    pub(super) fn marks_connections(self) -> bool {
        matches!(self, Self::Drop | Self::Reset)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        let latency = LinkFault::Latency {
            delay: Duration::from_millis(101),
            jitter: Duration::from_millis(3),
            direction: Direction::Both,
        };
        let setting = condition(&[(7, latency)]).setting();
        let sum =
            |of: fn(&Setting, Stream) -> Duration| of(&setting, Stream::Upstream) + of(&setting, Stream::Downstream);
        assert_eq!(sum(Setting::least_delay), Duration::from_millis(98));
        assert_eq!(sum(Setting::most_delay), Duration::from_millis(104));
    }

    #[test]
    fn two_faults_of_one_kind_on_one_link_do_not_share_a_name() {
        let setting =
            condition(&[(1, LinkFault::Partition), (2, LinkFault::BlackHole { direction: Direction::Both })]).setting();
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

    #[test]
    fn bytes_that_are_dropped_provoke_no_reset_and_a_reset_is_not_held_back() {
        let slow = LinkFault::SlowClose { delay: Duration::from_secs(1) };
        let setting = condition(&[(0, LinkFault::ResetPeer), (1, slow)]).setting();
        assert!(setting.resets(Stream::Upstream) && !setting.holds_closes());
        let setting = condition(&[(0, LinkFault::ResetPeer), (1, slow), (2, LinkFault::AnswerLost)]).setting();
        assert!(setting.resets(Stream::Upstream) && !setting.resets(Stream::Downstream));
        let setting = condition(&[(0, LinkFault::ResetPeer), (1, slow), (2, LinkFault::Partition)]).setting();
        assert!(!setting.resets(Stream::Upstream) && setting.holds_closes());
    }

    fn direction() -> impl Strategy<Value = Direction> {
        prop_oneof![Just(Direction::Both), Just(Direction::Requests), Just(Direction::Answers)]
    }

    fn fault() -> impl Strategy<Value = LinkFault> {
        prop_oneof![
            Just(LinkFault::Partition),
            Just(LinkFault::Refuse),
            Just(LinkFault::AnswerLost),
            Just(LinkFault::ResetPeer),
            direction().prop_map(|direction| LinkFault::BlackHole { direction }),
            (1_u64..5000, direction()).prop_map(|(delay, direction)| {
                let delay = Duration::from_millis(delay);
                LinkFault::Latency { delay, jitter: delay / 2, direction }
            }),
            (1_u32.., direction())
                .prop_map(|(kilobytes_per_second, direction)| LinkFault::Bandwidth { kilobytes_per_second, direction }),
            (1_u64..5000).prop_map(|delay| LinkFault::SlowClose { delay: Duration::from_millis(delay) }),
        ]
    }

    proptest! {
        #[test]
        fn what_one_fault_does_alone_it_does_among_others_unless_these_hide_it(
            faults in prop::collection::btree_map(0_u32..20, fault(), 1..6),
        ) {
            let all = Condition { faults: faults.clone(), ..Condition::default() }.setting();
            let mut together = BTreeMap::new();
            for (&number, &fault) in &faults {
                let alone = condition(&[(number, fault)]).setting();
                prop_assert!(alone.enabled || !all.enabled, "a refusal is a refusal among others");
                together.extend(alone.toxics);
            }
            for (name, toxic) in &together {
                let is_hidden = match toxic.effect {
                    Effect::Reset => all.drops(toxic.stream),
                    Effect::Hold { .. } => all.resets(Stream::Upstream) || all.resets(Stream::Downstream),
                    _ => false,
                };
                prop_assert_eq!(all.toxics.get(name), (!is_hidden).then_some(toxic), "{}", name);
            }
            prop_assert!(all.toxics.keys().all(|name| together.contains_key(name)), "nothing comes from nowhere");
        }
    }
}
