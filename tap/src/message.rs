//! What is told about a message.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From who dialled to who was dialled.
    Requests,
    /// The other way.
    Answers,
}

/// A message, as far as it was read. What it does not say or what was not read is `None`, empty or 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Which way it goes.
    pub direction: Direction,
    /// The command or API: `insert`, `commitTransaction`, `Produce`. An answer has its request's; without one it is
    /// [`UNMATCHED`]. [`COMPRESSED`] and [`UNREADABLE`] stand for what cannot be read, `api 99` for an unknown Kafka API.
    pub name: Cow<'static, str>,
    /// `MongoDB`: the database.
    pub database: Option<Arc<str>>,
    /// The collection, or the (first) topic; the group where a request names only that. An answer has its request's.
    pub target: Option<Arc<str>>,
    /// `requestID` of a request and `responseTo` of an answer, or Kafka's correlation id.
    pub correlation: i32,
    /// Whether it goes back and forth by itself: heartbeats, metadata, logins, polls and their empty answers.
    pub is_background: bool,
    /// Whether all of it was read: false when only its beginning was, or when it makes no sense.
    pub is_whole: bool,
    /// The bytes of its frame.
    pub length: u64,
    /// Documents (of the batch) or bytes of records in an answer; bytes of records in a Produce request. Of a message that
    /// is not whole: at least so many.
    pub returned: u64,
    /// The session and transaction that it belongs to; an answer to its request's.
    pub transaction: Option<Transaction>,
    /// What an answer complains about.
    pub failure: Option<Failure>,
    /// Documents that an update or a conditional write matched (an upserted one not counted).
    pub matched: Option<u64>,
    /// Documents that it modified.
    pub modified: Option<u64>,
    /// Documents that it upserted.
    pub upserted: u64,
    /// Kafka: the partitions that it is about, the first [`Message::MOST_PARTITIONS`] of them.
    pub partitions: Vec<Partition>,
    /// Kafka: the consumer group.
    pub group: Option<Arc<str>>,
    /// Kafka: the client id.
    pub client: Option<Arc<str>>,
    /// Kafka: the transactional id.
    pub transactional_id: Option<Arc<str>>,
    /// Kafka: how many replicas a Produce request wants to have written, -1 for all in sync.
    pub acks: Option<i16>,
    /// Kafka: whether an `EndTxn` commits.
    pub commits: Option<bool>,
}

/// The name of an answer whose request was not seen.
pub const UNMATCHED: &str = "unmatched";

/// The name of a compressed message.
pub const COMPRESSED: &str = "compressed";

/// The name of a message in which none was found.
pub const UNREADABLE: &str = "unreadable";

impl Message {
    /// How many partitions are told apart.
    pub const MOST_PARTITIONS: usize = 256;

    /// A message of which only its frame is known.
    pub(crate) fn new(direction: Direction, correlation: i32, length: u64) -> Self {
        Self {
            direction,
            name: Cow::Borrowed(UNREADABLE),
            database: None,
            target: None,
            correlation,
            is_background: false,
            is_whole: false,
            length,
            returned: 0,
            transaction: None,
            failure: None,
            matched: None,
            modified: None,
            upserted: 0,
            partitions: Vec::new(),
            group: None,
            client: None,
            transactional_id: None,
            acks: None,
            commits: None,
        }
    }

    /// Gives an answer what its request said.
    pub(crate) fn answer_to(&mut self, asked: Option<&Asked>) {
        let Some(asked) = asked else {
            self.name = Cow::Borrowed(UNMATCHED);
            return;
        };
        self.name.clone_from(&asked.name);
        self.database.clone_from(&asked.database);
        self.target.clone_from(&asked.target);
        self.transaction.clone_from(&asked.transaction);
        self.is_background = asked.is_background;
        self.commits = asked.commits;
    }

    pub(crate) fn add_partition(&mut self, partition: Partition) {
        if self.target.is_none() {
            self.target = Some(Arc::clone(&partition.topic));
        }
        if self.partitions.len() < Self::MOST_PARTITIONS {
            self.partitions.push(partition);
        }
    }
}

/// A request that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// As [`Message::correlation`].
    pub correlation: i32,
    /// As [`Message::name`].
    pub name: Cow<'static, str>,
    /// As [`Message::database`].
    pub database: Option<Arc<str>>,
    /// As [`Message::target`].
    pub target: Option<Arc<str>>,
    /// As [`Message::transaction`].
    pub transaction: Option<Transaction>,
    /// As [`Message::is_background`].
    pub is_background: bool,
    /// As [`Message::commits`].
    pub commits: Option<bool>,
    /// What is needed to read the answer.
    pub(crate) manner: Manner,
}

/// How an answer is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// `MongoDB`; whether the cursor in the answer waits for what is to come (a change stream, a tailable cursor).
    Mongodb { opens_awaiting: bool },
    /// Kafka's API and version.
    Kafka { key: i16, version: i16 },
}

/// A `MongoDB` session (`lsid.id`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Session(pub [u8; 16]);

impl fmt::Display for Session {
    /// The first eight digits.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Session({self})")
    }
}

/// A numbered statement of a `MongoDB` session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Whose.
    pub session: Session,
    /// `txnNumber`.
    pub number: i64,
    /// Which part of a transaction, if of one at all.
    pub step: Step,
}

/// What a numbered statement is to its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Its first statement.
    Starts,
    /// Another one.
    Continues,
    /// `commitTransaction`.
    Commits,
    /// `abortTransaction`.
    Aborts,
    /// A retryable write outside of transactions.
    Retryable,
}

/// What an answer complains about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// The code of the whole answer, else of the first write or partition that failed, else of the write concern.
    pub code: i32,
    /// Its name, if the answer says it or it is well known.
    pub name: Option<Cow<'static, str>>,
    /// `errorLabels`.
    pub labels: Vec<String>,
    /// `writeErrors[].code`.
    pub write_errors: Vec<i32>,
    /// `writeConcernError.code`.
    pub write_concern: Option<i32>,
}

impl Failure {
    /// Whether the whole transaction may be tried again.
    pub fn is_transient(&self) -> bool {
        self.labels.iter().any(|label| label == "TransientTransactionError")
    }
}

/// A partition in a Kafka message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its topic; the id in hexadecimal digits where no metadata named it.
    pub topic: Arc<str>,
    /// Its number.
    pub number: i32,
    /// Bytes of records.
    pub bytes: u64,
    /// The error code in an answer, 0 for none.
    pub error: i16,
    /// Who sent its records, if idempotent.
    pub producer: Option<Producer>,
}

/// An idempotent producer and where its batch stands (KIP-98).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Producer {
    /// The producer id.
    pub id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// The sequence number of the batch's first record.
    pub sequence: i32,
    /// Whether the batch belongs to a transaction.
    pub is_transactional: bool,
}
