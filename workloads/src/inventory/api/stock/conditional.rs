//! `conditional`: the condition stands in the write.
//!
//! *What it does*: one update, "take n pieces of this product if at least n are left".
//!
//! *What it promises*: never oversold, no lost update, however many clients. The server looks and writes under one
//! lock; there is no moment between the two. Writers of one product wait for each other inside the server for about
//! as long as one write takes; nobody has to try again.
//!
//! *How it breaks*: not by races. It does not know a request that it has seen before: a client that repeats a purchase
//! because the answer was lost takes the pieces twice. For that see `conditional-idempotent`.

use mongodb::ClientSession;
use mongodb::bson::doc;
use mongodb::error::Result;

use super::{Attempt, Purchase, Refusal, Store, look, update};

/// One attempt.
pub(super) async fn attempt(
    store: &Store,
    session: Option<&mut ClientSession>,
    purchase: &Purchase,
) -> Result<Attempt> {
    let filter = doc! { "_id": &purchase.product, "stock": { "$gte": purchase.quantity } };
    let change = doc! {
        "$inc": { "stock": -purchase.quantity, "version": 1_i64 },
        "$set": { "lastOperation": &purchase.operation },
    };
    if let Some(receipt) = update(store, session, filter, change).await? {
        return Ok(Attempt::Taken(receipt));
    }
    // Nothing matched. Only the wording of the refusal depends on this second look.
    let refusal = look(store, purchase).await?.map_or(Refusal::UnknownProduct, |_| Refusal::Short);
    Ok(Attempt::Refused(refusal))
}
