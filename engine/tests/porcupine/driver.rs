//! The Go driver: built where Go is installed, and asked for Porcupine's histories, verdicts and times.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Command;

use flate2::read::GzDecoder;
use serde::Deserialize;
use serde::de::DeserializeSeed;
use serde_json::value::RawValue;
use torn_engine::operation::{Place, Seed};
use torn_engine::register::History;

/// A history that comes with Porcupine, and its verdict.
#[derive(Debug, Deserialize)]
pub(crate) struct Recorded {
    pub(crate) id: String,
    pub(crate) linearizable: bool,
    history: Vec<Box<RawValue>>,
}

impl Recorded {
    /// The history as the engine reads it.
    pub(crate) fn read(&self) -> History {
        let mut history = History::default();
        for (ordinal, operation) in self.history.iter().enumerate() {
            let place = Place { line: ordinal as u32 + 1, ordinal: ordinal as u32 };
            let mut text = serde_json::Deserializer::from_str(operation.get());
            Seed { recorder: &mut history, place }.deserialize(&mut text).expect("an operation of a register");
        }
        history
    }
}

/// What Porcupine says of a history now.
#[derive(Debug, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) id: String,
    pub(crate) partition: bool,
    pub(crate) linearizable: bool,
    #[allow(dead_code, reason = "the test does not measure")]
    pub(crate) nanoseconds: u64,
}

/// The lines of the recorded histories, as the repository keeps them.
pub(crate) fn stored() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/histories/porcupine.jsonl.gz");
    let file = File::open(path).expect("the histories are in the repository");
    BufReader::new(GzDecoder::new(file)).lines().map(|line| line.expect("it is text")).collect()
}

/// The recorded histories.
pub(crate) fn recorded() -> Vec<Recorded> {
    stored().iter().map(|line| serde_json::from_str(line).expect("it is a history")).collect()
}

/// Porcupine itself.
pub(crate) struct Driver {
    program: PathBuf,
    data: PathBuf,
}

impl Driver {
    /// Builds the driver; `None` where Go is not installed.
    pub(crate) fn build() -> Option<Self> {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/porcupine");
        let go = ["go", "/usr/local/go/bin/go"]
            .into_iter()
            .find(|go| Command::new(go).arg("version").output().is_ok_and(|output| output.status.success()))?;
        let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("porcupine-driver");
        run(Command::new(go).args(["build", "-o"]).arg(&program).arg(".").current_dir(source));
        let module = ["list", "-m", "-f", "{{.Dir}}", "github.com/anishathalye/porcupine"];
        let directory = run(Command::new(go).args(module).current_dir(source));
        Some(Self { program, data: PathBuf::from(directory.trim()).join("test_data") })
    }

    /// The module's histories in the engine's format, as [`stored`] has them.
    #[allow(dead_code, reason = "the bench only measures")]
    pub(crate) fn convert(&self) -> Vec<String> {
        run(Command::new(&self.program).arg("convert").arg(&self.data)).lines().map(str::to_owned).collect()
    }

    /// What Porcupine says, and how long it takes: `judge`, or more exactly, `measure`.
    pub(crate) fn check(&self, command: &str) -> Vec<Verdict> {
        let output = run(Command::new(&self.program).arg(command).arg(&self.data));
        output.lines().map(|line| serde_json::from_str(line).expect("it is a verdict")).collect()
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text")
}
