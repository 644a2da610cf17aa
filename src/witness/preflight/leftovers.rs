//! What runs made on servers that outlive them, and its removal: databases `torn_<id>`, topics `torn-<id>.<topic>`.

use std::time::{Duration, Instant};

use mongodb::bson::doc;
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{Acknowledgment, ClientOptions, WriteConcern};
use mongodb::{Client, Database};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaErrorCode;

use super::{DATABASE_PREFIX, TOPIC_PREFIX};
use crate::secret::Secret;
use crate::witness::error::WitnessError;
use crate::witness::kafka::{client_config, refused};
use crate::witness::spec::KafkaSpec;

/// How long one server may take.
const ANSWER_AT_MOST: Duration = Duration::from_secs(10);

/// How long the removal of a database may take: longer than a transaction that a killed service left open holds its locks
/// (`transactionLifetimeLimitSeconds`, 60 s by default).
pub(super) const DROP_AT_MOST: Duration = Duration::from_secs(90);

/// The code of a missing right.
const UNAUTHORIZED: i32 = 13;

/// Digits of a run's id.
const ID_DIGITS: usize = 8;

/// What runs left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Databases.
    pub databases: Vec<String>,
    /// Topics.
    pub topics: Vec<String>,
}

/// Looks for everything that carries the name of a run; who is running now is not told from who is gone.
///
/// # Errors
/// When a server does not answer.
pub async fn find_leftovers(mongodb: Option<&Secret>, kafka: Option<&KafkaSpec>) -> Result<Leftovers, WitnessError> {
    let mut found = Leftovers::default();
    if let Some(uri) = mongodb {
        let names = database_names(uri, ANSWER_AT_MOST).await?;
        found.databases = names.into_iter().filter(|name| is_run(name, DATABASE_PREFIX, None)).collect();
    }
    if let Some(spec) = kafka {
        let (spec, asked) = (spec.clone(), "list its topics");
        let listed = tokio::task::spawn_blocking(move || {
            let handle: BaseConsumer =
                client_config(&spec).create().map_err(|error| refused(&spec.bootstrap, asked, &error))?;
            let metadata = handle.fetch_metadata(None, ANSWER_AT_MOST);
            let metadata = metadata.map_err(|error| refused(&spec.bootstrap, asked, &error))?;
            Ok::<Vec<String>, WitnessError>(metadata.topics().iter().map(|topic| topic.name().to_owned()).collect())
        });
        let names = listed.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        found.topics = names.into_iter().filter(|name| is_run(name, TOPIC_PREFIX, Some('.'))).collect();
    }
    Ok(found)
}

/// Whether this is the name of something that a run made.
fn is_run(name: &str, prefix: &str, end: Option<char>) -> bool {
    let Some(rest) = name.strip_prefix(prefix) else { return false };
    let Some((id, rest)) = rest.split_at_checked(ID_DIGITS) else { return false };
    let ends = match end {
        None => rest.is_empty(),
        Some(end) => rest.starts_with(end),
    };
    ends && id.chars().all(|digit| digit.is_ascii_digit() || ('a'..='f').contains(&digit))
}

/// Deletes a run's database. Nothing is wrong where there is none.
///
/// # Errors
/// When the server does not answer within [`DROP_AT_MOST`], or refuses.
pub async fn remove_run_database(uri: &Secret, database: &str) -> Result<(), WitnessError> {
    remove_within(uri, database, DROP_AT_MOST).await
}

async fn remove_within(uri: &Secret, database: &str, at_most: Duration) -> Result<(), WitnessError> {
    let client = client(uri).await?;
    within(at_most, "drop the run's database", remove_database(&client.database(database), at_most)).await
}

async fn database_names(uri: &Secret, at_most: Duration) -> Result<Vec<String>, WitnessError> {
    let client = client(uri).await?;
    within(at_most, "list its databases", client.list_database_names().into_future()).await
}

/// Drops a database; where that right is missing, each of its collections, which comes to the same. `held_within`: how
/// long a majority may take to hold that; the server waits for it forever otherwise.
pub(super) async fn remove_database(database: &Database, held_within: Duration) -> Result<(), Error> {
    let concern = WriteConcern::builder().w(Acknowledgment::Majority).w_timeout(held_within).build();
    match database.drop().write_concern(concern).await {
        Err(error) if is_unauthorized(&error) => {
            for name in database.list_collection_names().await? {
                database.run_command(doc! { "drop": name }).await?;
            }
            Ok(())
        }
        dropped => dropped,
    }
}

fn is_unauthorized(error: &Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::Command(command) if command.code == UNAUTHORIZED)
}

/// Deletes topics. Nothing is wrong where they are not there.
///
/// # Errors
/// When no broker answers before the deadline, or one refuses.
pub async fn remove_topics(spec: &KafkaSpec, names: &[&str], deadline: Instant) -> Result<(), WitnessError> {
    if names.is_empty() {
        return Ok(());
    }
    let failed = |doing: &str, reason: &dyn ToString| refused(&spec.bootstrap, doing, &reason.to_string());
    let admin: AdminClient<DefaultClientContext> =
        client_config(spec).create().map_err(|error| failed("delete topics", &error))?;
    let left = deadline.saturating_duration_since(Instant::now());
    let options = AdminOptions::new().request_timeout(Some(left)).operation_timeout(Some(left));
    let results = admin.delete_topics(names, &options).await.map_err(|error| failed("delete topics", &error))?;
    for result in results {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)) => {}
            Err((topic, code)) => return Err(failed(&format!("delete topic {topic}"), &code)),
        }
    }
    Ok(())
}

async fn client(uri: &Secret) -> Result<Client, WitnessError> {
    let mut options = ClientOptions::parse(uri.reveal()).await.map_err(failed("take the URI"))?;
    options.app_name = Some("torn".to_owned());
    options.server_selection_timeout = Some(ANSWER_AT_MOST);
    Client::with_options(options).map_err(failed("take the URI"))
}

/// What a server answers, or that it does not.
async fn within<T>(
    at_most: Duration,
    doing: &'static str,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, WitnessError> {
    let Ok(done) = tokio::time::timeout(at_most, work).await else {
        let (doing, last) = (doing.to_owned(), "it does not answer".to_owned());
        return Err(WitnessError::MongodbDeadline { doing, waited: at_most, last });
    };
    done.map_err(failed(doing))
}

fn failed(doing: &'static str) -> impl FnOnce(Error) -> WitnessError {
    move |error| WitnessError::Mongodb { doing: doing.to_owned(), source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::witness::preflight::fixture::mute_mongod;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_mongod_that_answers_no_more_is_not_waited_for_beyond_the_deadline() {
        let uri = Secret::new(format!("mongodb://{}/?directConnection=true", mute_mongod().await));
        let at_most = Duration::from_millis(500);
        let looked = tokio::time::timeout(Duration::from_secs(30), database_names(&uri, at_most)).await;
        let said = looked.expect("the look ends").expect_err("there is no answer").to_string();
        assert!(said.starts_with("MongoDB did not list its databases within 500ms"), "{said}");
        let removed =
            tokio::time::timeout(Duration::from_secs(30), remove_within(&uri, "torn_0123abcd", at_most)).await;
        let said = removed.expect("the removal ends").expect_err("there is no answer").to_string();
        assert!(said.starts_with("MongoDB did not drop the run's database within 500ms"), "{said}");
    }

    #[test]
    fn only_what_carries_a_run_s_id_is_a_run_s() {
        for name in ["torn_0123abcd", "torn_deadbeef"] {
            assert!(is_run(name, DATABASE_PREFIX, None), "{name}");
        }
        for name in ["torn_orders", "torn_0123abc", "torn_0123abcde", "torn_0123ABCD", "shop", "torn"] {
            assert!(!is_run(name, DATABASE_PREFIX, None), "{name}");
        }
        assert!(is_run("torn-0123abcd.purchases", TOPIC_PREFIX, Some('.')));
        assert!(!is_run("torn-0123abcd", TOPIC_PREFIX, Some('.')), "no run has a topic without a name");
        assert!(!is_run("0123abcd.purchases", TOPIC_PREFIX, Some('.')));
    }
}
