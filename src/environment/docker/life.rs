//! One life of a container: from a start to its end, and what it wrote meanwhile.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use nix::sys::signal::Signal;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::query_parameters::{
    InspectContainerOptions, LogsOptionsBuilder, WaitContainerOptionsBuilder,
};
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

use super::daemon::Daemon;

/// How long the last of a log may take to arrive after the container's end.
const LOG_DEADLINE: Duration = Duration::from_secs(2);

/// What a life is watched by.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub(super) daemon: Daemon,
    pub(super) id: String,
    /// Where its output goes, appended.
    pub(super) log: PathBuf,
    /// How much of its output is there already, from former lives too: the daemon tells all of it anew.
    pub(super) written: Arc<AtomicU64>,
}

/// How a life ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exit {
    /// `exit status 1`, `exit status 137 (SIGKILL)`.
    pub(super) status: String,
    /// Whether the harness ended it.
    pub(super) intended: bool,
}

/// See [`Life::watch`].
pub(super) type OnceKnown = Box<dyn FnOnce() + Send>;

/// A life.
#[derive(Debug)]
pub(super) struct Life {
    /// Whose.
    pub(super) name: &'static str,
    /// Where its output goes.
    pub(super) log: PathBuf,
    /// Its first process as the host numbers it, where the host can see it.
    pub(super) pid: Option<u32>,
    intended: Arc<AtomicBool>,
    exit: watch::Receiver<Option<Exit>>,
    // Owned here: it ends with the container, and the container with the run.
    _waiter: tokio::task::JoinHandle<()>,
}

impl Life {
    /// Watches a container that was just started. `on_exit` is called once, when it has ended and its log is written, and
    /// before anybody can see that; what it returns is called once everybody can.
    pub(super) async fn watch(
        name: &'static str,
        watched: Watched,
        on_exit: impl FnOnce(&Exit) -> OnceKnown + Send + 'static,
    ) -> Self {
        let pid = pid_of(&watched).await;
        let log = watched.log.clone();
        let (sender, exit) = watch::channel(None);
        let intended = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&intended);
        let waiter = tokio::spawn(async move {
            let status = until_end(&watched).await;
            let exit = Exit { status, intended: shared.load(Ordering::Acquire) };
            let once_known = on_exit(&exit);
            sender.send_replace(Some(exit));
            once_known();
        });
        Self { name, log, pid, intended, exit, _waiter: waiter }
    }

    /// How it ended, once it has.
    pub(super) fn exit(&self) -> Option<Exit> {
        self.exit.borrow().clone()
    }

    /// Waits until it has ended.
    pub(super) async fn exited(&self) -> Exit {
        let mut exit = self.exit.clone();
        let ended = exit.wait_for(Option::is_some).await.expect("the waiter tells the exit before it ends");
        ended.clone().expect("it was just seen to be there")
    }

    /// From now on its end is the harness's doing.
    pub(super) fn is_to_end(&self) {
        self.intended.store(true, Ordering::Release);
    }
}

impl Drop for Life {
    /// What nobody holds any more is removed.
    fn drop(&mut self) {
        self.is_to_end();
    }
}

/// None once it has ended.
async fn pid_of(watched: &Watched) -> Option<u32> {
    let found = watched.daemon.api.inspect_container(&watched.id, None::<InspectContainerOptions>).await.ok()?;
    found.state?.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0)
}

/// Writes its log until it ends; how it did.
async fn until_end(watched: &Watched) -> String {
    let mut log = std::pin::pin!(write_log(watched));
    let mut end = std::pin::pin!(end_of(watched));
    let mut is_written = false;
    let status = loop {
        tokio::select! {
            status = &mut end => break status,
            // A log that cannot be written says less, but the run goes on.
            _ = &mut log, if !is_written => is_written = true,
        }
    };
    if !is_written {
        let _ = tokio::time::timeout(LOG_DEADLINE, log).await;
    }
    status
}

async fn write_log(watched: &Watched) -> io::Result<()> {
    let mut file = open(&watched.log).await?;
    let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).tail("all").build();
    let mut output = std::pin::pin!(watched.daemon.api.logs(&watched.id, Some(options)));
    let mut known = watched.written.load(Ordering::Acquire);
    while let Some(Ok(chunk)) = output.next().await {
        let bytes = chunk.into_bytes();
        let skipped = bytes.len().min(usize::try_from(known).unwrap_or(usize::MAX));
        known -= skipped as u64;
        file.write_all(&bytes[skipped..]).await?;
        file.flush().await?;
        watched.written.fetch_add((bytes.len() - skipped) as u64, Ordering::AcqRel);
    }
    Ok(())
}

async fn open(path: &Path) -> io::Result<tokio::fs::File> {
    tokio::fs::OpenOptions::new().create(true).append(true).open(path).await
}

async fn end_of(watched: &Watched) -> String {
    let options = WaitContainerOptionsBuilder::new().condition("not-running").build();
    let mut ends = std::pin::pin!(watched.daemon.api.wait_container(&watched.id, Some(options)));
    let code = match ends.next().await {
        Some(Ok(end)) => end.status_code,
        Some(Err(Error::DockerContainerWaitError { code, .. })) => code,
        Some(Err(error)) => return format!("the Docker daemon tells no more of it ({error})"),
        None => return "the Docker daemon tells no more of it".to_owned(),
    };
    let found = watched.daemon.api.inspect_container(&watched.id, None::<InspectContainerOptions>).await;
    let was_starved = found.ok().and_then(|found| found.state?.oom_killed).unwrap_or(false);
    in_words(code, was_starved)
}

/// A container's exit code: above 128 it is that of a signal.
fn in_words(code: i64, was_starved: bool) -> String {
    let signal = i32::try_from(code - 128).ok().and_then(|number| Signal::try_from(number).ok());
    match signal {
        _ if was_starved => format!("exit status {code}: it used more memory than it may"),
        Some(signal) => format!("exit status {code} ({signal})"),
        None => format!("exit status {code}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_code_is_told_with_the_signal_that_it_stands_for() {
        assert_eq!(in_words(0, false), "exit status 0");
        assert_eq!(in_words(7, false), "exit status 7");
        assert_eq!(in_words(137, false), "exit status 137 (SIGKILL)");
        assert_eq!(in_words(255, false), "exit status 255");
        assert!(in_words(137, true).contains("memory"));
    }
}
