//! What the user gives together with what a look at the servers found.

use std::net::SocketAddr;

use super::error::ExternalError;
use super::given::{Given, GivenKafka};
use super::uri::MongodbUri;
use super::way::{Means, Server, Way, to_kafka, to_mongodb};
use crate::scenario::manifest::Node;
use crate::secret::Secret;
use crate::witness::KafkaSpec;
use crate::witness::preflight::{PreflightError, Uris, find_brokers, look_at_mongodb, try_kafka};

/// Servers that somebody else runs, already looked at. Nothing of it was started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct External {
    /// The replica set.
    pub mongodb: Option<ExternalMongodb>,
    /// The brokers.
    pub kafka: Option<ExternalKafka>,
    /// What this host allows: found out once, so that a fault that is possible before a run is possible in it.
    pub means: Means,
}

/// A replica set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalMongodb {
    /// How it was given.
    pub uri: MongodbUri,
    /// The set's name.
    pub set: String,
    /// Its members; one where the connection string says so.
    pub servers: Vec<Server>,
    /// `6.0.5`.
    pub version: String,
    /// Whether the user may make the primary step down.
    pub may_step_down: bool,
}

/// A Kafka cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalKafka {
    /// How it was given.
    pub given: GivenKafka,
    /// Its brokers, as they advertise themselves.
    pub servers: Vec<Server>,
    /// How many replicas a topic gets, where a scenario asks for so many brokers; else the cluster's own default.
    pub replication: Option<u32>,
}

/// What runs will ask of the servers.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The dependencies.
    pub nodes: Vec<Node>,
    /// Members of the replica set, at least.
    pub members: u32,
    /// Brokers, at least.
    pub brokers: u32,
}

impl External {
    /// Looks at the servers that are wanted, and tries on them what a run will do.
    ///
    /// # Errors
    /// When one is not given, or not as it must be.
    pub async fn survey(given: Given, wanted: &Wanted) -> Result<Self, ExternalError> {
        let mut external = Self::default();
        if wanted.nodes.contains(&Node::Mongodb) {
            external.mongodb = Some(mongodb(given.mongodb, wanted).await?);
        }
        if wanted.nodes.contains(&Node::Kafka) {
            external.kafka = Some(kafka(given.kafka, wanted).await?);
        }
        external.means = external.look_at_host().await;
        Ok(external)
    }

    /// How services reach a dependency on this host; `dialling` is how many of them dial it.
    pub fn way_to(&self, node: Node, dialling: usize) -> Way {
        let absent = || Way::None("it is not there".to_owned());
        match node {
            Node::Mongodb => self
                .mongodb
                .as_ref()
                .map_or_else(absent, |mongodb| to_mongodb(&mongodb.servers, mongodb.uri.proves_names(), &self.means)),
            Node::Kafka => self
                .kafka
                .as_ref()
                .map_or_else(absent, |kafka| to_kafka(&kafka.servers, &kafka.given.listeners, dialling, &self.means)),
        }
    }

    /// The servers of a dependency.
    pub fn servers(&self, node: Node) -> &[Server] {
        match node {
            Node::Mongodb => self.mongodb.as_ref().map(|mongodb| mongodb.servers.as_slice()),
            Node::Kafka => self.kafka.as_ref().map(|kafka| kafka.servers.as_slice()),
        }
        .unwrap_or_default()
    }

    /// The names of a dependency's servers in scenarios: its own where there is one, else numbered.
    pub fn names(&self, node: Node) -> Vec<String> {
        match self.servers(node).len() {
            1 => vec![node.name().to_owned()],
            count => (1..=count).map(|number| format!("{}-{number}", node.name())).collect(),
        }
    }

    /// A connection string of the harness's own to the whole set.
    pub fn mongodb_uri(&self) -> Option<Secret> {
        let mongodb = self.mongodb.as_ref()?;
        Some(mongodb.told(&mongodb.servers.iter().map(Server::told).collect::<Vec<_>>(), None))
    }

    /// What nobody but the services and the servers may say.
    pub fn passwords(&self) -> Vec<Secret> {
        let of_mongodb = self.mongodb.iter().flat_map(|mongodb| mongodb.uri.passwords());
        of_mongodb.chain(self.kafka.iter().flat_map(|kafka| kafka.given.passwords())).collect()
    }

    /// How the harness itself dials Kafka.
    pub fn kafka_spec(&self) -> Option<KafkaSpec> {
        Some(self.kafka.as_ref()?.spec())
    }
}

impl ExternalMongodb {
    /// A connection string to members at these addresses.
    pub fn told(&self, addresses: &[String], database: Option<&str>) -> Secret {
        match addresses {
            [only] => self.uri.to_member(only, database),
            several => self.uri.to_set(&several.iter().map(String::as_str).collect::<Vec<_>>(), &self.set, database),
        }
    }
}

impl ExternalKafka {
    fn spec(&self) -> KafkaSpec {
        KafkaSpec { replication: self.replication, ..self.given.spec() }
    }
}

impl GivenKafka {
    /// How a client of the harness dials it.
    pub fn spec(&self) -> KafkaSpec {
        KafkaSpec { bootstrap: self.bootstrap.clone(), settings: self.client_settings(), ..KafkaSpec::default() }
    }
}

async fn mongodb(uri: Option<MongodbUri>, wanted: &Wanted) -> Result<ExternalMongodb, ExternalError> {
    let missing = ExternalError::Missing { node: "MongoDB", key: "mongodb.uri", variable: "TORN_MONGODB_URI" };
    let uri = uri.ok_or(missing)?;
    let found = look_at_mongodb(&Uris {
        hosts: &uri.hosts,
        is_direct: uri.is_direct(),
        member: &|host| uri.to_member(host, None),
        passwords: &uri.passwords(),
    })
    .await?;
    let asked = wanted.members;
    if found.members.len() < asked as usize {
        let (found, what, key) = (found.members.len(), "members of the replica set", "mongodb.nodes");
        return Err(ExternalError::TooFew { asked, what, found, key });
    }
    let servers = resolve("MongoDB", &found.members).await?;
    Ok(ExternalMongodb { uri, set: found.set, servers, version: found.version, may_step_down: found.may_step_down })
}

async fn kafka(given: Option<GivenKafka>, wanted: &Wanted) -> Result<ExternalKafka, ExternalError> {
    let missing =
        ExternalError::Missing { node: "Kafka", key: "kafka.bootstrap", variable: "TORN_KAFKA_BOOTSTRAP_SERVERS" };
    let given = given.ok_or(missing)?;
    let asked = wanted.brokers;
    let brokers = find_brokers(&given.spec(), &given.passwords()).await?;
    if brokers.len() < asked as usize {
        let found = brokers.len();
        return Err(ExternalError::TooFew { asked, what: "brokers", found, key: "kafka.brokers" });
    }
    let servers = resolve("Kafka", &brokers).await?;
    let kafka = ExternalKafka { given, servers, replication: (asked > 1).then_some(asked) };
    try_kafka(&kafka.spec()).await?;
    Ok(kafka)
}

/// Where this host finds each server.
async fn resolve(what: &str, told: &[String]) -> Result<Vec<Server>, PreflightError> {
    let mut servers = Vec::new();
    for told in told {
        let unreachable = |reason: String| PreflightError::Unreachable { server: format!("{what} at {told}"), reason };
        let (host, port) = told.rsplit_once(':').ok_or_else(|| unreachable("it tells no port".to_owned()))?;
        let port = port.parse().map_err(|_| unreachable("it tells no port".to_owned()))?;
        let found = tokio::net::lookup_host(told.as_str()).await.map_err(|error| unreachable(error.to_string()))?;
        let mut found: Vec<SocketAddr> = found.collect();
        found.sort_by_key(SocketAddr::is_ipv6);
        let address = *found.first().ok_or_else(|| unreachable("its name has no address".to_owned()))?;
        servers.push(Server { host: host.to_owned(), port, address });
    }
    Ok(servers)
}
