//! The load stage by stage: the table of one run, and throughput, latency and conflicts of all variants side by side.

use maud::{Markup, html};

use super::page::or_dash;
use crate::metrics::measurement::StageFigures;
use crate::report::sentence::{figure, grouped, milliseconds};
use crate::report::write::RunReport;

/// The stages of one run; nothing for a load without stages.
pub fn table(stages: &[StageFigures]) -> Markup {
    html! {
        @if !stages.is_empty() {
            h3 { "Stage by stage" }
            (note())
            div.scroll {
                table {
                    thead { tr {
                        th scope="col" { "stage" }
                        @for column in ["seconds", "operations", "ok/s", "completed/s", "p50", "p99", "conflicts each", "retries each"] {
                            th.number scope="col" { (column) }
                        }
                    } }
                    tbody {
                        @for stage in stages {
                            tr {
                                th scope="row" { (label(stage)) }
                                td.number { (figure(stage.seconds)) } td.number { (grouped(stage.operations)) }
                                td.number { (figure(stage.ok_per_second)) } td.number { (figure(stage.completed_per_second)) }
                                @for cell in [stage.p50.map(milliseconds), stage.p99.map(milliseconds),
                                    stage.conflicts_per_operation.map(figure), stage.retries_per_operation.map(figure)] {
                                    td.number { (or_dash(cell)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The same stages of all variants; nothing for a load without stages.
pub fn comparison(runs: &[RunReport]) -> Markup {
    let stages = &runs[0].metrics.stages;
    html! {
        @if !stages.is_empty() {
            h2 { "Stage by stage" }
            (note())
            div.scroll {
                table {
                    thead { tr {
                        th scope="col" { "stage" } th scope="col" { "variant" }
                        @for column in ["ok/s", "completed/s", "p50", "p99", "conflicts each", "retries each"] {
                            th.number scope="col" { (column) }
                        }
                    } }
                    @for (index, stage) in stages.iter().enumerate() {
                        tbody {
                            @for (row, run) in runs.iter().enumerate() {
                                tr {
                                    @if row == 0 { th scope="rowgroup" rowspan=(runs.len()) { (label(stage)) } }
                                    td.text { (run.run.resolved.variant().name) }
                                    @for cell in cells(run.metrics.stages.get(index)) { td.number { (or_dash(cell)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cells(stage: Option<&StageFigures>) -> [Option<String>; 6] {
    [
        stage.map(|stage| figure(stage.ok_per_second)),
        stage.map(|stage| figure(stage.completed_per_second)),
        stage.and_then(|stage| stage.p50).map(milliseconds),
        stage.and_then(|stage| stage.p99).map(milliseconds),
        stage.and_then(|stage| stage.conflicts_per_operation).map(figure),
        stage.and_then(|stage| stage.retries_per_operation).map(figure),
    ]
}

fn note() -> Markup {
    html! {
        p.note {
            "Rates count what completed within a stage; times, conflicts and retries count what was due in it. An operation that is "
            "sold out ends sooner: read ok/s beside completed/s."
        }
    }
}

/// A stage in words: `8 workers`, `200/s`.
pub fn label(stage: &StageFigures) -> String {
    match (stage.workers, stage.rate) {
        (Some(1), _) => "1 worker".to_owned(),
        (Some(workers), _) => format!("{workers} workers"),
        (None, rate) => format!("{}/s", figure(rate.unwrap_or_default())),
    }
}
