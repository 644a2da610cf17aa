//! Files of operations that others recorded: JSON Lines and EDN, plain, gzip or Zstandard, one history or many.
//!
//! In reading order:
//! - `source`: bytes, decompressed, and what they are
//! - `block`: bytes in pieces of whole lines, read ahead by a thread
//! - `json`: lines to operations, without a tree in between
//! - `edn`: forms to operations
//!
//! Nothing of a file is held but what a model stores and the piece that is being read, and both count against the
//! memory that the caller allows: whoever sends a gzip bomb or a line without end gets a sentence.

mod block;
mod edn;
mod json;
mod source;
#[cfg(test)]
mod tests;

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::budget::Exhausted;
use crate::operation::{Place, Recorder};

/// Why a file cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file cannot be opened or read; a broken gzip or Zstandard stream is told here, too.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system or the decompressor says.
        source: io::Error,
    },
    /// There is nothing in it.
    #[error("{}: no operation in it; one JSON object or EDN map a line is expected", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A line is not what it should be.
    #[error("{}, line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1; after decompression.
        line: u32,
        /// What is wrong with it.
        reason: String,
    },
}

/// One history of a file.
#[derive(Debug)]
pub struct History<R> {
    /// What the file calls it; a file that holds one history alone has no name for it.
    pub id: Option<String>,
    /// The line on which it begins.
    pub line: u32,
    /// How many operations it holds, those of no client included.
    pub operations: u32,
    /// How many of them the model knows.
    pub known: u32,
    /// The operations, or why they could not all be held.
    pub recorder: Result<R, Exhausted>,
}

/// Reads the histories of a file, one after the other, and hands over each as soon as it is whole.
///
/// `memory`, in bytes, bounds what a history and the line that is being read may take together.
///
/// # Errors
/// When the file cannot be read or is no history. Those before the mistake have been handed over.
pub fn file<R: Recorder + Default>(
    path: &Path,
    memory: u64,
    each: impl FnMut(History<R>) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let file = std::fs::File::open(path).map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
    stream(path, file, memory, each)
}

/// As [`file`], from any stream; `path` is its name in errors.
///
/// # Errors
/// As [`file`].
pub fn stream<R: Recorder + Default>(
    path: &Path,
    bytes: impl Read + Send,
    memory: u64,
    each: impl FnMut(History<R>) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let result = source::open(bytes).map_err(Trouble::Io).and_then(|source| match source.syntax {
        source::Syntax::Json => json::read(source, memory, each),
        source::Syntax::Edn => edn::read(source, memory, each),
        source::Syntax::Nothing => Err(Trouble::Empty),
    });
    let path = path.to_owned();
    result.map_err(|trouble| match trouble {
        Trouble::Io(source) => ReadError::Io { path, source },
        Trouble::Empty => ReadError::Empty { path },
        Trouble::Line(line, reason) => ReadError::Line { path, line, reason },
    })
}

/// A [`ReadError`] that does not yet know its file.
enum Trouble {
    Io(io::Error),
    Empty,
    Line(u32, String),
}

/// Operations on their way into one history.
struct Collector<R> {
    recorder: R,
    begins: u32,
    operations: u32,
    known: u32,
    memory: u64,
    exhausted: Option<Exhausted>,
}

/// Between two looks at how much memory a history holds.
const OPERATIONS_BETWEEN_LOOKS: u32 = 1 << 10;

impl<R: Recorder + Default> Collector<R> {
    fn new(line: u32, memory: u64) -> Self {
        Self { recorder: R::default(), begins: line, operations: 0, known: 0, memory, exhausted: None }
    }

    /// Where the next operation goes.
    fn place(&self, line: u32) -> Place {
        Place { line, ordinal: self.operations }
    }

    /// An operation was read; `held` bytes are taken by what is being read. Whether there is room for more.
    fn count(&mut self, known: bool, held: usize) -> bool {
        self.operations += 1;
        self.known += u32::from(known);
        if self.operations.is_multiple_of(OPERATIONS_BETWEEN_LOOKS) { self.has_room(held) } else { true }
    }

    fn has_room(&mut self, held: usize) -> bool {
        if self.recorder.memory().saturating_add(held as u64) > self.memory {
            self.exhausted = Some(Exhausted::Memory(self.memory));
        }
        self.exhausted.is_none()
    }

    fn finish(self, id: Option<String>) -> History<R> {
        let recorder = match self.exhausted {
            None => Ok(self.recorder),
            Some(exhausted) => Err(exhausted),
        };
        History { id, line: self.begins, operations: self.operations, known: self.known, recorder }
    }
}
