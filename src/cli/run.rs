//! `torn run` and `torn compare`: every variant of every scenario, judged and reported.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::ValueEnum;
use tokio_util::sync::CancellationToken;

use super::exit::{Exit, Failure};
use super::judged::{self, Format};
use super::paper::Paper;
use super::side_by_side;
use super::terminal::{Chatter, Screen};
use crate::run::{self as runner, RunRequest};
use crate::scenario::reader::{self, Override};
use crate::scenario::resolved::Resolved;
use crate::store::{self, RunStore};

/// `torn run`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Scenario files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    options: Options,
}

/// `torn compare`.
#[derive(Debug, clap::Args)]
pub struct CompareArguments {
    /// The scenario file
    file: PathBuf,
    #[command(flatten)]
    options: Options,
}

/// What both understand.
#[derive(Debug, clap::Args)]
struct Options {
    /// Run only these variants
    #[arg(long, value_name = "NAME")]
    variant: Vec<String>,
    /// The seed, or "fresh" for one that is drawn (and printed)
    #[arg(long, value_name = "N|fresh")]
    seed: Option<String>,
    /// Operations a second instead of the scenario's
    #[arg(long, value_name = "PER_SECOND", allow_negative_numbers = true)]
    rate: Option<f64>,
    /// How long the load lasts instead of the scenario's, such as 20s
    #[arg(long, value_name = "DURATION")]
    duration: Option<String>,
    /// Where the servers come from
    #[arg(long, value_enum, default_value_t)]
    env: EnvironmentKind,
    /// Change any key of the scenario: --set load.timeout=5s
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The folder for results
    #[arg(long, value_name = "DIR", default_value = store::DEFAULT_FOLDER)]
    out: PathBuf,
    /// Keep only the newest N invocations of each scenario
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// How to print verdicts
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Print verdicts and errors only
    #[arg(long, short)]
    quiet: bool,
    /// No line that is drawn over
    #[arg(long)]
    no_progress: bool,
}

/// What brings the dependencies up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum EnvironmentKind {
    /// Child processes of the run.
    #[default]
    Local,
}

/// Runs scenarios.
///
/// # Errors
/// When a scenario cannot be used (before anything runs), or the results cannot be stored.
pub async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    Box::pin(run_files(&arguments.files, &arguments.options)).await
}

/// Runs one scenario and says where the page is.
///
/// # Errors
/// As [`run`].
pub async fn compare(arguments: CompareArguments) -> Result<Exit, Failure> {
    Box::pin(run_files(&[arguments.file], &arguments.options)).await
}

async fn run_files(files: &[PathBuf], options: &Options) -> Result<Exit, Failure> {
    let overrides = options.overrides()?;
    // Every file is read before the first one runs: a mistake in the last is not found after an hour.
    let mut scenarios = Vec::new();
    for file in files {
        let variants = reader::read(file, &overrides).map_err(Failure::usage)?;
        scenarios.push((file, select(variants, &options.variant)?));
    }
    RunStore::open(&options.out)?;
    let cancellation = CancellationToken::new();
    let interrupt = tokio::spawn(watch_for_interrupt(cancellation.clone()));
    let mut exit = Exit::AsExpected;
    for (file, variants) in scenarios {
        if cancellation.is_cancelled() {
            break;
        }
        exit = exit.merge(Box::pin(run_scenario(file, &variants, options, &cancellation)).await?);
    }
    interrupt.abort();
    if cancellation.is_cancelled() { Ok(Exit::Interrupted) } else { Ok(exit) }
}

/// The first Ctrl-C (or SIGTERM) ends the run in order; the second ends the process, and the guard ends the rest.
async fn watch_for_interrupt(cancellation: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("a signal handler can be set");
    let mut wait = async || {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    };
    wait().await;
    eprintln!("torn: interrupted: healing, reading, storing; once more to stop at once");
    cancellation.cancel();
    wait().await;
    std::process::exit(i32::from(Exit::Interrupted.code()));
}

async fn run_scenario(
    file: &Path,
    variants: &[Resolved],
    options: &Options,
    cancellation: &CancellationToken,
) -> Result<Exit, Failure> {
    let first = &variants[0];
    let started = time::OffsetDateTime::now_utc();
    let (store, mut folder) = RunStore::create(&options.out, &first.name, first.scenario.seed, started)?;
    let chatter = Chatter::choose(options.quiet, options.no_progress);
    if chatter != Chatter::Quiet {
        eprintln!("{}: seed {}, plan {}", file.display(), first.scenario.seed, &first.plan_hash()[..12]);
    }
    let mut exit = Exit::AsExpected;
    let mut finished = Vec::new();
    for (number, resolved) in variants.iter().enumerate() {
        let run_folder = folder.variant(&resolved.variant().name)?;
        let title = format!("{}/{} {}", number + 1, variants.len(), resolved.variant().name);
        let screen = Screen::open(chatter, &title);
        let command = repeat_command(file, resolved, options);
        let request = RunRequest {
            resolved,
            folder: &run_folder,
            command,
            torn: std::env::current_exe().context("failed to find the torn program itself")?,
            observer: screen.observer(),
            cancellation: cancellation.clone(),
        };
        let ended = Box::pin(runner::run(request)).await;
        drop(screen);
        let failure = match ended {
            Ok(ended) => ended.failure,
            Err(error) => Some(runner::in_words(&anyhow!(error))),
        };
        if let Some(failure) = failure {
            // There is a history as far as it came, and no verdict to rely on.
            eprintln!("torn: {}: {failure}", resolved.variant().name);
            eprintln!("torn: what was stored is in {}", run_folder.path().display());
            exit = exit.merge(Exit::Failed);
            break;
        }
        let run = judged::judge_and_report(run_folder)?;
        judged::print(&run.folder, &run.file, &run.judgement, options.format);
        exit = exit.merge(run.exit());
        finished.push(run);
        if cancellation.is_cancelled() {
            break;
        }
    }
    if !finished.is_empty() {
        judged::write_comparison(&folder, &finished)?;
        folder.publish()?;
        if options.format == Format::Human {
            if let Some(table) = side_by_side::table(&finished, Paper::stdout()) {
                println!("{table}");
            }
            println!("{}", folder.comparison_html().display());
        }
    }
    if let Some(count) = options.keep {
        store.keep(&first.name, count as usize)?;
    }
    Ok(exit)
}

/// The command that repeats one run, exactly.
fn repeat_command(file: &Path, resolved: &Resolved, options: &Options) -> String {
    let mut words = vec!["torn".to_owned(), "run".to_owned(), file.display().to_string()];
    words.extend(["--variant".to_owned(), resolved.variant().name.clone()]);
    words.extend(["--seed".to_owned(), resolved.scenario.seed.to_string()]);
    for (flag, value) in
        [("--rate", options.rate.map(|rate| rate.to_string())), ("--duration", options.duration.clone())]
    {
        words.extend(value.into_iter().flat_map(|value| [flag.to_owned(), value]));
    }
    words.extend(options.set.iter().flat_map(|pair| ["--set".to_owned(), pair.clone()]));
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_./=:,+@%".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

impl Options {
    /// The flags that change the scenario, as overrides of its keys.
    fn overrides(&self) -> Result<Vec<Override>, Failure> {
        let mut overrides = Vec::new();
        let mut add = |key: &str, value: String| overrides.push(Override { key: key.to_owned(), value });
        match self.seed.as_deref() {
            None => {}
            // Fits a TOML integer.
            Some("fresh") => add("seed", (rand::random::<u64>() >> 33).to_string()),
            Some(text) if text.parse::<u64>().is_ok() => add("seed", text.to_owned()),
            Some(text) => {
                let error = anyhow!("--seed {text}: expected a whole number, or \"fresh\" for one that is drawn");
                return Err(Failure::usage(error));
            }
        }
        self.rate.iter().for_each(|rate| add("load.rate", rate.to_string()));
        self.duration.iter().for_each(|duration| add("load.duration", format!("\"{duration}\"")));
        for pair in &self.set {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(Failure::usage(anyhow!("--set {pair}: expected key=value, such as load.timeout=5s")));
            };
            add(key, value.to_owned());
        }
        Ok(overrides)
    }
}

fn select(variants: Vec<Resolved>, names: &[String]) -> Result<Vec<Resolved>, Failure> {
    let known: Vec<String> = variants.iter().map(|variant| variant.variant().name.clone()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        let known = known.join(", ");
        return Err(Failure::usage(anyhow!(
            "--variant {unknown:?}: this scenario has no such variant; it has: {known}"
        )));
    }
    let is_wanted = |variant: &Resolved| names.is_empty() || names.contains(&variant.variant().name);
    Ok(variants.into_iter().filter(is_wanted).collect())
}
