//! A run's own database, topics and consumer groups, so that runs never see each other's.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::Value;

use crate::environment::Kind;
use crate::scenario::resolved::Resolved;
use crate::witness::preflight::{DATABASE_PREFIX, TOPIC_PREFIX};

/// The names of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// `torn-1f0c3a9e`: marks the run's processes and folders.
    pub(super) run: String,
    /// The database.
    pub(super) database: String,
    /// The manifest's topic names → the run's.
    pub(super) topics: BTreeMap<String, String>,
    /// The manifest's consumer names → the run's group ids.
    pub(super) groups: IndexMap<String, String>,
}

impl Names {
    /// New names. They are no part of the plan: two runs of one plan must differ in them.
    pub(super) fn new(resolved: &Resolved, kind: &Kind) -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
        // Where others have topics too, ours are told from theirs by their names: an ACL can name the prefix.
        let prefix = if kind.external().is_some() { TOPIC_PREFIX } else { "" };
        let own = format!("{prefix}{id}");
        let topics = resolved.manifest.topic.keys().map(|topic| (topic.clone(), format!("{own}.{topic}"))).collect();
        let groups = resolved
            .manifest
            .consumer
            .iter()
            .map(|(name, consumer)| (name.clone(), format!("{own}.{}", consumer.group)))
            .collect();
        Self { run: format!("torn-{id}"), database: format!("{DATABASE_PREFIX}{id}"), topics, groups }
    }

    /// The run's topics → the manifest's names of them.
    pub(super) fn manifest_topics(&self) -> BTreeMap<String, String> {
        self.topics.iter().map(|(name, own)| (own.clone(), name.clone())).collect()
    }

    /// What templates of commands and environments may name: parameters, pattern values, topics and groups.
    pub(super) fn variables(&self, resolved: &Resolved) -> IndexMap<String, Value> {
        let mut variables = resolved.parameters();
        for (axis, value) in &resolved.variant().pattern {
            variables.insert(format!("pattern.{axis}"), value.clone().into());
        }
        for (topic, name) in &self.topics {
            variables.insert(format!("topic.{topic}"), name.clone().into());
        }
        for (consumer, group) in &self.groups {
            variables.insert(format!("group.{consumer}"), group.clone().into());
        }
        variables
    }
}
