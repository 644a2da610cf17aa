//! Operation number *n* as a pure function of the resolved scenario and the seed: its kind, drawn keys and values, id,
//! target and request. No clock, no tokio; the variants of one scenario share the plan, because no pattern enters it.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Zipf};
use serde_json::Value;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::file::{self, KeySpace};
use super::manifest::{Generator, OperationSpec};
use super::resolved::Resolved;
use super::template::{JsonTemplate, Template, TemplateError};

/// Why no plan follows from a scenario.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum PlanError {
    /// A template is malformed.
    #[error("operation `{operation}`, {place}: {source}")]
    Template {
        /// The operation.
        operation: String,
        /// Where the template stands: `path`, `headers.accept`, `body`.
        place: String,
        /// What is wrong with it.
        source: TemplateError,
    },
    /// A template names something that is never drawn.
    #[error(
        "operation `{operation}`, {place}: no variable `{variable}`; there are {known}; add it to [load.keys], to the \
         operation's values or to [parameters]"
    )]
    Variable {
        /// The operation.
        operation: String,
        /// Where the template stands.
        place: String,
        /// The name.
        variable: String,
        /// What there is.
        known: String,
    },
    /// The mix names an operation that the workload does not have, or its weights cannot be drawn from.
    #[error("load.mix: {0}; give operations of the workload weights of at least 0, one above 0")]
    Mix(String),
    /// A key space cannot be drawn from.
    #[error("load.keys.{space}: {reason}")]
    Keys {
        /// The variable.
        space: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A generator has nothing to draw from.
    #[error("operation `{operation}`, values.{value}: {reason}")]
    Values {
        /// The operation.
        operation: String,
        /// The variable.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The role of an operation has no instance.
    #[error("operation `{operation}`: role `{role}` has no instance to send it to")]
    NoInstance {
        /// The operation.
        operation: String,
        /// The role.
        role: String,
    },
}

/// Everything that is planned for a run.
#[derive(Debug, Clone)]
pub struct Plan {
    operations: Vec<PlannedKind>,
    weight_up_to: Vec<f64>,
    spaces: IndexMap<String, Keys>,
    parameters: IndexMap<String, Value>,
    random: ChaCha8Rng,
}

/// One operation, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedOperation {
    /// Its number, from 0; warm-up and load share the numbering.
    pub number: u64,
    /// Its id, `purchase-000123`: unique in the run, and what its request carries as `Idempotency-Key`.
    pub id: String,
    /// Its kind's place in [`Plan::kinds`].
    pub kind: usize,
    /// The drawn keys and values.
    pub values: BTreeMap<String, Value>,
    /// Which of the role's instances the first attempt goes to, from 0; a further one goes to the next.
    pub instance: usize,
    /// Path and query.
    pub path: String,
    /// The manifest's headers for it, filled in.
    pub headers: Vec<(String, String)>,
    /// The JSON body.
    pub body: Option<Vec<u8>>,
    /// The W3C trace id, never 0.
    pub trace: u128,
    /// The W3C span id of the first attempt.
    pub span: u64,
}

/// One kind of operation, with its templates parsed.
#[derive(Debug, Clone)]
pub struct PlannedKind {
    /// Its name in the manifest.
    pub name: String,
    /// What the manifest says of it.
    pub spec: OperationSpec,
    /// The instances that serve it, `api-1` first.
    pub instances: Vec<String>,
    path: Template,
    headers: Vec<(String, Template)>,
    body: Option<JsonTemplate>,
    /// The key spaces it draws from, by their place in the plan.
    spaces: Vec<usize>,
}

/// The keys of a space and how they are drawn.
#[derive(Debug, Clone)]
struct Keys {
    names: Vec<Value>,
    draw: Draw,
}

#[derive(Debug, Clone, Copy)]
enum Draw {
    Uniform,
    Zipf(Zipf<f64>),
    Hot { keys: u32, share: f64 },
    InTurn { each: u32 },
}

/// The random numbers for one purpose. Purposes never share a stream, so that a change in how one of them draws leaves
/// the others as they were.
pub fn random(seed: u64, purpose: &str) -> ChaCha8Rng {
    let mut hash = Sha256::new_with_prefix(seed.to_le_bytes());
    hash.update(purpose);
    ChaCha8Rng::from_seed(hash.finalize().into())
}

impl Plan {
    /// Prepares the plan: parses every template and names every key.
    ///
    /// # Errors
    /// When the scenario's load and the manifest's operations do not fit together.
    pub fn new(resolved: &Resolved) -> Result<Self, PlanError> {
        let load = &resolved.scenario.load;
        let mut spaces: IndexMap<String, Keys> = load
            .keys
            .iter()
            .map(|(name, space)| Ok((name.clone(), Keys::new(name, space)?)))
            .collect::<Result<_, PlanError>>()?;
        // Everything is drawn in the order of the names: a scenario whose keys were merely written, or stored, in
        // another order has the same plan (as it has the same `plan_hash`).
        spaces.sort_keys();
        let parameters = resolved.parameters();
        let mut operations = resolved
            .manifest
            .operation
            .iter()
            .map(|(name, spec)| PlannedKind::new(resolved, name, spec, &spaces, &parameters))
            .collect::<Result<Vec<_>, _>>()?;
        operations.sort_by(|one, other| one.name.cmp(&other.name));
        let weight_up_to = cumulative_weights(&operations, &load.mix)?;
        let random = random(resolved.scenario.seed, "operations");
        Ok(Self { operations, weight_up_to, spaces, parameters, random })
    }

    /// The kinds of operations, in the order of their names.
    pub fn kinds(&self) -> &[PlannedKind] {
        &self.operations
    }

    /// The keys of a space, the most frequent first (`product-000`, …); empty for a space that does not exist.
    pub fn keys(&self, space: &str) -> impl Iterator<Item = &str> {
        let names = self.spaces.get(space).map(|keys| keys.names.as_slice()).unwrap_or_default();
        names.iter().map(|name| name.as_str().expect("keys are texts"))
    }

    /// Operation number `n`. Each has random numbers of its own, so that it does not matter who asks, or in which order.
    pub fn operation(&self, n: u64) -> PlannedOperation {
        let mut random = self.random.clone();
        random.set_stream(n);
        let weight = random.random::<f64>() * self.weight_up_to.last().expect("a manifest has operations");
        let index = self.weight_up_to.partition_point(|up_to| *up_to <= weight).min(self.operations.len() - 1);
        let kind = &self.operations[index];
        let values = self.draw_values(kind, n, &mut random);
        let id = format!("{}-{n:06}", kind.name);
        let operation = Value::String(id);
        let value_of = |name: &str| match name {
            "operation" => Some(&operation),
            _ => values.get(name).or_else(|| self.parameters.get(name)),
        };
        let known = "the plan's construction looked at every variable";
        let path = kind.path.path(value_of).expect(known);
        let headers =
            kind.headers.iter().map(|(name, template)| (name.clone(), template.text(value_of).expect(known))).collect();
        let body = kind.body.as_ref().map(|body| body.value(&value_of).expect(known).to_string().into_bytes());
        let (trace, span) = (random.random::<u128>().max(1), random.next_u64());
        let instance = usize::try_from(n % kind.instances.len() as u64).expect("less than the number of instances");
        let Value::String(id) = operation else { unreachable!("made of a text above") };
        PlannedOperation { number: n, id, kind: index, values, instance, path, headers, body, trace, span }
    }

    /// A hash of the first `count` operations and arrivals, for `run.json`: whoever repeats the run sees whether the
    /// plan is the same.
    pub fn digest(&self, count: usize, arrivals: impl Iterator<Item = std::time::Duration>) -> String {
        let mut hash = Sha256::new();
        for number in 0..count as u64 {
            let operation = self.operation(number);
            let kind = &self.operations[operation.kind];
            let request = serde_json::json!([
                operation.id,
                kind.spec.method,
                kind.instances[operation.instance],
                operation.path,
                operation.headers,
                operation.values,
                operation.body.map(|body| String::from_utf8(body).expect("JSON is UTF-8")),
                operation.trace.to_string(),
                operation.span,
            ]);
            hash.update(request.to_string());
        }
        for arrival in arrivals.take(count) {
            hash.update(arrival.as_nanos().to_le_bytes());
        }
        base16ct::lower::encode_string(&hash.finalize())
    }

    fn draw_values(&self, kind: &PlannedKind, n: u64, random: &mut ChaCha8Rng) -> BTreeMap<String, Value> {
        let mut values = BTreeMap::new();
        for space in &kind.spaces {
            let (name, keys) = self.spaces.get_index(*space).expect("an index of this map");
            values.insert(name.clone(), keys.names[keys.draw(n, random)].clone());
        }
        for (name, generator) in &kind.spec.values {
            let value = match generator {
                Generator::Uniform([from, to]) => Value::from(random.random_range(*from..=*to)),
                Generator::Constant(value) => value.clone(),
                Generator::OneOf(choice) => choice[random.random_range(0..choice.len() as u64) as usize].clone(),
            };
            values.insert(name.clone(), value);
        }
        values
    }
}

impl PlannedKind {
    fn new(
        resolved: &Resolved,
        name: &str,
        spec: &OperationSpec,
        spaces: &IndexMap<String, Keys>,
        parameters: &IndexMap<String, Value>,
    ) -> Result<Self, PlanError> {
        let malformed = |place: &str| {
            let (operation, place) = (name.to_owned(), place.to_owned());
            move |source| PlanError::Template { operation, place, source }
        };
        let path = Template::parse(&spec.path).map_err(malformed("path"))?;
        let headers = spec
            .headers
            .iter()
            .map(|(header, text)| {
                Ok((header.clone(), Template::parse(text).map_err(malformed(&format!("headers.{header}")))?))
            })
            .collect::<Result<Vec<_>, PlanError>>()?;
        let body = spec.body.as_ref().map(JsonTemplate::parse).transpose().map_err(malformed("body"))?;
        let uses = variables(name, spec, &path, &headers, body.as_ref())?;
        for (place, variable) in &uses {
            let is_known = variable == "operation"
                || spec.values.contains_key(variable)
                || spaces.contains_key(variable)
                || parameters.contains_key(variable);
            if !is_known {
                let known = ["operation"].into_iter().chain(spec.values.keys().map(String::as_str));
                let known = known.chain(spaces.keys().map(String::as_str)).chain(parameters.keys().map(String::as_str));
                return Err(PlanError::Variable {
                    operation: name.to_owned(),
                    place: place.clone(),
                    variable: variable.clone(),
                    known: known.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
                });
            }
        }
        // A value of the operation's own hides a key space of the same name.
        let drawn = |space: &String| uses.iter().any(|(_, name)| name == space) && !spec.values.contains_key(space);
        let spaces = (0..spaces.len()).filter(|index| drawn(spaces.get_index(*index).expect("in range").0)).collect();
        check_generators(name, spec)?;
        let role = resolved.role_of(name);
        let instances: Vec<String> =
            (1..=resolved.instance_count(role)).map(|number| format!("{role}-{number}")).collect();
        if instances.is_empty() {
            return Err(PlanError::NoInstance { operation: name.to_owned(), role: role.to_owned() });
        }
        let mut spec = spec.clone();
        spec.values.sort_keys();
        Ok(Self { name: name.to_owned(), spec, instances, path, headers, body, spaces })
    }
}

impl Keys {
    fn new(name: &str, space: &KeySpace) -> Result<Self, PlanError> {
        let wrong = |reason: &str| PlanError::Keys { space: name.to_owned(), reason: reason.to_owned() };
        if space.count == 0 {
            return Err(wrong("no key to draw; give a `count` of at least 1"));
        }
        let draw = match space.distribution {
            file::Distribution::Uniform => Draw::Uniform,
            file::Distribution::Zipf => {
                let exponent = space.exponent.unwrap_or(1.0);
                let zipf = Zipf::new(f64::from(space.count), exponent);
                Draw::Zipf(zipf.map_err(|_| wrong("`exponent` must be a number of at least 0"))?)
            }
            file::Distribution::Hot => {
                let (keys, share) = (space.hot_keys.unwrap_or(1), space.hot_share.unwrap_or(0.9));
                if keys == 0 || keys >= space.count {
                    return Err(wrong("`hot_keys` must be at least 1 and less than `count`"));
                }
                if !(0.0..=1.0).contains(&share) {
                    return Err(wrong("`hot_share` must lie between 0 and 1"));
                }
                Draw::Hot { keys, share }
            }
            file::Distribution::InTurn => Draw::InTurn { each: space.each.unwrap_or(1).max(1) },
        };
        // At least three digits: the ids of small and large runs then look alike.
        let width = (space.count - 1).to_string().len().max(3);
        Ok(Self { names: (0..space.count).map(|key| Value::String(format!("{name}-{key:0width$}"))).collect(), draw })
    }

    fn draw(&self, n: u64, random: &mut ChaCha8Rng) -> usize {
        let count = u32::try_from(self.names.len()).expect("made of a u32");
        let key = match self.draw {
            Draw::Uniform => random.random_range(0..count),
            // The distribution counts from 1.
            Draw::Zipf(zipf) => (zipf.sample(random) as u32).clamp(1, count) - 1,
            Draw::Hot { keys, share } if random.random::<f64>() < share => random.random_range(0..keys),
            Draw::Hot { keys, .. } => random.random_range(keys..count),
            Draw::InTurn { each } => (n / u64::from(each) % u64::from(count)) as u32,
        };
        key as usize
    }
}

/// Every variable of an operation with the place that names it: those of its request, and those of its entity, effects,
/// events and answers, so that the history holds the value a checker will need.
fn variables(
    operation: &str,
    spec: &OperationSpec,
    path: &Template,
    headers: &[(String, Template)],
    body: Option<&JsonTemplate>,
) -> Result<Vec<(String, String)>, PlanError> {
    let mut found: Vec<(String, String)> = path.variables().map(|name| ("path".to_owned(), name.to_owned())).collect();
    for (header, template) in headers {
        found.extend(template.variables().map(|name| (format!("headers.{header}"), name.to_owned())));
    }
    found.extend(body.iter().flat_map(|body| body.variables()).map(|name| ("body".to_owned(), name.to_owned())));
    let judged = spec
        .entity
        .iter()
        .map(|entity| ("entity".to_owned(), Value::from(entity.as_str())))
        .chain(spec.effect.iter().flat_map(|effect| {
            let fields = effect.subtract.values().chain(effect.add.values()).chain(effect.set.values()).cloned();
            fields.chain([Value::from(effect.entity.as_str())]).map(|value| ("effect".to_owned(), value))
        }))
        .chain(spec.event.iter().map(|event| ("event.subject".to_owned(), Value::from(event.subject.as_str()))))
        .chain(spec.answer.iter().map(|answer| ("answer.entity".to_owned(), Value::from(answer.entity.as_str()))));
    for (place, value) in judged {
        let template = JsonTemplate::parse(&value).map_err(|source| PlanError::Template {
            operation: operation.to_owned(),
            place: place.clone(),
            source,
        })?;
        found.extend(template.variables().into_iter().map(|name| (place.clone(), name.to_owned())));
    }
    Ok(found)
}

fn check_generators(operation: &str, spec: &OperationSpec) -> Result<(), PlanError> {
    for (value, generator) in &spec.values {
        let reason = match generator {
            Generator::Uniform([from, to]) if from > to => "the range is empty; write the smaller end first",
            Generator::OneOf(choice) if choice.is_empty() => "nothing to choose from",
            _ => continue,
        };
        let (operation, value) = (operation.to_owned(), value.clone());
        return Err(PlanError::Values { operation, value, reason: reason.to_owned() });
    }
    Ok(())
}

fn cumulative_weights(operations: &[PlannedKind], mix: &IndexMap<String, f64>) -> Result<Vec<f64>, PlanError> {
    if let Some(name) = mix.keys().find(|name| operations.iter().all(|kind| kind.name != **name)) {
        return Err(PlanError::Mix(format!("no operation `{name}`")));
    }
    let mut sum = 0.0;
    let mut weights = Vec::with_capacity(operations.len());
    for kind in operations {
        let weight = if mix.is_empty() { 1.0 } else { mix.get(&kind.name).copied().unwrap_or(0.0) };
        if !weight.is_finite() || weight < 0.0 {
            return Err(PlanError::Mix(format!("`{}` has the weight {weight}", kind.name)));
        }
        sum += weight;
        weights.push(sum);
    }
    if sum > 0.0 { Ok(weights) } else { Err(PlanError::Mix("no operation has a weight".to_owned())) }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
