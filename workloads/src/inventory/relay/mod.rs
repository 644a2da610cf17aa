//! The service `relay`: carries events from the outbox to Kafka. One instance runs at a time.
//!
//! There is one way so far, [`polling`].

mod polling;

use anyhow::{Context, Result};
use axum::Router;

use crate::inventory::outbox::{self, OUTBOX, Row};
use crate::service::database;
use crate::service::environment::{Environment, variable};
use crate::service::kafka::{Acks, Publisher};
use crate::service::lifecycle::{self, Readiness, Shutdown};
use crate::service::log;

/// Which pattern to publish by.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Arguments {
    /// How rows are found and published.
    #[arg(long, value_enum)]
    relay: Relay,
    /// How many brokers have an event before its row counts as published.
    #[arg(long, value_enum, default_value = "all")]
    acks: Acks,
}

/// The values of the axis `relay`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Relay {
    /// See [`polling`].
    Polling,
}

/// Runs the service until it is told to stop.
pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let environment = Environment::read()?;
    let database = database::open(&environment).await?;
    let outbox = database::majority::<Row>(&database, OUTBOX);
    let publisher = Publisher::open(&environment, variable("PURCHASES_TOPIC")?, arguments.acks)?;
    log!("{} publishes with {arguments:?}", environment.service_instance);

    let readiness = Readiness::starting();
    let warm_up = async || {
        database::prepare(&environment, &database, &[OUTBOX]).await?;
        outbox::create_indexes(&outbox).await.context("failed to index the outbox")?;
        publisher.warm_up().await
    };
    let work = async |mut shutdown: Shutdown| {
        tokio::select! {
            () = readiness.prepare(warm_up) => readiness.declare(),
            () = shutdown.requested() => return Ok(()),
        }
        match arguments.relay {
            Relay::Polling => polling::run(&outbox, &publisher, shutdown).await,
        }
        Ok(())
    };
    lifecycle::run(&environment, Router::new(), readiness.clone(), work).await?;
    publisher.flush().await
}
