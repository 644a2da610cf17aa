//! What a killed process leaves behind in `MongoDB`, and how its successor clears it away.
//!
//! A transaction belongs to a session, not to a connection. When its process dies the server keeps it open, with its
//! locks on the documents it wrote, until `transactionLifetimeLimitSeconds` (60 by default) are over. Until then every
//! other transaction on those documents meets a write conflict. A consumer that starts again takes up the very event
//! at which it died, and would stand still for a minute.
//!
//! The server tells which client opened an idle transaction. An instance therefore calls itself by a name that only
//! its own restarts share, and ends what its predecessor left before it opens its first own transaction.

use anyhow::{Context, Result};
use futures_util::TryStreamExt;
use mongodb::Database;
use mongodb::bson::{Bson, Document, doc};

use super::environment::Environment;
use super::log;

/// How this instance calls itself when it dials: the database is part of it, because other systems on the same server
/// may have instances of the same name.
pub(crate) fn application_name(environment: &Environment, database: &str) -> String {
    format!("{}@{database}", environment.service_instance)
}

/// Rolls back every idle transaction of this instance, an earlier process's above all. Call it only where this process
/// has none that it still wants, such as before its first.
pub(crate) async fn end_transactions(environment: &Environment, database: &Database) -> Result<()> {
    // Those of this process's own user: to see others' takes a right that a service has no other use for.
    let admin = database.client().database("admin");
    let mine = doc! { "type": "idleSession", "appName": application_name(environment, database.name()) };
    let pipeline = [doc! { "$currentOp": { "allUsers": false, "idleSessions": true } }, doc! { "$match": mine }];
    let left: Vec<Document> = admin
        .aggregate(pipeline)
        .await
        .context("failed to look for transactions of a killed predecessor")?
        .try_collect()
        .await?;
    let sessions: Vec<Bson> = left.iter().filter_map(session).collect();
    if !sessions.is_empty() {
        log!("rolling back {} transactions that were left open", sessions.len());
        let kill = doc! { "killSessions": sessions };
        admin.run_command(kill).await.context("failed to roll back what a killed predecessor left open")?;
    }
    Ok(())
}

fn session(operation: &Document) -> Option<Bson> {
    let id = operation.get_document("lsid").ok()?.get("id")?;
    Some(Bson::Document(doc! { "id": id }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_named_by_its_id_alone() {
        let operation = doc! { "lsid": { "id": "session-1", "uid": "user-1" }, "type": "idleSession" };
        assert_eq!(session(&operation), Some(Bson::Document(doc! { "id": "session-1" })));
        assert_eq!(session(&doc! { "type": "idleSession" }), None);
    }
}
