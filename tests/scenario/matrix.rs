//! `[matrix]`: what a cell is, and that every mistake names file, line, key and what was expected.

use std::fs;

use indexmap::IndexMap;
use tornwrite::checker::verdict::{AnomalyKind, Verdict};
use tornwrite::load::arrivals::load_duration;
use tornwrite::scenario::matrix::condition::Known;
use tornwrite::scenario::matrix::{Cell, cell, repetition};
use tornwrite::scenario::plan::Plan;
use tornwrite::scenario::reader::{self, Override};
use tornwrite::scenario::resolved::Resolved;

const SCENARIO: &str = r#"workload = "inventory"
seed = 7

[load]
rate = 50
duration = "10s"
keys.product = { count = 20 }

[[variant]]
name = "one"
pattern = { stock = "conditional", consumer = "inbox" }

[matrix]
repeat = 2

[matrix.axis]
"pattern.write" = ["dual-write", "outbox"]
"parameters.initial_stock" = [100, 1000]

[matrix.axis.relay]
none = {}
polling = { pattern = { relay = "polling" } }

[matrix.axis.fault]
none = { fault = [] }
cut-off = { fault = [{ at = "2s", for = "4s", partition = ["api", "kafka"] }] }

[[matrix.expect]]
when = { write = "outbox" }
verdict = "valid"

[[matrix.expect]]
when = { "pattern.write" = "dual-write", fault = "cut-off", "parameters.initial_stock" = [100, 1000] }
anomalies = ["lost-event"]
also = ["reordered-event"]

[[matrix.leave_out]]
when = { write = "dual-write", relay = "polling" }

[[matrix.leave_out]]
when = { write = "outbox", relay = "none" }
"#;

fn read(text: &str, overrides: &[(&str, &str)]) -> Result<Vec<Resolved>, String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("scenario.toml");
    fs::write(&path, text).expect("written");
    let overrides: Vec<Override> =
        overrides.iter().map(|(key, value)| Override { key: (*key).into(), value: (*value).into() }).collect();
    let read = reader::read(&path, &overrides);
    read.map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

fn cells() -> IndexMap<String, Resolved> {
    let cells = read(SCENARIO, &[]).unwrap_or_else(|error| panic!("{error}"));
    cells.into_iter().map(|resolved| (resolved.variant().name.clone(), resolved)).collect()
}

#[test]
fn a_cell_is_a_combination_of_one_value_of_each_axis_that_is_not_left_out() {
    let names: Vec<String> = cells().into_keys().collect();
    let expected = [
        "write=dual-write, initial_stock=100, relay=none, fault=none",
        "write=dual-write, initial_stock=100, relay=none, fault=cut-off",
        "write=dual-write, initial_stock=1000, relay=none, fault=none",
        "write=dual-write, initial_stock=1000, relay=none, fault=cut-off",
        "write=outbox, initial_stock=100, relay=polling, fault=none",
        "write=outbox, initial_stock=100, relay=polling, fault=cut-off",
        "write=outbox, initial_stock=1000, relay=polling, fault=none",
        "write=outbox, initial_stock=1000, relay=polling, fault=cut-off",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_cell_holds_what_its_values_set() {
    let cells = cells();
    let cell = &cells["write=outbox, initial_stock=1000, relay=polling, fault=cut-off"];
    let pattern: Vec<_> = cell.variant().pattern.iter().map(|(axis, value)| format!("{axis}={value}")).collect();
    // What the scenario says, then what the cell sets, then the defaults of all other axes.
    assert_eq!(pattern[..5], ["stock=conditional", "consumer=inbox", "write=outbox", "relay=polling", "read=store"]);
    assert_eq!(cell.parameters()["initial_stock"], 1000);
    assert_eq!(cell.scenario.fault.len(), 1);
    assert!(cells["write=dual-write, initial_stock=100, relay=none, fault=none"].scenario.fault.is_empty());
}

#[test]
fn the_last_expectation_that_fits_decides_and_without_any_a_cell_is_measured() {
    let cells = cells();
    let expect = |name: &str| {
        let resolved = &cells[name];
        (cell(resolved).expect("it is of a matrix").is_judged, resolved.variant().expect.clone())
    };
    let (is_judged, outbox) = expect("write=outbox, initial_stock=100, relay=polling, fault=cut-off");
    assert_eq!((is_judged, outbox.verdict), (true, Some(Verdict::Valid)));
    let (is_judged, lost) = expect("write=dual-write, initial_stock=100, relay=none, fault=cut-off");
    assert_eq!((is_judged, lost.anomalies), (true, vec![AnomalyKind::LostEvent]));
    let (is_judged, measured) = expect("write=dual-write, initial_stock=100, relay=none, fault=none");
    assert!(!is_judged && measured.anomalies.is_empty() && measured.verdict.is_none());
    let forbidden = &cells.values().next().expect("there are cells").manifest.forbidden;
    assert_eq!(&measured.also, forbidden, "whatever the workload forbids may occur, and is counted");

    let rest = "\n[[matrix.expect]]\nverdict = \"unknown\"\n";
    let all = read(&format!("{SCENARIO}{rest}"), &[]).expect("valid");
    assert!(all.iter().all(|resolved| resolved.variant().expect.verdict == Some(Verdict::Unknown)), "the last decides");
}

#[test]
fn a_variants_own_expectation_holds_where_the_matrix_has_none() {
    let own = SCENARIO.replace("consumer = \"inbox\" }", "consumer = \"inbox\" }\nexpect.anomalies = [\"oversold\"]");
    let cells = read(&own, &[]).expect("valid");
    let expects = |resolved: &&Resolved| resolved.variant().expect.anomalies == [AnomalyKind::Oversold];
    assert_eq!(cells.iter().filter(expects).count(), 2, "the two that no rule fits");
    assert!(cells.iter().all(|resolved| cell(resolved).expect("a cell").is_judged));
}

#[test]
fn all_cells_share_the_operations_and_those_with_the_same_faults_the_plan() {
    let cells = cells();
    let operations = |resolved: &Resolved| {
        let plan = Plan::new(resolved).expect("a valid scenario has a plan");
        (0..200).map(|number| format!("{:?}", plan.operation(number))).collect::<Vec<_>>()
    };
    let first = &cells["write=dual-write, initial_stock=100, relay=none, fault=none"];
    for other in cells.values() {
        assert_eq!(operations(first), operations(other), "{}", other.variant().name);
        assert_eq!(load_duration(&first.scenario.load), load_duration(&other.scenario.load));
    }
    let hash = |name: &str| cells[name].plan_hash();
    assert_eq!(first.plan_hash(), hash("write=outbox, initial_stock=100, relay=polling, fault=none"));
    assert_ne!(first.plan_hash(), hash("write=outbox, initial_stock=100, relay=polling, fault=cut-off"));
}

#[test]
fn a_repetition_has_the_next_seed_and_a_folder_of_its_own() {
    let cells = cells();
    let first = &cells["write=outbox, initial_stock=100, relay=polling, fault=none"];
    let (one, two) = (repetition(first, 0), repetition(first, 1));
    assert_eq!((one.scenario.seed, two.scenario.seed), (7, 8));
    assert!(one.variant().name.ends_with("fault=none, seed 7") && two.variant().name.ends_with("fault=none, seed 8"));
    let alone = read(SCENARIO, &[("seed", "8"), ("matrix.repeat", "1")]).expect("valid");
    let same = |resolved: &&Resolved| cell(resolved) == cell(first);
    let alone = alone.iter().find(same).expect("the same cell");
    assert_eq!(alone.plan_hash(), two.plan_hash(), "the seventh repetition can be run alone");
}

#[test]
fn a_scenario_without_a_matrix_can_be_repeated() {
    let (plain, _) = SCENARIO.split_once("[matrix]").expect("it has one");
    let plain = plain.replace("consumer = \"inbox\"", "consumer = \"inbox\", write = \"outbox\", relay = \"polling\"");
    let once = read(&plain, &[("matrix.repeat", "1")]).expect("valid");
    assert!(cell(&once[0]).is_none(), "once is as without");
    let often = read(&plain, &[("matrix.repeat", "20")]).expect("valid");
    let place = Cell { values: IndexMap::new(), variant: "one".to_owned(), is_judged: true };
    assert_eq!((often.len(), cell(&often[0])), (1, Some(&place)), "judged by its own expectation");
    assert_eq!(often[0].plan_hash(), once[0].plan_hash());
}

#[test]
fn a_filter_means_the_cells_that_have_all_of_it() {
    let cells = cells();
    let places: Vec<&Cell> = cells.values().filter_map(cell).collect();
    let known = Known::of(places.iter().copied());
    let count = |filter: &str| {
        let condition = known.filter(filter).unwrap_or_else(|error| panic!("{error}"));
        places.iter().filter(|cell| condition.fits(cell)).count()
    };
    assert_eq!(
        [count("write=outbox"), count("write=outbox, fault=none"), count("parameters.initial_stock=100")],
        [4, 2, 4]
    );
    for place in &places {
        assert_eq!(count(&place.filter()), 1, "what is told as the way to repeat a cell means that cell alone");
    }
    let wrong = ["write", "rite=outbox", "write=inbox", ""].map(|text| known.filter(text).expect_err("wrong"));
    insta::assert_snapshot!(wrong.join("\n"));
}

#[test]
fn every_mistake_of_a_matrix_names_file_line_key_and_what_was_expected() {
    let many = format!("\"load.rate\" = {:?}\n\"load.workers\" = {:?}", numbers(40), numbers(40));
    let cases = [
        ("[matrix]\nrepeat = 2", "[matrix]\nrepeats = 2"),
        ("repeat = 2", "repeat = 0"),
        ("repeat = 2", "columns = [\"lost-evnt\"]"),
        ("[\"dual-write\", \"outbox\"]", "[]"),
        ("[\"dual-write\", \"outbox\"]", "\"outbox\""),
        ("[\"dual-write\", \"outbox\"]", "[\"dual-write\", \"outbox\", \"outbox\"]"),
        ("[\"dual-write\", \"outbox\"]", "[\"dual-write\", \"outbox\", \"inbox\"]"),
        ("[\"dual-write\", \"outbox\"]", "[\"dual-write\", \"outbox\", [\"both\"]]"),
        ("[\"dual-write\", \"outbox\"]", "[\"dual-write\", \"outbox\", \"a,b\"]"),
        ("\"parameters.initial_stock\" =", "\"parameters.initial_stok\" ="),
        ("\"pattern.write\" =", "\"pattern.rite\" ="),
        ("\"pattern.write\" =", "\"seed\" ="),
        ("\"parameters.initial_stock\" = [100, 1000]", "\"load.raet\" = [100, 1000]"),
        ("\"parameters.initial_stock\" = [100, 1000]", "\"load.rate\" = [100, \"fast\"]"),
        ("\"parameters.initial_stock\" = [100, 1000]", "\"load.rate\" = [100, -1]"),
        ("\"parameters.initial_stock\" = [100, 1000]", "\"fault\" = [1, 2]"),
        ("\"parameters.initial_stock\" = [100, 1000]", &many),
        ("none = { fault = [] }", "none = { foult = [] }"),
        ("none = { fault = [] }", "none = { variant = [] }"),
        ("none = { fault = [] }", "none = []"),
        ("none = {}", "none = { \"pattern.x\" = 1 }"),
        ("none = {}", "none = { parameters = { initial_stock = 3 } }"),
        ("[\"api\", \"kafka\"]", "[\"apo\", \"kafka\"]"),
        ("at = \"2s\"", "at = \"20s\""),
        ("at = \"2s\"", "at = 2"),
        ("when = { write = \"outbox\" }", "when = { rite = \"outbox\" }"),
        ("when = { write = \"outbox\" }", "when = { write = \"inbox\" }"),
        ("when = { write = \"outbox\" }", "when = { write = \"outbox\", relay = \"none\" }"),
        ("when = { write = \"outbox\" }\nverdict = \"valid\"", "when = { write = \"outbox\" }"),
        ("fault = \"cut-off\"", "fault = { name = \"cut-off\" }"),
        ("also = [\"reordered-event\"]", "verdict = \"valid\""),
        (
            "[[matrix.leave_out]]\nwhen = { write = \"dual-write\", relay = \"polling\" }",
            "[[matrix.leave_out]]\nwhen = {}",
        ),
        ("\n[[matrix.leave_out]]\nwhen = { write = \"outbox\", relay = \"none\" }", ""),
        ("[matrix.axis.fault]", "[matrix.axis.variant]"),
        ("[100, 1000]", "[1, -1]"),
        ("name = \"one\"", "name = \"one\"\ncell = { values = {}, variant = \"one\", is_judged = true }"),
    ];
    let mut all = String::new();
    for (from, to) in cases {
        assert!(SCENARIO.contains(from), "the case changes nothing: {from}");
        let Err(message) = read(&SCENARIO.replacen(from, to, 1), &[]) else {
            panic!("no mistake was found after {from:?} became {to:?}");
        };
        let to = if to.len() > 100 { "40 × 40 values" } else { to };
        all.extend([from, "  →  ", to, "\n", &message, "\n\n"]);
    }
    insta::assert_snapshot!(all);
}

fn numbers(count: u32) -> Vec<u32> {
    (1..=count).collect()
}

#[test]
fn an_override_of_what_an_axis_sets_would_be_lost_and_is_told() {
    let wrong = [("parameters.initial_stock", "5"), ("variant.0.pattern.write", "outbox"), ("fault.0.for", "3s")];
    let wrong = wrong.map(|pair| read(SCENARIO, &[pair]).expect_err("an axis sets it"));
    insta::assert_snapshot!(wrong.join("\n"));
    let changed = read(SCENARIO, &[("matrix.axis.fault.cut-off.fault.0.for", "3s"), ("load.rate", "60")]);
    assert_eq!(changed.expect("the axis itself can be changed")[1].scenario.load.rate, Some(60.0));
}
