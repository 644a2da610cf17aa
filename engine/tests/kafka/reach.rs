//! How many circles there must be: all dependencies as matrices, and who reaches whom in them.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use torn_engine::kafka::Options;

use crate::cycle::{invoked, kinds, place, polls, sends};
use crate::random::Random;
use crate::told::{everything, judge};

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
    for (node, operation) in completions.iter().enumerate() {
        for (key, _, value) in sends(operation) {
            writer.insert((key, value.to_string()), node);
        }
    }
    let mut ok_read: Vec<(String, String)> = Vec::new();
    for operation in completions.iter().filter(|it| it["type"] == "ok") {
        ok_read.extend(polls(operation).map(|(key, _, value)| (key, value.to_string())));
    }
    let mut logs: BTreeMap<String, BTreeMap<i64, String>> = BTreeMap::new();
    let mut seen: BTreeMap<(String, String), i64> = BTreeMap::new();
    for (node, operation) in completions.iter().enumerate() {
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
            if let Some(&from) = from.filter(|&&from| from != node) {
                matrices.wr[from][node] = true;
            }
        }
        for (other, earlier) in completions.iter().enumerate() {
            matrices.time[other][node] = earlier["type"] == "ok"
                && invoked(history, operation).is_some_and(|invoked| place(history, earlier) < invoked);
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
