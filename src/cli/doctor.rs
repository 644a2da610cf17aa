//! `torn doctor`: what this machine lacks, and the command that brings it.

use std::path::{Path, PathBuf};

use clap::Args;

use super::stack::{ENVIRONMENT_FAILED, line};
use crate::environment::EnvironmentError;
use crate::environment::docker::Docker;
use crate::environment::local::Cache;
use crate::environment::local::install::{ComponentStatus, status};
use crate::process::tool::{Tool, find};
use crate::process::{HostsError, HostsWay};

/// Say what is missing on this machine, and the command that brings it.
#[derive(Debug, Args)]
pub struct DoctorArguments {}

/// What something is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Building tornwrite.
    Build,
    /// Running the local stack.
    Stack,
    /// Running clusters on it; not needed for one server of each kind.
    Clusters,
    /// Installing the local stack; not needed once it is there.
    Install,
    /// Passing the tests; not needed to run anything.
    Tests,
}

/// One thing to look for.
#[derive(Debug)]
struct Requirement {
    name: &'static str,
    package: &'static str,
    purpose: Purpose,
    is_there: bool,
}

/// The oldest Java that runs the broker.
const OLDEST_JAVA: u32 = 17;

/// Looks; 0 when all that is needed is there, else 3.
///
/// # Errors
/// When there is no place for the cache.
pub async fn run(_: DoctorArguments) -> anyhow::Result<u8> {
    println!("system: {} on {}", std::env::consts::OS, std::env::consts::ARCH);
    if let Some(advice) = other_system(std::env::consts::OS, std::env::consts::ARCH) {
        println!("{advice}");
    }
    let requirements = look().await;
    for requirement in &requirements {
        println!("{}", requirement_line(requirement));
    }
    let components = status(&Cache::from_environment()?);
    for component in &components {
        println!("{}", line(component));
    }
    println!("{}", cluster_line(HostsWay::find().await));
    println!("{}", docker_line(Docker::probe().await));
    let stack_is_there = components.iter().all(ComponentStatus::is_usable);
    let missing: Vec<&Requirement> = requirements.iter().filter(|requirement| !requirement.is_there).collect();
    if let Some(command) = apt_get(&missing) {
        println!("\nto bring what is missing, on Debian: {command}");
    }
    let is_fit = !missing.iter().any(|requirement| is_needed(requirement.purpose, stack_is_there));
    if !stack_is_there {
        println!("\nto install the servers: torn stack install");
    }
    if is_fit && stack_is_there {
        println!("\nall that is needed to run is there");
        return Ok(0);
    }
    Ok(ENVIRONMENT_FAILED)
}

/// Whether clusters can run: each of their processes needs names of its own.
fn cluster_line(way: Result<HostsWay, HostsError>) -> String {
    match way {
        Ok(way) => format!("{:<20} possible, by {way}", "clusters"),
        Err(error) => format!("{:<20} not possible: {error}", "clusters"),
    }
}

/// Whether `--env docker` can run.
fn docker_line(probed: Result<(), EnvironmentError>) -> String {
    match probed {
        Ok(()) => format!("{:<20} possible", "--env docker"),
        Err(error) => format!("{:<20} not possible: {error}", "--env docker"),
    }
}

async fn look() -> Vec<Requirement> {
    let on_path = |program: &str| find(program, Path::new("."), &[]).is_some();
    let header = |name: &str| has_header(Path::new("/usr/include"), name);
    let succeeds = async |program: &str, arguments: &[&str]| {
        Tool::new(program).arguments(arguments.iter().copied()).run().await.is_ok()
    };
    let requirement = |name, package, purpose, is_there| Requirement { name, package, purpose, is_there };
    vec![
        requirement("C compiler (cc)", "gcc", Purpose::Build, on_path("cc")),
        requirement("C++ compiler (c++)", "g++", Purpose::Build, on_path("c++")),
        requirement("make", "make", Purpose::Build, on_path("make")),
        requirement("pkg-config", "pkg-config", Purpose::Build, on_path("pkg-config")),
        requirement("OpenSSL headers", "libssl-dev", Purpose::Build, header("openssl/ssl.h")),
        requirement("zlib headers", "zlib1g-dev", Purpose::Build, header("zlib.h")),
        requirement("Java 17 or newer", "openjdk-17-jdk-headless", Purpose::Stack, has_java().await),
        requirement("Maven (mvn)", "maven", Purpose::Install, on_path("mvn")),
        requirement("Go", "golang-go", Purpose::Install, on_path("go")),
        requirement("Python 3", "python3", Purpose::Stack, on_path("python3")),
        requirement("pip", "python3-pip", Purpose::Install, succeeds("python3", &["-m", "pip", "--version"]).await),
        requirement(
            "venv",
            "python3-venv",
            Purpose::Install,
            succeeds("python3", &["-c", "import venv, ensurepip"]).await,
        ),
        requirement("libcurl", "libcurl4", Purpose::Stack, has_library("libcurl.so.4")),
        requirement("names of one's own", "libnss-wrapper", Purpose::Clusters, HostsWay::find().await.is_ok()),
        requirement("Chromium", "chromium", Purpose::Tests, on_path("chromium")),
    ]
}

fn requirement_line(requirement: &Requirement) -> String {
    let purpose = match requirement.purpose {
        Purpose::Build => "to build tornwrite",
        Purpose::Stack => "to run the local stack",
        Purpose::Clusters => "to run clusters, except as root",
        Purpose::Install => "to install the local stack",
        Purpose::Tests => "for the tests of the report",
    };
    if requirement.is_there {
        format!("{:<20} there", requirement.name)
    } else {
        format!("{:<20} MISSING  {purpose}: apt-get install {}", requirement.name, requirement.package)
    }
}

/// Whether nothing runs without it.
fn is_needed(purpose: Purpose, stack_is_there: bool) -> bool {
    match purpose {
        Purpose::Build | Purpose::Stack => true,
        Purpose::Install => !stack_is_there,
        Purpose::Clusters | Purpose::Tests => false,
    }
}

/// One command for all.
fn apt_get(missing: &[&Requirement]) -> Option<String> {
    let packages: Vec<&str> = missing.iter().map(|requirement| requirement.package).collect();
    (!packages.is_empty()).then(|| format!("apt-get update && apt-get install --yes {}", packages.join(" ")))
}

/// What to do where the local stack does not run.
fn other_system(system: &str, architecture: &str) -> Option<&'static str> {
    match (system, architecture) {
        ("linux", "x86_64") => None,
        ("linux", _) => Some(
            "the local stack is for x86-64; the better way here is Docker: docker compose up (docker-compose.yml), or \
             your own servers by TORN_MONGOD, TORN_KAFKA_HOME and TORN_TOXIPROXY",
        ),
        _ => Some(
            "the harness and its local stack are for Linux; the better way here is a Linux machine or container with \
             x86-64, such as Docker's debian:bookworm with Rust and git, and `make demo` in it",
        ),
    }
}

async fn has_java() -> bool {
    let Ok(told) = Tool::new("java").arguments(["--version"]).run().await else { return false };
    java_version(&told).is_some_and(|version| version >= OLDEST_JAVA)
}

/// 17 of `openjdk 17.0.15 2025-04-15`.
fn java_version(told: &str) -> Option<u32> {
    told.split_whitespace().nth(1)?.split(['.', '-', '+']).next()?.parse().ok()
}

fn has_header(root: &Path, name: &str) -> bool {
    root.join(name).is_file() || root.join("x86_64-linux-gnu").join(name).is_file()
}

fn has_library(name: &str) -> bool {
    ["/lib", "/usr/lib", "/lib64", "/usr/lib64", "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu"]
        .into_iter()
        .any(|folder| PathBuf::from(folder).join(name).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_java_is_read_from_what_every_vendor_prints() {
        assert_eq!(java_version("openjdk 17.0.15 2025-04-15"), Some(17));
        assert_eq!(java_version("java 21-ea 2023-09-19"), Some(21));
        assert_eq!(java_version("nonsense"), None);
    }

    #[test]
    fn one_command_brings_all_that_is_missing() {
        let missing = |name, package| Requirement { name, package, purpose: Purpose::Stack, is_there: false };
        let (go, maven) = (missing("Go", "golang-go"), missing("Maven", "maven"));
        let command = apt_get(&[&go, &maven]).expect("two are missing");
        assert_eq!(command, "apt-get update && apt-get install --yes golang-go maven");
        assert!(apt_get(&[]).is_none());
        assert!(requirement_line(&go).contains("MISSING  to run the local stack: apt-get install golang-go"));
    }

    #[test]
    fn what_installed_the_stack_is_needed_no_more_once_it_is_there() {
        assert!(is_needed(Purpose::Install, false) && !is_needed(Purpose::Install, true));
        assert!(is_needed(Purpose::Stack, true) && !is_needed(Purpose::Tests, false));
    }

    #[test]
    fn what_only_clusters_need_is_named_with_its_package_and_keeps_nobody_from_running_one_server() {
        let name = "names of one's own";
        let names = Requirement { name, package: "libnss-wrapper", purpose: Purpose::Clusters, is_there: false };
        assert!(!is_needed(Purpose::Clusters, false));
        assert!(requirement_line(&names).contains("MISSING  to run clusters, except as root: apt-get install libnss-"));
        assert!(apt_get(&[&names]).is_some_and(|command| command.ends_with("libnss-wrapper")));
    }

    #[test]
    fn elsewhere_than_on_x86_64_linux_another_way_is_named() {
        assert!(other_system("linux", "x86_64").is_none());
        assert!(other_system("linux", "aarch64").is_some_and(|advice| advice.contains("docker compose up")));
        assert!(other_system("macos", "aarch64").is_some_and(|advice| advice.contains("container")));
    }
}
