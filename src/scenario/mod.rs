//! What a user asks for: scenario files and workload manifests, read with the line and key of every mistake, and the
//! plan that follows from them and the seed. Nothing here does anything: no clock, no socket, no process.
//!
//! In reading order:
//! - [`manifest`]: a workload as data (processes, operations, effects, events, consumers, observations)
//! - [`file`]: a scenario as data (load, variants, expectations)
//! - `fault_table`: the tables of it that ask for faults
//! - [`matrix`]: the cross product of parameters, from one scenario to one for each cell
//! - [`reader`]: from text to these types, or an error that names file, line and key
//! - [`validation`]: what the types alone cannot say
//! - [`resolved`]: one variant of a scenario with everything filled in; what `run.json` stores
//! - [`template`]: `{product}` in paths, headers, bodies and documents
//! - [`plan`]: operation number *n* as a pure function of the resolved scenario and the seed
//! - [`setup`]: the documents that are there before the first operation
//! - [`duration`]: `250ms`, `20s`, `5m`

pub mod duration;
mod fault_table;
pub mod file;
pub mod manifest;
pub mod matrix;
pub mod plan;
pub mod reader;
pub mod resolved;
pub mod setup;
pub mod template;
pub mod validation;
