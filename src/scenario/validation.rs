//! What the types alone cannot say: each finding is a key and a sentence that says what was expected.

use std::collections::HashSet;

use indexmap::IndexMap;

use super::file::{ArrivalKind, Distribution, KeySpace, Load, Scenario, Variant};
use super::manifest::{Condition, Generator, Manifest};
use super::resolved::Resolved;
use super::template::JsonTemplate;
use crate::checker::verdict::Verdict;
use crate::fault::{self, Schedule};
use crate::link::topology::Topology;
use crate::load::arrivals::load_duration;
use crate::metrics::thresholds;
use crate::store::layout;

/// A key (`fault[0].partition`) and what is wrong with it.
pub type Finding = (String, String);

/// Everything wrong with a scenario for this (valid) workload.
pub fn scenario(scenario: &Scenario, manifest: &Manifest) -> Vec<Finding> {
    let mut findings = Vec::new();
    load(&scenario.load, manifest, &mut findings);
    for (role, count) in &scenario.instances {
        let key = format!("instances.{role}");
        known(&key, "role", role, manifest.process.keys(), &mut findings);
        if *count == 0 {
            findings.push((key, "expected at least 1".to_owned()));
        }
    }
    for parameter in scenario.parameters.keys() {
        let key = format!("parameters.{parameter}");
        known(&key, "parameter", parameter, manifest.parameters.keys(), &mut findings);
    }
    variants(&scenario.variant, manifest, &mut findings);
    let topology = Topology::of(scenario, manifest);
    let duration = load_duration(&scenario.load);
    for (number, spec) in scenario.fault.iter().enumerate() {
        if let Err(problem) = fault::validate(spec, &topology, duration) {
            findings.push((format!("fault[{number}].{}", problem.key), problem.message));
        }
    }
    if let Some(random) = &scenario.random_faults
        && let Err((choice, problem)) = fault::validate_random(random, &topology, duration)
    {
        let place = choice.map_or_else(String::new, |number| format!(".choice[{number}]"));
        findings.push((format!("random_faults{place}.{}", problem.key), problem.message));
    }
    templates(scenario, manifest, &mut findings);
    findings
}

/// What can only be said of a scenario that is right in itself: thresholds over its metrics, and room for its faults.
pub fn resolved(resolved: &Resolved) -> Vec<Finding> {
    let (_, wrong) = thresholds::parse_all(resolved);
    let mut findings: Vec<Finding> =
        wrong.into_iter().map(|error| (format!("thresholds.\"{}\"", error.metric()), error.to_string())).collect();
    if let Err(error) = Schedule::plan(resolved, load_duration(&resolved.scenario.load)) {
        findings.push(("random_faults".to_owned(), error.to_string()));
    }
    findings
}

/// Everything wrong with a manifest in itself.
pub fn manifest(manifest: &Manifest) -> Vec<Finding> {
    let mut findings = Vec::new();
    if manifest.process.is_empty() {
        findings.push(("process".to_owned(), "expected at least one program, [process.<role>]".to_owned()));
    }
    if manifest.operation.is_empty() {
        findings.push(("operation".to_owned(), "expected at least one operation, [operation.<name>]".to_owned()));
    }
    processes(manifest, &mut findings);
    operations(manifest, &mut findings);
    consumers(manifest, &mut findings);
    for collection in manifest.stock.keys() {
        let key = format!("stock.{collection}");
        known(&key, "collection", collection, manifest.collection.keys(), &mut findings);
    }
    for (number, setup) in manifest.setup.iter().enumerate() {
        let key = format!("setup[{number}].collection");
        known(&key, "collection", &setup.collection, manifest.collection.keys(), &mut findings);
    }
    pointers(manifest, &mut findings);
    findings
}

fn load(load: &Load, manifest: &Manifest, findings: &mut Vec<Finding>) {
    let mut say = |key: &str, message: String| findings.push((format!("load.{key}"), message));
    match (load.rate, load.stages.is_empty(), load.workers) {
        (Some(_), false, _) => say("stages", "expected either rate or stages, not both".to_owned()),
        (None, true, None) => say(
            "rate",
            "expected rate = 200 (operations a second), workers = 50 (a closed loop) or [[load.stages]]".to_owned(),
        ),
        _ => {}
    }
    if let Some(rate) = load.rate
        && !(rate.is_finite() && rate > 0.0)
    {
        say("rate", format!("expected operations a second, above 0, found {rate}"));
    }
    if load.workers == Some(0) {
        say("workers", "expected at least 1".to_owned());
    }
    match (load.duration, load.stages.is_empty()) {
        (None, true) => say("duration", "missing; expected how long the load lasts, such as \"20s\"".to_owned()),
        (Some(_), false) => say("duration", "expected no duration beside stages: theirs add up to it".to_owned()),
        (Some(duration), true) if duration.is_zero() => say("duration", "expected more than 0".to_owned()),
        _ => {}
    }
    if load.arrivals == ArrivalKind::Poisson
        && load.rate.is_none()
        && load.stages.iter().all(|stage| stage.rate.is_none())
    {
        say("arrivals", "poisson needs a rate; a closed loop (workers alone) has no arrivals".to_owned());
    }
    stages(load, &mut say);
    if load.timeout.is_zero() {
        say("timeout", "expected more than 0".to_owned());
    }
    if load.retry.attempts == 0 {
        say("retry.attempts", "expected at least 1: the first attempt counts".to_owned());
    }
    for (name, weight) in &load.mix {
        if !(weight.is_finite() && *weight >= 0.0) {
            say(&format!("mix.{name}"), format!("expected a weight of 0 or more, found {weight}"));
        }
    }
    if !load.mix.is_empty() && load.mix.values().all(|weight| *weight == 0.0) {
        say("mix", "expected at least one weight above 0".to_owned());
    }
    for name in load.mix.keys() {
        known(&format!("load.mix.{name}"), "operation", name, manifest.operation.keys(), findings);
    }
    for (name, space) in &load.keys {
        key_space(&format!("load.keys.{name}"), space, findings);
    }
}

fn stages(load: &Load, say: &mut impl FnMut(&str, String)) {
    let is_closed = load.stages.first().is_some_and(|stage| stage.workers.is_some());
    for (number, stage) in load.stages.iter().enumerate() {
        let mut say = |key: &str, message: &str| say(&format!("stages[{number}].{key}"), message.to_owned());
        match (stage.rate, stage.workers) {
            (None, None) => {
                say("rate", "missing; expected rate = 200 (operations a second) or workers = 8 (a closed loop)");
            }
            (Some(_), Some(_)) => say(
                "workers",
                "expected either rate or workers; load.workers limits the operations under way of an open loop",
            ),
            (Some(_), None) if is_closed => {
                say("rate", "expected workers, as in the first stage: all stages of a load are of one kind");
            }
            (None, Some(_)) if !is_closed => {
                say("workers", "expected a rate, as in the first stage: all stages of a load are of one kind");
            }
            (None, Some(0)) => say("workers", "expected at least 1"),
            _ => {}
        }
        if stage.from.is_some() && stage.workers.is_some() {
            say("from", "only a rate changes from one value to another; expected no from beside workers");
        }
        let is_rate = |rate: f64| rate.is_finite() && rate >= 0.0;
        if ![stage.rate, stage.from].into_iter().flatten().all(is_rate) {
            say("rate", "expected operations a second, 0 or more");
        }
        if stage.duration.is_zero() {
            say("for", "expected more than 0");
        }
    }
    if is_closed && load.workers.is_some() {
        say("workers", "expected no workers beside stages that have their own".to_owned());
    }
}

fn key_space(key: &str, space: &KeySpace, findings: &mut Vec<Finding>) {
    let mut say = |field: &str, message: &str| findings.push((format!("{key}.{field}"), message.to_owned()));
    if space.count == 0 {
        say("count", "expected at least 1 key");
    }
    let (zipf, hot) = (space.distribution == Distribution::Zipf, space.distribution == Distribution::Hot);
    match space.exponent {
        Some(exponent) if zipf && !(exponent.is_finite() && exponent > 0.0) => {
            say("exponent", "expected a number above 0, such as 1.1");
        }
        None if zipf => say("exponent", "missing; zipf needs one, such as 1.1"),
        Some(_) if !zipf => say("exponent", "only zipf has an exponent; expected distribution = \"zipf\""),
        _ => {}
    }
    match (space.hot_keys, space.hot_share) {
        (Some(keys), Some(share)) if hot => {
            if keys == 0 || keys > space.count {
                say("hot_keys", "expected between 1 and count");
            }
            if !(0.0..=1.0).contains(&share) {
                say("hot_share", "expected a share between 0 and 1");
            }
        }
        _ if hot => say("distribution", "hot needs hot_keys = 5 and hot_share = 0.9, or the like"),
        (None, None) => {}
        _ => say("distribution", "only hot has hot_keys and hot_share; expected distribution = \"hot\""),
    }
}

fn variants(variants: &[Variant], manifest: &Manifest, findings: &mut Vec<Finding>) {
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

fn processes(manifest: &Manifest, findings: &mut Vec<Finding>) {
    for (role, process) in &manifest.process {
        let key = format!("process.{role}");
        if process.command.is_empty() == process.url.is_none() {
            let message = "expected either command = [\"program\", \"argument\"] or url = \"http://…\"";
            findings.push((key.clone(), message.to_owned()));
        }
        if let Some(url) = &process.url
            && !url.starts_with("http://")
        {
            findings.push((format!("{key}.url"), "expected a base URL such as \"http://127.0.0.1:8080\"".to_owned()));
        }
        if process.instances == 0 {
            findings.push((format!("{key}.instances"), "expected at least 1".to_owned()));
        }
        condition(&format!("{key}.when"), &process.when, manifest, findings);
    }
    for (axis, spec) in &manifest.axis {
        if spec.values.is_empty() {
            findings.push((format!("axis.{axis}.values"), "expected at least one value".to_owned()));
        }
        condition(&format!("axis.{axis}.when"), &spec.when, manifest, findings);
    }
}

fn condition(key: &str, condition: &Condition, manifest: &Manifest, findings: &mut Vec<Finding>) {
    for (axis, values) in condition {
        let key = format!("{key}.{axis}");
        match manifest.axis.get(axis) {
            None => known(&key, "axis", axis, manifest.axis.keys(), findings),
            Some(spec) => {
                for value in values {
                    known(&key, &format!("{axis} pattern"), value, spec.values.keys(), findings);
                }
            }
        }
    }
}

fn operations(manifest: &Manifest, findings: &mut Vec<Finding>) {
    for (name, operation) in &manifest.operation {
        let key = format!("operation.{name}");
        if let Some(role) = &operation.role {
            known(&format!("{key}.role"), "role", role, manifest.process.keys(), findings);
        }
        if !operation.path.starts_with('/') {
            findings.push((format!("{key}.path"), "expected a path that begins with /".to_owned()));
        }
        if operation.ok.is_empty() {
            findings.push((format!("{key}.ok"), "expected at least one status, such as [200]".to_owned()));
        }
        if let Some(status) = operation.ok.iter().find(|status| operation.fail.contains(status)) {
            findings.push((format!("{key}.fail"), format!("{status} is in ok too; expected it in one of them")));
        }
        for (variable, generator) in &operation.values {
            let message = match generator {
                Generator::Uniform([low, high]) if low > high => "expected [lowest, highest]",
                Generator::OneOf(values) if values.is_empty() => "expected at least one value",
                _ => continue,
            };
            findings.push((format!("{key}.values.{variable}"), message.to_owned()));
        }
        for (number, effect) in operation.effect.iter().enumerate() {
            let key = format!("{key}.effect[{number}].collection");
            known(&key, "collection", &effect.collection, manifest.collection.keys(), findings);
        }
        for (number, event) in operation.event.iter().enumerate() {
            let key = format!("{key}.event[{number}].topic");
            known(&key, "topic", &event.topic, manifest.topic.keys(), findings);
        }
    }
}

fn consumers(manifest: &Manifest, findings: &mut Vec<Finding>) {
    for (name, consumer) in &manifest.consumer {
        let key = format!("consumer.{name}");
        known(&format!("{key}.role"), "role", &consumer.role, manifest.process.keys(), findings);
        for topic in &consumer.topics {
            known(&format!("{key}.topics"), "topic", topic, manifest.topic.keys(), findings);
        }
        let view = &consumer.view.collection;
        known(&format!("{key}.view.collection"), "collection", view, manifest.collection.keys(), findings);
    }
}

/// Every pointer of the manifest begins with a slash, and every place in a record with a slash or `header:`.
fn pointers(manifest: &Manifest, findings: &mut Vec<Finding>) {
    let mut pointer = |key: String, text: &str| {
        if !text.starts_with('/') {
            findings.push((key, format!("expected a JSON pointer such as \"/{text}\"")));
        }
    };
    for (name, collection) in &manifest.collection {
        let key = format!("collection.{name}");
        pointer(format!("{key}.entity"), &collection.entity);
        for (field, text) in [("version", &collection.version), ("operation", &collection.operation)] {
            if let Some(text) = text {
                pointer(format!("{key}.{field}"), text);
            }
        }
        if let Some(outbox) = &collection.outbox {
            let fields = [
                ("operation", &outbox.operation),
                ("event", &outbox.event),
                ("type", &outbox.kind),
                ("subject", &outbox.subject),
                ("published", &outbox.published),
            ];
            for (field, text) in fields {
                pointer(format!("{key}.outbox.{field}"), text);
            }
        }
    }
    for (collection, stock) in &manifest.stock {
        pointer(format!("stock.{collection}.field"), &stock.field);
    }
    for (name, operation) in &manifest.operation {
        for (field, text) in &operation.keep {
            pointer(format!("operation.{name}.keep.{field}"), text);
        }
    }
    for (name, topic) in &manifest.topic {
        let fields = [
            ("operation", &topic.operation),
            ("event", &topic.event),
            ("source", &topic.source),
            ("type", &topic.kind),
            ("subject", &topic.subject),
            ("sequence", &topic.sequence),
        ];
        for (field, text) in fields {
            if !text.starts_with('/') && !text.starts_with("header:") {
                let message = "expected a JSON pointer (\"/id\") or a header (\"header:ce_id\")".to_owned();
                findings.push((format!("topic.{name}.{field}"), message));
            }
        }
    }
}

/// Every variable of every template is known.
fn templates(scenario: &Scenario, manifest: &Manifest, findings: &mut Vec<Finding>) {
    let everywhere: Vec<String> = manifest
        .parameters
        .keys()
        .cloned()
        .chain(manifest.axis.keys().map(|axis| format!("pattern.{axis}")))
        .chain(manifest.topic.keys().map(|topic| format!("topic.{topic}")))
        .chain(manifest.consumer.keys().map(|consumer| format!("group.{consumer}")))
        .collect();
    let spaces: Vec<String> = scenario.load.keys.keys().cloned().collect();
    let mut missing = Vec::new();
    let mut check = |place: String, template: serde_json::Value, more: &[String]| {
        let message = match JsonTemplate::parse(&template) {
            Err(error) => error.to_string(),
            Ok(template) => {
                let is_known = |name: &&str| everywhere.iter().chain(more).any(|known| known == name);
                let Some(unknown) = template.variables().into_iter().find(|name| !is_known(name)) else { return };
                format!("{{{unknown}}} is not known here; expected one of: {}", list(more.iter().chain(&everywhere)))
            }
        };
        findings.push(("workload".to_owned(), format!("{place} of the manifest: {message}")));
    };
    for (role, process) in &manifest.process {
        for text in process.command.iter().chain(process.environment.values()) {
            check(format!("process.{role}"), text.clone().into(), &[]);
        }
    }
    for (name, operation) in &manifest.operation {
        let place = format!("operation.{name}");
        let mut more = spaces.clone();
        more.extend(operation.values.keys().cloned());
        more.push("operation".to_owned());
        let texts = [Some(&operation.path), operation.entity.as_ref()].into_iter().flatten();
        for text in texts.chain(operation.headers.values()).chain(operation.event.iter().map(|event| &event.subject)) {
            check(place.clone(), text.clone().into(), &more);
        }
        if let Some(body) = &operation.body {
            check(place.clone(), body.clone(), &more);
        }
        for effect in &operation.effect {
            check(place.clone(), effect.entity.clone().into(), &more);
            for value in effect.subtract.values().chain(effect.add.values()).chain(effect.set.values()) {
                check(place.clone(), value.clone(), &more);
            }
        }
    }
    for (number, setup) in manifest.setup.iter().enumerate() {
        if let Some(space) = setup.for_each.as_ref().filter(|space| !spaces.contains(space)) {
            let message = format!("the workload needs the key space {space}: expected keys.{space} = {{ count = 50 }}");
            missing.push(("load.keys".to_owned(), message));
        } else {
            let more: Vec<String> = setup.for_each.iter().cloned().collect();
            check(format!("setup[{number}]"), setup.document.clone(), &more);
        }
    }
    findings.append(&mut missing);
}

fn known<'a>(
    key: &str,
    what: &str,
    name: &str,
    names: impl Iterator<Item = &'a String> + Clone,
    findings: &mut Vec<Finding>,
) {
    if names.clone().any(|known| known == name) {
        return;
    }
    let message = match list(names).as_str() {
        "" => format!("unknown {what} {name:?}; this workload has none"),
        names => format!("unknown {what} {name:?}; expected one of: {names}"),
    };
    findings.push((key.to_owned(), message));
}

fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn say(condition: &IndexMap<String, Vec<String>>) -> String {
    let parts = condition.iter().map(|(axis, values)| format!("{axis} = {}", values.join(" or ")));
    parts.collect::<Vec<_>>().join(" and ")
}
