//! Frames as clients and servers send them, made by encoders that are not ours, and a connection to read them.

use bson::raw::RawDocumentBuf;
use bson::{Binary, rawdoc, spec::BinarySubtype};
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Encodable, StrBytes};
use torn_tap::bytes::Bytes;
use torn_tap::{Connection, Direction, Ledger, Message, Piece, Protocol, Topics};

/// A connection and the ledger of its link.
pub(crate) struct Wire {
    pub(crate) connection: Connection,
    pub(crate) ledger: Ledger,
    pub(crate) topics: Topics,
}

impl Wire {
    pub(crate) fn new(protocol: Protocol) -> Self {
        let topics = Topics::default();
        let mut ledger = Ledger::new(topics.clone());
        Self { connection: Connection::open(protocol, &mut ledger), ledger, topics }
    }

    /// Another connection of the same link.
    pub(crate) fn reconnect(&mut self, protocol: Protocol) {
        self.connection = Connection::open(protocol, &mut self.ledger);
    }

    pub(crate) fn read(&mut self, direction: Direction, bytes: &[u8]) -> Vec<Piece> {
        self.connection.read(direction, Bytes::copy_from_slice(bytes), &mut self.ledger)
    }

    /// Sends one whole frame; the message that it is.
    pub(crate) fn send(&mut self, direction: Direction, frame: &[u8]) -> Message {
        let pieces = self.read(direction, frame);
        assert_eq!(joined(&pieces), frame);
        assert!(pieces.last().expect("a frame is not empty").ends_message);
        let mut messages = pieces.into_iter().filter_map(|piece| piece.message);
        let message = messages.next().expect("a frame is a message");
        assert!(messages.next().is_none(), "a frame is one message");
        message
    }

    pub(crate) fn ask(&mut self, frame: &[u8]) -> Message {
        self.send(Direction::Requests, frame)
    }

    pub(crate) fn answer(&mut self, frame: &[u8]) -> Message {
        self.send(Direction::Answers, frame)
    }
}

pub(crate) fn joined(pieces: &[Piece]) -> Vec<u8> {
    pieces.iter().flat_map(|piece| piece.bytes.iter().copied()).collect()
}

/// What goes along with a command: the sequences of kind 1, the flags, a checksum.
#[derive(Default)]
pub(crate) struct Extra<'a> {
    pub(crate) documents: &'a [RawDocumentBuf],
    pub(crate) flags: u32,
}

pub(crate) const CHECKSUM: u32 = 1;
pub(crate) const MORE_TO_COME: u32 = 2;

/// An `OP_MSG`.
pub(crate) fn op_msg(id: i32, responds_to: i32, body: &RawDocumentBuf, extra: &Extra<'_>) -> Vec<u8> {
    let mut content = extra.flags.to_le_bytes().to_vec();
    content.push(0);
    content.extend_from_slice(body.as_bytes());
    if !extra.documents.is_empty() {
        let documents: Vec<u8> = extra.documents.iter().flat_map(|document| document.as_bytes().to_vec()).collect();
        content.push(1);
        let name = b"documents\0";
        content.extend_from_slice(&i32::try_from(4 + name.len() + documents.len()).expect("small").to_le_bytes());
        content.extend_from_slice(name);
        content.extend_from_slice(&documents);
    }
    if extra.flags & CHECKSUM != 0 {
        content.extend_from_slice(&[0xc3; 4]);
    }
    mongodb(2013, id, responds_to, &content)
}

pub(crate) fn mongodb(operation: i32, id: i32, responds_to: i32, content: &[u8]) -> Vec<u8> {
    let length = i32::try_from(16 + content.len()).expect("small");
    let header = [length, id, responds_to, operation];
    header.into_iter().flat_map(i32::to_le_bytes).chain(content.iter().copied()).collect()
}

pub(crate) fn command(id: i32, body: &RawDocumentBuf) -> Vec<u8> {
    op_msg(id, 0, body, &Extra::default())
}

pub(crate) fn reply(to: i32, body: &RawDocumentBuf) -> Vec<u8> {
    op_msg(to + 1_000_000, to, body, &Extra::default())
}

/// A session's `lsid`.
pub(crate) fn lsid(number: u8) -> RawDocumentBuf {
    rawdoc! { "id": Binary { subtype: BinarySubtype::Uuid, bytes: vec![number; 16] } }
}

/// A Kafka request.
pub(crate) fn request(key: ApiKey, version: i16, correlation: i32, body: &impl Encodable) -> Vec<u8> {
    let header = RequestHeader::default()
        .with_request_api_key(key as i16)
        .with_request_api_version(version)
        .with_correlation_id(correlation)
        .with_client_id(Some(StrBytes::from_static_str("rdkafka")));
    let mut bytes = Vec::new();
    header.encode(&mut bytes, key.request_header_version(version)).expect("it can be encoded");
    body.encode(&mut bytes, version).expect("it can be encoded");
    sized(&bytes)
}

/// A Kafka answer.
pub(crate) fn response(key: ApiKey, version: i16, correlation: i32, body: &impl Encodable) -> Vec<u8> {
    let header = ResponseHeader::default().with_correlation_id(correlation);
    let mut bytes = Vec::new();
    header.encode(&mut bytes, key.response_header_version(version)).expect("it can be encoded");
    body.encode(&mut bytes, version).expect("it can be encoded");
    sized(&bytes)
}

fn sized(content: &[u8]) -> Vec<u8> {
    let size = i32::try_from(content.len()).expect("small");
    size.to_be_bytes().into_iter().chain(content.iter().copied()).collect()
}
