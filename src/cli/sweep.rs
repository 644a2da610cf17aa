//! `torn sweep`: every place where a crash or a cut can fall, tried.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::ValueEnum;
use tokio_util::sync::CancellationToken;

use super::exit::{Exit, Failure};
use super::external::EnvironmentOptions;
use super::judged::Format;
use super::paper::Paper;
use super::run::{read_seed, read_sets, select, unless_interrupted, watch_for_interrupt};
use super::sweep_table;
use super::terminal::{Chatter, Screen};
use crate::checker::{self, verdict::Verdict};
use crate::environment::Kind;
use crate::history::facts::Facts;
use crate::report;
use crate::run::{self as runner, RunRequest};
use crate::scenario::reader::{self, Override};
use crate::scenario::resolved::Resolved;
use crate::store::{self, RunStore, ScenarioFolder};
use crate::sweep::order::SweepOrder;
use crate::sweep::table::{self, CellVerdict, Sweep, VariantSweep};
use crate::sweep::verdict::fill;

/// `torn sweep`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The scenario file: its workload, variants and parameters; one instance of each role, no load, no faults of its own
    file: PathBuf,
    /// Sweep only these variants
    #[arg(long, value_name = "NAME")]
    variant: Vec<String>,
    /// The operation to sweep instead of the first that has an effect
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// What the client does when it gets no answer
    #[arg(long, value_enum, default_value_t)]
    retry: Retry,
    /// Try every point N times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: u32,
    /// Record the operation N times before; what is not in all of them varies
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    recordings: u32,
    /// How many entities are set up; each try takes one
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    keys: u32,
    /// The seed, or "fresh" for one that is drawn (and printed)
    #[arg(long, value_name = "N|fresh")]
    seed: Option<String>,
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
    /// How to print what came out
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Print what came out and errors only
    #[arg(long, short)]
    quiet: bool,
    /// No line that is drawn over
    #[arg(long)]
    no_progress: bool,
}

/// What a client does when it got no answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Retry {
    /// Nothing.
    #[default]
    None,
    /// It asks again under the same Idempotency-Key.
    SameKey,
    /// It asks again under another one.
    NewKey,
}

impl From<Retry> for table::Retry {
    fn from(retry: Retry) -> Self {
        match retry {
            Retry::None => Self::None,
            Retry::SameKey => Self::SameKey,
            Retry::NewKey => Self::NewKey,
        }
    }
}

/// Sweeps the variants of a scenario, one after another.
///
/// # Errors
/// When the scenario cannot be swept (before anything runs), or the results cannot be stored.
pub async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let mut overrides: Vec<Override> = read_seed(arguments.seed.as_deref())?.into_iter().collect();
    overrides.extend(read_sets(&arguments.set)?);
    let variants = reader::read(&arguments.file, &overrides).map_err(Failure::usage)?;
    let variants = select(variants, &arguments.variant)?;
    let order = order(&arguments, &variants[0])?;
    let variants: Vec<Resolved> = variants.iter().map(|resolved| order.apply(resolved)).collect();
    RunStore::open(&arguments.out)?;
    let cancellation = CancellationToken::new();
    let interrupt = tokio::spawn(watch_for_interrupt(cancellation.clone()));
    let ended = Box::pin(sweep_all(&arguments, &order, variants, &cancellation)).await;
    interrupt.abort();
    unless_interrupted(ended, cancellation.is_cancelled())
}

async fn sweep_all(
    arguments: &Arguments,
    order: &SweepOrder,
    mut variants: Vec<Resolved>,
    cancellation: &CancellationToken,
) -> Result<Exit, Failure> {
    let kind = arguments.environment.choose(&mut [&mut variants], arguments.quiet, cancellation).await?;
    let (name, seed) = (variants[0].name.clone(), variants[0].scenario.seed);
    let started = time::OffsetDateTime::now_utc();
    let (store, mut folder) = RunStore::create(&arguments.out, &name, seed, started)?;
    let chatter = Chatter::choose(arguments.quiet, arguments.no_progress);
    if chatter != Chatter::Quiet {
        let (file, operation) = (arguments.file.display(), &order.operation);
        eprintln!("{file}: seed {seed}, every message of one {operation}, in each of {} variants", variants.len());
    }
    let mut sweep = Sweep {
        format: table::FORMAT,
        scenario: name.clone(),
        seed,
        operation: order.operation.clone(),
        retry: order.retry,
        repeat: order.repeat,
        variants: Vec::new(),
    };
    let mut exit = Exit::AsExpected;
    for (number, resolved) in variants.iter().enumerate() {
        let title = format!("{}/{} {}", number + 1, variants.len(), resolved.variant().name);
        let one = One { arguments, order, kind: &kind, cancellation, chatter };
        let (swept, ended) = Box::pin(one.carry_out(resolved, &mut folder, &title)).await?;
        sweep.variants.push(swept);
        exit = exit.merge(ended);
        report::write_sweep(&folder, &sweep).context("failed to write the report")?;
        if cancellation.is_cancelled() {
            break;
        }
    }
    folder.publish()?;
    if let Some(count) = arguments.keep {
        store.keep(&name, count as usize)?;
    }
    print(arguments, &folder, &sweep);
    Ok(exit)
}

/// What is to be swept, where that is possible.
fn order(arguments: &Arguments, resolved: &Resolved) -> Result<SweepOrder, Failure> {
    let usage = |message: String| Failure::usage(anyhow!("{}: {message}", arguments.file.display()));
    let known = || resolved.manifest.operation.keys().cloned().collect::<Vec<_>>().join(", ");
    let operation = match &arguments.operation {
        Some(name) if resolved.manifest.operation.contains_key(name) => name.clone(),
        Some(name) => {
            return Err(usage(format!("--operation {name}: the workload has no such operation; it has: {}", known())));
        }
        None => SweepOrder::first_with_effect(resolved)
            .ok_or_else(|| {
                let known = known();
                usage(format!("no operation of the workload declares an effect; name one with --operation: {known}"))
            })?
            .to_owned(),
    };
    if resolved.nodes().is_empty() {
        return Err(usage("the workload has neither MongoDB nor Kafka: there is no message to sweep".to_owned()));
    }
    if resolved.scenario.has_cluster() {
        let message = "a sweep wants one server of each kind; run it with --set mongodb.nodes=1 --set kafka.brokers=1";
        return Err(usage(message.to_owned()));
    }
    if resolved.scenario.load.keys.is_empty() {
        return Err(usage("load.keys is empty: a sweep gives every try an entity of its own".to_owned()));
    }
    if let Some((role, _)) = resolved.processes().find(|(_, process)| process.url.is_some()) {
        return Err(usage(format!("{role} runs elsewhere (process.{role}.url): torn can neither kill nor restart it")));
    }
    let (repeat, recordings, keys) = (arguments.repeat, arguments.recordings, arguments.keys);
    Ok(SweepOrder { operation, retry: arguments.retry.into(), repeat, recordings, keys })
}

/// What the sweeps of all variants have in common.
struct One<'a> {
    arguments: &'a Arguments,
    order: &'a SweepOrder,
    kind: &'a Kind,
    cancellation: &'a CancellationToken,
    chatter: Chatter,
}

impl One<'_> {
    async fn carry_out(
        &self,
        resolved: &Resolved,
        folder: &mut ScenarioFolder,
        title: &str,
    ) -> Result<(VariantSweep, Exit), Failure> {
        let variant = resolved.variant().name.clone();
        let run_folder = folder.variant(&variant)?;
        let screen = Screen::open(self.chatter, title);
        let request = RunRequest {
            resolved,
            folder: &run_folder,
            command: repeat_command(self.arguments, self.order, resolved),
            torn: std::env::current_exe().context("failed to find the torn program itself")?,
            observer: screen.observer(),
            cancellation: self.cancellation.clone(),
            kind: self.kind,
            standing: None,
            leaves_out_impossible: false,
            sweep: Some(self.order),
        };
        let ended = Box::pin(runner::run(request)).await;
        drop(screen);
        let (failure, tried) = match ended {
            Ok(ended) => (ended.failure, ended.tried),
            Err(error) => (Some(runner::in_words(&anyhow!(error))), None),
        };
        let mut swept = VariantSweep {
            variant,
            folder: run_folder.name(),
            messages: Vec::new(),
            started: 0,
            seconds: 0.0,
            failure: None,
        };
        let Some(tried) = tried.filter(|_| failure.is_none()) else {
            let interrupted = self.cancellation.is_cancelled().then(|| "interrupted".to_owned());
            swept.failure = failure.or(interrupted).or_else(|| Some("the sweep did not come to its end".to_owned()));
            if let Some(failure) = &swept.failure {
                eprintln!("torn: {}: {failure}", swept.variant);
                eprintln!("torn: what was stored is in {}", run_folder.path().display());
            }
            return Ok((swept, Exit::Failed));
        };
        let mut facts = Facts::read_file(resolved, &run_folder.history())?;
        facts.examples_at_most = usize::MAX;
        let judgement = checker::judge_sweep(resolved, &facts);
        swept.messages = fill(tried.rows, &tried.trials, &judgement);
        swept.started = facts.load_started();
        swept.seconds = tried.took.as_secs_f64();
        let exit = exit(resolved, &swept, &judgement);
        Ok((swept, exit))
    }
}

/// A right pattern has no harmful point, a broken one has; what is unknown proves neither.
fn exit(resolved: &Resolved, swept: &VariantSweep, judgement: &checker::SweepJudgement) -> Exit {
    let verdict = match (swept.count(CellVerdict::Harmful), swept.count(CellVerdict::Unknown)) {
        (0, 0) => Verdict::Valid,
        (0, _) => Verdict::Unknown,
        _ => Verdict::Invalid,
    };
    let objections = checker::objections(&resolved.variant().expect, verdict, &judgement.anomalies);
    for objection in &objections {
        eprintln!("torn: {}: not as expected: {objection}", swept.variant);
    }
    match (objections.is_empty(), verdict) {
        (_, Verdict::Unknown) => Exit::Unknown,
        (true, _) => Exit::AsExpected,
        (false, _) => Exit::NotAsExpected,
    }
}

/// The command that repeats the sweep of one variant, exactly.
fn repeat_command(arguments: &Arguments, order: &SweepOrder, resolved: &Resolved) -> String {
    let retry = match order.retry {
        table::Retry::None => "none",
        table::Retry::SameKey => "same-key",
        table::Retry::NewKey => "new-key",
    };
    let mut words = vec!["torn".to_owned(), "sweep".to_owned(), arguments.file.display().to_string()];
    for (flag, value) in [
        ("--variant", resolved.variant().name.clone()),
        ("--operation", order.operation.clone()),
        ("--retry", retry.to_owned()),
        ("--repeat", order.repeat.to_string()),
        ("--recordings", order.recordings.to_string()),
        ("--keys", order.keys.to_string()),
        ("--seed", resolved.scenario.seed.to_string()),
    ] {
        words.extend([flag.to_owned(), value]);
    }
    words.extend(arguments.environment.words());
    words.extend(arguments.set.iter().flat_map(|pair| ["--set".to_owned(), pair.clone()]));
    words.iter().map(|word| super::run::quoted(word)).collect::<Vec<_>>().join(" ")
}

fn print(arguments: &Arguments, folder: &ScenarioFolder, sweep: &Sweep) {
    match arguments.format {
        Format::Human => {
            println!("{}", sweep_table::table(sweep, Paper::stdout()));
            println!("{}", folder.sweep_html().display());
        }
        Format::Json => {
            for variant in &sweep.variants {
                let harmful: Vec<String> = variant
                    .points()
                    .filter(|(_, cell)| cell.verdict == CellVerdict::Harmful)
                    .map(|(point, _)| point.to_string())
                    .collect();
                let line = serde_json::json!({
                    "run": folder.path().join(&variant.folder),
                    "scenario": sweep.scenario,
                    "variant": variant.variant,
                    "seed": sweep.seed,
                    "operation": sweep.operation,
                    "points": variant.points().count(),
                    "harmful": harmful,
                    "unknown": variant.count(CellVerdict::Unknown),
                    "seconds": variant.seconds,
                    "failure": variant.failure,
                });
                println!("{line}");
            }
        }
    }
}
