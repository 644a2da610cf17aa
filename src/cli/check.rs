//! `torn check`: the judgement of a stored run from its history alone, or of a history that others recorded.

use std::path::PathBuf;

use anyhow::anyhow;

use super::exit::{Exit, Failure};
use super::judged::{self, Format};
use super::outside;
use crate::store;

/// What to judge.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A run's folder (results/SCENARIO/TIME-SEED/VARIANT), or the folder above it for all its variants; with --model,
    /// files of operations that others recorded: JSON Lines or EDN, also .gz and .zst, `-` for standard input
    #[arg(required = true, value_name = "RUN|FILE")]
    paths: Vec<PathBuf>,
    /// How to print the verdict
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    outside: outside::Options,
}

/// Judges; of a run, writes `verdict.json` again.
///
/// # Errors
/// When a folder holds no run, a file no history, or one cannot be read.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    if let Some(model) = arguments.outside.model {
        return outside::check(model, &arguments.outside, &arguments.paths, arguments.format);
    }
    let mut exit = Exit::AsExpected;
    for path in &arguments.paths {
        if path.is_file() {
            let error = anyhow!(
                "{} is a file, not a run's folder; to judge operations that others recorded, say what they are with \
                 --model kafka-log or --model register",
                path.display()
            );
            return Err(Failure::usage(error));
        }
        for folder in store::run_folders(path)? {
            let file = folder.read_run_file()?;
            let judgement = judged::judge(&folder, &file)?;
            judged::write_verdict(&folder, &judgement)?;
            judged::print(&folder, &file, &judgement, arguments.format);
            exit = exit.merge(judged::exit_of(&judgement, false));
        }
    }
    Ok(exit)
}
