//! One run from its folder to its stored history. Whatever happens in between (Ctrl-C, a server that does not come up,
//! a panic), it ends in heal, stop and a history that says how far it came.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_util::sync::CancellationToken;

use super::context::{Context, Cut};
use super::event::Observer;
use super::host;
use super::names::Names;
use super::phases::{self, Played};
use super::stage::Stage;
use super::standing::Standing;
use super::sweep::Tried;
use crate::environment::Kind;
use crate::history::entry::{End, Entry, FORMAT, Header};
use crate::history::obligation::Obligations;
use crate::history::recorder::{Clock, Recorder};
use crate::process::{ProcessError, Supervisor};
use crate::scenario::resolved::Resolved;
use crate::store::{self, RunFile, RunFolder, StoreError};
use crate::sweep::order::SweepOrder;

/// One run, asked for.
pub struct RunRequest<'a> {
    /// What to run.
    pub resolved: &'a Resolved,
    /// Where to store it.
    pub folder: &'a RunFolder,
    /// The command that repeats it, for `run.json`.
    pub command: String,
    /// The `torn` program, to be started as the guard.
    pub torn: PathBuf,
    /// Who watches.
    pub observer: Observer,
    /// Ends the run in order.
    pub cancellation: CancellationToken,
    /// Where its servers come from.
    pub kind: &'a Kind,
    /// Whether faults may be left out that are not possible on these servers; else the run fails.
    pub leaves_out_impossible: bool,
    /// Servers that it shares with other runs; else it has its own.
    pub standing: Option<&'a Standing>,
    /// What to sweep, instead of a load.
    pub sweep: Option<&'a SweepOrder>,
}

/// How a stored run ended.
#[derive(Debug)]
pub struct Ended {
    /// Why the harness or its environment failed: there is a history, but no verdict to rely on.
    pub failure: Option<String>,
    /// What a sweep tried, if it came to its end.
    pub tried: Option<Tried>,
}

/// Why nothing was stored.
#[derive(Debug, Error)]
pub enum RunError {
    /// The folder cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The history cannot be written.
    #[error("failed to write the history: {0}")]
    History(std::io::Error),
    /// The guard does not start: processes could outlive the run.
    #[error(transparent)]
    Guard(#[from] ProcessError),
}

/// Carries out one run.
///
/// # Errors
/// When nothing could be stored. Everything else is a stored run, with its failure.
pub async fn run(request: RunRequest<'_>) -> Result<Ended, RunError> {
    let resolved = request.resolved;
    let names = Names::new(resolved, request.kind);
    let started = OffsetDateTime::now_utc();
    let clock = Clock::start();
    request.folder.write_run_file(&run_file(&request, started))?;
    let obligations = Arc::new(Mutex::new(Obligations::new(resolved)));
    let fed = Arc::clone(&obligations);
    let listener = Box::new(move |entry: &Entry| fed.lock().unwrap_or_else(PoisonError::into_inner).feed(entry));
    let (recorder, writer) =
        Recorder::create_with(&request.folder.history(), clock, listener).map_err(RunError::History)?;
    recorder.record(Entry::Run(header(resolved, &names, started)));

    let data = std::env::temp_dir().join(&names.run);
    let (supervisor, exits) = Supervisor::start(&names.run, &data, &request.torn, recorder.clone())?;
    let context = Context {
        resolved: resolved.clone(),
        names,
        logs: request.folder.logs(),
        recorder: recorder.clone(),
        obligations,
        observer: request.observer,
        cancellation: request.cancellation,
        standing: request.standing,
        sweep: request.sweep,
        kind: request.kind.clone(),
        leaves_out_impossible: request.leaves_out_impossible,
    };
    let mut stage = Stage::new(supervisor);
    // The stage is taken down below whatever state a panic left it in.
    let played = AssertUnwindSafe(Box::pin(phases::play(&context, &mut stage, exits))).catch_unwind().await;
    let played = played.unwrap_or_else(|panic| Err(Cut::Failed(format!("torn panicked: {}", say_panic(&*panic)))));
    let is_spoilt = stage.is_spoilt;
    let mut down = stage.down(&context).await;
    if let Some(standing) = request.standing {
        if played.is_ok() && down.is_ok() && !is_spoilt {
            standing.leave().await;
        } else {
            // What a cut run leaves behind is not known, nor what becomes of a fault that stays: the next one gets new
            // servers.
            let ended = standing.down().await;
            down = down.and(ended);
        }
    }
    let (planned, tried, cut) = match played {
        Ok(Played { planned, tried }) => (planned, tried, None),
        Err(cut) => (None, None, Some(cut)),
    };
    let mut failure = cut.as_ref().and_then(Cut::failure);
    failure = failure.or_else(|| down.err().map(|error| format!("failed to take the run down: {error:#}")));
    let reason = cut.map(|cut| cut.to_string());
    recorder.record(Entry::End(End { at: recorder.now(), complete: reason.is_none(), reason, planned }));
    drop((context, recorder));
    if let Err(error) = tokio::task::spawn_blocking(|| writer.finish()).await.unwrap_or_else(|error| Err(error.into()))
    {
        failure = Some(format!("failed to write the history: {error}; what is there can be checked, and is unknown"));
    }
    Ok(Ended { failure, tried })
}

fn run_file(request: &RunRequest<'_>, started: OffsetDateTime) -> RunFile {
    RunFile {
        format: store::run_file::FORMAT,
        resolved: request.resolved.clone(),
        seed: request.resolved.scenario.seed,
        plan: request.resolved.plan_hash(),
        versions: host::versions(request.resolved, request.kind),
        host: host::describe(),
        started: timestamp(started),
        environment: request.kind.name().to_owned(),
        command: request.command.clone(),
    }
}

fn header(resolved: &Resolved, names: &Names, started: OffsetDateTime) -> Header {
    Header {
        format: FORMAT,
        scenario: resolved.name.clone(),
        variant: resolved.variant().name.clone(),
        seed: resolved.scenario.seed,
        plan: resolved.plan_hash(),
        started: timestamp(started),
        database: names.database.clone(),
        topics: names.topics.clone(),
    }
}

fn timestamp(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).expect("a time of this millennium can be written")
}

fn say_panic(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}
