//! `polling`: every 100 ms, publish what is unpublished, then mark it.
//!
//! *What it does*: reads up to 100 unpublished rows, publishes them, and marks those that the log has acknowledged.
//! When there were as many as it reads at once it goes on without waiting.
//!
//! *What it promises*: **at least once, and in order per product**. A crash, a lost acknowledgement or a failed mark
//! make it publish a row again, under the same event id; consumers must know what they have seen. No row is forgotten:
//! it is marked only after the log acknowledged it, and what that is worth is the axis `acks`
//! ([`Acks`](crate::service::kafka::Acks)).
//!
//! *How it keeps the order*, which three things could spoil:
//! - **what it reads**: sorted by the product's version, from one majority-committed snapshot. Version 8 of a product
//!   was written after version 7 was committed, so a snapshot that holds 8 holds 7. No clock is asked, and a row that
//!   was written early and committed late cannot be passed over, because there is no position to be behind of;
//! - **what it sends**: different products at once, but of one product only one at a time. Were several under way, an
//!   earlier one could time out and a later one still arrive;
//! - **what fails**: after a failed send, the later rows of that product stay for the next round. The failed one may be
//!   in the log all the same; then it is there twice, the first time in its place.
//!
//! *What it costs*: half the interval on average. After a long outage products with many sales wait for those with few,
//! because versions are all that it sorts by.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use mongodb::Collection;
use mongodb::bson::doc;
use mongodb::options::ReadConcern;
use tokio::time::timeout;

use super::backlog::{BATCH, mark};
use crate::inventory::outbox::Row;
use crate::service::database::REQUEST_TIMEOUT;
use crate::service::kafka::Publisher;
use crate::service::lifecycle::Shutdown;
use crate::service::log;

const INTERVAL: Duration = Duration::from_millis(100);

/// Publishes until the stop is asked for; ends between two batches.
pub(super) async fn run(outbox: &Collection<Row>, publisher: &Publisher, mut shutdown: Shutdown) {
    while !shutdown.is_requested() {
        let more = match publish_batch(outbox, publisher).await {
            Ok(Progress::Full) => true,
            Ok(Progress::CaughtUp) => false,
            Err(error) => {
                log!("rows stay unpublished for now: {error:#}");
                false
            }
        };
        if !more {
            // The result does not matter: either the interval is over or the loop's condition ends it.
            timeout(INTERVAL, shutdown.requested()).await.ok();
        }
    }
}

/// What one round came to.
enum Progress {
    /// As many rows as it reads at once, all published: there may be more.
    Full,
    /// All there were.
    CaughtUp,
}

async fn publish_batch(outbox: &Collection<Row>, publisher: &Publisher) -> Result<Progress> {
    let rows = timeout(REQUEST_TIMEOUT, unpublished(outbox))
        .await
        .context("MongoDB took too long to hand out the outbox")?
        .context("failed to read the outbox")?;
    let read = rows.len();
    if read == 0 {
        return Ok(Progress::CaughtUp);
    }

    let products = by_product(rows);
    let acknowledged: Vec<String> =
        join_all(products.iter().map(|rows| publish_in_order(rows, publisher))).await.into_iter().flatten().collect();
    // A mark that fails makes the rows come again: published twice rather than never.
    timeout(REQUEST_TIMEOUT, mark(outbox, &acknowledged))
        .await
        .context("MongoDB took too long to mark what was published")?
        .context("failed to mark what was published")?;
    if acknowledged.len() < read {
        anyhow::bail!("{} of {read} events were not acknowledged by Kafka", read - acknowledged.len());
    }
    Ok(if read == BATCH as usize { Progress::Full } else { Progress::CaughtUp })
}

/// The next rows. They fit into one answer of the server, which is one snapshot.
async fn unpublished(outbox: &Collection<Row>) -> mongodb::error::Result<Vec<Row>> {
    outbox
        .find(doc! { "publishedAt": null })
        .sort(doc! { "sequence": 1, "_id": 1 })
        .limit(i64::from(BATCH))
        .batch_size(BATCH)
        .read_concern(ReadConcern::snapshot())
        .await?
        .try_collect()
        .await
}

/// Groups rows by product and keeps the order of each.
fn by_product(rows: Vec<Row>) -> Vec<Vec<Row>> {
    let mut products: Vec<Vec<Row>> = Vec::new();
    for row in rows {
        match products.iter_mut().find(|product| product[0].subject == row.subject) {
            Some(product) => product.push(row),
            None => products.push(vec![row]),
        }
    }
    products
}

/// Publishes the rows of one product one after another, up to the first that fails. Returns the ids of those that the
/// log has acknowledged. Each send is bounded by the producer's own timeout.
async fn publish_in_order(rows: &[Row], publisher: &Publisher) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for row in rows {
        let event = row.event();
        if let Err(error) = publisher.send(event.key(), &event.payload(), event.headers()).await {
            log!("version {} of {} is not published yet: {error}", row.sequence, row.subject);
            break;
        }
        acknowledged.push(row.id.clone());
    }
    acknowledged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::event::Purchased;

    fn row(product: &str, version: i64) -> Row {
        let operation = format!("{product}-{version}");
        let payload = Purchased {
            product: product.to_owned(),
            quantity: 1,
            version: Some(version),
            operation: operation.clone(),
        };
        Row::unpublished(operation.clone(), operation, version, payload, None, 0)
    }

    #[test]
    fn rows_of_one_product_stay_together_and_in_order() {
        let rows = vec![row("a", 1), row("b", 1), row("a", 2), row("c", 2), row("b", 7), row("a", 9)];
        let ids: Vec<Vec<String>> =
            by_product(rows).into_iter().map(|rows| rows.into_iter().map(|row| row.id).collect()).collect();
        assert_eq!(ids, [vec!["a-1", "a-2", "a-9"], vec!["b-1", "b-7"], vec!["c-2"]]);
    }
}
