//! Values that are written once, the chains that they make, and the time that each chain needs.

use super::history::OPEN;

/// No value.
pub(super) const NOBODY: u32 = u32::MAX;
/// The value before the first of a chain.
pub(super) const HEAD: u32 = u32::MAX - 1;
/// The number of null.
pub(super) const NULL: u32 = 0;

/// What is known of a value. Times are one later than the history's: 0 is before everything.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    /// The invocation of its writer.
    pub(super) invoked: u64,
    /// The first completion of its writer and its readers.
    pub(super) completed: u64,
    /// The last invocation of its readers.
    pub(super) read: u64,
    /// The value that its writer replaced; [`HEAD`] for a write, [`NOBODY`] when nobody writes it.
    pub(super) before: u32,
    /// The value that replaced it by compare-and-set, or [`NOBODY`].
    pub(super) next: u32,
    /// Whether it certainly was there.
    pub(super) needed: bool,
}

/// A compare-and-set that failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failed {
    pub(super) value: u32,
    pub(super) invoked: u64,
    pub(super) completed: u64,
}

/// A chain, and the time that it needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Zone {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) head: u32,
}

/// The values of one key.
#[derive(Debug, Default)]
pub(super) struct Register {
    pub(super) values: Vec<Value>,
    pub(super) failed: Vec<Failed>,
    /// Whether there are open writes that nobody saw.
    pub(super) has_unseen: bool,
}

impl Register {
    /// Links each value that was there to the one that replaced it by compare-and-set. An error, with when it shows, when a value was there
    /// that nobody writes, or was replaced twice.
    pub(super) fn link(&mut self) -> Result<(), u64> {
        for value in 0..self.values.len() {
            let mut value = value as u32;
            // Who replaced a value has seen it.
            while self.values[value as usize].needed {
                let before = self.values[value as usize].before;
                if before == HEAD || before == NOBODY || self.values[before as usize].needed {
                    break;
                }
                self.values[before as usize].needed = true;
                value = before;
            }
        }
        for value in 1..self.values.len() {
            let Value { before, needed, .. } = self.values[value];
            if !needed {
                self.has_unseen |= before != NOBODY;
                continue;
            }
            let completed = self.values[value].completed;
            if before == NOBODY {
                return Err(completed);
            }
            if before != HEAD {
                let other = std::mem::replace(&mut self.values[before as usize].next, value as u32);
                if other != NOBODY {
                    return Err(completed.max(self.values[other as usize].completed));
                }
            }
        }
        Ok(())
    }

    /// The first values of the chains, null first.
    pub(super) fn find_heads(&self, heads: &mut Vec<u32>) {
        let is_head = |&value: &u32| {
            let Value { before, needed, .. } = self.values[value as usize];
            needed && before == HEAD
        };
        heads.clear();
        heads.push(NULL);
        heads.extend((1..self.values.len() as u32).filter(is_head));
    }

    pub(super) fn chain(&self, head: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(Some(head), |&value| {
            Some(self.values[value as usize].next).filter(|&next| next != NOBODY)
        })
    }

    /// Whether every value that was there is in one of the chains: a ring of compare-and-sets never began.
    pub(super) fn are_all_in(&self, count: usize) -> bool {
        count == self.values.iter().filter(|value| value.needed).count()
    }

    /// The zones of the chains; An error, with when it shows, when a chain contradicts itself.
    pub(super) fn zones(&self, heads: &[u32]) -> Result<Vec<Zone>, u64> {
        let (mut zones, mut count) = (Vec::with_capacity(heads.len()), 0);
        for &head in heads {
            let (mut earliest, mut first, mut last) = (0, if head == NULL { 0 } else { OPEN }, 0);
            for value in self.chain(head) {
                count += 1;
                let value = &self.values[value as usize];
                earliest = value.invoked.max(earliest);
                if earliest > value.completed {
                    return Err(earliest);
                }
                first = value.completed.min(first);
                last = value.read.max(last).max(value.invoked);
                earliest = value.read.max(earliest);
            }
            zones.push(Zone { start: first, end: last, head });
        }
        if self.are_all_in(count) { Ok(zones) } else { Err(0) }
    }

    /// Whether the failed compare-and-sets fit the chains in the order of their zones.
    pub(super) fn fits(&self, zones: &[Zone]) -> bool {
        // By value: when it is set, and when it is replaced.
        let mut periods: Vec<Option<(u64, u64)>> = vec![None; self.values.len()];
        let mut held = NULL;
        for zone in zones {
            let mut earliest = zone.start;
            for value in self.chain(zone.head) {
                let Value { invoked, read, .. } = self.values[value as usize];
                earliest = earliest.max(invoked);
                if let Some((_, replaced)) = &mut periods[held as usize] {
                    *replaced = earliest;
                }
                periods[value as usize] = Some((earliest, OPEN));
                held = value;
                earliest = earliest.max(read);
            }
        }
        self.failed.iter().all(|failed| match periods[failed.value as usize] {
            None => true,
            Some((set, replaced)) => (failed.value != NULL && failed.invoked <= set) || failed.completed >= replaced,
        })
    }
}

/// Zones in order, each with the time that it takes; an error, with when it shows, when they get
/// into each other's way.
pub(super) fn arrange(zones: Vec<Zone>) -> Result<Vec<Zone>, u64> {
    let (mut arranged, backward): (Vec<Zone>, Vec<Zone>) = zones.into_iter().partition(|zone| zone.start < zone.end);
    arranged.sort_unstable_by_key(|zone| zone.start);
    if let Some(pair) = arranged.windows(2).find(|pair| pair[1].start < pair[0].end) {
        return Err(pair[0].end.min(pair[1].end));
    }
    let forward = arranged.len();
    for Zone { start: first, end: last, head } in backward {
        // It may be at any moment from the last invocation to the first completion.
        let after = arranged[..forward].partition_point(|zone| zone.start < last);
        let moment = arranged[..after].last().map_or(last, |zone| zone.end.max(last));
        if moment > first {
            return Err(moment);
        }
        arranged.push(Zone { start: moment, end: moment, head });
    }
    arranged.sort_unstable_by_key(|zone| (zone.start, zone.end));
    Ok(arranged)
}
