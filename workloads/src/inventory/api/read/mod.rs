//! Axis `read`: two ways to tell a client of a product.

mod cache;
mod store;

use serde::{Deserialize, Serialize};

use super::Api;
use super::write::Failure;

pub(super) use cache::Cache;

/// The values of the axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Read {
    /// See [`store`].
    Store,
    /// See [`cache`](mod@cache): broken on more than one instance.
    Cache,
}

/// What a client sees of a product; the projection asks for no more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ProductView {
    name: String,
    stock: i64,
    version: i64,
}

impl Read {
    /// Looks a product up.
    pub(super) async fn product(self, api: &Api, product: &str) -> Result<ProductView, Failure> {
        match self {
            Self::Store => store::product(api, product).await,
            Self::Cache => cache::product(api, product).await,
        }
    }
}
