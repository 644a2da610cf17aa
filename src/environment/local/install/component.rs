//! The parts of the stack, and in which order they come.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::error::InstallError;
use super::{kafka, kafka_start, mongodb, python, toxiproxy};
use crate::environment::EnvironmentError;
use crate::environment::local::cache::{Cache, State};
use crate::environment::local::programs;
use crate::process::tool::find;

/// A part of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// mongod.
    Mongodb,
    /// The broker's jars.
    Kafka,
    /// What makes the broker start quickly; made on this machine from `Kafka`.
    KafkaStart,
    /// Toxiproxy's server.
    Toxiproxy,
    /// The drivers for services in Python.
    Python,
}

/// How a part of the stack stands.
#[derive(Debug, Clone)]
pub struct ComponentStatus {
    /// Which.
    pub component: Component,
    /// Its own program, if the user has one: it comes before the cache.
    pub own: Option<PathBuf>,
    /// What is in the cache.
    pub state: State,
    /// Where it is in the cache, or would be.
    pub path: PathBuf,
}

impl ComponentStatus {
    /// Whether a run can use it.
    pub fn is_usable(&self) -> bool {
        self.own.is_some() || self.state == State::Installed
    }
}

impl Component {
    /// All, in the order of their installation.
    pub const ALL: [Self; 5] = [Self::Mongodb, Self::Kafka, Self::KafkaStart, Self::Toxiproxy, Self::Python];

    /// Its folder in the cache.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mongodb => "mongodb",
            Self::Kafka => "kafka",
            Self::KafkaStart => "kafka-start",
            Self::Toxiproxy => "toxiproxy",
            Self::Python => "python",
        }
    }

    /// What is installed.
    pub fn version(self) -> &'static str {
        match self {
            Self::Mongodb => "mongod 6.0.5",
            Self::Kafka => "Kafka 4.1.0",
            Self::KafkaStart => "Kafka's storage template and class-data archive",
            Self::Toxiproxy => "Toxiproxy 2.5.0",
            Self::Python => "pymongo 4.15.4, confluent-kafka 2.12.2",
        }
    }

    /// The file that is started.
    fn program(self) -> &'static str {
        match self {
            Self::Mongodb => "bin/mongod",
            Self::Kafka => "libs",
            Self::KafkaStart => "classes.jsa",
            Self::Toxiproxy => "bin/server",
            Self::Python => "bin/python3",
        }
    }

    /// What the user has of it: it makes the part in the cache superfluous.
    fn own(self) -> Option<PathBuf> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let on_path = |name: &str| find(name, Path::new("."), &[]);
        match self {
            Self::Mongodb => variable("TORN_MONGOD").or_else(|| on_path("mongod")),
            Self::Kafka | Self::KafkaStart => variable("TORN_KAFKA_HOME"),
            Self::Toxiproxy => variable("TORN_TOXIPROXY").or_else(|| on_path("toxiproxy-server")),
            Self::Python => None,
        }
    }

    async fn fetch(self, cache: &Cache, stage: &Path) -> Result<(), InstallError> {
        match self {
            Self::Mongodb => mongodb::fetch(stage).await,
            Self::Kafka => kafka::fetch(stage).await,
            Self::KafkaStart => kafka_start::make(cache, stage).await,
            Self::Toxiproxy => toxiproxy::fetch(stage).await,
            Self::Python => python::make(stage).await,
        }
    }
}

/// How every part stands. Reads each installed file: about half a second.
pub fn status(cache: &Cache) -> Vec<ComponentStatus> {
    Component::ALL
        .into_iter()
        .map(|component| ComponentStatus {
            component,
            own: component.own(),
            state: cache.state(component.name()),
            path: cache.component(component.name()).join(component.program()),
        })
        .collect()
}

/// Installs what is missing or damaged; `tell` is given a line for each step.
///
/// # Errors
/// When a tool is missing or fails, or a download is not what was pinned. What was complete before stays.
pub async fn install(cache: &Cache, tell: impl Fn(&str)) -> Result<(), InstallError> {
    let system = (std::env::consts::OS, std::env::consts::ARCH);
    if system != ("linux", "x86_64") && !status(cache).iter().all(ComponentStatus::is_usable) {
        return Err(InstallError::OtherSystem(format!("{} on {}", system.0, system.1)));
    }
    let _lock = cache.lock(|| tell("another install is at work; waiting for it")).await?;
    for status in status(cache) {
        let (name, version) = (status.component.name(), status.component.version());
        match (&status.own, &status.state) {
            (Some(own), _) => {
                tell(&format!("{name}: using your own, {}", own.display()));
                continue;
            }
            (None, State::Installed) => {
                tell(&format!("{name}: {version} is there"));
                continue;
            }
            (None, State::Damaged(file)) => {
                tell(&format!("{name}: {} is not as it was installed; installing again", file.display()));
            }
            (None, State::Missing) => tell(&format!("{name}: installing {version}")),
        }
        let began = Instant::now();
        let stage = cache.stage(name)?;
        status.component.fetch(cache, stage.path()).await?;
        cache.publish(name, stage)?;
        tell(&format!("{name}: {version} installed in {:.1} s", began.elapsed().as_secs_f64()));
    }
    Ok(())
}

/// Finds a tool on PATH.
pub(super) fn tool(what: &'static str, tool: &'static str, package: &'static str) -> Result<PathBuf, InstallError> {
    find(tool, Path::new("."), &[]).ok_or(InstallError::ToolMissing { what, tool, package })
}

/// The Java runtime, for what is made on this machine.
pub(super) fn java(what: &'static str) -> Result<PathBuf, InstallError> {
    programs::java().map_err(|_| InstallError::ToolMissing { what, tool: "java", package: "openjdk-17-jdk-headless" })
}

/// What the local stack lacks on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lacking {
    /// Nothing: it is there.
    Nothing,
    /// Servers, which can be installed.
    Servers,
    /// What servers are installed with; in words.
    Means(String),
}

/// Whether the stack is there, or can be.
///
/// # Errors
/// When there is no place for the cache.
pub async fn lacking() -> Result<Lacking, EnvironmentError> {
    let cache = Cache::from_environment()?;
    // The drivers for Python are for services that want them.
    let is_server = |status: &ComponentStatus| !matches!(status.component, Component::Python | Component::KafkaStart);
    let components = status(&cache);
    let mut servers = components.iter().filter(|status| is_server(status));
    // The runtime may be in JAVA_HOME alone.
    let has_java = programs::java().is_ok();
    if servers.all(ComponentStatus::is_usable) && has_java {
        return Ok(Lacking::Nothing);
    }
    if (std::env::consts::OS, std::env::consts::ARCH) != ("linux", "x86_64") {
        return Ok(Lacking::Means("Linux on x86-64".to_owned()));
    }
    let java = (!has_java).then_some("java");
    let on_path = |program: &&str| find(program, Path::new("."), &[]).is_some();
    let missing: Vec<&str> =
        java.into_iter().chain(["mvn", "go", "python3"].into_iter().filter(|program| !on_path(program))).collect();
    Ok(if missing.is_empty() { Lacking::Servers } else { Lacking::Means(missing.join(", ")) })
}
