//! The service `projector`: reads the log and keeps the view `sales`, `{_id, sold, purchases, lastEvent,
//! lastOperation, lastPartition, lastOffset}` for each product.
//!
//! [`naive`] and [`inbox`] are the two ways to apply an event. Everything else is the same for both: an event's offset
//! is stored only after it was applied, stored offsets are committed every 5 s, and so a crash makes the log hand out
//! again up to 5 s of events. What differs is whether that does harm.

mod inbox;
mod naive;

use std::fmt::{self, Display, Formatter};
use std::future::pending;

use anyhow::{Context, Result};
use axum::Router;
use mongodb::bson::{Document, doc};
use mongodb::{Collection, Database};
use rdkafka::message::{BorrowedMessage, Message};
use tokio::time::timeout;

use crate::inventory::event::Event;
use crate::service::backoff::Backoff;
use crate::service::database::{self, REQUEST_TIMEOUT};
use crate::service::environment::{Environment, variable};
use crate::service::kafka::{Subscription, is_final};
use crate::service::lifecycle::{self, Readiness, Shutdown};
use crate::service::log;
use crate::service::predecessor;

const SALES: &str = "sales";
const INBOX: &str = "inbox";

/// Which pattern to consume by.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Arguments {
    /// How an event is applied.
    #[arg(long, value_enum)]
    consumer: Consumer,
}

/// The values of the axis `consumer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Consumer {
    /// See [`naive`]: broken.
    Naive,
    /// See [`inbox`].
    Inbox,
}

/// The collections of this service. All writes are acknowledged by a majority.
struct Store {
    environment: Environment,
    database: Database,
    /// The consumer's name in the inbox: two consumers of one event each have to apply it.
    consumer: String,
    sales: Collection<Document>,
    inbox: Collection<Document>,
}

/// Runs the service until it is told to stop.
pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let environment = Environment::read()?;
    let database = database::open(&environment).await?;
    let store = Store::open(&database, &environment);
    let mut subscription =
        Subscription::open(&environment, &variable("PURCHASES_TOPIC")?, &variable("CONSUMER_GROUP")?)?;
    log!("{} consumes by {:?}", environment.service_instance, arguments.consumer);

    let readiness = Readiness::starting();
    let work = async |mut shutdown: Shutdown| {
        let warm_up = async || database::prepare(&environment, &database, &[SALES, INBOX]).await;
        tokio::select! {
            () = readiness.prepare(warm_up) => {}
            () = shutdown.requested() => return Ok(()),
        }
        // The group gives out its partitions only to a member that is already reading.
        let assigned = subscription.assigned();
        let share = async || {
            assigned.clone().wait_for(|is_assigned| *is_assigned).await.context("the consumer is gone")?;
            Ok(())
        };
        tokio::select! {
            consumed = consume(&store, arguments.consumer, &mut subscription, shutdown) => consumed,
            never = async { readiness.prepare(share).await; readiness.declare(); pending().await } => never,
        }
    };
    lifecycle::run(&environment, Router::new(), readiness.clone(), work).await?;
    subscription.close().await
}

/// Applies one record after another until the stop is asked for.
async fn consume(
    store: &Store,
    consumer: Consumer,
    subscription: &mut Subscription,
    mut shutdown: Shutdown,
) -> Result<()> {
    while !shutdown.is_requested() {
        let error = tokio::select! {
            received = subscription.next() => match received {
                Ok(record) => {
                    tokio::select! {
                        () = process(store, consumer, subscription, &record) => continue,
                        () = shutdown.requested() => break,
                    }
                }
                Err(error) => error,
            },
            () = shutdown.requested() => break,
        };
        log!("no record for now: {error}");
        Backoff::OUTAGE.wait(1).await;
        if is_final(&error) {
            log!("joining the group again with a new client");
            subscription.reopen().await?;
        }
    }
    Ok(())
}

/// Applies one record, however long that takes, and only then stores its offset. Later records of the partition wait:
/// skipping ahead would lose this one.
async fn process(store: &Store, consumer: Consumer, subscription: &Subscription, record: &BorrowedMessage<'_>) {
    let place = Place { partition: record.partition(), offset: record.offset() };
    match Event::read(record) {
        Ok(event) => apply(store, consumer, &event, place).await,
        // Nobody else writes to this topic. A record that cannot be read now cannot be read later.
        Err(error) => log!("skipped {place}: {error:#}"),
    }
    if let Err(error) = subscription.done(record) {
        log!("{place} will come again, its partition may have moved to another member: {error}");
    }
}

async fn apply(store: &Store, consumer: Consumer, event: &Event, place: Place) {
    let mut retry = 0;
    loop {
        let attempt = async {
            match consumer {
                Consumer::Naive => naive::apply(store, event, place).await,
                Consumer::Inbox => inbox::apply(store, event, place).await,
            }
        };
        let obstacle = match timeout(REQUEST_TIMEOUT, attempt).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => format!("{:#}", anyhow::Error::from(error)),
            Err(_) => format!("MongoDB took longer than {REQUEST_TIMEOUT:?}"),
        };
        log!("{place} is not applied yet: {obstacle}");
        retry += 1;
        Backoff::OUTAGE.wait(retry).await;
        // A transaction that was given up while the server was out of reach is still open there and would be in the
        // way. Records are applied one at a time, so none of this instance's transactions is still wanted.
        let clearing = predecessor::end_transactions(&store.environment, &store.database);
        timeout(REQUEST_TIMEOUT, clearing).await.ok();
    }
}

impl Store {
    fn open(database: &Database, environment: &Environment) -> Self {
        Self {
            environment: environment.clone(),
            database: database.clone(),
            consumer: environment.service_name.clone(),
            sales: database::majority(database, SALES),
            inbox: database::majority(database, INBOX),
        }
    }
}

/// Where in the log a record lies.
#[derive(Debug, Clone, Copy)]
struct Place {
    partition: i32,
    offset: i64,
}

impl Display for Place {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "offset {} of partition {}", self.offset, self.partition)
    }
}

/// What an event does to the view: it counts, and it leaves its name and its place in the log in the same write.
fn sale(event: &Event, place: Place) -> Document {
    doc! {
        "$inc": { "sold": event.data.quantity, "purchases": 1_i64 },
        "$set": {
            "lastEvent": &event.id,
            "lastOperation": &event.data.operation,
            "lastPartition": place.partition,
            "lastOffset": place.offset,
        },
    }
}
