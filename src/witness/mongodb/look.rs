//! One look at one member of a replica set: what it says of itself.

use std::time::Duration;

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use tokio::time::Instant;

use super::connection::Member;

/// How long a member may take to say what it is; one that does not is `DOWN`.
const ANSWER_AT_MOST: Duration = Duration::from_millis(500);

/// The pause before a member is asked again that has refused.
const PAUSE: Duration = Duration::from_millis(20);

/// What a member said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    /// `PRIMARY` only while it takes writes, `SECONDARY`, `ROLLBACK`, ….
    pub(super) state: String,
    /// The election that made it primary, if it is: of two, the later one's is greater.
    pub(super) election: Option<ObjectId>,
    /// The latest term that it knows.
    pub(super) term: Option<i64>,
    /// Rises with each rollback, and with each start after a crash.
    pub(super) rollback_id: Option<i64>,
    /// Another one after each start.
    pub(super) process: Option<ObjectId>,
}

impl Look {
    /// Whether it takes writes.
    pub(super) fn is_primary(&self) -> bool {
        self.election.is_some()
    }

    /// Whether it follows the primary.
    pub(super) fn is_secondary(&self) -> bool {
        self.state == "SECONDARY"
    }
}

/// Asks a member, on its own connection; `None` when it does not answer.
pub(super) async fn look(member: &Member) -> Option<Look> {
    let deadline = Instant::now() + ANSWER_AT_MOST;
    let asked = async {
        loop {
            // An election may have closed the connection: that is no silence.
            match ask(member).await {
                Ok(look) => break look,
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    };
    tokio::time::timeout_at(deadline, asked).await.ok()
}

async fn ask(member: &Member) -> mongodb::error::Result<Look> {
    let hello = member.admin(doc! { "hello": 1 }).await?;
    // Both are refused by a member that starts, and by one that is no member of a set.
    let status = member.admin(doc! { "replSetGetStatus": 1, "initialSync": 0 }).await.ok();
    let rollback = member.admin(doc! { "replSetGetRBID": 1 }).await.ok();
    Ok(read(&hello, status.as_ref(), rollback.as_ref()))
}

fn read(hello: &Document, status: Option<&Document>, rollback: Option<&Document>) -> Look {
    let is_writable = hello.get_bool("isWritablePrimary").unwrap_or(false);
    let own = status.and_then(|status| status.get_array("members").ok()).and_then(|members| {
        let mut members = members.iter().filter_map(Bson::as_document);
        members.find(|member| member.get_bool("self").unwrap_or(false))
    });
    // A user may lack the right to ask for the status; what every member says of itself is enough then.
    let by_itself = if hello.get_bool("secondary").unwrap_or(false) { "SECONDARY" } else { "STARTUP" };
    let told = own.and_then(|own| own.get_str("stateStr").ok()).unwrap_or(by_itself);
    let state = match told {
        _ if is_writable => "PRIMARY",
        // It has won and takes no writes yet, or has lost and is about to say so.
        "PRIMARY" => "SECONDARY",
        told => told,
    };
    Look {
        state: state.to_owned(),
        election: is_writable.then(|| hello.get_object_id("electionId").ok()).flatten(),
        term: status.and_then(|status| integer(status, "term")),
        rollback_id: rollback.and_then(|rollback| integer(rollback, "rbid")),
        process: hello.get_document("topologyVersion").and_then(|version| version.get_object_id("processId")).ok(),
    }
}

fn integer(document: &Document, field: &str) -> Option<i64> {
    match document.get(field)? {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        _ => None,
    }
}
