//! One variant of a scenario with everything filled in: what a run is made from and what `run.json` stores, so that a
//! stored history can be judged, and the run repeated, without any other file.

use std::path::PathBuf;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::file::{Scenario, Variant};
use super::manifest::{Condition, Manifest, Node, Process};

/// One variant, ready to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolved {
    /// The scenario's name: its file's, without the ending.
    pub name: String,
    /// The scenario, with every override of the command line applied.
    pub scenario: Scenario,
    /// The workload.
    pub manifest: Manifest,
    /// Where the manifest's relative commands start; not part of the plan.
    pub manifest_folder: PathBuf,
    /// The variant's place in `scenario.variant`.
    pub variant: usize,
}

impl Resolved {
    /// The variant.
    pub fn variant(&self) -> &Variant {
        &self.scenario.variant[self.variant]
    }

    /// Whether something with this condition exists in this variant.
    pub fn applies(&self, condition: &Condition) -> bool {
        condition
            .iter()
            .all(|(axis, values)| self.variant().pattern.get(axis).is_some_and(|value| values.contains(value)))
    }

    /// The processes of this variant, by role, in the manifest's order.
    pub fn processes(&self) -> impl Iterator<Item = (&str, &Process)> {
        self.manifest
            .process
            .iter()
            .filter(|(_, process)| self.applies(&process.when))
            .map(|(role, process)| (role.as_str(), process))
    }

    /// How many instances a role has.
    pub fn instance_count(&self, role: &str) -> u32 {
        let manifest = self.manifest.process.get(role).map_or(0, |process| process.instances);
        self.scenario.instances.get(role).copied().unwrap_or(manifest)
    }

    /// Every instance of this variant, `api-1` first.
    pub fn instances(&self) -> Vec<Instance> {
        self.processes()
            .flat_map(|(role, process)| {
                (1..=self.instance_count(role)).map(move |number| Instance {
                    name: format!("{role}-{number}"),
                    role: role.to_owned(),
                    dependencies: process.dependencies.clone(),
                })
            })
            .collect()
    }

    /// The dependencies that any process of any variant names, so that variants share their surroundings.
    pub fn nodes(&self) -> Vec<Node> {
        let mut nodes: Vec<Node> =
            self.manifest.process.values().flat_map(|process| process.dependencies.iter().copied()).collect();
        if !self.manifest.topic.is_empty() {
            nodes.push(Node::Kafka);
        }
        if !self.manifest.collection.is_empty() {
            nodes.push(Node::Mongodb);
        }
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// The role that an operation is sent to.
    pub fn role_of(&self, operation: &str) -> &str {
        self.manifest.operation[operation]
            .role
            .as_deref()
            .unwrap_or_else(|| self.manifest.process.keys().next().expect("validation demands a process"))
    }

    /// The manifest's parameters with the scenario's on top.
    pub fn parameters(&self) -> IndexMap<String, Value> {
        let mut parameters = self.manifest.parameters.clone();
        parameters.extend(self.scenario.parameters.clone());
        parameters
    }

    /// A hash of all that the plan is a function of: the scenario without its variants' patterns, the manifest's
    /// operations, and the seed. Variants of one scenario share it.
    pub fn plan_hash(&self) -> String {
        let mut scenario = self.scenario.clone();
        scenario.variant.clear();
        scenario.matrix = None;
        scenario.description.clear();
        let inputs = serde_json::json!({
            "scenario": scenario,
            "operation": self.manifest.operation,
            "setup": self.manifest.setup,
            "parameters": self.parameters(),
        });
        base16ct::lower::encode_string(&Sha256::digest(inputs.to_string()))
    }
}

/// One process to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// `api-1`.
    pub name: String,
    /// `api`.
    pub role: String,
    /// The nodes it dials.
    pub dependencies: Vec<Node>,
}
