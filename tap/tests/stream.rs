//! Bytes pass unchanged and mean the same, however they are chunked and whatever they are.

#[expect(dead_code, reason = "each test file uses its own part")]
mod frames;

use bson::{Document, RawDocumentBuf, doc, rawdoc};
use kafka_protocol::messages::metadata_request::MetadataRequest;
use kafka_protocol::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafka_protocol::messages::{ApiKey, TopicName};
use kafka_protocol::protocol::StrBytes;
use proptest::prelude::*;
use torn_tap::bytes::Bytes;
use torn_tap::framing::{LIMIT, Opaque};
use torn_tap::{Connection, Direction, Ledger, Message, Piece, Protocol, Topics};

use self::frames::{Wire, command, joined, lsid, reply, request};

/// What a stream of requests came to.
#[derive(Debug, PartialEq)]
struct Reading {
    bytes: Vec<u8>,
    messages: Vec<Message>,
    /// Where in the stream each message begins.
    begins: Vec<usize>,
    opaque: Option<Opaque>,
    counters: torn_tap::Counters,
}

fn read(protocol: Protocol, direction: Direction, stream: &[u8], cuts: &[usize]) -> Reading {
    let mut ledger = Ledger::new(Topics::default());
    let mut connection = Connection::open(protocol, &mut ledger);
    let mut pieces: Vec<Piece> = Vec::new();
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).chain([0, stream.len()]).collect();
    cuts.sort_unstable();
    for ends in cuts.windows(2) {
        let chunk = Bytes::copy_from_slice(&stream[ends[0]..ends[1]]);
        pieces.extend(connection.read(direction, chunk, &mut ledger));
        let passed: usize = pieces.iter().map(|piece| piece.bytes.len()).sum();
        assert!(ends[1] - passed <= LIMIT, "{} bytes are held", ends[1] - passed);
        assert_eq!(connection.is_holding(direction), passed < ends[1]);
    }
    pieces.extend(connection.release(direction, &mut ledger));
    assert!(pieces.iter().all(|piece| !piece.bytes.is_empty()));
    let (mut at, mut begins) = (0, Vec::new());
    for piece in &pieces {
        begins.extend(piece.message.is_some().then_some(at));
        at += piece.bytes.len();
    }
    Reading {
        bytes: joined(&pieces),
        opaque: connection.opaque(direction),
        messages: pieces.into_iter().filter_map(|piece| piece.message).collect(),
        begins,
        counters: ledger.counters,
    }
}

fn produce(records: usize) -> Vec<u8> {
    let partition = PartitionProduceData::default().with_index(1).with_records(Some(vec![7; records].into()));
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_static_str("orders")))
        .with_partition_data(vec![partition]);
    request(ApiKey::Produce, 9, 5, &ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic]))
}

/// Frames, and what spoils a stream of them.
fn stretch() -> impl Strategy<Value = Vec<u8>> {
    let document = (any::<i32>(), "[a-z]{1,8}", 0_usize..200_000).prop_map(|(id, name, size)| {
        let lsid = Document::try_from(lsid(3)).expect("it is one");
        let body = doc! { name: "orders", "lsid": lsid, "txnNumber": 5_i64, "blob": "x".repeat(size), "$db": "d" };
        command(id, &RawDocumentBuf::try_from(&body).expect("it is one"))
    });
    let spoiled = (command_bytes(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut frame, at, byte)| {
        let at = at.index(frame.len());
        frame[at] = byte;
        frame
    });
    prop_oneof![
        4 => document,
        4 => (0_usize..150_000).prop_map(produce),
        2 => Just(request(ApiKey::Metadata, 9, 1, &MetadataRequest::default())),
        2 => spoiled,
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => Just(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 and so on".to_vec()),
        1 => Just(b"GET / HTTP/1.1\r\n\r\n".to_vec()),
    ]
}

fn command_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(command(1, &rawdoc! { "find": "orders", "filter": { "a": [1, 2] }, "$db": "d" })),
        Just(produce(60))
    ]
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(Protocol::Mongodb), Just(Protocol::Kafka), Just(Protocol::Unread)]
}

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Requests), Just(Direction::Answers)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_stream_passes_unchanged_and_says_the_same_in_any_chunks(
        protocol in protocol(),
        direction in direction(),
        stretches in prop::collection::vec(stretch(), 0..6),
        cuts in prop::collection::vec(any::<usize>(), 0..40),
    ) {
        let stream = stretches.concat();
        let whole = read(protocol, direction, &stream, &[]);
        prop_assert!(whole.bytes == stream);
        let chunked = read(protocol, direction, &stream, &cuts);
        prop_assert!(chunked == whole, "{:?}\n{:?}", chunked.messages, whole.messages);
    }

    #[test]
    fn valid_frames_are_each_a_message(ids in prop::collection::vec((any::<i32>(), 0_usize..100_000), 1..6), cuts in prop::collection::vec(any::<usize>(), 0..40)) {
        let frames: Vec<Vec<u8>> =
            ids.iter().map(|(id, size)| command(*id, &rawdoc! { "find": "orders", "x": "y".repeat(*size) })).collect();
        let reading = read(Protocol::Mongodb, Direction::Requests, &frames.concat(), &cuts);
        let correlations: Vec<i32> = reading.messages.iter().map(|message| message.correlation).collect();
        prop_assert_eq!(correlations, ids.iter().map(|(id, _)| *id).collect::<Vec<_>>());
        let starts = frames.iter().scan(0, |at, frame| Some(std::mem::replace(at, *at + frame.len())));
        prop_assert_eq!(reading.begins, starts.collect::<Vec<_>>());
        prop_assert_eq!(reading.opaque, None);
    }

    #[test]
    fn bytes_that_are_released_early_are_not_lost_and_the_next_frame_is_read(
        released in 1_usize..400,
        more in prop::collection::vec(1_usize..400, 0..4),
    ) {
        let first = command(1, &rawdoc! { "insert": "orders", "padding": "z".repeat(300), "$db": "d" });
        let second = command(2, &rawdoc! { "find": "orders", "$db": "d" });
        let mut wire = Wire::new(Protocol::Mongodb);
        let (mut at, mut pieces) = (0, Vec::new());
        for step in [released].into_iter().chain(more) {
            let end = (at + step).min(first.len() - 1);
            pieces.extend(wire.read(Direction::Requests, &first[at..end]));
            pieces.extend(wire.connection.release(Direction::Requests, &mut wire.ledger));
            prop_assert!(!wire.connection.is_holding(Direction::Requests));
            at = end;
        }
        pieces.extend(wire.read(Direction::Requests, &[&first[at..], &second].concat()));
        prop_assert_eq!(joined(&pieces), [first, second].concat());
        let messages: Vec<&Message> = pieces.iter().filter_map(|piece| piece.message.as_ref()).collect();
        prop_assert_eq!(messages.iter().map(|message| message.correlation).collect::<Vec<_>>(), [1, 2]);
        prop_assert!(messages[1].is_whole && messages[1].name == "find");
        prop_assert_eq!(pieces.iter().filter(|piece| piece.ends_message).count(), 2);
        prop_assert_eq!(wire.answer(&reply(1, &rawdoc! { "ok": 1 })).correlation, 1);
    }
}

#[test]
fn tls_is_told_from_nonsense_and_both_pass() {
    for protocol in [Protocol::Mongodb, Protocol::Kafka] {
        for (stream, reason) in [
            (&b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 and so on"[..], Opaque::Tls),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Opaque::Nonsense),
            (&[0xff; 40], Opaque::Nonsense),
        ] {
            let reading = read(protocol, Direction::Requests, stream, &[3, 9]);
            assert_eq!((reading.opaque, &reading.bytes[..]), (Some(reason), stream));
            assert_eq!(reading.counters.opaque_bytes, stream.len() as u64);
            assert_eq!(reading.counters.encrypted_directions, u64::from(reason == Opaque::Tls));
            assert_eq!(reading.counters.malformed_frames, u64::from(reason == Opaque::Nonsense));
        }
    }
}

#[test]
fn a_mongodb_frame_whose_length_looks_like_tls_is_a_frame() {
    let overhead = command(1, &rawdoc! { "find": "" }).len();
    for length in [0x0001_0316_usize, 0x0000_0316] {
        let frame = command(1, &rawdoc! { "find": "x".repeat(length - overhead) });
        assert_eq!(frame[..2], [0x16, 0x03]);
        let reading = read(Protocol::Mongodb, Direction::Requests, &frame, &[]);
        assert_eq!((reading.opaque, reading.messages.len()), (None, 1));
    }
}

#[test]
fn what_is_not_to_be_read_is_only_counted() {
    let reading = read(Protocol::Unread, Direction::Requests, b"GET / HTTP/1.1\r\n", &[5]);
    assert_eq!((reading.counters.bytes, reading.counters.opaque_bytes, reading.messages.len()), (16, 0, 0));
}
