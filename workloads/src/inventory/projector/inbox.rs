//! `inbox`: remember each event in the transaction that applies it.
//!
//! *What it does*: one transaction inserts the event's id, with the consumer's name in front, into the inbox and adds
//! the quantity to the product's sales. An id that is already there means: applied before, nothing to do.
//!
//! *What it promises*: each event is applied once, however often it is delivered. Id and effect are committed together,
//! so there is no moment at which one is there without the other. The id's uniqueness is the server's (`_id`), not the
//! result of an earlier look. And an id counts only once a majority has it: what a primary alone knows of an attempt that
//! was given up, it loses with its office, and the event with it.
//!
//! *How it breaks*: it does not; it costs one more write for each event, and the inbox grows until something removes
//! ids that are older than the log can ever deliver again.

use mongodb::ClientSession;
use mongodb::bson::doc;
use mongodb::error::{Error, Result};
use mongodb::options::{ReadConcern, WriteConcern};

use super::{Event, Place, Store, sale};
use crate::service::database::is_duplicate_key;
use crate::service::transaction::{self, Body, Step};

/// Adds the event to the view unless that was done before.
pub(super) async fn apply(store: &Store, event: &Event, place: Place) -> Result<()> {
    let id = format!("{}:{}", store.consumer, event.id);
    let once = Once { store, event, place, id: &id };
    let concern = WriteConcern::majority();
    let (applied, _) = transaction::run(store.database.client(), &concern, &once).await?;
    match applied {
        Applied::Now => Ok(()),
        Applied::Before => confirm(store, &id).await,
    }
}

/// That an id is there on the primary means that it is there for good only if a majority has it.
async fn confirm(store: &Store, id: &str) -> Result<()> {
    let seen = store.inbox.find_one(doc! { "_id": id }).read_concern(ReadConcern::majority()).await?;
    seen.map(drop).ok_or_else(|| Error::custom("it was applied before, and not yet by a majority"))
}

/// When an event was applied.
enum Applied {
    Now,
    Before,
}

struct Once<'a> {
    store: &'a Store,
    event: &'a Event,
    place: Place,
    /// The event's id in the inbox.
    id: &'a str,
}

impl Body for Once<'_> {
    type Output = Applied;

    async fn run(&self, session: &mut ClientSession) -> Result<Step<Applied>> {
        let Self { store, event, place, id } = self;
        if let Err(error) = store.inbox.insert_one(doc! { "_id": *id }).session(&mut *session).await {
            return if is_duplicate_key(&error) { Ok(Step::RollBack(Applied::Before)) } else { Err(error) };
        }
        let product = doc! { "_id": &event.data.product };
        store.sales.update_one(product, sale(event, *place)).upsert(true).session(session).await?;
        Ok(Step::Commit(Applied::Now))
    }
}
