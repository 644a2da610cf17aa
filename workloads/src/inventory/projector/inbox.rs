//! `inbox`: remember each event in the transaction that applies it.
//!
//! *What it does*: one transaction inserts the event's id, with the consumer's name in front, into the inbox and adds
//! the quantity to the product's sales. An id that is already there means: applied before, nothing to do.
//!
//! *What it promises*: each event is applied once, however often it is delivered. Id and effect are committed together,
//! so there is no moment at which one is there without the other. The id's uniqueness is the server's (`_id`), not the
//! result of an earlier look.
//!
//! *How it breaks*: it does not; it costs one more write for each event, and the inbox grows until something removes
//! ids that are older than the log can ever deliver again.

use mongodb::ClientSession;
use mongodb::bson::doc;
use mongodb::error::Result;
use mongodb::options::WriteConcern;

use super::{Event, Place, Store, sale};
use crate::service::database::is_duplicate_key;
use crate::service::transaction::{self, Body, Step};

/// Adds the event to the view unless that was done before.
pub(super) async fn apply(store: &Store, event: &Event, place: Place) -> Result<()> {
    let once = Once { store, event, place };
    transaction::run(store.database.client(), &WriteConcern::majority(), &once).await.map(|((), _)| ())
}

struct Once<'a> {
    store: &'a Store,
    event: &'a Event,
    place: Place,
}

impl Body for Once<'_> {
    type Output = ();

    async fn run(&self, session: &mut ClientSession) -> Result<Step<()>> {
        let Self { store, event, place } = self;
        let seen = doc! { "_id": format!("{}:{}", store.consumer, event.id) };
        if let Err(error) = store.inbox.insert_one(seen).session(&mut *session).await {
            return if is_duplicate_key(&error) { Ok(Step::RollBack(())) } else { Err(error) };
        }
        let product = doc! { "_id": &event.data.product };
        store.sales.update_one(product, sale(event, *place)).upsert(true).session(session).await?;
        Ok(Step::Commit(()))
    }
}
