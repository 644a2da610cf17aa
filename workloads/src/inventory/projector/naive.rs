//! `naive`: apply each event as it comes. **Broken.**
//!
//! *What it does*: one update adds the quantity to the product's sales.
//!
//! *What it promises*: each event is applied at least once.
//!
//! *How it breaks*: the log delivers at least once, and adding is not idempotent. After a crash the events since the
//! last committed offset come again and are counted again (duplicate effects), and so is an event that the relay
//! published twice, and one whose update was carried out although its answer was lost.

use mongodb::bson::doc;
use mongodb::error::Result;

use super::{Event, Place, Store, sale};

/// Adds the event to the view.
pub(super) async fn apply(store: &Store, event: &Event, place: Place) -> Result<()> {
    store.sales.update_one(doc! { "_id": &event.data.product }, sale(event, place)).upsert(true).await?;
    Ok(())
}
