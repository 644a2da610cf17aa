//! A run told to people and machines. Everything here is a pure function of stored files: `torn report RUN` writes the
//! same pages again.
//!
//! In reading order:
//! - [`write`]: which files a run and a comparison leave
//! - [`sentence`]: figures and findings in plain words
//! - [`matrix`]: the table of a matrix, and `matrix.json`
//! - [`sweep`]: a sweep in words and as a sequence diagram
//! - [`plot`]: SVG, legible in light and dark
//! - [`html`]: `report.html`, `comparison.html`
//! - [`markdown`]: `summary.md` for a CI job's page
//! - [`junit`]: the file `junit.xml` for CI
//! - [`json`]: `comparison.json`, and how every JSON file is written
//!
//! **Architecture invariant:** a page makes no request and runs no script; all text of a system under test is escaped.

pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod matrix;
pub mod plot;
pub mod sentence;
pub mod sweep;
pub mod write;

pub use write::{ReportError, RunReport, write_comparison, write_matrix, write_run, write_sweep};
