//! One metadata request over a socket of its own: what this very broker thinks of the cluster.
//!
//! A Kafka client asks whichever broker it likes, and keeps leader epochs to itself; both are what this is about. The
//! request is version 7, the first with leader epochs (Kafka 2.1), without the compact encoding of later versions; brokers
//! of Kafka 4 still speak it. <https://kafka.apache.org/protocol#The_Messages_Metadata>

use std::io::{self, ErrorKind};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The request's number and version.
const METADATA: [i16; 2] = [3, 7];

/// More than any cluster under test answers.
const ANSWER_AT_MOST: i32 = 1 << 22;

/// What one broker says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    /// Brokers that it believes to be alive: id, and where clients find them.
    pub(super) brokers: Vec<(i32, String)>,
    /// The partitions of the topics that were asked for.
    pub(super) partitions: Vec<Partition>,
}

/// A partition, as one broker sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Partition {
    /// The topic's real name.
    pub(super) topic: String,
    /// Its number.
    pub(super) number: i32,
    /// Negative: none.
    pub(super) leader: i32,
    /// Rises with each election.
    pub(super) epoch: i32,
    /// Brokers that hold a replica.
    pub(super) replicas: Vec<i32>,
    /// Those that are in sync.
    pub(super) in_sync: Vec<i32>,
}

/// A connection to one broker.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    number: i32,
}

impl Wire {
    /// Dials; the caller bounds the wait.
    pub(super) async fn dial(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, number: 0 })
    }

    /// Asks about topics by their real names; the caller bounds the wait, and drops the connection if it did not come back
    /// in time.
    pub(super) async fn ask(&mut self, topics: &[String]) -> io::Result<Metadata> {
        self.number = self.number.wrapping_add(1);
        self.stream.write_all(&request(self.number, topics)).await?;
        let length = self.stream.read_i32().await?;
        if !(0..=ANSWER_AT_MOST).contains(&length) {
            return Err(malformed());
        }
        let mut bytes = vec![0; length as usize];
        self.stream.read_exact(&mut bytes).await?;
        let mut answer = Answer(&bytes);
        if answer.int()? != self.number {
            return Err(malformed());
        }
        answer.metadata()
    }
}

fn request(number: i32, topics: &[String]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in METADATA {
        body.extend(part.to_be_bytes());
    }
    body.extend(number.to_be_bytes());
    text(&mut body, "torn-witness");
    body.extend(length::<i32>(topics.len()).to_be_bytes());
    for topic in topics {
        text(&mut body, topic);
    }
    // No topic is to be made by asking for it.
    body.push(0);
    let mut request = length::<i32>(body.len()).to_be_bytes().to_vec();
    request.extend(body);
    request
}

fn length<T: TryFrom<usize>>(length: usize) -> T {
    T::try_from(length).ok().expect("a topic's name is at most 249 bytes, and a run has a handful")
}

fn text(body: &mut Vec<u8>, text: &str) {
    body.extend(length::<i16>(text.len()).to_be_bytes());
    body.extend(text.as_bytes());
}

/// What is left to read of an answer.
struct Answer<'a>(&'a [u8]);

impl Answer<'_> {
    fn metadata(&mut self) -> io::Result<Metadata> {
        self.int()?; // how long the client should wait before it asks again
        let mut metadata = Metadata::default();
        for _ in 0..self.int()? {
            let (id, host, port) = (self.int()?, self.text()?.unwrap_or_default(), self.int()?);
            self.text()?; // rack
            metadata.brokers.push((id, format!("{host}:{port}")));
        }
        self.text()?; // the cluster's id
        self.int()?; // the controller
        for _ in 0..self.int()? {
            self.take::<2>()?; // an error: then there are no partitions
            let topic = self.text()?.unwrap_or_default();
            self.take::<1>()?; // whether it is internal
            for _ in 0..self.int()? {
                self.take::<2>()?; // an error: then there is no leader
                let (number, leader, epoch) = (self.int()?, self.int()?, self.int()?);
                let (replicas, in_sync, _offline) = (self.ints()?, self.ints()?, self.ints()?);
                metadata.partitions.push(Partition { topic: topic.clone(), number, leader, epoch, replicas, in_sync });
            }
        }
        Ok(metadata)
    }

    fn ints(&mut self) -> io::Result<Vec<i32>> {
        (0..self.int()?).map(|_| self.int()).collect()
    }

    fn int(&mut self) -> io::Result<i32> {
        self.take().map(i32::from_be_bytes)
    }

    /// None for a text that is null.
    fn text(&mut self) -> io::Result<Option<String>> {
        let Ok(length) = usize::try_from(i16::from_be_bytes(self.take()?)) else { return Ok(None) };
        let (text, rest) = self.0.split_at_checked(length).ok_or_else(malformed)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).map(Some).map_err(|_| malformed())
    }

    fn take<const LENGTH: usize>(&mut self) -> io::Result<[u8; LENGTH]> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(malformed)?;
        self.0 = rest;
        Ok(*taken)
    }
}

fn malformed() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "what answers is no Kafka broker")
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, proptest};

    use super::*;

    proptest! {
        #[test]
        fn an_answer_of_any_bytes_is_an_error_and_no_panic(bytes in vec(any::<u8>(), 0..200)) {
            let _ = Answer(&bytes).metadata();
        }
    }

    #[test]
    fn a_count_without_what_it_counts_is_an_error() {
        let bytes = [[0; 4], i32::MAX.to_be_bytes()].concat();
        assert_eq!(Answer(&bytes).metadata().map_err(|error| error.kind()), Err(ErrorKind::InvalidData));
    }
}
