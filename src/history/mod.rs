//! The append-only file of one run, and the statements that checkers work on.
//!
//! In reading order:
//! - [`entry`], [`sample`], [`cluster`], [`wire`]: what a line may say
//! - [`recorder`]: the one writer; flushed so that a killed harness loses at most the last second
//! - [`reader`]: lines back to entries, streaming; a truncated or foreign file is said, not guessed at
//! - `digest`: lines, through [`torn_scan`], and entries to the items that facts are made of
//! - [`facts`]: operations, changes, records and effects, attributed to each other by the manifest
//! - `fold`, [`final_read`]: how items become facts, and whether the witness saw what is there at the end
//! - `group`, `list`, [`activity`]: records of one event, lists in little memory, and when something happened
//! - [`attribution`]: which operation a change belongs to
//! - [`reading`]: what answers and further looks at the log tell of what is already known
//! - [`schema`], [`layout`]: the manifest made ready for millions of entries, and how what it names lies in rows
//! - [`declaration`]: what an operation declares
//! - [`name`]: texts and field values, small
//! - [`obligation`]: what must still arrive, kept while the run drains
//!
//! **Architecture invariant:** nothing here talks to a server or knows a fault; a history is judged from the file alone.

pub mod activity;
pub mod attribution;
pub mod cluster;
pub mod declaration;
mod digest;
pub mod entry;
pub mod facts;
pub mod final_read;
mod fold;
mod group;
pub mod layout;
mod list;
pub mod obligation;
pub mod reader;
pub mod reading;
pub mod recorder;
pub mod sample;
pub mod schema;
pub mod wire;

pub use torn_scan::name;
