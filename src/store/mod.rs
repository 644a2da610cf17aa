//! The layout of `results/`: the one place that knows where a file of a run lies.
//!
//! ```text
//! results/                                    --out
//!   <scenario>/
//!     latest -> <UTC time>-<seed>             the last run that was published
//!     <UTC time>-<seed>/                      one invocation: every variant under the same seed   (ScenarioFolder)
//!       comparison.html                       the variants side by side, for people
//!       comparison.json                       the same as data
//!       matrix.html, .json, .md               of a matrix, in the place of the comparison: a row for each cell
//!       junit.xml                             for CI: not as expected = failure, unknown = error
//!       summary.md                            for a CI job's page
//!       <variant>/                            one run; of a matrix <cell>/ or <variant>-<cell>/   (RunFolder)
//!         run.json                            what ran: scenario, seed, versions, host, command   (RunFile)
//!         history.jsonl                       everything that was seen, appended as it happened
//!         verdict.json                        what that proves                                    (Judgement)
//!         metrics.json                        what it cost                                        (Metrics)
//!         latency.hlog                        response times, an HdrHistogram interval log
//!         plots/*.svg                         the report's plots, one file each
//!         report.html                         the whole run, for people
//!         logs/<instance>.log                 what each process printed
//! ```
//!
//! In reading order:
//! - [`layout`]: the folders and the names of the files in them; the check before a run; thinning
//! - [`run_file`]: what `run.json` holds
//! - [`browse`]: what is already there

pub mod browse;
pub mod layout;
pub mod run_file;

pub use browse::{DEFAULT_FOLDER, run_folders, runs};
pub use layout::{RunFolder, RunStore, ScenarioFolder, StoreError};
pub use run_file::{Host, RunFile, Versions};
