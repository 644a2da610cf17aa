//! What to run for one instance, with every template filled in.

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indexmap::IndexMap;

use super::error::ServiceError;
use crate::environment::local::Cache;
use crate::process::tool::find;
use crate::process::{Command, HostsFile};
use crate::secret::Secret;

/// How an instance comes to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// The harness starts it: program and arguments.
    Command(Vec<String>),
    /// It runs elsewhere: its base URL.
    Elsewhere(String),
}

/// One instance of a service.
#[derive(Clone)]
pub struct ServiceSpec {
    /// `api-1`; the service is told as `SERVICE_INSTANCE`.
    pub instance: String,
    /// `api`; `SERVICE_NAME`.
    pub role: String,
    /// Program and arguments, or a URL.
    pub program: Program,
    /// The manifest's own variables; they come last, so that they can say otherwise.
    pub environment: IndexMap<String, String>,
    /// The manifest's folder: where a program with a slash is relative to, and the working folder.
    pub manifest_folder: PathBuf,
    /// `LISTEN_ADDR`.
    pub listen: SocketAddr,
    /// `MONGODB_URI`: through the instance's own link.
    pub mongodb_uri: Option<String>,
    /// `KAFKA_BOOTSTRAP_SERVERS`: through the instance's own link.
    pub kafka_bootstrap: Option<String>,
    /// The names of servers as this instance is to see them.
    pub hosts: Option<HostsFile>,
    /// Passwords that it is told, and that nobody else may say.
    pub secrets: Vec<Secret>,
    /// Answers 2xx once the service can do its work.
    pub ready_path: String,
    /// How long it may take until then.
    pub ready_within: Duration,
}

impl fmt::Debug for ServiceSpec {
    /// Without what may hold a password: the URI and the values of variables.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("ServiceSpec");
        shown.field("instance", &self.instance).field("program", &self.program).field("listen", &self.listen);
        let variables: Vec<&String> = self.environment.keys().collect();
        shown.field("environment", &variables).finish_non_exhaustive()
    }
}

impl ServiceSpec {
    /// Where its readiness is asked: at the service itself, past every link.
    pub(super) fn ready_url(&self) -> String {
        let base = match &self.program {
            Program::Command(_) => format!("http://{}", self.listen),
            Program::Elsewhere(url) => url.trim_end_matches('/').to_owned(),
        };
        format!("{base}/{}", self.ready_path.trim_start_matches('/'))
    }

    /// What to start; none for one that runs elsewhere.
    ///
    /// # Errors
    /// When there is no such program.
    pub(super) fn command(&self, log_folder: &Path) -> Result<Option<Command>, ServiceError> {
        let Program::Command(command) = &self.program else { return Ok(None) };
        let Some((program, arguments)) = command.split_first() else {
            return Err(ServiceError::NoCommand { instance: self.instance.clone(), role: self.role.clone() });
        };
        let folders = program_folders();
        let found = find(program, &self.manifest_folder, &folders);
        let found = found.ok_or_else(|| ServiceError::NoProgram {
            instance: self.instance.clone(),
            program: program.clone(),
            searched: if program.contains('/') {
                format!("at {}", self.manifest_folder.join(program).display())
            } else {
                "beside torn or on PATH; is it built?".to_owned()
            },
        })?;
        Ok(Some(Command {
            name: self.instance.clone(),
            // Absolute: it is started from another folder.
            program: std::path::absolute(&found).unwrap_or(found),
            arguments: arguments.iter().map(OsString::from).collect(),
            environment: self.variables(&folders),
            folder: Some(self.manifest_folder.clone()),
            log: log_folder.join(format!("{}.log", self.instance)),
            hosts: self.hosts.clone(),
            secrets: self.secrets.clone(),
        }))
    }

    fn variables(&self, folders: &[PathBuf]) -> Vec<(String, OsString)> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = folders.iter().skip(1).cloned().chain(std::env::split_paths(&path));
        let mut variables = vec![
            ("LISTEN_ADDR".to_owned(), self.listen.to_string().into()),
            ("SERVICE_NAME".to_owned(), self.role.clone().into()),
            ("SERVICE_INSTANCE".to_owned(), self.instance.clone().into()),
        ];
        variables.extend(std::env::join_paths(path).map(|path| ("PATH".to_owned(), path)));
        let uri = self.mongodb_uri.as_ref().map(|uri| ("MONGODB_URI".to_owned(), uri.into()));
        let bootstrap = self.kafka_bootstrap.as_ref().map(|at| ("KAFKA_BOOTSTRAP_SERVERS".to_owned(), at.into()));
        variables.extend(uri.into_iter().chain(bootstrap));
        variables.extend(self.environment.iter().map(|(name, value)| (name.clone(), value.into())));
        variables
    }
}

/// Where programs are looked for before PATH: beside `torn`, then among the stack's Python (which services also get on
/// their PATH, so that `python3` in a manifest is the one with the drivers).
fn program_folders() -> Vec<PathBuf> {
    let own = std::env::current_exe().ok().and_then(|own| own.parent().map(Path::to_owned)).unwrap_or_default();
    let python = Cache::from_environment().ok().and_then(|cache| cache.file("python", "bin/python3"));
    std::iter::once(own).chain(python.and_then(|python| python.parent().map(Path::to_owned))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(program: &str) -> ServiceSpec {
        ServiceSpec {
            instance: "api-1".to_owned(),
            role: "api".to_owned(),
            program: Program::Command(vec![program.to_owned(), "-c".to_owned()]),
            environment: IndexMap::from([("SERVICE_NAME".to_owned(), "mine".to_owned())]),
            manifest_folder: PathBuf::from("/"),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            mongodb_uri: Some("mongodb://127.0.0.1:1/".to_owned()),
            kafka_bootstrap: None,
            hosts: None,
            secrets: Vec::new(),
            ready_path: "/health/ready".to_owned(),
            ready_within: Duration::from_secs(1),
        }
    }

    #[test]
    fn a_service_is_told_its_own_links_and_no_others_and_the_manifest_has_the_last_word() {
        let command = spec("sh").command(Path::new("/logs")).expect("every system has sh").expect("it is started");
        let last = |name: &str| {
            command.environment.iter().rev().find(|(other, _)| other == name).and_then(|(_, value)| value.to_str())
        };
        assert_eq!(last("LISTEN_ADDR"), Some("127.0.0.1:8080"));
        assert_eq!(last("MONGODB_URI"), Some("mongodb://127.0.0.1:1/"));
        assert_eq!(last("KAFKA_BOOTSTRAP_SERVERS"), None);
        assert_eq!(last("SERVICE_NAME"), Some("mine"));
        assert_eq!(command.log, Path::new("/logs/api-1.log"));
    }

    #[test]
    fn a_program_that_is_not_there_is_named_with_the_place_it_was_looked_for() {
        let error = spec("./no/such").command(Path::new("/logs")).expect_err("it is not there");
        assert_eq!(error.to_string(), "api-1: there is no program \"./no/such\" at /./no/such");
        let error = spec("no-such-program").command(Path::new("/logs")).expect_err("it is not there");
        assert!(error.to_string().ends_with("beside torn or on PATH; is it built?"));
    }

    #[test]
    fn readiness_is_asked_at_the_service_itself() {
        assert_eq!(spec("sh").ready_url(), "http://127.0.0.1:8080/health/ready");
        let elsewhere = ServiceSpec { program: Program::Elsewhere("http://host:1/".to_owned()), ..spec("sh") };
        assert_eq!(elsewhere.ready_url(), "http://host:1/health/ready");
    }
}
