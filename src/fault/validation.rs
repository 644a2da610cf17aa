//! What a scenario may ask for: each mistake is told with its key and the remedy. Pure.

use std::time::Duration;

use super::fault::FaultKind;
use super::keys::{Keys, problem};
use super::target::{Strikes, Target, node_of};
use crate::link::CLIENTS;
use crate::link::topology::Topology;
use crate::scenario::file::{FaultChoice, FaultSpec, RandomFaults};
use crate::scenario::manifest::Node;
use crate::sweep::point::MessageName;
use crate::witness::Role;

/// A mistake in a `[[fault]]` or a `[[random_faults.choice]]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FaultProblem {
    /// The key in its table; empty when the table as a whole is wrong.
    pub key: &'static str,
    /// What is wrong with it and what to write instead.
    pub message: String,
}

/// Checks one `[[fault]]` against everything that exists in any variant, and the length of the load.
///
/// # Errors
/// With the first mistake.
pub fn validate(spec: &FaultSpec, topology: &Topology, load: Duration) -> Result<(), FaultProblem> {
    let keys = Keys::from(spec);
    let (key, kind, _) = keys.what()?;
    check_target(&keys, topology)?;
    match (kind, spec.duration, spec.restart_after) {
        (kind, Some(_), _) if kind.is_kill() => {
            return Err(problem("for", "`kill` takes `restart_after`, not `for`"));
        }
        (kind, None, _) if kind.is_kill() => {}
        (FaultKind::Message(_), Some(_), _) => {
            return Err(problem("for", "`at_message` strikes once, when its message comes; leave `for` out"));
        }
        (FaultKind::RollOplog, Some(_), _) => {
            return Err(problem("for", "`roll_oplog` takes as long as it takes; leave `for` out"));
        }
        (FaultKind::RollOplog | FaultKind::Message(_), None, None) => {}
        (_, _, Some(_)) => {
            return Err(problem("restart_after", format!("only `kill` takes `restart_after`, not `{key}`")));
        }
        (_, None, None) => return Err(problem("for", format!("`{key}` needs `for`, such as `for = \"5s\"`"))),
        (_, Some(Duration::ZERO), None) => return Err(problem("for", "must be longer than 0s")),
        (_, Some(_), None) => {}
    }
    if spec.at >= load {
        let load = humantime::format_duration(load);
        return Err(problem("at", format!("the load lasts {load}, so this would never strike; make it earlier")));
    }
    if spec.at + kind.lead() >= load {
        let load = humantime::format_duration(load);
        let message = format!("the load lasts {load}, so the kill would never come; make it shorter, or `at` earlier");
        return Err(problem("unreplicated_for", message));
    }
    Ok(())
}

/// Checks what no single fault shows: a message is struck once. The number of the later fault comes with the problem.
///
/// # Errors
/// With the first mistake.
pub fn validate_together(faults: &[FaultSpec]) -> Result<(), (usize, FaultProblem)> {
    let message_of = |spec: &FaultSpec| match Keys::from(spec).what() {
        Ok((_, _, Target::Message(message))) => Some((spec.at, message)),
        _ => None,
    };
    let messages: Vec<_> = faults.iter().map(message_of).collect();
    for (later, message) in messages.iter().enumerate().filter(|(_, message)| message.is_some()) {
        if let Some(earlier) = messages[..later].iter().position(|other| other == message) {
            let told = format!(
                "fault[{earlier}] waits for the same message from the same time on, and a message is struck once; give \
                 another `nth`, or another `at`: from there it is counted"
            );
            return Err((later, problem("at_message", told)));
        }
    }
    Ok(())
}

/// Checks one `[[random_faults.choice]]`.
///
/// # Errors
/// With the first mistake.
pub fn validate_choice(choice: &FaultChoice, topology: &Topology, load: Duration) -> Result<(), FaultProblem> {
    let keys = Keys::from(choice);
    let (_, kind, _) = keys.what()?;
    check_target(&keys, topology)?;
    if !choice.weight.is_finite() || choice.weight < 0.0 {
        return Err(problem("weight", "must be a number from 0 up"));
    }
    if choice.shortest.as_millis() == 0 {
        return Err(problem("shortest", "must be 1ms or longer"));
    }
    if choice.longest < choice.shortest {
        return Err(problem("longest", "must not be shorter than `shortest`"));
    }
    if choice.shortest > load {
        let load = humantime::format_duration(load);
        return Err(problem("shortest", format!("the load lasts {load}; a fault must heal before its end")));
    }
    if kind.lead() + choice.shortest > load {
        let load = humantime::format_duration(load);
        let message = format!("the load lasts {load}; with it and `shortest`, a fault must heal before its end");
        return Err(problem("unreplicated_for", message));
    }
    Ok(())
}

/// Checks what no single choice shows. The problem's key is one of `[random_faults]`; for a choice, its index comes with
/// it.
///
/// # Errors
/// With the first mistake.
pub fn validate_random(
    random: &RandomFaults,
    topology: &Topology,
    load: Duration,
) -> Result<(), (Option<usize>, FaultProblem)> {
    for (index, choice) in random.choice.iter().enumerate() {
        validate_choice(choice, topology, load).map_err(|problem| (Some(index), problem))?;
    }
    let always = random.choice.iter().filter(|choice| choice.always).count();
    if always > random.count as usize {
        let message = format!("must be at least {always}: so many choices have `always = true`");
        return Err((None, problem("count", message)));
    }
    if random.count as usize > always && random.choice.iter().all(|choice| choice.weight == 0.0) {
        return Err((None, problem("choice", "at least one choice needs a `weight` above 0")));
    }
    Ok(())
}

/// Checks a target against everything that exists in any variant.
fn check_target(keys: &Keys<'_>, topology: &Topology) -> Result<(), FaultProblem> {
    let (key, kind, target) = keys.what()?;
    for name in target.names() {
        is_known(key, name, topology)?;
    }
    let is_by_name = target.roles().is_empty();
    match target {
        Target::Link { client, server } => check_link(key, &client, &server, topology),
        Target::Message(message) => check_message(key, &message, topology),
        Target::Process(name) => check_process(key, &name, kind, topology),
        Target::Peers { server, .. } => check_peers(key, &server, topology),
        Target::Halves(side) if side.is_empty() => {
            Err(problem(key, "names nobody; expected those that stay together, such as [\"primary\", \"relay\"]"))
        }
        // Whoever plays a role stands for any server of its cluster; one alone never is all of it.
        Target::Halves(side) if is_by_name && topology.links_across(&side).is_empty() => {
            Err(problem(key, "cuts no link: nobody dials from one side to the other"))
        }
        Target::Halves(_) => Ok(()),
        Target::Cluster { node, with } => {
            let dials = |client: &&String| topology.links_between(client, node.name()).is_empty();
            if let Some(stranger) = with.iter().find(dials) {
                return Err(problem("with", format!("`{stranger}` does not dial {}", node.name())));
            }
            check_cluster(key, node, topology)
        }
    }
}

fn check_link(key: &'static str, client: &str, server: &str, topology: &Topology) -> Result<(), FaultProblem> {
    let target = Target::Link { client: client.to_owned(), server: server.to_owned() };
    if target.reach(topology) == Strikes::Nobody {
        return Err(problem(key, no_link(client, server, topology)));
    }
    Ok(())
}

/// A message passes on one link, and torn must have started who sends it.
fn check_message(key: &'static str, message: &MessageName, topology: &Topology) -> Result<(), FaultProblem> {
    let MessageName { client, server, .. } = message;
    let links = topology.links_between(client, server);
    let one = format!("{client}:{server}");
    match links.as_slice() {
        [] => Err(problem(key, no_link(client, server, topology))),
        [link] if link.client == CLIENTS => {
            Err(problem(key, format!("{one}: what clients send is HTTP; messages are those to MongoDB and Kafka")))
        }
        [link] if link.client == *client && link.server == *server => Ok(()),
        links => {
            let links: Vec<String> = links.iter().map(|link| format!("{}:{}", link.client, link.server)).collect();
            Err(problem(key, format!("{one} is more than one link; name one of: {}", links.join(", "))))
        }
    }
}

fn check_process(key: &'static str, name: &str, kind: FaultKind, topology: &Topology) -> Result<(), FaultProblem> {
    if name == CLIENTS {
        return Err(problem(key, format!("`{CLIENTS}` are torn's own; aim at a service or a dependency")));
    }
    if !topology.is_in_hand(name) {
        return Err(problem(key, format!("`{name}` is given by `url`: torn did not start it and cannot {key} it")));
    }
    match kind {
        FaultKind::KillUnreplicated(_) => check_peers("unreplicated_for", name, topology),
        _ => Ok(()),
    }
}

/// A server of a cluster: one that has peers.
fn check_peers(key: &'static str, server: &str, topology: &Topology) -> Result<(), FaultProblem> {
    let node = server.parse().ok().map(|role| node_of(&role)).or_else(|| topology.node_of(server));
    let Some(node) = node else {
        let clusters = [Node::Mongodb, Node::Kafka].map(|node| topology.members(node).join(", ")).join(", ");
        let expected = "expected one of its servers or the role of one (primary, leader:<topic>-<partition>)";
        return Err(problem(key, format!("`{server}` is no server of a cluster; {expected}; there are: {clusters}")));
    };
    if topology.members(node).len() < 2 {
        return Err(problem(key, alone(node)));
    }
    Ok(())
}

fn check_cluster(key: &'static str, node: Node, topology: &Topology) -> Result<(), FaultProblem> {
    if node != Node::Mongodb {
        return Err(problem(key, "only MongoDB has a primary and an oplog; expected \"mongodb\""));
    }
    if topology.members(node).len() < 2 {
        return Err(problem(key, alone(node)));
    }
    Ok(())
}

fn alone(node: Node) -> String {
    match node {
        Node::Mongodb => "there is one mongodb, without peers; three are there with `mongodb.nodes = 3`".to_owned(),
        Node::Kafka => "there is one kafka, without peers; three are there with `kafka.brokers = 3`".to_owned(),
    }
}

fn is_known(key: &'static str, name: &str, topology: &Topology) -> Result<(), FaultProblem> {
    if let Ok(role) = name.parse::<Role>() {
        return is_played(key, &role, topology);
    }
    let known = topology.targets();
    // A broker's ports are dialled by its peers alone.
    let server = name.split(':').next().unwrap_or(name);
    let is_port = server != name && topology.links().iter().any(|link| link.server == name);
    if is_port || known.iter().any(|target| target == name) {
        return Ok(());
    }
    let known: Vec<String> = known.into_iter().chain(roles_of_clusters(topology)).collect();
    let nearest = known.iter().map(|target| (distance(name, target), target)).min();
    let hint = match nearest {
        Some((edits, target)) if edits <= 1 + name.chars().count() / 3 => format!("did you mean `{target}`? "),
        _ => String::new(),
    };
    Err(problem(key, format!("no variant has `{name}`; {hint}there are: {}", known.join(", "))))
}

/// Roles that change hands, where several servers can play them.
fn roles_of_clusters(topology: &Topology) -> impl Iterator<Item = String> {
    let roles = [
        (Node::Mongodb, ["primary", "secondary"]),
        (Node::Kafka, ["leader:<topic>-<partition>", "follower:<topic>-<partition>"]),
    ];
    let played = roles.into_iter().filter(|(node, _)| topology.members(*node).len() > 1);
    played.flat_map(|(_, roles)| roles).map(str::to_owned)
}

/// Whether somebody can play this role.
fn is_played(key: &'static str, role: &Role, topology: &Topology) -> Result<(), FaultProblem> {
    let node = node_of(role);
    if topology.members(node).is_empty() {
        return Err(problem(key, format!("`{role}` is a role in {}, which this workload does not use", node.name())));
    }
    let (Role::Leader { topic, partition } | Role::Follower { topic, partition }) = role else { return Ok(()) };
    match topology.partitions(topic) {
        None => Err(problem(key, format!("`{role}`: this workload has no topic {topic}"))),
        Some(count) if i64::from(*partition) >= i64::from(count) => {
            Err(problem(key, format!("`{role}`: {topic} has {count} partitions, counted from 0")))
        }
        Some(_) => Ok(()),
    }
}

fn no_link(client: &str, server: &str, topology: &Topology) -> String {
    if !topology.links_between(server, client).is_empty() {
        return format!("`{client}` does not dial `{server}`, it is the other way: [\"{server}\", \"{client}\"]");
    }
    let links: Vec<String> = topology.links().iter().map(ToString::to_string).collect();
    format!("`{client}` does not dial `{server}` in any variant; there are: {}", links.join(", "))
}

/// Levenshtein's edit distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, &to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests;
