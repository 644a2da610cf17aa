//! Brings the dependencies of a run up: servers, Toxiproxy, addresses.
//!
//! In reading order: [`Needs`] is what a run asks for, [`Environment`] what it gets, [`EnvironmentError`] why it did
//! not; `backend` is where the kinds of environments meet, [`Kind`] says which. `local` starts the servers as child
//! processes and knows where they come from; `docker` starts them in containers; `external` has servers that somebody else
//! runs.

mod backend;
pub mod docker;
mod error;
pub mod external;
mod handle;
mod kind;
pub mod local;
mod needs;

pub use error::EnvironmentError;
pub use handle::Environment;
pub use kind::Kind;
pub use needs::{ClientPath, LinkAddresses, Needs};
