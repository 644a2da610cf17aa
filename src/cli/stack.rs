//! `torn stack`: the servers that runs on this machine use.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::environment::local::install::{ComponentStatus, install, status};
use crate::environment::local::{Cache, State};
use crate::environment::{Environment, Needs};
use crate::history::recorder::{Clock, Recorder};
use crate::process::Supervisor;
use crate::scenario::manifest::Node;

/// The exit code when the environment is not as it must be.
pub(super) const ENVIRONMENT_FAILED: u8 = 3;

/// Install or look at the local stack: mongod, Kafka, Toxiproxy, and the drivers for Python services.
#[derive(Debug, Args)]
pub struct StackArguments {
    #[command(subcommand)]
    command: StackCommand,
}

#[derive(Debug, Subcommand)]
enum StackCommand {
    /// Install what is missing into the cache: the folder `$TORN_CACHE`, else `~/.cache/tornwrite`.
    Install,
    /// Tell what is there, where, and what is missing.
    Status,
    /// Bring the whole stack up and hold it for a while: for trying what happens when the harness is killed.
    #[command(hide = true)]
    Hold {
        /// The id that marks its processes.
        #[arg(long)]
        run: String,
        /// A new folder for its data and logs.
        #[arg(long)]
        folder: PathBuf,
        /// How many seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
}

/// Does it; the exit code.
///
/// # Errors
/// When the cache, a download or a server fails.
pub async fn run(arguments: StackArguments) -> anyhow::Result<u8> {
    match arguments.command {
        StackCommand::Install => {
            let cache = Cache::from_environment()?;
            let began = Instant::now();
            install(&cache, |line| eprintln!("{line}")).await?;
            eprintln!("the stack is in {} ({:.1} s)", cache.root().display(), began.elapsed().as_secs_f64());
            Ok(0)
        }
        StackCommand::Status => {
            let cache = Cache::from_environment()?;
            let components = status(&cache);
            for component in &components {
                println!("{}", line(component));
            }
            if components.iter().all(ComponentStatus::is_usable) {
                return Ok(0);
            }
            println!("something is missing; install it with: torn stack install");
            Ok(ENVIRONMENT_FAILED)
        }
        StackCommand::Hold { run, folder, seconds } => hold(&run, folder, Duration::from_secs(seconds)).await,
    }
}

/// One part of the stack as a line.
pub(super) fn line(status: &ComponentStatus) -> String {
    let (name, version) = (status.component.name(), status.component.version());
    match (&status.own, &status.state) {
        (Some(own), _) => format!("{name:<12} your own       {}", own.display()),
        (None, State::Installed) => format!("{name:<12} installed      {}  ({version})", status.path.display()),
        (None, State::Missing) => format!("{name:<12} missing        ({version})"),
        (None, State::Damaged(file)) => format!("{name:<12} damaged        {}  ({version})", file.display()),
    }
}

async fn hold(run: &str, folder: PathBuf, time: Duration) -> anyhow::Result<u8> {
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let (recorder, writer) = Recorder::create(&folder.join("history.jsonl"), Clock::start())?;
    let guard = std::env::current_exe().context("cannot tell where torn itself is")?;
    let (supervisor, _exits) = Supervisor::start(run, &folder.join("data"), &guard, recorder)?;
    let needs = Needs {
        nodes: vec![Node::Mongodb, Node::Kafka],
        links: vec![("api-1".to_owned(), Node::Mongodb), ("api-1".to_owned(), Node::Kafka)],
        services: vec!["api-1".to_owned()],
        log_folder: folder.join("logs"),
        ..Needs::default()
    };
    let environment = Environment::up(&needs, &supervisor).await?;
    println!("ready");
    tokio::time::sleep(time).await;
    environment.down().await?;
    supervisor.finish().await?;
    writer.finish()?;
    Ok(0)
}
