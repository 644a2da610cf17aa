//! Figures and findings in plain words.

use crate::checker::verdict::{Anomaly, AnomalyKind, Judgement, Verdict};
use crate::metrics::Metrics;
use crate::metrics::measurement::Outcomes;
use crate::metrics::thresholds::ThresholdOutcome;

use super::write::RunReport;

/// `2811` as `2,811`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A figure with as many decimals as help: `0.42`, `3.2`, `47`, `1,110`.
pub fn figure(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if size < 0.995 {
        format!("{value:.2}")
    } else if size < 9.95 {
        format!("{value:.1}")
    } else {
        let sign = if value < 0.0 { "−" } else { "" };
        format!("{sign}{}", grouped(size.round() as u64))
    }
}

/// Milliseconds as people say them: `0.42 ms`, `47 ms`, `1.02 s`.
pub fn milliseconds(value: f64) -> String {
    if value.abs() >= 999.5 { format!("{:.2} s", value / 1e3) } else { format!("{} ms", figure(value)) }
}

/// A time of the run's clock, from the start of the load: `4.213 s`, `−1.500 s` (during the warm-up).
pub fn clock(at: u64, load_started: u64) -> String {
    let seconds = (at as f64 - load_started as f64) / 1e9;
    let sign = if seconds < 0.0 { "−" } else { "" };
    format!("{sign}{:.3} s", seconds.abs())
}

/// `1 lost event`, `312 lost events`.
pub fn counted(kind: AnomalyKind, count: u64) -> String {
    let words = match (kind, count) {
        (AnomalyKind::Oversold, _) => "oversold".to_owned(),
        (AnomalyKind::NegativeStock, 1) => "stock below zero".to_owned(),
        (AnomalyKind::NegativeStock, _) => "stocks below zero".to_owned(),
        (AnomalyKind::DoubleApply, 1) => "write applied twice".to_owned(),
        (AnomalyKind::DoubleApply, _) => "writes applied twice".to_owned(),
        (AnomalyKind::NonMonotonicRead, 1) => "non-monotonic read".to_owned(),
        (AnomalyKind::NonMonotonicRead, _) => "non-monotonic reads".to_owned(),
        (AnomalyKind::NonLinearizable, 1) => "document that is not linearizable".to_owned(),
        (AnomalyKind::NonLinearizable, _) => "documents that are not linearizable".to_owned(),
        (AnomalyKind::InconsistentOffsets, 1) => "inconsistent offset".to_owned(),
        (AnomalyKind::InconsistentOffsets, _) => "inconsistent offsets".to_owned(),
        (kind, 1) => kind.name().replace('-', " "),
        (kind, _) => format!("{}s", kind.name().replace('-', " ")),
    };
    format!("{} {words}", grouped(count))
}

/// What one kind means, in one sentence, for the reader who has never met it.
pub fn meaning(kind: AnomalyKind) -> &'static str {
    match kind {
        AnomalyKind::LostEvent => {
            "A committed change requires an event; no record has it and nothing durable could still bring it."
        }
        AnomalyKind::StuckEvent => "An event was still waiting in an unpublished row or unread offset at the deadline.",
        AnomalyKind::TornPublication => "Of several events that one change requires, some are there and some are not.",
        AnomalyKind::PhantomEvent => "The log tells of an operation that never changed anything.",
        AnomalyKind::DuplicateEvent => "The log holds the same event more than once.",
        AnomalyKind::ReorderedEvent => "Events of one entity are not in the order of its changes.",
        AnomalyKind::MissingEffect => "A consumer did not apply an event that is in the log.",
        AnomalyKind::DuplicateEffect => "A consumer applied an event more than once.",
        AnomalyKind::DivergentProjection => "A consumer's final view is not what the log adds up to.",
        AnomalyKind::LostUpdate => {
            "A change is not the state before it plus what was asked: another change was overwritten."
        }
        AnomalyKind::DoubleApply => "One operation changed the same entity twice.",
        AnomalyKind::Oversold => "More was taken than there was.",
        AnomalyKind::NegativeStock => "A stock sank below zero.",
        AnomalyKind::PhantomUpdate => "Something was changed by an operation that failed or was never sent.",
        AnomalyKind::VersionGap => "A document's version rose by more than one.",
        AnomalyKind::VersionRegression => "A document's version sank.",
        AnomalyKind::VersionDuplicate => "A document changed and its version did not.",
        AnomalyKind::LostAcknowledgedWrite => "A client was told that its write took effect, and no change shows it.",
        AnomalyKind::StaleRead => "A client was told of a state that others knew to be overtaken before it asked.",
        AnomalyKind::NonMonotonicRead => {
            "A client was told of a state older than what it had read or written itself: its view went backwards."
        }
        AnomalyKind::NonLinearizable => {
            "What clients were told of a document fits no order of its changes: a state that never was, or not yet."
        }
        AnomalyKind::InconsistentOffsets => "Two readers found different events at one offset of the log.",
        AnomalyKind::NonmonotonicPoll => "A consumer took an entity's events in another order than the log's.",
    }
}

/// What the server's count of aborted transactions holds; without it a high count beside few conflicts raises alarm.
pub fn aborted_transactions() -> &'static str {
    "Not every aborted transaction is a conflict: a service that refuses an operation (fail) inside a transaction rolls it \
     back, and so does a consumer that finds an event already applied. A conflict inside a transaction counts as \
     aborted, not as a write conflict."
}

/// A verdict with a sign that does not rely on colour.
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "✓ valid",
        Verdict::Unknown => "? unknown",
        Verdict::Invalid => "✗ invalid",
    }
}

/// The whole run in one sentence.
pub fn outcome(judgement: &Judgement) -> String {
    let operations = operations(judgement);
    let expectation = if judgement.as_expected { "as expected" } else { "not as expected" };
    let found = forbidden(judgement);
    let among = format!("{} operations", grouped(operations));
    match (judgement.verdict, found.is_empty()) {
        (Verdict::Valid, _) => format!("Valid, {expectation}: nothing that is forbidden happened in {among}."),
        (Verdict::Unknown, true) => {
            format!("Unknown, {expectation}: too little was seen in {among} to say that nothing forbidden happened.")
        }
        (Verdict::Unknown, false) => format!(
            "Unknown, {expectation}: {} in {among}, and too little was seen to say that this is all.",
            listed(&found)
        ),
        (Verdict::Invalid, _) => format!("Invalid, {expectation}: {} in {among}.", listed(&found)),
    }
}

/// Thresholds that were not met, a sentence each.
pub fn missed(metrics: &Metrics) -> Vec<String> {
    let missed = metrics.thresholds.iter().filter(|threshold| threshold.outcome != ThresholdOutcome::Met);
    missed
        .map(|threshold| {
            let measured = threshold.measured.as_deref().unwrap_or("nothing");
            let what = match threshold.outcome {
                ThresholdOutcome::NotMeasured => "threshold could not be judged",
                _ => "threshold missed",
            };
            format!("{what}: {} {}, measured {measured}", threshold.metric, threshold.condition)
        })
        .collect()
}

/// Whether a run is as expected and met every threshold.
pub fn is_good(judgement: &Judgement, metrics: &Metrics) -> bool {
    judgement.as_expected && missed(metrics).is_empty()
}

/// Forbidden anomalies that were found.
pub fn forbidden(judgement: &Judgement) -> Vec<&Anomaly> {
    judgement.anomalies.iter().filter(|anomaly| anomaly.forbidden && anomaly.count > 0).collect()
}

/// Operations of a judgement, whatever came out.
pub fn operations(judgement: &Judgement) -> u64 {
    judgement.operations.ok + judgement.operations.fail + judgement.operations.info
}

/// `312 lost events and 7 duplicate effects`.
fn listed(anomalies: &[&Anomaly]) -> String {
    if anomalies.is_empty() {
        return "something outside the listed anomalies".to_owned();
    }
    joined(&anomalies.iter().map(|anomaly| counted(anomaly.kind, anomaly.count)).collect::<Vec<_>>())
}

fn joined(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// What a comparison shows, a sentence for each variant: what it broke, and what it costs against the first.
pub fn comparison(runs: &[RunReport]) -> Vec<String> {
    runs.iter()
        .enumerate()
        .map(|(index, run)| {
            let name = &run.run.resolved.variant().name;
            let cost = if index == 0 {
                None
            } else {
                cost(run.metrics, runs[0].metrics, &runs[0].run.resolved.variant().name)
            };
            let cost = cost.map_or_else(String::new, |cost| format!(" {cost}"));
            format!("{name} {}.{cost}", findings(run))
        })
        .collect()
}

fn findings(run: &RunReport) -> String {
    let mut parts: Vec<String> = forbidden(run.judgement).into_iter().map(|anomaly| finding(anomaly, run)).collect();
    match run.judgement.verdict {
        Verdict::Valid => parts.push("broke nothing that is forbidden".to_owned()),
        Verdict::Unknown => parts.push("could not be judged in full".to_owned()),
        Verdict::Invalid if parts.is_empty() => parts.push("was invalid outside the listed anomalies".to_owned()),
        Verdict::Invalid => {}
    }
    joined(&parts)
}

fn finding(anomaly: &Anomaly, run: &RunReport) -> String {
    let rate = anomaly.count as f64 * 10_000.0 / operations(run.judgement).max(1) as f64;
    let rate = format!("{} per 10,000 operations", figure(rate));
    let count = grouped(anomaly.count);
    match anomaly.kind {
        AnomalyKind::LostEvent if run.metrics.delay.events_due >= anomaly.count => {
            format!("lost {count} of {} ({rate})", events(run.metrics.delay.events_due))
        }
        AnomalyKind::LostEvent => format!("lost {} ({rate})", events(anomaly.count)),
        AnomalyKind::MissingEffect => format!("did not apply {} ({rate})", events(anomaly.count)),
        AnomalyKind::DuplicateEffect => format!("applied {} more than once ({rate})", events(anomaly.count)),
        AnomalyKind::Oversold => format!("oversold by {count} ({rate})"),
        kind => format!("showed {} ({rate})", counted(kind, anomaly.count)),
    }
}

fn events(count: u64) -> String {
    if count == 1 { "1 event".to_owned() } else { format!("{} events", grouped(count)) }
}

/// What a variant costs against the first one; nothing where either run's latencies are not usable.
fn cost(metrics: &Metrics, base: &Metrics, name: &str) -> Option<String> {
    if !metrics.generator.kept_up || !base.generator.kept_up {
        return Some("Latencies cannot be compared: the load generator did not keep up.".to_owned());
    }
    let latency = |metrics: &Metrics| metrics.latency_of_all(Outcomes::Ok).map(|latency| latency.response);
    let (own, other) = (latency(metrics)?, latency(base)?);
    if own.count == 0 || other.count == 0 {
        return None;
    }
    Some(format!(
        "Against {name}: response time {} at p50 and {} at p99.",
        difference(own.p50 - other.p50),
        difference(own.p99 - other.p99)
    ))
}

/// `+3.2 ms`, `−0.4 ms`, `the same`.
pub fn difference(milliseconds_more: f64) -> String {
    if milliseconds_more.abs() < 0.05 {
        return "the same".to_owned();
    }
    let sign = if milliseconds_more < 0.0 { "−" } else { "+" };
    format!("{sign}{}", milliseconds(milliseconds_more.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_carry_as_many_decimals_as_help() {
        let cases =
            [(0.0, "0"), (0.423, "0.42"), (3.21, "3.2"), (9.96, "10"), (47.4, "47"), (1110.0, "1,110"), (-12.4, "−12")];
        for (value, text) in cases {
            assert_eq!(figure(value), text);
        }
        assert_eq!([milliseconds(0.42), milliseconds(999.6), milliseconds(47.0)], ["0.42 ms", "1.00 s", "47 ms"]);
        assert_eq!([grouped(7), grouped(1000), grouped(1_234_567)], ["7", "1,000", "1,234,567"]);
    }

    #[test]
    fn differences_say_their_direction() {
        assert_eq!([difference(3.2), difference(-0.44), difference(0.01)], ["+3.2 ms", "−0.44 ms", "the same"]);
    }

    #[test]
    fn one_and_many_are_told_apart() {
        assert_eq!(counted(AnomalyKind::LostEvent, 1), "1 lost event");
        assert_eq!(counted(AnomalyKind::LostEvent, 2811), "2,811 lost events");
        assert_eq!(counted(AnomalyKind::Oversold, 3), "3 oversold");
    }
}
