//! A map that forgets its oldest entry when it is full.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// What was entered last, by key.
#[derive(Debug)]
pub(crate) struct Bounded<K, V> {
    entries: HashMap<K, V>,
    order: VecDeque<K>,
    capacity: usize,
}

impl<K: Clone + Eq + Hash, V> Bounded<K, V> {
    /// Empty; holds at most `capacity` entries.
    pub(crate) fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "a memory of nothing is none");
        Self { entries: HashMap::new(), order: VecDeque::new(), capacity }
    }

    /// Enters a value, in the place of the one that this key had; that one is returned.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let old = self.entries.insert(key.clone(), value);
        if old.is_none() {
            self.order.push_back(key);
            if self.order.len() > self.capacity
                && let Some(oldest) = self.order.pop_front()
            {
                self.entries.remove(&oldest);
            }
        }
        old
    }

    /// The value of a key, unless it was forgotten.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    /// The same, to change.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_and_nothing_else() {
        let mut memory = Bounded::new(2);
        assert_eq!(memory.insert('a', 1), None);
        assert_eq!(memory.insert('b', 2), None);
        assert_eq!(memory.insert('a', 3), Some(1), "a key that is there takes no place");
        assert_eq!(memory.insert('c', 4), None);
        assert_eq!((memory.get(&'a'), memory.get(&'b'), memory.get(&'c')), (None, Some(&2), Some(&4)));
    }
}
