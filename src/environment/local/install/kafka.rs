//! The broker's jars, from Maven Central, each with its pinned hash.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::component::tool;
use super::error::InstallError;
use crate::environment::local::cache::sha256;
use crate::process::tool::Tool;

const WHAT: &str = "Kafka";

/// What Maven is asked for.
const POM: &str = include_str!("kafka-pom.xml");

/// The plugin, with its version: a newer one could copy under other names.
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";

/// How the broker logs.
const LOGGING: &str = include_str!("kafka-log4j2.properties");

/// The SHA-256 of each jar, as `sha256sum` writes it.
const SUMS: &str = include_str!("kafka-jars.sha256");

/// Downloads the jars and looks at every one.
pub(super) async fn fetch(stage: &Path) -> Result<(), InstallError> {
    super::component::java(WHAT)?;
    let maven = tool(WHAT, "mvn", "maven")?;
    let (pom, logging, libs) = (stage.join("pom.xml"), stage.join("log4j2.properties"), stage.join("libs"));
    fs::write(&pom, POM).map_err(InstallError::file("cannot write", &pom))?;
    fs::write(&logging, LOGGING).map_err(InstallError::file("cannot write", &logging))?;
    Tool::new(maven)
        .arguments(["--quiet", "--batch-mode", COPY, "-DincludeScope=runtime"])
        .arguments([format!("-DoutputDirectory={}", libs.display())])
        .folder(stage)
        .run()
        .await
        .map_err(InstallError::tool(WHAT))?;
    verify(&libs, SUMS)
}

/// Whether a folder holds exactly the listed files.
fn verify(libs: &Path, sums: &str) -> Result<(), InstallError> {
    let mut pinned: BTreeMap<&str, &str> =
        sums.lines().filter_map(|line| line.split_once("  ")).map(|(sum, name)| (name, sum)).collect();
    for entry in fs::read_dir(libs).map_err(InstallError::file("cannot read", libs))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let found = sha256(&entry.path()).map_err(InstallError::file("cannot read", entry.path()))?;
        let pinned = pinned.remove(name.as_str()).unwrap_or("no such file");
        if found != pinned {
            return Err(InstallError::WrongHash { what: name, pinned: pinned.to_owned(), found });
        }
    }
    match pinned.keys().next() {
        Some(name) => Err(InstallError::Incomplete { what: WHAT, problem: format!("Maven did not bring {name}") }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jar_cut_short_a_missing_one_and_a_further_one_are_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let jar = folder.path().join("a.jar");
        fs::write(&jar, "whole").expect("it is writable");
        let sums = format!("{}  a.jar\n", sha256(&jar).expect("it is readable"));
        verify(folder.path(), &sums).expect("it is as pinned");
        fs::write(&jar, "who").expect("it is writable");
        assert!(matches!(verify(folder.path(), &sums), Err(InstallError::WrongHash { .. })));
        assert!(matches!(verify(folder.path(), ""), Err(InstallError::WrongHash { .. })));
        fs::remove_file(&jar).expect("it is there");
        assert!(matches!(verify(folder.path(), &sums), Err(InstallError::Incomplete { .. })));
    }
}
