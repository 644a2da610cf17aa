//! Axis `stock`: four ways to take pieces off a product's stock while others do the same.
//!
//! Each makes **one** attempt, alone or inside the caller's transaction, and says how it ended. Each raises the
//! product's version by one and stamps the operation id in the very write that takes the stock, the broken one too:
//! what it breaks stays visible.

mod compare_and_set;
mod conditional;
mod conditional_idempotent;
mod read_modify_write;

use mongodb::ClientSession;
use mongodb::action::{Action, FindOneAndUpdate};
use mongodb::bson::{Document, doc};
use mongodb::error::Result;
use mongodb::options::ReturnDocument;
use serde::{Deserialize, Serialize};

use super::{Purchase, Store};

pub(super) use conditional_idempotent::{ORDERS, Order};

/// The collection of products.
pub(super) const PRODUCTS: &str = "products";

/// The values of the axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Stock {
    /// See [`read_modify_write`]: broken.
    ReadModifyWrite,
    /// See [`conditional`].
    Conditional,
    /// See [`conditional_idempotent`].
    ConditionalIdempotent,
    /// See [`compare_and_set`].
    CompareAndSet,
}

/// How one attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The pieces are taken, if the caller's transaction commits.
    Taken(Receipt),
    /// They were taken by an earlier request of the same operation; this is what it was told.
    Repeated(Receipt),
    /// They are not taken, and trying again is of no use.
    Refused(Refusal),
    /// Another writer was first: try again, from a new snapshot.
    Overtaken,
}

/// A product after a purchase; also all that the patterns read of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Receipt {
    /// How often the product was changed.
    pub(super) version: i64,
    /// How many pieces are left.
    pub(super) stock: i64,
}

/// Why a purchase is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no such product.
    UnknownProduct,
    /// Fewer pieces are left than were asked for.
    Short,
    /// The idempotency key was used for a different purchase.
    KeyReused,
}

impl Stock {
    /// One attempt; inside a transaction where a session is given.
    pub(super) async fn attempt(
        self,
        store: &Store,
        session: Option<&mut ClientSession>,
        purchase: &Purchase,
    ) -> Result<Attempt> {
        match self {
            Self::ReadModifyWrite => read_modify_write::attempt(store, session, purchase).await,
            Self::Conditional => conditional::attempt(store, session, purchase).await,
            Self::ConditionalIdempotent => {
                let session = session.expect("callers look at needs_transaction");
                conditional_idempotent::attempt(store, session, purchase).await
            }
            Self::CompareAndSet => compare_and_set::attempt(store, session, purchase).await,
        }
    }

    /// Whether it writes more than one document and so stands on a transaction, whatever the caller does.
    pub(super) fn needs_transaction(self) -> bool {
        self == Self::ConditionalIdempotent
    }
}

/// All that the patterns read of a product.
fn receipt_fields() -> Document {
    doc! { "_id": 0, "version": 1, "stock": 1 }
}

/// Reads the product **outside** any transaction: the patterns that look before they write mean "what I saw before".
pub(super) async fn look(store: &Store, purchase: &Purchase) -> Result<Option<Receipt>> {
    store.products.find_one(doc! { "_id": &purchase.product }).projection(receipt_fields()).await
}

/// Changes the product if it matches, and returns it as it then is.
async fn update(
    store: &Store,
    session: Option<&mut ClientSession>,
    filter: Document,
    update: Document,
) -> Result<Option<Receipt>> {
    store
        .products
        .find_one_and_update(filter, update)
        .return_document(ReturnDocument::After)
        .projection(receipt_fields())
        .optional(session, FindOneAndUpdate::session)
        .await
}
