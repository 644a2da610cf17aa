//! A run of the test's own: supervisor, history and folder, and what must not be left of it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc;
use tornwrite::environment::Needs;
use tornwrite::history::entry::{Entry, ProcessStep};
use tornwrite::history::recorder::{Clock, Recorder, Writer};
use tornwrite::process::{Supervisor, UnexpectedExit};
use tornwrite::scenario::manifest::Node;

use crate::torn::{TORN, Turn};

/// Far longer than anything should take: the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A run's supervisor, history and folder.
pub(crate) struct Run {
    pub(crate) name: String,
    pub(crate) folder: TempDir,
    pub(crate) supervisor: Supervisor,
    pub(crate) exits: mpsc::Receiver<UnexpectedExit>,
    writer: Writer,
    _turn: Turn,
}

impl Run {
    pub(crate) fn start() -> Self {
        let turn = Turn::take();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let name = format!("test-{}", folder.path().file_name().expect("it has a name").display());
        let (recorder, writer) =
            Recorder::create(&folder.path().join("history.jsonl"), Clock::start()).expect("the folder is new");
        let (supervisor, exits) =
            Supervisor::start(&name, &folder.path().join("data"), Path::new(TORN), recorder).expect("the guard starts");
        Self { name, folder, supervisor, exits, writer, _turn: turn }
    }

    pub(crate) fn needs(&self, nodes: &[Node]) -> Needs {
        Needs { nodes: nodes.to_vec(), log_folder: self.folder.path().join("logs"), ..Needs::default() }
    }

    /// Ends the run; the steps of its processes, in order.
    pub(crate) async fn finish(self) -> Vec<(String, ProcessStep)> {
        self.supervisor.finish().await.expect("nothing is left");
        assert_eq!(processes_of(&self.name), BTreeSet::new(), "no process of the run is left");
        assert!(!self.folder.path().join("data").exists(), "the data folder is gone");
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

/// Every live process that carries the run's id.
pub(crate) fn processes_of(run: &str) -> BTreeSet<i32> {
    let processes = procfs::process::all_processes().expect("procfs is there").flatten();
    let carries = |process: &procfs::process::Process| {
        process.environ().is_ok_and(|environ| environ.get(OsStr::new("TORN_RUN")).is_some_and(|id| id == run))
    };
    processes.filter(carries).map(|process| process.pid).collect()
}

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    within(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
