//! The consumer's thread: reads every partition from offset 0, committed records only, and never gives up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Message, Offset};
use tokio_util::sync::CancellationToken;

use super::extent::Extent;
use super::record::record;
use crate::history::entry::{Entry, WitnessStep};
use crate::witness::journal::Journal;

/// The witness's name in the history.
pub(super) const WITNESS: &str = "kafka";

/// How long one poll waits; the longest that a stop waits too.
const POLL: Duration = Duration::from_millis(50);

/// After this many messages in a row the positions are looked at even so.
const MESSAGES_BETWEEN_LOOKS: u32 = 256;

/// What was read of each partition (real topic name, partition), and whether the witness can still vouch for it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) extents: HashMap<(String, i32), Extent>,
    pub(super) lost: Option<String>,
}

/// The state of the thread.
pub(super) struct Log {
    pub(super) consumer: BaseConsumer,
    pub(super) journal: Journal,
    /// Real topic name → the manifest's.
    pub(super) names: HashMap<String, String>,
    pub(super) seen: Arc<Mutex<Seen>>,
    pub(super) stopped: CancellationToken,
}

impl Log {
    /// Reads until it is stopped.
    pub(super) fn follow(self) {
        let mut interrupted = false;
        let mut since_look = 0;
        while !self.stopped.is_cancelled() {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    self.resume(&mut interrupted);
                    self.take(&message);
                    since_look += 1;
                    if since_look < MESSAGES_BETWEEN_LOOKS {
                        continue;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => self.resume(&mut interrupted),
                Some(Err(error)) if is_loss(&error) => self.lose(&error),
                // A broker that is down: the client dials again by itself.
                Some(Err(_)) => interrupted = true,
                None => {}
            }
            since_look = 0;
            self.look_at_positions();
        }
    }

    fn take(&self, message: &impl Message) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(name) = self.names.get(message.topic()) else { return };
        let key = (message.topic().to_owned(), message.partition());
        let is_new = seen.extents.entry(key).or_default().note(message.offset());
        if is_new {
            // Under the lock: who sees the position may rely on the record being in the history.
            self.journal.saw(Entry::Record(record(self.journal.now(), name, message)));
        }
    }

    /// Markers and aborted records are never delivered: only the position tells that they were passed.
    fn look_at_positions(&self) {
        let Ok(positions) = self.consumer.position() else { return };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for element in positions.elements() {
            if let Offset::Offset(position) = element.offset() {
                seen.extents.entry((element.topic().to_owned(), element.partition())).or_default().pass(position);
            }
        }
    }

    fn resume(&self, interrupted: &mut bool) {
        if std::mem::take(interrupted) {
            self.journal.step(WITNESS, WitnessStep::Resumed, "reading goes on at the next offset".to_owned());
        }
    }

    fn lose(&self, error: &KafkaError) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.lost.is_none() {
            seen.lost = Some(error.to_string());
            self.journal.step(WITNESS, WitnessStep::Lost, error.to_string());
        }
    }
}

/// Whether records that were there can no longer be read.
fn is_loss(error: &KafkaError) -> bool {
    match error {
        KafkaError::MessageConsumptionFatal(_) => true,
        KafkaError::MessageConsumption(code) | KafkaError::Global(code) => {
            matches!(
                code,
                RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::Fatal
            )
        }
        _ => false,
    }
}
