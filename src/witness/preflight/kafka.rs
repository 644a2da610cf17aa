//! Kafka before a run: what librdkafka only writes to its log (that a password is wrong, that a certificate is not
//! trusted) is listened for, since its errors all say that no broker is there.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::TOPIC_PREFIX;
use super::error::PreflightError;
use super::leftovers::remove_topics;
use crate::secret::Secret;
use crate::witness::kafka::client_config;
use crate::witness::spec::KafkaSpec;

/// How long the brokers may take to answer for the first time.
const ANSWER_AT_MOST: Duration = Duration::from_secs(8);

/// How long one step of the trial may take; a fresh broker makes its first producer ids and offsets topic slowly.
const STEP_AT_MOST: Duration = Duration::from_secs(20);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks who there is: `host:port` of each broker, as it advertises itself, by its id.
///
/// # Errors
/// When nobody answers, with the reason.
pub async fn find_brokers(spec: &KafkaSpec, passwords: &[Secret]) -> Result<Vec<String>, PreflightError> {
    let (asked, hidden) = (spec.clone(), passwords.to_vec());
    let found = tokio::task::spawn_blocking(move || brokers(&asked, &hidden));
    found.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// Tries what a run will do, with a topic of its own that is removed again.
///
/// # Errors
/// With the first thing that a run would stumble over.
pub async fn try_kafka(spec: &KafkaSpec) -> Result<(), PreflightError> {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let topic = format!("{TOPIC_PREFIX}{}.preflight", &id[..8]);
    create(spec, &topic).await?;
    let used = use_topic(spec, &topic).await;
    let removed = remove_topics(spec, &[&topic], Instant::now() + STEP_AT_MOST).await;
    used?;
    removed.map_err(|error| refusal("delete its own topic", &error.to_string()))
}

/// Hears what the client library says.
#[derive(Clone, Default)]
struct Ears(Arc<Mutex<Vec<String>>>);

impl Ears {
    fn take_in(&self, text: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    fn heard(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Ears {
    fn log(&self, _: RDKafkaLogLevel, _: &str, message: &str) {
        self.take_in(message.to_owned());
    }

    fn error(&self, _: KafkaError, reason: &str) {
        self.take_in(reason.to_owned());
    }
}

impl ConsumerContext for Ears {}

/// Who there is, or why nobody answers. Blocks.
fn brokers(spec: &KafkaSpec, passwords: &[Secret]) -> Result<Vec<String>, PreflightError> {
    let server = format!("Kafka at {}", spec.bootstrap);
    let ears = Ears::default();
    let mut config = client_config(spec);
    config.set_log_level(RDKafkaLogLevel::Info);
    let handle: BaseConsumer<Ears> = config.create_with_context(ears.clone()).map_err(|error| {
        PreflightError::Failed { server: "Kafka", doing: "be dialled".into(), reason: error.to_string() }
    })?;
    let deadline = Instant::now() + ANSWER_AT_MOST;
    loop {
        match handle.fetch_metadata(None, Duration::from_secs(1)) {
            Ok(metadata) => {
                let mut brokers: Vec<_> = metadata.brokers().iter().collect();
                brokers.sort_by_key(|broker| broker.id());
                return Ok(brokers.iter().map(|broker| format!("{}:{}", broker.host(), broker.port())).collect());
            }
            Err(error) => {
                // Polled, the client tells what it has met.
                while handle.poll(PAUSE).is_some() {}
                let heard: Vec<String> = ears
                    .heard()
                    .iter()
                    .map(|said| passwords.iter().fold(said.clone(), |said, password| password.hidden_in(&said)))
                    .collect();
                let cause = heard.iter().find_map(|said| cause(&server, said));
                if let Some(cause) = cause {
                    return Err(cause);
                }
                if Instant::now() >= deadline {
                    // Whoever hangs up on the very first question expected another protocol.
                    if let Some(said) = heard.iter().find(|said| said.contains("APIVERSION_QUERY")) {
                        return Err(PreflightError::Protocol { server, reason: plain(said), key: "security_protocol" });
                    }
                    // That all are down is what follows from the cause.
                    let told = heard.iter().rfind(|said| !said.contains("brokers are down"));
                    let reason = told.map_or_else(|| error.to_string(), |said| plain(said));
                    return Err(PreflightError::Unreachable { server, reason });
                }
            }
        }
    }
}

/// What a line of the library's log tells that trying again does not change.
fn cause(server: &str, said: &str) -> Option<PreflightError> {
    let (server, reason, lower) = (server.to_owned(), plain(said), said.to_lowercase());
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    if has(&["authentication failed", "authentication error", "authentication failure", "invalid credentials"]) {
        return Some(PreflightError::Credentials { server, reason });
    }
    if has(&["unsupported sasl mechanism", "mechanism handshake failed"]) {
        return Some(PreflightError::Protocol { server, reason, key: "sasl_mechanism" });
    }
    if has(&["certificate verify failed", "broker certificate could not be verified", "certificate"]) {
        return Some(PreflightError::Tls { server, reason, key: "ca_location" });
    }
    if has(&[
        "ssl handshake failed",
        "wrong version number",
        "incorrect security.protocol",
        "connecting to a ssl listener",
    ]) {
        return Some(PreflightError::Protocol { server, reason, key: "security_protocol" });
    }
    None
}

/// A line of the library's log without the parts that name its thread and handle.
fn plain(said: &str) -> String {
    let said = said.rsplit_once("bootstrap: ").map_or(said, |(_, rest)| rest);
    said.trim().to_owned()
}

async fn create(spec: &KafkaSpec, topic: &str) -> Result<(), PreflightError> {
    let doing = "create a topic";
    let admin: AdminClient<DefaultClientContext> =
        client_config(spec).create().map_err(|error| refusal(doing, &error.to_string()))?;
    let replication = spec.replication.and_then(|count| i32::try_from(count).ok()).unwrap_or(-1);
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(replication))
        .set("retention.ms", "-1")
        .set("retention.bytes", "-1")
        .set("cleanup.policy", "delete");
    let options = AdminOptions::new().request_timeout(Some(STEP_AT_MOST)).operation_timeout(Some(STEP_AT_MOST));
    let made = admin.create_topics([&new], &options).await.map_err(|error| refusal(doing, &error.to_string()))?;
    for made in made {
        made.map_err(|(_, code)| by_code(doing, code))?;
    }
    Ok(())
}

/// Writes a record as a careful service does, reads it, and asks for a group's offsets.
async fn use_topic(spec: &KafkaSpec, topic: &str) -> Result<(), PreflightError> {
    let doing = "write to its own topic";
    let producer: FutureProducer = client_config(spec)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", STEP_AT_MOST.as_millis().to_string())
        .create()
        .map_err(|error| refusal(doing, &error.to_string()))?;
    let record = FutureRecord::to(topic).key("torn").payload("preflight");
    if let Err((error, _)) = producer.send(record, STEP_AT_MOST).await {
        return Err(error
            .rdkafka_error_code()
            .map_or_else(|| refusal(doing, &error.to_string()), |code| by_code(doing, code)));
    }
    let (spec, topic) = (spec.clone(), topic.to_owned());
    let read = tokio::task::spawn_blocking(move || read_back(&spec, &topic));
    read.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

fn read_back(spec: &KafkaSpec, topic: &str) -> Result<(), PreflightError> {
    let failed = |doing: &str, error: &KafkaError| {
        error.rdkafka_error_code().map_or_else(|| refusal(doing, &error.to_string()), |code| by_code(doing, code))
    };
    let (doing, group) = ("read its own topic", topic.to_owned());
    let consumer: BaseConsumer = client_config(spec)
        .set("group.id", group)
        .set("auto.offset.reset", "error")
        .create()
        .map_err(|error| failed(doing, &error))?;
    let mut from_the_start = TopicPartitionList::new();
    from_the_start.add_partition_offset(topic, 0, Offset::Offset(0)).map_err(|error| failed(doing, &error))?;
    consumer.assign(&from_the_start).map_err(|error| failed(doing, &error))?;
    let deadline = Instant::now() + STEP_AT_MOST;
    loop {
        match consumer.poll(PAUSE) {
            Some(Ok(_)) => break,
            Some(Err(error)) if is_refusal(&error) => return Err(failed(doing, &error)),
            _ if Instant::now() > deadline => return Err(refusal(doing, "the record did not come")),
            _ => {}
        }
    }
    let doing = "ask for the offsets of a consumer group of its own";
    loop {
        match consumer.committed_offsets(from_the_start.clone(), STEP_AT_MOST) {
            Ok(_) => return Ok(()),
            // A fresh broker finds out only now who keeps a group's offsets.
            Err(error) if is_passing(&error) && Instant::now() < deadline => std::thread::sleep(PAUSE),
            Err(error) => return Err(failed(doing, &error)),
        }
    }
}

fn is_passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator};
    let passing = [CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator];
    error.rdkafka_error_code().is_some_and(|code| passing.contains(&code))
}

fn is_refusal(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{GroupAuthorizationFailed, TopicAuthorizationFailed};
    matches!(error.rdkafka_error_code(), Some(TopicAuthorizationFailed | GroupAuthorizationFailed))
}

/// What a code means for a user.
fn by_code(doing: &str, code: RDKafkaErrorCode) -> PreflightError {
    use RDKafkaErrorCode as Code;
    let (doing, reason) = (doing.to_owned(), code.to_string());
    let remedy = match code {
        Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed => {
            let right = "Create, Describe, Write, Read and Delete on topics, and Describe and Read on groups, whose names \
                         begin with \"torn-\" (a prefixed ACL)";
            return PreflightError::NoRight { server: "Kafka", doing, reason, right };
        }
        Code::PolicyViolation => {
            "the cluster's create.topic.policy forbids it: let it pass topics that begin with \"torn-\""
        }
        Code::InvalidReplicationFactor => {
            "the cluster has fewer brokers than replicas are asked for, by the scenario or by its own \
             default.replication.factor: start more, or lower it"
        }
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => {
            "its min.insync.replicas is higher than the replicas that are there: raise default.replication.factor"
        }
        Code::UnsupportedVersion | Code::UnsupportedFeature => "it is older than 2.4, the oldest that is supported",
        _ => "look at the brokers' logs",
    };
    PreflightError::Refused { doing, reason, remedy }
}

fn refusal(doing: &str, reason: &str) -> PreflightError {
    PreflightError::Failed { server: "Kafka", doing: doing.to_owned(), reason: reason.to_owned() }
}
