//! The variants: a folder of its own for each, a value for each axis that applies, an expectation that can be met.

use std::collections::HashSet;

use super::{Finding, known, list, say};
use crate::checker::verdict::Verdict;
use crate::scenario::file::Variant;
use crate::scenario::manifest::Manifest;
use crate::store::layout;

/// Everything wrong with the variants.
pub(super) fn check(variants: &[Variant], manifest: &Manifest, findings: &mut Vec<Finding>) {
    if variants.is_empty() {
        findings.push(("variant".to_owned(), "expected at least one [[variant]]".to_owned()));
    }
    let mut folders = HashSet::new();
    for (number, variant) in variants.iter().enumerate() {
        let key = format!("variant[{number}]");
        if !folders.insert(layout::safe_name(&variant.name)) {
            let message = format!("{:?} is taken by an earlier variant; expected a name of its own", variant.name);
            findings.push((format!("{key}.name"), message));
        }
        pattern(&key, variant, manifest, findings);
        if variant.expect.verdict == Some(Verdict::Valid) && !variant.expect.anomalies.is_empty() {
            let message = "a run with these anomalies is not valid; expected either verdict = \"valid\" or anomalies";
            findings.push((format!("{key}.expect.anomalies"), message.to_owned()));
        }
    }
}

fn pattern(key: &str, variant: &Variant, manifest: &Manifest, findings: &mut Vec<Finding>) {
    for (axis, value) in &variant.pattern {
        let key = format!("{key}.pattern.{axis}");
        match manifest.axis.get(axis) {
            None => known(&key, "axis", axis, manifest.axis.keys(), findings),
            Some(known_axis) => known(&key, &format!("{axis} pattern"), value, known_axis.values.keys(), findings),
        }
    }
    for (axis, spec) in &manifest.axis {
        let holds = spec
            .when
            .iter()
            .all(|(other, values)| variant.pattern.get(other).is_some_and(|value| values.contains(value)));
        let given = variant.pattern.contains_key(axis);
        if holds && !given {
            let message = format!("{axis} is missing; expected one of: {}", list(spec.values.keys()));
            findings.push((format!("{key}.pattern"), message));
        } else if given && !holds {
            let message = format!("{axis} belongs to variants with {}; expected it to be left out", say(&spec.when));
            findings.push((format!("{key}.pattern.{axis}"), message));
        }
    }
}
