//! Containers that their run could not remove, because it was killed, and its guard besides.

use std::time::{Duration, Instant};

use testcontainers::bollard::models::ContainerSummary;

use super::DockerError;
use super::daemon::{Daemon, HARNESS_LABEL, RUN_LABEL};

/// For how long no further container of a killed run may appear: the daemon may still be making one.
const QUIET: Duration = Duration::from_secs(3);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// For how long it is tried to remove the containers of a killed run.
const DEADLINE: Duration = Duration::from_secs(60);

/// Removes every container of a run whose harness is no more; their names.
///
/// # Errors
/// When no daemon answers, or does not remove one.
pub async fn remove_leftovers() -> Result<Vec<String>, DockerError> {
    let daemon = Daemon::connect().await?;
    let found = daemon.labelled(&[RUN_LABEL.to_owned()]).await.map_err(DockerError::refused("list", "containers"))?;
    let mut names = Vec::new();
    for container in found.into_iter().filter(|container| !is_owned(container)) {
        names.push(remove(&daemon, container).await?);
    }
    names.sort();
    Ok(names)
}

/// What the guard does for the containers of a run that was killed: removes them until no more appear. Blocks; not to
/// be called from an async context.
///
/// # Errors
/// When no daemon answers, or one is still there at the deadline.
pub fn remove_run(run: &str) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let daemon = Daemon::connect().await?;
        let began = Instant::now();
        let mut quiet_since = Instant::now();
        while quiet_since.elapsed() < QUIET {
            let labels = [format!("{RUN_LABEL}={run}")];
            let found = daemon.labelled(&labels).await?;
            for container in found {
                quiet_since = Instant::now();
                // One that cannot be removed yet can be at the next look.
                let removed = remove(&daemon, container).await;
                if began.elapsed() > DEADLINE {
                    removed?;
                    anyhow::bail!("containers of run {run} keep appearing; remove them with `torn stack down`");
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    })
}

async fn remove(daemon: &Daemon, container: ContainerSummary) -> Result<String, DockerError> {
    let id = container.id.unwrap_or_default();
    let name = container.names.into_iter().flatten().next().unwrap_or_else(|| id.clone());
    let name = name.trim_start_matches('/').to_owned();
    daemon.remove(&id).await.map_err(DockerError::refused("remove", &name))?;
    Ok(name)
}

/// This process, told apart from a later one of the same number by when it started.
pub(super) fn harness() -> String {
    let pid = std::process::id();
    format!("{pid}@{}", started(pid.cast_signed()).unwrap_or_default())
}

/// Whether the process that started it is still there.
fn is_owned(container: &ContainerSummary) -> bool {
    let harness = container.labels.as_ref().and_then(|labels| labels.get(HARNESS_LABEL));
    harness.and_then(|harness| harness.split_once('@')).is_some_and(|(pid, start)| {
        pid.parse().ok().and_then(started).is_some_and(|started| started.to_string() == start)
    })
}

/// When a process started, in clock ticks since the machine did; none if there is no such process.
fn started(pid: i32) -> Option<u64> {
    let stat = procfs::process::Process::new(pid).and_then(|process| process.stat()).ok()?;
    (!matches!(stat.state, 'Z' | 'X')).then_some(stat.starttime)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_container_is_owned_only_while_the_very_process_that_started_it_is_there() {
        let container = |harness: &str| ContainerSummary {
            labels: Some(HashMap::from([(HARNESS_LABEL.to_owned(), harness.to_owned())])),
            ..ContainerSummary::default()
        };
        assert!(is_owned(&container(&harness())));
        assert!(!is_owned(&container(&format!("{}@1", std::process::id()))), "another process of this number");
        assert!(!is_owned(&container("")));
        assert!(!is_owned(&ContainerSummary::default()));
    }
}
