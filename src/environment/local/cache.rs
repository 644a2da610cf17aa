//! The one folder that everything installed goes to.
//!
//! ```text
//! <cache>/stack-1/            raised when what is installed changes
//!   .lock                     held by the one install at work
//!   .partial-…                not yet complete; swept by the next install
//!   mongodb/bin/mongod
//!   kafka/libs/*.jar, log4j2.properties
//!   kafka-start/              storage template and class-data archive, made from `kafka`
//!   toxiproxy/bin/server
//!   python/bin/python3        a virtual environment with the drivers that Python services use
//!   <component>/SHA256SUMS    of each of its files, written last
//! ```
//! A component is put together in a folder of another name, checked, and renamed: it is there whole or not at all.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::environment::EnvironmentError;

/// The version of all that is installed together.
const STACK_VERSION: &str = "stack-1";

/// The list of a component's files.
const SUMS: &str = "SHA256SUMS";

/// What folders begin with that are not complete.
const PARTIAL: &str = ".partial-";

/// How long to wait for another install: it downloads 150 MB.
const LOCK_DEADLINE: Duration = Duration::from_secs(15 * 60);

/// How a component stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// All its files are as they were installed.
    Installed,
    /// It was never installed.
    Missing,
    /// This file is not as it was installed.
    Damaged(PathBuf),
}

/// The cache.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// `$TORN_CACHE`, else `$XDG_CACHE_HOME/tornwrite`, else `~/.cache/tornwrite`.
    ///
    /// # Errors
    /// When none of them is set.
    pub fn from_environment() -> Result<Self, EnvironmentError> {
        let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = folder("TORN_CACHE")
            .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("tornwrite")))
            .or_else(|| folder("HOME").map(|home| home.join(".cache/tornwrite")))
            .ok_or(EnvironmentError::NoCache)?;
        Ok(Self::at(&base))
    }

    /// A cache in this folder.
    pub fn at(base: &Path) -> Self {
        let base = std::path::absolute(base).unwrap_or_else(|_| base.to_owned());
        Self { root: base.join(STACK_VERSION) }
    }

    /// The folder of this stack's version.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a component, whether it is there or not.
    pub fn component(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A file of a component, if the component is there.
    pub fn file(&self, name: &str, file: &str) -> Option<PathBuf> {
        Some(self.component(name).join(file)).filter(|path| path.is_file())
    }

    /// Looks at every file of a component.
    pub fn state(&self, name: &str) -> State {
        let folder = self.component(name);
        let Ok(sums) = fs::read_to_string(folder.join(SUMS)) else {
            return if folder.exists() { State::Damaged(folder.join(SUMS)) } else { State::Missing };
        };
        let differs = |(sum, file): &(&str, &str)| sha256(&folder.join(file)).ok().as_deref() != Some(*sum);
        match sums.lines().filter_map(|line| line.split_once("  ")).find(differs) {
            Some((_, file)) => State::Damaged(folder.join(file)),
            None => State::Installed,
        }
    }

    /// Waits for its turn to install; what earlier installs left unfinished is removed. `waiting` is called once if
    /// there is another one at work.
    pub(super) async fn lock(&self, waiting: impl FnOnce()) -> Result<Flock<File>, EnvironmentError> {
        fs::create_dir_all(&self.root).map_err(EnvironmentError::file("cannot make", &self.root))?;
        let path = self.root.join(".lock");
        let deadline = Instant::now() + LOCK_DEADLINE;
        let mut waiting = Some(waiting);
        loop {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
            let file = file.map_err(EnvironmentError::file("cannot write", &path))?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => {
                    self.sweep();
                    return Ok(lock);
                }
                Err(_) if Instant::now() < deadline => {
                    if let Some(waiting) = waiting.take() {
                        waiting();
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err((_, error)) => return Err(EnvironmentError::file("cannot lock", path)(error.into())),
            }
        }
    }

    /// A new folder to put a component together in; removed when dropped.
    pub(super) fn stage(&self, name: &str) -> Result<TempDir, EnvironmentError> {
        tempfile::Builder::new()
            .prefix(&format!("{PARTIAL}{name}-"))
            .tempdir_in(&self.root)
            .map_err(EnvironmentError::file("cannot make a folder in", &self.root))
    }

    /// Makes a complete folder the component, in place of what may be there damaged.
    pub(super) fn publish(&self, name: &str, stage: TempDir) -> Result<(), EnvironmentError> {
        let target = self.component(name);
        write_sums(stage.path()).map_err(EnvironmentError::file("cannot list", stage.path()))?;
        if target.exists() {
            let aside = self.stage(name)?;
            fs::rename(&target, aside.path().join("old")).map_err(EnvironmentError::file("cannot move", &target))?;
        }
        let staged = stage.keep();
        fs::rename(&staged, &target).map_err(EnvironmentError::file("cannot make", &target))
    }

    /// Removes what was left by installs that were killed. Only under the lock.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// The SHA-256 of a file, in lower-case hexadecimal digits.
pub(super) fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
    }
    Ok(base16ct::lower::encode_string(&hasher.finalize()))
}

fn write_sums(folder: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    collect(folder, folder, &mut files)?;
    files.sort();
    let mut sums = String::new();
    for file in files {
        let sum = sha256(&folder.join(&file))?;
        let _ = writeln!(sums, "{sum}  {}", file.display());
    }
    fs::write(folder.join(SUMS), sums)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        // Links lead to programs of the system (Python's), which change with it.
        if kind.is_dir() && entry.file_name() != "__pycache__" {
            collect(root, &entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path().strip_prefix(root).expect("it is below the root").to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(base: &Path) -> Cache {
        let cache = Cache::at(base);
        fs::create_dir_all(cache.root()).expect("it is new");
        let stage = cache.stage("thing").expect("a folder");
        fs::create_dir(stage.path().join("bin")).expect("it is new");
        fs::write(stage.path().join("bin/program"), "all of it").expect("it is writable");
        assert_eq!(cache.state("thing"), State::Missing, "what is being put together does not count");
        cache.publish("thing", stage).expect("it can be renamed");
        cache
    }

    #[test]
    fn a_file_that_was_cut_short_does_not_count_as_installed() {
        let base = tempfile::tempdir().expect("a temporary folder");
        let cache = installed(base.path());
        assert_eq!(cache.state("thing"), State::Installed);
        fs::write(cache.component("thing").join("bin/program"), "all of").expect("it is writable");
        assert_eq!(cache.state("thing"), State::Damaged(cache.component("thing").join("bin/program")));
    }

    #[test]
    fn a_component_is_replaced_as_a_whole() {
        let base = tempfile::tempdir().expect("a temporary folder");
        let cache = installed(base.path());
        let stage = cache.stage("thing").expect("a folder");
        fs::write(stage.path().join("other"), "new").expect("it is writable");
        cache.publish("thing", stage).expect("it can be renamed");
        assert_eq!(cache.state("thing"), State::Installed);
        assert!(cache.file("thing", "bin/program").is_none() && cache.file("thing", "other").is_some());
    }

    #[tokio::test]
    async fn a_second_install_waits_and_then_finds_no_rest_of_one_that_was_killed() {
        let base = tempfile::tempdir().expect("a temporary folder");
        let cache = Cache::at(base.path());
        let first = cache.lock(|| ()).await.expect("nobody else");
        let rest = cache.stage("thing").expect("a folder").keep();
        let (waiting, waits) = tokio::sync::oneshot::channel();
        let other = cache.clone();
        let second = tokio::spawn(async move { other.lock(|| waiting.send(()).expect("it is awaited")).await });
        waits.await.expect("the second one waits");
        assert!(!second.is_finished() && rest.exists());
        drop(first);
        let _lock = second.await.expect("no panic").expect("its turn comes");
        assert!(!rest.exists());
    }
}
