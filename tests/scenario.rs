//! Mistakes in scenario files and manifests: each is found, with file, line, key and what was expected.

use std::fs;

use tornwrite::scenario::reader::{self, Override};

#[path = "scenario/matrix.rs"]
mod matrix;

/// A small valid workload and scenario; each case changes one text in one of them.
const MANIFEST: &str = include_str!("../src/cli/init/manifest.toml");
const SCENARIO: &str = include_str!("../src/cli/init/scenario.toml");

/// A consumer whose view says where it read from, by half.
const POSITION: &str = r#"[consumer.mailer]
role = "api"
group = "mailer"
topics = ["purchases"]
mode = "each"

[consumer.mailer.view]
collection = "products"
event = "/lastEvent"
operation = "/lastOperation"
position = { partition = "/lastPartition", offset = "lastOffset" }

[stock.products]"#;

/// Reads the pair with one replacement and returns the message, with the temporary folder cut off.
fn message(from: &str, to: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    assert!(SCENARIO.contains(from) || MANIFEST.contains(from), "the case changes nothing: {from}");
    fs::write(folder.path().join("manifest.toml"), MANIFEST.replace(from, to)).expect("written");
    fs::write(folder.path().join("scenario.toml"), SCENARIO.replace(from, to)).expect("written");
    match reader::read(&folder.path().join("scenario.toml"), &[]) {
        Ok(_) => panic!("no mistake was found after {from:?} became {to:?}"),
        Err(error) => error.to_string().replace(&format!("{}/", folder.path().display()), ""),
    }
}

#[test]
fn what_init_writes_is_valid() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("manifest.toml"), MANIFEST).expect("written");
    fs::write(folder.path().join("scenario.toml"), SCENARIO).expect("written");
    let variants = reader::read(&folder.path().join("scenario.toml"), &[]).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(variants.len(), 1);
}

#[test]
fn a_variant_that_leaves_an_axis_out_has_its_default() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let axis = "[axis.read]\ndefault = \"store\"\nvalues = { store = \"\", cache = \"\" }\n\n[stock.products]";
    fs::write(folder.path().join("manifest.toml"), MANIFEST.replace("[stock.products]", axis)).expect("written");
    let other = "[[variant]]\nname = \"other\"\npattern = { read = \"cache\" }\n";
    fs::write(folder.path().join("scenario.toml"), format!("{SCENARIO}\n{other}")).expect("written");
    let variants = reader::read(&folder.path().join("scenario.toml"), &[]).unwrap_or_else(|error| panic!("{error}"));
    let values: Vec<&str> = variants.iter().map(|resolved| resolved.variant().pattern["read"].as_str()).collect();
    assert_eq!(values, ["store", "cache"]);
}

#[test]
fn every_mistake_names_file_line_key_and_what_was_expected() {
    let cases = [
        ("rate = 100 ", "rate = -5 "),
        ("rate = 100 ", "rate = \"fast\" "),
        ("rate = 100 ", "rat = 100 "),
        ("rate = 100 ", ""),
        ("duration = \"20s\"", "duration = 20"),
        ("duration = \"20s\"", "duration = \"20\""),
        ("duration = \"20s\"", "duration = \"20 parsecs\""),
        ("exponent = 1.1 }", "exponent = -1.0 }"),
        (", exponent = 1.1 }", " }"),
        ("count = 50", "count = 0"),
        ("\"zipf\"", "\"zapf\""),
        ("workload = \"manifest.toml\"", "workload = \"inventroy\""),
        ("workload = \"manifest.toml\"", "workload = \"missing.toml\""),
        ("partition = [\"api\", \"kafka\"]", "partition = [\"apo\", \"kafka\"]"),
        ("partition = [\"api\", \"kafka\"]", "partition = [\"api\"]"),
        ("kill = \"api-1\"", "kill = \"relay-1\""),
        ("partition = [\"api\", \"kafka\"]", "bandwidth = [\"api\", \"kafka\"]"),
        ("partition = [\"api\", \"kafka\"]", "bandwidth = [\"api\", \"kafka\"]\nkilobytes_per_second = 0"),
        ("partition = [\"api\", \"kafka\"]", "bandwidth = [\"api\", \"kafka\"]\nkilobytes_per_second = -1"),
        ("partition = [\"api\", \"kafka\"]", "slow_close = [\"api\", \"kafka\"]"),
        ("partition = [\"api\", \"kafka\"]", "reset_peer = [\"api\", \"kafka\"]\nonly = \"requests\""),
        ("partition = [\"api\", \"kafka\"]", "black_hole = [\"api\", \"kafka\"]\nonly = \"upstream\""),
        ("partition = [\"api\", \"kafka\"]", "isolate = \"primary\""),
        ("kill = \"api-1\"", "kill = \"leader:purchases-9\""),
        ("[load]", "[mongodb]\nnodes = 2\noplog_mb = 0\n\n[load]"),
        ("[load]", "[kafka]\nbrokers = 3\nmin_insync_replicas = 4\n\n[load]"),
        ("at = \"5s\"", "at = \"5 s o'clock\""),
        ("\"latency.p99\" = \"<2s\"", "\"latency.p98\" = \"<2s\""),
        ("\"latency.p99\" = \"<2s\"", "\"latency.p99\" = \"fast\""),
        ("expect.verdict = \"valid\"", "expect.verdict = \"fine\""),
        ("expect.verdict = \"valid\"", "expect.anomalies = [\"lost-events\"]"),
        ("name = \"as it is\"", "name = \"as it is\"\npattern = { stock = \"magic\" }"),
        ("[[variant]]", "[[variants]]"),
        ("[load]", "[load"),
        ("path = \"/products/{product}/purchases\"", "path = \"/products/{produkt}/purchases\""),
        ("path = \"/products/{product}/purchases\"", "path = \"/products/{product/purchases\""),
        ("ok = [201] ", "ok = [] "),
        ("ok = [201] ", "ok = [201, 409] "),
        ("topic = \"purchases\"", "topic = \"purchase\""),
        ("dependencies = [\"mongodb\", \"kafka\"]", "dependencies = [\"mongodb\", \"redis\"]"),
        ("version = \"/version\"", "version = \"version\""),
        ("version = \"version\" ", "version = \"revision\" "),
        ("fields = { \"/stock\" = \"stock\" }", "fields = { \"stock\" = \"amount\" }"),
        ("version = \"/version\"                  # an integer", "# an integer"),
        ("[stock.products]", "[axis.read]\ndefault = \"memory\"\nvalues.store = \"\"\n\n[stock.products]"),
        ("[stock.products]", POSITION),
        ("keys.product =", "keys.item ="),
    ];
    let mut all = String::new();
    for (from, to) in cases {
        all.extend([from, "  →  ", to, "\n", &message(from, to), "\n\n"]);
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_stage_has_either_a_rate_or_workers_and_all_stages_are_of_one_kind() {
    let stages = [
        "stages = [{ for = \"5s\" }]",
        "stages = [{ rate = 10, workers = 2, for = \"5s\" }]",
        "stages = [{ workers = 1, for = \"10s\" }, { rate = 10, for = \"10s\" }]",
        "stages = [{ rate = 10, for = \"10s\" }, { workers = 1, for = \"10s\" }]",
        "stages = [{ workers = 0, for = \"20s\" }]",
        "stages = [{ workers = 2, from = 1, for = \"20s\" }]",
        "stages = [{ workers = 2, for = \"20s\" }]\nworkers = 4",
        "stages = [{ workers = 2, for = \"20s\" }]\narrivals = \"poisson\"",
        "stages = [{ rate = -1, for = \"20s\" }]",
    ];
    let (rate, duration) = (line_of("rate = 100 "), line_of("duration = \"20s\""));
    let load = &SCENARIO[SCENARIO.find(rate).unwrap()..SCENARIO.find(duration).unwrap() + duration.len()];
    let mut all = String::new();
    for stages in stages {
        all.extend([stages, "\n", &message(load, stages), "\n\n"]);
    }
    insta::assert_snapshot!(all);
}

/// The whole line of the scenario that begins so.
fn line_of(beginning: &str) -> &'static str {
    SCENARIO.lines().find(|line| line.starts_with(beginning)).expect("the scenario has such a line")
}

#[test]
fn an_override_is_checked_as_the_file_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("scenario.toml");
    fs::write(folder.path().join("manifest.toml"), MANIFEST).expect("written");
    fs::write(&path, SCENARIO).expect("written");
    let with = |key: &str, value: &str| reader::read(&path, &[Override { key: key.into(), value: value.into() }]);
    let changed = with("load.keys.product.count", "7").expect("a known key");
    assert_eq!(changed[0].scenario.load.keys["product"].count, 7);
    let changed = with("fault.0.for", "9s").expect("a text needs no quotes");
    assert_eq!(changed[0].scenario.fault[0].duration, Some(std::time::Duration::from_secs(9)));
    let wrong = ["load.rat=1", "load.rate=fast", "fault.7.for=1s", "seed.x=1"].map(|pair| {
        let (key, value) = pair.split_once('=').expect("a pair");
        with(key, value).expect_err("wrong").to_string()
    });
    insta::assert_snapshot!(wrong.join("\n"));
}
