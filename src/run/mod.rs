//! One run of one variant: the phases in order, and the way down that is always taken.
//!
//! In reading order:
//! - [`conduct`]: from the folder to the stored history, whatever happens in between
//! - `phases`: what happens in between
//! - `context`: what every phase knows, and why a run may be cut short
//! - `wiring`: addresses and templates, for links, services, witnesses and clients
//! - `wire`: what the taps have counted
//! - `stage`: everything that is up while a run goes on, and how it comes down
//! - [`standing`]: servers that several runs share
//! - [`ground`]: servers that somebody else runs: what is possible on them, and what a run takes away again
//! - `names`: the run's own database, topics and consumer groups
//! - `processes`: kill, restart, pause and resume by name, for the nemesis
//! - `eyes`: what the taps tell of an operation, and what is decided about it
//! - `lone`: operations carried out one by one, and recorded
//! - `anatomy`: before the load, the messages that one operation of each kind costs
//! - [`sweep`]: in place of load and faults, every point of one operation
//! - `drain`: when absence may be judged
//! - `host`: the machine, for `run.json`
//! - [`event`]: what a run tells whoever watches it
//!
//! **Architecture invariant:** a run records and never judges.

mod anatomy;
pub mod conduct;
mod context;
mod drain;
pub mod event;
mod eyes;
pub mod ground;
mod host;
mod lone;
mod names;
mod phases;
mod processes;
mod stage;
pub mod standing;
pub mod sweep;
mod wire;
mod wiring;

pub use conduct::{Ended, RunError, RunRequest, run};
pub(crate) use context::in_words;
pub use standing::{Sharing, Standing};
