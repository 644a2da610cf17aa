//! Which offsets of one partition hold records, as runs without a gap: markers of transactions and aborted records take
//! offsets too, so a difference of offsets is no count.

/// The offsets at which records were seen, and how far the log was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extent {
    /// Runs of offsets, rising: first and one past the last.
    runs: Vec<(i64, i64)>,
    /// The next offset to be read.
    position: i64,
}

impl Extent {
    /// Notes a record. Returns whether it is new: an offset below the position was seen before.
    pub fn note(&mut self, offset: i64) -> bool {
        if offset < self.position {
            return false;
        }
        match self.runs.last_mut() {
            Some((_, end)) if *end == offset => *end += 1,
            _ => self.runs.push((offset, offset + 1)),
        }
        self.position = offset + 1;
        true
    }

    /// Notes that everything below this offset was read, records or not.
    pub fn pass(&mut self, position: i64) {
        self.position = self.position.max(position);
    }

    /// The next offset to be read.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// How many records a reader who stands at `committed` has before it in a log that ends at `end`. What was not read
    /// here yet counts in full.
    pub fn left(&self, committed: i64, end: i64) -> u64 {
        let seen: i64 =
            self.runs.iter().rev().take_while(|run| run.1 > committed).map(|run| run.1 - run.0.max(committed)).sum();
        let unseen = end - self.position.max(committed);
        seen.max(0) as u64 + unseen.max(0) as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_set;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn markers_behind_the_last_record_are_no_lag() {
        let mut extent = Extent::default();
        assert!(extent.note(0) && extent.note(1));
        extent.pass(5);
        assert_eq!((extent.left(2, 5), extent.left(1, 5), extent.left(0, 5)), (0, 1, 2));
    }

    #[test]
    fn what_the_witness_has_not_read_is_lag_in_full() {
        let mut extent = Extent::default();
        extent.note(0);
        assert_eq!((extent.left(0, 10), extent.left(1, 10), extent.left(7, 10)), (10, 9, 3));
    }

    #[test]
    fn an_offset_that_comes_again_is_not_new() {
        let mut extent = Extent::default();
        assert!(extent.note(3));
        assert!(!extent.note(3));
        assert!(!extent.note(1));
        assert_eq!(extent.left(0, 4), 1);
    }

    proptest! {
        #[test]
        fn lag_is_the_number_of_records_at_or_behind_the_committed_offset(
            offsets in btree_set(0_i64..60, 0..40), committed in 0_i64..70,
        ) {
            let mut extent = Extent::default();
            for offset in &offsets {
                prop_assert!(extent.note(*offset));
            }
            extent.pass(60);
            prop_assert_eq!(extent.left(committed, 60), offsets.range(committed..).count() as u64);
        }
    }
}
