//! The documents that are there before the first operation. Pure.

use serde_json::Value;

use super::plan::Plan;
use super::resolved::Resolved;
use super::template::{JsonTemplate, TemplateError};

/// Every document of the manifest's setup, with its collection, in the manifest's order.
///
/// # Errors
/// When a template names a variable that is not known; validation finds that before.
pub fn documents(resolved: &Resolved, plan: &Plan) -> Result<Vec<(String, Value)>, TemplateError> {
    let parameters = resolved.parameters();
    let mut documents = Vec::new();
    for setup in &resolved.manifest.setup {
        let template = JsonTemplate::parse(&setup.document)?;
        let mut add = |key: Option<(&str, Value)>| {
            let value_of = |name: &str| match &key {
                Some((space, value)) if *space == name => Some(value),
                _ => parameters.get(name),
            };
            documents.push((setup.collection.clone(), template.value(&value_of)?));
            Ok(())
        };
        match &setup.for_each {
            Some(space) => plan.keys(space).try_for_each(|key| add(Some((space, Value::from(key)))))?,
            None => add(None)?,
        }
    }
    Ok(documents)
}
