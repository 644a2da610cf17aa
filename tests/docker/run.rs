//! A run of the test's own: supervisor, history, folder and ports, and what must not be left of it.

use std::future::Future;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tornwrite::environment::Needs;
use tornwrite::environment::local::Ports;
use tornwrite::history::entry::{Entry, ProcessStep};
use tornwrite::history::recorder::{Clock, Recorder, Writer};
use tornwrite::process::{Supervisor, UnexpectedExit};
use tornwrite::scenario::manifest::Node;

pub(super) const TORN: &str = env!("CARGO_BIN_EXE_torn");

/// Far longer than anything should take: the machine may be busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// Whole sets of servers at once, whatever the number of cores.
static TURNS: Semaphore = Semaphore::const_new(2);

/// The right to have servers up.
pub(super) async fn take_turn() -> SemaphorePermit<'static> {
    TURNS.acquire().await.expect("nobody closes it")
}

/// A run's supervisor, history, folder and ports.
pub(super) struct Run {
    pub(super) name: String,
    pub(super) folder: TempDir,
    pub(super) supervisor: Supervisor,
    pub(super) exits: mpsc::Receiver<UnexpectedExit>,
    pub(super) ports: Ports,
    writer: Writer,
    _turn: SemaphorePermit<'static>,
}

impl Run {
    pub(super) async fn start() -> Self {
        let turn = take_turn().await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let name = name_of(folder.path());
        let (recorder, writer) =
            Recorder::create(&folder.path().join("history.jsonl"), Clock::start()).expect("the folder is new");
        let (supervisor, exits) =
            Supervisor::start(&name, &folder.path().join("data"), Path::new(TORN), recorder).expect("the guard starts");
        let ports = Ports::new().expect("a folder");
        Self { name, folder, supervisor, exits, ports, writer, _turn: turn }
    }

    pub(super) fn needs(&self, nodes: &[Node]) -> Needs {
        Needs { nodes: nodes.to_vec(), log_folder: self.folder.path().join("logs"), ..Needs::default() }
    }

    /// What finds its containers.
    pub(super) fn label(&self) -> String {
        label_of(&self.name)
    }

    /// Ends the run; the steps of its containers, in order.
    pub(super) async fn finish(self) -> Vec<(String, ProcessStep)> {
        assert_eq!(containers_of(&self.name), "", "no container is left, and the guard had nothing to do");
        self.supervisor.finish().await.expect("nothing is left");
        self.writer.finish().expect("the history is written");
        let history = std::fs::read_to_string(self.folder.path().join("history.jsonl")).expect("it was written");
        history
            .lines()
            .map(|line| match serde_json::from_str(line).expect("every line is an entry") {
                Entry::Process(event) => (event.process, event.event),
                other => panic!("only processes are recorded here, not {other:?}"),
            })
            .collect()
    }
}

/// A run's name, made from that of its folder.
pub(super) fn name_of(folder: &Path) -> String {
    format!("test-{}", folder.file_name().expect("it has a name").display())
}

/// What finds the containers of a run.
pub(super) fn label_of(run: &str) -> String {
    format!("label=org.tornwrite.run={run}")
}

/// The names of a run's containers, whatever their state.
pub(super) fn containers_of(run: &str) -> String {
    docker(&["ps", "--all", "--filter", &label_of(run), "--format", "{{.Names}}"])
}

/// What the command-line client says: eyes that share nothing with the code under test.
pub(super) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("docker is installed");
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

pub(super) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    within(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}
