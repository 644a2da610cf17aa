//! `comparison.html`: the variants side by side, under the same seed, load and faults.

use maud::{Markup, html};

use super::page::{self, badge, command, figure, or_dash};
use super::{stage, story};
use crate::checker::verdict::{AnomalyKind, CheckVerdict, Verdict};
use crate::metrics::Metrics;
use crate::metrics::measurement::Outcomes;
use crate::metrics::quantile::Quantiles;
use crate::metrics::resource::SERVICES;
use crate::report::plot::Plot;
use crate::report::plot::run::{Scale, conflict_histogram, distribution, latency, throughput, waiting};
use crate::report::plot::svg::SERIES;
use crate::report::sentence::{self, figure as number, grouped, milliseconds};
use crate::report::write::RunReport;

/// The page.
///
/// # Panics
/// When there is no run.
pub fn page(runs: &[RunReport]) -> String {
    let first = runs.first().expect("a comparison has at least one variant").run;
    let body = html! {
        (header(runs))
        h2 { "Side by side" }
        div.beside { (side_by_side(runs)) (why(runs)) }
        (stage::comparison(runs))
        (plots(runs))
        h2 { "Shared by all" }
        (shared(runs))
        h2 { "Run it again" }
        @for run in runs { p.note { (name(run)) } (command(&run.run.command)) }
    };
    page::page(&format!("{} · tornwrite", first.resolved.name), &body)
}

fn name<'a>(run: &RunReport<'a>) -> &'a str {
    &run.run.resolved.variant().name
}

fn header(runs: &[RunReport]) -> Markup {
    let first = runs[0].run;
    let unusable: Vec<&str> = runs.iter().filter(|run| !run.metrics.generator.kept_up).map(name).collect();
    html! {
        header {
            p.over { "tornwrite · the same load, seed " (first.seed) " and faults for every variant" }
            h1 { (first.resolved.name) }
            ul.lead { @for sentence in sentence::comparison(runs) { li { (sentence) } } }
            @for run in runs { @for missed in sentence::missed(run.metrics) { p.bad { "✗ " (name(run)) ": " (missed) } } }
            @if !first.resolved.scenario.description.is_empty() { p.note { (first.resolved.scenario.description) } }
            @if !unusable.is_empty() {
                p.warning {
                    strong { "Latencies cannot be compared. " } "The load generator did not keep up in: " (unusable.join(", ")) "."
                }
            }
        }
    }
}

fn side_by_side(runs: &[RunReport]) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr {
                    td {}
                    @for run in runs { th.number scope="col" { a href=(format!("{}/report.html", run.folder)) { (name(run)) } } }
                } }
                tbody {
                    tr { th scope="row" { "verdict" } @for run in runs { td.number { (badge(run.judgement)) } } }
                    @for axis in axes(runs) {
                        (row(runs, &axis, |run| run.run.resolved.variant().pattern.get(&axis).cloned()))
                    }
                }
                (anomalies(runs))
                (costs(runs))
            }
        }
    }
}

/// What each variant broke first, step by step, and how the latencies are distributed: what the figures cannot say.
fn why(runs: &[RunReport]) -> Markup {
    let distributions: Vec<(&str, &Metrics)> = runs.iter().take(SERIES).map(|run| (name(run), run.metrics)).collect();
    html! {
        div.why {
            @for run in runs { (first_story(run)) }
            p.note { "All times count from the start of the load. The reports of the variants tell more, with the lines of the history." }
            @if let Some(plot) = distribution(&distributions) { div.lone { (figure(&plot)) } }
        }
    }
}

fn first_story(run: &RunReport) -> Markup {
    let found = sentence::forbidden(run.judgement);
    let checked = run.judgement.checks.iter().filter(|check| check.verdict == CheckVerdict::Valid).count();
    html! {
        section {
            h3 {
                (name(run)) ": "
                @match found.first() {
                    Some(anomaly) => {
                        a.bad href=(link(run, anomaly.kind)) { "✗ " (sentence::counted(anomaly.kind, anomaly.count)) }
                    }
                    None if run.judgement.verdict == Verdict::Valid => { span.good { "✓ nothing forbidden" } }
                    None => { (sentence::verdict(run.judgement.verdict)) }
                }
            }
            @if let Some(anomaly) = found.first() {
                p.note { (sentence::meaning(anomaly.kind)) " The first one:" }
                @if let Some(example) = anomaly.examples.first() { (story::example(example, run.metrics.load_started)) }
            } @else if run.judgement.verdict == Verdict::Valid {
                p.note { (checked) " checks came out valid; each had its chance to fail." }
            }
            @for reason in &run.judgement.reasons { p { (reason) } }
            @if found.len() > 1 {
                p.note {
                    "Also: "
                    @for (index, anomaly) in found.iter().skip(1).enumerate() {
                        @if index > 0 { ", " }
                        a href=(link(run, anomaly.kind)) { (sentence::counted(anomaly.kind, anomaly.count)) }
                    }
                }
            }
        }
    }
}

/// Where a kind's examples stand.
fn link(run: &RunReport, kind: AnomalyKind) -> String {
    format!("{}/report.html#{}", run.folder, kind.name())
}

/// The axes along which the variants differ.
fn axes(runs: &[RunReport]) -> Vec<String> {
    let pattern = |run: &RunReport, axis: &String| run.run.resolved.variant().pattern.get(axis).cloned();
    let mut axes: Vec<String> = Vec::new();
    for axis in runs.iter().flat_map(|run| run.run.resolved.variant().pattern.keys()) {
        let differs = runs.iter().any(|run| pattern(run, axis) != pattern(&runs[0], axis));
        if differs && !axes.contains(axis) {
            axes.push(axis.clone());
        }
    }
    axes
}

fn row(runs: &[RunReport], title: &str, value: impl Fn(&RunReport) -> Option<String>) -> Markup {
    html! { tr { th scope="row" { (title) } @for run in runs { td.number { (or_dash(value(run))) } } } }
}

fn group(runs: &[RunReport], title: &str) -> Markup {
    html! { tr.group { th scope="rowgroup" colspan=(runs.len() + 1) { (title) } } }
}

fn anomalies(runs: &[RunReport]) -> Markup {
    let mut kinds: Vec<AnomalyKind> =
        runs.iter().flat_map(|run| &run.judgement.anomalies).map(|found| found.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    html! {
        tbody {
            (group(runs, "Anomalies per 10,000 operations (number found)"))
            @for kind in &kinds {
                tr {
                    th scope="row" { (kind.name()) }
                    @for run in runs { (anomaly_cell(run, *kind)) }
                }
            }
            @if kinds.is_empty() { tr { th scope="row" colspan=(runs.len() + 1) { "none of any kind" } } }
        }
    }
}

fn anomaly_cell(run: &RunReport, kind: AnomalyKind) -> Markup {
    let found = run.judgement.anomalies.iter().find(|anomaly| anomaly.kind == kind && anomaly.count > 0);
    html! {
        @match found {
            None => { td.number { "0" } }
            Some(anomaly) => {
                @let rate = number(anomaly.count as f64 * 1e4 / sentence::operations(run.judgement).max(1) as f64);
                td.number {
                    @if anomaly.forbidden {
                        a.bad href=(link(run, kind)) { "✗ " (rate) }
                    } @else { (rate) " allowed" }
                    span.note { " (" (grouped(anomaly.count)) ")" }
                }
            }
        }
    }
}

fn costs(runs: &[RunReport]) -> Markup {
    let response = |run: &RunReport| run.metrics.latency_of_all(Outcomes::Ok).map(|latency| latency.response);
    let quantile = |quantiles: Option<Quantiles>, pick: fn(&Quantiles) -> f64| {
        quantiles.filter(|quantiles| quantiles.count > 0).map(|quantiles| milliseconds(pick(&quantiles)))
    };
    html! {
        tbody {
            (group(runs, "Operations, measured load"))
            (row(runs, "ok a second", |run| Some(number(run.metrics.throughput.ok_per_second))))
            (row(runs, "ok / fail / info", |run| {
                let found = run.metrics.throughput;
                Some([found.ok, found.fail, found.info].map(grouped).join(" / "))
            }))
        }
        tbody {
            (group(runs, "Response time of ok operations"))
            (row(runs, "p50", |run| quantile(response(run), |quantiles| quantiles.p50)))
            (row(runs, "p99", |run| quantile(response(run), |quantiles| quantiles.p99)))
            (row(runs, "p99.9", |run| quantile(response(run), |quantiles| quantiles.p99_9)))
        }
        tbody {
            (group(runs, "End to end, p50 / p99"))
            (row(runs, "commit → record", |run| both(&run.metrics.delay.commit_to_record)))
            (row(runs, "record → effect", |run| both(&run.metrics.delay.record_to_effect)))
            (row(runs, "commit → effect", |run| both(&run.metrics.delay.commit_to_effect)))
        }
        tbody {
            (group(runs, "Contention"))
            (row(runs, "conflicts told", |run| told(run.metrics, run.metrics.contention.conflicts)))
            (row(runs, "retries told", |run| told(run.metrics, run.metrics.contention.retries)))
            (row(runs, "MongoDB write conflicts", |run| Some(grouped(run.metrics.contention.write_conflicts))))
            (row(runs, "transactions aborted", |run| Some(grouped(run.metrics.contention.transactions_aborted))))
            @if runs.iter().any(|run| run.metrics.contention.transactions_aborted > 0) {
                tr.remark { td colspan=(runs.len() + 1) { div.note { (sentence::aborted_transactions()) } } }
            }
        }
        tbody {
            (group(runs, "CPU an operation"))
            @for role in roles(runs) {
                (row(runs, &role, |run| run.metrics.cpu_us_per_operation.get(&role).map(|cpu| format!("{} µs", number(*cpu)))))
            }
        }
    }
}

fn both(quantiles: &Quantiles) -> Option<String> {
    (quantiles.count > 0).then(|| format!("{} / {}", milliseconds(quantiles.p50), milliseconds(quantiles.p99)))
}

fn told(metrics: &Metrics, count: u64) -> Option<String> {
    (metrics.contention.operations > 0).then(|| grouped(count))
}

/// Every role of any variant: the services' sum, the services in the manifest's order, then servers and harness.
fn roles(runs: &[RunReport]) -> Vec<String> {
    let measured = |role: &&String| runs.iter().any(|run| run.metrics.cpu_us_per_operation.contains_key(*role));
    let mut roles = vec![SERVICES.to_owned()];
    roles.extend(runs[0].run.resolved.manifest.process.keys().filter(measured).cloned());
    for role in runs.iter().flat_map(|run| run.metrics.cpu_us_per_operation.keys()) {
        if !roles.contains(role) {
            roles.push(role.clone());
        }
    }
    roles
}

/// Small multiples: a column for each variant, every row on the same axes.
fn plots(runs: &[RunReport]) -> Markup {
    let scale = runs.iter().map(|run| Scale::of(run.metrics)).fold(Scale::default(), Scale::with);
    let kinds: [fn(&Metrics, Scale) -> Option<Plot>; 3] = [throughput, latency, waiting];
    html! {
        h2 { "Over time, on the same axes" }
        p.note {
            "Shaded: a fault, with its number in each variant's report. Unread falls in steps where a consumer commits its offsets "
            "every few seconds."
            @if runs.iter().any(|run| !run.metrics.cluster.is_empty()) {
                " A line with a letter: what a cluster did, as told in the variant's report."
            }
        }
        @for kind in kinds { (multiples(runs, scale, kind)) }
        @if runs.iter().any(|run| run.metrics.contention.conflicts + run.metrics.contention.retries > 0) {
            h2 { "Conflicts and retries per operation" }
            (multiples(runs, scale, conflict_histogram))
        }
    }
}

/// One plot for each variant, side by side.
fn multiples(runs: &[RunReport], scale: Scale, kind: fn(&Metrics, Scale) -> Option<Plot>) -> Markup {
    let plots: Vec<Option<Plot>> = runs.iter().map(|run| kind(run.metrics, scale)).collect();
    html! {
        @if plots.iter().any(Option::is_some) {
            div.plots.by-variant style=(format!("--variants:{}", runs.len())) {
                @for (run, plot) in runs.iter().zip(plots) {
                    @if let Some(plot) = plot { (titled(plot, name(run))) } @else { div {} }
                }
            }
        }
    }
}

fn titled(plot: Plot, variant: &str) -> Markup {
    let title = format!("{}: {variant}", plot.title);
    let mut plot = plot.titled(&title);
    plot.caption.clear();
    figure(&plot)
}

fn shared(runs: &[RunReport]) -> Markup {
    let run = runs[0].run;
    let scenario = &run.resolved.scenario;
    let load = &scenario.load;
    let rate = match (load.rate, load.stages.as_slice(), load.workers) {
        (Some(rate), _, None) => format!("{} operations/s, open loop", number(rate)),
        (Some(rate), _, Some(workers)) => {
            format!("{} operations/s, open loop, at most {workers} under way", number(rate))
        }
        (None, [], Some(workers)) => format!("{workers} workers, closed loop"),
        (None, stages, _) => stages
            .iter()
            .map(|stage| {
                let what = match (stage.workers, stage.rate) {
                    (Some(workers), _) => format!("{workers} workers"),
                    (None, rate) => format!("{}/s", number(rate.unwrap_or_default())),
                };
                format!("{what} for {}", humantime::format_duration(stage.duration))
            })
            .collect::<Vec<_>>()
            .join(", "),
    };
    let keys = load
        .keys
        .iter()
        .map(|(key, space)| format!("{key}: {} keys, {:?}", space.count, space.distribution).to_lowercase());
    html! {
        dl {
            dt { "workload" } dd { (run.resolved.manifest.name) }
            dt { "load" } dd { (rate) }
            @if let Some(duration) = load.duration { dt { "duration" } dd { (humantime::format_duration(duration)) } }
            dt { "keys" } dd { (keys.collect::<Vec<_>>().join("; ")) }
            dt { "seed" } dd { (run.seed) }
            dt { "plan" } dd { code { (run.plan) } }
            dt { "faults" }
            dd { @if runs[0].metrics.faults.is_empty() { "none" } @for fault in &runs[0].metrics.faults {
                div { (fault.fault + 1) ": " (fault.what) @if let Some(from) = fault.from { ", at " (format!("{from:.1} s")) } }
            } }
            dt { "tornwrite" } dd { (run.versions.torn) }
            @for (name, version) in [("MongoDB", &run.versions.mongodb), ("Kafka", &run.versions.kafka), ("Toxiproxy", &run.versions.toxiproxy)] {
                @if let Some(version) = version { dt { (name) } dd { (version) } }
            }
            dt { "host" } dd { (run.host.name) ", " (run.host.cpus) " CPUs, " (run.host.kernel) }
        }
    }
}
