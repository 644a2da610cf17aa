//! A line and its entry say the same, whatever stands in it.

use std::collections::BTreeMap;

use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Number, Value, json};
use torn_scan::outline::{Fields, Form, Record};

use super::*;
use crate::history::entry::{self, Change, ChangeKind, Complete, Document, Invoke, Outcome, Part};
use crate::history::name::Cell;

const FORMS: [Form; 5] = [Form::Cell, Form::Key, Form::Text, Form::Integer, Form::Flag];

fn path(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(str::to_owned).collect()
}

/// Of a document; of values under names, everything but the whole of it.
fn fields(whole: bool) -> Fields {
    let mut fields = Fields::default();
    let below = ["/a", "/b", "/b/a", "/b/b", "/c/0", "/c/a/b", "/longer than eight", "/longer than nine"];
    for pointer in below.into_iter().chain(whole.then_some("")) {
        for form in FORMS {
            fields.keep(&path(pointer), form);
        }
    }
    fields
}

fn outline() -> Outline {
    let mut record = Record::default();
    for header in ["b", "a", "longer than eight", "a"] {
        record.keep_header(header);
    }
    for pointer in ["/a", "/b/a", ""] {
        record.keep(&path(pointer), Form::Key);
    }
    Outline {
        collections: vec![("stock".to_owned(), fields(true)), ("sales".to_owned(), Fields::default())],
        topics: vec![("orders".to_owned(), record)],
        kinds: vec![("buy".to_owned(), fields(false))],
        kept: fields(false),
    }
}

/// Names as texts, so that it does not matter in which order they came.
fn told(sheet: &Sheet, outline: &Outline) -> Vec<String> {
    let names = &sheet.batch.names;
    let cells = |row: u32, count: u16| -> Vec<String> {
        let cells = &sheet.batch.cells[row as usize..row as usize + usize::from(count)];
        let show = |cell: &Cell| match cell {
            Cell::Text(name) | Cell::Json(name) => {
                format!("{:?} {}", std::mem::discriminant(cell), names.text(*name))
            }
            other => format!("{other:?}"),
        };
        cells.iter().map(show).collect()
    };
    let tell = |item: &Item| match item {
        Item::Invoke(it) => {
            let count = it.kind.map_or(0, |kind| outline.kinds[usize::from(kind)].1.count());
            let rest = (it.at, it.due, it.released, it.kind, it.part, it.client);
            format!("invoke {rest:?} {} {:?}", names.text(it.operation), cells(it.row, count))
        }
        Item::Complete(it) => {
            let error = it.error.map(|error| names.text(error));
            let rest = (it.at, it.sent, it.outcome, it.status, error);
            format!("complete {rest:?} {} {:?}", names.text(it.operation), cells(it.row, outline.kept.count()))
        }
        Item::Change(it) => {
            let count = outline.collections[usize::from(it.collection)].1.count();
            let rest = (it.at, it.print, it.collection, it.kind);
            format!("change {rest:?} {} {:?}", names.text(it.id), cells(it.row, count))
        }
        Item::Record(it) => {
            let count = outline.topics[usize::from(it.topic)].1.count();
            format!("record {:?} {:?}", (it.at, it.offset, it.partition, it.topic), cells(it.row, count))
        }
        Item::Document(it) => format!("document {:?} {}", (it.print, it.collection), names.text(it.id)),
        Item::Other(place) => format!("{:?}", sheet.others[*place as usize]),
    };
    sheet.batch.items.iter().map(|(line, item)| format!("{line} {}", tell(item))).collect()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a".to_owned()),
        Just("$oid".to_owned()),
        "[a-z0-9-]{0,40}",
        "[a-c\"\\\\/\u{1}\u{7f}\n\té€𝄞]{0,12}",
    ]
}

fn key() -> impl Strategy<Value = String> {
    let known = ["a", "b", "c", "longer than eight", "longer than nine", "$oid", "_id", "longer"];
    prop_oneof![8 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => text()]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-3..3_i64).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|real| Number::from_f64(real).map_or(Value::Null, Value::Number)),
        (-1000..1000_i32).prop_map(|cents| json!(f64::from(cents) / 100.0)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), number(), text().prop_map(Value::from)];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn values() -> impl Strategy<Value = BTreeMap<String, Value>> {
    prop::collection::btree_map(key(), value(), 0..6)
}

fn named(known: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![4 => Just(known.to_owned()), 1 => Just("sales".to_owned()), 1 => text()]
}

fn entry() -> impl Strategy<Value = Entry> {
    let kinds = [
        ChangeKind::Snapshot,
        ChangeKind::Setup,
        ChangeKind::Insert,
        ChangeKind::Update,
        ChangeKind::Replace,
        ChangeKind::Delete,
    ];
    let outcomes = [Outcome::Ok, Outcome::Fail, Outcome::Info];
    let parts = [Part::WarmUp, Part::Load];
    let invoke =
        (any::<[u64; 3]>(), text(), named("buy"), any::<u32>(), prop::sample::select(parts.to_vec()), values());
    let invoke = invoke.prop_map(|([at, due, released], operation, kind, client, part, values)| {
        let instance = "api-1".to_owned();
        Entry::Invoke(Invoke { at, due, released, operation, kind, part, client, instance, values })
    });
    let answer = (any::<Option<u16>>(), prop::option::of(text()), any::<u32>());
    let complete = (any::<[u64; 2]>(), text(), prop::sample::select(outcomes.to_vec()), answer, values());
    let complete = complete.prop_map(|([at, sent], operation, outcome, (status, error, attempts), kept)| {
        Entry::Complete(Complete { at, operation, outcome, status, error, sent, attempts, kept })
    });
    let change = (any::<u64>(), named("stock"), text(), prop::sample::select(kinds.to_vec()), value());
    let change = (change, any::<[u32; 2]>(), prop::option::of(text()));
    let change = change.prop_map(|((at, collection, id, kind, after), time, transaction)| {
        Entry::Change(Change { at, collection, id, kind, after, time, transaction })
    });
    let headers = prop::collection::btree_map(key(), text(), 0..5);
    let record = (any::<u64>(), named("orders"), any::<i32>(), any::<i64>(), prop::option::of(text()), headers);
    let record = (record, value(), any::<Option<i64>>());
    let record = record.prop_map(|((at, topic, partition, offset, key, headers), payload, timestamp)| {
        Entry::Record(entry::Record { at, topic, partition, offset, key, headers, payload, timestamp })
    });
    let document = (named("stock"), text(), value());
    let document =
        document.prop_map(|(collection, id, document)| Entry::Document(Document { collection, id, document }));
    prop_oneof![invoke, complete, change, record, document]
}

/// With the keys of every object in descending order.
fn backwards(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .rev()
                .map(|(key, field)| format!("{}: {}", Value::from(key.as_str()), backwards(field)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(backwards).collect::<Vec<_>>().join(", ")),
        scalar => scalar.to_string(),
    }
}

fn read(outline: &Outline, lines: &str) -> Sheet {
    let mut sheet = Sheet::default();
    sheet.read(outline, &Block::from(lines));
    sheet
}

proptest! {
    #[test]
    fn a_line_says_what_its_entry_says(entries in prop::collection::vec(entry(), 1..6)) {
        let outline = outline();
        let mut expected = Sheet::default();
        let mut lines = String::new();
        for entry in entries {
            lines.push_str(&serde_json::to_string(&entry).unwrap());
            lines.push('\n');
            expected.take(&outline, serde_json::from_str(lines.lines().last().unwrap()).unwrap());
        }
        let found = read(&outline, &lines);
        prop_assert_eq!(&found.broken, &None);
        prop_assert_eq!(told(&found, &outline), told(&expected, &outline));
    }

    #[test]
    fn a_line_that_was_tampered_with_says_what_serde_says(
        entry in entry(),
        place in any::<prop::sample::Index>(),
        with in prop_oneof![Just(String::new()), Just(" ".to_owned()), "[0-9a-z{}\\[\\]\",:.\\\\-]"],
        removed in 0..3_usize,
    ) {
        let outline = outline();
        let line: Vec<char> = serde_json::to_string(&entry).unwrap().chars().collect();
        let place = place.index(line.len());
        let rest = &line[(place + removed).min(line.len())..];
        let line: String = line[..place].iter().copied().chain(with.chars()).chain(rest.iter().copied()).collect();
        let found = read(&outline, &format!("{line}\n"));
        match serde_json::from_str::<Entry>(&line) {
            Ok(entry) => {
                let mut expected = Sheet::default();
                expected.take(&outline, entry);
                prop_assert_eq!(&found.broken, &None);
                prop_assert_eq!(told(&found, &outline), told(&expected, &outline));
            }
            Err(error) => prop_assert_eq!(found.broken, Some((0, error.to_string()))),
        }
    }

    #[test]
    fn the_order_of_fields_does_not_matter_and_no_such_line_is_odd(entry in entry()) {
        let outline = outline();
        let line = backwards(&serde_json::to_value(&entry).unwrap());
        prop_assert_eq!(scan(&outline, &line, &mut Batch::default()), Scanned::Taken, "{}", line);
        let mut expected = Sheet::default();
        expected.take(&outline, serde_json::from_str(&line).unwrap());
        prop_assert_eq!(told(&read(&outline, &line), &outline), told(&expected, &outline));
    }
}

#[test]
fn a_cut_last_line_is_left_out_and_a_broken_one_in_the_middle_is_named() {
    let line = r#"{"complete":{"at":5,"operation":"op-1","outcome":"ok","sent":4,"attempts":1}}"#;
    let cut = read(&outline(), &format!("{line}\n{}", &line[..40]));
    assert_eq!((cut.batch.items.len(), cut.broken), (1, None));
    let whole = read(&outline(), &format!("{line}\n{line}"));
    assert_eq!((whole.batch.items.len(), whole.broken), (2, None));
    let broken = read(&outline(), &format!("{line}\n{}\n{line}\n", &line[..40]));
    assert_eq!(broken.batch.items.len(), 1);
    assert_eq!(broken.broken.map(|(line, _)| line), Some(1));
    let mut sheet = Sheet::default();
    let bytes = [line.as_bytes(), b"\n{\"\xff\"}\n"].concat();
    sheet.read(&outline(), &Block::from(bytes));
    assert_eq!(sheet.broken, Some((1, "stream did not contain valid UTF-8".to_owned())));
}
