//! Axis `write`: three ways to change the state **and** to see to it that an event tells of it.

mod dual_write;
mod event_first;
mod half;
mod outbox;

use serde::Serialize;

use super::stock::{Receipt, Refusal};
use super::{Api, Purchase};
use crate::service::backoff::Contention;
use crate::service::database::REQUEST_TIMEOUT;

/// The values of the axis.
#[expect(clippy::enum_variant_names, reason = "the patterns are called so everywhere")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Write {
    /// See [`dual_write`]: broken.
    DualWrite,
    /// See [`event_first`]: broken.
    EventFirst,
    /// See [`outbox`].
    Outbox,
}

/// What a client is told about its purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Answer {
    #[serde(flatten)]
    receipt: Receipt,
    #[serde(flatten)]
    contention: Contention,
}

/// Why a client is told no.
#[derive(Debug)]
pub(super) enum Failure {
    /// It certainly had no effect.
    Refused(Refusal),
    /// Something was away or took too long; whether it had an effect is not known.
    Unavailable(anyhow::Error),
}

impl Write {
    /// Carries out one purchase.
    pub(super) async fn purchase(self, api: &Api, purchase: &Purchase) -> Result<Answer, Failure> {
        match self {
            Self::DualWrite => dual_write::purchase(api, purchase).await,
            Self::EventFirst => event_first::purchase(api, purchase).await,
            Self::Outbox => outbox::purchase(api, purchase).await,
        }
    }
}

impl From<mongodb::error::Error> for Failure {
    fn from(error: mongodb::error::Error) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<tokio::time::error::Elapsed> for Failure {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self::Unavailable(anyhow::anyhow!("MongoDB took longer than {REQUEST_TIMEOUT:?}"))
    }
}
