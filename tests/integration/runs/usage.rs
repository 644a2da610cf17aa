//! The command line: wrong usage is told before anything starts, and what can be looked at without a run.

use crate::torn::Desk;

use super::{OUTBOX, scenario};

fn desk() -> Desk {
    let desk = Desk::bare();
    let variant = format!("[[variant]]\nname = \"outbox\"\n{OUTBOX}");
    let built_in = scenario("2s", &variant).replace("manifest.toml", "inventory");
    desk.write("right.toml", &built_in);
    desk.write("typo.toml", &built_in.replace("rate = 90", "rat = 90"));
    desk.write("text.toml", "workload = \"inventory");
    desk.write("workload.toml", &built_in.replace("\"inventory\"", "\"inventroy\""));
    desk.write("pattern.toml", &built_in.replace("\"polling\"", "\"poling\""));
    desk.write("threshold.toml", &format!("{built_in}\n[thresholds]\n\"latency.p98.7x\" = \"<1s\"\n"));
    desk
}

#[test]
fn wrong_usage_exits_64_and_says_what_was_expected() {
    let desk = desk();
    let cases: [(&[&str], &str); 16] = [
        (&[], "Usage: torn <COMMAND>"),
        (&["rum"], "unrecognized subcommand 'rum'"),
        (&["run"], "<FILE>..."),
        (&["run", "right.toml", "--no-such-flag"], "unexpected argument '--no-such-flag'"),
        (&["run", "no-such.toml"], "no-such.toml: No such file or directory"),
        (&["run", "text.toml"], "text.toml:1: "),
        (&["run", "typo.toml"], "typo.toml:6: load.rat: unknown field `rat`"),
        (&["run", "workload.toml"], "\"inventroy\""),
        (&["run", "pattern.toml"], "poling"),
        (&["run", "threshold.toml"], "latency.p98.7x"),
        (&["run", "right.toml", "--variant", "outbux"], "this scenario has no such variant; it has: outbox"),
        (&["run", "right.toml", "--seed", "x"], "--seed x: expected a whole number, or \"fresh\""),
        (&["run", "right.toml", "--set", "nonsense"], "--set nonsense: expected key=value"),
        (&["run", "right.toml", "--set", "load.raet=5"], "--set load.raet=5: "),
        (&["run", "right.toml", "--duration", "soon"], "soon"),
        (&["run", "right.toml", "no-such.toml"], "no-such.toml: No such file or directory"),
    ];
    for (arguments, message) in cases {
        let ended = desk.torn(arguments).with_code(64).saying(message);
        assert!(ended.stdout.is_empty(), "{arguments:?}: {ended}");
    }
    assert!(!desk.path("results").exists(), "nothing was run");
}

#[test]
fn a_mistake_in_what_external_servers_are_told_by_is_wrong_usage() {
    let desk = desk();
    desk.write("unknown.toml", "[mongodb]\nuri = \"mongodb://127.0.0.1:1\"\nuser = \"torn\"\n");
    desk.write("idle.toml", "[kafka]\nbootstrap = \"127.0.0.1:1\"\nsasl_password = \"x\"\n");
    let run = ["run", "right.toml", "--env", "external"];
    desk.torn(&run).with_code(64).saying("no servers are given");
    for (file, message) in [
        ("none.toml", "none.toml: cannot be read"),
        ("unknown.toml", "unknown.toml:3: unknown field `user`"),
        ("idle.toml", "only a security_protocol with SASL uses it"),
    ] {
        desk.torn(&[&run[..], &["--external", file]].concat()).with_code(64).saying(message);
        desk.torn(&["external", "check", "--external", file]).with_code(64).saying(message);
    }
    assert!(desk.runs().is_empty(), "nothing was run");
}

#[test]
fn init_writes_files_that_can_be_used_and_never_overwrites_one() {
    let desk = Desk::bare();
    desk.torn(&["init", "mine"]).with_code(0).saying("mine/manifest.toml").saying("torn run mine/scenario.toml");
    // Reading and validation come before the variants are chosen, and nothing is started for one that is not there.
    let ended = desk.torn(&["run", "mine/scenario.toml", "--variant", "none"]).with_code(64);
    ended.saying("this scenario has no such variant; it has: as it is");
    desk.write("mine/scenario.toml", "precious");
    desk.torn(&["init", "mine"]).with_code(64).saying("mine/manifest.toml is there already; name another folder");
    let kept = std::fs::read_to_string(desk.path("mine/scenario.toml")).expect("it is there");
    assert_eq!(kept, "precious");
}

#[test]
fn list_shows_scenarios_that_can_be_used_and_why_others_cannot() {
    let desk = desk();
    let ended = desk.torn(&["list", "."]).with_code(0);
    let ended = ended.saying("right.toml (inventory)").saying("      outbox").saying("typo.toml: cannot be used");
    ended.saying("unknown field `rat`").saying("write = \"dual-write\"");
    desk.torn(&["list"]).with_code(0).saying("Scenarios in scenarios:");
}

#[test]
fn help_tells_the_exit_codes_and_is_no_wrong_usage() {
    let ended = Desk::bare().torn(&["--help"]).with_code(0).saying("64 wrong usage, 130 interrupted");
    assert!(ended.stderr.is_empty(), "{ended}");
}
