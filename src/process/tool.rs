//! Runs a program to its end: pip, mvn, go.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use thiserror::Error;

use super::child::group;

/// Why a tool gave no result.
#[derive(Debug, Error)]
pub enum ToolError {
    /// It could not be started.
    #[error("cannot start {program}: {cause}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        cause: std::io::Error,
    },
    /// It ended with a failure.
    #[error("`{command}` failed ({status}); its last lines:\n{last_lines}")]
    Failed {
        /// Program and arguments.
        command: String,
        /// How it ended.
        status: String,
        /// The end of what it said.
        last_lines: String,
    },
    /// It did not end in time, and was killed.
    #[error("`{command}` did not end within {} s and was killed", deadline.as_secs())]
    Deadline {
        /// Program and arguments.
        command: String,
        /// How long it was given.
        deadline: Duration,
    },
}

/// How many lines of a failing tool an error shows.
const LAST_LINES: usize = 15;

/// A command is cut after this many characters: a Java class path has thousands.
const COMMAND_CHARACTERS: usize = 160;

/// A program to run to its end.
#[derive(Debug)]
pub struct Tool {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(String, OsString)>,
    folder: Option<PathBuf>,
    deadline: Duration,
}

impl Tool {
    /// A program: a path, or a name to be found on PATH. The deadline is ten minutes: a download on a slow line.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: None,
            deadline: Duration::from_secs(600),
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the working folder.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Sets the deadline.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs it; what it wrote to its standard output.
    ///
    /// # Errors
    /// When it does not start, fails, or misses its deadline.
    pub async fn run(self) -> Result<String, ToolError> {
        self.run_until(async |_| std::future::pending().await).await
    }

    /// Runs it until it ends or `done`, which is given its process id, is through; then it is asked to end (SIGTERM).
    ///
    /// # Errors
    /// As [`Tool::run`]; an end by that SIGTERM is none.
    pub async fn run_until(self, done: impl AsyncFnOnce(u32)) -> Result<String, ToolError> {
        let program = self.program.to_string_lossy().into_owned();
        let command = std::iter::once(&self.program)
            .chain(&self.arguments)
            .map(|part| part.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ");
        let command = super::log::shortened(&command, COMMAND_CHARACTERS);
        let mut builder = tokio::process::Command::new(&self.program);
        builder.args(&self.arguments).envs(self.environment).stdin(Stdio::null()).kill_on_drop(true);
        if let Some(folder) = &self.folder {
            builder.current_dir(folder);
        }
        builder.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = builder.spawn().map_err(|cause| ToolError::Start { program: program.clone(), cause })?;
        let pid = child.id().expect("a child that was not waited for has a process id");
        let mut asked = false;
        let output = tokio::time::timeout(self.deadline, async {
            let mut output = std::pin::pin!(child.wait_with_output());
            tokio::select! {
                output = &mut output => return output,
                () = done(pid) => {}
            }
            asked = true;
            let _ = nix::sys::signal::kill(group(pid), nix::sys::signal::Signal::SIGTERM);
            output.await
        })
        .await
        .map_err(|_| ToolError::Deadline { command: command.clone(), deadline: self.deadline })?
        .map_err(|cause| ToolError::Start { program, cause })?;
        // Java answers a SIGTERM with 143, 128 and the signal's number, others die of it.
        let by_signal = asked && (output.status.signal() == Some(15) || output.status.code() == Some(143));
        if output.status.success() || by_signal {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let lines: Vec<String> = said.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
        Err(ToolError::Failed {
            command,
            status: output.status.to_string(),
            last_lines: super::log::indented(&lines[lines.len().saturating_sub(LAST_LINES)..]),
        })
    }
}

/// Finds a program: one with a slash relative to `folder`, else in each of `folders`, then on PATH.
pub fn find(program: &str, folder: &Path, folders: &[PathBuf]) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        use std::os::unix::fs::PermissionsExt;
        path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return Some(folder.join(program)).filter(is_program);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.iter().cloned().chain(std::env::split_paths(&path)).map(|folder| folder.join(program)).find(is_program)
}
