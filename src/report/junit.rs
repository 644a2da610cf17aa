//! `junit.xml`: a test case for each variant and one for each threshold. Not as expected is a failure, unknown an
//! error: CI then shows the reasons without opening anything else.

use std::fmt::Write;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::matrix::RunRow;
use super::sentence;
use super::write::RunReport;
use crate::checker::verdict::{Judgement, Verdict};
use crate::metrics::thresholds::{Evaluation, ThresholdOutcome};

/// Examples told in full for each kind of anomaly.
const EXAMPLES: usize = 3;

/// The file's text.
pub fn report(runs: &[RunReport]) -> String {
    let mut suites = Suites::default();
    for run in runs {
        suites.add(run);
    }
    suites.report()
}

/// What the file holds so far: of a long matrix nothing else of a run need be kept.
#[derive(Debug, Clone, Default)]
pub struct Suites(Vec<TestSuite>);

impl Suites {
    /// Adds a run.
    pub fn add(&mut self, run: &RunReport) {
        let scenario = &run.run.resolved.name;
        let variant = &run.run.resolved.variant().name;
        let mut suite = TestSuite::new(format!("{scenario} / {variant}"));
        suite.add_property(("seed", run.run.seed.to_string().as_str()));
        suite.add_property(("plan", run.run.plan.as_str()));
        suite.add_property(("repeat", run.run.command.as_str()));
        let mut case = TestCase::new(format!("{variant}: verdict"), status(run.judgement));
        case.set_classname(scenario.as_str());
        case.set_system_out(story(run));
        suite.add_test_case(case);
        for threshold in &run.metrics.thresholds {
            let mut case =
                TestCase::new(format!("{variant}: {} {}", threshold.metric, threshold.condition), bound(threshold));
            case.set_classname(scenario.as_str());
            suite.add_test_case(case);
        }
        self.0.push(suite);
    }

    /// Adds a run without a verdict: the harness or its environment failed.
    pub fn add_failed(&mut self, scenario: &str, name: &str, run: &RunRow) {
        let mut suite = TestSuite::new(format!("{scenario} / {name}"));
        suite.add_property(("seed", run.seed.to_string().as_str()));
        suite.add_property(("repeat", run.command.as_str()));
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type("failed");
        status.set_message(run.failure.as_deref().unwrap_or("the run failed"));
        let mut case = TestCase::new(format!("{name}: verdict"), status);
        case.set_classname(scenario);
        suite.add_test_case(case);
        self.0.push(suite);
    }

    /// The file's text.
    pub fn report(&self) -> String {
        let mut report = Report::new("tornwrite");
        report.add_test_suites(self.0.iter().cloned());
        report.to_string().expect("quick-junit writes any text as XML")
    }
}

fn status(judgement: &Judgement) -> TestCaseStatus {
    let kind = match (judgement.as_expected, judgement.verdict) {
        (true, _) => return TestCaseStatus::success(),
        (false, Verdict::Unknown) => NonSuccessKind::Error,
        (false, _) => NonSuccessKind::Failure,
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(if kind == NonSuccessKind::Error { "unknown" } else { "not as expected" });
    status.set_message(sentence::outcome(judgement));
    status.set_description(judgement.reasons.join("\n"));
    status
}

fn bound(threshold: &Evaluation) -> TestCaseStatus {
    let kind = match threshold.outcome {
        ThresholdOutcome::Met => return TestCaseStatus::success(),
        ThresholdOutcome::Missed => NonSuccessKind::Failure,
        ThresholdOutcome::NotMeasured => NonSuccessKind::Error,
    };
    let mut status = TestCaseStatus::non_success(kind);
    let measured = threshold.measured.as_deref().unwrap_or("nothing");
    let usable = if kind == NonSuccessKind::Error { " (not usable)" } else { "" };
    status.set_message(format!("{} {}: measured {measured}{usable}", threshold.metric, threshold.condition));
    status
}

/// What a person reads below the failure.
fn story(run: &RunReport) -> String {
    let mut text = sentence::outcome(run.judgement);
    for anomaly in &run.judgement.anomalies {
        let forbidden = if anomaly.forbidden { "forbidden" } else { "allowed" };
        let _ = write!(text, "\n\n{} ({forbidden})", sentence::counted(anomaly.kind, anomaly.count));
        for example in anomaly.examples.iter().take(EXAMPLES) {
            let _ = write!(text, "\n  - {}", example.explanation);
        }
    }
    let _ = write!(text, "\n\nrun again: {}", run.run.command);
    text
}
