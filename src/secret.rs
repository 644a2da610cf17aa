//! A text that is never shown: a password, or a URI that holds one.

use std::fmt;

/// What stands in place of a secret.
const HIDDEN: &str = "***";

/// A text that neither `{:?}` nor an error shows; there is no `Display`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for whoever it is meant for.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Another's text without this one in it.
    #[must_use]
    pub fn hidden_in(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(&self.0, HIDDEN) }
    }

    /// Another's text without any of these in it.
    #[must_use]
    pub fn all_hidden_in(secrets: &[Self], text: &str) -> String {
        // The longest first: one may be a part of another.
        let mut secrets: Vec<&Self> = secrets.iter().collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.0.len()));
        secrets.into_iter().fold(text.to_owned(), |text, secret| secret.hidden_in(&text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_to_nobody_and_taken_out_of_what_others_say() {
        let secret = Secret::new("correct horse");
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "*** Some(***)");
        assert_eq!(secret.hidden_in("no user correct horse here"), "no user *** here");
        assert_eq!(Secret::default().hidden_in("nothing to hide"), "nothing to hide");
    }

    #[test]
    fn of_a_secret_that_holds_another_nothing_is_left() {
        let secrets = [Secret::new("horse"), Secret::new("correct horse")];
        assert_eq!(Secret::all_hidden_in(&secrets, "correct horse, horse"), "***, ***");
    }
}
