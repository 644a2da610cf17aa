//! What a register may hold, as far as anybody can tell.
//!
//! A search needs to know of a value only whether it equals one that somebody compares it with, and on keys with appends
//! whether it may yet become one. So the states of a key without appends are the observed values and one state for all
//! others. The states of a key with appends are the prefixes of observed texts: a text that is no prefix of any can be
//! appended to for ever, and nobody will ever see it. Texts are never copied, a prefix is a place in a sorted list.

use hashbrown::{HashMap, HashSet};

use super::value::Word;
use crate::text::Texts;

/// The number of a state, unique over the keys of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub(super) struct State(pub(super) u32);

impl State {
    /// Whatever nobody compares with anything.
    pub(super) const ELSEWHERE: Self = Self(0);
    /// On a key with appends: an integer that nobody compares with anything. It can not be appended to.
    const NUMBER: Self = Self(1);
}

/// The states of the keys of one search.
#[derive(Debug)]
pub(super) struct States {
    /// What every state is; the first two have no value.
    forms: Vec<Form>,
    words: HashMap<(u32, Word), State>,
    prefixes: HashMap<Prefix, State>,
    appended: HashMap<(State, Word), Option<State>>,
    /// By key, where it has appends: the observed texts, sorted.
    texts: Vec<Option<Vec<Word>>>,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Nobody,
    Word,
    Prefix(Prefix),
}

/// The first `length` bytes of the first of the key's texts that begins with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Prefix {
    key: u32,
    text: u32,
    length: u32,
}

impl States {
    /// No state yet, but of the observed values and of which keys have appends all that will be asked.
    pub(super) fn new(texts: &Texts, has_appends: &[bool], observed: HashSet<(u32, Word)>) -> Self {
        let mut by_key: Vec<Option<Vec<Word>>> = has_appends.iter().map(|&has| has.then(Vec::new)).collect();
        let mut states = Self {
            forms: vec![Form::Nobody, Form::Nobody],
            words: HashMap::new(),
            prefixes: HashMap::new(),
            appended: HashMap::new(),
            texts: Vec::new(),
        };
        for (key, word) in observed {
            match &mut by_key[key as usize] {
                Some(words) if !word.is_integer() => words.push(word),
                _ => {
                    states.words.insert((key, word), State(states.forms.len() as u32));
                    states.forms.push(Form::Word);
                }
            }
        }
        for words in by_key.iter_mut().flatten() {
            words.sort_unstable_by_key(|word| word.text(texts));
        }
        states.texts = by_key;
        states
    }

    /// How many states there are so far.
    pub(super) fn len(&self) -> usize {
        self.forms.len()
    }

    /// The state of a key that holds this value.
    pub(super) fn of(&mut self, key: u32, word: Word, texts: &Texts) -> State {
        match (&self.texts[key as usize], word.text(texts)) {
            (None, _) => self.words.get(&(key, word)).copied().unwrap_or(State::ELSEWHERE),
            (Some(_), None) => self.words.get(&(key, word)).copied().unwrap_or(State::NUMBER),
            (Some(_), Some(text)) => self.prefix(key, "", text, texts),
        }
    }

    /// The state that an append leaves behind; `None` where nothing can be appended.
    pub(super) fn append(&mut self, state: State, key: u32, suffix: Word, texts: &Texts) -> Option<State> {
        if state == State::ELSEWHERE {
            return Some(state);
        }
        if let Some(&known) = self.appended.get(&(state, suffix)) {
            return known;
        }
        let after = match self.forms[state.0 as usize] {
            Form::Nobody | Form::Word => None,
            Form::Prefix(Prefix { text, length, .. }) => {
                let words = self.texts[key as usize].as_ref().expect("only keys with appends have prefixes");
                // The state of null, where nobody observed any text, stands for the prefix of a text that is not there.
                let before = words.get(text as usize).and_then(|word| word.text(texts)).unwrap_or("");
                Some(self.prefix(key, &before[..length as usize], suffix.text(texts).unwrap_or(""), texts))
            }
        };
        self.appended.insert((state, suffix), after);
        after
    }

    /// The state of the text that is `before` and then `suffix`.
    fn prefix(&mut self, key: u32, before: &str, suffix: &str, texts: &Texts) -> State {
        let words = self.texts[key as usize].as_ref().expect("only keys with appends have prefixes");
        let whole = before.len() + suffix.len();
        let text = |word: &Word| word.text(texts).unwrap_or("").as_bytes();
        // The texts that begin with it stand side by side, at the first one that is not less.
        let place = words.partition_point(|word| {
            let text = text(word);
            let (head, rest) = text.split_at(before.len().min(text.len()));
            head.cmp(before.as_bytes()).then_with(|| rest.cmp(suffix.as_bytes())).is_lt()
        });
        let begins = whole == 0
            || words.get(place).is_some_and(|word| {
                let text = text(word);
                text.len() >= whole
                    && text[..before.len()] == *before.as_bytes()
                    && text[before.len()..whole] == *suffix.as_bytes()
            });
        if !begins {
            return State::ELSEWHERE;
        }
        let prefix = Prefix { key, text: place as u32, length: whole as u32 };
        let fresh = State(self.forms.len() as u32);
        let state = *self.prefixes.entry(prefix).or_insert(fresh);
        if state == fresh {
            self.forms.push(Form::Prefix(prefix));
        }
        state
    }

    /// The bytes that the states hold.
    pub(super) fn memory(&self) -> u64 {
        let tables = self.words.allocation_size() + self.prefixes.allocation_size() + self.appended.allocation_size();
        let texts: usize = self.texts.iter().flatten().map(|words| words.capacity() * size_of::<Word>()).sum();
        (tables + texts + self.forms.capacity() * size_of::<Form>()) as u64
    }
}
