//! How lines become intervals: invocations and completions of one process, paired in file order.

use std::fmt;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::history::{History, Keys, NO_INDEX, OPEN, Row, RowKind, Scalar, Who};
use super::value::Word;
use crate::operation::{Head, Kind, Place, Process, Recorder};
use crate::text::Texts;

/// What `f` may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// It reads the value.
    Read,
    /// It sets the value.
    Write,
    /// It sets a value if another one is there.
    Cas,
    /// It puts a text behind the one that is there.
    Append,
}

/// What is remembered between lines, and of the line that is being read.
#[derive(Debug, Default)]
pub(super) struct Recording {
    value: Part,
    key: KeyPart,
    /// By the number of the process: the row that it has not completed, [`NO_ROW`] when none.
    unfinished: Vec<u32>,
}

const NO_ROW: u32 = u32::MAX;

/// `value` as it was read.
#[derive(Debug, Clone, Copy, Default)]
enum Part {
    #[default]
    Absent,
    One(Element),
    Two(Element, Element),
    /// What it is instead, in words.
    Nonsense(&'static str),
}

/// What may stand in a value.
#[derive(Debug, Clone, Copy)]
enum Element {
    Word(Word),
    Pair(Word, Word),
    Nonsense(&'static str),
}

#[derive(Debug, Clone, Copy, Default)]
enum KeyPart {
    #[default]
    Absent,
    Key(u32),
    Nonsense(&'static str),
}

impl Recorder for History {
    type Function = Function;

    fn begin(&mut self) {
        self.recording.value = Part::Absent;
        self.recording.key = KeyPart::Absent;
    }

    fn function(name: &str) -> Option<Function> {
        match name {
            "read" => Some(Function::Read),
            "write" => Some(Function::Write),
            "cas" => Some(Function::Cas),
            "append" => Some(Function::Append),
            _ => None,
        }
    }

    fn value<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        self.recording.value = deserializer.deserialize_any(PartVisitor(&mut self.texts))?;
        Ok(())
    }

    fn key<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        self.recording.key = deserializer.deserialize_any(KeyVisitor(&mut self.keys))?;
        Ok(())
    }

    fn operation(&mut self, head: &Head<Function>, place: Place) -> Result<(), String> {
        let Process::Client(process) = head.process else { return Ok(()) };
        let process = self.processes.number(process);
        let unfinished = &mut self.recording.unfinished;
        if unfinished.len() <= process as usize {
            unfinished.resize(process as usize + 1, NO_ROW);
        }
        match head.kind {
            Kind::Invoke => self.invoke(head, process, place),
            Kind::Ok | Kind::Fail | Kind::Info => self.complete(head, process, place),
        }
    }

    fn memory(&self) -> u64 {
        self.held() + (self.recording.unfinished.capacity() * size_of::<u32>()) as u64
    }
}

impl History {
    fn invoke(&mut self, head: &Head<Function>, process: u32, place: Place) -> Result<(), String> {
        let (key, value) = self.split_tuple(head.function)?;
        let (kind, first, second) = match (head.function, value) {
            (Function::Read, _) => (RowKind::Nothing, Word::NULL, Word::NULL),
            (Function::Write, Part::One(Element::Word(word))) => (RowKind::Write, word, Word::NULL),
            (Function::Write, Part::Absent) => (RowKind::Write, Word::NULL, Word::NULL),
            (Function::Append, Part::One(Element::Word(word))) if !word.is_integer() => {
                (RowKind::Append, word, Word::NULL)
            }
            (Function::Cas, Part::Two(Element::Word(old), Element::Word(new)) | Part::One(Element::Pair(old, new))) => {
                (RowKind::Cas, old, new)
            }
            (function, value) => return Err(misfit(function, value)),
        };
        let key = match key {
            Some(key) => key,
            None => self.keys.none(),
        };
        let row = u32::try_from(self.rows.len()).map_err(|_| "more than 2^32 operations".to_owned())?;
        // A process that did not complete its last operation goes on: that one stays open for ever.
        self.recording.unfinished[process as usize] = row;
        let who = Who::new(process, kind);
        self.rows.push(Row { invoked: place.ordinal.into(), completed: OPEN, first, second, key, who });
        self.places.push([place, place]);
        if let Some(index) = head.index {
            self.cite(row as usize, 0, index);
        } else if !self.indices.is_empty() {
            self.indices.push([NO_INDEX; 2]);
        }
        Ok(())
    }

    fn complete(&mut self, head: &Head<Function>, process: u32, place: Place) -> Result<(), String> {
        let (key, value) = self.split_tuple(head.function)?;
        let number = std::mem::replace(&mut self.recording.unfinished[process as usize], NO_ROW);
        if number == NO_ROW {
            let name = self.processes.name(process);
            return Err(format!("process {name} completes an operation that it has not invoked"));
        }
        let row = &mut self.rows[number as usize];
        let function = match row.kind() {
            RowKind::Write => Function::Write,
            RowKind::Cas => Function::Cas,
            RowKind::Append => Function::Append,
            RowKind::Nothing | RowKind::Read | RowKind::FailedCas => Function::Read,
        };
        if function != head.function {
            let name = self.processes.name(process);
            let (invoked, completed) = (function.name(), head.function.name());
            return Err(format!("process {name} completes a {completed}, but what it invoked is a {invoked}"));
        }
        if key.is_some_and(|key| key != row.key) {
            let name = self.processes.name(process);
            return Err(format!(
                "process {name} completes its {} on another key than it invoked it on",
                function.name()
            ));
        }
        match (head.kind, function) {
            (Kind::Ok, Function::Read) => {
                row.first = match value {
                    Part::Absent => Word::NULL,
                    Part::One(Element::Word(word)) => word,
                    value => return Err(misfit(function, value)),
                };
                row.who = row.who.with(RowKind::Read);
                row.completed = place.ordinal.into();
            }
            (Kind::Ok, _) => row.completed = place.ordinal.into(),
            (Kind::Fail, Function::Cas) if !head.has_error => {
                row.who = row.who.with(RowKind::FailedCas);
                row.completed = place.ordinal.into();
            }
            (Kind::Fail, _) => row.who = row.who.with(RowKind::Nothing),
            (Kind::Info | Kind::Invoke, _) => {}
        }
        self.places[number as usize][1] = place;
        if let Some(index) = head.index {
            self.cite(number as usize, 1, index);
        }
        Ok(())
    }

    fn cite(&mut self, row: usize, side: usize, index: i64) {
        self.indices.resize(self.rows.len(), [NO_INDEX; 2]);
        self.indices[row][side] = index;
    }

    /// The key, and the value without it: Jepsen's independent keys stand in the value, as `[key, value]`.
    ///
    /// No other value of a read, write or append is a list, and no other value of a cas has a list within.
    fn split_tuple(&mut self, function: Function) -> Result<(Option<u32>, Part), String> {
        let value = self.recording.value;
        let key = match self.recording.key {
            KeyPart::Absent => None,
            KeyPart::Key(key) => return Ok((Some(key), value)),
            KeyPart::Nonsense(what) => return Err(format!("`key` is {what}; it must be a string, an integer or null")),
        };
        let Part::Two(Element::Word(first), second) = value else { return Ok((key, value)) };
        if function == Function::Cas && !matches!(second, Element::Pair(..)) {
            return Ok((key, value));
        }
        let key = match (first.small_integer(), first.text(&self.texts)) {
            (Some(number), _) => self.keys.integer(number),
            (None, Some(text)) => self.keys.text(text),
            (None, None) => return Err("the key in `value` is beyond 62 bits; give it as a string".to_owned()),
        };
        Ok((Some(key), Part::One(second)))
    }
}

impl Function {
    fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Cas => "cas",
            Self::Append => "append",
        }
    }
}

fn misfit(function: Function, value: Part) -> String {
    let wanted = match function {
        Function::Read | Function::Write => "null, an integer or a string",
        Function::Cas => "[old, new], each null, an integer or a string",
        Function::Append => "a string",
    };
    let found = match value {
        Part::Absent => "absent",
        Part::One(Element::Word(_)) => "a single value",
        Part::One(Element::Pair(..)) | Part::Two(..) => "a list",
        Part::One(Element::Nonsense(what)) | Part::Nonsense(what) => what,
    };
    let article = if function == Function::Append { "an" } else { "a" };
    format!("`value` of {article} {} is {found}; it must be {wanted}", function.name())
}

/// The visits of everything that is a value or certainly none: shared by whole values, elements and keys.
macro_rules! scalar_visits {
    ($made:ty, |$self:ident, $scalar:ident| $of_scalar:expr, |$what:ident| $nonsense:expr) => {
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a value")
        }

        fn visit_unit<E: Error>($self) -> Result<$made, E> {
            let $scalar = Scalar::Null;
            Ok($of_scalar)
        }

        fn visit_none<E: Error>(self) -> Result<$made, E> {
            self.visit_unit()
        }

        fn visit_i64<E: Error>($self, number: i64) -> Result<$made, E> {
            let $scalar = Scalar::Integer(number.into());
            Ok($of_scalar)
        }

        fn visit_u64<E: Error>($self, number: u64) -> Result<$made, E> {
            let $scalar = Scalar::Integer(number.into());
            Ok($of_scalar)
        }

        fn visit_i128<E: Error>($self, number: i128) -> Result<$made, E> {
            let $scalar = Scalar::Integer(number);
            Ok($of_scalar)
        }

        fn visit_str<E: Error>($self, text: &str) -> Result<$made, E> {
            let $scalar = Scalar::Text(text);
            Ok($of_scalar)
        }

        fn visit_bool<E: Error>(self, _: bool) -> Result<$made, E> {
            let $what = "true or false";
            Ok($nonsense)
        }

        fn visit_f64<E: Error>(self, _: f64) -> Result<$made, E> {
            let $what = "a number with a fraction or beyond 64 bits";
            Ok($nonsense)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$made, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            let $what = "a map";
            Ok($nonsense)
        }
    };
}

/// Reads a whole `value`.
struct PartVisitor<'a>(&'a mut Texts);

impl<'de> Visitor<'de> for PartVisitor<'_> {
    type Value = Part;

    scalar_visits!(Part, |self, scalar| Part::One(Element::Word(Word::of(scalar, self.0))), |what| Part::Nonsense(
        what
    ));

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Part, A::Error> {
        let first = sequence.next_element_seed(ElementSeed(self.0))?;
        let second = sequence.next_element_seed(ElementSeed(self.0))?;
        let third = drain(&mut sequence)?;
        Ok(match (first, second, third) {
            (Some(first), Some(second), false) => Part::Two(first, second),
            _ => Part::Nonsense("a list that has not two elements"),
        })
    }
}

/// Reads what stands in a list.
struct ElementSeed<'a>(&'a mut Texts);

impl<'de> serde::de::DeserializeSeed<'de> for ElementSeed<'_> {
    type Value = Element;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Element, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ElementSeed<'_> {
    type Value = Element;

    scalar_visits!(Element, |self, scalar| Element::Word(Word::of(scalar, self.0)), |what| Element::Nonsense(what));

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Element, A::Error> {
        let first = sequence.next_element_seed(WordSeed(self.0))?;
        let second = sequence.next_element_seed(WordSeed(self.0))?;
        let third = drain(&mut sequence)?;
        Ok(match (first, second, third) {
            (Some(Some(first)), Some(Some(second)), false) => Element::Pair(first, second),
            _ => Element::Nonsense("a list with something else than two values in it"),
        })
    }
}

/// Reads what stands in a list in a list; `None` where it is no value.
struct WordSeed<'a>(&'a mut Texts);

impl<'de> serde::de::DeserializeSeed<'de> for WordSeed<'_> {
    type Value = Option<Word>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Word>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for WordSeed<'_> {
    type Value = Option<Word>;

    scalar_visits!(Option<Word>, |self, scalar| Some(Word::of(scalar, self.0)), |_what| None);

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Option<Word>, A::Error> {
        drain(&mut sequence)?;
        Ok(None)
    }
}

/// Reads `key`.
struct KeyVisitor<'a>(&'a mut Keys);

impl KeyVisitor<'_> {
    fn of(self, scalar: Scalar<'_>) -> KeyPart {
        match scalar {
            Scalar::Null => KeyPart::Absent,
            Scalar::Text(text) => KeyPart::Key(self.0.text(text)),
            Scalar::Integer(number) => match i64::try_from(number) {
                Ok(number) => KeyPart::Key(self.0.integer(number)),
                Err(_) => KeyPart::Nonsense("an integer beyond 64 bits"),
            },
        }
    }
}

impl<'de> Visitor<'de> for KeyVisitor<'_> {
    type Value = KeyPart;

    scalar_visits!(KeyPart, |self, scalar| self.of(scalar), |what| KeyPart::Nonsense(what));

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<KeyPart, A::Error> {
        drain(&mut sequence)?;
        Ok(KeyPart::Nonsense("a list"))
    }
}

/// Reads a list to its end; yields whether there was anything left.
fn drain<'de, A: SeqAccess<'de>>(sequence: &mut A) -> Result<bool, A::Error> {
    let mut any = false;
    while sequence.next_element::<IgnoredAny>()?.is_some() {
        any = true;
    }
    Ok(any)
}
