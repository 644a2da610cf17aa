//! The manifest's templates: every variable is known where it stands.

use super::{Finding, list};
use crate::scenario::file::Scenario;
use crate::scenario::manifest::Manifest;
use crate::scenario::template::JsonTemplate;

/// Every variable of every template is known.
pub(super) fn check(scenario: &Scenario, manifest: &Manifest, findings: &mut Vec<Finding>) {
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
        let subjects = operation.event.iter().map(|event| &event.subject);
        let answers = operation.answer.iter().map(|answer| &answer.entity);
        for text in texts.chain(operation.headers.values()).chain(subjects).chain(answers) {
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
