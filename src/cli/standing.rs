//! `torn stack up`, `down`: the local servers standing, for looking around and for `--env external`.
//!
//! The servers belong to a process of their own that goes on when `up` has ended. What it holds is told in one folder:
//!
//! ```text
//! <cache>/standing/
//!   holder          its process id
//!   external.toml   written once all serves: what `--external` reads
//!   holder.log, logs/*.log
//! ```

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::exit::Exit;
use crate::environment::local::{Cache, Ports};
use crate::environment::{Environment, Needs};
use crate::history::recorder::{Clock, Recorder};
use crate::link::LinkSpec;
use crate::process::{Supervisor, last_lines};
use crate::scenario::manifest::Node;

/// How long the servers may take to come up, and to end.
const UP_WITHIN: Duration = Duration::from_secs(120);
const DOWN_WITHIN: Duration = Duration::from_secs(30);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// How many services can be cut off from Kafka at once: each needs a listener that advertises its own link.
const SPARE_LISTENERS: u32 = 8;

/// `torn stack up`.
#[derive(Debug, Args)]
pub struct UpArguments {
    /// `MongoDB`'s port
    #[arg(long, default_value_t = 27017)]
    mongodb_port: u16,
    /// Kafka's port
    #[arg(long, default_value_t = 9092)]
    kafka_port: u16,
}

/// The process that holds the servers, started by `up`.
#[derive(Debug, Args)]
pub struct StandArguments {
    #[command(flatten)]
    ports: UpArguments,
    /// The folder that tells of it.
    #[arg(long)]
    folder: PathBuf,
}

/// What `--external` reads.
#[derive(Debug, Serialize)]
struct External {
    mongodb: ExternalMongodb,
    kafka: ExternalKafka,
}

#[derive(Debug, Serialize)]
struct ExternalMongodb {
    uri: String,
}

#[derive(Debug, Serialize)]
struct ExternalKafka {
    bootstrap: String,
    listeners: Vec<ExternalListener>,
}

#[derive(Debug, Serialize)]
struct ExternalListener {
    listen: String,
    upstream: String,
}

/// The folder that tells of standing servers.
fn folder() -> anyhow::Result<PathBuf> {
    Ok(Cache::from_environment()?.root().join("standing"))
}

/// Brings the servers up and leaves them to a process of their own; the exit. On Ctrl-C they end once they are up.
///
/// # Errors
/// When they stand already, a port is taken, or they do not come up.
pub async fn up(arguments: &UpArguments) -> anyhow::Result<Exit> {
    let folder = folder()?;
    if let Some(pid) = holder(&folder) {
        bail!("the servers stand already (process {pid}); end them with: torn stack down");
    }
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let log = folder.join("holder.log");
    let output = std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut child = std::process::Command::new(std::env::current_exe()?)
        .args(["stack", "stand", "--folder"])
        .arg(&folder)
        .args(["--mongodb-port", &arguments.mongodb_port.to_string()])
        .args(["--kafka-port", &arguments.kafka_port.to_string()])
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        // Not in the group of whoever calls: a Ctrl-C in a script must end the run there, and not its servers.
        .process_group(0)
        .spawn()
        .context("failed to start the process that holds the servers")?;
    std::fs::write(folder.join("holder"), child.id().to_string())?;
    let pid = Pid::from_raw(child.id().cast_signed());
    let deadline = Instant::now() + UP_WITHIN;
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    while !external(&folder).exists() {
        if let Some(status) = child.try_wait()? {
            let said = last_lines(&log, 20).join("\n");
            let _ = std::fs::remove_file(folder.join("holder"));
            bail!("the servers did not come up ({status}):\n{said}");
        }
        if Instant::now() > deadline {
            let _ = kill(pid, Signal::SIGTERM);
            bail!("the servers do not serve after {} s; see {}", UP_WITHIN.as_secs(), log.display());
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = &mut interrupt => {
                kill(pid, Signal::SIGTERM).context("failed to end the process that holds the servers")?;
                return Ok(Exit::Interrupted);
            }
        }
    }
    tell(&folder);
    Ok(Exit::AsExpected)
}

/// Ends the servers; whether there were any.
///
/// # Errors
/// When they do not end.
pub async fn down() -> anyhow::Result<bool> {
    let folder = folder()?;
    let Some(pid) = holder(&folder) else { return Ok(false) };
    kill(Pid::from_raw(pid), Signal::SIGTERM).context("failed to end the process that holds the servers")?;
    let deadline = Instant::now() + DOWN_WITHIN;
    while holder(&folder).is_some() {
        if Instant::now() > deadline {
            bail!("process {pid} is still there after {} s; see {}", DOWN_WITHIN.as_secs(), folder.display());
        }
        tokio::time::sleep(PAUSE).await;
    }
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    Ok(true)
}

/// Says where the servers are, if they stand.
///
/// # Errors
/// When there is no place for the cache.
pub fn status() -> anyhow::Result<()> {
    let folder = folder()?;
    match holder(&folder) {
        Some(_) if external(&folder).exists() => tell(&folder),
        Some(pid) => println!("the servers are coming up (process {pid})"),
        None => println!("no servers stand; bring them up with: torn stack up"),
    }
    Ok(())
}

fn tell(folder: &Path) {
    let file = external(folder);
    println!("the servers stand; {}:\n", file.display());
    println!("{}", std::fs::read_to_string(&file).unwrap_or_default().trim_end());
    println!("\nrun on them:  torn run FILE --env external --external {}", file.display());
    println!("end them:     torn stack down");
}

fn external(folder: &Path) -> PathBuf {
    folder.join("external.toml")
}

/// The process that holds the servers, if it lives. A number may belong to somebody else by now.
fn holder(folder: &Path) -> Option<i32> {
    let pid: i32 = std::fs::read_to_string(folder.join("holder")).ok()?.trim().parse().ok()?;
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<&[u8]> = command.split(|byte| *byte == 0).collect();
    words.windows(2).any(|pair| pair == [b"stack".as_slice(), b"stand"]).then_some(pid)
}

/// What the process does that holds the servers.
///
/// # Errors
/// When they do not come up, or not down.
pub async fn stand(arguments: StandArguments) -> anyhow::Result<()> {
    let StandArguments { ports, folder } = arguments;
    let mut terminate = signal(SignalKind::terminate())?;
    for (port, flag) in [(ports.mongodb_port, "--mongodb-port"), (ports.kafka_port, "--kafka-port")] {
        if let Err(error) = std::net::TcpListener::bind(("127.0.0.1", port)) {
            bail!("port {port} of 127.0.0.1 is taken ({error}); end who has it, or choose another with {flag}");
        }
    }
    let (recorder, writer) = Recorder::create(&folder.join("history.jsonl"), Clock::start())?;
    let run = format!("torn-standing-{}", std::process::id());
    let data = std::env::temp_dir().join(&run);
    let (supervisor, mut exits) = Supervisor::start(&run, &data, &std::env::current_exe()?, recorder)?;
    let spare = |number| (format!("spare-{number}"), Node::Kafka);
    let needs = Needs {
        nodes: vec![Node::Mongodb, Node::Kafka],
        links: (1..=SPARE_LISTENERS).map(spare).collect(),
        log_folder: folder.join("logs"),
        fixed_ports: Some((ports.mongodb_port, ports.kafka_port)),
        ..Needs::default()
    };
    let environment = Environment::up_on(&needs, &supervisor, Ports::new()?).await?;
    write_external(&folder, &environment)?;
    tokio::select! {
        _ = terminate.recv() => {}
        Some(exit) = exits.recv() => eprintln!("{exit}"),
    }
    environment.down().await?;
    supervisor.finish().await?;
    writer.finish()?;
    Ok(())
}

fn write_external(folder: &Path, environment: &Environment) -> anyhow::Result<()> {
    let listener =
        |spec: LinkSpec| ExternalListener { listen: spec.listen.to_string(), upstream: spec.upstream.to_string() };
    let told = External {
        mongodb: ExternalMongodb { uri: environment.mongodb_members()?.remove(0).1 },
        kafka: ExternalKafka {
            bootstrap: environment.kafka_members()?.remove(0).1,
            listeners: environment.link_specs().into_iter().map(listener).collect(),
        },
    };
    let partial = folder.join(".external.toml");
    std::fs::write(&partial, toml::to_string(&told)?)?;
    std::fs::rename(&partial, external(folder)).context("failed to write external.toml")
}
