//! `torn check RUN`: the judgement again, from the stored history alone.

use std::path::PathBuf;

use super::exit::{Exit, Failure};
use super::judged::{self, Format};
use crate::store;

/// What to judge.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A run's folder (results/SCENARIO/TIME-SEED/VARIANT), or the folder above it for all its variants
    run: PathBuf,
    /// How to print the verdict
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Judges, and writes `verdict.json` again.
///
/// # Errors
/// When the folder holds no run, or its history cannot be read.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut exit = Exit::AsExpected;
    for folder in store::run_folders(&arguments.run)? {
        let file = folder.read_run_file()?;
        let judgement = judged::judge(&folder, &file)?;
        judged::write_verdict(&folder, &judgement)?;
        judged::print(&folder, &file, &judgement, arguments.format);
        exit = exit.merge(judged::exit_of(&judgement, false));
    }
    Ok(exit)
}
