//! The `MongoDB` witness: everything that is ever committed to the observed collections, in commit order.
//!
//! In reading order:
//! - [`eye`]: starts the witness, catches up, stops
//! - [`connection`]: the client, and patience with a server that restarts
//! - [`pilot`], [`look`], [`chronicle`]: looks at every member of a set, follows the primary, tells what happened
//! - [`election`], [`oplog`]: who is primary now, elections and a rollover of the oplog on demand
//! - [`setup`]: collections, what was there before, setup documents
//! - [`stream`]: the change stream, resumed without a gap
//! - [`fold`]: deltas into last known documents (pure)
//! - [`delta`]: one update description applied to one document (pure)
//! - [`ledger`]: events into recorded changes, marks and the backlog
//! - [`final_read`]: every observed document at the end
//! - [`status`]: a part of `serverStatus`, over all members
//! - [`json`]: BSON to relaxed extended JSON and back

mod chronicle;
mod connection;
pub mod delta;
mod election;
mod eye;
mod final_read;
pub mod fold;
pub mod json;
mod ledger;
mod look;
mod oplog;
mod pilot;
mod setup;
mod status;
mod stream;

pub(super) use connection::Connection;
pub(super) use eye::MongodbEye;
pub(super) use final_read::read_all;
pub(super) use ledger::Backlog;
pub(super) use status::Statuses;
