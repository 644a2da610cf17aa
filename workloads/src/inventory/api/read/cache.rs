//! `cache`: answer from this instance's own memory. **Broken on more than one instance.**
//!
//! *What it does*: keeps each product that was asked for in memory for a second and answers from there. A purchase
//! through this instance throws its product out.
//!
//! *What it promises*: nothing that a second instance does not break. With one alone it looks right, which is why it
//! passes every test on a developer's machine.
//!
//! *How it breaks*: nobody tells it of purchases through other instances. Behind a load balancer a client sees stock
//! come back that it had seen sold, and does not find its own purchase; others are told of a state that was overtaken
//! before they asked.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Api, Failure, ProductView, store};

/// How long a product is answered from memory.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// The products that were asked for last.
#[derive(Debug, Default)]
pub(in crate::inventory::api) struct Cache(Mutex<HashMap<String, (Instant, ProductView)>>);

/// The product as it is remembered, or as it is stored.
pub(super) async fn product(api: &Api, product: &str) -> Result<ProductView, Failure> {
    if let Some(view) = api.cache.find(product, Instant::now()) {
        return Ok(view);
    }
    let asked = Instant::now();
    let view = store::product(api, product).await?;
    api.cache.keep(product, asked, view.clone());
    Ok(view)
}

impl Cache {
    /// A product was bought here.
    pub(in crate::inventory::api) fn forget(&self, product: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(product);
    }

    fn find(&self, product: &str, now: Instant) -> Option<ProductView> {
        let products = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, view) = products.get(product)?;
        (now.duration_since(*asked) < KEPT_FOR).then(|| view.clone())
    }

    fn keep(&self, product: &str, asked: Instant, view: ProductView) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(product.to_owned(), (asked, view));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(version: i64) -> ProductView {
        ProductView { name: "Product".to_owned(), stock: 9, version }
    }

    #[test]
    fn a_product_is_remembered_for_a_second_or_until_it_is_bought_here() {
        let (cache, asked) = (Cache::default(), Instant::now());
        cache.keep("p", asked, view(3));
        let version = |after| cache.find("p", asked + after).map(|view| view.version);
        assert_eq!(version(Duration::from_millis(999)), Some(3));
        assert_eq!(version(KEPT_FOR), None);
        cache.forget("p");
        assert_eq!(version(Duration::ZERO), None);
    }
}
