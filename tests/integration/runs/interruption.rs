//! A run that is stopped in the middle of its load: what is stored, what is healed, and that nothing is left.

use std::time::Duration;

use nix::sys::signal::Signal;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tornwrite::checker::verdict::Verdict;
use tornwrite::history::entry::{Entry, FaultStep};

use super::{OUTBOX, desk, manifest, scenario};
use crate::torn::{Desk, StoredRun, until};

/// Long enough that only the signal ends it, with a fault that is in place by then.
fn long_run() -> Desk {
    let rest = format!(
        "[[fault]]\nat = \"300ms\"\nfor = \"50s\"\npartition = [\"relay\", \"kafka\"]\n\n\
         [[variant]]\nname = \"outbox\"\n{OUTBOX}"
    );
    desk(&manifest(), &scenario("60s", &rest))
}

fn steps(run: &StoredRun) -> Vec<FaultStep> {
    let entries = run.entries().into_iter();
    entries.filter_map(|entry| if let Entry::Fault(fault) = entry { Some(fault.step) } else { None }).collect()
}

/// Absence cannot be judged, and the person who checks it is told why.
fn assert_unknown(desk: &Desk, run: &StoredRun, why: &str) {
    let path = run.path.display().to_string();
    desk.torn(&["check", &path]).with_code(2).saying("UNKNOWN  outbox: NOT AS EXPECTED").saying(why);
    let judgement = run.judgement();
    assert_eq!((judgement.verdict, judgement.as_expected), (Verdict::Unknown, false));
    assert!(judgement.operations.ok > 0, "what was recorded counts");
}

fn an_interrupted_run_ends_in_order(signal: Signal) {
    let desk = long_run();
    let mut going = desk.start(&["run", "scenario.toml", "--no-progress"]);
    going.until_recorded(&["\"fault\"", "\"confirmed\""]);
    going.until_recorded(&["\"complete\"", "\"ok\""]);
    going.signal(signal);
    let ended = going.end().with_code(130).saying("interrupted: healing, reading, storing; once more to stop at once");
    let run = desk.run();
    assert_eq!(steps(&run).last(), Some(&FaultStep::Healed), "{ended}");
    let entries = run.entries();
    let Some(Entry::End(end)) = entries.last() else { panic!("the history ends: {ended}") };
    assert_eq!((end.complete, end.reason.as_deref()), (false, Some("interrupted")));
    let reads = entries.iter().filter(|entry| matches!(entry, Entry::Collection(_))).count();
    let tables = manifest();
    let names = tables.lines().filter_map(|line| line.strip_prefix("[collection.")?.strip_suffix(']'));
    let collections = names.filter(|name| !name.contains('.')).count();
    assert_eq!(reads, collections, "every collection was read to its end");
    assert!(!run.data_folder().exists(), "the servers' data is gone");
    assert_unknown(&desk, &run, "the run did not go through all its phases: interrupted");
}

#[test]
fn ctrl_c_in_the_middle_of_the_load_heals_reads_and_stores() {
    an_interrupted_run_ends_in_order(Signal::SIGINT);
}

#[test]
fn sigterm_in_the_middle_of_the_load_heals_reads_and_stores() {
    an_interrupted_run_ends_in_order(Signal::SIGTERM);
}

#[test]
fn a_killed_harness_leaves_no_process_and_a_history_of_all_but_the_last_second() {
    let desk = long_run();
    let mut going = desk.start(&["run", "scenario.toml", "--no-progress"]);
    going.until_recorded(&["\"fault\"", "\"confirmed\""]);
    going.until_recorded(&["\"complete\"", "\"ok\""]);
    let killed = OffsetDateTime::now_utc();
    going.signal(Signal::SIGKILL);
    let ended = going.end();
    assert_eq!(ended.code, None, "{ended}");
    let run = desk.run();
    until("the servers' data is gone", Duration::from_secs(20), || !run.data_folder().exists());

    let entries = run.entries();
    let started = OffsetDateTime::parse(&run.header().started, &Rfc3339).expect("a time");
    let last =
        entries.iter().filter_map(|entry| if let Entry::Invoke(invoke) = entry { Some(invoke.at) } else { None });
    let last = started + Duration::from_nanos(last.max().expect("operations were recorded"));
    assert!(killed - last < Duration::from_secs(1), "killed at {killed}, the last operation is of {last}");
    assert_unknown(&desk, &run, "the history was cut short: it has no last line");
}
