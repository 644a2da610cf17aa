//! `--env external`, and `torn external`: servers that somebody else runs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use clap::{Args, Subcommand, ValueEnum};
use tokio_util::sync::CancellationToken;

use super::exit::{Exit, Failure};
use super::run::unless_interrupted;
use crate::environment::docker::{Docker, Images};
use crate::environment::external::{External, ExternalError, Given, GivenKafka, MongodbUri, Server, Wanted, Way};
use crate::environment::local::Cache;
use crate::environment::local::install::{self, Lacking};
use crate::environment::{Kind, Needs};
use crate::run::{Sharing, ground};
use crate::scenario::manifest::Node;
use crate::scenario::resolved::Resolved;
use crate::secret::Secret;
use crate::witness::preflight::{Leftovers, find_leftovers, remove_run_database, remove_topics};

/// How long the removal of what runs left may take.
const REMOVE_WITHIN: Duration = Duration::from_secs(60);

/// Which servers a run works on.
#[derive(Debug, Clone, Args)]
pub(super) struct EnvironmentOptions {
    /// Where the servers come from [default: local where its stack is installed or can be, else docker]
    #[arg(long, value_enum)]
    env: Option<EnvironmentName>,
    /// Servers that you run yourself, for --env external: how to reach them [default: $`TORN_EXTERNAL`, else the variables
    /// `TORN_MONGODB_URI` and `TORN_KAFKA_…`]
    #[arg(long, value_name = "FILE")]
    external: Option<PathBuf>,
    /// Run without the faults that are not possible on these servers
    #[arg(long)]
    possible_faults: bool,
}

/// What brings the dependencies up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EnvironmentName {
    /// Child processes of the run.
    Local,
    /// Containers of this machine's Docker.
    Docker,
    /// Servers that you run yourself.
    External,
}

impl EnvironmentOptions {
    /// Looks at the servers, and gives every scenario what is there. Nothing is started; the local stack is installed where
    /// nobody said otherwise and it is not there.
    ///
    /// # Errors
    /// When they cannot be used or installed, or a fault is not possible on them.
    pub(super) async fn choose(
        &self,
        scenarios: &mut [&mut Vec<Resolved>],
        is_quiet: bool,
        cancellation: &CancellationToken,
    ) -> Result<Kind, Failure> {
        if self.env != Some(EnvironmentName::External) {
            if self.external.is_some() {
                return Err(Failure::usage(anyhow!("--external goes with --env external; add it, or leave both out")));
            }
            return self.choose_here(scenarios, is_quiet, cancellation).await;
        }
        let all = || scenarios.iter().flat_map(|variants| variants.iter());
        let mut wanted = Wanted::default();
        for resolved in all() {
            wanted.nodes.extend(resolved.nodes());
            wanted.members = wanted.members.max(resolved.scenario.mongodb.nodes);
            wanted.brokers = wanted.brokers.max(resolved.scenario.kafka.brokers);
        }
        let given = read(self.external.as_deref())?;
        let kind = Kind::External(Arc::new(External::survey(given, &wanted).await.map_err(failure)?));
        if !is_quiet && all().any(|resolved| resolved.scenario.mongodb.oplog_mb.is_some()) {
            eprintln!("torn: mongodb.oplog_mb has no effect: the size of the oplog is the servers' own");
        }
        for resolved in scenarios.iter_mut().flat_map(|variants| variants.iter_mut()) {
            ground::adapt(resolved, &kind);
        }
        self.refuse_impossible(scenarios, &kind)?;
        Ok(kind)
    }

    /// Processes or containers of this machine.
    async fn choose_here(
        &self,
        scenarios: &[&mut Vec<Resolved>],
        is_quiet: bool,
        cancellation: &CancellationToken,
    ) -> Result<Kind, Failure> {
        let all = || scenarios.iter().flat_map(|variants| variants.iter());
        let tell = |line: &str| {
            if !is_quiet {
                eprintln!("torn: {line}");
            }
        };
        let kind = match self.env {
            Some(EnvironmentName::Docker) => Kind::Docker,
            Some(_) => Kind::Local,
            None if all().all(|resolved| resolved.nodes().is_empty()) => Kind::Local,
            None => tokio::select! {
                kind = default_kind(tell) => kind?,
                () = cancellation.cancelled() => return Err(anyhow!("nothing was run").into()),
            },
        };
        let clustered = all().find(|resolved| resolved.scenario.has_cluster());
        if let Some(resolved) = clustered.filter(|_| kind == Kind::Docker) {
            return Err(Failure::usage(anyhow!(
                "{}: containers are one server of each kind; run it with --env local, or with mongodb.nodes = 1 and \
                 kafka.brokers = 1",
                resolved.name
            )));
        }
        if kind == Kind::Docker {
            look_at_docker(all()).await?;
        }
        Ok(kind)
    }

    /// One line for each fault that is not possible, however many variants have it.
    fn refuse_impossible(&self, scenarios: &[&mut Vec<Resolved>], kind: &Kind) -> Result<(), Failure> {
        let mut lines: Vec<String> = Vec::new();
        for variants in scenarios {
            for impossible in ground::impossible(variants, Sharing::of(variants), kind)? {
                let scenario = &variants[0].name;
                let line = format!("{scenario}: {} is not possible here: {}", impossible.what, impossible.reason);
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
        for line in &lines {
            eprintln!("torn: {line}");
        }
        if lines.is_empty() || self.possible_faults {
            return Ok(());
        }
        let what = if lines.len() == 1 { "a fault is" } else { "faults are" };
        Err(anyhow!("{what} not possible on these servers (see above); nothing was run").into())
    }

    /// Whether a run may leave out what is not possible on its servers.
    pub(super) fn leaves_out_impossible(&self) -> bool {
        self.possible_faults
    }

    /// The words that repeat the choice.
    pub(super) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(name) = self.env.and_then(|env| env.to_possible_value()) {
            words.extend(["--env".to_owned(), name.get_name().to_owned()]);
        }
        words.extend(self.external.iter().flat_map(|file| ["--external".to_owned(), file.display().to_string()]));
        words.extend(self.possible_faults.then(|| "--possible-faults".to_owned()));
        words
    }
}

/// Where servers come from when nobody says: processes need least. `tell` is given why, and what is installed for it.
async fn default_kind(tell: impl Fn(&str)) -> Result<Kind, Failure> {
    let missing = match install::lacking().await? {
        Lacking::Nothing => {
            tell("servers: local, as its stack is installed");
            return Ok(Kind::Local);
        }
        Lacking::Servers => {
            tell("servers: local, as its stack can be installed here; that takes minutes, once");
            install::install(&Cache::from_environment()?, tell).await?;
            return Ok(Kind::Local);
        }
        Lacking::Means(missing) => missing,
    };
    match Docker::probe().await {
        Ok(()) => {
            tell(&format!("servers: docker, as the local stack needs {missing}"));
            Ok(Kind::Docker)
        }
        Err(error) => Err(anyhow!("the local stack needs {missing} (torn doctor says how to get it); {error}").into()),
    }
}

/// Whether a daemon answers, and what it will have to pull: said before it takes minutes.
async fn look_at_docker<'a>(all: impl Iterator<Item = &'a Resolved>) -> Result<(), Failure> {
    Docker::probe().await?;
    let mut needs = Needs { services: vec!["any".to_owned()], ..Needs::default() };
    needs.nodes = all.flat_map(Resolved::nodes).collect();
    for image in Docker::absent_images(&Images::from_environment(), &needs).await? {
        eprintln!("torn: the image {image} is not here; Docker pulls it");
    }
    Ok(())
}

/// `torn external`.
#[derive(Debug, Args)]
pub struct ExternalArguments {
    #[command(subcommand)]
    command: ExternalCommand,
}

#[derive(Debug, Subcommand)]
enum ExternalCommand {
    /// Look at the servers and try what a run would do, in a database and a topic that are removed again
    Check(Servers),
    /// List the databases and topics that runs left behind (after a kill -9), and remove them
    Clean {
        #[command(flatten)]
        servers: Servers,
        /// Remove them; make sure that nobody's run is going on
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
struct Servers {
    /// How to reach them [default: $`TORN_EXTERNAL`, else the variables `TORN_MONGODB_URI` and `TORN_KAFKA_…`]
    #[arg(long, value_name = "FILE")]
    external: Option<PathBuf>,
}

/// How the servers are to be reached.
fn read(file: Option<&Path>) -> Result<Given, Failure> {
    Given::read(file, &|name| std::env::var(name).ok()).map_err(failure)
}

/// A mistake in what was given is wrong usage; all else is what the servers are.
fn failure(error: ExternalError) -> Failure {
    if error.is_usage() { Failure::usage(error) } else { error.into() }
}

/// Carries it out.
///
/// # Errors
/// When the servers cannot be used.
pub async fn run(arguments: ExternalArguments) -> Result<Exit, Failure> {
    match arguments.command {
        ExternalCommand::Check(servers) => check(read(servers.external.as_deref())?).await,
        ExternalCommand::Clean { servers, yes } => clean(read(servers.external.as_deref())?, yes).await,
    }
}

async fn check(given: Given) -> Result<Exit, Failure> {
    let mut nodes = Vec::new();
    nodes.extend(given.mongodb.is_some().then_some(Node::Mongodb));
    nodes.extend(given.kafka.is_some().then_some(Node::Kafka));
    // To its end, whatever happens: it takes away what it tries.
    let interrupt = tokio::spawn(tokio::signal::ctrl_c());
    let surveyed = External::survey(given, &Wanted { nodes: nodes.clone(), ..Wanted::default() }).await;
    if interrupt.is_finished() {
        return unless_interrupted(surveyed.map(|_| Exit::AsExpected).map_err(failure), true);
    }
    interrupt.abort();
    let external = surveyed.map_err(failure)?;
    for node in nodes {
        let servers: Vec<String> = external.servers(node).iter().map(Server::told).collect();
        let version = match (&external.mongodb, node) {
            (Some(mongodb), Node::Mongodb) => format!(" {}", mongodb.version),
            _ => String::new(),
        };
        println!("{}{version} at {}: a run can work there", node.name(), servers.join(", "));
        match external.way_to(node, 1) {
            Way::None(reason) => println!("  its links cannot be broken: {reason}"),
            Way::Names => println!("  its links can be broken: each service resolves the names to its own"),
            Way::Address => println!("  its links can be broken: each service dials a proxy"),
            Way::Listeners => {
                let spare = external.kafka.as_ref().map_or(0, |kafka| kafka.given.listeners.len());
                println!(
                    "  its links can be broken, for up to {spare} services that dial it: each has a spare listener"
                );
            }
        }
    }
    Ok(Exit::AsExpected)
}

async fn clean(given: Given, yes: bool) -> Result<Exit, Failure> {
    let uri: Option<Secret> = given.mongodb.as_ref().map(MongodbUri::as_given);
    let kafka = given.kafka.as_ref().map(GivenKafka::spec);
    let Leftovers { databases, topics } = find_leftovers(uri.as_ref(), kafka.as_ref()).await?;
    for database in &databases {
        println!("database {database}");
    }
    for topic in &topics {
        println!("topic {topic}");
    }
    if databases.is_empty() && topics.is_empty() {
        println!("no run left anything");
    } else if yes {
        for database in &databases {
            remove_run_database(uri.as_ref().expect("it was asked"), database).await?;
        }
        if let Some(spec) = &kafka {
            let names: Vec<&str> = topics.iter().map(String::as_str).collect();
            remove_topics(spec, &names, Instant::now() + REMOVE_WITHIN).await?;
        }
        println!("removed");
    } else {
        println!("remove them with: torn external clean --yes (make sure that nobody's run is going on)");
    }
    io::Write::flush(&mut io::stdout())?;
    Ok(Exit::AsExpected)
}
