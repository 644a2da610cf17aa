//! Texts as small numbers: keys and string values are stored once, compared and hashed as integers.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// The number of a text, dense from 0 in the order of first use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextId(pub u32);

/// Texts, each once, in one piece of memory.
#[derive(Debug, Default)]
pub struct Texts {
    bytes: String,
    ends: Vec<usize>,
    table: HashTable<Entry>,
    hasher: DefaultHashBuilder,
}

/// A text in the table. Its hash is kept, so that the texts themselves, which lie far apart, are looked at only when they
/// are almost certainly the ones that are looked for.
#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u32,
    id: u32,
}

impl Entry {
    /// A hash of 64 bits, as the table wants it: its upper bits choose within a group, its lower ones the group.
    fn spread(hash: u32) -> u64 {
        u64::from(hash) << 32 | u64::from(hash)
    }
}

impl Texts {
    /// The number of `text`; a new one on first use.
    ///
    /// # Panics
    /// Beyond 2^32 - 1 texts; the memory budget ends a history long before.
    pub fn intern(&mut self, text: &str) -> TextId {
        let hash = self.hash(text);
        if let Some(found) = self.look_up(hash, text) {
            return found;
        }
        let id = u32::try_from(self.ends.len()).expect("a budget ends a history before 2^32 texts");
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
        self.table.insert_unique(Entry::spread(hash), Entry { hash, id }, |entry| Entry::spread(entry.hash));
        TextId(id)
    }

    /// The number of `text`, if it has one.
    pub fn find(&self, text: &str) -> Option<TextId> {
        self.look_up(self.hash(text), text)
    }

    fn look_up(&self, hash: u32, text: &str) -> Option<TextId> {
        let is_it = |entry: &Entry| entry.hash == hash && slice(&self.bytes, &self.ends, entry.id) == text;
        self.table.find(Entry::spread(hash), is_it).map(|entry| TextId(entry.id))
    }

    /// The upper half: the better one of most hashes.
    fn hash(&self, text: &str) -> u32 {
        (self.hasher.hash_one(text) >> 32) as u32
    }

    /// The text of a number that came from this table.
    pub fn get(&self, id: TextId) -> &str {
        slice(&self.bytes, &self.ends, id.0)
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes that the table holds, for the budget.
    pub fn memory(&self) -> u64 {
        (self.bytes.capacity() + self.ends.capacity() * size_of::<usize>() + self.table.allocation_size()) as u64
    }
}

fn slice<'a>(bytes: &'a str, ends: &[usize], id: u32) -> &'a str {
    let id = id as usize;
    let start = if id == 0 { 0 } else { ends[id - 1] };
    &bytes[start..ends[id]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_number_and_comes_back_by_it() {
        let mut texts = Texts::default();
        let words: Vec<String> = (0..1_000).map(|number| format!("key-{}", number % 300)).collect();
        let ids: Vec<TextId> = words.iter().map(|word| texts.intern(word)).collect();
        assert_eq!(texts.len(), 300);
        for (word, id) in words.iter().zip(ids) {
            assert_eq!(texts.get(id), word);
            assert_eq!(texts.find(word), Some(id));
        }
        assert_eq!(texts.find("another"), None);
        let empty = texts.intern("");
        assert_eq!(texts.get(empty), "");
    }
}
