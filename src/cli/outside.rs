//! `torn check --model`: histories that others recorded, judged by the engine alone.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use bytesize::ByteSize;
use clap::ValueEnum;
use serde_json::json;
use torn_engine::budget::Budget;
use torn_engine::operation::Recorder;
use torn_engine::read::{self, History};
use torn_engine::verdict::{Anomaly, Cited, Judgement, Verdict};
use torn_engine::{kafka, register};

use super::exit::{Exit, Failure};
use super::judged::Format;
use super::paper::{Paper, Tone};
use super::verdict_block::plain;
use crate::report::sentence::{grouped, milliseconds};

/// What a history of others is, and what its judgement may take.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Histories that others recorded")]
pub(crate) struct Options {
    /// What the operations are: sends and polls of a log, or reads and writes of registers
    #[arg(long, value_enum)]
    pub(super) model: Option<Model>,
    /// Give up on a history after this time, and call it unknown
    #[arg(long, value_name = "TIME", requires = "model", default_value = "10m", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Hold at most this much of a history and of what is known about it; beyond, it is unknown
    #[arg(long, value_name = "SIZE", requires = "model", default_value = "4GiB")]
    memory: ByteSize,
    /// kafka-log: the anomalies that make a history invalid, instead of those that do so for Jepsen
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', requires = "model")]
    forbid: Option<Vec<kafka::Kind>>,
    /// kafka-log: do not take the order of records for a dependency between their senders when looking for cycles (g0, g1c)
    #[arg(long, requires = "model")]
    no_ww_deps: bool,
    /// kafka-log: which order counts beside the data when looking for cycles
    #[arg(long, value_enum, requires = "model")]
    precedence: Option<Precedence>,
    /// register: write a picture of each history that is not linearizable into this folder
    #[arg(long, value_name = "FOLDER", requires = "model")]
    pictures: Option<PathBuf>,
}

/// An order between operations, whatever they did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Precedence {
    /// One had ended before the other began: Jepsen's choice, and what is taken without this option
    Realtime,
    /// One process ran one after the other: finds g0-process and g1c-process
    Process,
}

/// What the operations of a history are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Model {
    /// Records are sent to keys and polled from them at offsets, as in Jepsen's Kafka workload
    KafkaLog,
    /// Keys are read, written, compared-and-set and appended to; is there an order that explains the answers?
    Register,
}

/// Judges every history of the files.
///
/// # Errors
/// When a file cannot be read; histories before the mistake have been judged and printed.
pub(super) fn check(model: Model, options: &Options, paths: &[PathBuf], format: Format) -> Result<Exit, Failure> {
    let foreign = |model: &str, flag: &str| Failure::usage(anyhow::anyhow!("only --model {model} knows {flag}"));
    match model {
        Model::KafkaLog => {
            if options.pictures.is_some() {
                return Err(foreign("register", "--pictures"));
            }
            let deciding = options.forbid.as_ref().map(|kinds| kinds.iter().copied().collect());
            let precedence = match options.precedence {
                Some(Precedence::Process) => kafka::Precedence::Process,
                Some(Precedence::Realtime) | None => kafka::Precedence::Realtime,
            };
            let ww_deps = !options.no_ww_deps;
            let told = kafka::Options { deciding, ww_deps, precedence, ..kafka::Options::default() };
            let mut desk = Desk::new(options, format, "send, poll, txn, assign, subscribe, crash");
            desk.judge_all(paths, |history: kafka::History, budget| history.judge(&told, budget))
        }
        Model::Register => {
            if options.forbid.is_some() {
                return Err(foreign("kafka-log", "--forbid"));
            }
            if options.no_ww_deps {
                return Err(foreign("kafka-log", "--no-ww-deps"));
            }
            if options.precedence.is_some() {
                return Err(foreign("kafka-log", "--precedence"));
            }
            let told = register::Options::default();
            let mut desk = Desk::new(options, format, "read, write, cas, append");
            desk.judge_all(paths, |history: register::History, budget| history.judge(&told, budget))
        }
    }
}

/// Where verdicts are written down and counted.
struct Desk<'a> {
    options: &'a Options,
    format: Format,
    functions: &'static str,
    paper: Paper,
    verdicts: [usize; 3],
}

impl<'a> Desk<'a> {
    fn new(options: &'a Options, format: Format, functions: &'static str) -> Self {
        Self { options, format, functions, paper: Paper::stdout(), verdicts: [0; 3] }
    }

    fn judge_all<R: Recorder + Default>(
        &mut self,
        paths: &[PathBuf],
        judge: impl Fn(R, &Budget) -> Judgement,
    ) -> Result<Exit, Failure> {
        if let Some(folder) = &self.options.pictures {
            std::fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
        }
        let memory = self.options.memory.as_u64();
        for path in paths {
            let is_stdin = path.as_os_str() == "-";
            let path = if is_stdin { Path::new("standard input") } else { path.as_path() };
            let mut trouble = Ok(());
            let each = |history: History<R>| {
                trouble = self.judge(path, history, &judge);
                if trouble.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            };
            if is_stdin {
                read::stream(path, io::stdin(), memory, each)?;
            } else {
                read::file(path, memory, each)?;
            }
            trouble?;
        }
        if self.format == Format::Human && self.verdicts.iter().sum::<usize>() > 1 {
            let [valid, unknown, invalid] = self.verdicts;
            println!("{} histories: {valid} valid, {invalid} invalid, {unknown} unknown", valid + unknown + invalid);
        }
        let [_, unknown, invalid] = self.verdicts;
        Ok(match (invalid, unknown) {
            (1.., _) => Exit::NotAsExpected,
            (0, 1..) => Exit::Unknown,
            (0, 0) => Exit::AsExpected,
        })
    }

    fn judge<R: Recorder>(
        &mut self,
        path: &Path,
        history: History<R>,
        judge: impl Fn(R, &Budget) -> Judgement,
    ) -> Result<(), Failure> {
        let started = Instant::now();
        let History { id, line, operations, known, recorder } = history;
        let budget = Budget::new(Some(self.options.timeout), self.options.memory.as_u64());
        // What the reader holds of the history is part of what may be held.
        let recorder = recorder.and_then(|recorder| budget.hold(recorder.memory()).map(|()| recorder));
        let judgement = match recorder {
            _ if known == 0 => Judgement::unknown(format!(
                "none of its {operations} lines is a client's operation (a number as `process`) that this model knows ({})",
                self.functions
            )),
            Ok(recorder) => judge(recorder, &budget),
            Err(exhausted) => Judgement::unknown(exhausted.to_string()),
        };
        let told = Told { path, id, line, operations, judgement, took: started.elapsed() };
        self.verdicts[told.judgement.verdict as usize] += 1;
        let picture = self.draw(&told)?;
        let text = match self.format {
            Format::Human => told.block(picture.as_deref(), self.paper),
            Format::Json => told.json(picture.as_deref()),
        };
        io::stdout().write_all(text.as_bytes()).context("failed to print the verdict")?;
        Ok(())
    }

    /// Stores the picture, if there is one and one is wanted.
    fn draw(&self, told: &Told) -> Result<Option<PathBuf>, Failure> {
        let (Some(folder), Some(picture)) = (&self.options.pictures, &told.judgement.picture) else { return Ok(None) };
        let stem = told.path.file_name().map_or_else(|| "history".into(), |name| name.to_string_lossy());
        let name = match &told.id {
            Some(id) => format!("{stem}-{id}"),
            None => format!("{stem}-{}", told.line),
        };
        let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
        let name: String = name.chars().map(|character| if is_plain(character) { character } else { '-' }).collect();
        let path = folder.join(format!("{}.svg", &name[..name.len().min(200)]));
        std::fs::write(&path, picture).with_context(|| format!("failed to write {}", path.display()))?;
        Ok(Some(path))
    }
}

/// A judged history.
struct Told<'a> {
    path: &'a Path,
    id: Option<String>,
    line: u32,
    operations: u32,
    judgement: Judgement,
    took: Duration,
}

/// At most this many examples of one kind are told in the terminal; `--format json` has more.
const EXAMPLES: usize = 2;

impl Told<'_> {
    /// One line for a machine.
    fn json(&self, picture: Option<&Path>) -> String {
        let Judgement { verdict, reasons, anomalies, figures, .. } = &self.judgement;
        let mut line = json!({
            "file": self.path,
            "id": self.id,
            "line": self.line,
            "operations": self.operations,
            "verdict": verdict,
            "reasons": reasons,
            "anomalies": anomalies,
            "figures": figures,
            "millis": (self.took.as_secs_f64() * 1e6).round() / 1e3,
        });
        if let Some(picture) = picture {
            line["picture"] = json!(picture);
        }
        format!("{line}\n")
    }

    /// A few lines for a person.
    fn block(&self, picture: Option<&Path>, paper: Paper) -> String {
        let (word, tone) = match self.judgement.verdict {
            Verdict::Valid => ("VALID  ", Tone::Good),
            Verdict::Unknown => ("UNKNOWN", Tone::Unsure),
            Verdict::Invalid => ("INVALID", Tone::Bad),
        };
        let name = match &self.id {
            Some(id) => format!("{} ({})", self.path.display(), plain(id)),
            None => self.path.display().to_string(),
        };
        let took = milliseconds(self.took.as_secs_f64() * 1e3);
        let cost =
            paper.paint(Tone::Soft, &format!("{} lines, checked in {took}", grouped(u64::from(self.operations))));
        let mut text = format!("{}  {name}  {cost}\n", paper.paint(tone, word));
        for anomaly in &self.judgement.anomalies {
            text.push_str(&self.anomaly_lines(anomaly, paper));
        }
        for reason in &self.judgement.reasons {
            text.push_str(&paper.paragraph("  because ", &plain(reason)));
        }
        if let Some(picture) = picture {
            let _ = writeln!(text, "  picture: {}", picture.display());
        }
        text
    }

    fn anomaly_lines(&self, anomaly: &Anomaly, paper: Paper) -> String {
        let line = format!("{:>9} × {}", grouped(anomaly.count), anomaly.kind);
        if !anomaly.decides {
            return format!("{line}  (does not decide)\n");
        }
        let mut text = format!("{}\n", paper.paint(Tone::Bad, &line));
        for example in anomaly.examples.iter().take(EXAMPLES) {
            let mut told = plain(&example.explanation);
            // Some sentences name the lines beside what stands on them.
            if !told.contains("(line") {
                let _ = write!(told, " ({})", self.places(&example.operations));
            }
            text.push_str(&paper.paragraph("          - ", &told));
        }
        text
    }

    /// Where to look: the lines, or the places within the one line that holds the whole history.
    fn places(&self, cited: &[Cited]) -> String {
        let is_one_line = self.operations > 1 && cited.iter().all(|cited| cited.line == self.line);
        let place = |cited: &Cited| if is_one_line { cited.ordinal } else { cited.line };
        let places: Vec<String> = cited.iter().map(|cited| place(cited).to_string()).collect();
        match (is_one_line, &places[..]) {
            (true, _) => format!("line {}, operations {} from 0", self.line, places.join(", ")),
            (false, [line]) => format!("line {line}"),
            (false, lines) => format!("lines {}", lines.join(", ")),
        }
    }
}
