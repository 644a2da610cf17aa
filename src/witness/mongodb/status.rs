//! A part of `serverStatus`.

use mongodb::bson::{Bson, Document, doc};

use super::connection::Connection;
use crate::history::entry::MongodbSample;

/// Asks once; `None` where the server does not answer or does not tell. The caller bounds the wait.
pub(in crate::witness) async fn server_status(connection: &Connection) -> Option<MongodbSample> {
    // Only the sections that are read: the rest costs the server under test more than it is worth.
    let command = doc! {
        "serverStatus": 1, "repl": 0, "wiredTiger": 0, "locks": 0, "opLatencies": 0, "opcounters": 0, "network": 0,
        "tcmalloc": 0, "asserts": 0, "mirroredReads": 0, "storageEngine": 0, "flowControl": 0, "logicalSessionRecordCache": 0,
    };
    let status = connection.database().run_command(command).await.ok()?;
    Some(MongodbSample {
        write_conflicts: number(&status, &["metrics", "operation", "writeConflicts"])?,
        transactions_aborted: number(&status, &["transactions", "totalAborted"])?,
        transactions_committed: number(&status, &["transactions", "totalCommitted"])?,
        connections: number(&status, &["connections", "current"])?,
    })
}

fn number(status: &Document, path: &[&str]) -> Option<u64> {
    let (last, holders) = path.split_last()?;
    let holder = holders.iter().try_fold(status, |document, name| document.get_document(name).ok())?;
    match holder.get(last)? {
        Bson::Int32(number) => u64::try_from(*number).ok(),
        Bson::Int64(number) => u64::try_from(*number).ok(),
        Bson::Double(number) => Some(*number as u64),
        _ => None,
    }
}
