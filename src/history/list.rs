//! Lists of places in one table, by a place in another, in two allocations for all of them.

/// Places of one table, by a place in another.
#[derive(Debug, Default)]
pub(super) struct Lists {
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    pub(super) fn new(length: usize, pairs: impl Iterator<Item = (u32, u32)> + Clone) -> Self {
        let mut starts = vec![0_u32; length + 1];
        for (key, _) in pairs.clone() {
            starts[key as usize + 1] += 1;
        }
        for place in 0..length {
            starts[place + 1] += starts[place];
        }
        let mut next = starts.clone();
        let mut items = vec![0; starts[length] as usize];
        for (key, item) in pairs {
            items[next[key as usize] as usize] = item;
            next[key as usize] += 1;
        }
        Self { starts, items }
    }

    pub(super) fn of(&self, key: u32) -> &[u32] {
        &self.items[self.starts[key as usize] as usize..self.starts[key as usize + 1] as usize]
    }
}
