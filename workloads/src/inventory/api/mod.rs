//! The service `api`: sells products over HTTP.
//!
//! - `GET /products/{product}`: name, stock and version;
//! - `POST /products/{product}/purchases` with `{"quantity": n}` and an `Idempotency-Key`: 201 with
//!   `{"version", "stock", "conflicts", "retries"}`, 409 when stock is short, 404 for an unknown product, 503 when the
//!   outcome is not known or there is none.
//!
//! [`stock`] holds the four ways to take stock, [`write`](mod@write) the three ways to see to the event, [`read`] the
//! two ways to look a product up; [`write_concern`] and [`read_concern`] say how much of a replica set must agree. Every
//! combination works. [`handler`] is the HTTP side.

mod handler;
mod read;
mod read_concern;
mod stock;
mod write;
mod write_concern;

use std::sync::Arc;

use anyhow::{Context, Result};
use mongodb::bson::Document;
use mongodb::options::WriteConcern;
use mongodb::{Client, Collection, Database};

use crate::inventory::outbox::{self, OUTBOX, Row};
use crate::service::database;
use crate::service::environment::{Environment, variable};
use crate::service::kafka::{Acks, Publisher};
use crate::service::lifecycle::{self, Readiness, Shutdown};
use crate::service::log;
use read::{Cache, Read};
use read_concern::Reads;
use stock::{Order, Receipt, Stock};
use write::Write;
use write_concern::Writes;

/// Which patterns to serve with.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Arguments {
    /// How stock is taken.
    #[arg(long, value_enum)]
    stock: Stock,
    /// How the event gets to the log.
    #[arg(long, value_enum)]
    write: Write,
    /// How products are looked up.
    #[arg(long, value_enum, default_value = "store")]
    read: Read,
    /// How many members have a write before its client is told.
    #[arg(long = "write-concern", value_enum, default_value = "majority")]
    writes: Writes,
    /// How sure a product that is read from the store has to be.
    #[arg(long = "read-concern", value_enum, default_value = "majority")]
    reads: Reads,
    /// How many brokers have an event before its send counts, where it is sent from here.
    #[arg(long, value_enum, default_value = "all")]
    acks: Acks,
}

/// One purchase that a client asks for.
#[derive(Debug, Clone)]
struct Purchase {
    /// Which product.
    product: String,
    /// How many pieces, at least one.
    quantity: i64,
    /// The operation id: the client's idempotency key.
    operation: String,
    /// W3C trace context of the request.
    traceparent: Option<String>,
}

/// What every request works with.
struct Api {
    patterns: Arguments,
    store: Store,
    /// Only filled where the pattern answers from memory.
    cache: Cache,
    /// Only where the pattern publishes from here.
    publisher: Option<Publisher>,
}

/// The collections of this service.
struct Store {
    client: Client,
    /// Of every write, alone or in a transaction.
    concern: WriteConcern,
    /// `{_id, name, stock, version, lastOperation}`; each change raises `version` by one.
    products: Collection<Receipt>,
    orders: Collection<Order>,
    outbox: Collection<Row>,
}

/// Runs the service until it is told to stop.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let environment = Environment::read()?;
    let database = database::open(&environment).await?;
    let publisher = match arguments.write {
        Write::DualWrite | Write::EventFirst => {
            Some(Publisher::open(&environment, variable("PURCHASES_TOPIC")?, arguments.acks)?)
        }
        Write::Outbox => None,
    };
    let store = Store::open(&database, arguments.writes.concern());
    let api = Arc::new(Api { patterns: arguments, store, cache: Cache::default(), publisher });
    log!("{} serves with {arguments:?}", environment.service_instance);

    let readiness = Readiness::starting();
    let router = handler::router(Arc::clone(&api));
    let work = async |mut shutdown: Shutdown| {
        tokio::select! {
            () = readiness.prepare(async || api.warm_up(&environment, &database).await) => readiness.declare(),
            () = shutdown.requested() => {}
        }
        Ok(())
    };
    lifecycle::run(&environment, router, readiness.clone(), work).await?;
    match &api.publisher {
        Some(publisher) => publisher.flush().await,
        None => Ok(()),
    }
}

impl Api {
    /// Makes sure of everything that the first request would otherwise have to wait for.
    async fn warm_up(&self, environment: &Environment, database: &Database) -> Result<()> {
        database::prepare(environment, database, &[stock::PRODUCTS, stock::ORDERS, OUTBOX]).await?;
        outbox::create_indexes(&self.store.outbox).await.context("failed to index the outbox")?;
        match &self.publisher {
            Some(publisher) => publisher.warm_up().await,
            None => Ok(()),
        }
    }
}

impl Store {
    fn open(database: &Database, concern: WriteConcern) -> Self {
        Self {
            client: database.client().clone(),
            products: database::collection(database, stock::PRODUCTS, concern.clone()),
            orders: database::collection(database, stock::ORDERS, concern.clone()),
            outbox: database::collection(database, OUTBOX, concern.clone()),
            concern,
        }
    }

    /// The products as whole documents.
    fn product_documents(&self) -> Collection<Document> {
        self.products.clone_with_type()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parse(further: &[&str]) -> Arguments {
        let arguments = ["api", "--stock", "conditional", "--write", "outbox"];
        Command::try_parse_from(arguments.iter().chain(further)).unwrap_or_else(|error| panic!("{error}")).arguments
    }

    #[test]
    fn nothing_less_than_a_majority_is_asked_unless_told_so() {
        let default = parse(&[]);
        assert_eq!(default.writes.concern(), WriteConcern::majority());
        assert_eq!(default.reads.concern(), mongodb::options::ReadConcern::majority());
        assert_eq!(default.acks, Acks::All);
    }

    #[test]
    fn each_pattern_of_writing_goes_with_each_way_to_take_stock() {
        use clap::ValueEnum;
        for write in Write::value_variants() {
            for stock in Stock::value_variants() {
                let name = |value: Option<clap::builder::PossibleValue>| value.unwrap().get_name().to_owned();
                let (stock, write) = (name(stock.to_possible_value()), name(write.to_possible_value()));
                Command::try_parse_from(["api", "--stock", &stock, "--write", &write])
                    .unwrap_or_else(|error| panic!("{stock}, {write}: {error}"));
            }
        }
    }

    #[test]
    fn only_a_linearizable_read_is_bounded_at_the_server_because_only_it_waits_for_others() {
        let within = |concern| parse(&["--read-concern", concern]).reads.confirmed_within();
        assert_eq!([within("local"), within("majority")], [None, None]);
        assert!(within("linearizable").is_some());
        assert_eq!(parse(&["--write-concern", "one"]).writes.concern().w, Some(1.into()));
    }
}
