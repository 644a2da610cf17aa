//! `event-first`: send the event to Kafka, then change the state in `MongoDB`. **Broken.**
//!
//! *What it does*: looks whether enough pieces are left; if so, sends the event, waits for its acknowledgement, and then
//! takes the stock. Whoever writes it so has heard that dual-write loses events, and puts the send first.
//!
//! *What it promises*: that no purchase is without its event.
//!
//! *How it breaks*: what is in the log cannot be taken back. When the process is killed between the two, when `MongoDB` is
//! away or too slow, or when another purchase took the last pieces since the look, the event tells of a purchase that
//! never was (a phantom event), and every consumer believes it. The client of the last case is told 409, and rightly so.
//! A send that timed out may have arrived all the same; its client is told 503, and nothing is taken.
//!
//! The event cannot carry the product's version either, because at that moment nobody knows it: two purchases that are
//! under way at once would claim the same one. So its consumers cannot tell which of two events is the newer.
//!
//! *With which `stock`*: with each of the four. `compare-and-set` tries again after the event went out, without sending it
//! again. `conditional-idempotent` takes the pieces of a repeated order once, but learns that it is one only after it has
//! sent a second event.

use tokio::time::timeout;

use super::half::{publish, take};
use super::{Answer, Failure};
use crate::inventory::api::stock::{self, Attempt, Receipt, Refusal};
use crate::inventory::api::{Api, Purchase};
use crate::service::database::REQUEST_TIMEOUT;
use crate::service::log;

/// Publishes, then takes the stock.
pub(super) async fn purchase(api: &Api, purchase: &Purchase) -> Result<Answer, Failure> {
    let seen = timeout(REQUEST_TIMEOUT, stock::look(&api.store, purchase)).await??;
    check(seen, purchase.quantity).map_err(Failure::Refused)?;

    publish(api, purchase, None).await.map_err(|reason| {
        let reason = anyhow::anyhow!(reason);
        Failure::Unavailable(reason.context("nothing was taken, but its event may be in the log"))
    })?;

    // The event is out. From here to the commit, everything that goes wrong makes it a phantom.
    let (attempt, contention) = take(api, purchase).await?;
    match attempt {
        Attempt::Taken(receipt) | Attempt::Repeated(receipt) => Ok(Answer { receipt, contention }),
        Attempt::Refused(refusal) => {
            log!("purchase {} of {} is refused, but its event was sent", purchase.operation, purchase.product);
            Err(Failure::Refused(refusal))
        }
        Attempt::Overtaken => unreachable!("take goes on until it is not"),
    }
}

/// What the look at the product says of the purchase; only the write will know.
fn check(seen: Option<Receipt>, quantity: i64) -> Result<(), Refusal> {
    match seen {
        None => Err(Refusal::UnknownProduct),
        Some(seen) if seen.stock < quantity => Err(Refusal::Short),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purchase_that_is_seen_to_be_impossible_is_refused_before_its_event_goes_out() {
        let seen = |stock| Some(Receipt { version: 3, stock });
        assert_eq!(check(None, 1), Err(Refusal::UnknownProduct));
        assert_eq!(check(seen(1), 2), Err(Refusal::Short));
        assert_eq!(check(seen(2), 2), Ok(()));
    }
}
