//! A producer that knows when it is ready, and a consumer with a static group membership.
//!
//! The settings matter as much as the code. The default back-off of librdkafka (10 s) would turn a cut of 3 s into an
//! outage of 10 s, so both clients reconnect within half a second. A send that found no broker for 2 s fails instead
//! of waiting for five minutes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::statistics::Statistics;
use rdkafka::{ClientContext, message::OwnedHeaders};
use serde_json::from_slice;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::environment::Environment;
use super::log;

/// How long a send waits for room in the producer's queue.
const QUEUE_WAIT: Duration = Duration::from_millis(500);

/// How long a request for metadata may take.
const METADATA_WITHIN: Duration = Duration::from_secs(2);

/// How long what is still queued may take at the stop: longer than `message.timeout.ms`, after which nothing is left.
const FLUSH_WITHIN: Duration = Duration::from_secs(4);

fn configuration(environment: &Environment) -> ClientConfig {
    let mut configuration = ClientConfig::new();
    configuration
        .set("bootstrap.servers", &environment.kafka_bootstrap_servers)
        .set("client.id", &environment.service_instance)
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        .set_log_level(RDKafkaLogLevel::Warning);
    for (key, value) in &environment.kafka_settings.0 {
        configuration.set(*key, value);
    }
    configuration
}

/// Passes the client's own warnings to the log and tells when the condition for readiness came true.
struct Observer {
    ready: watch::Sender<bool>,
}

impl ClientContext for Observer {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        log!("kafka client: {facility}: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log!("kafka client: {error}: {reason}");
    }

    /// A producer's first send waits half a second for its producer id. Only the statistics tell when it has one.
    fn stats_raw(&self, statistics: &[u8]) {
        if !*self.ready.borrow() && has_producer_id(statistics) {
            self.ready.send_replace(true);
        }
    }
}

impl ConsumerContext for Observer {
    /// A consumer can work once its group has given it a share, be it an empty one.
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(share) => {
                log!("the group assigned {} partitions", share.count());
                self.ready.send_replace(true);
            }
            Rebalance::Revoke(share) => log!("the group revoked {} partitions", share.count()),
            Rebalance::Error(error) => log!("rebalance failed: {error}"),
        }
    }
}

fn has_producer_id(statistics: &[u8]) -> bool {
    from_slice::<Statistics>(statistics)
        .is_ok_and(|statistics| statistics.eos.is_some_and(|state| state.idemp_state == "Assigned"))
}

/// Axis `acks`: which brokers must have a record before its send counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Acks {
    /// Every replica that is in sync, and each record once, however often the connection breaks. With
    /// `min.insync.replicas=2` an acknowledged record survives the loss of any one broker of three. While its leader is
    /// cut off from the others, sends fail instead.
    All,
    /// The leader alone, without idempotence. **Broken when a leader is lost**: an old leader that is cut off from the
    /// others acknowledges what the new one never gets, and throws it away when it comes back.
    One,
}

impl Acks {
    fn configure(self, configuration: &mut ClientConfig) {
        let (acks, is_idempotent) = match self {
            Self::All => ("all", "true"),
            Self::One => ("1", "false"),
        };
        configuration.set("acks", acks).set("enable.idempotence", is_idempotent);
    }

    /// Keeps records of one partition in the order in which they were handed over, however many are under way and however
    /// often they are sent again: none is given up, because those behind it would overtake it.
    fn configure_in_order(self, configuration: &mut ClientConfig) {
        configuration.set("message.timeout.ms", "0").set("socket.timeout.ms", "3000");
        match self {
            // A record that no broker will ever take stops the producer, instead of those behind it going out.
            Self::All => configuration.set("enable.gapless.guarantee", "true"),
            // Without sequence numbers, only a single request at a time keeps the order.
            Self::One => configuration.set("max.in.flight.requests.per.connection", "1"),
        };
    }

    /// Whether sends wait until the producer has an id.
    fn need_producer_id(self) -> bool {
        self == Self::All
    }
}

/// Publishes to one topic.
pub(crate) struct Publisher {
    producer: FutureProducer<Observer>,
    configuration: ClientConfig,
    topic: String,
    acks: Acks,
    ready: watch::Receiver<bool>,
}

/// A record that is to be sent.
pub(crate) struct Outgoing {
    pub(crate) key: String,
    pub(crate) payload: String,
    pub(crate) headers: OwnedHeaders,
}

impl Publisher {
    /// Makes a producer for [`Self::send`]; it begins to dial by itself.
    pub(crate) fn open(environment: &Environment, topic: String, acks: Acks) -> Result<Self> {
        Self::configured(environment, topic, acks, |configuration| {
            configuration.set("message.timeout.ms", "2000");
        })
    }

    /// Makes a producer for [`Self::send_in_order`]; it begins to dial by itself.
    pub(crate) fn open_in_order(environment: &Environment, topic: String, acks: Acks) -> Result<Self> {
        Self::configured(environment, topic, acks, |configuration| acks.configure_in_order(configuration))
    }

    fn configured(
        environment: &Environment,
        topic: String,
        acks: Acks,
        further: impl FnOnce(&mut ClientConfig),
    ) -> Result<Self> {
        let mut configuration = configuration(environment);
        acks.configure(&mut configuration);
        further(&mut configuration);
        configuration.set("linger.ms", "0").set("statistics.interval.ms", "250");
        let (producer, ready) = start(&configuration, acks)?;
        Ok(Self { producer, configuration, topic, acks, ready })
    }

    /// Waits until the topic is known and the producer has its id, where it needs one, so that the first send takes no
    /// longer than the next. Sends nothing. The caller bounds it.
    pub(crate) async fn warm_up(&self) -> Result<()> {
        let (producer, topic) = (self.producer.clone(), self.topic.clone());
        let metadata = spawn_blocking(move || producer.client().fetch_metadata(Some(&topic), METADATA_WITHIN))
            .await?
            .context("Kafka does not answer")?;
        let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        ensure!(partitions > 0, "the topic {} is missing; create it first", self.topic);
        self.ready.clone().wait_for(|ready| *ready).await.context("the producer is gone")?;
        Ok(())
    }

    /// Sends one record and waits for its acknowledgement. An error does not mean that the record is not in the log:
    /// its acknowledgement may be what was lost. Dropping the future takes nothing back either.
    pub(crate) async fn send(&self, key: &str, payload: &str, headers: OwnedHeaders) -> Result<(), KafkaError> {
        let record = FutureRecord::to(&self.topic).key(key).payload(payload).headers(headers);
        self.producer.send(record, QUEUE_WAIT).await.map(|_| ()).map_err(|(error, _)| error)
    }

    /// Sends records one behind the other, without waiting in between, and then waits until what became of each is known,
    /// however long that takes. Tells how many of them, counted from the first, are acknowledged; if not all, why. Of those
    /// behind the first that failed, some may be in the log too, and so may those of a future that was dropped.
    pub(crate) async fn send_in_order(
        &self,
        records: impl IntoIterator<Item = Outgoing>,
    ) -> Result<(), (usize, KafkaError)> {
        let mut deliveries = Vec::new();
        let mut refused = None;
        for record in records {
            let Outgoing { key, payload, headers } = record;
            let record = FutureRecord::to(&self.topic).key(&key).payload(&payload).headers(headers);
            match self.producer.send_result(record) {
                Ok(delivery) => deliveries.push(delivery),
                Err((error, _)) => {
                    refused = Some((deliveries.len(), error));
                    break;
                }
            }
        }
        let mut failed = None;
        for (place, delivery) in deliveries.into_iter().enumerate() {
            let error = match delivery.await {
                Ok(Ok(_)) => continue,
                Ok(Err((error, _))) => error,
                Err(_) => KafkaError::Canceled,
            };
            failed.get_or_insert((place, error));
        }
        failed.or(refused).map_or(Ok(()), Err)
    }

    /// Makes a new producer if this one can do nothing more; an idempotent one stops for good when it can no longer rule
    /// out a gap. What it had not seen acknowledged is the caller's to send again.
    pub(crate) async fn reopen_if_stopped(&mut self) -> Result<()> {
        let Some((_, reason)) = self.producer.client().fatal_error() else { return Ok(()) };
        log!("going on with a new producer: {reason}");
        let (producer, ready) = start(&self.configuration, self.acks)?;
        let stopped = std::mem::replace(&mut self.producer, producer);
        self.ready = ready;
        spawn_blocking(move || drop(stopped)).await?;
        Ok(())
    }

    /// Waits for what is still queued; a producer that is dropped forgets it.
    pub(crate) async fn flush(&self) -> Result<()> {
        let producer = self.producer.clone();
        spawn_blocking(move || producer.flush(FLUSH_WITHIN)).await?.context("failed to send what was still queued")
    }
}

fn start(configuration: &ClientConfig, acks: Acks) -> Result<(FutureProducer<Observer>, watch::Receiver<bool>)> {
    let (sender, ready) = watch::channel(!acks.need_producer_id());
    let producer = configuration
        .create_with_context(Observer { ready: sender })
        .context("KAFKA_BOOTSTRAP_SERVERS cannot be used")?;
    Ok((producer, ready))
}

/// A member of a consumer group that takes up its partitions at once after a crash.
pub(crate) struct Subscription {
    consumer: StreamConsumer<Observer>,
    configuration: ClientConfig,
    topic: String,
    ready: watch::Sender<bool>,
}

impl Subscription {
    /// Joins the group. Offsets are committed every 5 s, and only those that [`Self::done`] named: a crash makes the
    /// log hand out again what was processed since.
    pub(crate) fn open(environment: &Environment, topic: &str, group: &str) -> Result<Self> {
        let mut configuration = configuration(environment);
        configuration
            .set("group.id", group)
            .set("group.protocol", "classic")
            .set("group.instance.id", &environment.service_instance)
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "2000")
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "5000")
            .set("enable.auto.offset.store", "false");
        let ready = watch::Sender::new(false);
        let consumer = join(&configuration, topic, &ready)?;
        Ok(Self { consumer, configuration, topic: topic.to_owned(), ready })
    }

    /// Joins again with a new client, after an error that ended the old one for good. After an outage longer than its
    /// session a static member may fence itself off: it rejoins under a new member id while a request under the old
    /// one is still on its way. What was done since the last commit comes again.
    pub(crate) async fn reopen(&mut self) -> Result<()> {
        let fresh = join(&self.configuration, &self.topic, &self.ready)?;
        close(std::mem::replace(&mut self.consumer, fresh)).await
    }

    /// Turns true once the group has given this member its share. Something must call [`Self::next`] meanwhile.
    pub(crate) fn assigned(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// The next record, in order within its partition. Dropping the future loses none.
    pub(crate) async fn next(&self) -> Result<rdkafka::message::BorrowedMessage<'_>, KafkaError> {
        self.consumer.recv().await
    }

    /// Names a record as processed; the next periodic commit includes it.
    pub(crate) fn done(&self, record: &rdkafka::message::BorrowedMessage<'_>) -> Result<(), KafkaError> {
        self.consumer.store_offset_from_message(record)
    }

    /// Commits what is done and closes the consumer; it stays a member, so a restart within the session timeout
    /// causes no rebalance.
    pub(crate) async fn close(self) -> Result<()> {
        close(self.consumer).await
    }
}

fn join(configuration: &ClientConfig, topic: &str, ready: &watch::Sender<bool>) -> Result<StreamConsumer<Observer>> {
    let consumer: StreamConsumer<Observer> = configuration
        .create_with_context(Observer { ready: ready.clone() })
        .context("KAFKA_BOOTSTRAP_SERVERS cannot be used")?;
    consumer.subscribe(&[topic]).with_context(|| format!("failed to subscribe to {topic}"))?;
    Ok(consumer)
}

async fn close(consumer: StreamConsumer<Observer>) -> Result<()> {
    let closing = spawn_blocking(move || drop(consumer));
    tokio::time::timeout(FLUSH_WITHIN, closing)
        .await
        .context("Kafka did not take the last offsets in time; what was done since the last commit comes again")??;
    Ok(())
}

/// Whether the client can do nothing more after this error: only a new one can.
pub(crate) fn is_final(error: &KafkaError) -> bool {
    matches!(error, KafkaError::MessageConsumptionFatal(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(idempotence: &str) -> Vec<u8> {
        let statistics = Statistics {
            eos: Some(rdkafka::statistics::ExactlyOnceSemantics {
                idemp_state: idempotence.to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        serde_json::to_vec(&statistics).unwrap()
    }

    #[test]
    fn a_producer_that_asks_only_the_leader_is_not_idempotent_and_waits_for_no_id() {
        for (acks, expected) in [(Acks::All, ("all", "true", true)), (Acks::One, ("1", "false", false))] {
            let mut configuration = ClientConfig::new();
            acks.configure(&mut configuration);
            let set = |key| configuration.get(key).unwrap();
            assert_eq!((set("acks"), set("enable.idempotence"), acks.need_producer_id()), expected, "{acks:?}");
        }
    }

    #[test]
    fn a_producer_that_keeps_the_order_gives_no_record_up_and_lets_none_overtake_another() {
        for (acks, guard) in [
            (Acks::All, ("enable.gapless.guarantee", "true")),
            (Acks::One, ("max.in.flight.requests.per.connection", "1")),
        ] {
            let mut configuration = ClientConfig::new();
            acks.configure(&mut configuration);
            acks.configure_in_order(&mut configuration);
            assert_eq!(configuration.get("message.timeout.ms"), Some("0"), "{acks:?}");
            assert_eq!(configuration.get(guard.0), Some(guard.1), "{acks:?}");
            configuration.create_native_config().unwrap_or_else(|error| panic!("{acks:?}: {error}"));
        }
    }

    #[test]
    fn a_producer_is_ready_once_it_has_its_id_and_not_while_it_waits_for_one() {
        assert!(has_producer_id(&statistics("Assigned")));
        assert!(!has_producer_id(&statistics("WaitPID")));
        assert!(!has_producer_id(b"{}"));
    }
}
