//! Configurations that lead nowhere, so that none is searched twice.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// The configurations that failed. Each is some words that must be equal, and the groups of open operations at hand, in
/// order, each with how many.
///
/// A configuration fails also when one failed that is equal but for having more open operations at hand: whatever can
/// follow the one can follow the other, since an open operation may take effect or not.
/// ([`super::options::Reduction::Dominance`])
#[derive(Debug, Default)]
pub(super) struct Failed {
    /// How many words make a configuration.
    width: usize,
    words: Vec<u64>,
    /// By configuration: the newest of its counts, [`END`] when it has none.
    counts_of: Vec<u32>,
    /// Each: the place of the next, how many, and then the counts.
    counts: Vec<u32>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    by_dominance: bool,
}

const END: u32 = u32::MAX;

impl Failed {
    pub(super) fn new(width: usize, by_dominance: bool) -> Self {
        Self { width, by_dominance, ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.counts_of.is_empty()
    }

    /// Whether it is known that this configuration fails.
    pub(super) fn has(&self, words: &[u64], counts: &[u32]) -> bool {
        let Some(number) = self.find(words) else { return false };
        let mut place = self.counts_of[number as usize];
        while place != END {
            let (next, known) = self.counts_at(place);
            let is_known = if self.by_dominance { has_all(known, counts) } else { known == counts };
            if is_known {
                return true;
            }
            place = next;
        }
        false
    }

    /// Remembers that this configuration fails.
    pub(super) fn insert(&mut self, words: &[u64], counts: &[u32]) {
        debug_assert_eq!(words.len(), self.width, "configurations of one search are of one width");
        let number = self.find(words).unwrap_or_else(|| self.add(words));
        let place = self.counts.len() as u32;
        self.counts.extend([self.counts_of[number as usize], counts.len() as u32]);
        self.counts.extend_from_slice(counts);
        self.counts_of[number as usize] = place;
    }

    /// The bytes that the configurations hold.
    pub(super) fn memory(&self) -> u64 {
        let words = self.words.capacity() * size_of::<u64>();
        let counts = (self.counts_of.capacity() + self.counts.capacity()) * size_of::<u32>();
        (words + counts + self.table.allocation_size()) as u64
    }

    /// Whether the numbers of this table are nearly used up.
    pub(super) fn is_full(&self) -> bool {
        self.counts.len() > (END - (1 << 20)) as usize
    }

    fn add(&mut self, words: &[u64]) -> u32 {
        let number = self.counts_of.len() as u32;
        self.words.extend_from_slice(words);
        self.counts_of.push(END);
        let Self { width, words: all, table, hasher, .. } = self;
        table.insert_unique(hasher.hash_one(words), number, |&number| hasher.hash_one(at(all, *width, number)));
        number
    }

    fn find(&self, words: &[u64]) -> Option<u32> {
        let hash = self.hasher.hash_one(words);
        self.table.find(hash, |&number| at(&self.words, self.width, number) == words).copied()
    }

    fn counts_at(&self, place: u32) -> (u32, &[u32]) {
        let place = place as usize;
        let length = self.counts[place + 1] as usize;
        (self.counts[place], &self.counts[place + 2..place + 2 + length])
    }
}

/// Whether there are at least as many of each group in `known` as in `counts`.
fn has_all(known: &[u32], counts: &[u32]) -> bool {
    let mut known = known.chunks_exact(2);
    counts.chunks_exact(2).all(|count| {
        known.find(|known| known[0] >= count[0]).is_some_and(|known| known[0] == count[0] && known[1] >= count[1])
    })
}

fn at(words: &[u64], width: usize, number: u32) -> &[u64] {
    let start = number as usize * width;
    &words[start..start + width]
}
