//! Operations as intervals, in compact rows.

use hashbrown::HashMap;

use super::record::Recording;
use super::value::{Word, quote};
use crate::operation::Place;
use crate::text::Texts;

/// The operations of a history on any number of keys.
///
/// It is filled by a reader of files ([`crate::operation::Recorder`]) or, where the operations are intervals already, by
/// [`History::push`]. Then [`History::judge`] judges it, as often as wanted.
///
/// ```
/// use torn_engine::budget::Budget;
/// use torn_engine::operation::Place;
/// use torn_engine::register::{Action, History, Operation, Options, Scalar};
/// use torn_engine::verdict::Verdict;
///
/// let mut history = History::default();
/// let place = |line| Place { line, ordinal: line - 1 };
/// history.push(&Operation {
///     key: "item-7",
///     process: 1,
///     invoked: 10,
///     completed: Some(20),
///     action: Action::Cas { old: Scalar::Null, new: Scalar::Integer(1) },
///     place: place(1),
///     completion: Some(place(2)),
/// });
/// history.push(&Operation {
///     key: "item-7",
///     process: 2,
///     invoked: 30,
///     completed: Some(40),
///     action: Action::Read(Scalar::Null),
///     place: place(3),
///     completion: Some(place(4)),
/// });
/// let judgement = history.judge(&Options::default(), &Budget::unlimited());
/// assert_eq!(judgement.verdict, Verdict::Invalid);
/// ```
#[derive(Debug, Default)]
pub struct History {
    pub(super) rows: Vec<Row>,
    pub(super) places: Vec<[Place; 2]>,
    /// `index` of invocation and completion, [`NO_INDEX`] where there is none; empty where nobody said any.
    pub(super) indices: Vec<[i64; 2]>,
    pub(super) texts: Texts,
    pub(super) keys: Keys,
    pub(super) processes: Processes,
    pub(super) recording: Recording,
}

/// Where an operation without `index` stands in the column of them.
pub(super) const NO_INDEX: i64 = i64::MIN;

/// One operation as an interval, for [`History::push`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation<'a> {
    /// The register that it is on.
    pub key: &'a str,
    /// Who did it; only cited, and drawn as a lane.
    pub process: i64,
    /// When it was invoked, on any clock that all operations of the key share; below `u64::MAX`.
    pub invoked: u64,
    /// When it was completed; `None`: never, it is open for ever. An operation that completed *before* another was
    /// invoked precedes it; at the same moment they are concurrent. A completion before the invocation counts as at it.
    pub completed: Option<u64>,
    /// What it did.
    pub action: Action<'a>,
    /// Where its invocation stands.
    pub place: Place,
    /// Where its completion stands, if it has one of its own.
    pub completion: Option<Place>,
}

/// What an operation did. Of those that never completed, reads and failed compare-and-sets say nothing, and the others
/// may have taken effect or not. An operation that certainly had no effect is not pushed at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action<'a> {
    /// It saw this value.
    Read(Scalar<'a>),
    /// It set this value.
    Write(Scalar<'a>),
    /// It saw `old` and set `new` at once.
    Cas {
        /// The value before.
        old: Scalar<'a>,
        /// The value after.
        new: Scalar<'a>,
    },
    /// It saw a value that is not `old`.
    FailedCas {
        /// What was expected in vain.
        old: Scalar<'a>,
    },
    /// It put this text behind the text that was there.
    Append(&'a str),
}

/// A value. Null and the empty text are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// Nothing, which every key starts as.
    Null,
    /// An integer.
    Integer(i128),
    /// A text.
    Text(&'a str),
}

impl From<i64> for Scalar<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number.into())
    }
}

impl<'a> From<&'a str> for Scalar<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl History {
    /// Takes an operation that is an interval already; they may come in any order.
    ///
    /// # Panics
    /// Beyond 2^32 - 1 operations or 2^29 processes; a memory budget ends a history long before.
    pub fn push(&mut self, operation: &Operation<'_>) {
        let texts = &mut self.texts;
        let (kind, first, second) = match operation.action {
            Action::Read(value) => (RowKind::Read, Word::of(value, texts), Word::NULL),
            Action::Write(value) => (RowKind::Write, Word::of(value, texts), Word::NULL),
            Action::Cas { old, new } => (RowKind::Cas, Word::of(old, texts), Word::of(new, texts)),
            Action::FailedCas { old } => (RowKind::FailedCas, Word::of(old, texts), Word::NULL),
            Action::Append(text) => (RowKind::Append, Word::of(Scalar::Text(text), texts), Word::NULL),
        };
        let key = self.keys.text(operation.key);
        let process = self.processes.number(operation.process);
        let invoked = operation.invoked.min(OPEN - 1);
        let completed = operation.completed.map_or(OPEN, |completed| completed.clamp(invoked, OPEN - 1));
        self.rows.push(Row { invoked, completed, first, second, key, who: Who::new(process, kind) });
        self.places.push([operation.place, operation.completion.unwrap_or(operation.place)]);
        if !self.indices.is_empty() {
            self.indices.push([NO_INDEX; 2]);
        }
    }

    /// How many operations there are, also those that say nothing.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The bytes that the rows hold.
    pub(super) fn held(&self) -> u64 {
        let rows = self.rows.capacity() * size_of::<Row>() + self.places.capacity() * size_of::<[Place; 2]>();
        let indices = self.indices.capacity() * size_of::<[i64; 2]>();
        (rows + indices) as u64 + self.texts.memory() + self.keys.memory() + self.processes.memory()
    }
}

/// When an operation completed that never did.
pub(super) const OPEN: u64 = u64::MAX;

/// An operation: 40 bytes, because a history has millions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) invoked: u64,
    /// [`OPEN`] when never.
    pub(super) completed: u64,
    /// What was read, written or appended; of a compare-and-set the old value.
    pub(super) first: Word,
    /// The new value of a compare-and-set.
    pub(super) second: Word,
    pub(super) key: u32,
    pub(super) who: Who,
}

impl Row {
    pub(super) fn kind(&self) -> RowKind {
        self.who.kind()
    }

    pub(super) fn is_open(&self) -> bool {
        self.completed == OPEN
    }

    /// Whether it says anything, and whether it may have done anything.
    pub(super) fn says_nothing(&self) -> bool {
        match self.kind() {
            RowKind::Nothing => true,
            RowKind::Read | RowKind::FailedCas => self.is_open(),
            RowKind::Write | RowKind::Cas | RowKind::Append => false,
        }
    }
}

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum RowKind {
    /// No event: it failed.
    Nothing,
    Read,
    Write,
    Cas,
    FailedCas,
    Append,
}

/// The number of a process and the kind of the operation, in one word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Who(u32);

impl Who {
    pub(super) fn new(process: u32, kind: RowKind) -> Self {
        assert!(process < 1 << 29, "a budget ends a history before 2^29 processes");
        Self(process << 3 | kind as u32)
    }

    pub(super) fn process(self) -> u32 {
        self.0 >> 3
    }

    pub(super) fn kind(self) -> RowKind {
        match self.0 & 7 {
            1 => RowKind::Read,
            2 => RowKind::Write,
            3 => RowKind::Cas,
            4 => RowKind::FailedCas,
            5 => RowKind::Append,
            _ => RowKind::Nothing,
        }
    }

    pub(super) fn with(self, kind: RowKind) -> Self {
        Self::new(self.process(), kind)
    }
}

/// The registers: texts, integers, or the one register of operations without a key.
#[derive(Debug, Default)]
pub(super) struct Keys {
    texts: Texts,
    names: Vec<KeyName>,
    /// By the number of the text.
    by_text: Vec<u32>,
    by_integer: HashMap<i64, u32>,
    unnamed: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
enum KeyName {
    Text(crate::text::TextId),
    Integer(i64),
    None,
}

impl Keys {
    pub(super) fn text(&mut self, text: &str) -> u32 {
        let id = self.texts.intern(text);
        if id.0 as usize == self.by_text.len() {
            self.by_text.push(self.names.len() as u32);
            self.names.push(KeyName::Text(id));
        }
        self.by_text[id.0 as usize]
    }

    pub(super) fn integer(&mut self, number: i64) -> u32 {
        let names = &mut self.names;
        *self.by_integer.entry(number).or_insert_with(|| {
            names.push(KeyName::Integer(number));
            names.len() as u32 - 1
        })
    }

    pub(super) fn none(&mut self) -> u32 {
        let names = &mut self.names;
        *self.unnamed.get_or_insert_with(|| {
            names.push(KeyName::None);
            names.len() as u32 - 1
        })
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The key as a person writes it; nothing for the one register of operations without a key.
    pub(super) fn show(&self, key: u32, longest: usize) -> Option<String> {
        match self.names[key as usize] {
            KeyName::Text(id) => Some(quote(self.texts.get(id), longest)),
            KeyName::Integer(number) => Some(number.to_string()),
            KeyName::None => None,
        }
    }

    /// The key as the history has it.
    pub(super) fn json(&self, key: u32) -> serde_json::Value {
        match self.names[key as usize] {
            KeyName::Text(id) => self.texts.get(id).into(),
            KeyName::Integer(number) => number.into(),
            KeyName::None => serde_json::Value::Null,
        }
    }

    fn memory(&self) -> u64 {
        let names = self.names.capacity() * size_of::<KeyName>() + self.by_text.capacity() * size_of::<u32>();
        self.texts.memory() + (names + self.by_integer.allocation_size()) as u64
    }
}

/// The processes, dense from 0 in the order of first use.
#[derive(Debug, Default)]
pub(super) struct Processes {
    names: Vec<i64>,
    numbers: HashMap<i64, u32>,
}

impl Processes {
    pub(super) fn number(&mut self, process: i64) -> u32 {
        let names = &mut self.names;
        *self.numbers.entry(process).or_insert_with(|| {
            names.push(process);
            names.len() as u32 - 1
        })
    }

    pub(super) fn name(&self, number: u32) -> i64 {
        self.names[number as usize]
    }

    fn memory(&self) -> u64 {
        (self.names.capacity() * size_of::<i64>() + self.numbers.allocation_size()) as u64
    }
}
