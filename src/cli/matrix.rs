//! The runs of a matrix: every cell, as often as it is to run, and the table of what came out. One run that fails does
//! not lose the others; what is there is written after each, so that nothing is lost with the last.

use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};

use super::exit::{Exit, Failure};
use super::judged::{self, Format, Judged};
use super::matrix_table;
use super::paper::{Paper, Tone};
use super::run::Invocation;
use super::terminal::{Chatter, Screen};
use super::verdict_block;
use crate::report::junit::Suites;
use crate::report::matrix::{MatrixTable, RunRow};
use crate::report::sentence::{counted, figure, forbidden};
use crate::report::{self, RunReport};
use crate::scenario::matrix::condition::Known;
use crate::scenario::matrix::{cell, repetition};
use crate::scenario::resolved::Resolved;
use crate::store::{RunFolder, ScenarioFolder};

/// After so many failed runs in a row the next would fail too.
const FAILURES_IN_A_ROW: usize = 3;

/// How often each cell of these runs; none where they are of no matrix.
pub(super) fn repeat(cells: &[Resolved]) -> Option<u32> {
    cell(cells.first()?)?;
    Some(cells[0].scenario.matrix.as_ref().map_or(1, |matrix| matrix.repeat))
}

/// The cells that `--cell` means; several mean all that any of them does.
///
/// # Errors
/// When one names what no cell has, or there is no matrix.
pub(super) fn select(cells: Vec<Resolved>, filters: &[String]) -> Result<Vec<Resolved>, Failure> {
    if filters.is_empty() {
        return Ok(cells);
    }
    if cells.iter().all(|resolved| cell(resolved).is_none_or(|cell| cell.values.is_empty())) {
        return Err(Failure::usage(anyhow!("--cell: this scenario has no [matrix.axis]; leave --cell out")));
    }
    let known = Known::of(cells.iter().filter_map(cell));
    let read = |text: &String| known.filter(text).map_err(|error| Failure::usage(anyhow!("--cell {text}: {error}")));
    let conditions = filters.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let is_meant = |resolved: &Resolved| {
        cell(resolved).is_some_and(|cell| conditions.iter().any(|condition| condition.fits(cell)))
    };
    let meant: Vec<Resolved> = cells.into_iter().filter(is_meant).collect();
    if meant.is_empty() {
        let message = format!("--cell {}: no cell has all of this; those that would are left out", filters.join(" "));
        return Err(Failure::usage(anyhow!(message)));
    }
    Ok(meant)
}

/// What a matrix has come to.
struct Progress {
    table: MatrixTable,
    suites: Suites,
    exit: Exit,
    failures_in_a_row: usize,
    began: Instant,
}

/// Runs every cell, with the first seed, then every cell with the next.
///
/// # Errors
/// When the results cannot be stored.
pub(super) async fn run(
    invocation: &Invocation<'_>,
    cells: &[Resolved],
    repeat: u32,
    folder: &mut ScenarioFolder,
) -> Result<Exit, Failure> {
    let table = MatrixTable::new(cells, repeat);
    let mut progress = Progress {
        table,
        suites: Suites::default(),
        exit: Exit::AsExpected,
        failures_in_a_row: 0,
        began: Instant::now(),
    };
    for resolved in (0..repeat).flat_map(|number| cells.iter().map(move |resolved| repetition(resolved, number))) {
        if invocation.cancellation.is_cancelled() {
            break;
        }
        Box::pin(one(invocation, &resolved, folder, &mut progress)).await?;
        write(folder, &progress.table, &progress.suites)?;
        if progress.failures_in_a_row == FAILURES_IN_A_ROW {
            eprintln!("torn: {FAILURES_IN_A_ROW} runs in a row failed: the matrix stops here");
            progress.table.cut_short = Some(format!("stopped after {FAILURES_IN_A_ROW} failed runs in a row"));
            break;
        }
    }
    let Progress { mut table, suites, exit, .. } = progress;
    if table.finished() < table.planned && table.cut_short.is_none() {
        table.cut_short = Some("interrupted".to_owned());
    }
    write(folder, &table, &suites)?;
    if table.finished() > 0 {
        folder.publish()?;
    }
    if invocation.options.format == Format::Human {
        println!("{}", matrix_table::table(&table, Paper::stdout()));
        println!("{}", folder.matrix_html().display());
    }
    Ok(exit)
}

async fn one(
    invocation: &Invocation<'_>,
    resolved: &Resolved,
    folder: &mut ScenarioFolder,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let name = &resolved.variant().name;
    let place = cell(resolved).expect("every run of a matrix is of a cell");
    let run_folder = folder.variant(name)?;
    let (done, planned) = (progress.table.finished(), progress.table.planned);
    let title = format!("{}/{planned}{} {name}", done + 1, remaining(progress.began.elapsed(), done, planned));
    let screen = Screen::open_brief(invocation.chatter, &title);
    let failure = match invocation.carry_out(resolved, &run_folder, screen).await? {
        Some(failure) => failure,
        None => match judged::judge_and_report(run_folder.clone()) {
            Ok(run) => {
                progress.take(invocation, &run);
                return Ok(());
            }
            Err(failure) => crate::run::in_words(&failure.error),
        },
    };
    eprintln!("torn: {name}: {failure}");
    eprintln!("torn: what was stored is in {}", run_folder.path().display());
    let command = invocation.repeat_command(resolved);
    let row = RunRow::failed(&run_folder.name(), resolved.scenario.seed, command, failure);
    progress.suites.add_failed(&resolved.name, name, &row);
    progress.table.add(place, row, None);
    progress.exit = progress.exit.merge(Exit::Failed);
    progress.failures_in_a_row += 1;
    Ok(())
}

impl Progress {
    /// Takes in a run with a verdict.
    fn take(&mut self, invocation: &Invocation<'_>, run: &Judged) {
        self.failures_in_a_row = 0;
        let is_whole = run.measurement.metrics.complete;
        if is_whole || !invocation.cancellation.is_cancelled() {
            add(&mut self.table, &mut self.suites, run);
            self.exit = self.exit.merge(run.exit());
        }
        // A run that came out as it should is told in a line: the table follows.
        if invocation.options.format == Format::Json || !run.judgement.as_expected {
            judged::print(&run.folder, &run.file, &run.judgement, invocation.options.format);
        } else if invocation.chatter != Chatter::Quiet {
            println!("{}", line(run, Paper::stdout()));
        }
    }
}

fn add(table: &mut MatrixTable, suites: &mut Suites, run: &Judged) {
    let place = cell(&run.file.resolved).expect("every run of a matrix is of a cell");
    let report = report_of(run);
    suites.add(&report);
    table.add(place, RunRow::of(&report), Some(&run.file.versions));
}

fn report_of(run: &Judged) -> RunReport<'_> {
    RunReport { folder: &run.name, run: &run.file, judgement: &run.judgement, metrics: &run.measurement.metrics }
}

/// `INVALID  write=dual-write, fault=cut: as expected, 12 lost events, 148 ok/s`.
fn line(run: &Judged, paper: Paper) -> String {
    let (word, _) = verdict_block::word(run.judgement.verdict);
    let is_judged = cell(&run.file.resolved).is_some_and(|cell| cell.is_judged);
    let mut parts = vec![if is_judged { "as expected" } else { "measured" }.to_owned()];
    parts.extend(forbidden(&run.judgement).iter().map(|anomaly| counted(anomaly.kind, anomaly.count)));
    parts.push(format!("{} ok/s", figure(run.measurement.metrics.throughput.ok_per_second)));
    let lead = format!("{word}  {}", run.file.resolved.variant().name);
    let tone = if is_judged { Tone::Good } else { Tone::Soft };
    format!("{}: {}", paper.paint(tone, &lead), parts.join(", "))
}

/// ` (about 12 min left)`, from how long the runs so far took.
fn remaining(elapsed: Duration, done: usize, planned: usize) -> String {
    if done == 0 {
        return String::new();
    }
    let seconds = elapsed.as_secs_f64() / done as f64 * (planned - done) as f64;
    let left = if seconds < 90.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) };
    format!(" (about {left} left)")
}

fn write(folder: &ScenarioFolder, table: &MatrixTable, suites: &Suites) -> Result<(), Failure> {
    report::write_matrix(folder, table, suites).context("failed to write the matrix")?;
    Ok(())
}

/// Writes the table of a stored matrix again, from runs that were judged again; nothing where it is none. Runs that
/// failed stay failed.
///
/// # Errors
/// When `matrix.json` cannot be read, or a file cannot be written.
pub(super) fn rewrite(folder: &ScenarioFolder, runs: &[Judged]) -> Result<bool, Failure> {
    let path = folder.matrix_json();
    if !path.is_file() {
        return Ok(false);
    }
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut table: MatrixTable =
        serde_json::from_str(&text).with_context(|| format!("{} is no matrix.json of this torn", path.display()))?;
    let mut suites = Suites::default();
    if !table.columns_named {
        table.columns.clear();
    }
    let stored = table.clone();
    for (row, old) in stored.cells.iter().flat_map(|row| row.runs.iter().map(move |run| (row, run))) {
        match runs.iter().find(|run| run.name == old.folder).filter(|_| old.failure.is_none()) {
            Some(run) => add(&mut table, &mut suites, run),
            None if old.failure.is_some() => suites.add_failed(&table.scenario, &row.name, old),
            None => {
                let missing = RunFolder::open(&folder.path().join(&old.folder)).err();
                let why = missing.map_or_else(|| "it was not judged".to_owned(), |error| error.to_string());
                return Err(Failure::from(anyhow!("matrix.json names the run {}: {why}", old.folder)));
            }
        }
    }
    write(folder, &table, &suites)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::remaining;
    use std::time::Duration;

    #[test]
    fn what_is_left_follows_from_what_the_runs_took() {
        assert_eq!(remaining(Duration::from_secs(5), 0, 64), "", "nobody knows before the first has ended");
        assert_eq!(remaining(Duration::from_secs(60), 2, 4), " (about 60 s left)");
        assert_eq!(remaining(Duration::from_secs(480), 16, 64), " (about 24 min left)");
    }
}
