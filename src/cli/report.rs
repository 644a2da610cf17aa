//! `torn report RUN`: the pages and the metrics again, from the stored history.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::anyhow;

use super::exit::{Exit, Failure};
use super::judged;
use super::matrix;
use crate::report;
use crate::store::{self, ScenarioFolder};
use crate::sweep::table::{self, Sweep};

/// What to report.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A run's folder (results/SCENARIO/TIME-SEED/VARIANT), or the folder above it for all its variants and their
    /// comparison, or for a sweep's page
    run: PathBuf,
}

/// Writes everything that follows from a run's history.
///
/// # Errors
/// When the folder holds no run, its history cannot be read, or something cannot be written.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let above = ScenarioFolder::existing(&arguments.run);
    if let Some(sweep) = read_sweep(&above)? {
        report::write_sweep(&above, &sweep)?;
        println!("{}", above.sweep_html().display());
        return Ok(Exit::AsExpected);
    }
    let mut runs = Vec::new();
    for folder in store::run_folders(&arguments.run)? {
        let run = judged::judge_and_report(folder)?;
        println!("{}", run.folder.report().display());
        runs.push(run);
    }
    let is_invocation = runs.iter().all(|run| run.folder.path() != arguments.run);
    if is_invocation {
        // In the scenario's order, as when they ran.
        runs.sort_by_key(|run| run.file.resolved.variant);
        if matrix::rewrite(&above, &runs)? {
            println!("{}", above.matrix_html().display());
            return Ok(Exit::AsExpected);
        }
        judged::write_comparison(&above, &runs)?;
        println!("{}", above.comparison_html().display());
    }
    Ok(Exit::AsExpected)
}

/// What came out of a sweep, where the folder is one's: its points were judged while it went on, and are kept as data.
fn read_sweep(folder: &ScenarioFolder) -> Result<Option<Sweep>, Failure> {
    let path = folder.sweep_json();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(Failure::usage(anyhow!("{}: {error}", path.display()))),
    };
    let sweep: Sweep = serde_json::from_str(&text).map_err(|error| {
        Failure::usage(anyhow!("{}: not what a sweep leaves: {error}; sweep again", path.display()))
    })?;
    if sweep.format != table::FORMAT {
        let (path, found, known) = (path.display(), sweep.format, table::FORMAT);
        return Err(Failure::usage(anyhow!("{path}: format {found}, and this torn reads {known}; sweep again")));
    }
    Ok(Some(sweep))
}
