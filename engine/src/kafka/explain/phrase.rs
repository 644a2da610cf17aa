//! Words that explanations share.

use super::super::history::UNKNOWN;

/// At most so many are named in a sentence.
const NAMED_AT_MOST: usize = 5;

pub(super) fn placed(name: String, offset: i64) -> String {
    if offset == UNKNOWN { name } else { format!("{name} at offset {offset}") }
}

/// The first ones and the last of a list, and how many are left out between.
pub(super) fn listed<T: Copy>(all: &[T], name: impl Fn(T) -> String) -> String {
    if let [first @ .., last] = all
        && first.len() >= NAMED_AT_MOST
    {
        let first: Vec<String> = first[..NAMED_AT_MOST - 1].iter().copied().map(&name).collect();
        return format!("{}, … ({} more) …, {}", first.join(", "), all.len() - NAMED_AT_MOST, name(*last));
    }
    let all: Vec<String> = all.iter().copied().map(name).collect();
    all.join(", ")
}

pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

pub(super) fn shortened(text: &str) -> String {
    const LETTERS: usize = 60;
    if text.chars().nth(LETTERS).is_none() {
        return text.to_owned();
    }
    text.chars().take(LETTERS - 1).chain(['…']).collect()
}
