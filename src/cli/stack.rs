//! `torn stack`: the servers that runs on this machine use.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Args, Subcommand};

use super::exit::Exit;
use super::standing::{self, StandArguments, UpArguments};
use crate::environment::docker::Docker;
use crate::environment::docker::leftovers::remove_leftovers;
use crate::environment::local::install::{ComponentStatus, install, status};
use crate::environment::local::{Cache, State};
use crate::environment::{Environment, EnvironmentError, Kind, Needs};
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
    /// Tell what is installed, what is missing, and whether servers stand.
    Status,
    /// Bring mongod and Kafka up and let them stand, for `--env external` and for looking around.
    Up(UpArguments),
    /// End the servers that stand, and remove containers that killed runs have left.
    Down,
    /// What `up` starts: holds the servers until it is told to end.
    #[command(hide = true)]
    Stand(StandArguments),
    /// Bring the whole stack up and hold it for a while: for trying what happens when the harness is killed.
    #[command(hide = true)]
    Hold {
        /// The id that marks its processes.
        #[arg(long)]
        run: String,
        /// A new folder for its data and logs.
        #[arg(long)]
        folder: PathBuf,
        /// In containers.
        #[arg(long)]
        docker: bool,
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
            standing::status()?;
            if components.iter().all(ComponentStatus::is_usable) {
                return Ok(0);
            }
            println!("something is missing; install it with: torn stack install");
            Ok(ENVIRONMENT_FAILED)
        }
        StackCommand::Up(arguments) => standing::up(&arguments).await.map(Exit::code),
        StackCommand::Stand(arguments) => Box::pin(standing::stand(arguments)).await.map(|()| 0),
        StackCommand::Down => down().await,
        StackCommand::Hold { run, folder, docker, seconds } => {
            Box::pin(hold(&run, folder, docker, Duration::from_secs(seconds))).await
        }
    }
}

async fn down() -> anyhow::Result<u8> {
    println!("{}", if standing::down().await? { "the servers have ended" } else { "no servers stood" });
    // Without a daemon no container is left either.
    if Docker::probe().await.is_ok() {
        for name in remove_leftovers().await.map_err(EnvironmentError::from)? {
            println!("removed {name}");
        }
    }
    Ok(0)
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

async fn hold(run: &str, folder: PathBuf, in_containers: bool, time: Duration) -> anyhow::Result<u8> {
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let (recorder, writer) = Recorder::create(&folder.join("history.jsonl"), Clock::start())?;
    let guard = std::env::current_exe().context("cannot tell where torn itself is")?;
    let (supervisor, _exits) = Supervisor::start(run, &folder.join("data"), &guard, recorder)?;
    let needs = Needs {
        kind: if in_containers { Kind::Docker } else { Kind::Local },
        nodes: vec![Node::Mongodb, Node::Kafka],
        links: vec![("api-1".to_owned(), Node::Mongodb), ("api-1".to_owned(), Node::Kafka)],
        services: vec!["api-1".to_owned()],
        log_folder: folder.join("logs"),
        ..Needs::default()
    };
    let held = async {
        let environment = Environment::up(&needs, &supervisor).await?;
        println!("ready");
        tokio::time::sleep(time).await;
        Box::pin(environment.down()).await
    };
    tokio::select! {
        held = held => held?,
        // In the middle of whatever it is: what is dropped and what the guard does must be enough.
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot listen for Ctrl-C")?,
    }
    supervisor.finish().await?;
    writer.finish()?;
    Ok(0)
}
