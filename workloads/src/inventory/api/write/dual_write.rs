//! `dual-write`: change the state in `MongoDB`, then send the event to Kafka. **Broken.**
//!
//! *What it does*: takes the stock; once that is committed, sends the event and waits for its acknowledgement. A send
//! that fails is written to the log, and the client is told that all went well: the purchase did.
//!
//! *What it promises*: that the event follows, as long as nothing happens between the two.
//!
//! *How it breaks*: there is no transaction across two servers. When the process is killed between them, when Kafka is
//! away for longer than a send may take, or when the answer of `MongoDB` is lost although it has committed, the state
//! has changed and no event ever tells of it (a lost event). Nothing remains from which it could be sent later. And two
//! requests for one product may overtake each other between their commit and their send (reordered events).
//!
//! Sending first only turns it round: see [`event_first`](super::event_first).

use super::half::{publish, take};
use super::{Answer, Failure};
use crate::inventory::api::stock::Attempt;
use crate::inventory::api::{Api, Purchase};
use crate::service::log;

/// Takes the stock, then publishes.
pub(super) async fn purchase(api: &Api, purchase: &Purchase) -> Result<Answer, Failure> {
    let (attempt, contention) = take(api, purchase).await?;
    let receipt = match attempt {
        Attempt::Taken(receipt) => receipt,
        // The first request of this order has published, or has not. Here nobody can know.
        Attempt::Repeated(receipt) => return Ok(Answer { receipt, contention }),
        Attempt::Refused(refusal) => return Err(Failure::Refused(refusal)),
        Attempt::Overtaken => unreachable!("take goes on until it is not"),
    };

    // The purchase is committed. From here to the acknowledgement, everything that goes wrong loses the event.
    if let Err(reason) = publish(api, purchase, Some(receipt.version)).await {
        log!("purchase {} of {} is done, but its event was not sent: {reason}", purchase.operation, purchase.product);
    }
    Ok(Answer { receipt, contention })
}
