//! The programs under test: start, wait until ready, kill, pause, resume, restart, stop.
//!
//! In reading order: [`ServiceSpec`] says what to run, [`Services`] runs it, `ready` asks whether it can do its work.

mod error;
mod ready;
mod services;
mod spec;

pub use error::ServiceError;
pub use services::Services;
pub use spec::{Program, ServiceSpec};
