//! What is told about messages of Kafka, each version as an encoder that is not ours writes it, and what is counted.

#[expect(dead_code, reason = "each test file uses its own part")]
mod frames;

use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{AbortedTransaction, FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Encodable, Message as _, StrBytes};
use torn_tap::bytes::{BufMut, Bytes, BytesMut};
use torn_tap::{Direction, Message, Producer, Protocol};

use self::frames::{Wire, joined, request, response};

fn wire() -> Wire {
    Wire::new(Protocol::Kafka)
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn orders() -> TopicName {
    TopicName(text("orders"))
}

const ID: uuid::Uuid = uuid::Uuid::from_bytes([0xa5; 16]);

/// The header of a batch, and nothing else of it.
fn batch(producer: i64, sequence: i32, size: usize) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i64(0);
    bytes.put_i32(i32::try_from(size).expect("small") - 12);
    bytes.put_i32(-1);
    bytes.put_u8(2);
    bytes.put_u32(0);
    bytes.put_i16(0x10);
    bytes.put_slice(&[0; 20]);
    bytes.put_i64(producer);
    bytes.put_i16(4);
    bytes.put_i32(sequence);
    bytes.resize(size, 0);
    bytes.freeze()
}

fn produce(version: i16, records: Bytes) -> ProduceRequest {
    let partition = PartitionProduceData::default().with_index(3).with_records(Some(records));
    let topic = TopicProduceData::default().with_partition_data(vec![partition]);
    let topic = if version >= 13 { topic.with_topic_id(ID) } else { topic.with_name(orders()) };
    ProduceRequest::default()
        .with_transactional_id(Some(TransactionalId(text("writer"))))
        .with_acks(-1)
        .with_timeout_ms(1000)
        .with_topic_data(vec![topic])
}

/// Asks and answers in one version; both messages.
fn exchange(key: ApiKey, version: i16, question: &impl Encodable, answer: &impl Encodable) -> (Message, Message) {
    let mut wire = wire();
    wire.topics.learn(*ID.as_bytes(), "orders");
    let asked = wire.ask(&request(key, version, 42, question));
    let answered = wire.answer(&response(key, version, 42, answer));
    assert!(asked.is_whole, "{key:?} {version}: {asked:?}");
    assert!(answered.is_whole, "{key:?} {version}: {answered:?}");
    assert_eq!((&asked.name, asked.client.as_deref()), (&answered.name, Some("rdkafka")));
    assert_eq!((asked.correlation, answered.correlation), (42, 42));
    assert_eq!(wire.connection.unanswered().count(), 0);
    (asked, answered)
}

#[test]
fn every_version_of_produce_is_read() {
    for version in ProduceRequest::VERSIONS.min..=ProduceRequest::VERSIONS.max {
        let partition = PartitionProduceResponse::default()
            .with_index(3)
            .with_error_code(45)
            .with_base_offset(9)
            .with_log_append_time_ms(8);
        let partition = if version >= 8 {
            let error = BatchIndexAndErrorMessage::default().with_batch_index_error_message(Some(text("no")));
            partition.with_record_errors(vec![error]).with_error_message(Some(text("out of order")))
        } else {
            partition
        };
        let partition = if version >= 10 {
            partition.with_current_leader(LeaderIdAndEpoch::default().with_leader_epoch(4))
        } else {
            partition
        };
        let second = partition.clone().with_index(4).with_error_code(0);
        let topic = TopicProduceResponse::default().with_partition_responses(vec![partition, second]);
        let topic = if version >= 13 { topic.with_topic_id(ID) } else { topic.with_name(orders()) };
        let answer = ProduceResponse::default().with_responses(vec![topic]);
        let (asked, answered) = exchange(ApiKey::Produce, version, &produce(version, batch(77, 5, 200)), &answer);
        assert_eq!((&*asked.name, asked.target.as_deref(), asked.acks), ("Produce", Some("orders"), Some(-1)));
        assert_eq!(
            (asked.returned, asked.is_background, asked.transactional_id.as_deref()),
            (200, false, Some("writer"))
        );
        let producer = Producer { id: 77, epoch: 4, sequence: 5, is_transactional: true };
        assert_eq!((asked.partitions[0].number, asked.partitions[0].producer), (3, Some(producer)));
        let failure = answered.failure.expect("out of order");
        assert_eq!((failure.code, failure.name.as_deref()), (45, Some("OUT_OF_ORDER_SEQUENCE_NUMBER")));
        let errors: Vec<_> = answered.partitions.iter().map(|one| (one.number, one.error)).collect();
        assert_eq!((&errors[..], answered.target.as_deref()), (&[(3, 45), (4, 0)][..], Some("orders")));
    }
}

#[test]
fn every_version_of_fetch_is_read_and_is_background_unless_it_brings_records() {
    for version in FetchRequest::VERSIONS.min..=FetchRequest::VERSIONS.max {
        for records in [0, 500] {
            let topic = FetchTopic::default().with_partitions(vec![FetchPartition::default().with_partition(3)]);
            let topic = if version >= 13 { topic.with_topic_id(ID) } else { topic.with_topic(orders()) };
            let question = FetchRequest::default().with_topics(vec![topic]).with_max_wait_ms(500);
            let aborted = AbortedTransaction::default().with_first_offset(3);
            let partition = PartitionData::default()
                .with_partition_index(3)
                .with_aborted_transactions(Some(vec![aborted]))
                .with_records(Some(vec![1; records].into()));
            let empty = PartitionData::default().with_partition_index(4).with_error_code(1).with_records(None);
            let topic = FetchableTopicResponse::default().with_partitions(vec![partition, empty]);
            let topic = if version >= 13 { topic.with_topic_id(ID) } else { topic.with_topic(orders()) };
            let answer = FetchResponse::default().with_responses(vec![topic]);
            let (asked, answered) = exchange(ApiKey::Fetch, version, &question, &answer);
            assert_eq!(
                (asked.target.as_deref(), asked.partitions[0].number, asked.is_background),
                (Some("orders"), 3, true)
            );
            assert_eq!(
                (answered.returned, answered.is_background),
                (records as u64, records == 0),
                "version {version}"
            );
            assert_eq!(
                answered.partitions.iter().map(|one| (one.bytes, one.error)).collect::<Vec<_>>(),
                [(records as u64, 0), (0, 1)]
            );
            assert_eq!(answered.failure.and_then(|failure| failure.name).as_deref(), Some("OFFSET_OUT_OF_RANGE"));
        }
    }
}

#[test]
fn every_version_of_offset_commit_is_read_and_counted() {
    for version in OffsetCommitRequest::VERSIONS.min..=OffsetCommitRequest::VERSIONS.max {
        let partitions = [1, 2].map(|number| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(number)
                .with_committed_metadata(Some(text("m")))
        });
        let topic = OffsetCommitRequestTopic::default().with_name(orders()).with_partitions(partitions.to_vec());
        let question = OffsetCommitRequest::default().with_group_id(GroupId(text("group"))).with_topics(vec![topic]);
        let answer = |error| {
            let partition = OffsetCommitResponsePartition::default().with_partition_index(1).with_error_code(error);
            let topic = OffsetCommitResponseTopic::default().with_name(orders()).with_partitions(vec![partition]);
            OffsetCommitResponse::default().with_topics(vec![topic])
        };
        let (asked, answered) = exchange(ApiKey::OffsetCommit, version, &question, &answer(27));
        assert_eq!((asked.group.as_deref(), asked.target.as_deref()), (Some("group"), Some("orders")));
        assert_eq!((asked.partitions.len(), asked.is_background), (2, false));
        assert_eq!(answered.failure.expect("rebalancing").code, 27);
        let mut wire = wire();
        for (id, error) in [(1, 27), (2, 0)] {
            wire.ask(&request(ApiKey::OffsetCommit, version, id, &question));
            wire.answer(&response(ApiKey::OffsetCommit, version, id, &answer(error)));
        }
        assert_eq!(wire.ledger.counters.offset_commits, 1);
    }
}

#[test]
fn every_version_of_metadata_is_read_and_names_topics() {
    for version in MetadataResponse::VERSIONS.min..=MetadataResponse::VERSIONS.max {
        let broker = MetadataResponseBroker::default().with_host(text("127.0.0.1")).with_port(9092);
        let partition = MetadataResponsePartition::default()
            .with_replica_nodes(vec![BrokerId(1), BrokerId(2)])
            .with_isr_nodes(vec![BrokerId(1)]);
        let topic = MetadataResponseTopic::default()
            .with_name(Some(orders()))
            .with_partitions(vec![partition.clone(), partition])
            .with_topic_id(if version >= 10 { ID } else { uuid::Uuid::nil() });
        let missing = MetadataResponseTopic::default().with_name(Some(TopicName(text("gone")))).with_error_code(3);
        let answer = MetadataResponse::default().with_brokers(vec![broker]).with_topics(vec![topic, missing]);
        let mut wire = wire();
        let asked =
            wire.ask(&request(ApiKey::Metadata, version, 1, &MetadataRequest::default().with_topics(Some(vec![]))));
        let answered = wire.answer(&response(ApiKey::Metadata, version, 1, &answer));
        assert!(asked.is_background && answered.is_background && answered.is_whole);
        assert_eq!(answered.failure.and_then(|failure| failure.name).as_deref(), Some("UNKNOWN_TOPIC_OR_PARTITION"));
        if version >= 10 {
            let message = wire.ask(&request(ApiKey::Produce, 13, 2, &produce(13, batch(1, 1, 100))));
            assert_eq!(message.target.as_deref(), Some("orders"));
        }
    }
}

#[test]
fn a_topic_that_no_metadata_named_has_its_id() {
    let message = wire().ask(&request(ApiKey::Produce, 13, 2, &produce(13, batch(1, 1, 100))));
    assert_eq!(message.target.as_deref(), Some("a5".repeat(16).as_str()));
}

/// Every version of an answer that says an error.
macro_rules! says {
    ($key:ident, $request:ident, $response:ty, $code:literal, $make:expr) => {
        for version in <$response>::VERSIONS.min..=<$response>::VERSIONS.max.min($request::VERSIONS.max) {
            let make: fn(i16) -> $response = $make;
            let (asked, answered) = exchange(ApiKey::$key, version, &$request::default(), &make(version));
            assert_eq!(asked.name, stringify!($key));
            let code = answered.failure.map(|failure| failure.code);
            assert_eq!(code, Some($code), "{} {version}", asked.name);
        }
    };
}

#[test]
fn errors_are_found_in_every_version_of_the_other_answers() {
    says!(JoinGroup, JoinGroupRequest, JoinGroupResponse, 25, |_| JoinGroupResponse::default().with_error_code(25));
    says!(SyncGroup, SyncGroupRequest, SyncGroupResponse, 25, |_| SyncGroupResponse::default().with_error_code(25));
    says!(Heartbeat, HeartbeatRequest, HeartbeatResponse, 27, |_| HeartbeatResponse::default().with_error_code(27));
    says!(LeaveGroup, LeaveGroupRequest, LeaveGroupResponse, 25, |_| LeaveGroupResponse::default().with_error_code(25));
    says!(InitProducerId, InitProducerIdRequest, InitProducerIdResponse, 90, |_| {
        InitProducerIdResponse::default().with_error_code(90)
    });
    says!(ApiVersions, ApiVersionsRequest, ApiVersionsResponse, 35, |_| ApiVersionsResponse::default()
        .with_error_code(35));
    says!(EndTxn, EndTxnRequest, EndTxnResponse, 47, |_| EndTxnResponse::default().with_error_code(47));
    says!(AddOffsetsToTxn, AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, 47, |_| {
        AddOffsetsToTxnResponse::default().with_error_code(47)
    });
    says!(SaslHandshake, SaslHandshakeRequest, SaslHandshakeResponse, 33, |_| {
        SaslHandshakeResponse::default().with_error_code(33)
    });
    says!(SaslAuthenticate, SaslAuthenticateRequest, SaslAuthenticateResponse, 58, |_| {
        SaslAuthenticateResponse::default().with_error_code(58)
    });
    says!(ConsumerGroupHeartbeat, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, 25, |_| {
        ConsumerGroupHeartbeatResponse::default().with_error_code(25)
    });
    says!(FindCoordinator, FindCoordinatorRequest, FindCoordinatorResponse, 15, |version| {
        let coordinator = Coordinator::default().with_key(text("group")).with_error_code(15);
        if version >= 4 {
            FindCoordinatorResponse::default().with_coordinators(vec![coordinator])
        } else {
            FindCoordinatorResponse::default().with_error_code(15)
        }
    });
    says!(ListOffsets, ListOffsetsRequest, ListOffsetsResponse, 6, |_| {
        let partition = ListOffsetsPartitionResponse::default().with_partition_index(1);
        let partitions = vec![partition.clone(), partition.with_error_code(6)];
        let topic = ListOffsetsTopicResponse::default().with_name(orders()).with_partitions(partitions);
        ListOffsetsResponse::default().with_topics(vec![topic])
    });
    says!(TxnOffsetCommit, TxnOffsetCommitRequest, TxnOffsetCommitResponse, 47, |_| {
        let partition = TxnOffsetCommitResponsePartition::default().with_error_code(47);
        let topic = TxnOffsetCommitResponseTopic::default().with_name(orders()).with_partitions(vec![partition]);
        TxnOffsetCommitResponse::default().with_topics(vec![topic])
    });
}

#[test]
fn errors_are_found_in_answers_whose_shape_changed() {
    says!(OffsetFetch, OffsetFetchRequest, OffsetFetchResponse, 14, |version| {
        if version >= 8 {
            let partition = OffsetFetchResponsePartitions::default().with_metadata(Some(text("m"))).with_error_code(14);
            let topic = OffsetFetchResponseTopics::default().with_partitions(vec![partition]);
            let topic = if version >= 10 { topic.with_topic_id(ID) } else { topic.with_name(orders()) };
            let group = OffsetFetchResponseGroup::default().with_topics(vec![topic]);
            OffsetFetchResponse::default().with_groups(vec![group])
        } else {
            let partition = OffsetFetchResponsePartition::default().with_metadata(Some(text("m"))).with_error_code(14);
            let topic = OffsetFetchResponseTopic::default().with_name(orders()).with_partitions(vec![partition]);
            OffsetFetchResponse::default().with_topics(vec![topic])
        }
    });
    says!(AddPartitionsToTxn, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, 51, |version| {
        let partition = AddPartitionsToTxnPartitionResult::default().with_partition_error_code(51);
        let topic =
            AddPartitionsToTxnTopicResult::default().with_name(orders()).with_results_by_partition(vec![partition]);
        if version >= 4 {
            let result = AddPartitionsToTxnResult::default().with_topic_results(vec![topic]);
            AddPartitionsToTxnResponse::default().with_results_by_transaction(vec![result])
        } else {
            AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(vec![topic])
        }
    });
}

#[test]
fn a_transaction_of_a_producer_commits_offsets_and_ends() {
    for version in 0..=5 {
        let mut wire = wire();
        let partition = TxnOffsetCommitRequestPartition::default().with_partition_index(2);
        let topic = TxnOffsetCommitRequestTopic::default().with_name(orders()).with_partitions(vec![partition]);
        let offsets = TxnOffsetCommitRequest::default().with_group_id(GroupId(text("group"))).with_topics(vec![topic]);
        let message = wire.ask(&request(ApiKey::TxnOffsetCommit, version, 1, &offsets));
        assert!(message.is_whole, "version {version}");
        assert_eq!((message.group.as_deref(), message.target.as_deref()), (Some("group"), Some("orders")));
        wire.answer(&response(ApiKey::TxnOffsetCommit, version, 1, &TxnOffsetCommitResponse::default()));
        for (id, commits) in [(2, true), (3, false)] {
            let message =
                wire.ask(&request(ApiKey::EndTxn, version, id, &EndTxnRequest::default().with_committed(commits)));
            assert_eq!(message.commits, Some(commits));
            wire.answer(&response(ApiKey::EndTxn, version, id, &EndTxnResponse::default()));
        }
        let counters = &wire.ledger.counters;
        assert_eq!(
            (counters.offset_commits, counters.transactions_committed, counters.transactions_aborted),
            (1, 1, 1)
        );
    }
}

#[test]
fn a_batch_that_is_sent_again_is_known_on_another_connection() {
    let mut wire = wire();
    for (correlation, producer, sequence) in [(1, 7, 0), (2, 7, 1), (3, 7, 1), (4, 8, 1), (5, -1, 0), (6, -1, 0)] {
        wire.ask(&request(ApiKey::Produce, 9, correlation, &produce(9, batch(producer, sequence, 100))));
        wire.reconnect(Protocol::Kafka);
    }
    assert_eq!(wire.ledger.counters.batches_sent_again, 1);
}

#[test]
fn a_produce_that_wants_no_acknowledgement_waits_for_none() {
    let mut wire = wire();
    wire.ask(&request(ApiKey::Produce, 9, 1, &produce(9, batch(1, 1, 100)).with_acks(0)));
    assert_eq!(wire.connection.unanswered().count(), 0);
}

#[test]
fn of_large_messages_the_topic_and_the_size_of_the_records_are_read_and_the_rest_passes() {
    let mut wire = wire();
    let size = 3 << 20;
    let frame = request(ApiKey::Produce, 9, 1, &produce(9, batch(7, 1, size)));
    let mut pieces = Vec::new();
    for chunk in frame.chunks(50_000) {
        pieces.extend(wire.read(Direction::Requests, chunk));
    }
    assert_eq!(joined(&pieces), frame);
    let message = pieces[0].message.as_ref().expect("it begins at once");
    assert_eq!((message.target.as_deref(), message.returned, message.is_whole), (Some("orders"), size as u64, false));
    assert_eq!(message.partitions[0].producer.map(|producer| producer.id), Some(7));
    wire.ask(&request(ApiKey::Fetch, 11, 2, &FetchRequest::default()));
    let partition = PartitionData::default().with_records(Some(vec![1; size].into()));
    let topic = FetchableTopicResponse::default().with_topic(orders()).with_partitions(vec![partition]);
    let answer = response(ApiKey::Fetch, 11, 2, &FetchResponse::default().with_responses(vec![topic]));
    let pieces = wire.read(Direction::Answers, &answer);
    let message = pieces[0].message.as_ref().expect("it begins at once");
    assert_eq!(
        (message.target.as_deref(), message.returned, message.is_background),
        (Some("orders"), size as u64, false)
    );
    assert_eq!(joined(&pieces), answer);
}

#[test]
fn what_is_not_known_is_named_by_its_number_and_still_answered() {
    let mut wire = wire();
    let frame = |key: i16, version: i16| {
        let mut content = BytesMut::new();
        content.put_i32(14);
        content.put_i16(key);
        content.put_i16(version);
        content.put_i32(6);
        content.put_i16(-1);
        content.put_slice(&[1, 2, 3, 4]);
        content.freeze()
    };
    let answer = [0, 0, 0, 8, 0, 0, 0, 6, 0xff, 0xff, 0xff, 0xff];
    for (key, version, name) in [(99, 0, "api 99"), (0, 60, "Produce")] {
        let message = wire.ask(&frame(key, version));
        assert_eq!((&*message.name, message.is_whole), (name, false));
        let message = wire.answer(&answer);
        assert_eq!((&*message.name, message.is_whole), (name, false));
    }
    assert_eq!(wire.ledger.counters.malformed_frames, 0);
}

#[test]
fn an_answer_to_nothing_is_nonsense_and_passes() {
    let mut wire = wire();
    let pieces = wire.read(Direction::Answers, &[0, 0, 0, 8, 0, 0, 0, 6, 1, 2, 3, 4, 5, 6]);
    assert_eq!(joined(&pieces).len(), 14);
    assert!(pieces.iter().all(|piece| piece.message.is_none() && !piece.ends_message));
    assert_eq!((wire.ledger.counters.malformed_frames, wire.ledger.counters.opaque_bytes), (1, 14));
}
