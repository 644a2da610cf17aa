//! A workload in itself: names that must be known, pointers that must be pointers.

use super::{Finding, known};
use crate::scenario::manifest::{AnswerSpec, Condition, Generator, Manifest, OperationSpec};

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
        if let Some(value) = &spec.default {
            known(&format!("axis.{axis}.default"), &format!("{axis} pattern"), value, spec.values.keys(), findings);
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
        for (number, answer) in operation.answer.iter().enumerate() {
            answer_of(&format!("{key}.answer[{number}]"), answer, operation, manifest, findings);
        }
    }
}

/// What an answer tells is read from what is kept of it, and held against documents that carry a version.
fn answer_of(
    key: &str,
    answer: &AnswerSpec,
    operation: &OperationSpec,
    manifest: &Manifest,
    findings: &mut Vec<Finding>,
) {
    let name = &answer.collection;
    match manifest.collection.get(name) {
        Some(collection) if collection.version.is_none() => {
            let message = format!(
                "{name} does not say where its documents keep their version; expected version = \"/version\" in \
                 [collection.{name}]"
            );
            findings.push((format!("{key}.collection"), message));
        }
        _ => known(&format!("{key}.collection"), "collection", name, manifest.collection.keys(), findings),
    }
    let mut kept = |place: String, field: &String| {
        if operation.keep.is_empty() {
            let message = format!("nothing is kept of the answer; expected keep = {{ {field} = \"/{field}\" }}");
            findings.push((place, message));
        } else {
            known(&place, "field of keep", field, operation.keep.keys(), findings);
        }
    };
    kept(format!("{key}.version"), &answer.version);
    for (pointer, field) in &answer.fields {
        kept(format!("{key}.fields.\"{pointer}\""), field);
    }
    for pointer in answer.fields.keys().filter(|pointer| !pointer.starts_with('/')) {
        let message = format!("expected a JSON pointer into the document, such as \"/{pointer}\"");
        findings.push((format!("{key}.fields.\"{pointer}\""), message));
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
        if consumer.view.position.is_some() && consumer.topics.len() > 1 {
            let message = "a partition and an offset do not say which topic; expected one topic, or no position";
            findings.push((format!("{key}.view.position"), message.to_owned()));
        }
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
    for (name, consumer) in &manifest.consumer {
        let position = consumer.view.position.iter();
        for (field, text) in position.flat_map(|place| [("partition", &place.partition), ("offset", &place.offset)]) {
            pointer(format!("consumer.{name}.view.position.{field}"), text);
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
