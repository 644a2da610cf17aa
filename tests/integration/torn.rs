//! The built `torn` at work in a folder of the test's own, and what it leaves behind.
//!
//! Every process that a test starts carries a mark in its environment, which all its descendants inherit: so a test sees
//! whatever has outlived its `torn`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use tornwrite::checker::verdict::Judgement;
use tornwrite::history::entry::{Entry, Header};
use tornwrite::history::reader::Reader;

pub(crate) const TORN: &str = env!("CARGO_BIN_EXE_torn");

/// No `torn` of these tests works longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(240);

/// How long what was killed may take to be gone: the guard's own deadline and some more.
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// At most so many whole stacks at once: more would starve each other's timeouts on a machine with many threads of
/// tests and few cores.
const STACKS_AT_ONCE: usize = 2;

/// The variable with the mark.
const MARK: &str = "TORN_TEST";

static STACKS: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// The right to have a stack up.
pub(crate) struct Turn(());

impl Turn {
    pub(crate) fn take() -> Self {
        let up = STACKS.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut up = STACKS.1.wait_while(up, |up| *up >= STACKS_AT_ONCE).unwrap_or_else(PoisonError::into_inner);
        *up += 1;
        Self(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *STACKS.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        STACKS.1.notify_one();
    }
}

/// A folder with scenarios and results.
pub(crate) struct Desk {
    folder: PathBuf,
    mark: String,
    variables: BTreeMap<String, String>,
    turn: Option<Turn>,
    _temporary: Option<TempDir>,
}

impl Desk {
    /// For what starts no server.
    pub(crate) fn bare() -> Self {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        let folder = temporary.path().to_owned();
        Self { _temporary: Some(temporary), ..Self::at(folder) }
    }

    /// For runs of the built-in services on real servers.
    pub(crate) fn with_stack() -> Self {
        Self { turn: Some(demand_services()), ..Self::bare() }
    }

    /// The same in a folder that outlives the test program, for what several tests look at. The next one clears it.
    pub(crate) fn shared(name: &str) -> Self {
        let turn = demand_services();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("Cargo's folder for tests is writable");
        Self { turn: Some(turn), ..Self::at(folder) }
    }

    fn at(folder: PathBuf) -> Self {
        let mark = folder.display().to_string();
        Self { folder, mark, variables: BTreeMap::new(), turn: None, _temporary: None }
    }

    /// Lets the next test have its stack.
    pub(crate) fn give_up_turn(&mut self) {
        self.turn = None;
    }

    /// Sets an environment variable of every `torn` of this desk.
    pub(crate) fn set(&mut self, name: &str, value: impl AsRef<Path>) {
        self.variables.insert(name.to_owned(), value.as_ref().display().to_string());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("the folder is writable");
        path
    }

    /// Starts `torn` in the folder.
    pub(crate) fn start(&self, arguments: &[&str]) -> Going<'_> {
        let mut command = Command::new(TORN);
        command.args(arguments);
        self.start_command(command)
    }

    /// Starts a command that is, or becomes, `torn`.
    pub(crate) fn start_command(&self, mut command: Command) -> Going<'_> {
        let (stdout, stderr) = (self.path("stdout"), self.path("stderr"));
        let file = |path: &Path| File::create(path).expect("the folder is writable");
        command.current_dir(&self.folder).env(MARK, &self.mark).envs(&self.variables);
        command.stdin(Stdio::null()).stdout(file(&stdout)).stderr(file(&stderr));
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Going { desk: self, child, began: Instant::now() }
    }

    /// Lets `torn` work to its end.
    pub(crate) fn torn(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end()
    }

    /// The folders of all stored runs, by variant.
    pub(crate) fn runs(&self) -> BTreeMap<String, StoredRun> {
        let mut folders = vec![self.path("results")];
        for _ in ["scenario", "invocation", "variant"] {
            folders = folders.iter().flat_map(|folder| real_folders(folder)).collect();
        }
        let runs = folders.into_iter().map(|path| {
            let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
            (name, StoredRun { path })
        });
        runs.filter(|(_, run)| run.history().is_file()).collect()
    }

    /// The one stored run.
    pub(crate) fn run(&self) -> StoredRun {
        let mut runs: Vec<StoredRun> = self.runs().into_values().collect();
        assert_eq!(runs.len(), 1, "one run is stored");
        runs.remove(0)
    }

    /// Every live process of this desk: process id → the instance it is, empty for the servers and `torn` itself.
    pub(crate) fn processes(&self) -> BTreeMap<i32, String> {
        let processes = procfs::process::all_processes().expect("procfs is there").flatten();
        let ours = processes.filter_map(|process| {
            let environ = process.environ().ok()?;
            let value = |name: &str| environ.get(OsStr::new(name)).map(|value| value.to_string_lossy().into_owned());
            (value(MARK)? == self.mark).then(|| (process.pid, value("SERVICE_INSTANCE").unwrap_or_default()))
        });
        ours.collect()
    }

    /// The process of this desk whose program has this name.
    pub(crate) fn program(&self, name: &str) -> i32 {
        let is_it = |pid: &i32| {
            let process = procfs::process::Process::new(*pid).and_then(|process| process.exe());
            process.is_ok_and(|program| program.file_name() == Some(OsStr::new(name)))
        };
        self.processes().into_keys().find(is_it).unwrap_or_else(|| panic!("{name} is running"))
    }

    pub(crate) fn assert_nothing_is_left(&self) {
        until("no process of the run is left", GONE_WITHIN, || self.processes().is_empty());
    }

    fn said(&self, stream: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path(stream)).unwrap_or_default()).into_owned()
    }
}

fn demand_services() -> Turn {
    let services = Path::new(TORN).with_file_name("torn-workloads");
    assert!(services.is_file(), "{} is missing; build it: cargo build --workspace", services.display());
    Turn::take()
}

/// A `torn` at work; it is killed with this value.
pub(crate) struct Going<'a> {
    desk: &'a Desk,
    child: Child,
    began: Instant,
}

impl Going<'_> {
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id is an i32")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("it is our child");
    }

    /// Waits until a line of the history holds all of these texts; what is still being written is not looked at.
    pub(crate) fn until_recorded(&mut self, texts: &[&str]) {
        let holds = |line: &str| texts.iter().all(|text| line.contains(text));
        loop {
            let runs = self.desk.runs();
            let history = runs.values().next().map(|run| fs::read_to_string(run.history()).unwrap_or_default());
            if history.is_some_and(|history| history.lines().any(holds)) {
                return;
            }
            let ended = self.child.try_wait().expect("it is our child");
            let said = self.desk.said("stderr");
            assert!(ended.is_none(), "it ended ({ended:?}) before {texts:?} was recorded:\n{said}");
            assert!(self.began.elapsed() < PATIENCE, "{texts:?} was not recorded within {PATIENCE:?}:\n{said}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until this was said on stderr.
    pub(crate) fn until_said(&mut self, text: &str) {
        while !self.desk.said("stderr").contains(text) {
            let ended = self.child.try_wait().expect("it is our child");
            let said = self.desk.said("stderr");
            assert!(ended.is_none(), "it ended ({ended:?}) before it said {text:?}:\n{said}");
            assert!(self.began.elapsed() < PATIENCE, "{text:?} was not said within {PATIENCE:?}:\n{said}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for its end, and until nothing that it started is left.
    pub(crate) fn end(mut self) -> Ended {
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            let said = self.desk.said("stderr");
            assert!(self.began.elapsed() < PATIENCE, "torn did not end within {PATIENCE:?}:\n{said}");
            std::thread::sleep(Duration::from_millis(20));
        };
        self.desk.assert_nothing_is_left();
        Ended { code: status.code(), stdout: self.desk.said("stdout"), stderr: self.desk.said("stderr") }
    }
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a `torn` ended, and what it said.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Demands an exit code.
    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Demands that people were told this, on stderr or in the verdict.
    #[track_caller]
    pub(crate) fn saying(self, text: &str) -> Self {
        assert!(self.stderr.contains(text) || self.stdout.contains(text), "{text:?} was not said:\n{self}");
        self
    }

    /// What `--format json` printed: nothing but JSON objects.
    #[track_caller]
    pub(crate) fn objects(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{self}"));
        let objects: Vec<Value> = self.stdout.lines().map(parse).collect();
        assert!(objects.iter().all(Value::is_object), "{self}");
        objects
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "exit {:?}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

/// The folder of one run.
#[derive(Debug, Clone)]
pub(crate) struct StoredRun {
    pub(crate) path: PathBuf,
}

impl StoredRun {
    pub(crate) fn history(&self) -> PathBuf {
        self.path.join("history.jsonl")
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let history = fs::read_to_string(self.history()).expect("a history is stored");
        history.lines().map(str::to_owned).collect()
    }

    /// The history's first line.
    pub(crate) fn header(&self) -> Header {
        Reader::open(&self.history()).expect("a history is stored").header().clone()
    }

    /// Every further entry up to where the file ends, be it in the middle of a line.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let reader = Reader::open(&self.history()).expect("a history is stored");
        reader.map(|line| line.expect("an entry").1).collect()
    }

    pub(crate) fn verdict_bytes(&self) -> Vec<u8> {
        fs::read(self.path.join("verdict.json")).expect("a verdict is stored")
    }

    pub(crate) fn judgement(&self) -> Judgement {
        serde_json::from_slice(&self.verdict_bytes()).expect("verdict.json is a judgement")
    }

    /// `run.json`.
    pub(crate) fn file(&self) -> Value {
        let text = fs::read(self.path.join("run.json")).expect("run.json is stored");
        serde_json::from_slice(&text).expect("run.json is JSON")
    }

    /// The temporary folder with the servers' data, which must not outlive the run.
    pub(crate) fn data_folder(&self) -> PathBuf {
        std::env::temp_dir().join(self.header().database.replace('_', "-"))
    }
}

/// Waits for a condition.
pub(crate) fn until(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < deadline, "{what}: not within {deadline:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Folders in a folder; links are not followed.
fn real_folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut paths: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}
