//! The one place that starts processes: servers, services and tools.
//!
//! In reading order: a [`Supervisor`] owns every process of a run and a guard that ends them all should the harness
//! itself be killed; a [`Unit`] is a server or service that can be killed and started again and tells the history of
//! it; a [`Process`] is one life of it; a [`HostsFile`] is what only one process resolves names by; [`tool`] runs a program to its end; [`usage`] measures.

mod child;
mod guard;
mod hosts;
mod listening;
mod log;
mod supervisor;
pub mod tool;
mod unit;
pub mod usage;

pub use child::{Command, Exit, Process, ProcessError};
pub use guard::guard_main;
pub use hosts::{HostsError, HostsFile, HostsWay};
pub use listening::is_listening;
pub use log::{last_lines, log_end, mentions};
pub use supervisor::Supervisor;
pub use unit::{UnexpectedExit, Unit};
