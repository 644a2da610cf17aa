//! A part of `serverStatus`, over all members.
//!
//! A server's counters begin at zero with each of its starts, and a member that is down tells none: the sum of what the
//! members tell may fall. What is recorded is what they have counted since the first look, which only rises.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use mongodb::bson::{Bson, Document, doc};

use super::connection::{Connection, Member};
use crate::history::entry::MongodbSample;

/// Asks all members, and keeps count.
pub(in crate::witness) struct Statuses {
    connection: Connection,
    counts: Mutex<Counts>,
}

impl Statuses {
    pub(in crate::witness) fn new(connection: Connection) -> Self {
        let counts = Counts { last: vec![None; connection.members().len()], total: MongodbSample::default() };
        Self { connection, counts: Mutex::new(counts) }
    }

    /// Asks once; `None` where no member answers in time.
    pub(in crate::witness) async fn ask(&self, at_most: Duration) -> Option<MongodbSample> {
        let asked = self.connection.members().iter().map(|member| tokio::time::timeout(at_most, server_status(member)));
        let told: Vec<_> = join_all(asked).await.into_iter().map(|status| status.ok().flatten()).collect();
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).add(&told)
    }
}

/// What the members have counted.
#[derive(Debug)]
struct Counts {
    /// What each told last.
    last: Vec<Option<MongodbSample>>,
    total: MongodbSample,
}

impl Counts {
    /// Adds what is new; `None` when nobody told anything.
    fn add(&mut self, told: &[Option<MongodbSample>]) -> Option<MongodbSample> {
        let total = &mut self.total;
        total.connections = 0;
        for (last, now) in self.last.iter_mut().zip(told) {
            let Some(now) = now else { continue };
            total.connections += now.connections;
            if let Some(then) = last.replace(*now) {
                total.write_conflicts += risen(now.write_conflicts, then.write_conflicts);
                total.transactions_aborted += risen(now.transactions_aborted, then.transactions_aborted);
                total.transactions_committed += risen(now.transactions_committed, then.transactions_committed);
            }
        }
        told.iter().any(Option::is_some).then_some(*total)
    }
}

/// The growth of a counter; one that fell was started afresh.
fn risen(now: u64, then: u64) -> u64 {
    now.checked_sub(then).unwrap_or(now)
}

async fn server_status(member: &Member) -> Option<MongodbSample> {
    // Only the sections that are read: the rest costs the server under test more than it is worth.
    let command = doc! {
        "serverStatus": 1, "repl": 0, "wiredTiger": 0, "locks": 0, "opLatencies": 0, "opcounters": 0, "network": 0,
        "tcmalloc": 0, "asserts": 0, "mirroredReads": 0, "storageEngine": 0, "flowControl": 0, "logicalSessionRecordCache": 0,
    };
    let status = member.admin(command).await.ok()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(write_conflicts: Option<u64>) -> Option<MongodbSample> {
        Some(MongodbSample { write_conflicts: write_conflicts?, connections: 5, ..MongodbSample::default() })
    }

    #[test]
    fn a_restart_and_a_silent_member_make_no_counter_fall_and_none_leap() {
        let mut counts = Counts { last: vec![None; 2], total: MongodbSample::default() };
        let looks = [
            [Some(1000), Some(70)],
            [Some(1004), Some(70)],
            // The first is down, what it had counted is not forgotten; then it starts afresh.
            [None, Some(75)],
            [Some(2), Some(76)],
            [None, None],
        ];
        let sums: Vec<_> =
            looks.iter().map(|look| counts.add(&look.map(told)).map(|sum| sum.write_conflicts)).collect();
        assert_eq!(sums, [Some(0), Some(4), Some(9), Some(12), None]);
        assert_eq!(counts.add(&[Some(2), Some(76)].map(told)).map(|sum| sum.connections), Some(10));
    }
}
