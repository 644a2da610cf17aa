//! `conditional-idempotent`: the conditional write and the order's id, in one transaction.
//!
//! *What it does*: looks whether this order (the operation id) is known; if so, gives the stored answer. Otherwise
//! takes the stock as `conditional` does and inserts the order with the answer, both in the caller's transaction.
//!
//! *What it promises*: never oversold, no lost update, **and** each order takes its pieces once, however often the
//! client repeats the request and however it was interrupted: either the order and the stock are both written or
//! neither is. The order's id is the document's `_id`, which is unique without further doing.
//!
//! *How it breaks*: it does not; it costs. Two transactions that want one product exclude each other: the second gets
//! a write conflict at once instead of a short wait, and has to run again. On hot products that shows.

use mongodb::ClientSession;
use mongodb::bson::doc;
use mongodb::error::Result;
use serde::{Deserialize, Serialize};

use super::{Attempt, Purchase, Receipt, Refusal, Store, conditional};
use crate::service::database::is_duplicate_key;

/// The collection of orders.
pub(in crate::inventory::api) const ORDERS: &str = "orders";

/// An order that was carried out, with what its client was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::inventory::api) struct Order {
    /// The operation id.
    #[serde(rename = "_id")]
    id: String,
    product: String,
    quantity: i64,
    answer: Receipt,
}

/// One attempt. The caller's transaction must be rolled back unless the result is [`Attempt::Taken`].
pub(super) async fn attempt(store: &Store, session: &mut ClientSession, purchase: &Purchase) -> Result<Attempt> {
    if let Some(order) = store.orders.find_one(doc! { "_id": &purchase.operation }).session(&mut *session).await? {
        return Ok(order.repeat(purchase));
    }
    let attempt = conditional::attempt(store, Some(&mut *session), purchase).await?;
    let Attempt::Taken(answer) = attempt else {
        return Ok(attempt);
    };
    let order = Order {
        id: purchase.operation.clone(),
        product: purchase.product.clone(),
        quantity: purchase.quantity,
        answer,
    };
    match store.orders.insert_one(order).session(session).await {
        Ok(_) => Ok(Attempt::Taken(answer)),
        // A twin of this request committed since the snapshot was taken; the next one shows its order.
        Err(error) if is_duplicate_key(&error) => Ok(Attempt::Overtaken),
        Err(error) => Err(error),
    }
}

impl Order {
    /// The answer to a request with the id of this order.
    fn repeat(&self, purchase: &Purchase) -> Attempt {
        if self.product == purchase.product && self.quantity == purchase.quantity {
            Attempt::Repeated(self.answer)
        } else {
            Attempt::Refused(Refusal::KeyReused)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purchase(quantity: i64) -> Purchase {
        Purchase { product: "p".to_owned(), quantity, operation: "key-1".to_owned(), traceparent: None }
    }

    #[test]
    fn a_repeated_order_gets_its_first_answer_and_a_different_one_under_its_id_is_refused() {
        let answer = Receipt { version: 4, stock: 6 };
        let order = Order { id: "key-1".to_owned(), product: "p".to_owned(), quantity: 2, answer };
        assert_eq!(order.repeat(&purchase(2)), Attempt::Repeated(answer));
        assert_eq!(order.repeat(&purchase(3)), Attempt::Refused(Refusal::KeyReused));
    }
}
