//! From the resolved scenario and the environment's addresses to what links, services, witnesses and clients are told.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use super::context::{Context, Cut};
use super::stage::Stage;
use crate::environment::{ClientPath, Environment, Needs};
use crate::link::{CLIENTS, Link, LinkSpec};
use crate::load::Target;
use crate::scenario::manifest::Node;
use crate::scenario::plan::Plan;
use crate::scenario::resolved::{Instance, Resolved};
use crate::scenario::setup;
use crate::scenario::template::{Template, TemplateError};
use crate::service::{Program, ServiceSpec};
use crate::witness::{GroupSpec, KafkaSpec, MongodbSpec, SetupDocument, TopicSpec, WitnessSpec};

/// How long topics, collections and witnesses may take.
const WITNESS_WITHIN: Duration = Duration::from_secs(30);

/// What the run needs of its environment.
pub(super) fn needs(context: &Context) -> Needs {
    let instances = context.resolved.instances();
    let dials = |instance: &Instance| {
        let name = instance.name.clone();
        instance.dependencies.clone().into_iter().map(move |node| (name.clone(), node))
    };
    Needs {
        nodes: context.resolved.nodes(),
        links: instances.iter().flat_map(dials).collect(),
        services: instances.iter().map(|instance| instance.name.clone()).collect(),
        client_path: client_path(&context.resolved),
        log_folder: context.logs.clone(),
    }
}

/// A workload that needs nothing and that nobody breaks is called directly, at its honest latencies.
fn client_path(resolved: &Resolved) -> ClientPath {
    let scenario = &resolved.scenario;
    let is_broken = !scenario.fault.is_empty() || scenario.random_faults.is_some();
    if is_broken || !resolved.nodes().is_empty() { ClientPath::Proxied } else { ClientPath::Direct }
}

/// Where the clients reach each instance that serves operations: through their link where there is one.
pub(super) fn targets(context: &Context, stage: &Stage) -> Result<BTreeMap<String, Target>, Cut> {
    let mut targets = BTreeMap::new();
    for instance in context.resolved.instances() {
        let process = &context.resolved.manifest.process[&instance.role];
        let link = Link::new(CLIENTS, &instance.name);
        let through = stage.links.as_ref().and_then(|links| links.address(&link));
        let direct = stage.environment.as_ref().and_then(|environment| environment.service_addresses(&instance.name));
        let path = process.url.as_deref().map_or("", path_of);
        let elsewhere = process.url.as_deref().map(resolve).transpose()?;
        let direct = elsewhere.or(direct.map(|addresses| addresses.upstream));
        let Some(address) = through.or(direct) else { continue };
        let base = format!("http://{address}{path}");
        targets.insert(instance.name, Target { base, ready_path: process.ready_path.clone() });
    }
    Ok(targets)
}

/// The path of a base URL, without its last slash.
fn path_of(url: &str) -> &str {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    rest.find('/').map_or("", |slash| rest[slash..].trim_end_matches('/'))
}

/// What to run for each instance, with every template filled in and every address through the instance's own links.
pub(super) fn service_specs(context: &Context, environment: &Environment) -> Result<Vec<ServiceSpec>, Cut> {
    let resolved = &context.resolved;
    let variables = context.names.variables(resolved);
    let fill = |text: &String| Template::parse(text)?.text(|name| variables.get(name));
    let mut specs = Vec::new();
    for instance in resolved.instances() {
        let process = &resolved.manifest.process[&instance.role];
        let program = match &process.url {
            Some(url) => Program::Elsewhere(url.clone()),
            None => Program::Command(process.command.iter().map(fill).collect::<Result<_, _>>()?),
        };
        let given = process.environment.iter().map(|(name, text)| Ok((name.clone(), fill(text)?)));
        let addresses = environment.service_addresses(&instance.name);
        let listen =
            addresses.ok_or_else(|| Cut::Failed(format!("the environment has no address for {}", instance.name)))?;
        specs.push(ServiceSpec {
            program,
            environment: given.collect::<Result<_, TemplateError>>()?,
            manifest_folder: resolved.manifest_folder.clone(),
            listen: listen.upstream,
            mongodb_uri: environment.mongodb_uri_of(&instance.name, &context.names.database),
            kafka_bootstrap: environment.kafka_bootstrap_of(&instance.name),
            ready_path: process.ready_path.clone(),
            ready_within: process.ready_within,
            role: instance.role,
            instance: instance.name,
        });
    }
    Ok(specs)
}

pub(super) fn link_spec(context: &Context, environment: &Environment, link: Link) -> Result<LinkSpec, Cut> {
    let node = [Node::Mongodb, Node::Kafka].into_iter().find(|node| node.name() == link.server);
    let addresses = match node {
        Some(node) => environment.link_addresses(&link.client, node),
        None => environment.service_addresses(&link.server),
    };
    let addresses = addresses.ok_or_else(|| Cut::Failed(format!("the environment has no addresses for {link}")))?;
    let role = link.server.rsplit_once('-').map_or(link.server.as_str(), |(role, _)| role);
    let elsewhere = context.resolved.manifest.process.get(role).and_then(|process| process.url.as_deref());
    let upstream = match elsewhere {
        Some(url) => resolve(url)?,
        None => addresses.upstream,
    };
    Ok(LinkSpec { link, listen: addresses.listen, upstream })
}

/// The address of a process that already runs elsewhere.
fn resolve(url: &str) -> Result<SocketAddr, Cut> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let authority = rest.split('/').next().unwrap_or_default();
    let authority = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
    let problem = |reason: String| Cut::Failed(format!("failed to resolve {url}: {reason}"));
    let mut addresses = authority.to_socket_addrs().map_err(|error| problem(error.to_string()))?;
    addresses.next().ok_or_else(|| problem("it has no address".to_owned()))
}

pub(super) fn witness_spec(context: &Context, environment: &Environment, plan: &Plan) -> Result<WitnessSpec, Cut> {
    let resolved = &context.resolved;
    let manifest = &resolved.manifest;
    let nodes = resolved.nodes();
    let mongodb = if nodes.contains(&Node::Mongodb) {
        let outboxes = manifest.collection.iter().filter_map(|(name, collection)| {
            collection.outbox.as_ref().map(|outbox| (name.clone(), outbox.published.clone()))
        });
        let documents = setup::documents(resolved, plan)?.into_iter();
        Some(MongodbSpec {
            uri: environment.mongodb_uri()?,
            database: context.names.database.clone(),
            collections: manifest.collection.keys().cloned().collect(),
            outboxes: outboxes.collect(),
            documents: documents.map(|(collection, document)| SetupDocument { collection, document }).collect(),
        })
    } else {
        None
    };
    let kafka = if nodes.contains(&Node::Kafka) {
        let topics = manifest.topic.iter().map(|(name, topic)| {
            (name.clone(), TopicSpec { name: context.names.topics[name].clone(), partitions: topic.partitions })
        });
        let groups = manifest.consumer.iter().filter(|(_, consumer)| {
            manifest.process.get(&consumer.role).is_some_and(|process| resolved.applies(&process.when))
        });
        let groups = groups.map(|(name, consumer)| {
            (name.clone(), GroupSpec { group: context.names.groups[name].clone(), topics: consumer.topics.clone() })
        });
        Some(KafkaSpec {
            bootstrap: environment.kafka_bootstrap()?,
            topics: topics.collect(),
            groups: groups.collect(),
        })
    } else {
        None
    };
    Ok(WitnessSpec { mongodb, kafka, start_within: WITNESS_WITHIN })
}
