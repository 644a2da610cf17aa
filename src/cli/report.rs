//! `torn report RUN`: the pages and the metrics again, from the stored history.

use std::path::PathBuf;

use super::exit::{Exit, Failure};
use super::judged;
use super::matrix;
use crate::store::{self, ScenarioFolder};

/// What to report.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A run's folder (results/SCENARIO/TIME-SEED/VARIANT), or the folder above it for all its variants and their
    /// comparison
    run: PathBuf,
}

/// Writes everything that follows from a run's history.
///
/// # Errors
/// When the folder holds no run, its history cannot be read, or something cannot be written.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
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
        let folder = ScenarioFolder::existing(&arguments.run);
        if matrix::rewrite(&folder, &runs)? {
            println!("{}", folder.matrix_html().display());
            return Ok(Exit::AsExpected);
        }
        judged::write_comparison(&folder, &runs)?;
        println!("{}", folder.comparison_html().display());
    }
    Ok(Exit::AsExpected)
}
