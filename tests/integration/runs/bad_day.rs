//! What goes wrong around a run: services and servers that do not come up or go, and a disk that is full. Each ends with
//! the right code, says what happened and what to do, and leaves nothing behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tornwrite::checker::verdict::Verdict;
use tornwrite::history::entry::{Entry, ProcessStep};

use super::{OUTBOX, desk, manifest, replaced, scenario};
use crate::torn::{Desk, StoredRun, TORN};

const RUN: [&str; 3] = ["run", "scenario.toml", "--no-progress"];

fn quiet_run(duration: &str) -> Desk {
    desk(&manifest(), &scenario(duration, &format!("[[variant]]\nname = \"outbox\"\n{OUTBOX}")))
}

fn crash(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it is ours");
}

/// What happened to a process, in order.
fn steps(run: &StoredRun, process: &str) -> Vec<ProcessStep> {
    let of_it = run.entries().into_iter().filter_map(|entry| match entry {
        Entry::Process(event) if event.process == process => Some(event.event),
        _ => None,
    });
    of_it.collect()
}

fn assert_check_says_unknown(desk: &Desk, why: &str) {
    desk.torn(&["check", &desk.run().path.display().to_string()]).with_code(2).saying(why);
}

/// A program of the test's own in place of a server's.
fn program(desk: &Desk, name: &str, body: &str) -> PathBuf {
    let path = desk.write(name, &format!("#!/bin/sh\n{body}\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    path
}

#[test]
fn a_service_that_exits_at_its_start_ends_the_run_with_its_last_words() {
    let command = concat!(
        r#"command = ["torn-workloads", "inventory-api", "--stock", "{pattern.stock}", "--write", "{pattern.write}", "#,
        r#""--read", "{pattern.read}", "--write-concern", "{pattern.write_concern}", "#,
        r#""--read-concern", "{pattern.read_concern}", "--acks", "{pattern.acks}"]"#
    );
    let broken = r#"command = ["sh", "-c", "echo no broker by the name of kaffka; exit 9"]"#;
    let variant = format!("[[variant]]\nname = \"outbox\"\n{OUTBOX}");
    let desk = desk(&replaced(&manifest(), command, broken), &scenario("2s", &variant));
    let ended = desk.torn(&RUN).with_code(3).saying("outbox: api-1 ended before it was ready: exit status 9");
    let ended = ended.saying("| no broker by the name of kaffka").saying("logs/api-1.log").saying("what was stored");
    assert_eq!(ended.stderr.matches("no broker by the name").count(), 1, "it is told once: {ended}");
    assert_check_says_unknown(&desk, "api-1 ended before it was ready");
}

#[test]
fn a_service_that_ends_by_itself_is_recorded_as_that_and_the_run_goes_on_to_an_unknown_end() {
    let desk = quiet_run("3s");
    let mut going = desk.start(&RUN);
    going.until_recorded(&["\"complete\"", "\"ok\""]);
    let api = desk.processes().into_iter().find(|(_, instance)| instance == "api-1").expect("it runs").0;
    crash(api);
    let ended = going.end().with_code(2).saying("note: api-1 ended by itself (ended by SIGKILL)");
    let run = desk.run();
    let known = [ProcessStep::Started, ProcessStep::Ready, ProcessStep::Exited];
    assert_eq!(steps(&run, "api-1"), known, "{ended}");
    let entries = run.entries();
    let Some(Entry::End(end)) = entries.last() else { panic!("the history ends: {ended}") };
    assert!(end.complete, "the run went through all its phases: {ended}");
    assert_eq!(run.judgement().verdict, Verdict::Unknown, "{ended}");
    ended.saying("api-1 ended by itself at").saying("this was no injected crash");
}

#[test]
fn a_server_that_ends_by_itself_ends_the_run_and_is_named() {
    let desk = quiet_run("30s");
    let mut going = desk.start(&RUN);
    going.until_recorded(&["\"complete\"", "\"ok\""]);
    crash(desk.program("mongod"));
    let ended = going.end().with_code(3).saying("mongodb ended by itself (ended by SIGKILL); its last lines:");
    assert_eq!(steps(&desk.run(), "mongodb").last(), Some(&ProcessStep::Exited), "{ended}");
    assert_check_says_unknown(&desk, "mongodb ended by itself");
}

#[test]
fn a_server_that_does_not_come_up_is_shown_with_its_last_words() {
    let mut desk = quiet_run("2s");
    desk.set("TORN_MONGOD", program(&desk, "my-mongod", "echo the disk is on fire; exit 7"));
    let ended =
        desk.torn(&RUN).with_code(3).saying("mongodb did not come up: exit status 7").saying("logs/mongodb.log");
    assert_eq!(ended.stderr.matches("| the disk is on fire").count(), 1, "it is told once: {ended}");

    let mut desk = quiet_run("2s");
    desk.set("TORN_MONGOD", "/no/such/mongod");
    desk.torn(&RUN).with_code(3).saying("TORN_MONGOD names /no/such/mongod, which is not a program");
}

#[test]
fn a_stack_that_is_not_installed_is_told_with_the_command_that_installs_it() {
    let mut desk = quiet_run("2s");
    desk.set("TORN_CACHE", desk.path("empty"));
    desk.set("TORN_MONGOD", "");
    desk.set("PATH", "/usr/bin:/bin");
    desk.torn(&[&RUN[..], &["--env", "local"]].concat())
        .with_code(3)
        .saying("is not installed; run `torn stack install`");
}

#[test]
fn a_machine_that_has_neither_the_stack_nor_docker_is_told_what_it_lacks_before_anything_starts() {
    let mut desk = quiet_run("2s");
    desk.set("TORN_CACHE", desk.path("empty"));
    desk.set("PATH", desk.path("empty"));
    desk.set("DOCKER_HOST", "unix:///no/such/socket");
    let ended = desk.torn(&RUN).with_code(3).saying("the local stack needs").saying("Docker");
    assert_eq!(ended.stderr.lines().count(), 1, "nothing was started: {ended}");
}

#[test]
fn results_that_cannot_be_written_are_told_before_anything_starts() {
    let desk = quiet_run("2s");
    desk.write("file", "a folder cannot be made below this");
    let ended = desk.torn(&["run", "scenario.toml", "--out", "file/results"]).with_code(3);
    let ended = ended.saying("cannot write to file/results").saying("choose another folder with --out");
    assert_eq!(ended.stderr.lines().count(), 1, "nothing was started: {ended}");
}

#[test]
fn a_history_that_can_no_longer_be_written_ends_the_run_and_what_there_is_can_be_checked() {
    let desk = quiet_run("60s");
    // A real error of the kernel, for the harness alone: the limit on a file's size is set on it once the servers run.
    // The signal that would kill it at once is ignored, as it is where a disk is full.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", TORN]).args(RUN);
    let mut going = desk.start_command(shell);
    going.until_recorded(&["\"complete\"", "\"ok\""]);
    let room = fs::metadata(desk.run().history()).expect("it is being written").len() + 4096;
    let limit = [format!("--pid={}", going.pid()), format!("--fsize={room}")];
    let limited = Command::new("prlimit").args(limit).status().expect("prlimit (util-linux) is installed");
    assert!(limited.success(), "the limit is set");
    let ended = going.end().with_code(3).saying("failed to write the history").saying("File too large");
    let run = desk.run();
    let folder = run.path.strip_prefix(desk.path("")).expect("it is on the desk").display().to_string();
    assert!(ended.stderr.contains(&folder), "it is told where to look: {ended}");
    assert!(!run.data_folder().exists(), "the servers' data is gone");
    assert_check_says_unknown(&desk, "the history was cut short");
}
