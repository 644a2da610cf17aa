//! Values as words of 64 bits: equal words are equal values.

use std::fmt::Write as _;

use super::history::Scalar;
use crate::text::{TextId, Texts};

/// A value: null, a small integer, or the number of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Word(pub(super) u64);

const INTEGER: u64 = 1;
const TEXT: u64 = 2;
/// An integer that does not fit 62 bits: its digits are a text.
const LONG: u64 = 3;

impl Word {
    /// Null, and the empty string: no other value equals either of them, so that one word serves both.
    pub(super) const NULL: Self = Self(0);

    /// The word of a value.
    pub(super) fn of(scalar: Scalar<'_>, texts: &mut Texts) -> Self {
        match scalar {
            Scalar::Null | Scalar::Text("") => Self::NULL,
            Scalar::Integer(number) => Self::integer(number, texts),
            Scalar::Text(text) => Self(u64::from(texts.intern(text).0) << 2 | TEXT),
        }
    }

    fn integer(number: i128, texts: &mut Texts) -> Self {
        let small = i64::try_from(number).ok().filter(|&small| small << 2 >> 2 == small);
        match small {
            Some(small) => Self((small as u64) << 2 | INTEGER),
            None => Self(u64::from(texts.intern(&number.to_string()).0) << 2 | LONG),
        }
    }

    /// The small integer that it is.
    pub(super) fn small_integer(self) -> Option<i64> {
        (self.0 & 3 == INTEGER).then_some(self.0.cast_signed() >> 2)
    }

    /// Whether it is an integer, which nothing can be appended to.
    pub(super) fn is_integer(self) -> bool {
        self.0 & 1 == 1
    }

    /// The text that it is; null is the empty one.
    pub(super) fn text(self, texts: &Texts) -> Option<&str> {
        match self.0 & 3 {
            TEXT => Some(texts.get(self.text_id())),
            0 => Some(""),
            _ => None,
        }
    }

    fn text_id(self) -> TextId {
        TextId((self.0 >> 2) as u32)
    }

    /// The value as a person writes it; texts in quotes, of more than `longest` characters only the two ends.
    pub(super) fn show(self, texts: &Texts, longest: usize) -> String {
        match self.0 & 3 {
            INTEGER => (self.0.cast_signed() >> 2).to_string(),
            TEXT => quote(texts.get(self.text_id()), longest),
            LONG => texts.get(self.text_id()).to_owned(),
            _ => "null".to_owned(),
        }
    }
}

/// A text in quotes, with its control characters escaped; in the middle of a long one stands how much is left out.
pub(super) fn quote(text: &str, longest: usize) -> String {
    let mut quoted = String::from("\"");
    // Bytes bound the characters from above: only a text that may be too long is counted through.
    if text.len() <= longest || text.chars().nth(longest).is_none() {
        quoted.extend(text.escape_debug());
    } else {
        let ends = longest / 2;
        let count = text.chars().count();
        let last: Vec<char> = text.chars().rev().take(ends).collect();
        quoted.extend(text.chars().take(ends).flat_map(char::escape_debug));
        let _ = write!(quoted, "…({} more)…", count - 2 * ends);
        quoted.extend(last.into_iter().rev().flat_map(char::escape_debug));
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_equal_words_and_others_differ() {
        let mut texts = Texts::default();
        let scalars = [
            Scalar::Null,
            Scalar::Integer(0),
            Scalar::Integer(-1),
            Scalar::Integer((1 << 61) - 1),
            Scalar::Integer(1 << 61),
            Scalar::Integer(i128::from(i64::MIN)),
            Scalar::Integer(i128::from(u64::MAX)),
            Scalar::Text("0"),
            Scalar::Text("2305843009213693952"),
        ];
        let words: Vec<Word> = scalars.iter().map(|&scalar| Word::of(scalar, &mut texts)).collect();
        for (place, (&scalar, &word)) in scalars.iter().zip(&words).enumerate() {
            assert_eq!(Word::of(scalar, &mut texts), word);
            assert_eq!(words.iter().filter(|&&other| other == word).count(), 1, "{place}");
        }
        assert_eq!(Word::of(Scalar::Text(""), &mut texts), Word::NULL);
        let shown: Vec<String> = words.iter().map(|word| word.show(&texts, 40)).collect();
        assert_eq!(shown[1..5], ["0", "-1", "2305843009213693951", "2305843009213693952"]);
        assert_eq!(shown[5..], ["-9223372036854775808", "18446744073709551615", "\"0\"", "\"2305843009213693952\""]);
    }

    #[test]
    fn a_long_text_is_shown_by_its_ends() {
        assert_eq!(quote("abcdefghij", 4), "\"ab…(6 more)…ij\"");
        assert_eq!(quote("a\n\"", 4), "\"a\\n\\\"\"");
    }
}
