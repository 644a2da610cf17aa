//! Lines of a history to compact batches: what a judge needs of each line, and nothing else.
//!
//! A line is read by `serde_json` straight into a batch: texts are borrowed from it, values are not built, and in whatever
//! order the fields stand. Kinds of entry that batches do not hold are the caller's. The format is the caller's too; a
//! test of the caller's holds every line to saying what its entry says.
//!
//! In reading order:
//! - [`word`]: the few words of the format that batches hold as enums
//! - [`name`]: texts and field values, small
//! - [`outline`]: which fields of documents, records and operations are kept
//! - [`batch`]: what becomes of a block of lines
//! - [`line`]: one line
//! - `value`: one JSON value, to cells and a fingerprint
//! - `print`: fingerprints of JSON values
//! - [`block`]: a file in blocks of whole lines, parsed side by side and handed over in order
//!
//! It is a crate of its own because it is compiled for speed even where the rest is compiled for a quick build.
//!
//! **Architecture invariant:** nothing here knows a manifest; the caller says what to keep.

pub mod batch;
pub mod block;
pub mod line;
pub mod name;
pub mod outline;
mod print;
mod value;
pub mod word;
