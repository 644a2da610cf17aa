//! `torn run` and `torn compare`: every variant of every scenario, judged and reported.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use tokio_util::sync::CancellationToken;

use super::exit::{Exit, Failure};
use super::external::EnvironmentOptions;
use super::judged::{self, Format};
use super::matrix;
use super::paper::Paper;
use super::side_by_side;
use super::terminal::{Chatter, Screen};
use crate::environment::Kind;
use crate::run::{self as runner, RunRequest, Sharing, Standing};
use crate::scenario::matrix::cell;
use crate::scenario::reader::{self, Override};
use crate::scenario::resolved::Resolved;
use crate::store::{self, RunFolder, RunStore, ScenarioFolder};

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
pub(super) struct Options {
    /// Run only these variants
    #[arg(long, value_name = "NAME")]
    variant: Vec<String>,
    /// Run only these cells of the matrix, such as write=outbox,fault=none; what is not named may be anything
    #[arg(long, value_name = "AXIS=VALUE,…")]
    cell: Vec<String>,
    /// Run each N times, with the seeds seed, seed + 1, …
    #[arg(long, value_name = "N")]
    repeat: Option<u32>,
    /// The seed, or "fresh" for one that is drawn (and printed)
    #[arg(long, value_name = "N|fresh")]
    seed: Option<String>,
    /// Operations a second instead of the scenario's
    #[arg(long, value_name = "PER_SECOND", allow_negative_numbers = true)]
    rate: Option<f64>,
    /// How long the load lasts instead of the scenario's, such as 20s
    #[arg(long, value_name = "DURATION")]
    duration: Option<String>,
    #[command(flatten)]
    environment: EnvironmentOptions,
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
    pub(super) format: Format,
    /// Print verdicts and errors only
    #[arg(long, short)]
    quiet: bool,
    /// No line that is drawn over
    #[arg(long)]
    no_progress: bool,
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
        scenarios.push((file, matrix::select(select(variants, &options.variant)?, &options.cell)?));
    }
    RunStore::open(&options.out)?;
    let cancellation = CancellationToken::new();
    let interrupt = tokio::spawn(watch_for_interrupt(cancellation.clone()));
    let ended = Box::pin(run_scenarios(scenarios, options, &cancellation)).await;
    interrupt.abort();
    unless_interrupted(ended, cancellation.is_cancelled())
}

async fn run_scenarios(
    mut scenarios: Vec<(&PathBuf, Vec<Resolved>)>,
    options: &Options,
    cancellation: &CancellationToken,
) -> Result<Exit, Failure> {
    let mut all: Vec<_> = scenarios.iter_mut().map(|(_, variants)| variants).collect();
    // A look at servers goes to its end, whatever happens: it takes away what it tries.
    let kind = options.environment.choose(&mut all, options.quiet, cancellation).await?;
    let mut exit = Exit::AsExpected;
    for (file, variants) in scenarios {
        if cancellation.is_cancelled() {
            break;
        }
        exit = exit.merge(Box::pin(run_scenario(file, &variants, &kind, options, cancellation)).await?);
    }
    Ok(exit)
}

/// How it ended. An interrupt comes first: what failed after it is told, and is not how it ended.
pub(super) fn unless_interrupted(ended: Result<Exit, Failure>, is_interrupted: bool) -> Result<Exit, Failure> {
    if !is_interrupted {
        return ended;
    }
    if let Err(failure) = ended {
        eprintln!("torn: {}", runner::in_words(&failure.error));
    }
    Ok(Exit::Interrupted)
}

/// The first Ctrl-C (or SIGTERM) ends the run in order; the second ends the process, and the guard ends the rest.
pub(super) async fn watch_for_interrupt(cancellation: CancellationToken) {
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
    kind: &Kind,
    options: &Options,
    cancellation: &CancellationToken,
) -> Result<Exit, Failure> {
    let first = &variants[0];
    let started = time::OffsetDateTime::now_utc();
    let (store, mut folder) = RunStore::create(&options.out, &first.name, first.scenario.seed, started)?;
    let chatter = Chatter::choose(options.quiet, options.no_progress);
    let torn = std::env::current_exe().context("failed to find the torn program itself")?;
    let is_shared = Sharing::of(variants) == Sharing::Shared;
    let standing = is_shared.then(|| Standing::new(variants, kind, &folder.servers(), &torn));
    let invocation = Invocation { file, kind, options, cancellation, chatter, torn, standing };
    if chatter != Chatter::Quiet {
        eprintln!("{}: seed {}, plan {}", file.display(), first.scenario.seed, &first.plan_hash()[..12]);
    }
    let ended = match matrix::repeat(variants) {
        Some(repeat) => Box::pin(matrix::run(&invocation, variants, repeat, &mut folder)).await,
        None => Box::pin(run_variants(&invocation, variants, &mut folder)).await,
    };
    // Whatever became of the runs.
    if let Some(standing) = &invocation.standing {
        standing.down().await.context("failed to end the servers")?;
    }
    let exit = ended?;
    if let Some(count) = options.keep {
        store.keep(&first.name, count as usize)?;
    }
    Ok(exit)
}

/// Every variant once, side by side in the end.
async fn run_variants(
    invocation: &Invocation<'_>,
    variants: &[Resolved],
    folder: &mut ScenarioFolder,
) -> Result<Exit, Failure> {
    let mut exit = Exit::AsExpected;
    let mut finished = Vec::new();
    for (number, resolved) in variants.iter().enumerate() {
        let run_folder = folder.variant(&resolved.variant().name)?;
        let title = format!("{}/{} {}", number + 1, variants.len(), resolved.variant().name);
        let screen = Screen::open(invocation.chatter, &title);
        if let Some(failure) = invocation.carry_out(resolved, &run_folder, screen).await? {
            // There is a history as far as it came, and no verdict to rely on.
            eprintln!("torn: {}: {failure}", resolved.variant().name);
            eprintln!("torn: what was stored is in {}", run_folder.path().display());
            exit = exit.merge(Exit::Failed);
            break;
        }
        let run = judged::judge_and_report(run_folder)?;
        judged::print(&run.folder, &run.file, &run.judgement, invocation.options.format);
        exit = exit.merge(run.exit());
        finished.push(run);
        if invocation.cancellation.is_cancelled() {
            break;
        }
    }
    if !finished.is_empty() {
        judged::write_comparison(folder, &finished)?;
        folder.publish()?;
        if invocation.options.format == Format::Human {
            if let Some(table) = side_by_side::table(&finished, Paper::stdout()) {
                println!("{table}");
            }
            println!("{}", folder.comparison_html().display());
        }
    }
    Ok(exit)
}

/// What all runs of one scenario have in common.
pub(super) struct Invocation<'a> {
    file: &'a Path,
    kind: &'a Kind,
    pub(super) options: &'a Options,
    pub(super) cancellation: &'a CancellationToken,
    pub(super) chatter: Chatter,
    torn: PathBuf,
    /// Servers that stay up between the runs.
    standing: Option<Standing>,
}

impl Invocation<'_> {
    /// Carries out one run, and says why the harness or its environment failed, if it did.
    ///
    /// # Errors
    /// When the program does not find itself.
    pub(super) async fn carry_out(
        &self,
        resolved: &Resolved,
        folder: &RunFolder,
        screen: Screen,
    ) -> Result<Option<String>, Failure> {
        let request = RunRequest {
            resolved,
            folder,
            command: self.repeat_command(resolved),
            torn: self.torn.clone(),
            observer: screen.observer(),
            cancellation: self.cancellation.clone(),
            kind: self.kind,
            leaves_out_impossible: self.options.environment.leaves_out_impossible(),
            standing: self.standing.as_ref(),
            sweep: None,
        };
        let ended = Box::pin(runner::run(request)).await;
        drop(screen);
        Ok(match ended {
            Ok(ended) => ended.failure,
            Err(error) => Some(runner::in_words(&anyhow!(error))),
        })
    }

    /// The command that repeats one run, exactly.
    pub(super) fn repeat_command(&self, resolved: &Resolved) -> String {
        repeat_command(self.file, resolved, self.options)
    }
}

fn repeat_command(file: &Path, resolved: &Resolved, options: &Options) -> String {
    let mut words = vec!["torn".to_owned(), "run".to_owned(), file.display().to_string()];
    let cell = cell(resolved);
    words.extend(["--variant".to_owned(), cell.map_or(&resolved.variant().name, |cell| &cell.variant).clone()]);
    if let Some(cell) = cell {
        if !cell.values.is_empty() {
            words.extend(["--cell".to_owned(), cell.filter()]);
        }
        if resolved.scenario.matrix.as_ref().is_some_and(|matrix| matrix.repeat > 1) {
            words.extend(["--repeat".to_owned(), "1".to_owned()]);
        }
    }
    words.extend(["--seed".to_owned(), resolved.scenario.seed.to_string()]);
    for (flag, value) in
        [("--rate", options.rate.map(|rate| rate.to_string())), ("--duration", options.duration.clone())]
    {
        words.extend(value.into_iter().flat_map(|value| [flag.to_owned(), value]));
    }
    words.extend(options.environment.words());
    words.extend(options.set.iter().flat_map(|pair| ["--set".to_owned(), pair.clone()]));
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// `--seed` as an override.
pub(super) fn read_seed(text: Option<&str>) -> Result<Option<Override>, Failure> {
    let value = match text {
        None => return Ok(None),
        // Fits a TOML integer.
        Some("fresh") => (rand::random::<u64>() >> 33).to_string(),
        Some(text) if text.parse::<u64>().is_ok() => text.to_owned(),
        Some(text) => {
            let error = anyhow!("--seed {text}: expected a whole number, or \"fresh\" for one that is drawn");
            return Err(Failure::usage(error));
        }
    };
    Ok(Some(Override { key: "seed".to_owned(), value }))
}

/// Every `--set` as an override.
pub(super) fn read_sets(pairs: &[String]) -> Result<Vec<Override>, Failure> {
    let read = |pair: &String| match pair.split_once('=') {
        Some((key, value)) => Ok(Override { key: key.to_owned(), value: value.to_owned() }),
        None => Err(Failure::usage(anyhow!("--set {pair}: expected key=value, such as load.timeout=5s"))),
    };
    pairs.iter().map(read).collect()
}

/// A word as a shell reads it.
pub(super) fn quoted(word: &str) -> String {
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
        let mut overrides: Vec<Override> = read_seed(self.seed.as_deref())?.into_iter().collect();
        let mut add = |key: &str, value: String| overrides.push(Override { key: key.to_owned(), value });
        self.rate.iter().for_each(|rate| add("load.rate", rate.to_string()));
        self.duration.iter().for_each(|duration| add("load.duration", format!("\"{duration}\"")));
        self.repeat.iter().for_each(|times| add("matrix.repeat", times.to_string()));
        overrides.extend(read_sets(&self.set)?);
        Ok(overrides)
    }
}

pub(super) fn select(variants: Vec<Resolved>, names: &[String]) -> Result<Vec<Resolved>, Failure> {
    let name = |resolved: &Resolved| cell(resolved).map_or(&resolved.variant().name, |cell| &cell.variant).clone();
    let mut known: Vec<String> = Vec::new();
    for name in variants.iter().map(name) {
        if !known.contains(&name) {
            known.push(name);
        }
    }
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        let known = known.join(", ");
        return Err(Failure::usage(anyhow!(
            "--variant {unknown:?}: this scenario has no such variant; it has: {known}"
        )));
    }
    let is_wanted = |variant: &Resolved| names.is_empty() || names.contains(&name(variant));
    Ok(variants.into_iter().filter(is_wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_comes_before_whatever_failed_after_it() {
        let failed = || Err(anyhow!("a server did not stop").into());
        let usage = || Err(Failure::usage(anyhow!("no servers are given")));
        let exit = |ended, is_interrupted| unless_interrupted(ended, is_interrupted).map_err(|failure| failure.exit);
        for ended in [failed(), usage(), Ok(Exit::AsExpected), Ok(Exit::Failed)] {
            assert_eq!(exit(ended, true), Ok(Exit::Interrupted));
        }
        assert_eq!(exit(failed(), false), Err(Exit::Failed));
        assert_eq!(exit(usage(), false), Err(Exit::Usage));
        assert_eq!(exit(Ok(Exit::Unknown), false), Ok(Exit::Unknown));
    }
}
