//! From the resolved scenario and the environment's addresses to what links, services, witnesses and clients are told.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::context::{Context, Cut};
use super::stage::Stage;
use crate::environment::external::External;
use crate::environment::{ClientPath, Environment, Kind, Needs};
use crate::link::tap::{Protocol, TapSpec};
use crate::link::topology::Topology;
use crate::link::{CLIENTS, Link, LinkSpec};
use crate::load::{LoadSpec, Target};
use crate::scenario::file::KafkaServers;
use crate::scenario::manifest::Node;
use crate::scenario::plan::Plan;
use crate::scenario::resolved::{Instance, Resolved};
use crate::scenario::setup;
use crate::scenario::template::{Template, TemplateError};
use crate::service::{Program, ServiceSpec};
use crate::witness::{GroupSpec, KafkaSpec, MongodbSpec, SetupDocument, TopicSpec, WitnessSpec};

/// How long topics, collections and witnesses may take.
const WITNESS_WITHIN: Duration = Duration::from_secs(30);

/// What a run needs of its environment.
pub(super) fn needs(resolved: &Resolved, kind: &Kind, logs: &Path) -> Needs {
    let instances = resolved.instances();
    let dials = |instance: &Instance| {
        let name = instance.name.clone();
        instance.dependencies.clone().into_iter().map(move |node| (name.clone(), node))
    };
    let kafka = resolved.scenario.kafka;
    Needs {
        kind: kind.clone(),
        nodes: resolved.nodes(),
        mongodb: resolved.scenario.mongodb,
        // What a topic demands is its own: runs that differ in it share their brokers.
        kafka: KafkaServers { min_insync_replicas: None, ..kafka },
        links: instances.iter().flat_map(dials).collect(),
        services: instances.iter().map(|instance| instance.name.clone()).collect(),
        client_path: client_path(resolved),
        log_folder: logs.to_owned(),
        fixed_ports: None,
    }
}

/// A workload that needs nothing and that nobody breaks is called directly, at its honest latencies.
fn client_path(resolved: &Resolved) -> ClientPath {
    let scenario = &resolved.scenario;
    let is_broken = !scenario.fault.is_empty() || scenario.random_faults.is_some();
    if is_broken || !resolved.nodes().is_empty() { ClientPath::Proxied } else { ClientPath::Direct }
}

/// What the clients do, from now on.
pub(super) fn load_spec(context: &Context<'_>, stage: &Stage, plan: Arc<Plan>) -> Result<LoadSpec, Cut> {
    let scenario = &context.resolved.scenario;
    Ok(LoadSpec {
        plan,
        load: scenario.load.clone(),
        seed: scenario.seed,
        targets: targets(context, stage)?,
        recorder: context.recorder.clone(),
        start: context.recorder.now(),
    })
}

/// Where the clients reach each instance that serves operations: through their link where there is one.
fn targets(context: &Context<'_>, stage: &Stage) -> Result<BTreeMap<String, Target>, Cut> {
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
pub(super) fn service_specs(context: &Context<'_>, environment: &Environment) -> Result<Vec<ServiceSpec>, Cut> {
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
        let dials_kafka = instance.dependencies.contains(&Node::Kafka);
        let of_kafka = if dials_kafka { environment.kafka_variables() } else { Vec::new() };
        let of_kafka = of_kafka.into_iter().map(|(name, value)| Ok((name, value.reveal().to_owned())));
        let given = process.environment.iter().map(|(name, text)| Ok((name.clone(), fill(text)?)));
        let given = of_kafka.chain(given);
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
            hosts: environment.hosts_file(&instance.name),
            secrets: context.kind.external().map(External::passwords).unwrap_or_default(),
            ready_path: process.ready_path.clone(),
            ready_within: process.ready_within,
            role: instance.role,
            instance: instance.name,
        });
    }
    Ok(specs)
}

/// The links on which clients reach the services of these runs, where a fault can strike them.
pub(super) fn client_links(environment: &Environment, runs: &[Resolved]) -> Result<Vec<LinkSpec>, Cut> {
    let mut specs: Vec<LinkSpec> = Vec::new();
    if environment.needs().client_path == ClientPath::Direct {
        return Ok(specs);
    }
    for resolved in runs {
        for link in Topology::of_variant(resolved).links() {
            if link.client == CLIENTS && specs.iter().all(|spec| spec.link != link) {
                specs.push(client_link(environment, resolved, link)?);
            }
        }
    }
    Ok(specs)
}

fn client_link(environment: &Environment, resolved: &Resolved, link: Link) -> Result<LinkSpec, Cut> {
    let addresses = environment.service_addresses(&link.server);
    let addresses = addresses.ok_or_else(|| Cut::Failed(format!("the environment has no addresses for {link}")))?;
    let role = link.server.rsplit_once('-').map_or(link.server.as_str(), |(role, _)| role);
    let elsewhere = resolved.manifest.process.get(role).and_then(|process| process.url.as_deref());
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

pub(super) fn witness_spec(context: &Context<'_>, environment: &Environment, plan: &Plan) -> Result<WitnessSpec, Cut> {
    let resolved = &context.resolved;
    let manifest = &resolved.manifest;
    let nodes = resolved.nodes();
    let mongodb = if nodes.contains(&Node::Mongodb) {
        let outboxes = manifest.collection.iter().filter_map(|(name, collection)| {
            collection.outbox.as_ref().map(|outbox| (name.clone(), outbox.published.clone()))
        });
        let documents = setup::documents(resolved, plan)?.into_iter();
        Some(MongodbSpec {
            members: environment.mongodb_members()?,
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
            let spec = TopicSpec {
                name: context.names.topics[name].clone(),
                partitions: topic.partitions,
                // What servers of somebody else's demand by themselves is theirs, unless the scenario says otherwise.
                min_insync_replicas: match context.kind.external() {
                    Some(_) => resolved.scenario.kafka.min_insync_replicas,
                    None => Some(resolved.scenario.kafka.insync_replicas()),
                },
            };
            (name.clone(), spec)
        });
        let groups = manifest.consumer.iter().filter(|(_, consumer)| {
            manifest.process.get(&consumer.role).is_some_and(|process| resolved.applies(&process.when))
        });
        let groups = groups.map(|(name, consumer)| {
            (name.clone(), GroupSpec { group: context.names.groups[name].clone(), topics: consumer.topics.clone() })
        });
        let brokers = environment.kafka_members()?;
        let addresses = brokers.iter().map(|(_, address)| address.as_str()).collect::<Vec<_>>().join(",");
        let direct = KafkaSpec { bootstrap: addresses, ..KafkaSpec::default() };
        let direct = context.kind.external().and_then(External::kafka_spec).unwrap_or(direct);
        Some(KafkaSpec { members: brokers, topics: topics.collect(), groups: groups.collect(), ..direct })
    } else {
        None
    };
    Ok(WitnessSpec { mongodb, kafka, start_within: WITNESS_WITHIN })
}

/// The tap for a link. Clients speak HTTP with services, which is not read.
pub(super) fn tap_spec(spec: &LinkSpec) -> TapSpec {
    let protocol = match spec.link.dialled() {
        server if server.starts_with(Node::Mongodb.name()) => Protocol::Mongodb,
        server if server.starts_with(Node::Kafka.name()) && !spec.link.server.contains(':') => Protocol::Kafka,
        _ => Protocol::Unread,
    };
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    TapSpec { link: spec.link.clone(), listen, upstream: spec.upstream, protocol }
}
