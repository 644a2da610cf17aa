//! Starts every witness, catches up after the load, reads everything at the end, stops.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::error::WitnessError;
use super::journal::Journal;
use super::kafka::KafkaEye;
use super::mongodb::{MongodbEye, read_all};
use super::roles::Roles;
use super::sample::{Gauges, Sampler};
use super::spec::{Listener, WitnessSpec};
use crate::history::recorder::Recorder;

/// The witnesses of one run.
pub struct Witnesses {
    journal: Journal,
    recorder: Recorder,
    mongodb: Option<MongodbEye>,
    kafka: Option<KafkaEye>,
}

impl Witnesses {
    /// Creates collections and topics, starts to watch, and inserts the setup documents in sight of the witness. When
    /// this returns, nothing that anyone writes from now on can go unseen.
    ///
    /// # Errors
    /// When a server does not answer within `start_within`, or refuses.
    pub async fn start(spec: WitnessSpec, recorder: Recorder, listener: Listener) -> Result<Self, WitnessError> {
        let deadline = Instant::now() + spec.start_within;
        let journal = Journal::new(recorder.clone(), listener);
        let mongodb = async {
            match spec.mongodb {
                Some(mongodb) => {
                    MongodbEye::start(mongodb, journal.clone(), recorder.clock(), deadline.into()).await.map(Some)
                }
                None => Ok(None),
            }
        };
        let kafka = async {
            match spec.kafka {
                Some(kafka) => KafkaEye::start(kafka, journal.clone(), deadline).await.map(Some),
                None => Ok(None),
            }
        };
        match tokio::join!(mongodb, kafka) {
            (Ok(mongodb), Ok(kafka)) => Ok(Self { journal, recorder, mongodb, kafka }),
            (mongodb, kafka) => {
                // Whichever came up must not live on.
                let (mongodb, error) = keep(mongodb, None);
                let (kafka, error) = keep(kafka, error);
                Self { journal, recorder, mongodb, kafka }.stop().await;
                Err(error.expect("one of the two failed"))
            }
        }
    }

    /// When a witness last saw anything of the system under test; the start, before that.
    pub fn last_seen(&self) -> Instant {
        self.recorder.clock().instant(self.journal.last_seen())
    }

    /// Unpublished rows by outbox collection, as of the last change seen.
    pub fn backlog(&self) -> BTreeMap<String, u64> {
        self.mongodb.as_ref().map(MongodbEye::backlog).unwrap_or_default()
    }

    /// Whether the witnesses have seen everything that is committed now: `MongoDB` up to a mark written now, Kafka up to
    /// the end offsets of now. Call it when everything is healed. `false` at the deadline, or when a witness was lost:
    /// nothing may then be called absent.
    pub async fn catch_up(&self, deadline: Instant) -> bool {
        let mongodb = async {
            match &self.mongodb {
                Some(mongodb) => mongodb.catch_up(deadline.into()).await,
                None => true,
            }
        };
        let kafka = async {
            match &self.kafka {
                Some(kafka) => kafka.catch_up(deadline).await,
                None => true,
            }
        };
        let (mongodb, kafka) = tokio::join!(mongodb, kafka);
        mongodb && kafka
    }

    /// Records every observed document as it is now, with read concern majority.
    ///
    /// # Errors
    /// When a collection could not be read to its end before the deadline.
    pub async fn final_reads(&self, deadline: Instant) -> Result<(), WitnessError> {
        match &self.mongodb {
            Some(mongodb) => {
                read_all(mongodb.connection(), &self.journal, mongodb.collections(), deadline.into()).await
            }
            None => Ok(()),
        }
    }

    /// Starts to record a sample at every multiple of `every` from now on.
    ///
    /// # Errors
    /// When a client for the consumer groups cannot be made.
    pub fn sampler(&self, every: Duration, gauges: Gauges) -> Result<Sampler, WitnessError> {
        let groups = self.kafka.as_ref().map(KafkaEye::group_probe).transpose()?;
        let mongodb = self.mongodb.as_ref().map(|eye| (eye.connection().clone(), eye.backlog_handle()));
        Ok(Sampler::start(self.journal.clone(), mongodb, groups, gauges, every))
    }

    /// Who plays which part: for faults that strike a member for what it is at that moment.
    pub fn roles(&self) -> Roles {
        let mongodb = self.mongodb.as_ref().map(|eye| eye.connection().clone());
        Roles { mongodb, kafka: self.kafka.as_ref().map(|eye| eye.brokers().clone()) }
    }

    /// Stops; what was seen until now is queued to the recorder when this returns.
    pub async fn stop(self) {
        if let Some(mongodb) = self.mongodb {
            mongodb.stop().await;
        }
        if let Some(kafka) = self.kafka {
            kafka.stop().await;
        }
    }

    /// Stops, and deletes the run's topics and database: for servers that outlive the run. What can be removed is,
    /// whatever becomes of the rest.
    ///
    /// # Errors
    /// When a server refuses or does not answer before the deadline.
    pub async fn remove(self, deadline: Instant) -> Result<(), WitnessError> {
        let mongodb = async {
            match self.mongodb {
                Some(mongodb) => mongodb.remove(deadline.into()).await,
                None => Ok(()),
            }
        };
        let kafka = async {
            match self.kafka {
                Some(kafka) => kafka.remove(deadline).await,
                None => Ok(()),
            }
        };
        let (mongodb, kafka) = tokio::join!(mongodb, kafka);
        mongodb.and(kafka)
    }
}

fn keep<T>(
    started: Result<Option<T>, WitnessError>,
    earlier: Option<WitnessError>,
) -> (Option<T>, Option<WitnessError>) {
    match started {
        Ok(eye) => (eye, earlier),
        Err(error) => (None, earlier.or(Some(error))),
    }
}
