//! Which files a run and a comparison leave.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::matrix::MatrixTable;
use super::{html, json, junit, markdown, plot, sweep};
use crate::checker::verdict::Judgement;
use crate::metrics::{Measurement, Metrics, latency_log};
use crate::store::{RunFile, RunFolder, ScenarioFolder};
use crate::sweep::table::Sweep;

/// Why a report cannot be written.
#[derive(Debug, Error)]
pub enum ReportError {
    /// A file cannot be written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// `run.json` holds a time that is none.
    #[error("run.json: started = \"{text}\" is not a time like 2026-11-22T10:15:00Z")]
    Started {
        /// What stands there.
        text: String,
    },
}

/// One run of a comparison.
#[derive(Debug, Clone, Copy)]
pub struct RunReport<'a> {
    /// The name of its folder, for links.
    pub folder: &'a str,
    /// What ran.
    pub run: &'a RunFile,
    /// What its history proves.
    pub judgement: &'a Judgement,
    /// What it cost.
    pub metrics: &'a Metrics,
}

/// Writes `verdict.json`, `metrics.json`, `latency.hlog`, `plots/*.svg` and `report.html`.
///
/// # Errors
/// When a file cannot be written.
pub fn write_run(
    folder: &RunFolder,
    run: &RunFile,
    judgement: &Judgement,
    measurement: &Measurement,
) -> Result<(), ReportError> {
    write(&folder.verdict(), json::pretty(judgement).as_bytes())?;
    write(&folder.metrics(), json::pretty(&measurement.metrics).as_bytes())?;
    write_latency_log(folder, run, measurement)?;
    let plots = plot::of_run(&measurement.metrics);
    for plot in &plots {
        write(&folder.plots().join(format!("{}.svg", plot.name)), plot.standalone().as_bytes())?;
    }
    write(&folder.report(), html::run::page(run, judgement, &measurement.metrics, &plots).as_bytes())
}

/// Writes `comparison.html`, `comparison.json`, `junit.xml` and `summary.md`.
///
/// # Errors
/// When a file cannot be written.
pub fn write_comparison(folder: &ScenarioFolder, runs: &[RunReport]) -> Result<(), ReportError> {
    write(&folder.comparison_json(), json::pretty(&json::Comparison::of(runs)).as_bytes())?;
    write(&folder.junit(), junit::report(runs).as_bytes())?;
    write(&folder.summary(), markdown::summary(runs).as_bytes())?;
    write(&folder.comparison_html(), html::comparison::page(runs).as_bytes())
}

/// Writes `matrix.json`, `matrix.html`, `matrix.md`, `summary.md` and `junit.xml`.
///
/// # Errors
/// When a file cannot be written.
pub fn write_matrix(folder: &ScenarioFolder, table: &MatrixTable, suites: &junit::Suites) -> Result<(), ReportError> {
    write(&folder.matrix_json(), json::pretty(table).as_bytes())?;
    write(&folder.junit(), suites.report().as_bytes())?;
    write(&folder.summary(), markdown::matrix::summary(table).as_bytes())?;
    write(&folder.matrix_markdown(), markdown::matrix::table(table).as_bytes())?;
    write(&folder.matrix_html(), html::matrix::page(table).as_bytes())
}

/// Writes `sweep.json`, `sweep.html`, `sweep.md`, `summary.md` and `junit.xml`.
///
/// # Errors
/// When a file cannot be written.
pub fn write_sweep(folder: &ScenarioFolder, table: &Sweep) -> Result<(), ReportError> {
    write(&folder.sweep_json(), json::pretty(table).as_bytes())?;
    write(&folder.junit(), sweep::junit::report(table).as_bytes())?;
    write(&folder.summary(), markdown::sweep::summary(table).as_bytes())?;
    write(&folder.sweep_markdown(), markdown::sweep::table(table).as_bytes())?;
    write(&folder.sweep_html(), html::sweep::page(table).as_bytes())
}

fn write_latency_log(folder: &RunFolder, run: &RunFile, measurement: &Measurement) -> Result<(), ReportError> {
    let started = OffsetDateTime::parse(&run.started, &Rfc3339)
        .map_err(|_| ReportError::Started { text: run.started.clone() })?;
    let started = SystemTime::from(started) + Duration::from_nanos(measurement.metrics.load_started);
    let path = folder.latency_log();
    let comment = format!("tornwrite: {}, {}; response times", run.resolved.name, run.resolved.variant().name);
    let mut log = Vec::new();
    latency_log::write(&mut log, started, &comment, &measurement.latency_log)
        .map_err(|source| ReportError::Io { path: path.clone(), source })?;
    write(&path, &log)
}

/// Writes beside the file and renames: a reader sees the old page or the whole new one.
fn write(path: &Path, content: &[u8]) -> Result<(), ReportError> {
    let beside = path.with_extension("partial");
    let written = std::fs::write(&beside, content).and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|source| ReportError::Io { path: path.to_owned(), source })
}
