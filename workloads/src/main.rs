//! The built-in systems under test: real services, right and known to be broken, in one binary.
//!
//! Reading order: [`inventory`] holds the services and, one file each, the patterns they differ by; [`service`] holds
//! what every one of them needs (its environment, its connections, the transaction loop, an orderly stop).
//!
//! These programs know nothing of the harness that drives them. They get their addresses from the environment and
//! their pattern from the command line, as any other service would.

mod inventory;
mod service;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use inventory::{api, projector, relay};

/// How long work that blocks (a last flush, a consumer that leaves its group) may go on after everything else ended.
const BLOCKING_WORK_AT_MOST: Duration = Duration::from_secs(1);

/// The built-in services of tornwrite.
#[derive(Debug, Parser)]
#[command(name = "torn-workloads", version, about)]
struct Arguments {
    #[command(subcommand)]
    service: Service,
}

/// One service each.
#[expect(clippy::enum_variant_names, reason = "the name of the workload is part of each command's name")]
#[derive(Debug, Subcommand)]
enum Service {
    /// Sells products over HTTP: takes stock and sees to it that an event tells of it.
    InventoryApi(api::Arguments),
    /// Publishes outbox rows to Kafka.
    InventoryRelay(relay::Arguments),
    /// Folds purchase events into the `sales` view.
    InventoryProjector(projector::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a machine has threads");
    let result = runtime.block_on(async {
        match arguments.service {
            Service::InventoryApi(arguments) => api::run(arguments).await,
            Service::InventoryRelay(arguments) => relay::run(&arguments).await,
            Service::InventoryProjector(arguments) => projector::run(&arguments).await,
        }
    });
    runtime.shutdown_timeout(BLOCKING_WORK_AT_MOST);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            service::log!("stopped: {error:#}");
            ExitCode::FAILURE
        }
    }
}
