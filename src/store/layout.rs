//! Folders and file names; what is checked before a run; which old runs go.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;
use thiserror::Error;
use time::OffsetDateTime;
use time::macros::format_description;

/// A run does not start with less free space than this, in bytes.
pub const FREE_SPACE_AT_LEAST: u64 = 256 << 20;

/// Invocations of one scenario and seed that may start in the same second.
const SAME_SECOND_AT_MOST: u32 = 100;

/// Why results cannot be stored.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The folder cannot be written to.
    #[error("cannot write to {path}: {source}; make it writable or choose another folder with --out")]
    NotWritable {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is too little room.
    #[error(
        "only {free_mib} MiB are free in {path}, a run needs {needed_mib}; free some space, thin old runs with --keep, or choose another folder with --out"
    )]
    DiskFull {
        /// The folder.
        path: PathBuf,
        /// Free space.
        free_mib: u64,
        /// [`FREE_SPACE_AT_LEAST`].
        needed_mib: u64,
    },
    /// It is not a folder that a run has left.
    #[error(
        "{path} is not a run: it holds no {missing}; give the folder of one variant (results/<scenario>/latest/<variant>)"
    )]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// The file that every run has.
        missing: &'static str,
    },
    /// Something else went wrong with one file.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { path, source }
}

/// The folder `results/`, known to be writable.
#[derive(Debug, Clone)]
pub struct RunStore {
    path: PathBuf,
}

impl RunStore {
    /// Creates the folder where it is missing, and proves before any run that it can be written to and has room.
    ///
    /// # Errors
    /// When it cannot, or has not.
    pub fn open(out: &Path) -> Result<Self, StoreError> {
        let not_writable = |source| StoreError::NotWritable { path: out.to_owned(), source };
        std::fs::create_dir_all(out).map_err(not_writable)?;
        // A file is really written: permission bits say nothing about read-only mounts and quotas.
        tempfile::tempfile_in(out)
            .and_then(|mut probe| probe.write_all(b"torn").and_then(|()| probe.flush()))
            .map_err(not_writable)?;
        let free = free_space(out)?;
        if free < FREE_SPACE_AT_LEAST {
            return Err(StoreError::DiskFull {
                path: out.to_owned(),
                free_mib: free >> 20,
                needed_mib: FREE_SPACE_AT_LEAST >> 20,
            });
        }
        Ok(Self { path: out.to_owned() })
    }

    /// Opens the store and creates the folder of one invocation in it.
    ///
    /// # Errors
    /// As [`RunStore::open`], or when the folder cannot be created.
    pub fn create(
        out: &Path,
        scenario: &str,
        seed: u64,
        started: OffsetDateTime,
    ) -> Result<(Self, ScenarioFolder), StoreError> {
        let store = Self::open(out)?;
        let folder = store.invocation(scenario, seed, started)?;
        Ok((store, folder))
    }

    /// Creates the folder of one invocation; two in the same second get folders of their own.
    fn invocation(&self, scenario: &str, seed: u64, started: OffsetDateTime) -> Result<ScenarioFolder, StoreError> {
        let parent = self.path.join(safe_name(scenario));
        std::fs::create_dir_all(&parent).map_err(at(&parent))?;
        let stem = format!("{}-{seed}", folder_time(started));
        for number in 1..=SAME_SECOND_AT_MOST {
            let name = if number == 1 { stem.clone() } else { format!("{stem}-{number}") };
            let path = parent.join(name);
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(ScenarioFolder { path, variants: BTreeSet::new() }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(StoreError::Io { path, source }),
            }
        }
        let taken = io::Error::new(io::ErrorKind::AlreadyExists, "a hundred runs were started in this second");
        Err(StoreError::Io { path: parent.join(stem), source: taken })
    }

    /// Removes all but the `count` (at least one) newest invocations of a scenario, and says which. Only folders that
    /// are named as this store names them are touched.
    ///
    /// # Errors
    /// When a folder cannot be listed or removed.
    pub fn keep(&self, scenario: &str, count: usize) -> Result<Vec<PathBuf>, StoreError> {
        let parent = self.path.join(safe_name(scenario));
        let mut runs = Vec::new();
        for entry in std::fs::read_dir(&parent).map_err(at(&parent))? {
            let entry = entry.map_err(at(&parent))?;
            // `file_type` does not follow links: `latest` is never a candidate.
            let is_folder = entry.file_type().map_err(at(&entry.path()))?.is_dir();
            if is_folder && is_run_name(&entry.file_name().to_string_lossy()) {
                runs.push(entry.path());
            }
        }
        runs.sort_unstable_by_key(|path| std::cmp::Reverse(run_order(path)));
        let old = runs.split_off(count.max(1).min(runs.len()));
        for path in &old {
            std::fs::remove_dir_all(path).map_err(at(path))?;
        }
        Ok(old)
    }
}

/// One invocation: the variants of a scenario under one seed.
#[derive(Debug, Clone)]
pub struct ScenarioFolder {
    path: PathBuf,
    variants: BTreeSet<String>,
}

impl ScenarioFolder {
    /// An invocation that is already there.
    pub fn existing(path: &Path) -> Self {
        Self { path: path.to_owned(), variants: BTreeSet::new() }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the folder of one variant. Names that become the same folder get a number.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn variant(&mut self, name: &str) -> Result<RunFolder, StoreError> {
        let stem = safe_name(name);
        let mut folder = stem.clone();
        let mut number = 2;
        while !self.variants.insert(folder.clone()) {
            folder = format!("{stem}-{number}");
            number += 1;
        }
        let run = RunFolder { path: self.path.join(folder) };
        for path in [run.path.clone(), run.plots(), run.logs()] {
            std::fs::create_dir_all(&path).map_err(at(&path))?;
        }
        Ok(run)
    }

    /// Points `latest` at this invocation, in one step: a reader sees the old one or the new one.
    ///
    /// # Errors
    /// When the link cannot be written.
    pub fn publish(&self) -> Result<(), StoreError> {
        let name = self.path.file_name().expect("an invocation's folder has a name");
        let link = self.path.with_file_name("latest");
        let fresh = self.path.with_file_name(format!(".latest-{}", std::process::id()));
        let _ = std::fs::remove_file(&fresh);
        std::os::unix::fs::symlink(name, &fresh).map_err(at(&fresh))?;
        std::fs::rename(&fresh, &link).map_err(at(&link))
    }

    /// The logs of servers that several runs share.
    pub fn servers(&self) -> PathBuf {
        self.path.join("servers")
    }

    /// The variants side by side, for people.
    pub fn comparison_html(&self) -> PathBuf {
        self.path.join("comparison.html")
    }

    /// The same as data.
    pub fn comparison_json(&self) -> PathBuf {
        self.path.join("comparison.json")
    }

    /// The cells of a matrix, for people; in the place of the comparison.
    pub fn matrix_html(&self) -> PathBuf {
        self.path.join("matrix.html")
    }

    /// The same as data.
    pub fn matrix_json(&self) -> PathBuf {
        self.path.join("matrix.json")
    }

    /// The same for a page of documentation.
    pub fn matrix_markdown(&self) -> PathBuf {
        self.path.join("matrix.md")
    }

    /// The points of a sweep, for people; in the place of the comparison.
    pub fn sweep_html(&self) -> PathBuf {
        self.path.join("sweep.html")
    }

    /// The same as data.
    pub fn sweep_json(&self) -> PathBuf {
        self.path.join("sweep.json")
    }

    /// The same for a page of documentation.
    pub fn sweep_markdown(&self) -> PathBuf {
        self.path.join("sweep.md")
    }

    /// For CI.
    pub fn junit(&self) -> PathBuf {
        self.path.join("junit.xml")
    }

    /// For a CI job's page.
    pub fn summary(&self) -> PathBuf {
        self.path.join("summary.md")
    }
}

/// One run: one execution of one variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// A run that is already there.
    ///
    /// # Errors
    /// When the folder holds no run.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let run = Self { path: path.to_owned() };
        for (file, name) in [(run.run_file(), "run.json"), (run.history(), "history.jsonl")] {
            if !file.is_file() {
                return Err(StoreError::NotARun { path: path.to_owned(), missing: name });
            }
        }
        Ok(run)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder's own name: the variant's, made safe.
    pub fn name(&self) -> String {
        self.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// What ran.
    pub fn run_file(&self) -> PathBuf {
        self.path.join("run.json")
    }

    /// Everything that was seen.
    pub fn history(&self) -> PathBuf {
        self.path.join("history.jsonl")
    }

    /// What that proves.
    pub fn verdict(&self) -> PathBuf {
        self.path.join("verdict.json")
    }

    /// What it cost.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.json")
    }

    /// Response times, an `HdrHistogram` interval log.
    pub fn latency_log(&self) -> PathBuf {
        self.path.join("latency.hlog")
    }

    /// The report's plots.
    pub fn plots(&self) -> PathBuf {
        self.path.join("plots")
    }

    /// The whole run, for people.
    pub fn report(&self) -> PathBuf {
        self.path.join("report.html")
    }

    /// What the processes printed.
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// What one process printed.
    pub fn log(&self, instance: &str) -> PathBuf {
        self.logs().join(format!("{}.log", safe_name(instance)))
    }
}

/// A name as a folder's: lower-case letters, digits, dots and single dashes, never empty, never hidden.
pub fn safe_name(name: &str) -> String {
    let mut safe = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_ascii_alphanumeric() || (character == '.' && !safe.is_empty()) {
            safe.push(character.to_ascii_lowercase());
        } else if !safe.is_empty() && !safe.ends_with('-') {
            safe.push('-');
        }
    }
    let safe = safe.trim_end_matches(['-', '.']);
    if safe.is_empty() || safe == "latest" { format!("_{safe}") } else { safe.to_owned() }
}

fn folder_time(started: OffsetDateTime) -> String {
    started
        .to_offset(time::UtcOffset::UTC)
        .format(format_description!("[year][month][day]T[hour][minute][second]Z"))
        .expect("the format names only parts that a date has")
}

/// Whether a folder is named as [`RunStore::create`] names it: `20261122T101500Z-42`, perhaps `-2`.
fn is_run_name(name: &str) -> bool {
    let mut parts = name.split('-');
    let is_time = parts.next().is_some_and(|time| {
        time.len() == 16
            && time.ends_with('Z')
            && time.as_bytes()[8] == b'T'
            && time[..15].bytes().enumerate().all(|(index, byte)| index == 8 || byte.is_ascii_digit())
    });
    let numbers: Vec<&str> = parts.collect();
    is_time && (1..=2).contains(&numbers.len()) && numbers.iter().all(|number| number.parse::<u64>().is_ok())
}

/// The order in which runs began: by time, then by the number of those in the same second (`-10` after `-9`).
fn run_order(path: &Path) -> (String, u64, String) {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let time = name.split('-').next().unwrap_or_default().to_owned();
    let number = name.split('-').nth(2).and_then(|number| number.parse().ok()).unwrap_or(1);
    (time, number, name)
}

fn free_space(path: &Path) -> Result<u64, StoreError> {
    let system = statvfs(path).map_err(|errno| StoreError::Io { path: path.to_owned(), source: errno.into() })?;
    Ok(system.blocks_available().saturating_mul(system.fragment_size()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const STARTED: OffsetDateTime = datetime!(2026-11-22 10:15:00 UTC);

    #[test]
    fn two_invocations_in_one_second_get_folders_of_their_own() {
        let out = tempfile::tempdir().unwrap();
        let (_, first) = RunStore::create(out.path(), "demo", 42, STARTED).unwrap();
        let (_, second) = RunStore::create(out.path(), "demo", 42, STARTED).unwrap();
        assert_eq!(first.path(), out.path().join("demo/20261122T101500Z-42"));
        assert_eq!(second.path(), out.path().join("demo/20261122T101500Z-42-2"));
    }

    #[test]
    fn variants_that_become_the_same_folder_get_a_number() {
        let out = tempfile::tempdir().unwrap();
        let (_, mut folder) = RunStore::create(out.path(), "demo", 1, STARTED).unwrap();
        assert_eq!(folder.variant("outbox, naive consumer").unwrap().name(), "outbox-naive-consumer");
        assert_eq!(folder.variant("Outbox / naive consumer").unwrap().name(), "outbox-naive-consumer-2");
    }

    #[test]
    fn no_name_leaves_the_store() {
        for name in ["../../etc", "/", "..", ".hidden", "", "latest", "a/b"] {
            let safe = safe_name(name);
            assert!(
                !safe.contains('/') && !safe.starts_with('.') && !safe.is_empty() && safe != "latest",
                "{name:?} → {safe:?}"
            );
        }
    }

    #[test]
    fn latest_points_at_the_published_invocation() {
        let out = tempfile::tempdir().unwrap();
        for seed in [1, 2] {
            let (_, folder) = RunStore::create(out.path(), "demo", seed, STARTED).unwrap();
            folder.publish().unwrap();
        }
        let target = std::fs::read_link(out.path().join("demo/latest")).unwrap();
        assert_eq!(target, Path::new("20261122T101500Z-2"));
    }

    #[test]
    fn keep_removes_the_oldest_runs_and_nothing_else() {
        let out = tempfile::tempdir().unwrap();
        let later = STARTED + time::Duration::minutes(1);
        let (store, _) = RunStore::create(out.path(), "demo", 7, later).unwrap();
        let (_, newest) = RunStore::create(out.path(), "demo", 7, later + time::Duration::minutes(1)).unwrap();
        RunStore::create(out.path(), "demo", 900, STARTED).unwrap();
        newest.publish().unwrap();
        std::fs::create_dir(out.path().join("demo/my-notes")).unwrap();
        let removed = store.keep("demo", 2).unwrap();
        assert_eq!(removed, [out.path().join("demo/20261122T101500Z-900")]);
        assert!(out.path().join("demo/my-notes").is_dir() && out.path().join("demo/latest").exists());
        store.keep("demo", 0).unwrap();
        assert!(newest.path().is_dir(), "the newest run always stays");
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_named_with_the_remedy() {
        let out = tempfile::tempdir().unwrap();
        let path = out.path().join("results");
        std::fs::write(&path, "in the way").unwrap();
        let error = RunStore::open(&path).unwrap_err().to_string();
        assert!(error.contains("results") && error.contains("--out"), "{error}");
    }

    #[test]
    fn a_folder_without_a_history_is_not_a_run() {
        let out = tempfile::tempdir().unwrap();
        let error = RunFolder::open(out.path()).unwrap_err().to_string();
        assert!(error.contains("is not a run: it holds no run.json"), "{error}");
    }
}
