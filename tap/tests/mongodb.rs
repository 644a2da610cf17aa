//! What is told about frames of `MongoDB`, and what is counted.

#[expect(dead_code, reason = "each test file uses its own part")]
mod frames;

use bson::raw::{CStr, cstr};
use bson::{doc, rawdoc};
use torn_tap::framing::LIMIT;
use torn_tap::{Protocol, Session, Step, Transaction};

use self::frames::{CHECKSUM, Extra, MORE_TO_COME, Wire, command, joined, lsid, mongodb, op_msg, reply};

fn wire() -> Wire {
    Wire::new(Protocol::Mongodb)
}

#[test]
fn an_insert_in_a_transaction_is_read_with_all_that_names_it() {
    let mut wire = wire();
    let body = rawdoc! {
        "insert": "orders", "ordered": true, "$db": "shop", "lsid": lsid(0xab), "txnNumber": 7_i64,
        "startTransaction": true, "autocommit": false,
    };
    for flags in [0, CHECKSUM] {
        let documents = [rawdoc! { "_id": 1 }, rawdoc! { "_id": 2 }];
        let message = wire.ask(&op_msg(17, 0, &body, &Extra { documents: &documents, flags }));
        assert_eq!(
            (&*message.name, message.target.as_deref(), message.database.as_deref()),
            ("insert", Some("orders"), Some("shop"))
        );
        assert!(message.is_whole && !message.is_background);
        assert_eq!(message.correlation, 17);
        let session = Session([0xab; 16]);
        assert_eq!(session.to_string(), "abababab");
        assert_eq!(message.transaction, Some(Transaction { session, number: 7, step: Step::Starts }));
        let answer = wire.answer(&reply(17, &rawdoc! { "n": 2, "ok": 1.0 }));
        assert_eq!((&*answer.name, answer.target.as_deref(), answer.correlation), ("insert", Some("orders"), 17));
        assert_eq!((answer.transaction, answer.failure), (message.transaction, None));
    }
    assert_eq!(wire.ledger.counters.transactions_begun, 2);
}

#[test]
fn commit_and_abort_are_counted_once_however_often_they_are_sent() {
    let mut wire = wire();
    let statement = |name: &CStr, number: i64| {
        rawdoc! { name: 1, "$db": "admin", "lsid": lsid(1), "txnNumber": number, "autocommit": false }
    };
    let begin = |number: i64| {
        rawdoc! { "insert": "a", "$db": "d", "lsid": lsid(1), "txnNumber": number, "startTransaction": true,
        "autocommit": false }
    };
    wire.ask(&command(1, &begin(1)));
    for id in [2, 3] {
        assert_eq!(
            wire.ask(&command(id, &statement(cstr!("commitTransaction"), 1))).transaction.map(|one| one.step),
            Some(Step::Commits)
        );
        wire.answer(&reply(id, &rawdoc! { "ok": 1 }));
    }
    wire.ask(&command(4, &begin(2)));
    for id in [5, 6] {
        wire.ask(&command(id, &statement(cstr!("abortTransaction"), 2)));
        wire.answer(&reply(id, &rawdoc! { "ok": 0, "code": 251 }));
    }
    let counters = &wire.ledger.counters;
    assert_eq!(
        (counters.transactions_begun, counters.transactions_committed, counters.transactions_aborted),
        (2, 1, 1)
    );
    assert_eq!((counters.commits_sent_again, counters.transactions_retried), (1, 0));
    assert_eq!(wire.connection.unanswered().map(|asked| asked.correlation).collect::<Vec<_>>(), [1, 4]);
}

#[test]
fn a_write_conflict_ends_a_transaction_and_the_next_one_of_its_session_is_a_retry() {
    let mut wire = wire();
    for number in [1_i64, 2] {
        let body = rawdoc! { "update": "stock", "$db": "d", "lsid": lsid(1), "txnNumber": number,
        "startTransaction": true, "autocommit": false };
        wire.ask(&command(number as i32, &body));
        let labels = rawdoc! { "ok": 0.0, "errorLabels": ["TransientTransactionError"], "errmsg": "conflict",
        "code": 112, "codeName": "WriteConflict" };
        let failure = wire.answer(&reply(number as i32, &labels)).failure.expect("it failed");
        assert_eq!((failure.code, failure.name.as_deref(), failure.is_transient()), (112, Some("WriteConflict"), true));
        let abort = rawdoc! { "abortTransaction": 1, "lsid": lsid(1), "txnNumber": number, "autocommit": false };
        wire.ask(&command(100, &abort));
        wire.answer(&reply(100, &rawdoc! { "ok": 0, "code": 251, "errorLabels": ["TransientTransactionError"] }));
    }
    let counters = &wire.ledger.counters;
    assert_eq!((counters.write_conflicts, counters.transactions_aborted, counters.transactions_retried), (2, 2, 1));
}

#[test]
fn after_a_duplicate_key_an_aborted_transaction_is_not_tried_again() {
    let mut wire = wire();
    for number in [1_i64, 2] {
        let body = rawdoc! { "insert": "inbox", "$db": "d", "lsid": lsid(1), "txnNumber": number,
        "startTransaction": true, "autocommit": false };
        wire.ask(&command(number as i32, &body));
        wire.answer(&reply(
            number as i32,
            &rawdoc! { "ok": 1, "n": 0, "writeErrors": [{ "index": 0, "code": 11000 }] },
        ));
        let abort = rawdoc! { "abortTransaction": 1, "lsid": lsid(1), "txnNumber": number, "autocommit": false };
        wire.ask(&command(100, &abort));
        // The server has ended it by itself, and labels the answer as it labels every 251.
        wire.answer(&reply(100, &rawdoc! { "ok": 0, "code": 251, "errorLabels": ["TransientTransactionError"] }));
    }
    let counters = &wire.ledger.counters;
    assert_eq!((counters.duplicate_keys, counters.transactions_aborted, counters.transactions_retried), (2, 2, 0));
}

#[test]
fn write_errors_are_found_where_the_answer_is_ok() {
    let mut wire = wire();
    wire.ask(&command(1, &rawdoc! { "insert": "orders", "$db": "d" }));
    let errors = rawdoc! { "ok": 1, "n": 1, "writeErrors": [
    { "index": 0, "code": 11000, "errmsg": "dup" }, { "index": 1, "code": 11000 }, { "index": 2, "code": 112 } ] };
    let failure = wire.answer(&reply(1, &errors)).failure.expect("two writes failed");
    assert_eq!((failure.code, failure.name.as_deref()), (11000, Some("DuplicateKey")));
    assert_eq!(failure.write_errors, [11000, 11000, 112]);
    wire.ask(&command(2, &rawdoc! { "insert": "orders", "$db": "d" }));
    let concern = rawdoc! { "ok": 1, "n": 1, "writeConcernError": { "code": 64, "errmsg": "waiting" } };
    assert_eq!(wire.answer(&reply(2, &concern)).failure.expect("it is no success").write_concern, Some(64));
    assert_eq!((wire.ledger.counters.duplicate_keys, wire.ledger.counters.write_conflicts), (2, 1));
}

#[test]
fn an_update_that_matched_nothing_is_told_from_one_that_upserted() {
    let mut wire = wire();
    let mut update = |answer| {
        wire.ask(&command(1, &rawdoc! { "update": "stock", "$db": "d" }));
        let message = wire.answer(&reply(1, &answer));
        (message.matched, message.modified, message.upserted, wire.ledger.counters.unmatched_updates)
    };
    assert_eq!(update(rawdoc! { "n": 1, "nModified": 1, "ok": 1 }), (Some(1), Some(1), 0, 0));
    assert_eq!(update(rawdoc! { "n": 0, "nModified": 0, "ok": 1 }), (Some(0), Some(0), 0, 1));
    let upserted = rawdoc! { "n": 1, "nModified": 0, "upserted": [{ "index": 0, "_id": 3 }], "ok": 1 };
    assert_eq!(update(upserted), (Some(0), Some(0), 1, 1));
    wire.ask(&command(2, &rawdoc! { "findAndModify": "stock", "$db": "d" }));
    let missed = rawdoc! { "lastErrorObject": { "n": 0, "updatedExisting": false }, "value": null, "ok": 1 };
    assert_eq!(wire.answer(&reply(2, &missed)).matched, Some(0));
    assert_eq!(wire.ledger.counters.unmatched_updates, 2);
}

#[test]
fn a_retryable_write_is_known_again_on_another_connection() {
    let mut wire = wire();
    let write = rawdoc! { "update": "stock", "$db": "d", "lsid": lsid(9), "txnNumber": 3_i64 };
    assert_eq!(wire.ask(&command(1, &write)).transaction.map(|one| one.step), Some(Step::Retryable));
    wire.reconnect(Protocol::Mongodb);
    wire.ask(&command(1, &write));
    wire.ask(&command(2, &rawdoc! { "update": "stock", "$db": "d", "lsid": lsid(9), "txnNumber": 4_i64 }));
    assert_eq!(wire.ledger.counters.writes_sent_again, 1);
    assert_eq!((wire.ledger.counters.connections_opened, wire.ledger.counters.requests_of("update")), (2, 3));
}

#[test]
fn a_change_stream_is_background_until_it_brings_something() {
    let mut wire = wire();
    let open = rawdoc! { "aggregate": "stock", "pipeline": [{ "$changeStream": {} }], "cursor": {}, "$db": "d" };
    assert!(!wire.ask(&command(1, &open)).is_background);
    let batch = |documents: usize| {
        let next: Vec<_> = (0..documents).map(|_| doc! { "_id": 1 }).collect();
        let body = doc! { "ok": 1, "cursor": { "id": 99_i64, "ns": "d.stock", "nextBatch": next } };
        bson::RawDocumentBuf::try_from(&body).expect("it is one")
    };
    let first = rawdoc! { "ok": 1, "cursor": { "id": 99_i64, "ns": "d.stock", "firstBatch": [] } };
    wire.answer(&reply(1, &first));
    for documents in [0, 2] {
        let more = wire.ask(&command(2, &rawdoc! { "getMore": 99_i64, "collection": "stock", "$db": "d" }));
        assert_eq!((more.target.as_deref(), more.is_background), (Some("stock"), true));
        let answer = wire.answer(&reply(2, &batch(documents)));
        assert_eq!((answer.returned, answer.is_background), (documents as u64, documents == 0));
    }
    let other = wire.ask(&command(3, &rawdoc! { "getMore": 98_i64, "collection": "stock", "$db": "d" }));
    assert!(!other.is_background, "somebody reads on in a find");
}

#[test]
fn heartbeats_that_stream_their_answers_are_background_to_the_last() {
    let mut wire = wire();
    let exhaust = Extra { flags: 1 << 16, ..Extra::default() };
    assert!(wire.ask(&op_msg(5, 0, &rawdoc! { "hello": 1, "$db": "admin" }, &exhaust)).is_background);
    let more = Extra { flags: MORE_TO_COME, ..Extra::default() };
    for (id, responds_to) in [(100, 5), (101, 100), (102, 101)] {
        let answer = wire.answer(&op_msg(id, responds_to, &rawdoc! { "ok": 1 }, &more));
        assert_eq!((&*answer.name, answer.is_background), ("hello", true));
    }
    wire.answer(&op_msg(103, 102, &rawdoc! { "ok": 1 }, &Extra::default()));
    assert_eq!(wire.connection.unanswered().count(), 0);
}

#[test]
fn a_write_that_wants_no_answer_waits_for_none() {
    let mut wire = wire();
    let no_answer = Extra { flags: MORE_TO_COME, ..Extra::default() };
    wire.ask(&op_msg(1, 0, &rawdoc! { "insert": "log", "$db": "d" }, &no_answer));
    assert_eq!(wire.connection.unanswered().count(), 0);
}

#[test]
fn a_hello_of_old_is_read_and_a_compressed_frame_is_not() {
    let mut wire = wire();
    let body = rawdoc! { "isMaster": 1, "helloOk": true };
    let mut query = vec![0; 4];
    query.extend_from_slice(b"admin.$cmd\0");
    query.extend_from_slice(&[0, 0, 0, 0, 255, 255, 255, 255]);
    query.extend_from_slice(body.as_bytes());
    let hello = wire.ask(&mongodb(2004, 1, 0, &query));
    assert_eq!((&*hello.name, hello.is_background, hello.is_whole), ("isMaster", true, true));
    let mut content = vec![0; 20];
    content.extend_from_slice(rawdoc! { "ismaster": true, "ok": 1 }.as_bytes());
    let answer = wire.answer(&mongodb(1, 2, 1, &content));
    assert_eq!((&*answer.name, answer.is_whole), ("isMaster", true));
    let compressed = wire.ask(&mongodb(2012, 3, 0, &[0xdd, 7, 0, 0, 9, 0, 0, 0, 1, 1, 2, 3]));
    assert_eq!((&*compressed.name, compressed.is_whole), ("compressed", false));
    let answer = wire.answer(&mongodb(2012, 4, 3, &[0xdd, 7, 0, 0, 9, 0, 0, 0, 1, 1, 2, 3]));
    assert_eq!(
        (&*answer.name, wire.ledger.counters.opaque_frames, wire.ledger.counters.malformed_frames),
        ("compressed", 2, 0)
    );
}

#[test]
fn of_a_large_insert_the_beginning_is_read_and_the_rest_passes() {
    let mut wire = wire();
    let big = rawdoc! { "_id": 1, "blob": "x".repeat(10 << 20) };
    let body = rawdoc! { "insert": "blobs", "$db": "shop", "lsid": lsid(1), "txnNumber": 1_i64 };
    let frame = op_msg(1, 0, &body, &Extra { documents: &[big], flags: 0 });
    let mut pieces = Vec::new();
    for chunk in frame.chunks(40_000) {
        pieces.extend(wire.read(torn_tap::Direction::Requests, chunk));
    }
    assert_eq!(joined(&pieces), frame);
    let message = pieces[0].message.as_ref().expect("it begins at once");
    assert_eq!(
        (&*message.name, message.target.as_deref(), message.database.as_deref()),
        ("insert", Some("blobs"), Some("shop"))
    );
    assert_eq!((message.is_whole, message.length, pieces[0].bytes.len()), (false, frame.len() as u64, LIMIT));
    assert!(pieces.iter().all(|piece| piece.bytes.len() <= LIMIT));
    assert_eq!(pieces.iter().filter(|piece| piece.ends_message).count(), 1);
    // A document that is itself the command: its first fields are found though its end is not.
    let body =
        rawdoc! { "insert": "blobs", "ordered": true, "documents": [{ "blob": "x".repeat(1 << 20) }], "$db": "d" };
    let pieces = wire.read(torn_tap::Direction::Requests, &command(2, &body));
    let message = pieces[0].message.as_ref().expect("it begins at once");
    assert_eq!(
        (&*message.name, message.target.as_deref(), message.database.as_deref()),
        ("insert", Some("blobs"), None)
    );
}

#[test]
fn a_frame_that_holds_nothing_readable_is_counted_and_the_next_is_read() {
    let mut wire = wire();
    assert_eq!(wire.ask(&mongodb(2013, 1, 0, &[0, 0, 0, 0, 0, 9, 0, 0, 0, 0])).name, "unreadable");
    assert_eq!(wire.ask(&mongodb(2013, 2, 0, &[])).name, "unreadable");
    assert_eq!(wire.ask(&command(3, &rawdoc! { "ping": 1 })).name, "ping");
    assert_eq!(wire.ledger.counters.malformed_frames, 2);
}
