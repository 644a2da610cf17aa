//! tornwrite proves from a stored history whether services that write to `MongoDB` and publish to Kafka lose, double,
//! oversell or reorder anything.
//!
//! The modules in reading order; arrows go one way: `cli → run → {environment, service, link, load, fault, witness} →
//! history`; `cli → checker → history`; `cli → report → {checker::verdict, metrics, store}`.

pub mod checker;
pub mod cli;
pub mod environment;
pub mod fault;
pub mod history;
pub mod link;
pub mod load;
pub mod metrics;
pub mod process;
pub mod report;
pub mod run;
pub mod scenario;
pub mod secret;
pub mod service;
pub mod store;
pub mod sweep;
pub mod witness;
