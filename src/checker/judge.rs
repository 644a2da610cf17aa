//! The verdict of a history.
//!
//! Checks are merged worst first: invalid, unknown, valid. One rule stands above: of a history that was cut short the
//! verdict is unknown whatever it shows, because nobody can say what the rest held; what presence shows is listed. So it
//! is with a cell of a matrix that is only measured, when its fault was not in place or a witness did not see everything.

use std::panic::resume_unwind;
use std::thread;

use super::absence::{Absence, cut_short};
use super::chain::Chains;
use super::finding::{Doubt, Finding};
use super::verdict::{Anomaly, AnomalyKind, Check, CheckVerdict, FORMAT, Judgement, OperationCount, Verdict};
use super::{acknowledgement, delivery, effect, expectation, guard, linear, poll, session, stock, version};
use crate::history::entry::Outcome;
use crate::history::facts::Facts;
use crate::scenario::matrix;
use crate::scenario::resolved::Resolved;

/// Judges a history.
pub fn judge(resolved: &Resolved, facts: &Facts) -> Judgement {
    let absence = Absence::of(facts);
    let mut findings = findings(facts, &absence);
    findings.sort_by_key(|finding| finding.kind);

    let forbidden = &resolved.manifest.forbidden;
    let guards = guard::check(resolved, facts, &absence, &findings);
    let mut checks: Vec<Check> = findings.iter().map(|finding| invariant(finding, forbidden)).collect();
    let mut verdict = Verdict::Valid;
    for (finding, check) in findings.iter().zip(&checks) {
        if forbidden.contains(&finding.kind) {
            verdict = verdict.max(weight(check.verdict));
        }
    }
    verdict = guards.iter().map(|check| weight(check.verdict)).fold(verdict, Verdict::max);
    let mut reasons: Vec<String> = Vec::new();
    let is_forbidden = |check: &&Check| forbidden.iter().any(|kind| kind.name() == check.name);
    for check in guards.iter().chain(checks.iter().filter(is_forbidden)) {
        if check.verdict == CheckVerdict::Unknown && !reasons.contains(&check.reason) {
            reasons.push(check.reason.clone());
        }
    }
    // Of a matrix's cell that is measured and not judged nobody said what must come out; but something must have been seen.
    let is_measured = matrix::cell(resolved).is_some_and(|cell| !cell.is_judged);
    let is_blind = guards.sight.iter().any(|check| check.verdict == CheckVerdict::Unknown);
    checks.extend(guards.sight);
    checks.extend(guards.exercise);
    let cut = cut_short(facts);
    if cut.is_some() || is_measured && is_blind {
        verdict = Verdict::Unknown;
    }
    let anomalies = anomalies(findings, forbidden);
    let expected = &resolved.variant().expect;
    let objections = expectation::objections(expected, verdict, &anomalies);
    let is_decided = reasons.is_empty() || expected.verdict == Some(Verdict::Unknown);
    let is_as_expected = if is_measured { !is_blind } else { is_decided && objections.is_empty() };
    let as_expected = cut.is_none() && is_as_expected;
    reasons.extend(objections);
    Judgement { format: FORMAT, verdict, as_expected, reasons, operations: count(facts), anomalies, checks }
}

/// Judges the history of a sweep: every anomaly with every example, and no guard (the sweep itself says what was exercised).
/// What is missing is called so only where the drain was sound, as ever.
pub fn judge_sweep(resolved: &Resolved, facts: &Facts) -> SweepJudgement {
    let absence = Absence::of(facts);
    let mut findings = findings(facts, &absence);
    findings.sort_by_key(|finding| finding.kind);
    let doubt = match &absence {
        Absence::Unknown(reason) => Some(reason.clone()),
        Absence::Decided | Absence::Deadline => cut_short(facts),
    };
    SweepJudgement { anomalies: anomalies(findings, &resolved.manifest.forbidden), doubt }
}

/// What a sweep's history shows.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepJudgement {
    /// Everything that was found.
    pub anomalies: Vec<Anomaly>,
    /// Why what is missing cannot be called so.
    pub doubt: Option<String>,
}

/// What the families find, half of them beside the other half.
fn findings(facts: &Facts, absence: &Absence) -> Vec<Finding> {
    thread::scope(|scope| {
        let beside = scope.spawn(|| {
            let mut findings = stock::check(facts);
            findings.extend(version::check(facts));
            findings.push(acknowledgement::check(facts, absence));
            findings.extend(poll::check(facts));
            findings
        });
        let survey = effect::survey(facts, absence);
        let mut findings = delivery::check(facts, absence, &survey.unread);
        findings.extend(survey.findings);
        let chains = Chains::of(facts);
        let sessions = session::survey(facts, &chains);
        findings.push(linear::check(facts, &chains, &sessions.is_counted, absence));
        findings.extend(sessions.findings);
        findings.extend(beside.join().unwrap_or_else(|panic| resume_unwind(panic)));
        findings
    })
}

fn weight(check: CheckVerdict) -> Verdict {
    match check {
        CheckVerdict::Valid | CheckVerdict::NotChecked => Verdict::Valid,
        CheckVerdict::Unknown => Verdict::Unknown,
        CheckVerdict::Invalid => Verdict::Invalid,
    }
}

fn invariant(finding: &Finding, forbidden: &[AnomalyKind]) -> Check {
    let name = finding.kind.name().to_owned();
    let (verdict, reason) = match (&finding.doubt, finding.count) {
        (Some(Doubt::NotChecked(reason)), _) => (CheckVerdict::NotChecked, reason.clone()),
        (Some(Doubt::Unknown(reason)), _) => {
            (CheckVerdict::Unknown, format!("{name} can be neither found nor ruled out: {reason}"))
        }
        (None, 0) => (CheckVerdict::Valid, String::new()),
        (None, count) if forbidden.contains(&finding.kind) => (CheckVerdict::Invalid, format!("found: {count}")),
        (None, count) => (CheckVerdict::Valid, format!("found: {count}; this workload does not forbid it")),
    };
    Check { name, verdict, reason }
}

fn anomalies(findings: Vec<Finding>, forbidden: &[AnomalyKind]) -> Vec<Anomaly> {
    let found = findings.into_iter().filter(|finding| finding.count > 0);
    found
        .map(|finding| Anomaly {
            kind: finding.kind,
            count: finding.count,
            forbidden: forbidden.contains(&finding.kind),
            examples: finding.examples,
        })
        .collect()
}

fn count(facts: &Facts) -> OperationCount {
    let mut count = OperationCount::default();
    for operation in &facts.operations {
        match operation.outcome() {
            Outcome::Ok => count.ok += 1,
            Outcome::Fail => count.fail += 1,
            Outcome::Info => count.info += 1,
        }
    }
    count
}
