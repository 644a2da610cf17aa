//! What is already there: the runs of a folder, and their `run.json`.

use std::path::{Path, PathBuf};

use super::layout::{RunFolder, StoreError};
use super::run_file::{FORMAT, RunFile};

/// Where results go unless `--out` says otherwise.
pub const DEFAULT_FOLDER: &str = "results";

impl RunFolder {
    /// Reads `run.json`.
    ///
    /// # Errors
    /// When it cannot be read, or is of another format.
    pub fn read_run_file(&self) -> Result<RunFile, StoreError> {
        let path = self.run_file();
        let io = |source| StoreError::Io { path: path.clone(), source };
        let text = std::fs::read_to_string(&path).map_err(io)?;
        let file: RunFile = serde_json::from_str(&text)
            .map_err(|error| io(std::io::Error::other(format!("not a run.json: {error}"))))?;
        if file.format != FORMAT {
            let message = format!("run.json has format {}, this torn reads format {FORMAT}", file.format);
            return Err(io(std::io::Error::other(message)));
        }
        Ok(file)
    }

    /// Writes `run.json`, in one step: a reader sees all of it or none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_run_file(&self, file: &RunFile) -> Result<(), StoreError> {
        let path = self.run_file();
        let io = |source| StoreError::Io { path: path.clone(), source };
        let mut text = serde_json::to_vec_pretty(file).expect("run.json has text keys and finite numbers");
        text.push(b'\n');
        let temporary = self.path().join("run.json.new");
        std::fs::write(&temporary, &text).map_err(io)?;
        std::fs::rename(&temporary, &path).map_err(io)?;
        Ok(())
    }
}

/// The runs that a path means: the run itself, or every variant of an invocation (in the order of their names).
///
/// # Errors
/// When it holds no run.
pub fn run_folders(path: &Path) -> Result<Vec<RunFolder>, StoreError> {
    let not_a_run = match RunFolder::open(path) {
        Ok(run) => return Ok(vec![run]),
        Err(error) => error,
    };
    let runs: Vec<RunFolder> = folders(path)?.iter().filter_map(|folder| RunFolder::open(folder).ok()).collect();
    if runs.is_empty() { Err(not_a_run) } else { Ok(runs) }
}

/// Every stored run, newest first in each scenario.
///
/// # Errors
/// When the folder cannot be listed.
pub fn runs(out: &Path) -> Result<Vec<RunFolder>, StoreError> {
    let mut runs = Vec::new();
    for scenario in folders(out)? {
        for invocation in folders(&scenario)?.into_iter().rev().filter(|path| !path.is_symlink()) {
            runs.extend(folders(&invocation)?.iter().filter_map(|folder| RunFolder::open(folder).ok()));
        }
    }
    Ok(runs)
}

fn folders(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let io = |source| StoreError::Io { path: path.to_owned(), source };
    let mut folders: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(io)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    Ok(folders)
}
