//! `read-modify-write`: find the product, check the stock, write back what is left. **Broken.**
//!
//! *What it does*: reads the stock, compares it in the program, computes the rest, and sets the field to it.
//!
//! *What it promises*: nothing under concurrency.
//!
//! *How it breaks*: two requests read the same 5, take 2 and 3, and write 3 and 2. Both buyers were told yes; one
//! purchase left no trace in the stock (a lost update), so pieces are sold that are not there (oversold). No fault is
//! needed, two clients are enough. The version is incremented by the server and still rises twice, which is how the
//! loss can be seen afterwards.
//!
//! A transaction around the *write* does not help, because what it writes was read before. Had the read been part of
//! the same transaction, snapshot isolation would have refused the second writer; many programs load an entity first
//! and open the transaction when they save, as here.

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
    let Some(seen) = look(store, purchase).await? else {
        return Ok(Attempt::Refused(Refusal::UnknownProduct));
    };
    if seen.stock < purchase.quantity {
        return Ok(Attempt::Refused(Refusal::Short));
    }

    let filter = doc! { "_id": &purchase.product };
    let change = doc! {
        "$set": { "stock": seen.stock - purchase.quantity, "lastOperation": &purchase.operation },
        "$inc": { "version": 1_i64 },
    };
    let taken = update(store, session, filter, change).await?;
    Ok(taken.map_or(Attempt::Refused(Refusal::UnknownProduct), Attempt::Taken))
}
