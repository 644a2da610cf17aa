//! The witnesses against the real servers: what they tell is what was committed, once, in order, through crashes.

mod bench;
mod brokers;
mod kafka;
mod members;
mod mongodb;
mod sample;
mod stack;

use std::collections::BTreeSet;

use serde_json::Value;
use tornwrite::history::entry::Entry;

#[test]
fn every_example_line_of_the_documented_history_is_an_entry_and_every_kind_has_one() {
    let document = include_str!("../../docs/history.md");
    let mut kinds = BTreeSet::new();
    for line in document.lines().filter(|line| line.starts_with('{')) {
        let entry: Entry = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let value: Value = serde_json::from_str(line).expect("it parsed above");
        assert_eq!(serde_json::to_value(entry).expect("an entry serializes"), value, "a field that is not read back");
        kinds.extend(value.as_object().expect("an object").keys().cloned());
    }
    let expected = [
        "anatomy",
        "attempt",
        "change",
        "cluster",
        "collection",
        "complete",
        "document",
        "drain",
        "end",
        "fault",
        "invoke",
        "phase",
        "process",
        "record",
        "run",
        "sample",
        "strike",
        "wire",
        "witness",
    ];
    assert_eq!(kinds, expected.map(str::to_owned).into());
}
