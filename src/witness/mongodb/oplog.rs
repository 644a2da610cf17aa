//! Makes the oplog roll over, so that whoever resumes from before finds nothing there any more.

use std::time::Duration;

use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, Timestamp, doc};
use mongodb::error::Result;
use mongodb::options::ReadConcern;
use mongodb::{Client, Database};
use tokio::time::Instant;

use super::connection::{Connection, patiently};
use super::eye::MARKS;
use super::setup::operation_time;
use crate::witness::error::WitnessError;

/// The size of one document of ballast, bytes.
const DOCUMENT: usize = 100_000;

/// Documents in one write.
const BATCH: usize = 20;

/// The pause after each write once the oplog was filled twice: the server forgets its oldest entries in its own time.
const PAUSE: Duration = Duration::from_millis(500);

/// Why filling an oplog is not all.
const FORGETS: &str = "it forgets nothing before its next checkpoint: start mongod with --syncdelay 2";

/// What is held back for the removal of the ballast.
const REMOVED_WITHIN: Duration = Duration::from_secs(10);

impl Connection {
    /// Writes ballast into a database of the harness's own until the oldest entry of the primary's oplog is newer than
    /// this call, and drops it again; says what it took.
    pub(in crate::witness) async fn roll_oplog(&self, deadline: Instant) -> std::result::Result<String, WitnessError> {
        let began = Instant::now();
        let rolled = self.roll(deadline).await;
        let removed =
            patiently("drop the ballast", Instant::now() + REMOVED_WITHIN, || async { self.ballast().drop().await });
        let removed = removed.await;
        // What went wrong first is what is told.
        let written = rolled?;
        removed?;
        let megabytes = written as f64 / 1e6;
        let (primary, took) = (self.primary_name(), began.elapsed());
        Ok(format!("the oplog of {primary} rolled over with {megabytes:.0} MB of ballast in {took:.1?}"))
    }

    /// How many bytes it took.
    async fn roll(&self, deadline: Instant) -> std::result::Result<usize, WitnessError> {
        let began = Instant::now();
        let start = operation_time(self, deadline).await?;
        let capacity = patiently("tell the size of its oplog", deadline, || capacity(self.client())).await?;
        let mut written = 0;
        loop {
            patiently("take ballast", deadline, || self.write_ballast()).await?;
            written += BATCH * DOCUMENT;
            if patiently("tell the oldest entry of its oplog", deadline, || oldest(self.client())).await? > start {
                return Ok(written);
            }
            if Instant::now() + PAUSE >= deadline {
                let last = format!("{} MB were written, and {FORGETS}", written / 1_000_000);
                let doing = "forget the oldest entries of its oplog".to_owned();
                return Err(WitnessError::MongodbDeadline { doing, waited: began.elapsed(), last });
            }
            if written > 2 * capacity {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// One write of ballast, and a mark, so that the witness's own place in the oplog moves along.
    async fn write_ballast(&self) -> Result<()> {
        let bytes = Binary { subtype: BinarySubtype::Generic, bytes: vec![7; DOCUMENT] };
        let documents = vec![doc! { "ballast": bytes }; BATCH];
        self.ballast().collection::<Document>("ballast").insert_many(documents).await?;
        let mark = doc! { "_id": ObjectId::new(), "oplog": "rolls over" };
        self.database().collection::<Document>(MARKS).insert_one(mark).await?;
        Ok(())
    }

    fn ballast(&self) -> Database {
        self.client().database(&format!("{}_ballast", self.database().name()))
    }

    fn client(&self) -> &Client {
        self.database().client()
    }
}

/// The most bytes that the oplog holds.
async fn capacity(client: &Client) -> Result<usize> {
    let stats = client.database("local").run_command(doc! { "collStats": "oplog.rs" }).await?;
    Ok(match stats.get("maxSize") {
        Some(Bson::Int32(size)) => usize::try_from(*size).unwrap_or(0),
        Some(Bson::Int64(size)) => usize::try_from(*size).unwrap_or(0),
        Some(Bson::Double(size)) => *size as usize,
        _ => 0,
    })
}

/// The time of the oldest entry.
async fn oldest(client: &Client) -> Result<Timestamp> {
    let oplog = client.database("local").collection::<Document>("oplog.rs");
    let first = oplog
        .find_one(doc! {})
        .sort(doc! { "$natural": 1 })
        .projection(doc! { "ts": 1 })
        .read_concern(ReadConcern::local())
        .await?;
    let none = Timestamp { time: 0, increment: 0 };
    Ok(first.and_then(|first| first.get_timestamp("ts").ok()).unwrap_or(none))
}
