//! The append-only file of one run, and the statements that checkers work on.
//!
//! In reading order:
//! - [`entry`]: what a line may say
//! - [`recorder`]: the one writer; flushed so that a killed harness loses at most the last second
//! - [`reader`]: lines back to entries, streaming; a truncated or foreign file is said, not guessed at
//! - [`facts`]: operations, changes, records and effects, attributed to each other by the manifest
//! - [`obligation`]: what must still arrive, kept while the run drains
//!
//! **Architecture invariant:** nothing here talks to a server or knows a fault; a history is judged from the file alone.

pub mod entry;
pub mod facts;
pub mod obligation;
pub mod reader;
pub mod recorder;
