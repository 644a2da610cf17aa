//! `junit.xml` of a sweep: a suite for each variant, a test case for each point. A harmful one is a failure, one of which
//! nothing can be said an error.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::words;
use crate::sweep::point::Point;
use crate::sweep::table::{Cell, CellVerdict, Sweep, VariantSweep};

/// The file's text.
pub fn report(sweep: &Sweep) -> String {
    let mut report = Report::new("tornwrite");
    report.add_test_suites(sweep.variants.iter().map(|variant| suite(sweep, variant)));
    report.to_string().expect("quick-junit writes any text as XML")
}

fn suite(sweep: &Sweep, variant: &VariantSweep) -> TestSuite {
    let mut suite = TestSuite::new(format!("{} / {}", sweep.scenario, variant.variant));
    suite.add_property(("seed", sweep.seed.to_string().as_str()));
    suite.add_property(("operation", sweep.operation.as_str()));
    suite.add_property(("tries of each point", sweep.repeat.to_string().as_str()));
    let mut add = |name: String, status: TestCaseStatus| {
        let mut case = TestCase::new(format!("{}: {name}", variant.variant), status);
        case.set_classname(sweep.scenario.as_str());
        suite.add_test_case(case);
    };
    if let Some(failure) = &variant.failure {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type("failed");
        status.set_message(failure.as_str());
        add("sweep".to_owned(), status);
    }
    for (point, cell) in variant.points() {
        add(point.to_string(), status(&point, cell));
    }
    suite
}

fn status(point: &Point, cell: &Cell) -> TestCaseStatus {
    let kind = match cell.verdict {
        CellVerdict::Harmless => return TestCaseStatus::success(),
        CellVerdict::Unknown => NonSuccessKind::Error,
        CellVerdict::Harmful => NonSuccessKind::Failure,
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(words::word(cell.verdict));
    status.set_message(words::sentence(point, cell));
    let examples = cell.tries.iter().filter_map(|one| one.example.as_ref()).map(|example| example.explanation.as_str());
    let text: Vec<&str> = examples.chain(words::notes(cell)).collect();
    if !text.is_empty() {
        status.set_description(text.join("\n"));
    }
    status
}
