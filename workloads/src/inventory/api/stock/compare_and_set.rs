//! `compare-and-set`: write only if nobody wrote since the product was read.
//!
//! *What it does*: reads the product with its version, decides in the program, and updates "this product, if it still
//! has that version". If it has not, another writer was first: read and decide again, after a wait with jitter, until
//! the request's time is up.
//!
//! *What it promises*: never oversold, no lost update, for any decision that a program can make, not only for those
//! that a query can express. Nothing is taken by a request that gives up.
//!
//! *How it breaks*: under contention it does not break but starves: the more writers want one product, the more
//! attempts each needs. The answer tells how many versions had moved on (`conflicts`).

use mongodb::ClientSession;
use mongodb::bson::doc;
use mongodb::error::Result;

use super::{Attempt, Purchase, Refusal, Store, look, update};

/// One attempt; repeating it is the caller's part, because inside a transaction a repetition needs a new snapshot.
pub(super) async fn attempt(
    store: &Store,
    session: Option<&mut ClientSession>,
    purchase: &Purchase,
) -> Result<Attempt> {
    let Some(seen) = look(store, purchase).await? else {
        return Ok(Attempt::Refused(Refusal::UnknownProduct));
    };
    if seen.stock < purchase.quantity {
        return Ok(Attempt::Refused(Refusal::Short));
    }

    let filter = doc! { "_id": &purchase.product, "version": seen.version };
    let change = doc! { "$set": {
        "stock": seen.stock - purchase.quantity,
        "version": seen.version + 1,
        "lastOperation": &purchase.operation,
    } };
    Ok(update(store, session, filter, change).await?.map_or(Attempt::Overtaken, Attempt::Taken))
}
