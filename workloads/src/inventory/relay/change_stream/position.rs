//! How far the relay has come: the token of the last row that was published and marked.

use mongodb::bson::doc;
use mongodb::change_stream::event::ResumeToken;
use mongodb::error::Result;
use mongodb::options::ReadConcern;
use mongodb::{Collection, Database};
use serde::{Deserialize, Serialize};

use crate::service::database;

/// The collection's name.
pub(in crate::inventory::relay) const POSITIONS: &str = "relay_positions";

/// The stream that the position is one in.
const STREAM: &str = "outbox";

/// The document.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    #[serde(rename = "_id")]
    stream: String,
    token: ResumeToken,
}

/// Where the position is kept. Writes are acknowledged by a majority, and what is read a majority has: a token that a
/// failover takes back would be replaced by an older one, never by a newer.
pub(super) struct Positions(Collection<Position>);

impl Positions {
    pub(super) fn open(database: &Database) -> Self {
        Self(database::majority(database, POSITIONS))
    }

    /// The token that was stored last.
    pub(super) async fn read(&self) -> Result<Option<ResumeToken>> {
        let position = self.0.find_one(doc! { "_id": STREAM }).read_concern(ReadConcern::majority()).await?;
        Ok(position.map(|position| position.token))
    }

    /// Everything up to this token is published and marked.
    pub(super) async fn store(&self, token: &ResumeToken) -> Result<()> {
        let position = Position { stream: STREAM.to_owned(), token: token.clone() };
        self.0.replace_one(doc! { "_id": STREAM }, position).upsert(true).await?;
        Ok(())
    }

    /// The stored token leads nowhere.
    pub(super) async fn forget(&self) -> Result<()> {
        self.0.delete_one(doc! { "_id": STREAM }).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::{deserialize_from_document, serialize_to_document};

    #[test]
    fn a_token_is_stored_as_the_server_wrote_it() {
        let document = doc! { "_id": STREAM, "token": { "_data": "8263" } };
        let position: Position = deserialize_from_document(document.clone()).unwrap();
        assert_eq!(serialize_to_document(&position).unwrap(), document);
    }
}
