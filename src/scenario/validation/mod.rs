//! What the types alone cannot say: each finding is a key and a sentence that says what was expected.
//!
//! - [`manifest()`]: a workload in itself
//! - `load`, `servers`, `variant`, `template`: the parts of a scenario against its workload
//! - [`matrix()`]: what a matrix varies, before its cells are scenarios

mod load;
mod manifest;
mod matrix;
mod servers;
mod template;
mod variant;

use indexmap::IndexMap;

use super::file::Scenario;
use super::manifest::Manifest;
use super::resolved::Resolved;
use crate::fault::{self, Schedule};
use crate::link::topology::Topology;
use crate::load::arrivals::load_duration;
use crate::metrics::thresholds;

pub use manifest::manifest;
pub use matrix::{cell_names, matrix};

/// A key (`fault[0].partition`) and what is wrong with it.
pub type Finding = (String, String);

/// Everything wrong with a scenario for this (valid) workload.
pub fn scenario(scenario: &Scenario, manifest: &Manifest) -> Vec<Finding> {
    let mut findings = Vec::new();
    load::check(&scenario.load, manifest, &mut findings);
    for (role, count) in &scenario.instances {
        let key = format!("instances.{role}");
        known(&key, "role", role, manifest.process.keys(), &mut findings);
        if *count == 0 {
            findings.push((key, "expected at least 1".to_owned()));
        }
    }
    servers::check(scenario, &mut findings);
    for parameter in scenario.parameters.keys() {
        let key = format!("parameters.{parameter}");
        known(&key, "parameter", parameter, manifest.parameters.keys(), &mut findings);
    }
    variant::check(&scenario.variant, manifest, &mut findings);
    let topology = Topology::of(scenario, manifest);
    let duration = load_duration(&scenario.load);
    for (number, spec) in scenario.fault.iter().enumerate() {
        if let Err(problem) = fault::validate(spec, &topology, duration) {
            findings.push((format!("fault[{number}].{}", problem.key), problem.message));
        }
    }
    if let Err((number, problem)) = fault::validate_together(&scenario.fault) {
        findings.push((format!("fault[{number}].{}", problem.key), problem.message));
    }
    if let Some(random) = &scenario.random_faults
        && let Err((choice, problem)) = fault::validate_random(random, &topology, duration)
    {
        let place = choice.map_or_else(String::new, |number| format!(".choice[{number}]"));
        findings.push((format!("random_faults{place}.{}", problem.key), problem.message));
    }
    template::check(scenario, manifest, &mut findings);
    findings
}

/// What can only be said of a scenario that is right in itself: thresholds over its metrics, and room for its faults.
pub fn resolved(resolved: &Resolved) -> Vec<Finding> {
    let (_, wrong) = thresholds::parse_all(resolved);
    let mut findings: Vec<Finding> =
        wrong.into_iter().map(|error| (format!("thresholds.\"{}\"", error.metric()), error.to_string())).collect();
    if let Err(error) = Schedule::plan(resolved, load_duration(&resolved.scenario.load)) {
        findings.push(("random_faults".to_owned(), error.to_string()));
    }
    findings
}

fn known<'a>(
    key: &str,
    what: &str,
    name: &str,
    names: impl Iterator<Item = &'a String> + Clone,
    findings: &mut Vec<Finding>,
) {
    if names.clone().any(|known| known == name) {
        return;
    }
    let message = match list(names).as_str() {
        "" => format!("unknown {what} {name:?}; this workload has none"),
        names => format!("unknown {what} {name:?}; expected one of: {names}"),
    };
    findings.push((key.to_owned(), message));
}

fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn say(condition: &IndexMap<String, Vec<String>>) -> String {
    let parts = condition.iter().map(|(axis, values)| format!("{axis} = {}", values.join(" or ")));
    parts.collect::<Vec<_>>().join(" and ")
}
