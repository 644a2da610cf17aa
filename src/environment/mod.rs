//! Brings the dependencies of a run up: servers, Toxiproxy, addresses.
//!
//! In reading order: [`Needs`] is what a run asks for, [`Environment`] what it gets, [`EnvironmentError`] why it did
//! not. `local` starts the servers as child processes and knows where they come from; environments of another kind
//! become further rooms beside it.

mod error;
mod handle;
pub mod local;
mod needs;

pub use error::EnvironmentError;
pub use handle::Environment;
pub use needs::{ClientPath, LinkAddresses, Needs};
