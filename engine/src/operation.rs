//! What one line of a history says, whatever the model, and how a model takes it.
//!
//! An operation is an object `{"index","time","process","type","f","value"}`, optionally with `key`, `error` and
//! `rebalance-log`; other keys are ignored. The keys may come in any order. A model is a [`Recorder`]: it takes `value`
//! as it is read, without a tree in between, and stores what it means once the whole operation is known.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Unexpected, Visitor};

/// Whether an operation begins or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// It begins.
    Invoke,
    /// It took effect.
    Ok,
    /// It certainly had no effect.
    Fail,
    /// It may have had one, or may have it later.
    Info,
}

/// Who performed an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Process {
    /// A client's process, which does one thing at a time.
    Client(i64),
    /// The nemesis or anything else with a name: its lines are no operations on the system, and are passed over.
    Named,
}

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// Its line in the file, from 1.
    pub line: u32,
    /// Its place among the history's operations, from 0. File order counts, not `index`.
    pub ordinal: u32,
}

/// Everything of an operation but what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<F> {
    /// `index`; nothing depends on it, it is only cited.
    pub index: Option<i64>,
    /// `time`, in nanoseconds; 0 when absent.
    pub time: i64,
    /// `process`.
    pub process: Process,
    /// `type`.
    pub kind: Kind,
    /// `f`.
    pub function: F,
    /// Whether `error` is there and not null.
    pub has_error: bool,
}

/// What takes the operations of a model into its columns.
///
/// For each operation: [`Recorder::begin`], then its parts in the order of the text (each at most once, possibly none),
/// then [`Recorder::operation`], which is left out for lines of [`Process::Named`] and for functions that the model does
/// not know. A part must therefore take *any* value without an error of its own, because nobody knows yet whose it is;
/// what does not fit is remembered, and said by [`Recorder::operation`].
pub trait Recorder {
    /// What `f` may be.
    type Function: Copy;

    /// A new operation begins: whatever the parts of the one before left behind is forgotten.
    fn begin(&mut self);

    /// `f`. `None`: the model knows no such function, and the operation is passed over.
    fn function(name: &str) -> Option<Self::Function>;

    /// `value`.
    ///
    /// # Errors
    /// Only what the deserializer says.
    fn value<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error>;

    /// `key`.
    ///
    /// # Errors
    /// Only what the deserializer says.
    fn key<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| ())
    }

    /// `rebalance-log`.
    ///
    /// # Errors
    /// Only what the deserializer says.
    fn rebalance_log<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| ())
    }

    /// The operation is complete: store it.
    ///
    /// # Errors
    /// When the value does not fit the function: a fragment that reads after `line N: `.
    fn operation(&mut self, head: &Head<Self::Function>, place: Place) -> Result<(), String>;

    /// The bytes that the columns hold now; cheap, it is asked every few thousand operations.
    fn memory(&self) -> u64;
}

/// Reads one operation into a recorder; yields whether it was one that the model knows.
#[derive(Debug)]
pub struct Seed<'a, R> {
    /// Where it goes.
    pub recorder: &'a mut R,
    /// Where it stands.
    pub place: Place,
}

impl<'de, R: Recorder> DeserializeSeed<'de> for Seed<'_, R> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, R: Recorder> Visitor<'de> for Seed<'_, R> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an operation: {\"process\", \"type\", \"f\", \"value\", …}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let Self { recorder, place } = self;
        recorder.begin();
        let (mut index, mut time, mut process, mut kind, mut function) = (None, None, None, None, None);
        let mut has_error = false;
        let mut seen = [false; FIELDS];
        while let Some(field) = map.next_key::<Field>()? {
            if field != Field::Other && std::mem::replace(&mut seen[field as usize], true) {
                return Err(A::Error::custom(format_args!("`{}` stands twice in one operation", field.name())));
            }
            match field {
                Field::Index => index = map.next_value::<Number>()?.0,
                Field::Time => time = map.next_value::<Number>()?.0,
                Field::Process => process = Some(map.next_value::<Process>()?),
                Field::Kind => kind = Some(map.next_value::<Kind>()?),
                Field::Function => function = map.next_value::<Function<R>>()?.0,
                Field::Error => has_error = map.next_value::<Option<IgnoredAny>>()?.is_some(),
                Field::Value | Field::Key | Field::RebalanceLog => {
                    map.next_value_seed(PartSeed { recorder, part: field })?;
                }
                Field::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let missing = |field: Field| A::Error::custom(format_args!("an operation without `{}`", field.name()));
        let process = process.ok_or_else(|| missing(Field::Process))?;
        let kind = kind.ok_or_else(|| missing(Field::Kind))?;
        if !seen[Field::Function as usize] {
            return Err(missing(Field::Function));
        }
        let Some(function) = function.filter(|_| process != Process::Named) else { return Ok(false) };
        let head = Head { index, time: time.unwrap_or(0), process, kind, function, has_error };
        recorder.operation(&head, place).map_err(A::Error::custom)?;
        Ok(true)
    }
}

/// The keys of an operation that mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Index,
    Time,
    Process,
    Kind,
    Function,
    Value,
    Key,
    Error,
    RebalanceLog,
    Other,
}

const FIELDS: usize = Field::Other as usize + 1;

impl Field {
    fn of(name: &str) -> Self {
        match name {
            "index" => Self::Index,
            "time" => Self::Time,
            "process" => Self::Process,
            "type" => Self::Kind,
            "f" => Self::Function,
            "value" => Self::Value,
            "key" => Self::Key,
            "error" => Self::Error,
            "rebalance-log" => Self::RebalanceLog,
            _ => Self::Other,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Time => "time",
            Self::Process => "process",
            Self::Kind => "type",
            Self::Function => "f",
            Self::Value => "value",
            Self::Key => "key",
            Self::Error => "error",
            Self::RebalanceLog => "rebalance-log",
            Self::Other => "another key",
        }
    }
}

/// A visitor of texts: what each kind of field makes of one.
macro_rules! from_text {
    ($name:ty, $expecting:literal, |$text:ident| $made:expr $(, $more:item)*) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Texts;
                impl<'de> Visitor<'de> for Texts {
                    type Value = $name;

                    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                        formatter.write_str($expecting)
                    }

                    fn visit_str<E: Error>(self, $text: &str) -> Result<$name, E> {
                        $made
                    }

                    $($more)*
                }
                deserializer.deserialize_any(Texts)
            }
        }
    };
}

from_text!(
    Field,
    "a key of an operation",
    |text| Ok(Field::of(text)),
    fn visit_i64<E: Error>(self, _: i64) -> Result<Field, E> {
        Ok(Field::Other)
    }
);

from_text!(Kind, "invoke, ok, fail or info", |text| match text {
    "invoke" => Ok(Kind::Invoke),
    "ok" => Ok(Kind::Ok),
    "fail" => Ok(Kind::Fail),
    "info" => Ok(Kind::Info),
    other => Err(E::invalid_value(Unexpected::Str(other), &"invoke, ok, fail or info")),
});

from_text!(
    Process,
    "a client's number, or a text for whatever is no client",
    |_text| Ok(Process::Named),
    fn visit_i64<E: Error>(self, number: i64) -> Result<Process, E> {
        Ok(Process::Client(number))
    },
    fn visit_u64<E: Error>(self, number: u64) -> Result<Process, E> {
        i64::try_from(number).map(Process::Client).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    },
    fn visit_unit<E: Error>(self) -> Result<Process, E> {
        Ok(Process::Named)
    }
);

/// An integer or null.
struct Number(Option<i64>);

from_text!(
    Number,
    "an integer",
    |text| Err(E::invalid_type(Unexpected::Str(text), &"an integer")),
    fn visit_i64<E: Error>(self, number: i64) -> Result<Number, E> {
        Ok(Number(Some(number)))
    },
    fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
        let error = |_| E::invalid_value(Unexpected::Unsigned(number), &self);
        i64::try_from(number).map(|number| Number(Some(number))).map_err(error)
    },
    fn visit_unit<E: Error>(self) -> Result<Number, E> {
        Ok(Number(None))
    }
);

/// `f` as a model understands it.
struct Function<R: Recorder>(Option<R::Function>);

impl<'de, R: Recorder> Deserialize<'de> for Function<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names<R>(PhantomData<R>);
        impl<R: Recorder> Visitor<'_> for Names<R> {
            type Value = Function<R>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the name of a function")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Function<R>, E> {
                Ok(Function(R::function(text)))
            }

            fn visit_unit<E: Error>(self) -> Result<Function<R>, E> {
                Ok(Function(None))
            }
        }
        deserializer.deserialize_any(Names(PhantomData))
    }
}

/// One of the parts that a model takes itself.
struct PartSeed<'a, R> {
    recorder: &'a mut R,
    part: Field,
}

impl<'de, R: Recorder> DeserializeSeed<'de> for PartSeed<'_, R> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.part {
            Field::Value => self.recorder.value(deserializer),
            Field::Key => self.recorder.key(deserializer),
            Field::RebalanceLog => self.recorder.rebalance_log(deserializer),
            _ => unreachable!("the caller takes every other field itself"),
        }
    }
}
