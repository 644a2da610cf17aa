//! `outbox`: change the state and write down the event, in one transaction; a relay publishes it later.
//!
//! *What it does*: one `MongoDB` transaction takes the stock and inserts a row into the outbox, committed with the
//! [`write_concern`](super::super::write_concern). Kafka is not touched.
//!
//! *What it promises*: state and event exist together or not at all, whatever is killed or cut off when. The rows of
//! one product carry its version, so that the relay can publish them in the order in which they happened. The client's
//! answer does not wait for Kafka and does not need it. That what a client was told *stays* is the majority's promise.
//!
//! *How it stays right*: transient errors run the transaction again, an unknown commit is committed again (see
//! [`transaction`]). The row carries the **command id**, fixed for the whole request and unique in the outbox: should a
//! transaction run again although an earlier attempt was committed after all, the second insert is refused and the
//! first one's answer is given.
//!
//! *How it breaks*: with a majority it does not; it costs. The commit is slower than a plain write, hot products meet
//! write conflicts, and the event comes later by the relay's interval. The relay publishes at least once, so consumers must know what
//! they have seen.

use mongodb::ClientSession;
use mongodb::bson::doc;
use mongodb::error::Result as DatabaseResult;
use mongodb::options::{Acknowledgment, ReadConcern};
use tokio::time::timeout;
use uuid::Uuid;

use super::{Answer, Failure};
use crate::inventory::api::stock::{Attempt, Receipt};
use crate::inventory::api::{Api, Purchase};
use crate::inventory::event::Purchased;
use crate::inventory::outbox::Row;
use crate::service::database::{REQUEST_TIMEOUT, is_duplicate_key};
use crate::service::transaction::{self, Body, Step};

/// Takes the stock and writes down the event, or neither.
pub(super) async fn purchase(api: &Api, purchase: &Purchase) -> Result<Answer, Failure> {
    // Both are drawn once for all attempts: a repetition is the same command and would be the same event.
    let command = Command { api, purchase, id: Uuid::new_v4().to_string(), event_id: Uuid::new_v4().to_string() };
    let transaction = transaction::run(&api.store.client, &api.store.concern, &command);
    let (attempt, contention) = timeout(REQUEST_TIMEOUT, transaction).await??;
    match attempt {
        Attempt::Taken(receipt) | Attempt::Repeated(receipt) => Ok(Answer { receipt, contention }),
        Attempt::Refused(refusal) => Err(Failure::Refused(refusal)),
        Attempt::Overtaken => unreachable!("the transaction runs again until it is not"),
    }
}

struct Command<'a> {
    api: &'a Api,
    purchase: &'a Purchase,
    id: String,
    event_id: String,
}

impl Body for Command<'_> {
    type Output = Attempt;

    async fn run(&self, session: &mut ClientSession) -> DatabaseResult<Step<Attempt>> {
        let Api { patterns, store, .. } = self.api;
        match patterns.stock.attempt(store, Some(&mut *session), self.purchase).await? {
            Attempt::Taken(receipt) => match store.outbox.insert_one(self.row(receipt)).session(session).await {
                Ok(_) => Ok(Step::Commit(Attempt::Taken(receipt))),
                Err(error) if is_duplicate_key(&error) => self.committed_before().await,
                Err(error) => Err(error),
            },
            Attempt::Overtaken => Ok(Step::Again),
            // Nothing was written, but something was read that the client will be told: the commit has it confirmed.
            repeated @ Attempt::Repeated(_) => Ok(Step::Commit(repeated)),
            other => Ok(Step::RollBack(other)),
        }
    }
}

impl Command<'_> {
    /// The answer of the attempt that was committed although it did not look so: as sure as any other answer.
    async fn committed_before(&self) -> DatabaseResult<Step<Attempt>> {
        let store = &self.api.store;
        let is_majority = store.concern.w == Some(Acknowledgment::Majority);
        let concern = if is_majority { ReadConcern::majority() } else { ReadConcern::local() };
        let row = store.outbox.find_one(doc! { "commandId": &self.id }).read_concern(concern).await?;
        Ok(row.map_or(Step::Again, |row| {
            Step::RollBack(Attempt::Repeated(Receipt { version: row.sequence, stock: row.stock_after }))
        }))
    }

    fn row(&self, receipt: Receipt) -> Row {
        let payload = Purchased {
            product: self.purchase.product.clone(),
            quantity: self.purchase.quantity,
            version: Some(receipt.version),
            operation: self.purchase.operation.clone(),
        };
        let traceparent = self.purchase.traceparent.clone();
        let (event_id, command_id) = (self.event_id.clone(), self.id.clone());
        Row::unpublished(event_id, command_id, receipt.version, payload, traceparent, receipt.stock)
    }
}
