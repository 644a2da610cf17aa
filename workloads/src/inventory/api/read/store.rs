//! `store`: ask `MongoDB` each time.
//!
//! *What it does*: reads the product from what the driver holds to be the primary, with the
//! [`read_concern`](super::super::read_concern).
//!
//! *What it promises*: on one node, with read concern `majority`, that no answer is older than what anybody was told
//! before the question, and that none tells of a write that a crash can still take back.
//!
//! *How it breaks*: on one node it does not. In a replica set whose old primary does not know yet that it was deposed,
//! only read concern `linearizable` keeps the promise.

use mongodb::action::{Action, FindOne};
use mongodb::bson::doc;
use tokio::time::timeout;

use super::{Api, Failure, ProductView};
use crate::inventory::api::stock::Refusal;
use crate::service::database::REQUEST_TIMEOUT;

/// The product as it is stored.
pub(super) async fn product(api: &Api, product: &str) -> Result<ProductView, Failure> {
    let products = api.store.product_documents().clone_with_type::<ProductView>();
    let find = products
        .find_one(doc! { "_id": product })
        .projection(doc! { "_id": 0, "name": 1, "stock": 1, "version": 1 })
        .read_concern(api.patterns.reads.concern())
        .optional(api.patterns.reads.confirmed_within(), FindOne::max_time)
        .into_future();
    timeout(REQUEST_TIMEOUT, find).await??.ok_or(Failure::Refused(Refusal::UnknownProduct))
}
