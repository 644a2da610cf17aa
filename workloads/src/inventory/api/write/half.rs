//! The two halves of a write to two servers, each on its own: take the stock, publish the event. Which comes first is the
//! caller's pattern.

use mongodb::ClientSession;
use mongodb::error::Result as DatabaseResult;
use tokio::time::timeout;
use uuid::Uuid;

use super::Failure;
use crate::inventory::api::stock::Attempt;
use crate::inventory::api::{Api, Purchase};
use crate::inventory::event::{Event, Purchased};
use crate::service::backoff::{Backoff, Contention};
use crate::service::database::REQUEST_TIMEOUT;
use crate::service::now;
use crate::service::transaction::{self, Body, Step};

/// Takes the stock, alone or in a transaction, as often as other writers make it necessary.
pub(super) async fn take(api: &Api, purchase: &Purchase) -> Result<(Attempt, Contention), Failure> {
    Ok(timeout(REQUEST_TIMEOUT, attempts(api, purchase)).await??)
}

async fn attempts(api: &Api, purchase: &Purchase) -> DatabaseResult<(Attempt, Contention)> {
    let stock = api.patterns.stock;
    if stock.needs_transaction() {
        return transaction::run(&api.store.client, &api.store.concern, &Take { api, purchase }).await;
    }

    let mut contention = Contention::default();
    loop {
        let attempt = stock.attempt(&api.store, None, purchase).await?;
        if attempt != Attempt::Overtaken {
            return Ok((attempt, contention));
        }
        contention.conflicts += 1;
        contention.retries += 1;
        Backoff::COMPARE_AND_SET.wait(contention.retries).await;
    }
}

/// The transaction around a way to take stock that needs one; the event stays outside.
struct Take<'a> {
    api: &'a Api,
    purchase: &'a Purchase,
}

impl Body for Take<'_> {
    type Output = Attempt;

    async fn run(&self, session: &mut ClientSession) -> DatabaseResult<Step<Attempt>> {
        Ok(match self.api.patterns.stock.attempt(&self.api.store, Some(session), self.purchase).await? {
            Attempt::Overtaken => Step::Again,
            taken @ Attempt::Taken(_) => Step::Commit(taken),
            other => Step::RollBack(other),
        })
    }
}

/// Sends the event and waits for its acknowledgement. An error does not mean that the event is not in the log. The version
/// is that of the product after the purchase, where it is known already.
pub(super) async fn publish(api: &Api, purchase: &Purchase, version: Option<i64>) -> Result<(), String> {
    let event = Event {
        id: Uuid::new_v4().to_string(),
        time: now(),
        traceparent: purchase.traceparent.clone(),
        data: Purchased {
            product: purchase.product.clone(),
            quantity: purchase.quantity,
            version,
            operation: purchase.operation.clone(),
        },
    };
    let payload = event.payload();
    let publisher = api.publisher.as_ref().expect("this pattern opens it");
    let send = publisher.send(event.key(), &payload, event.headers());
    match timeout(REQUEST_TIMEOUT, send).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(format!("Kafka took longer than {REQUEST_TIMEOUT:?}")),
    }
}
