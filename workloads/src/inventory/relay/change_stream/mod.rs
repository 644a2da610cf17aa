//! `change-stream`: follow the outbox, and remember how far one has come.
//!
//! *What it does*: the server tells of each row as soon as most members have it. The rows that are there are sent one
//! behind the other, without waiting in between; when the log has acknowledged them all they are marked, and then the
//! token of the last one is stored, in [`position`]. A restart goes on behind that token.
//!
//! *What it promises*: **at least once, and in order per product**, a few milliseconds after the commit. The token comes
//! last, so a crash at any point makes the rows since the stored one come again, to be published under the same event ids
//! and marked; consumers must know what they have seen. What the acknowledgement is worth is the axis `acks`
//! ([`Acks`](crate::service::kafka::Acks)).
//!
//! *How no row falls into a gap*: without a token the relay first publishes what is unpublished, as `polling` does. When it
//! has caught up, it knows from the last snapshot the very moment up to which there is nothing left, and begins the stream
//! there. What was committed at that moment itself comes twice. The same is done when a token leads nowhere: when the relay
//! was away for longer than the server's log reaches back (`ChangeStreamHistoryLost`), or the collection was dropped.
//!
//! *How it keeps the order*, which three things could spoil:
//! - **what it reads**: a stream tells of commits in their order, and version 8 of a product was committed after version 7.
//!   No clock is asked, and a row that was written early and committed late is told of when it is committed. What a
//!   failover could still take back is not told of at all;
//! - **what it sends**: many records of one product are under way at once. The producer's sequence numbers keep them in
//!   order even when they are sent again, and none is given up while others are behind it, however long the log is away
//!   (see [`Publisher::send_in_order`]);
//! - **what fails**: all behind the first failure is sent again, after it.
//!
//! *What it costs*: two writes for each batch, and a task that holds a cursor open on the server. A token ages while no
//! purchases come; after a pause longer than the server's log the relay has to catch up as if it were new.

mod feed;
mod position;

use std::time::Duration;

use anyhow::{Context, Error, Result};
use mongodb::bson::Timestamp;
use mongodb::{Collection, Database};
use tokio::time::{sleep, timeout};

use super::backlog::{Backlog, mark};
use crate::inventory::outbox::Row;
use crate::service::backoff::Backoff;
use crate::service::database::{REQUEST_TIMEOUT, is_history_lost};
use crate::service::kafka::{Outgoing, Publisher};
use crate::service::lifecycle::Shutdown;
use crate::service::log;
use feed::{Batch, Feed, Interruption, Start};
use position::Positions;

pub(super) use position::POSITIONS;

/// How long a batch that is under way may take after the stop was asked for.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// Publishes until the stop is asked for; ends between two batches, or in the middle of one that takes too long.
pub(super) async fn run(database: &Database, outbox: &Collection<Row>, publisher: &mut Publisher, shutdown: Shutdown) {
    let positions = Positions::open(database);
    let mut relay = Relay { database, outbox, positions, publisher };
    let mut overdue = shutdown.clone();
    let too_long = async {
        overdue.requested().await;
        sleep(STOP_WITHIN).await;
    };
    tokio::select! {
        () = relay.work(shutdown) => {}
        () = too_long => log!("gave up a batch that was still under way; its rows come again after the next start"),
    }
}

/// What the work needs. Any of its futures may be dropped at any point: that is no different from a crash.
struct Relay<'a> {
    database: &'a Database,
    outbox: &'a Collection<Row>,
    positions: Positions,
    publisher: &'a mut Publisher,
}

impl Relay<'_> {
    async fn work(&mut self, mut shutdown: Shutdown) {
        while !shutdown.is_requested() {
            if let Err(error) = self.follow(&mut shutdown).await {
                log!("rows stay unpublished for now: {error:#}");
                // The longest of these waits is short enough for a first one.
                Backoff::OUTAGE.wait(u32::MAX).await;
            }
        }
    }

    /// Goes on from the stored position until the stream is interrupted or the stop is asked for.
    async fn follow(&mut self, shutdown: &mut Shutdown) -> Result<()> {
        let token = within(self.positions.read(), "hand out the position").await?;
        let start = match token {
            Some(token) => Start::After(token),
            None => match self.catch_up(shutdown).await? {
                Some(time) => Start::At(time),
                None => return Ok(()),
            },
        };
        let opened = timeout(REQUEST_TIMEOUT, Feed::open(self.outbox, start)).await;
        let mut feed = match opened.context("MongoDB took too long to open a change stream")? {
            Ok(feed) => feed,
            Err(error) => return Err(self.interrupted(Interruption::Failed(error)).await?),
        };
        while !shutdown.is_requested() {
            let next = tokio::select! {
                next = feed.next() => next,
                () = shutdown.requested() => break,
            };
            match next {
                Ok(Batch { rows, token }) => {
                    self.carry(&rows).await?;
                    persistently("store the position", async || self.positions.store(&token).await).await;
                }
                Err(interruption) => return Err(self.interrupted(interruption).await?),
            }
        }
        Ok(())
    }

    /// Publishes what is unpublished, and tells the moment up to which there is nothing left; `None` if the stop is asked
    /// for before that.
    async fn catch_up(&mut self, shutdown: &Shutdown) -> Result<Option<Timestamp>> {
        log!("publishing what is unpublished, before the stream");
        while !shutdown.is_requested() {
            let backlog = within(Backlog::read(self.database, self.outbox), "hand out the outbox").await?;
            self.carry(&backlog.rows).await?;
            if !backlog.is_full() {
                return Ok(Some(backlog.time));
            }
        }
        Ok(None)
    }

    /// Publishes rows in their order and marks them, however long that takes.
    async fn carry(&mut self, rows: &[Row]) -> Result<()> {
        let mut rest = rows;
        let mut retry = 0;
        while let Err((acknowledged, error)) = self.publisher.send_in_order(rest.iter().map(outgoing)).await {
            rest = &rest[acknowledged..];
            log!("{} events were not acknowledged by Kafka and are sent again: {error}", rest.len());
            retry += 1;
            Backoff::OUTAGE.wait(retry).await;
            self.publisher.reopen_if_stopped().await?;
        }
        let published: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        persistently("mark what was published", async || mark(self.outbox, &published).await).await;
        Ok(())
    }

    /// Says why the stream does not go on. If its position leads nowhere it is forgotten: whoever has none catches up.
    async fn interrupted(&self, interruption: Interruption) -> Result<Error> {
        let (is_lost, error) = match interruption {
            Interruption::Failed(error) => (is_history_lost(&error), Error::from(error)),
            Interruption::Ended => (true, Error::msg("the outbox was dropped")),
        };
        if is_lost {
            within(self.positions.forget(), "forget the position").await?;
            return Ok(error.context("the position leads nowhere"));
        }
        Ok(error.context("the change stream was interrupted"))
    }
}

fn outgoing(row: &Row) -> Outgoing {
    let event = row.event();
    Outgoing { key: event.key().to_owned(), payload: event.payload(), headers: event.headers() }
}

/// One attempt at something that `MongoDB` is asked for.
async fn within<T>(request: impl Future<Output = mongodb::error::Result<T>>, what: &str) -> Result<T> {
    timeout(REQUEST_TIMEOUT, request)
        .await
        .with_context(|| format!("MongoDB took too long to {what}"))?
        .with_context(|| format!("failed to {what}"))
}

/// As many attempts as it takes: what was acknowledged need not be sent again because `MongoDB` is away.
async fn persistently(what: &str, request: impl AsyncFn() -> mongodb::error::Result<()>) {
    let mut retry = 0;
    while let Err(error) = within(request(), what).await {
        log!("{error:#}");
        retry += 1;
        Backoff::OUTAGE.wait(retry).await;
    }
}
