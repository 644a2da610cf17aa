//! Transactions that a request gave up, and how they are ended.
//!
//! A request that takes too long is dropped wherever it stands. If that is while the first statement of a transaction is
//! under way, the driver sees nothing to roll back, and yet the server may carry the statement out: the transaction is
//! then open there with nobody to end it, and whoever wants the same documents meets write conflicts for a minute (see
//! [`predecessor`](super::predecessor), which is about killed processes). After a failover, when many requests are given
//! up at once, that is how a service fails to recover.
//!
//! A new transaction of the same session ends it for certain: the server rolls an older one back and refuses statements
//! of it that arrive later. (To kill the session would not: a late statement would begin it anew.)

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use mongodb::ClientSession;
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind, Result};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::backoff::Backoff;
use super::database::REQUEST_TIMEOUT;
use super::log;

/// How long a server keeps a transaction that nobody ends; then it needs no help any more.
const KEPT_OPEN_FOR: Duration = Duration::from_secs(60);

/// How many are ended at a time: after an outage there are many, and the requests that follow come first.
static ENDED_AT_A_TIME: Semaphore = Semaphore::const_new(2);

/// A session whose transaction is ended when it is dropped while it may be open on the server.
pub(super) struct Guarded {
    session: Option<ClientSession>,
    may_be_open: bool,
}

impl Guarded {
    pub(super) fn new(session: ClientSession) -> Self {
        Self { session: Some(session), may_be_open: false }
    }

    /// Notes how an attempt ends; dropped before it does, it may leave a transaction open.
    pub(super) async fn watch<T>(&mut self, attempt: impl AsyncFnOnce(&mut ClientSession) -> Result<T>) -> Result<T> {
        let was_open = std::mem::replace(&mut self.may_be_open, true);
        let result = attempt(self).await;
        self.may_be_open = result.as_ref().is_err_and(|error| leaves_open(error, was_open));
        result
    }
}

/// Whether a transaction may be open after an attempt that failed, if the one before it was.
fn leaves_open(error: &Error, was_open: bool) -> bool {
    match error.kind.as_ref() {
        // Nothing was sent.
        ErrorKind::ServerSelection { .. } => was_open,
        // Something was, and nobody knows whether it arrived.
        ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } => true,
        // The server answered, and with that it had done away with an older one.
        _ => false,
    }
}

impl Deref for Guarded {
    type Target = ClientSession;

    fn deref(&self) -> &ClientSession {
        self.session.as_ref().expect("only drop takes it")
    }
}

impl DerefMut for Guarded {
    fn deref_mut(&mut self) -> &mut ClientSession {
        self.session.as_mut().expect("only drop takes it")
    }
}

impl Drop for Guarded {
    /// Nobody waits for the result, and a dropped future cannot wait itself: the task belongs to the runtime, which ends
    /// it at the stop, and it is bounded.
    fn drop(&mut self) {
        if let (true, Some(session), Ok(runtime)) = (self.may_be_open, self.session.take(), Handle::try_current()) {
            runtime.spawn(supersede(session));
        }
    }
}

async fn supersede(mut session: ClientSession) {
    let attempts = async {
        let _turn = ENDED_AT_A_TIME.acquire().await;
        let mut retry = 0;
        while !matches!(timeout(REQUEST_TIMEOUT, begin_anew(&mut session)).await, Ok(Ok(()))) {
            retry += 1;
            Backoff::OUTAGE.wait(retry).await;
        }
    };
    if timeout(KEPT_OPEN_FOR, attempts).await.is_err() {
        log!(
            "a transaction that was given up could not be rolled back within {KEPT_OPEN_FOR:?}; the server does it now"
        );
    }
}

/// Begins a transaction, for which the server must hear of it, and rolls it back.
async fn begin_anew(session: &mut ClientSession) -> Result<()> {
    // Where a commit was under way there is nothing to abort, and what fails here is what the next lines are for.
    session.abort_transaction().await.ok();
    session.start_transaction().await?;
    let database = session.client().default_database().ok_or_else(|| Error::custom("the URI names no database"))?;
    // Any statement does; this one needs no document and no lock that others want.
    database.collection::<Document>("nothing").find_one(doc! {}).session(&mut *session).await?;
    session.abort_transaction().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_and_not_answered_may_be_open_and_what_was_answered_is_not() {
        let broken = Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        let answered = Error::custom("refused");
        for was_open in [false, true] {
            assert!(leaves_open(&broken, was_open));
            assert!(!leaves_open(&answered, was_open));
        }
    }
}
