//! What was found, as numbers. Sentences are made at the end, and only for what is shown.

use super::cycle::Step;
use super::history::Row;
use super::kind::Kind;
use super::message::Message;
use super::vocabulary::Key;

/// One violation.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    /// A lost message, and the last index that somebody read.
    Lost { message: Message, max_read_index: u32 },
    /// A message that no successful poll returned; or (`polled`) see `log::unseen`.
    Unseen { message: Message, polled: bool },
    /// A message at several offsets.
    Duplicate { message: Message },
    /// An offset with several messages.
    Inconsistent { key: Key, offset: i64, index: u32 },
    /// A failed write that was polled.
    Aborted { message: Message, reader: Row },
    /// A message that its own operation polled.
    Precommitted { message: Message, row: Row },
    /// Two neighbours of one operation, or of two operations of one process, that do not follow each other in the log.
    Step { from: (Row, Message), to: (Row, Message) },
    /// Operations that precede each other in a circle.
    Cycle { steps: Vec<Step> },
}

/// All violations of one kind.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) count: u64,
    pub(super) items: Vec<Item>,
}

/// The violations of all kinds; a check has its own and they are merged at the end.
#[derive(Debug)]
pub(super) struct Found {
    kinds: Vec<Findings>,
    keep: usize,
}

impl Found {
    /// Nothing yet; of each kind at most `keep` items will be kept.
    pub(super) fn new(keep: usize) -> Self {
        Self { kinds: Kind::ALL.iter().map(|_| Findings::default()).collect(), keep }
    }

    pub(super) fn add(&mut self, kind: Kind, item: Item) {
        let findings = &mut self.kinds[kind as usize];
        findings.count += 1;
        if findings.items.len() < self.keep {
            findings.items.push(item);
        }
    }

    /// Takes what another check found.
    pub(super) fn merge(&mut self, other: Self) {
        for (findings, other) in self.kinds.iter_mut().zip(other.kinds) {
            findings.count += other.count;
            findings.items.extend(other.items);
            findings.items.truncate(self.keep);
        }
    }

    pub(super) fn of(&self, kind: Kind) -> &Findings {
        &self.kinds[kind as usize]
    }
}
