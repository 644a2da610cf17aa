//! What a tap does to connections and messages, seen from both ends.

use std::time::{Duration, Instant};

use mongodb::bson::doc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tornwrite::link::Link;
use tornwrite::link::tap::{Direction, Order, Protocol, TapError, Taps};

use super::stage::{ANY, Log, SILENCE, SOON, Server, expect, expect_end, expect_nothing, message, send, strike};

struct Stage {
    server: Server,
    taps: Taps,
    link: Link,
}

impl Stage {
    async fn set() -> Self {
        let (server, link) = (Server::start().await, Link::new("api-1", "mongodb"));
        let taps = Taps::start(vec![server.spec(&link, Protocol::Mongodb)]).await.expect("it listens");
        Self { server, taps, link }
    }

    async fn connect(&self) -> (TcpStream, TcpStream) {
        self.server.connect(&self.taps, &self.link).await
    }
}

fn insert() -> Vec<u8> {
    message(1, 0, &doc! { "insert": "orders", "$db": "shop" })
}

fn inserted() -> Vec<u8> {
    message(2, 1, &doc! { "ok": 1, "n": 1 })
}

#[tokio::test]
async fn messages_pass_unchanged_and_are_told_in_order() {
    let stage = Stage::set().await;
    let log = Log::of(&stage.taps);
    let (mut client, mut server) = stage.connect().await;
    send(&mut client, &insert()).await;
    expect(&mut server, &insert()).await;
    send(&mut server, &inserted()).await;
    expect(&mut client, &inserted()).await;
    send(&mut client, &message(3, 0, &doc! { "find": "orders" })).await;
    log.wait_for("1 → find orders").await;
    drop(client);
    expect(&mut server, &message(3, 0, &doc! { "find": "orders" })).await;
    expect_end(&mut server).await;
    drop(server);
    log.wait_for("1 ended, unanswered: [\"find\"]").await;
    assert_eq!(log.messages(), ["→ insert orders", "← insert orders", "→ find orders"]);
    let counters = stage.taps.counters(&stage.link).expect("it has a tap");
    assert_eq!((counters.connections_open, counters.connections_opened, counters.messages), (0, 1, 3));
}

#[tokio::test]
async fn a_request_that_is_cut_never_arrives_and_both_sides_are_closed() {
    let stage = Stage::set().await;
    let (gate, mut carried_out) = strike(Direction::Requests, "insert", Order::Cut);
    stage.taps.set_gate(Some(gate));
    let (mut client, mut server) = stage.connect().await;
    send(&mut client, &insert()).await;
    expect_end(&mut client).await;
    expect_end(&mut server).await;
    assert_eq!(carried_out.recv().await, Some(("insert".to_owned(), Order::Cut)));
    let (mut client, mut server) = stage.connect().await;
    send(&mut client, &insert()).await;
    expect(&mut server, &insert()).await;
}

#[tokio::test]
async fn an_answer_that_is_cut_leaves_its_request_with_the_server() {
    let stage = Stage::set().await;
    let (gate, mut carried_out) = strike(Direction::Answers, "insert", Order::Cut);
    stage.taps.set_gate(Some(gate));
    let (mut client, mut server) = stage.connect().await;
    send(&mut client, &insert()).await;
    expect(&mut server, &insert()).await;
    send(&mut server, &inserted()).await;
    expect_end(&mut client).await;
    expect_end(&mut server).await;
    assert_eq!(carried_out.recv().await, Some(("insert".to_owned(), Order::Cut)));
}

#[tokio::test]
async fn a_delayed_message_comes_that_much_later() {
    let stage = Stage::set().await;
    let delay = Duration::from_millis(200);
    let (gate, mut carried_out) = strike(Direction::Requests, "insert", Order::Delay(delay));
    stage.taps.set_gate(Some(gate));
    let (mut client, mut server) = stage.connect().await;
    let began = Instant::now();
    send(&mut client, &insert()).await;
    expect(&mut server, &insert()).await;
    assert!(began.elapsed() >= delay);
    assert_eq!(carried_out.recv().await, Some(("insert".to_owned(), Order::Delay(delay))));
}

/// The taps of an instance that serves clients and dials two servers, all played by one.
async fn surrounded() -> (Server, Taps, [Link; 4]) {
    let server = Server::start().await;
    let links = [("api-1", "mongodb"), ("api-1", "kafka"), ("clients", "api-1"), ("api-2", "mongodb")]
        .map(|(client, server)| Link::new(client, server));
    let protocols = [Protocol::Mongodb, Protocol::Kafka, Protocol::Unread, Protocol::Mongodb];
    let specs = links.iter().zip(protocols).map(|(link, protocol)| server.spec(link, protocol));
    let taps = Taps::start(specs.collect()).await.expect("they listen");
    (server, taps, links)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_frozen_before_a_message_sends_and_gets_nothing_on_any_link_until_it_thaws() {
    let (server, taps, links) = surrounded().await;
    let mut pairs = Vec::new();
    for link in &links {
        pairs.push(server.connect(&taps, link).await);
    }
    let (gate, mut carried_out) = strike(Direction::Requests, "insert", Order::FreezeBefore);
    taps.set_gate(Some(gate));
    send(&mut pairs[0].0, &insert()).await;
    assert_eq!(carried_out.recv().await, Some(("insert".to_owned(), Order::FreezeBefore)));
    assert!(!taps.freeze("api-1"), "it is");
    send(&mut pairs[2].0, b"GET / HTTP/1.1\r\n\r\n").await;
    for (client, server) in &mut pairs[..3] {
        send(server, b"what a dead process would not get").await;
        expect_nothing(client).await;
        expect_nothing(server).await;
    }
    let (other, others_server) = &mut pairs[3];
    send(other, &insert()).await;
    expect(others_server, &insert()).await;
    // Its end is hidden too, and who dials it meanwhile finds nobody.
    let (dead, dead_server) = &mut pairs[1];
    dead.shutdown().await.expect("it can");
    expect_nothing(dead_server).await;
    let mut late = TcpStream::connect(taps.address(&links[2]).expect("it has a tap")).await.expect("it accepts");
    expect_nothing(&mut late).await;
    assert!(taps.thaw("api-1") && !taps.thaw("api-1"));
    expect_end(&mut late).await;
    for (client, server) in &mut pairs[..3] {
        expect_end(client).await;
        expect_end(server).await;
    }
    let (mut client, mut connected) = server.connect(&taps, &links[0]).await;
    send(&mut client, &insert()).await;
    expect(&mut connected, &insert()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_frozen_after_a_message_gets_all_of_it_out_and_no_answer_in() {
    let (server, taps, links) = surrounded().await;
    let (mut client, mut connected) = server.connect(&taps, &links[0]).await;
    let (mut caller, mut service) = server.connect(&taps, &links[2]).await;
    let (gate, mut carried_out) = strike(Direction::Requests, "insert", Order::FreezeAfter);
    taps.set_gate(Some(gate));
    let large = message(1, 0, &doc! { "insert": "orders", "blob": "x".repeat(3 << 20) });
    tokio::join!(send(&mut client, &large), expect(&mut connected, &large));
    assert_eq!(carried_out.recv().await, Some(("insert".to_owned(), Order::FreezeAfter)));
    send(&mut connected, &inserted()).await;
    expect_nothing(&mut client).await;
    send(&mut client, &message(3, 0, &doc! { "find": "orders" })).await;
    expect_nothing(&mut connected).await;
    send(&mut service, b"HTTP/1.1 200 OK\r\n\r\n").await;
    expect_nothing(&mut caller).await;
    assert!(taps.thaw("api-1"));
    for stream in [&mut client, &mut connected, &mut caller, &mut service] {
        expect_end(stream).await;
    }
}

#[tokio::test]
async fn a_side_that_closes_for_writing_still_gets_what_the_other_says() {
    let stage = Stage::set().await;
    let (mut client, mut server) = stage.connect().await;
    send(&mut client, &insert()).await;
    client.shutdown().await.expect("it can");
    expect(&mut server, &insert()).await;
    expect_end(&mut server).await;
    send(&mut server, &inserted()).await;
    expect(&mut client, &inserted()).await;
    drop(server);
    expect_end(&mut client).await;
}

#[tokio::test]
async fn a_reset_arrives_as_a_reset() {
    let stage = Stage::set().await;
    let (mut client, mut server) = stage.connect().await;
    send(&mut client, &insert()).await;
    expect(&mut server, &insert()).await;
    server.set_zero_linger().expect("it can");
    drop(server);
    let seen = timeout(SOON, client.read(&mut [0; 8])).await.expect("it ends soon");
    assert_eq!(seen.map_err(|error| error.kind()), Err(std::io::ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_connection_to_a_server_that_refuses_is_closed_at_once() {
    let stage = Stage::set().await;
    let Stage { server, taps, link } = stage;
    drop(server);
    let began = Instant::now();
    let mut client = TcpStream::connect(taps.address(&link).expect("it has a tap")).await.expect("the tap accepts");
    expect_end(&mut client).await;
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(taps.counters(&link).expect("it has a tap").connections_opened, 0);
}

#[tokio::test]
async fn the_beginning_of_a_frame_does_not_wait_for_its_end_for_long() {
    let stage = Stage::set().await;
    let log = Log::of(&stage.taps);
    let (mut client, mut server) = stage.connect().await;
    let frame = insert();
    let (beginning, rest) = frame.split_at(40);
    send(&mut client, beginning).await;
    expect(&mut server, beginning).await;
    expect_nothing(&mut server).await;
    send(&mut client, rest).await;
    expect(&mut server, rest).await;
    send(&mut client, &message(2, 0, &doc! { "find": "orders" })).await;
    expect(&mut server, &message(2, 0, &doc! { "find": "orders" })).await;
    assert_eq!(log.messages(), ["→ insert", "→ find orders"], "its target was still to come");
}

#[tokio::test]
async fn what_makes_no_sense_and_what_is_encrypted_passes_and_is_counted() {
    for (bytes, line) in [
        (&b"GET / HTTP/1.1\r\nHost: nobody\r\n\r\n"[..], "1 Requests Nonsense"),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 and so on", "1 Requests Tls"),
        (b"short", ""),
    ] {
        let stage = Stage::set().await;
        let log = Log::of(&stage.taps);
        let (mut client, mut server) = stage.connect().await;
        send(&mut client, bytes).await;
        expect(&mut server, bytes).await;
        send(&mut client, bytes).await;
        expect(&mut server, bytes).await;
        let counters = stage.taps.counters(&stage.link).expect("it has a tap");
        assert_eq!((counters.bytes, counters.messages), (2 * bytes.len() as u64, 0));
        if !line.is_empty() {
            log.wait_for(line).await;
            assert_eq!(counters.opaque_bytes, counters.bytes);
        }
    }
}

#[tokio::test]
async fn stopped_taps_close_their_connections_and_free_their_ports() {
    let stage = Stage::set().await;
    let (mut client, mut server) = stage.connect().await;
    let address = stage.taps.address(&stage.link).expect("it has a tap");
    stage.taps.stop().await;
    expect_end(&mut client).await;
    expect_end(&mut server).await;
    assert!(timeout(SILENCE, TcpStream::connect(address)).await.is_ok_and(|connected| connected.is_err()));
}

#[tokio::test]
async fn a_tap_on_a_taken_port_and_two_for_one_link_are_refused() {
    let (server, link) = (Server::start().await, Link::new("api-1", "mongodb"));
    let mut taken = server.spec(&link, Protocol::Mongodb);
    taken.listen = taken.upstream;
    let error = Taps::start(vec![taken.clone()]).await.expect_err("the server listens there");
    assert!(error.to_string().starts_with("the tap of api-1 → mongodb cannot listen on 127.0.0.1:"), "{error}");
    taken.listen = ANY;
    let error = Taps::start(vec![taken.clone(), taken]).await.expect_err("one is enough");
    assert!(matches!(error, TapError::Twice { .. }), "{error}");
}
