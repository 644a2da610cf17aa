//! The service `relay`: carries events from the outbox to Kafka. One instance runs at a time.
//!
//! There are two ways, [`polling`] and [`change_stream`]; [`backlog`] is what they share.

mod backlog;
mod change_stream;
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
    /// See [`change_stream`].
    ChangeStream,
}

/// Runs the service until it is told to stop.
pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let environment = Environment::read()?;
    let database = database::open(&environment).await?;
    let outbox = database::majority::<Row>(&database, OUTBOX);
    let (topic, acks) = (variable("PURCHASES_TOPIC")?, arguments.acks);
    let mut publisher = match arguments.relay {
        Relay::Polling => Publisher::open(&environment, topic, acks),
        Relay::ChangeStream => Publisher::open_in_order(&environment, topic, acks),
    }?;
    log!("{} publishes with {arguments:?}", environment.service_instance);

    let readiness = Readiness::starting();
    let work = async |mut shutdown: Shutdown| {
        let warm_up = async || {
            database::prepare(&environment, &database, arguments.relay.collections()).await?;
            outbox::create_indexes(&outbox).await.context("failed to index the outbox")?;
            publisher.warm_up().await
        };
        tokio::select! {
            () = readiness.prepare(warm_up) => readiness.declare(),
            () = shutdown.requested() => return Ok(()),
        }
        match arguments.relay {
            Relay::Polling => polling::run(&outbox, &publisher, shutdown).await,
            Relay::ChangeStream => change_stream::run(&database, &outbox, &mut publisher, shutdown).await,
        }
        Ok(())
    };
    lifecycle::run(&environment, Router::new(), readiness.clone(), work).await?;
    match arguments.relay {
        Relay::Polling => publisher.flush().await,
        // What is still queued is not marked either, and comes again after the next start.
        Relay::ChangeStream => Ok(()),
    }
}

impl Relay {
    /// What has to be there before the first row.
    fn collections(self) -> &'static [&'static str] {
        match self {
            Self::Polling => &[OUTBOX],
            Self::ChangeStream => &[OUTBOX, change_stream::POSITIONS],
        }
    }
}
