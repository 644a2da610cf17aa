//! However a run ends, none of its containers is left.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::sync::SemaphorePermit;

use crate::run::{TORN, containers_of, name_of, take_turn, until};

/// A harness of its own, with servers in containers.
struct Harness {
    run: String,
    folder: TempDir,
    child: Child,
    _turn: SemaphorePermit<'static>,
}

impl Harness {
    /// Starts it, and waits until its servers are up.
    async fn with_servers_up() -> Self {
        let mut harness = Self::start().await;
        let output = harness.folder.path().join("output");
        until("the servers are up", || {
            assert_eq!(harness.child.try_wait().expect("it is our child"), None, "it goes on until it is killed");
            std::fs::read_to_string(&output).is_ok_and(|output| output == "ready\n")
        })
        .await;
        assert_eq!(containers_of(&harness.run).lines().count(), 3, "mongod, Kafka and Toxiproxy");
        harness
    }

    async fn start() -> Self {
        let turn = take_turn().await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run = name_of(folder.path());
        let output = File::create(folder.path().join("output")).expect("the folder is new");
        let child = Command::new(TORN)
            .args(["stack", "hold", "--docker", "--seconds", "600", "--run", &run, "--folder"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(output)
            .spawn()
            .expect("torn is built");
        Self { run, folder, child, _turn: turn }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("it is our child");
    }

    /// The process that guards it.
    fn guard(&self) -> Option<i32> {
        let processes = procfs::process::all_processes().expect("procfs is there").flatten();
        let is_it = |process: &procfs::process::Process| {
            process.cmdline().is_ok_and(|line| line.get(1..3) == Some(&["guard".to_owned(), self.run.clone()][..]))
        };
        processes.into_iter().find(is_it).map(|process| process.pid)
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_container_outlives_a_harness_that_is_killed() {
    let mut harness = Harness::with_servers_up().await;
    harness.signal(Signal::SIGKILL);
    harness.child.wait().expect("it is our child");
    until("its containers are gone", || containers_of(&harness.run).is_empty()).await;
    until("its guard is gone", || harness.guard().is_none()).await;
    assert!(harness.folder.path().join("logs/mongodb.log").exists(), "the logs stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_container_outlives_a_harness_that_is_interrupted_with_its_servers_up() {
    let mut harness = Harness::with_servers_up().await;
    harness.signal(Signal::SIGINT);
    assert!(harness.child.wait().expect("it is our child").success(), "it ends in order");
    assert_eq!(containers_of(&harness.run), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_container_outlives_a_harness_that_is_killed_while_they_start() {
    let mut harness = Harness::start().await;
    until("a first container is there", || !containers_of(&harness.run).is_empty()).await;
    harness.signal(Signal::SIGKILL);
    harness.child.wait().expect("it is our child");
    until("its guard has done its work", || harness.guard().is_none()).await;
    assert_eq!(containers_of(&harness.run), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_left_whose_guard_was_killed_too_is_removed_by_stack_down_and_nothing_else() {
    let mut harness = Harness::with_servers_up().await;
    let alive = stack_down();
    assert!(!alive.contains(&harness.run), "the containers of a run that goes on are its own: {alive}");
    assert_eq!(containers_of(&harness.run).lines().count(), 3);
    let guard = harness.guard().expect("it has a guard");
    kill(Pid::from_raw(guard), Signal::SIGKILL).expect("it is ours");
    harness.signal(Signal::SIGKILL);
    harness.child.wait().expect("it is our child");
    assert_eq!(containers_of(&harness.run).lines().count(), 3, "nobody is there to remove them");
    let said = stack_down();
    for server in ["mongodb", "kafka", "toxiproxy"] {
        assert!(said.contains(&format!("removed {}-{server}\n", harness.run)), "{said}");
    }
    assert_eq!(containers_of(&harness.run), "");
    remove_data(&harness.folder.path().join("data"));
}

fn stack_down() -> String {
    let output = Command::new(TORN).args(["stack", "down"]).output().expect("torn is built");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What its guard would have done.
fn remove_data(folder: &Path) {
    std::fs::remove_dir_all(folder).expect("it is still there");
}
