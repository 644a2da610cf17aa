//! The load: open or closed, its stages, its keys and its mix.

use super::{Finding, known};
use crate::scenario::file::{ArrivalKind, Distribution, KeySpace, Load};
use crate::scenario::manifest::Manifest;

/// Everything wrong with a load for this workload.
pub(super) fn check(load: &Load, manifest: &Manifest, findings: &mut Vec<Finding>) {
    let mut say = |key: &str, message: String| findings.push((format!("load.{key}"), message));
    match (load.rate, load.stages.is_empty(), load.workers) {
        (Some(_), false, _) => say("stages", "expected either rate or stages, not both".to_owned()),
        (None, true, None) => say(
            "rate",
            "expected rate = 200 (operations a second), workers = 50 (a closed loop) or [[load.stages]]".to_owned(),
        ),
        _ => {}
    }
    if let Some(rate) = load.rate
        && !(rate.is_finite() && rate > 0.0)
    {
        say("rate", format!("expected operations a second, above 0, found {rate}"));
    }
    if load.workers == Some(0) {
        say("workers", "expected at least 1".to_owned());
    }
    match (load.duration, load.stages.is_empty()) {
        (None, true) => say("duration", "missing; expected how long the load lasts, such as \"20s\"".to_owned()),
        (Some(_), false) => say("duration", "expected no duration beside stages: theirs add up to it".to_owned()),
        (Some(duration), true) if duration.is_zero() => say("duration", "expected more than 0".to_owned()),
        _ => {}
    }
    if load.arrivals == ArrivalKind::Poisson
        && load.rate.is_none()
        && load.stages.iter().all(|stage| stage.rate.is_none())
    {
        say("arrivals", "poisson needs a rate; a closed loop (workers alone) has no arrivals".to_owned());
    }
    stages(load, &mut say);
    if load.timeout.is_zero() {
        say("timeout", "expected more than 0".to_owned());
    }
    if load.retry.attempts == 0 {
        say("retry.attempts", "expected at least 1: the first attempt counts".to_owned());
    }
    for (name, weight) in &load.mix {
        if !(weight.is_finite() && *weight >= 0.0) {
            say(&format!("mix.{name}"), format!("expected a weight of 0 or more, found {weight}"));
        }
    }
    if !load.mix.is_empty() && load.mix.values().all(|weight| *weight == 0.0) {
        say("mix", "expected at least one weight above 0".to_owned());
    }
    for name in load.mix.keys() {
        known(&format!("load.mix.{name}"), "operation", name, manifest.operation.keys(), findings);
    }
    for (name, space) in &load.keys {
        key_space(&format!("load.keys.{name}"), space, findings);
    }
}

fn stages(load: &Load, say: &mut impl FnMut(&str, String)) {
    let is_closed = load.stages.first().is_some_and(|stage| stage.workers.is_some());
    for (number, stage) in load.stages.iter().enumerate() {
        let mut say = |key: &str, message: &str| say(&format!("stages[{number}].{key}"), message.to_owned());
        match (stage.rate, stage.workers) {
            (None, None) => {
                say("rate", "missing; expected rate = 200 (operations a second) or workers = 8 (a closed loop)");
            }
            (Some(_), Some(_)) => say(
                "workers",
                "expected either rate or workers; load.workers limits the operations under way of an open loop",
            ),
            (Some(_), None) if is_closed => {
                say("rate", "expected workers, as in the first stage: all stages of a load are of one kind");
            }
            (None, Some(_)) if !is_closed => {
                say("workers", "expected a rate, as in the first stage: all stages of a load are of one kind");
            }
            (None, Some(0)) => say("workers", "expected at least 1"),
            _ => {}
        }
        if stage.from.is_some() && stage.workers.is_some() {
            say("from", "only a rate changes from one value to another; expected no from beside workers");
        }
        let is_rate = |rate: f64| rate.is_finite() && rate >= 0.0;
        if ![stage.rate, stage.from].into_iter().flatten().all(is_rate) {
            say("rate", "expected operations a second, 0 or more");
        }
        if stage.duration.is_zero() {
            say("for", "expected more than 0");
        }
    }
    if is_closed && load.workers.is_some() {
        say("workers", "expected no workers beside stages that have their own".to_owned());
    }
}

fn key_space(key: &str, space: &KeySpace, findings: &mut Vec<Finding>) {
    let mut say = |field: &str, message: &str| findings.push((format!("{key}.{field}"), message.to_owned()));
    if space.count == 0 {
        say("count", "expected at least 1 key");
    }
    let (zipf, hot) = (space.distribution == Distribution::Zipf, space.distribution == Distribution::Hot);
    match space.exponent {
        Some(exponent) if zipf && !(exponent.is_finite() && exponent > 0.0) => {
            say("exponent", "expected a number above 0, such as 1.1");
        }
        None if zipf => say("exponent", "missing; zipf needs one, such as 1.1"),
        Some(_) if !zipf => say("exponent", "only zipf has an exponent; expected distribution = \"zipf\""),
        _ => {}
    }
    match space.each {
        Some(0) => say("each", "expected at least 1 operation on each key"),
        Some(_) if space.distribution != Distribution::InTurn => {
            say("each", "only in-turn has each; expected distribution = \"in-turn\"");
        }
        _ => {}
    }
    match (space.hot_keys, space.hot_share) {
        (Some(keys), Some(share)) if hot => {
            if keys == 0 || keys > space.count {
                say("hot_keys", "expected between 1 and count");
            }
            if !(0.0..=1.0).contains(&share) {
                say("hot_share", "expected a share between 0 and 1");
            }
        }
        _ if hot => say("distribution", "hot needs hot_keys = 5 and hot_share = 0.9, or the like"),
        (None, None) => {}
        _ => say("distribution", "only hot has hot_keys and hot_share; expected distribution = \"hot\""),
    }
}
