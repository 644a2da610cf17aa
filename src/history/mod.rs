//! The append-only file of one run, and the statements that checkers work on.
//!
//! In reading order:
//! - [`entry`]: what a line may say
//! - [`recorder`]: the one writer; flushed so that a killed harness loses at most the last second
//! - [`reader`]: lines back to entries, streaming; a truncated or foreign file is said, not guessed at
//! - [`facts`]: operations, changes, records and effects, attributed to each other by the manifest
//! - `fold`: how entries become facts
//! - [`attribution`]: which operation a change belongs to
//! - [`reading`]: what answers and further looks at the log tell of what is already known
//! - [`schema`]: the manifest made ready for millions of entries
//! - [`name`]: texts and field values, small
//! - [`obligation`]: what must still arrive, kept while the run drains
//!
//! **Architecture invariant:** nothing here talks to a server or knows a fault; a history is judged from the file alone.

pub mod attribution;
pub mod entry;
pub mod facts;
mod fold;
pub mod name;
pub mod obligation;
pub mod reader;
pub mod reading;
pub mod recorder;
pub mod schema;
