//! Whether what came out is what the variant is for.
//!
//! The rules, in order:
//! 1. A history cut short is never as expected.
//! 2. While something forbidden is unknown, nothing is as expected (unless `unknown` is what the variant expects).
//! 3. Each of `expect.anomalies` must occur; any other *forbidden* anomaly must be among `expect.also`.
//! 4. `expect.verdict`, where given, must come out; given nothing at all, the verdict must be valid.

use super::verdict::{Anomaly, Verdict};
use crate::scenario::file::Expectation;

/// Why the outcome is not as expected; empty when it is.
pub fn objections(expectation: &Expectation, verdict: Verdict, anomalies: &[Anomaly]) -> Vec<String> {
    let mut objections = Vec::new();
    for kind in &expectation.anomalies {
        if !anomalies.iter().any(|anomaly| anomaly.kind == *kind) {
            objections.push(format!("{} was expected and did not occur", kind.name()));
        }
    }
    let is_named =
        |anomaly: &&Anomaly| expectation.anomalies.contains(&anomaly.kind) || expectation.also.contains(&anomaly.kind);
    for anomaly in anomalies.iter().filter(|anomaly| anomaly.forbidden && !is_named(anomaly)) {
        objections.push(format!("{} occurred {} and is forbidden", anomaly.kind.name(), times(anomaly.count)));
    }
    let may_be_invalid = !expectation.anomalies.is_empty() || !expectation.also.is_empty();
    match expectation.verdict {
        Some(expected) if expected != verdict => {
            objections.push(format!("the verdict is {}, and {} was expected", word(verdict), word(expected)));
        }
        None if verdict == Verdict::Invalid && !may_be_invalid && objections.is_empty() => {
            objections.push("the verdict is invalid, and valid was expected".to_owned());
        }
        Some(_) | None => {}
    }
    objections
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// The verdict as it is written.
fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "valid",
        Verdict::Unknown => "unknown",
        Verdict::Invalid => "invalid",
    }
}
