//! `report.html`: the verdict first, then why, then what it cost.

use maud::{Markup, html};

use super::page::{self, badge, command, figure};
use super::{anatomy, stage, story, table, wire};
use crate::checker::verdict::Judgement;
use crate::metrics::Metrics;
use crate::report::plot::{Plot, cluster};
use crate::report::sentence::{self, grouped};
use crate::store::RunFile;

/// The page of one run.
pub fn page(run: &RunFile, judgement: &Judgement, metrics: &Metrics, plots: &[Plot]) -> String {
    let over_time = |plot: &&Plot| !matches!(plot.name, "latency-distribution" | "conflict-histogram");
    let named = |name| plots.iter().find(|plot| plot.name == name);
    let body = html! {
        (header(run, judgement, metrics))
        (warnings(metrics))
        (findings(judgement, metrics))
        h2 { "Over time" }
        p.note {
            "All plots share one time axis; zero is the first planned arrival of the measured load. Shaded: a fault, with its number "
            "in the table below."
            @if cluster::letters(&metrics.cluster).any(|(_, letter)| letter.is_some()) {
                " A line with a letter: what a cluster did, as told in the table of its own."
            }
        }
        div.plots { @for plot in plots.iter().filter(over_time) { (figure(plot)) } }
        @if !metrics.faults.is_empty() { h2 { "Before, during and after each fault" } (table::faults(&metrics.faults)) }
        @if !metrics.cluster.is_empty() { h2 { "What the cluster did" } (table::cluster(&metrics.cluster)) }
        (costs(judgement, metrics, named("latency-distribution")))
        (contention(metrics, named("conflict-histogram")))
        (wire::section(metrics))
        (anatomy::section(metrics))
        h2 { "Processes" }
        (table::processes(metrics))
        (facts(run, metrics))
    };
    page::page(&format!("{}: {} · tornwrite", run.resolved.name, run.resolved.variant().name), &body)
}

fn header(run: &RunFile, judgement: &Judgement, metrics: &Metrics) -> Markup {
    html! {
        header {
            p.over { "tornwrite · " (run.resolved.name) " · seed " (run.seed) }
            h1 { (run.resolved.variant().name) }
            p { (badge(judgement)) }
            p.lead { (sentence::outcome(judgement)) }
            @if !judgement.reasons.is_empty() { ul { @for reason in &judgement.reasons { li { (reason) } } } }
            @for missed in sentence::missed(metrics) { p.bad { "✗ " (missed) } }
            p.note { "Run it again:" }
            (command(&run.command))
            @if !run.resolved.scenario.description.is_empty() { p.note { (run.resolved.scenario.description) } }
        }
    }
}

fn warnings(metrics: &Metrics) -> Markup {
    html! {
        @if !metrics.complete {
            p.warning { strong { "This run was cut short. " } "What is shown covers what was recorded; absence of anything proves nothing." }
        }
        @if !metrics.generator.kept_up {
            p.warning {
                strong { "Latencies are not usable: the load generator did not keep up. " }
                (metrics.generator.reasons.join("; ")) ". The verdict stands."
            }
        }
    }
}

fn findings(judgement: &Judgement, metrics: &Metrics) -> Markup {
    let found: Vec<_> = judgement.anomalies.iter().filter(|anomaly| anomaly.count > 0).collect();
    html! {
        h2 { "What was found" }
        @if found.is_empty() { p { "No anomaly of any kind." } } @else {
            p.note {
                "All times count from the start of the load, those before it are negative; lines are those of "
                code { "history.jsonl" } " beside this page."
            }
        }
        @for anomaly in found.iter().filter(|anomaly| anomaly.forbidden) { (story::anomaly(anomaly, metrics.load_started)) }
        @for anomaly in found.iter().filter(|anomaly| !anomaly.forbidden) { (story::anomaly(anomaly, metrics.load_started)) }
        h2 { "What was checked" }
        (table::checks(&judgement.checks))
    }
}

fn costs(judgement: &Judgement, metrics: &Metrics, distribution: Option<&Plot>) -> Markup {
    let generator = &metrics.generator;
    html! {
        h2 { "Operations and latency" }
        (table::outcomes(judgement, metrics))
        p.note {
            @if let Some(planned) = generator.planned { (grouped(planned)) " planned, " }
            (grouped(generator.started)) " started, " (grouped(generator.completed)) " completed in "
            (format!("{:.1} s", metrics.load_seconds)) "; the generator released 99 % of them at most "
            (sentence::milliseconds(generator.lateness.p99)) " late."
        }
        @if !metrics.thresholds.is_empty() { h3 { "Thresholds" } (table::thresholds(&metrics.thresholds)) }
        h3 { "Times" }
        (table::latencies(&metrics.latency))
        (stage::table(&metrics.stages))
        @if let Some(plot) = distribution { div.lone { (figure(plot)) } }
        @if metrics.delay.commits > 0 { h2 { "From commit to record to effect" } (table::delays(&metrics.delay)) }
    }
}

fn contention(metrics: &Metrics, histogram: Option<&Plot>) -> Markup {
    let found = &metrics.contention;
    html! {
        h2 { "Contention" }
        p {
            @if found.operations == 0 {
                "The services told of neither conflicts nor retries (the manifest keeps no such field of their answers). "
            } @else {
                "The services told of " (grouped(found.conflicts)) " conflicts and " (grouped(found.retries)) " retries in "
                (grouped(found.operations)) " operations. "
            }
            "MongoDB counted " (grouped(found.write_conflicts)) " write conflicts and " (grouped(found.transactions_aborted))
            " aborted transactions."
        }
        @if found.transactions_aborted > 0 {
            p.note { (sentence::aborted_transactions()) " In this load " (grouped(metrics.throughput.fail)) " operations were refused." }
        }
        div.plots {
            @if let Some(plot) = histogram { (figure(plot)) }
            @if !found.hot_keys.is_empty() { div { (table::hot_keys(metrics)) } }
        }
    }
}

fn facts(run: &RunFile, metrics: &Metrics) -> Markup {
    let pattern =
        run.resolved.variant().pattern.iter().map(|(axis, value)| format!("{axis} = {value}")).collect::<Vec<_>>();
    let versions = &run.versions;
    let optional = [("MongoDB", &versions.mongodb), ("Kafka", &versions.kafka), ("Toxiproxy", &versions.toxiproxy)];
    html! {
        h2 { "The run" }
        dl {
            dt { "pattern" } dd { (pattern.join(", ")) }
            dt { "started" } dd { (run.started) }
            dt { "measured load" } dd { (format!("{:.1} s", metrics.load_seconds)) }
            dt { "seed" } dd { (run.seed) }
            dt { "plan" } dd { code { (run.plan) } }
            dt { "tornwrite" } dd { (versions.torn) }
            @for (name, version) in optional { @if let Some(version) = version { dt { (name) } dd { (version) } } }
            dt { "environment" } dd { (run.environment) }
            dt { "host" }
            dd {
                (run.host.name) ", " (run.host.cpus) " CPUs, " (format!("{:.1} GiB", run.host.memory as f64 / f64::from(1 << 30)))
                ", " (run.host.kernel)
            }
            dt { "files" }
            dd {
                @for (index, file) in ["run.json", "history.jsonl", "verdict.json", "metrics.json", "latency.hlog", "logs"].iter().enumerate() {
                    @if index > 0 { ", " } a href=(file) { (file) }
                }
            }
        }
    }
}
