//! What real drivers and servers said to each other, read again: `pymongo` 4.15 with `mongod` 6.0.5, librdkafka 2.12 with
//! Kafka 4.1. A line of a file is a frame: the number of its connection, its direction, its bytes.

#[expect(dead_code, reason = "each test file uses its own part")]
mod frames;

use std::collections::BTreeMap;

use torn_tap::{Connection, Counters, Direction, Ledger, Message, Protocol, Topics};

/// The messages that are no background, each in a line; every frame is wholly read.
fn replay(protocol: Protocol, capture: &str) -> (Vec<String>, Counters) {
    let mut ledger = Ledger::new(Topics::default());
    let mut connections: BTreeMap<&str, Connection> = BTreeMap::new();
    let mut lines = Vec::new();
    for line in capture.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [connection, direction, digits] = fields[..] else { panic!("three fields in {line}") };
        let direction = if direction == "requests" { Direction::Requests } else { Direction::Answers };
        let digit = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
        let bytes: Vec<u8> = (0..digits.len()).step_by(2).map(digit).collect();
        let connection = connections.entry(connection).or_insert_with(|| Connection::open(protocol, &mut ledger));
        let pieces = connection.read(direction, bytes.clone().into(), &mut ledger);
        assert_eq!(frames::joined(&pieces), bytes);
        let message = pieces[0].message.as_ref().expect("each line is a frame");
        assert!(pieces.len() == 1 && pieces[0].ends_message && message.is_whole, "{message:?}");
        lines.extend((!message.is_background).then(|| describe(message)));
    }
    (lines, ledger.counters)
}

fn describe(message: &Message) -> String {
    let arrow = if message.direction == Direction::Requests { "→" } else { "←" };
    let target = message.target.as_deref().unwrap_or("-");
    let transaction = message.transaction.as_ref().filter(|_| message.direction == Direction::Requests);
    let parts = [
        Some(format!("{arrow} {} {target}", message.name)),
        transaction.map(|one| format!("{:?} {}", one.step, one.number)),
        (message.returned > 0).then(|| format!("returned {}", message.returned)),
        message.matched.map(|matched| format!("matched {matched}")),
        message.failure.as_ref().map(|failure| format!("failed with {} {:?}", failure.code, failure.labels)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[test]
fn a_driver_of_mongodb_is_understood() {
    let (lines, counters) = replay(Protocol::Mongodb, include_str!("captured/mongodb.txt"));
    assert_eq!(lines, MONGODB);
    let transactions = (counters.transactions_begun, counters.transactions_committed, counters.transactions_aborted);
    assert_eq!(transactions, (2, 1, 1));
    assert_eq!((counters.write_conflicts, counters.duplicate_keys, counters.unmatched_updates), (1, 1, 1));
    assert_eq!((counters.malformed_frames, counters.opaque_frames), (0, 0));
}

const MONGODB: &[&str] = &[
    "→ insert orders, Starts 1",
    "← insert orders",
    "→ update stock, Continues 1",
    "← update stock, matched 1",
    "→ commitTransaction -, Commits 1",
    "← commitTransaction -",
    "→ insert orders, Retryable 2",
    "← insert orders, failed with 11000 []",
    "→ update stock, Retryable 3",
    "← update stock, matched 0",
    "→ update stock, Starts 4",
    "← update stock, failed with 112 [\"TransientTransactionError\"]",
    "→ abortTransaction -, Aborts 4",
    "← abortTransaction -, failed with 251 [\"TransientTransactionError\"]",
    "→ find orders",
    "← find orders, returned 2",
];

#[test]
fn a_client_of_kafka_is_understood() {
    let (lines, counters) = replay(Protocol::Kafka, include_str!("captured/kafka.txt"));
    assert_eq!(lines, KAFKA);
    assert_eq!((counters.offset_commits, counters.transactions_committed), (2, 1));
    assert_eq!((counters.malformed_frames, counters.batches_sent_again), (0, 0));
}

const KAFKA: &[&str] = &[
    "→ Produce orders, returned 73",
    "← Produce orders",
    "→ AddPartitionsToTxn -",
    "← AddPartitionsToTxn orders",
    "→ Produce orders, returned 84",
    "← Produce orders",
    "← Fetch orders, returned 73",
    "→ OffsetCommit orders",
    "← OffsetCommit orders",
    "→ AddOffsetsToTxn -",
    "← AddOffsetsToTxn -",
    "→ TxnOffsetCommit orders",
    "← TxnOffsetCommit orders",
    "→ EndTxn -",
    "← EndTxn -",
    "← Fetch orders, returned 162",
];
