//! The command line, one file per subcommand. Only this room prints, and only `main` exits.
//!
//! - [`exit`]: what an exit code means
//! - [`run`]: `torn run` and `torn compare`
//! - `matrix`: the runs of a scenario with a matrix
//! - [`sweep`]: `torn sweep`, every place where a crash or a cut can fall
//! - [`check`]: `torn check`, the same judgement from the stored history
//! - `outside`: `torn check --model`, histories that others recorded
//! - [`report`]: `torn report`, the pages again
//! - [`list`], [`init`]: what there is, and something to start from
//! - [`external`]: servers that somebody else runs
//! - [`stack`], `standing`, [`doctor`]: the local servers, installed and standing, and what this machine lacks
//! - `judged`: from a stored run to everything that follows from its history
//! - [`terminal`]: phases and the live line while a run goes on
//! - `verdict_block`, `side_by_side`, `matrix_table`, `sweep_table`: what a run, a comparison, a matrix and a sweep say at
//!   their end
//! - `paper`: as wide as the terminal, coloured only there

pub mod check;
pub mod doctor;
pub mod exit;
pub mod external;
pub mod init;
mod judged;
pub mod list;
mod matrix;
mod matrix_table;
mod outside;
mod paper;
pub mod report;
pub mod run;
mod side_by_side;
pub mod stack;
pub mod standing;
pub mod sweep;
mod sweep_table;
pub mod terminal;
mod verdict_block;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use exit::{Exit, Failure};

/// Proves from a stored history whether services on `MongoDB` and Kafka lose, double, oversell or reorder writes.
#[derive(Debug, Parser)]
#[command(
    name = "torn",
    version,
    about = "Proves from a stored history whether services on MongoDB and Kafka lose, double, oversell or reorder writes",
    disable_help_subcommand = true, after_help = exit::HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every variant of the scenarios and judge each
    Run(run::Arguments),
    /// Run every variant of one scenario under the same seed, load and faults, and write the page that compares them
    Compare(run::CompareArguments),
    /// Try every place where a crash or a cut can fall in one operation, and say which are harmless
    Sweep(sweep::Arguments),
    /// Judge a stored run again from its history alone, or (--model) operations that others recorded
    Check(check::Arguments),
    /// Write the report and the metrics of a stored run again
    Report(report::Arguments),
    /// List scenarios, workloads and their patterns, and stored runs
    List(list::Arguments),
    /// Write a commented manifest and scenario to start from
    Init(init::Arguments),
    /// The local mongod, Kafka and Toxiproxy
    Stack(stack::StackArguments),
    /// Servers that you run yourself: whether a run can work there, and what runs left
    External(external::ExternalArguments),
    /// Say what this machine lacks, and the command that brings it
    Doctor(doctor::DoctorArguments),
    /// Ends a run's processes when the harness has died (started by torn itself)
    #[command(hide = true)]
    Guard {
        /// The run's id
        run: String,
        /// Its temporary data folder
        folder: PathBuf,
    },
}

/// Parses the command line, carries it out, and says how it ended.
pub fn main() -> Exit {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come as "errors" too; those are no wrong usage.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::AsExpected };
            let _ = error.print();
            return exit;
        }
    };
    if let Command::Guard { run, folder } = &arguments.command {
        return match crate::process::guard_main(run, folder, crate::environment::docker::leftovers::remove_run) {
            Ok(()) => Exit::AsExpected,
            Err(error) => {
                eprintln!("torn: guard of {run}: {error:#}");
                Exit::Failed
            }
        };
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads can be started");
    let ended = runtime.block_on(dispatch(arguments.command));
    // What still blocks in a third party's thread must not keep the process from ending.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    ended.unwrap_or_else(|failure| {
        eprintln!("torn: {}", crate::run::in_words(&failure.error));
        failure.exit
    })
}

async fn dispatch(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Run(arguments) => Box::pin(run::run(arguments)).await,
        Command::Compare(arguments) => Box::pin(run::compare(arguments)).await,
        Command::Sweep(arguments) => Box::pin(sweep::run(arguments)).await,
        Command::Check(arguments) => check::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::List(arguments) => list::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Stack(arguments) => Ok(Exit::from_code(stack::run(arguments).await?)),
        Command::External(arguments) => external::run(arguments).await,
        Command::Doctor(arguments) => Ok(Exit::from_code(doctor::run(arguments).await?)),
        Command::Guard { .. } => unreachable!("dispatched before the runtime starts"),
    }
}
