//! Circles: each that is shown is checked step by step, and a slow search counts how many there must be.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use torn_engine::kafka::{Options, Precedence};
use torn_engine::verdict::Judgement;

use crate::random::Random;
use crate::told::{everything, judge};

/// The kinds of the circles of a judgement, each circle checked.
pub(crate) fn kinds(history: &[Json], judgement: &Judgement) -> BTreeMap<String, u64> {
    let mut kinds = BTreeMap::new();
    for anomaly in judgement.anomalies.iter().filter(|it| it.kind.starts_with("g0") || it.kind.starts_with("g1c")) {
        assert!(!anomaly.decides, "a cycle decides nothing by itself");
        assert_eq!(anomaly.count as usize, anomaly.examples.len());
        for example in &anomaly.examples {
            let at = |place: usize| {
                let ordinal = example.operations[place % example.operations.len()].ordinal;
                &history[ordinal as usize]
            };
            let steps = example.item["steps"].as_array().expect("a circle has steps");
            assert!(steps.len() > 1, "a circle has two steps at least");
            assert_eq!(steps.len(), example.operations.len());
            for (place, step) in steps.iter().enumerate() {
                assert!(is_true(history, at(place), at(place + 1), step), "{step} of {example:?}");
            }
            let has = |kind: &str| steps.iter().any(|step| step["type"] == kind);
            let kind = format!(
                "{}{}",
                if has("wr") { "g1c" } else { "g0" },
                if has("realtime") {
                    "-realtime"
                } else if has("process") {
                    "-process"
                } else {
                    ""
                },
            );
            assert_eq!(anomaly.kind, kind, "{steps:?}");
        }
        kinds.insert(anomaly.kind.to_owned(), anomaly.count);
    }
    kinds
}

fn is_true(history: &[Json], from: &Json, to: &Json, step: &Json) -> bool {
    let (key, value) = (&step["key"], &step["value"]);
    match step["type"].as_str() {
        Some("ww") => {
            let next = &step["next-value"];
            sent(from, key, value) && sent(to, key, next) && stands_before(history, key, value, next)
        }
        Some("wr") => sent(from, key, value) && polled(to, key, value),
        Some("realtime") => {
            from["type"] == "ok" && place(history, from) < invoked(history, to).expect("it was invoked")
        }
        Some("process") => from["process"] == to["process"] && place(history, from) < place(history, to),
        _ => false,
    }
}

fn text(key: &Json) -> String {
    key.as_str().map_or_else(|| key.to_string(), str::to_owned)
}

fn sends(operation: &Json) -> impl Iterator<Item = (String, &Json, &Json)> {
    let micros = operation["value"].as_array().into_iter().flatten().filter(|micro| micro[0] == "send");
    micros.map(|micro| match micro[2].as_array() {
        Some(pair) => (text(&micro[1]), &pair[0], &pair[1]),
        None => (text(&micro[1]), &Json::Null, &micro[2]),
    })
}

fn polls(operation: &Json) -> impl Iterator<Item = (String, &Json, &Json)> {
    let micros = operation["value"].as_array().into_iter().flatten().filter(|micro| micro[0] == "poll");
    let maps = micros.filter_map(|micro| micro[1].as_object()).flatten();
    maps.flat_map(|(key, pairs)| {
        pairs.as_array().into_iter().flatten().map(move |pair| (key.clone(), &pair[0], &pair[1]))
    })
}

fn sent(operation: &Json, key: &Json, value: &Json) -> bool {
    sends(operation).any(|(other, _, it)| other == text(key) && it == value)
}

fn polled(operation: &Json, key: &Json, value: &Json) -> bool {
    polls(operation).any(|(other, _, it)| other == text(key) && it == value)
}

/// Whether two messages were seen at offsets with nothing between.
fn stands_before(history: &[Json], key: &Json, value: &Json, next: &Json) -> bool {
    let mut log: BTreeMap<i64, Vec<&Json>> = BTreeMap::new();
    for operation in history {
        // An aborted send's offset counts only when somebody polled it; the others may or may not.
        let sends = sends(operation).filter(|_| operation["type"] == "ok" || operation["type"] == "info");
        for (other, offset, value) in sends.chain(polls(operation)) {
            if let Some(offset) = offset.as_i64().filter(|&offset| offset >= 0 && other == text(key)) {
                log.entry(offset).or_default().push(value);
            }
        }
    }
    let places = |value: &Json| -> Vec<usize> {
        log.values().enumerate().filter(|(_, seen)| seen.contains(&value)).map(|(place, _)| place).collect()
    };
    let after = places(next);
    // Places that only an unfinished send tells are no places of the log.
    let uncertain = history.iter().any(|operation| operation["type"] == "info");
    places(value).iter().any(|place| after.iter().any(|next| *next == place + 1 || uncertain && next > place))
}

fn place(history: &[Json], operation: &Json) -> usize {
    history.iter().position(|other| std::ptr::eq(other, operation)).expect("it is of the history")
}

fn invoked(history: &[Json], operation: &Json) -> Option<usize> {
    if operation["type"] == "invoke" {
        return Some(place(history, operation));
    }
    let before = &history[..place(history, operation)];
    let found = before.iter().rposition(|other| other["process"] == operation["process"])?;
    (before[found]["type"] == "invoke").then_some(found)
}

#[test]
fn a_read_of_each_other_is_a_circle() {
    let history = [
        json!({"process": 0, "type": "invoke", "f": "txn", "value": [["send", "x", 1], ["poll"]]}),
        json!({"process": 1, "type": "invoke", "f": "txn", "value": [["send", "y", 2], ["poll"]]}),
        json!({"process": 0, "type": "ok", "f": "txn", "value": [["send", "x", [0, 1]], ["poll", {"y": [[0, 2]]}]]}),
        json!({"process": 1, "type": "ok", "f": "txn", "value": [["send", "y", [0, 2]], ["poll", {"x": [[0, 1]]}]]}),
    ];
    let judgement = judge(&history, &everything());
    assert_eq!(kinds(&history, &judgement), BTreeMap::from([("g1c".to_owned(), 1)]));
    let example = &judgement.anomalies[0].examples[0];
    let expected = "Operation 1 sent value 1 to key x, which was polled by operation 2, operation 2 sent value 2 to key y, \
                    which was polled by operation 1, so each of them must have come before itself.";
    assert_eq!(example.explanation, expected);
}

/// `interleaved`: two transactions whose sends stand in the log in turns.
fn interleaved() -> Vec<Json> {
    vec![
        json!({"process": 0, "type": "invoke", "f": "send", "value": [["send", "x", 1], ["send", "y", 2]]}),
        json!({"process": 1, "type": "invoke", "f": "send", "value": [["send", "x", 3], ["send", "y", 4]]}),
        json!({"process": 0, "type": "ok", "f": "send", "value": [["send", "x", [0, 1]], ["send", "y", [1, 2]]]}),
        json!({"process": 1, "type": "ok", "f": "send", "value": [["send", "x", [1, 3]], ["send", "y", [0, 4]]]}),
    ]
}

#[test]
fn sends_in_turns_are_a_circle_only_when_their_order_counts() {
    let history = interleaved();
    let ww = Options { ww_deps: true, ..everything() };
    assert_eq!(kinds(&history, &judge(&history, &ww)), BTreeMap::from([("g0".to_owned(), 1)]));
    assert!(kinds(&history, &judge(&history, &everything())).is_empty());
}

#[test]
fn a_send_that_stands_before_one_that_had_succeeded_goes_against_time() {
    let mut history = vec![
        json!({"process": 0, "type": "invoke", "f": "send", "value": [["send", "x", 1]]}),
        json!({"process": 0, "type": "ok", "f": "send", "value": [["send", "x", [1, 1]]]}),
        json!({"process": 0, "type": "invoke", "f": "send", "value": [["send", "x", 2]]}),
        json!({"process": 0, "type": "ok", "f": "send", "value": [["send", "x", [0, 2]]]}),
    ];
    let realtime = Options { ww_deps: true, ..everything() };
    let process = Options { precedence: Precedence::Process, ..realtime.clone() };
    let kind = |kind: &str| BTreeMap::from([(kind.to_owned(), 1)]);
    assert_eq!(kinds(&history, &judge(&history, &realtime)), kind("g0-realtime"));
    assert_eq!(kinds(&history, &judge(&history, &process)), kind("g0-process"));
    // Another process is not bound by the order of the first.
    history[2]["process"] = json!(1);
    history[3]["process"] = json!(1);
    assert_eq!(kinds(&history, &judge(&history, &realtime)), kind("g0-realtime"));
    assert!(kinds(&history, &judge(&history, &process)).is_empty());
}

#[test]
fn a_poll_that_ended_before_its_message_was_sent_goes_against_time() {
    let history = [
        json!({"process": 0, "type": "invoke", "f": "poll", "value": [["poll"]]}),
        json!({"process": 0, "type": "ok", "f": "poll", "value": [["poll", {"x": [[0, 1]]}]]}),
        json!({"process": 0, "type": "invoke", "f": "send", "value": [["send", "x", 1]]}),
        json!({"process": 0, "type": "ok", "f": "send", "value": [["send", "x", [0, 1]]]}),
    ];
    let realtime = everything();
    let process = Options { precedence: Precedence::Process, ..everything() };
    let kind = |kind: &str| BTreeMap::from([(kind.to_owned(), 1)]);
    assert_eq!(kinds(&history, &judge(&history, &realtime)), kind("g1c-realtime"));
    assert_eq!(kinds(&history, &judge(&history, &process)), kind("g1c-process"));
}

#[test]
fn a_message_whose_send_never_completed_takes_part_in_circles() {
    let history = [
        json!({"process": 0, "type": "invoke", "f": "poll", "value": [["poll"]]}),
        json!({"process": 0, "type": "ok", "f": "poll", "value": [["poll", {"x": [[0, 1]]}]]}),
        json!({"process": 1, "type": "invoke", "f": "send", "value": [["send", "x", 1]]}),
    ];
    let found = kinds(&history, &judge(&history, &everything()));
    assert_eq!(found, BTreeMap::from([("g1c-realtime".to_owned(), 1)]));
}

/// The dependencies of a history as matrices: by sends, by polls, by time.
struct Matrices {
    ww: Vec<Vec<bool>>,
    wr: Vec<Vec<bool>>,
    time: Vec<Vec<bool>>,
}

/// All dependencies, from the definitions. Only for histories without messages at the same offset or at several.
fn matrices(history: &[Json]) -> Option<Matrices> {
    let completions: Vec<&Json> = history
        .iter()
        .filter(|it| it["type"] != "invoke" && (it["f"] == "send" || it["f"] == "poll" || it["f"] == "txn"))
        .collect();
    let count = completions.len();
    let empty = || vec![vec![false; count]; count];
    let mut matrices = Matrices { ww: empty(), wr: empty(), time: empty() };
    let mut writer: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (place, operation) in completions.iter().enumerate() {
        for (key, _, value) in sends(operation) {
            writer.insert((key, value.to_string()), place);
        }
    }
    let mut ok_read: Vec<(String, String)> = Vec::new();
    for operation in completions.iter().filter(|it| it["type"] == "ok") {
        ok_read.extend(polls(operation).map(|(key, _, value)| (key, value.to_string())));
    }
    let mut logs: BTreeMap<String, BTreeMap<i64, String>> = BTreeMap::new();
    let mut seen: BTreeMap<(String, String), i64> = BTreeMap::new();
    for (place, operation) in completions.iter().enumerate() {
        let committed = operation["type"] == "ok"
            || operation["type"] == "info"
                && sends(operation).any(|(key, _, value)| ok_read.contains(&(key, value.to_string())));
        let told: Vec<_> = sends(operation).filter(|_| committed).chain(polls(operation)).collect();
        for (key, offset, value) in told {
            let Some(offset) = offset.as_i64().filter(|&offset| offset >= 0) else { continue };
            let message = (key.clone(), value.to_string());
            if *seen.entry(message.clone()).or_insert(offset) != offset
                || *logs.entry(key).or_default().entry(offset).or_insert(message.1.clone()) != message.1
            {
                return None;
            }
        }
        for (key, _, value) in polls(operation) {
            // A message that nobody is known to have written is Jepsen's to throw at, and here no dependency.
            let from = writer.get(&(key, value.to_string()));
            if let Some(&from) = from.filter(|&&from| from != place) {
                matrices.wr[from][place] = true;
            }
        }
        for (other, earlier) in completions.iter().enumerate() {
            matrices.time[other][place] = earlier["type"] == "ok"
                && invoked(history, operation).is_some_and(|invoked| self::place(history, earlier) < invoked);
        }
    }
    for (key, log) in &logs {
        let order: Vec<&String> = log.values().collect();
        for two in order.windows(2) {
            let at = |message: &String| writer.get(&(key.clone(), message.clone())).copied();
            if let (Some(from), Some(to)) = (at(two[0]), at(two[1])) {
                matrices.ww[from][to] |= from != to;
            }
        }
    }
    Some(matrices)
}

/// Who reaches whom along any of some matrices.
fn reach(matrices: &[&Vec<Vec<bool>>]) -> Vec<Vec<bool>> {
    let count = matrices[0].len();
    let mut reach: Vec<Vec<bool>> =
        (0..count).map(|from| (0..count).map(|to| matrices.iter().any(|matrix| matrix[from][to])).collect()).collect();
    for by in 0..count {
        let onward = reach[by].clone();
        for row in &mut reach {
            if row[by] {
                for (to, reached) in row.iter_mut().enumerate() {
                    *reached |= onward[to];
                }
            }
        }
    }
    reach
}

/// How many circles are to be shown, and how many of them are of sends alone.
fn expected(matrices: &Matrices) -> (u64, u64) {
    let Matrices { ww, wr, time } = matrices;
    let (all, sends) = (reach(&[ww, wr, time]), reach(&[ww]));
    let (data, timed) = (reach(&[ww, wr]), reach(&[ww, time]));
    let (mut circles, mut of_sends) = (0, 0);
    let first_of_component =
        |node: usize| all[node][node] && (0..node).all(|other| !(all[node][other] && all[other][node]));
    for first in (0..all.len()).filter(|&node| first_of_component(node)) {
        let members: Vec<usize> = (0..all.len()).filter(|&node| all[first][node] && all[node][first]).collect();
        let has = |reach: &Vec<Vec<bool>>| members.iter().any(|&node| reach[node][node]);
        if has(&sends) {
            circles += 1;
            of_sends += 1;
        } else {
            let shown = u64::from(has(&data)) + u64::from(has(&timed));
            circles += shown.max(1);
        }
    }
    (circles, of_sends)
}

/// Operations of a few processes that all complete, whose messages stand anywhere in their logs and are polled at any time.
fn disordered(seed: u64) -> Vec<Json> {
    let mut random = Random(seed);
    let keys = ["x", "y"];
    let messages = 2 + random.below(8);
    let mut offsets: Vec<usize> = (0..messages).collect();
    for place in (1..messages).rev() {
        offsets.swap(place, random.below(place + 1));
    }
    let mut history = Vec::new();
    let mut open: Vec<Option<(&str, Json)>> = vec![None; 1 + random.below(4)];
    let (mut next, mut left) = (0, 4 + random.below(12));
    while left > 0 || open.iter().any(Option::is_some) {
        let process = random.below(open.len());
        let Some((function, value)) = open[process].take() else {
            if left > 0 {
                left -= 1;
                let function = random.pick(&["send", "poll", "txn"]);
                let mut value = Vec::new();
                for _ in 0..=random.below(3) {
                    if next < messages && (function == "send" || function == "txn" && random.one_in(2)) {
                        value.push(json!(["send", keys[next % 2], [offsets[next], next]]));
                        next += 1;
                    } else if function != "send" {
                        let message = random.below(messages);
                        value.push(json!(["poll", {keys[message % 2]: [[offsets[message], message]]}]));
                    }
                }
                let invoked: Vec<Json> = value
                    .iter()
                    .map(
                        |micro| {
                            if micro[0] == "poll" { json!(["poll"]) } else { json!(["send", micro[1], micro[2][1]]) }
                        },
                    )
                    .collect();
                history.push(json!({"process": process, "type": "invoke", "f": function, "value": invoked}));
                open[process] = Some((function, json!(value)));
            }
            continue;
        };
        let kind = random.pick(&["ok", "ok", "ok", "ok", "info", "fail"]);
        history.push(json!({"process": process, "type": kind, "f": function, "value": value}));
    }
    history
}

/// A poll of what is sent only at the very end draws all that succeeds between into one large component.
#[test]
fn a_large_component_is_searched_as_well_as_a_small_one() {
    let mut kinds_found = BTreeMap::new();
    for seed in 0..24 {
        let mut history = vec![
            json!({"process": 90, "type": "invoke", "f": "poll", "value": [["poll"]]}),
            json!({"process": 90, "type": "ok", "f": "poll", "value": [["poll", {"z": [[0, 0]]}]]}),
        ];
        history.extend(disordered(seed));
        for value in 0..560 {
            history.push(json!({"process": 91, "type": "invoke", "f": "send", "value": [["send", "w", value]]}));
            history.push(json!({"process": 91, "type": "ok", "f": "send", "value": [["send", "w", [value, value]]]}));
        }
        history.push(json!({"process": 90, "type": "invoke", "f": "send", "value": [["send", "z", 0]]}));
        history.push(json!({"process": 90, "type": "ok", "f": "send", "value": [["send", "z", [0, 0]]]}));
        let matrices = matrices(&history).expect("its messages are sound");
        let found = kinds(&history, &judge(&history, &Options { ww_deps: true, ..everything() }));
        let (circles, of_sends) = expected(&matrices);
        assert_eq!(found.values().sum::<u64>(), circles, "seed {seed} {found:?}");
        assert_eq!(found.get("g0").copied().unwrap_or(0), of_sends, "seed {seed} {found:?}");
        for kind in found.into_keys() {
            *kinds_found.entry(kind).or_insert(0) += 1;
        }
    }
    assert_eq!(kinds_found.len(), 4, "{kinds_found:?}");
}

#[test]
fn the_search_finds_what_reachability_says() {
    let (mut compared, mut with_circles) = (0, 0);
    for seed in 0..10_000 {
        let history = disordered(seed);
        let matrices = matrices(&history).expect("its messages are sound");
        for ww_deps in [false, true] {
            let options = Options { ww_deps, ..everything() };
            let found = kinds(&history, &judge(&history, &options));
            let mut matrices =
                Matrices { ww: matrices.ww.clone(), wr: matrices.wr.clone(), time: matrices.time.clone() };
            if !ww_deps {
                matrices.ww.iter_mut().for_each(|row| row.fill(false));
            }
            let (circles, of_sends) = expected(&matrices);
            let told = || history.iter().map(Json::to_string).collect::<Vec<_>>().join("\n");
            assert_eq!(found.values().sum::<u64>(), circles, "seed {seed} ww {ww_deps} {found:?}\n{}", told());
            assert_eq!(found.get("g0").copied().unwrap_or(0), of_sends, "seed {seed} {found:?}\n{}", told());
            compared += 1;
            with_circles += u64::from(circles > 0);
        }
    }
    assert!(compared == 20_000 && with_circles > 5_000, "{with_circles} of {compared} histories had circles");
}
