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
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Texts {
    /// The number of `text`; a new one on first use.
    ///
    /// # Panics
    /// Beyond 2^32 - 1 texts; the memory budget ends a history long before.
    pub fn intern(&mut self, text: &str) -> TextId {
        let hash = self.hasher.hash_one(text);
        if let Some(&found) = self.table.find(hash, |&id| slice(&self.bytes, &self.ends, id) == text) {
            return TextId(found);
        }
        let id = u32::try_from(self.ends.len()).expect("a budget ends a history before 2^32 texts");
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
        let Self { bytes, ends, table, hasher } = self;
        table.insert_unique(hash, id, |&id| hasher.hash_one(slice(bytes, ends, id)));
        TextId(id)
    }

    /// The number of `text`, if it has one.
    pub fn find(&self, text: &str) -> Option<TextId> {
        let hash = self.hasher.hash_one(text);
        self.table.find(hash, |&id| slice(&self.bytes, &self.ends, id) == text).copied().map(TextId)
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
