//! `dual-write`: change the state in `MongoDB`, then send the event to Kafka. **Broken.**
//!
//! *What it does*: takes the stock; once that is committed, sends the event and waits for its acknowledgement. A send
//! that fails is written to the log, and the client is told that all went well: the purchase did.
//!
//! *What it promises*: that the event follows, as long as nothing happens between the two.
//!
//! *How it breaks*: there is no transaction across two servers. When the process is killed between them, when Kafka is
//! away for longer than a send may take, or when the answer of `MongoDB` is lost although it has committed, the state
//! has changed and no event ever tells of it (a lost event). Nothing remains from which it could be sent later. And two
//! requests for one product may overtake each other between their commit and their send (reordered events).
//!
//! Sending first would only turn it round: events of purchases that never were.

use mongodb::ClientSession;
use mongodb::error::Result as DatabaseResult;
use tokio::time::timeout;
use uuid::Uuid;

use super::{Answer, Failure};
use crate::inventory::api::stock::{Attempt, Receipt};
use crate::inventory::api::{Api, Purchase};
use crate::inventory::event::{Event, Purchased};
use crate::service::backoff::{Backoff, Contention};
use crate::service::database::REQUEST_TIMEOUT;
use crate::service::transaction::{self, Body, Step};
use crate::service::{log, now};

/// Takes the stock, then publishes.
pub(super) async fn purchase(api: &Api, purchase: &Purchase) -> Result<Answer, Failure> {
    let (attempt, contention) = timeout(REQUEST_TIMEOUT, take(api, purchase)).await??;
    let receipt = match attempt {
        Attempt::Taken(receipt) => receipt,
        // The first request of this order has published, or has not. Here nobody can know.
        Attempt::Repeated(receipt) => return Ok(Answer { receipt, contention }),
        Attempt::Refused(refusal) => return Err(Failure::Refused(refusal)),
        Attempt::Overtaken => unreachable!("take goes on until it is not"),
    };

    // The purchase is committed. From here to the acknowledgement, everything that goes wrong loses the event.
    if let Err(reason) = publish(api, purchase, receipt).await {
        log!("purchase {} of {} is done, but its event was not sent: {reason}", purchase.operation, purchase.product);
    }
    Ok(Answer { receipt, contention })
}

async fn take(api: &Api, purchase: &Purchase) -> DatabaseResult<(Attempt, Contention)> {
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

async fn publish(api: &Api, purchase: &Purchase, receipt: Receipt) -> Result<(), String> {
    let event = Event {
        id: Uuid::new_v4().to_string(),
        time: now(),
        traceparent: purchase.traceparent.clone(),
        data: Purchased {
            product: purchase.product.clone(),
            quantity: purchase.quantity,
            version: receipt.version,
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
