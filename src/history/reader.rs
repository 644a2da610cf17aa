//! Lines of `history.jsonl` back to entries, one at a time.
//!
//! A file that ends in the middle of a line (a killed harness) yields everything before it; whether the history is
//! whole is told by its last entry. Anything else that is not an entry is an error with its line.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::str;

use thiserror::Error;

use super::entry::{Entry, FORMAT, Header};

/// What is wrong with a line of other bytes.
pub(super) const NOT_TEXT: &str = "stream did not contain valid UTF-8";

/// Why a history cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file cannot be opened or read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is no history, or of another program.
    #[error(
        "{path}, line 1: not a tornwrite history (its first line must be {{\"run\":{{\"format\":{FORMAT},…}}}}): {reason}"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What stands there instead.
        reason: String,
    },
    /// It was written by another version.
    #[error("{path}: history format {found}, this torn reads format {FORMAT}; judge it with the torn that recorded it")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// A line in the middle is no entry.
    #[error("{path}, line {line}: not an entry of a history: {reason}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
}

/// Entries of a file, with their lines.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    buffer: Vec<u8>,
    line: u64,
    header: Header,
    truncated: bool,
}

impl Reader {
    /// Opens a history and reads its first line.
    ///
    /// # Errors
    /// When it cannot be read, is no history, or is of another format.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let io = |source| ReadError::Io { path: path.to_owned(), source };
        let mut file = BufReader::with_capacity(1 << 18, File::open(path).map_err(io)?);
        let mut buffer = String::new();
        let foreign = |reason: String| ReadError::Foreign { path: path.to_owned(), reason };
        match file.read_line(&mut buffer) {
            Ok(0) => return Err(foreign("the file is empty".to_owned())),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(foreign(error.to_string())),
            Err(error) => return Err(io(error)),
        }
        let header = match serde_json::from_str(&buffer) {
            Ok(Entry::Run(header)) => header,
            Ok(_) => return Err(foreign("another entry comes first".to_owned())),
            Err(error) => return Err(foreign(error.to_string())),
        };
        if header.format != FORMAT {
            return Err(ReadError::Version { path: path.to_owned(), found: header.format });
        }
        Ok(Self { path: path.to_owned(), file, buffer: buffer.into_bytes(), line: 1, header, truncated: false })
    }

    /// The first line.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Whether the file ended in the middle of a line; meaningful once the iterator has ended.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    fn read(&mut self) -> Result<Option<(u64, Entry)>, ReadError> {
        self.buffer.clear();
        let read = self.file.read_until(b'\n', &mut self.buffer);
        self.line += 1;
        if read.map_err(|source| ReadError::Io { path: self.path.clone(), source })? == 0 {
            return Ok(None);
        }
        let entry = match str::from_utf8(&self.buffer) {
            Ok(line) => serde_json::from_str(line).map_err(|error| error.to_string()),
            Err(_) => Err(NOT_TEXT.to_owned()),
        };
        match entry {
            Ok(entry) => Ok(Some((self.line, entry))),
            Err(_) if !self.buffer.ends_with(b"\n") => {
                self.truncated = true;
                Ok(None)
            }
            Err(reason) => Err(ReadError::Line { path: self.path.clone(), line: self.line, reason }),
        }
    }
}

impl Iterator for Reader {
    type Item = Result<(u64, Entry), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}
