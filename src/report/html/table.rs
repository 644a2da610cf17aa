//! The tables of a run.

use maud::{Markup, html};

use super::page::or_dash;
use crate::checker::verdict::{Check, CheckVerdict, Judgement};
use crate::metrics::Metrics;
use crate::metrics::measurement::{Cluster, Delay, FaultWindow, Latency, Outcomes, Slice};
use crate::metrics::quantile::Quantiles;
use crate::metrics::thresholds::{Evaluation, ThresholdOutcome};
use crate::report::plot::cluster::letters;
use crate::report::sentence::{figure, grouped, milliseconds};

/// Every invariant, the ones that were not checked included: a row for each that needs a word, and the valid ones in
/// one paragraph.
pub fn checks(checks: &[Check]) -> Markup {
    let (valid, others): (Vec<&Check>, Vec<&Check>) =
        checks.iter().partition(|check| check.verdict == CheckVerdict::Valid && check.reason.is_empty());
    html! {
        @if !others.is_empty() {
            div.scroll {
                table {
                    thead { tr { th scope="col" { "check" } th scope="col" { "came out" } th scope="col" { "why" } } }
                    tbody { @for check in others { (check_row(check)) } }
                }
            }
        }
        @if !valid.is_empty() {
            p.valid {
                span.good { "✓ valid" } " (" (valid.len()) "): "
                @for (index, check) in valid.iter().enumerate() {
                    @if index > 0 { " · " }
                    span { (check.name) }
                }
            }
        }
    }
}

fn check_row(check: &Check) -> Markup {
    let (class, word) = check_words(check.verdict);
    html! { tr { th scope="row" { (check.name) } td class=(class) { (word) } td.text { (check.reason) } } }
}

fn check_words(verdict: CheckVerdict) -> (&'static str, &'static str) {
    match verdict {
        CheckVerdict::Valid => ("good", "✓ valid"),
        CheckVerdict::Unknown => ("unsure", "? unknown"),
        CheckVerdict::Invalid => ("bad", "✗ invalid"),
        CheckVerdict::NotChecked => ("note", "– not checked"),
    }
}

/// Operations by outcome: all of them, and the measured load.
pub fn outcomes(judgement: &Judgement, metrics: &Metrics) -> Markup {
    let all = judgement.operations;
    let measured = metrics.throughput;
    let rows = [
        ("ok", "took effect", all.ok, measured.ok),
        ("fail", "certainly had no effect", all.fail, measured.fail),
        ("info", "may have had one: timeout or broken connection", all.info, measured.info),
    ];
    html! {
        div.scroll {
            table {
                thead { tr {
                    th scope="col" { "outcome" } th scope="col" { "meaning" }
                    th.number scope="col" { "judged" } th.number scope="col" { "measured" } th.number scope="col" { "per second" }
                } }
                tbody {
                    @for (name, meaning, judged, measured) in rows {
                        tr {
                            th scope="row" { (name) } td { (meaning) }
                            td.number { (grouped(judged)) } td.number { (grouped(measured)) }
                            td.number { (figure(measured as f64 / metrics.load_seconds.max(1e-9))) }
                        }
                    }
                }
            }
        }
    }
}

/// The scenario's thresholds.
pub fn thresholds(thresholds: &[Evaluation]) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr {
                    th scope="col" { "metric" } th scope="col" { "condition" } th.number scope="col" { "measured" } th scope="col" { "came out" }
                } }
                tbody {
                    @for threshold in thresholds {
                        @let (class, word) = match threshold.outcome {
                            ThresholdOutcome::Met => ("good", "✓ met"),
                            ThresholdOutcome::Missed => ("bad", "✗ missed"),
                            ThresholdOutcome::NotMeasured => ("unsure", "? not usable"),
                        };
                        tr {
                            th scope="row" { (threshold.metric) } td { (threshold.condition) }
                            td.number { (or_dash(threshold.measured.clone())) } td class=(class) { (word) }
                        }
                    }
                }
            }
        }
    }
}

/// Response and service times.
pub fn latencies(latencies: &[Latency]) -> Markup {
    let rows = latencies.iter().filter(|latency| latency.response.count > 0);
    html! {
        p.note { "Response time counts from the intended start, service time from the sending of the last attempt." }
        div.scroll {
            table {
                (quantile_head("operations"))
                tbody {
                    @for latency in rows {
                        @let outcomes = if latency.outcomes == Outcomes::Ok { "ok" } else { "every outcome" };
                        @let name = format!("{}, {outcomes}", latency.operation.as_deref().unwrap_or("all"));
                        (quantile_row(&format!("{name}: response"), &latency.response))
                        (quantile_row(&format!("{name}: service"), &latency.service))
                    }
                }
            }
        }
    }
}

/// From commit to record to effect.
pub fn delays(delay: &Delay) -> Markup {
    html! {
        p {
            (grouped(delay.commits)) " operations changed something that requires an event; a record was seen for "
            (grouped(delay.with_record)) " of them, an effect at a consumer for " (grouped(delay.with_effect)) "."
            @if delay.record_before_commit > 0 {
                " " (grouped(delay.record_before_commit)) " records were seen before their change and are not in the quantiles."
            }
        }
        div.scroll {
            table {
                (quantile_head("from → to"))
                tbody {
                    (quantile_row("commit → record", &delay.commit_to_record))
                    (quantile_row("record → effect", &delay.record_to_effect))
                    (quantile_row("commit → effect", &delay.commit_to_effect))
                }
            }
        }
    }
}

fn quantile_head(first: &str) -> Markup {
    let columns = ["count", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"];
    html! { thead { tr { th scope="col" { (first) } @for column in columns { th.number scope="col" { (column) } } } } }
}

fn quantile_row(name: &str, quantiles: &Quantiles) -> Markup {
    let Quantiles { mean, p50, p90, p95, p99, p99_9, max, .. } = *quantiles;
    html! {
        tr {
            th scope="row" { (name) }
            td.number { (grouped(quantiles.count)) }
            @for value in [mean, p50, p90, p95, p99, p99_9, max] {
                td.number { (or_dash((quantiles.count > 0).then(|| milliseconds(value)))) }
            }
        }
    }
}

/// Before, during and after each fault.
pub fn faults(faults: &[FaultWindow]) -> Markup {
    html! {
        p.note {
                    "Numbers as above the shaded stretches of the plots. Recovered: the first second after the heal whose ok rate is at least "
                    "90 % of the rate before and whose p99 is at most twice that before. On a link to MongoDB a recovery below 0.6 s is the "
                    "driver's own pause and says nothing about the service."
                }
        div.scroll {
            table {
                thead { tr {
                    th scope="col" { "#" } th scope="col" { "fault" } th scope="col" { "stretch" }
                    th.number scope="col" { "seconds" } th.number scope="col" { "ok/s" } th.number scope="col" { "not ok" }
                    th.number scope="col" { "p50" } th.number scope="col" { "p99" } th scope="col" { "recovered" }
                } }
                @for fault in faults { (fault_rows(fault)) }
            }
        }
    }
}

fn fault_rows(fault: &FaultWindow) -> Markup {
    let when = match (fault.from, fault.to) {
        (Some(from), Some(to)) => format!("{from:.1} s to {to:.1} s"),
        (Some(from), None) => format!("from {from:.1} s, never healed"),
        (None, _) => or_dash(fault.absent.clone()),
    };
    let recovered = fault
        .recovered_after
        .map(|after| if after == 0.0 { "at once".to_owned() } else { format!("after {after:.1} s") });
    let slices: Vec<(&str, Option<Slice>)> = if fault.from.is_some() {
        vec![("before", fault.before), ("during", fault.during), ("after", fault.after)]
    } else {
        vec![("", None)]
    };
    html! {
        tbody {
            @for (index, (name, slice)) in slices.iter().enumerate() {
                tr {
                    @if index == 0 {
                        th scope="rowgroup" rowspan=(slices.len()) { (fault.fault + 1) }
                        td.text rowspan=(slices.len()) {
                            (fault.what) br; span.note { (when) }
                            @if let Some(note) = &fault.note { br; span.note { (note) } }
                        }
                    }
                    td { (name) }
                    (slice_cells(*slice))
                    @if index == 0 { td rowspan=(slices.len()) { (or_dash(recovered.clone())) } }
                }
            }
        }
    }
}

fn slice_cells(slice: Option<Slice>) -> Markup {
    let cells = [
        slice.map(|slice| format!("{:.1}", slice.seconds)),
        slice.map(|slice| figure(slice.ok_per_second)),
        slice.map(|slice| format!("{} %", figure(slice.not_ok_percent))),
        slice.and_then(|slice| slice.p50).map(milliseconds),
        slice.and_then(|slice| slice.p99).map(milliseconds),
    ];
    html! { @for cell in cells { td.number { (or_dash(cell)) } } }
}

/// How the cluster stood when the load began, and what it did from then on.
pub fn cluster(found: &Cluster) -> Markup {
    html! {
        p.note {
            "By itself or because of a fault. The members are looked at a few times a second, so each time is that of the look "
            "that found it, up to half a second later. Letters as above the lines in the plots."
        }
        @if !found.before.is_empty() { p { "When the load began: " (found.before.join("; ")) "." } }
        @if found.marks.is_empty() { p { "Nothing changed from then on." } } @else {
            div.scroll {
                table {
                    thead { tr { th scope="col" { "" } th.number scope="col" { "when" } th scope="col" { "what" } } }
                    tbody {
                        @for (mark, letter) in letters(found) {
                            tr {
                                th scope="row" { (letter.unwrap_or_default()) }
                                td.number { (format!("{:.1} s", mark.at)) }
                                td.text { (mark.what) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The most used entities.
pub fn hot_keys(metrics: &Metrics) -> Markup {
    let contention = &metrics.contention;
    html! {
        p.note { "The " (contention.hot_keys.len()) " most used of " (grouped(contention.entities)) " entities." }
        div.scroll {
            table {
                thead { tr {
                    th scope="col" { "entity" } th.number scope="col" { "operations" } th.number scope="col" { "not ok" }
                    th.number scope="col" { "conflicts" } th.number scope="col" { "retries" }
                } }
                tbody {
                    @for key in &contention.hot_keys {
                        tr {
                            th scope="row" { (key.entity) }
                            @for count in [key.operations, key.not_ok, key.conflicts, key.retries] { td.number { (grouped(count)) } }
                        }
                    }
                }
            }
        }
    }
}

/// Every process.
pub fn processes(metrics: &Metrics) -> Markup {
    html! {
        p.note { "During the measured load. 100 % is one core." }
        div.scroll {
            table {
                thead { tr {
                    th scope="col" { "process" } th.number scope="col" { "CPU" } th.number scope="col" { "CPU time" }
                    th.number scope="col" { "CPU an operation" } th.number scope="col" { "memory, peak" }
                    th.number scope="col" { "killed" } th.number scope="col" { "ended by itself" }
                } }
                tbody {
                    @for process in &metrics.processes {
                        tr {
                            th scope="row" { (process.process) }
                            td.number { (figure(process.cpu_percent)) " %" }
                            td.number { (format!("{:.2} s", process.cpu_ms as f64 / 1e3)) }
                            td.number { (figure(process.cpu_us_per_operation)) " µs" }
                            td.number { (figure(process.memory_peak_mib)) " MiB" }
                            td.number { (process.killed) } td.number { (process.exited) }
                        }
                    }
                }
            }
        }
    }
}
