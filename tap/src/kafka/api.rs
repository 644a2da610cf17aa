//! The APIs that are known: their keys, names, and from which version on they are flexible.

use std::borrow::Cow;

pub(super) const PRODUCE: i16 = 0;
pub(super) const FETCH: i16 = 1;
pub(super) const LIST_OFFSETS: i16 = 2;
pub(super) const METADATA: i16 = 3;
pub(super) const OFFSET_COMMIT: i16 = 8;
pub(super) const OFFSET_FETCH: i16 = 9;
pub(super) const FIND_COORDINATOR: i16 = 10;
pub(super) const JOIN_GROUP: i16 = 11;
pub(super) const HEARTBEAT: i16 = 12;
pub(super) const LEAVE_GROUP: i16 = 13;
pub(super) const SYNC_GROUP: i16 = 14;
pub(super) const SASL_HANDSHAKE: i16 = 17;
pub(super) const API_VERSIONS: i16 = 18;
pub(super) const CREATE_TOPICS: i16 = 19;
pub(super) const INIT_PRODUCER_ID: i16 = 22;
pub(super) const ADD_PARTITIONS_TO_TXN: i16 = 24;
pub(super) const ADD_OFFSETS_TO_TXN: i16 = 25;
pub(super) const END_TXN: i16 = 26;
pub(super) const TXN_OFFSET_COMMIT: i16 = 28;
pub(super) const SASL_AUTHENTICATE: i16 = 36;
pub(super) const CONSUMER_GROUP_HEARTBEAT: i16 = 68;
pub(super) const GET_TELEMETRY_SUBSCRIPTIONS: i16 = 71;
pub(super) const PUSH_TELEMETRY: i16 = 72;

/// What is known of an API.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) key: i16,
    pub(super) name: &'static str,
    /// The first flexible version; one that never comes if there is none.
    flexible: i16,
    /// The last version that is known.
    last: i16,
    /// Whether clients send it by themselves.
    pub(super) is_background: bool,
}

/// As of Kafka 4.1.
static APIS: &[Api] = &[
    meant(PRODUCE, "Produce", 9, 13),
    by_itself(FETCH, "Fetch", 12, 18),
    by_itself(LIST_OFFSETS, "ListOffsets", 6, 11),
    by_itself(METADATA, "Metadata", 9, 13),
    meant(OFFSET_COMMIT, "OffsetCommit", 8, 10),
    by_itself(OFFSET_FETCH, "OffsetFetch", 6, 10),
    by_itself(FIND_COORDINATOR, "FindCoordinator", 3, 6),
    by_itself(JOIN_GROUP, "JoinGroup", 6, 9),
    by_itself(HEARTBEAT, "Heartbeat", 4, 4),
    by_itself(LEAVE_GROUP, "LeaveGroup", 4, 5),
    by_itself(SYNC_GROUP, "SyncGroup", 4, 5),
    by_itself(SASL_HANDSHAKE, "SaslHandshake", i16::MAX, 1),
    by_itself(API_VERSIONS, "ApiVersions", 3, 4),
    meant(CREATE_TOPICS, "CreateTopics", 5, 7),
    by_itself(INIT_PRODUCER_ID, "InitProducerId", 2, 6),
    meant(ADD_PARTITIONS_TO_TXN, "AddPartitionsToTxn", 3, 5),
    meant(ADD_OFFSETS_TO_TXN, "AddOffsetsToTxn", 3, 4),
    meant(END_TXN, "EndTxn", 3, 5),
    meant(TXN_OFFSET_COMMIT, "TxnOffsetCommit", 3, 5),
    by_itself(SASL_AUTHENTICATE, "SaslAuthenticate", 2, 2),
    by_itself(CONSUMER_GROUP_HEARTBEAT, "ConsumerGroupHeartbeat", 0, 1),
    by_itself(GET_TELEMETRY_SUBSCRIPTIONS, "GetTelemetrySubscriptions", 0, 0),
    by_itself(PUSH_TELEMETRY, "PushTelemetry", 0, 0),
];

const fn meant(key: i16, name: &'static str, flexible: i16, last: i16) -> Api {
    Api { key, name, flexible, last, is_background: false }
}

const fn by_itself(key: i16, name: &'static str, flexible: i16, last: i16) -> Api {
    Api { key, name, flexible, last, is_background: true }
}

/// The API with this key.
pub(super) fn find(key: i16) -> Option<&'static Api> {
    APIS.iter().find(|api| api.key == key)
}

/// How messages of this key are called.
pub(super) fn name(key: i16) -> Cow<'static, str> {
    find(key).map_or_else(|| Cow::Owned(format!("api {key}")), |api| Cow::Borrowed(api.name))
}

impl Api {
    /// Whether this version is flexible; `None` if it is not known.
    pub(super) fn is_flexible(&self, version: i16) -> Option<bool> {
        (version <= self.last).then_some(version >= self.flexible)
    }
}

/// Names of the error codes that applications meet.
pub(super) fn error_name(code: i16) -> Option<Cow<'static, str>> {
    let name = match code {
        1 => "OFFSET_OUT_OF_RANGE",
        2 => "CORRUPT_MESSAGE",
        3 => "UNKNOWN_TOPIC_OR_PARTITION",
        5 => "LEADER_NOT_AVAILABLE",
        6 => "NOT_LEADER_OR_FOLLOWER",
        7 => "REQUEST_TIMED_OUT",
        10 => "MESSAGE_TOO_LARGE",
        14 => "COORDINATOR_LOAD_IN_PROGRESS",
        15 => "COORDINATOR_NOT_AVAILABLE",
        16 => "NOT_COORDINATOR",
        19 => "NOT_ENOUGH_REPLICAS",
        20 => "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
        22 => "ILLEGAL_GENERATION",
        25 => "UNKNOWN_MEMBER_ID",
        27 => "REBALANCE_IN_PROGRESS",
        35 => "UNSUPPORTED_VERSION",
        45 => "OUT_OF_ORDER_SEQUENCE_NUMBER",
        46 => "DUPLICATE_SEQUENCE_NUMBER",
        47 => "INVALID_PRODUCER_EPOCH",
        48 => "INVALID_TXN_STATE",
        51 => "CONCURRENT_TRANSACTIONS",
        59 => "UNKNOWN_PRODUCER_ID",
        74 => "FENCED_LEADER_EPOCH",
        79 => "MEMBER_ID_REQUIRED",
        82 => "FENCED_INSTANCE_ID",
        90 => "PRODUCER_FENCED",
        100 => "UNKNOWN_TOPIC_ID",
        _ => return None,
    };
    Some(Cow::Borrowed(name))
}
