//! The guard: a small process that outlives the harness by a moment and leaves nothing behind.
//!
//! It holds the reading end of a pipe whose only writing end is in the harness. When that closes, in order or because
//! the harness was killed with SIGKILL, it ends the registered process groups, then every process whose environment has
//! `TORN_RUN=<id>` (a fork into another group or a start that was not yet registered cannot escape so), and removes
//! the run's data folder, and its containers where it has any. What changes both its group and its environment escapes.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::child::{ProcessError, group};

/// The variable that marks every process of a run.
pub(super) const RUN_VARIABLE: &str = "TORN_RUN";

/// The file that marks a folder as one that the guard may remove.
const MARKER: &str = ".torn-run";

/// For how long the guard looks for what is left.
const SWEEP_DEADLINE: Duration = Duration::from_secs(10);

/// The harness's end.
#[derive(Debug)]
pub(super) struct Guard {
    child: tokio::process::Child,
    pipe: tokio::process::ChildStdin,
}

impl Guard {
    /// Starts `<program> guard <run> <folder>`. `program` is `torn` (tests are not). The folder becomes the guard's to
    /// remove; it must be empty.
    pub(super) fn start(program: &Path, run: &str, folder: &Path) -> Result<Self, ProcessError> {
        let failed = |what: &str, error: &io::Error| ProcessError::Guard(format!("{what}: {error}"));
        let occupied = std::fs::read_dir(folder).map_err(|error| failed("reading the data folder", &error))?.count();
        if occupied > 0 {
            return Err(ProcessError::Guard(format!("the data folder {} is not empty", folder.display())));
        }
        std::fs::write(folder.join(MARKER), run).map_err(|error| failed("marking the data folder", &error))?;
        let mut child = tokio::process::Command::new(program)
            .arg("guard")
            .arg(run)
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            // The guard ends every process with the variable; a harness started by another run would have it.
            .env_remove(RUN_VARIABLE)
            .spawn()
            .map_err(|error| failed(&format!("starting {}", program.display()), &error))?;
        let pipe = child.stdin.take().expect("its standard input was asked to be a pipe");
        Ok(Self { child, pipe })
    }

    /// Tells it of a process group.
    pub(super) fn register(&self, pid: u32) -> Result<(), ProcessError> {
        self.tell("group", pid)
    }

    /// Tells it that a group is gone: its number may be given to somebody else's.
    pub(super) fn forget(&self, pid: u32) -> Result<(), ProcessError> {
        self.tell("gone", pid)
    }

    /// Closes the pipe and waits until it has cleaned up.
    pub(super) async fn finish(mut self) -> Result<(), ProcessError> {
        drop(self.pipe);
        match tokio::time::timeout(SWEEP_DEADLINE + Duration::from_secs(5), self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(ProcessError::Guard(format!("it ended with {status}"))),
            Ok(Err(error)) => Err(ProcessError::Guard(error.to_string())),
            Err(_) => Err(ProcessError::Guard("it did not end".to_owned())),
        }
    }

    /// Tells it whether there may be containers of the run.
    pub(super) fn expect_containers(&self, may_be: bool) -> Result<(), ProcessError> {
        self.tell("containers", u32::from(may_be))
    }

    fn tell(&self, what: &str, number: u32) -> Result<(), ProcessError> {
        // A line is far below a pipe's 4096 bytes, so it is written at once and whole; the guard reads all the time.
        let line = format!("{what} {number}\n");
        nix::unistd::write(&self.pipe, line.as_bytes())
            .map(|_| ())
            .map_err(|error| ProcessError::Guard(format!("telling it of {what} {number}: {error}; was it killed?")))
    }
}

/// What a harness leaves behind, as far as it told.
#[derive(Debug, Default, PartialEq, Eq)]
struct Left {
    groups: BTreeSet<u32>,
    may_have_containers: bool,
}

/// The guard's program: what the hidden subcommand `torn guard RUN FOLDER` does. `remove_containers` is called only for
/// a run that made some: whoever has no Docker is not asked for one.
///
/// # Errors
/// When a process or container of the run is still there after the deadline, or the folder could not be removed.
pub fn guard_main(
    run: &str,
    folder: &Path,
    remove_containers: impl FnOnce(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let heard = read_left(io::stdin().lock());
    for pid in heard.groups {
        let _ = killpg(group(pid), Signal::SIGKILL);
    }
    let left = sweep(run);
    let containers = heard.may_have_containers.then_some(remove_containers);
    remove_all(run, folder, containers)?;
    if left == 0 { Ok(()) } else { Err(anyhow::anyhow!("{left} processes of run {run} cannot be ended")) }
}

/// Reads until the harness is gone; what is then still registered.
fn read_left(lines: impl BufRead) -> Left {
    let mut left = Left::default();
    for line in lines.lines().map_while(Result::ok) {
        match line.split_once(' ').map(|(what, number)| (what, number.parse())) {
            Some(("group", Ok(pid))) => {
                left.groups.insert(pid);
            }
            Some(("gone", Ok(pid))) => {
                left.groups.remove(&pid);
            }
            Some(("containers", Ok(may_be))) => left.may_have_containers = may_be != 0,
            _ => {}
        }
    }
    left
}

/// Kills what carries the run's id until nothing does, or the deadline has passed; how many are left.
fn sweep(run: &str) -> usize {
    let deadline = Instant::now() + SWEEP_DEADLINE;
    loop {
        let members = members(run);
        if members.is_empty() || Instant::now() > deadline {
            return members.len();
        }
        for pid in members {
            let _ = kill(pid, Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Every live process with the run's id in its environment. One of another user cannot be read, and is none of ours.
fn members(run: &str) -> Vec<Pid> {
    let Ok(processes) = procfs::process::all_processes() else { return Vec::new() };
    let own = std::process::id().cast_signed();
    processes
        .flatten()
        .filter(|process| process.pid != own)
        .filter(|process| {
            process.environ().is_ok_and(|environ| environ.get(OsStr::new(RUN_VARIABLE)).is_some_and(|id| id == run))
        })
        .map(|process| Pid::from_raw(process.pid))
        .collect()
}

/// Removes the folder and the containers, each whatever became of the other; the first error.
fn remove_all(
    run: &str,
    folder: &Path,
    remove_containers: Option<impl FnOnce(&str) -> anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let removed = remove(run, folder).map_err(|error| anyhow::anyhow!("cannot remove {}: {error}", folder.display()));
    removed.and(remove_containers.map_or(Ok(()), |remove_containers| remove_containers(run)))
}

/// Removes the data folder, but only one that this run has marked.
fn remove(run: &str, folder: &Path) -> io::Result<()> {
    let marker: PathBuf = folder.join(MARKER);
    match std::fs::read_to_string(&marker) {
        Ok(owner) if owner == run => std::fs::remove_dir_all(folder),
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_is_gone_is_not_killed_and_a_line_cut_short_does_no_harm() {
        let left = read_left("group 10\ngroup 11\ngone 10\ngroup 1x\ngrou".as_bytes());
        assert_eq!(left, Left { groups: BTreeSet::from([11]), may_have_containers: false });
    }

    #[test]
    fn containers_are_looked_for_only_between_the_first_and_the_removal_of_all() {
        let may_have = |lines: &str| read_left(lines.as_bytes()).may_have_containers;
        assert!(may_have("group 10\ncontainers 1\ngroup 11\n"));
        assert!(!may_have("containers 1\ncontainers 0\n"));
    }

    #[test]
    fn a_folder_that_cannot_be_removed_leaves_no_container() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join(MARKER), "run-1").expect("it is writable");
        let mut removed = Vec::new();
        let remove_containers = |run: &str| {
            removed.push(run.to_owned());
            Ok(())
        };
        // By this name no folder can be removed, not even by root.
        let error = remove_all("run-1", &folder.path().join("."), Some(remove_containers)).expect_err("it is refused");
        assert!(error.to_string().starts_with("cannot remove "), "{error}");
        assert_eq!(removed, ["run-1"]);
    }

    #[test]
    fn only_a_folder_that_this_run_marked_is_removed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let precious = folder.path().join("precious");
        std::fs::create_dir(&precious).expect("it is new");
        remove("run-1", &precious).expect("nothing was done");
        std::fs::write(precious.join(MARKER), "run-2").expect("it is writable");
        remove("run-1", &precious).expect("nothing was done");
        assert!(precious.exists());
        remove("run-2", &precious).expect("it can be removed");
        assert!(!precious.exists());
    }
}
