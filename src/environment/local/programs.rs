//! Where the servers' programs are: a user's own come first, then the cache.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::cache::Cache;
use crate::environment::{EnvironmentError, Needs};
use crate::process::tool::find;
use crate::scenario::manifest::Node;

/// The programs that a run needs.
#[derive(Debug, Clone)]
pub struct Programs {
    /// mongod.
    pub mongod: Option<PathBuf>,
    /// Kafka.
    pub kafka: Option<KafkaProgram>,
    /// Toxiproxy's server.
    pub toxiproxy: Option<PathBuf>,
}

/// What starts a Kafka broker.
#[derive(Debug, Clone)]
pub struct KafkaProgram {
    /// The Java runtime.
    pub java: PathBuf,
    /// Its jars, always in the same order: the class-data archive demands it.
    pub jars: Vec<PathBuf>,
    /// Kafka's folder: the one that holds `libs`.
    pub home: PathBuf,
    /// How it logs.
    pub logging: Option<PathBuf>,
    /// A formatted storage's `bootstrap.checkpoint`.
    pub template: Option<PathBuf>,
    /// A class-data archive: it halves the time to start.
    pub archive: Option<PathBuf>,
}

impl Programs {
    /// Finds what is needed.
    ///
    /// # Errors
    /// When something is not installed, or what the user named is not usable.
    pub fn find(needs: &Needs) -> Result<Self, EnvironmentError> {
        let cache = Cache::from_environment()?;
        let with = |node| needs.nodes.contains(&node);
        Ok(Self {
            mongod: with(Node::Mongodb).then(|| mongod(&cache)).transpose()?,
            kafka: with(Node::Kafka).then(|| KafkaProgram::find(&cache)).transpose()?,
            toxiproxy: needs.has_links().then(|| toxiproxy(&cache)).transpose()?,
        })
    }
}

/// mongod: `TORN_MONGOD`, PATH, the cache.
pub fn mongod(cache: &Cache) -> Result<PathBuf, EnvironmentError> {
    own_or_cached("MongoDB", "TORN_MONGOD", "mongod", cache.file("mongodb", "bin/mongod"))
}

/// Toxiproxy's server: `TORN_TOXIPROXY`, PATH, the cache.
pub fn toxiproxy(cache: &Cache) -> Result<PathBuf, EnvironmentError> {
    own_or_cached("Toxiproxy", "TORN_TOXIPROXY", "toxiproxy-server", cache.file("toxiproxy", "bin/server"))
}

impl KafkaProgram {
    /// Kafka: `TORN_KAFKA_HOME`, the cache.
    ///
    /// # Errors
    /// When it is nowhere, or there is no Java runtime.
    pub fn find(cache: &Cache) -> Result<Self, EnvironmentError> {
        let java = java()?;
        if let Some(home) = variable("TORN_KAFKA_HOME") {
            let jars = jars(&home);
            if jars.is_empty() {
                let expected = "has no libs/*.jar; name the folder of an unpacked Kafka";
                return Err(EnvironmentError::Unusable { variable: "TORN_KAFKA_HOME", path: home, expected });
            }
            let logging = cache.file("kafka", "log4j2.properties");
            return Ok(Self { java, jars, home, logging, template: None, archive: None });
        }
        let home = cache.component("kafka");
        let jars = jars(&home);
        if jars.is_empty() {
            return Err(EnvironmentError::NotInstalled { server: "Kafka", variable: "TORN_KAFKA_HOME" });
        }
        Ok(Self {
            java,
            jars,
            logging: cache.file("kafka", "log4j2.properties"),
            template: cache.file("kafka-start", "bootstrap.checkpoint"),
            archive: cache.file("kafka-start", "classes.jsa"),
            home,
        })
    }

    /// The runtime's own arguments, up to the main class.
    pub fn java_arguments(&self) -> Vec<OsString> {
        // Small, and quick to start: a broker of a test lives for a minute.
        let mut arguments: Vec<OsString> =
            ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"]
                .into_iter()
                .map(OsString::from)
                .collect();
        if let Some(archive) = &self.archive {
            arguments.push("-Xshare:auto".into());
            arguments.push(joined("-XX:SharedArchiveFile=", archive));
        }
        if let Some(logging) = &self.logging {
            arguments.push(joined("-Dlog4j2.configurationFile=", logging));
        }
        arguments.push("-cp".into());
        arguments.push(std::env::join_paths(&self.jars).unwrap_or_else(|_| self.home.join("libs/*").into()));
        arguments
    }
}

/// The Java runtime: `JAVA_HOME`, PATH.
pub fn java() -> Result<PathBuf, EnvironmentError> {
    let home = variable("JAVA_HOME").map(|home| home.join("bin"));
    find("java", Path::new("."), home.as_slice()).ok_or(EnvironmentError::NotInstalled {
        server: "a Java runtime (apt-get install openjdk-17-jdk-headless)",
        variable: "JAVA_HOME",
    })
}

fn own_or_cached(
    server: &'static str,
    name: &'static str,
    program: &str,
    cached: Option<PathBuf>,
) -> Result<PathBuf, EnvironmentError> {
    if let Some(path) = variable(name) {
        let expected = "is not a program that can be run";
        let found = find(&path.to_string_lossy(), Path::new("."), &[]);
        return found.ok_or(EnvironmentError::Unusable { variable: name, path, expected });
    }
    find(program, Path::new("."), &[]).or(cached).ok_or(EnvironmentError::NotInstalled { server, variable: name })
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn jars(home: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(home.join("libs")).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut jars: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "jar")).collect();
    jars.sort();
    jars
}

fn joined(option: &str, path: &Path) -> OsString {
    let mut joined = OsString::from(option);
    joined.push(path);
    joined
}
