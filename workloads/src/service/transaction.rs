//! The loop around a multi-document transaction, written out.
//!
//! Three kinds of failure need three answers, and mixing them up is how effects get lost or doubled:
//! - *transient* (`TransientTransactionError`: a write conflict, a primary that stepped down): nothing was committed;
//!   roll back, wait with jitter, run the whole body again;
//! - *unknown commit* (`UnknownTransactionCommitResult`: the answer to a commit was lost): it may or may not have been
//!   committed; commit the same transaction **again**, which is safe, and never run the body for it;
//! - everything else: roll back and tell the caller.
//!
//! The rule is that of the drivers' convenient API, whose deadline is a fixed two minutes; here the caller's timeout
//! ends the loop, and what it leaves open then is ended by [`abandoned`](super::abandoned).

use mongodb::error::{Error, Result, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use mongodb::options::{ReadConcern, WriteConcern};
use mongodb::{Client, ClientSession};

use super::abandoned::Guarded;
use super::backoff::{Backoff, Contention};
use super::database::is_write_conflict;

/// What the body of a transaction decided.
#[derive(Debug)]
pub(crate) enum Step<T> {
    /// Keep the writes.
    Commit(T),
    /// Undo them; this is the result nevertheless.
    RollBack(T),
    /// Undo them and run the body again: it saw that it lost a race.
    Again,
}

/// What happens inside a transaction.
pub(crate) trait Body {
    /// What comes of it.
    type Output;

    /// Reads and writes in the session's open transaction. Runs again after a transient error, so nothing in it may
    /// reach beyond the transaction: a message that was sent from here could not be taken back.
    fn run(&self, session: &mut ClientSession) -> impl Future<Output = Result<Step<Self::Output>>> + Send;
}

/// Runs the body until it was committed or rolled back for good. It reads from one snapshot and commits with the write
/// concern. (A commit that is repeated asks for a majority in any case; the driver sees to that.) The caller bounds it
/// with a timeout.
pub(crate) async fn run<B: Body>(client: &Client, concern: &WriteConcern, body: &B) -> Result<(B::Output, Contention)> {
    let mut session = Guarded::new(client.start_session().await?);
    let mut contention = Contention::default();
    loop {
        session.start_transaction().read_concern(ReadConcern::snapshot()).write_concern(concern.clone()).await?;
        match session.watch(async |session| attempt(session, body).await).await {
            Ok(Some(result)) => return Ok((result, contention)),
            Ok(None) => contention.conflicts += 1,
            Err(error) if error.contains_label(TRANSIENT_TRANSACTION_ERROR) => {
                contention.conflicts += u32::from(is_write_conflict(&error));
            }
            Err(error) => return Err(error),
        }
        contention.retries += 1;
        Backoff::TRANSACTION.wait(contention.retries).await;
    }
}

/// One transaction; `None`: rolled back, to be run again.
async fn attempt<B: Body>(session: &mut ClientSession, body: &B) -> Result<Option<B::Output>> {
    match body.run(session).await {
        Ok(Step::Commit(result)) => commit(session).await.map(|()| Some(result)),
        Ok(Step::RollBack(result)) => {
            roll_back(session).await;
            Ok(Some(result))
        }
        Ok(Step::Again) => {
            roll_back(session).await;
            Ok(None)
        }
        Err(error) => {
            roll_back(session).await;
            Err(error)
        }
    }
}

async fn commit(session: &mut ClientSession) -> Result<()> {
    let mut repetition = 0;
    loop {
        match session.commit_transaction().await {
            Err(error) if is_unknown(&error) => {
                repetition += 1;
                Backoff::TRANSACTION.wait(repetition).await;
            }
            result => return result,
        }
    }
}

fn is_unknown(error: &Error) -> bool {
    error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT)
}

/// A rollback that fails changes nothing: the server undoes what is never committed.
async fn roll_back(session: &mut ClientSession) {
    session.abort_transaction().await.ok();
}
