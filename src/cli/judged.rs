//! From a stored run to everything that follows from its history; the same for `run`, `check` and `report`.

use anyhow::Context;
use clap::ValueEnum;

use super::exit::{Exit, Failure};
use super::paper::Paper;
use super::verdict_block;
use crate::checker;
use crate::checker::verdict::{Judgement, Verdict};
use crate::history::facts::Facts;
use crate::history::reader::Reader;
use crate::metrics::thresholds::ThresholdOutcome;
use crate::metrics::{self, Measurement};
use crate::report::{self, RunReport, json};
use crate::store::{RunFile, RunFolder, ScenarioFolder};

/// How verdicts are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line, and nothing else on stdout.
    Json,
}

/// A run that was judged, measured and reported.
pub(crate) struct Judged {
    /// Where it is stored.
    pub folder: RunFolder,
    /// The folder's name.
    pub name: String,
    /// What ran.
    pub file: RunFile,
    /// What its history proves.
    pub judgement: Judgement,
    /// What it cost.
    pub measurement: Measurement,
}

impl Judged {
    /// How a command that ran it ends.
    pub(crate) fn exit(&self) -> Exit {
        let is_missed = |evaluation: &metrics::thresholds::Evaluation| evaluation.outcome == ThresholdOutcome::Missed;
        exit_of(&self.judgement, self.measurement.metrics.thresholds.iter().any(is_missed))
    }
}

/// Judges, measures and reports a stored run.
///
/// # Errors
/// When its history cannot be read, or something cannot be written.
pub(crate) fn judge_and_report(folder: RunFolder) -> Result<Judged, Failure> {
    let file = folder.read_run_file()?;
    let judgement = judge(&folder, &file)?;
    let reader = Reader::open(&folder.history())?;
    let measurement = metrics::compute(&file.resolved, reader, &judgement)?;
    report::write_run(&folder, &file, &judgement, &measurement).context("failed to write the report")?;
    Ok(Judged { name: folder.name(), folder, file, judgement, measurement })
}

/// The judgement of a stored run.
///
/// # Errors
/// When its history cannot be read.
pub(crate) fn judge(folder: &RunFolder, file: &RunFile) -> Result<Judgement, Failure> {
    let facts = Facts::read_file(&file.resolved, &folder.history())?;
    Ok(checker::judge(&file.resolved, &facts))
}

/// Writes `verdict.json`.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write_verdict(folder: &RunFolder, judgement: &Judgement) -> Result<(), Failure> {
    let path = folder.verdict();
    std::fs::write(&path, json::pretty(judgement)).with_context(|| format!("failed to write {}", path.display()))?;
    Ok(())
}

/// Writes the page and the files that tell of several runs together.
///
/// # Errors
/// When one cannot be written.
pub(crate) fn write_comparison(folder: &ScenarioFolder, runs: &[Judged]) -> Result<(), Failure> {
    let reports: Vec<RunReport> = runs
        .iter()
        .map(|run| RunReport {
            folder: &run.name,
            run: &run.file,
            judgement: &run.judgement,
            metrics: &run.measurement.metrics,
        })
        .collect();
    report::write_comparison(folder, &reports).context("failed to write the comparison")?;
    Ok(())
}

/// Prints a verdict.
pub(crate) fn print(folder: &RunFolder, file: &RunFile, judgement: &Judgement, format: Format) {
    match format {
        Format::Json => println!("{}", verdict_block::json_line(&file.resolved, judgement, folder.path())),
        Format::Human => {
            println!("{}", verdict_block::block(&file.resolved, judgement, folder.path(), Paper::stdout()));
        }
    }
}

/// The exit code of one judged run.
pub(crate) fn exit_of(judgement: &Judgement, threshold_missed: bool) -> Exit {
    match (judgement.as_expected, judgement.verdict) {
        (true, _) if !threshold_missed => Exit::AsExpected,
        (false, Verdict::Unknown) => Exit::Unknown,
        _ => Exit::NotAsExpected,
    }
}
