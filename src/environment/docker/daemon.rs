//! Who runs the containers.

use std::collections::HashMap;
use std::time::Duration;

use testcontainers::bollard;
use testcontainers::bollard::models::{ContainerSummary, SystemInfo};
use testcontainers::bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use testcontainers::core::client::docker_client_instance;

use super::DockerError;

/// The label of every container, with the run's id.
pub(super) const RUN_LABEL: &str = "org.tornwrite.run";

/// The label that says which server it is.
pub(super) const SERVER_LABEL: &str = "org.tornwrite.server";

/// The label that says which process started it; see [`super::leftovers`].
pub(super) const HARNESS_LABEL: &str = "org.tornwrite.harness";

/// How long a daemon may take to say that it is there.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// This machine's Docker daemon. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Daemon {
    pub(super) api: bollard::Docker,
}

impl Daemon {
    /// Finds it as `testcontainers` does: `DOCKER_HOST`, else the usual sockets.
    ///
    /// # Errors
    /// When none answers.
    pub(super) async fn connect() -> Result<Self, DockerError> {
        let no_daemon = |cause: String| DockerError::NoDaemon { cause };
        let api = docker_client_instance().await.map_err(|error| no_daemon(error.to_string()))?;
        let answer = tokio::time::timeout(ANSWER_DEADLINE, api.ping()).await;
        answer
            .map_err(|_| no_daemon(format!("no answer within {} s", ANSWER_DEADLINE.as_secs())))?
            .map_err(|error| no_daemon(error.to_string()))?;
        Ok(Self { api })
    }

    /// The same, for runs: one whose containers can use this host's network.
    ///
    /// # Errors
    /// When none answers, or the one that does is of another kind.
    pub(super) async fn connect_for_run() -> Result<Self, DockerError> {
        let daemon = Self::connect().await?;
        let info = daemon.api.info().await.map_err(DockerError::refused("describe", "itself"))?;
        match unfit(&info, std::env::var("DOCKER_HOST").ok().as_deref()) {
            None => Ok(daemon),
            Some(kind) => Err(DockerError::Unfit { kind }),
        }
    }

    /// The containers that carry a label, whatever their state.
    pub(super) async fn labelled(&self, labels: &[String]) -> Result<Vec<ContainerSummary>, bollard::errors::Error> {
        let filters = HashMap::from([("label", labels.to_vec())]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        self.api.list_containers(Some(options)).await
    }

    /// Ends a container and removes it with its volumes; one that is gone is no error.
    pub(super) async fn remove(&self, id: &str) -> Result<(), bollard::errors::Error> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match self.api.remove_container(id, Some(options)).await {
            // Gone, or just being removed by somebody else.
            Err(error) if matches!(status_of(&error), Some(404 | 409)) => Ok(()),
            result => result,
        }
    }
}

/// The HTTP status that the daemon answered with.
pub(super) fn status_of(error: &bollard::errors::Error) -> Option<u16> {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Why a daemon's containers cannot use this host's network, if so.
fn unfit(info: &SystemInfo, host: Option<&str>) -> Option<String> {
    let has = |name: &str| info.security_options.iter().flatten().any(|option| option.contains(name));
    let is_desktop = info.operating_system.as_deref().is_some_and(|system| system.contains("Docker Desktop"));
    match host.filter(|host| !host.is_empty() && !host.starts_with("unix://") && !is_loopback(host)) {
        _ if has("name=rootless") => Some("rootless".to_owned()),
        _ if has("name=userns") => Some("set to give containers users of their own (userns-remap)".to_owned()),
        _ if is_desktop => Some("Docker Desktop's, in a virtual machine of its own".to_owned()),
        Some(host) => Some(format!("on another machine (DOCKER_HOST={host})")),
        None => None,
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.split_once("://").map_or(host, |(_, address)| address);
    ["127.", "localhost", "[::1]"].iter().any(|start| address.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_daemon_of_this_host_itself_is_fit() {
        let info = |system: &str, option: &str| SystemInfo {
            operating_system: Some(system.to_owned()),
            security_options: Some(vec!["name=seccomp,profile=default".to_owned(), option.to_owned()]),
            ..SystemInfo::default()
        };
        let debian = info("Debian GNU/Linux 12 (bookworm)", "name=cgroupns");
        for host in [None, Some(""), Some("unix:///run/docker.sock"), Some("tcp://127.0.0.1:2375")] {
            assert_eq!(unfit(&debian, host), None, "{host:?}");
        }
        let elsewhere = unfit(&debian, Some("tcp://build-7:2375")).expect("another machine");
        assert!(elsewhere.contains("tcp://build-7:2375"));
        assert_eq!(unfit(&info("Debian", "name=rootless"), None).as_deref(), Some("rootless"));
        assert!(unfit(&info("Debian", "name=userns"), None).is_some());
        assert!(unfit(&info("Docker Desktop", "name=cgroupns"), None).is_some());
    }
}
