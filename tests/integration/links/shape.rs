//! Links that are narrow, reset, hold closes back, or fail in one direction alone: what both ends see, and what is left
//! after the heal.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tornwrite::link::{Direction, Link, LinkFault, Links};

use super::stage::{Client, SILENCE, SOON, Sees, Stage, Toxiproxy, spec};
use super::{BLACK_HOLE, latency};

/// How much is sent to see how narrow a link is.
const MESSAGE: usize = 30_000;
/// Less than the 300 ms that it takes at 100 KB/s: Toxiproxy makes up for what its timers were late before.
const NARROW: Duration = Duration::from_millis(250);
/// How long closes are held back where it is waited for.
const HELD: Duration = Duration::from_millis(600);
/// What timers round.
const TIMERS: Duration = Duration::from_millis(5);

fn bandwidth(kilobytes_per_second: u32, direction: Direction) -> LinkFault {
    LinkFault::Bandwidth { kilobytes_per_second, direction }
}

/// Both ends of one connection through a link, in the test's own hands.
struct Ends {
    links: Links,
    link: Link,
    listener: TcpListener,
    client: TcpStream,
    server: TcpStream,
    _toxiproxy: Toxiproxy,
}

impl Ends {
    async fn connect() -> Self {
        let toxiproxy = Toxiproxy::start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let link = Link::new("api-1", "kafka");
        let server = listener.local_addr().expect("a bound listener has an address");
        let links = Links::create(toxiproxy.api, vec![spec(&link, server)]).await.expect("one link");
        let (client, server) = connect(&links, &link, &listener).await;
        Self { links, link, listener, client, server, _toxiproxy: toxiproxy }
    }

    async fn inject(&self, fault: u32, what: LinkFault) -> String {
        let links = std::slice::from_ref(&self.link);
        self.links.inject(fault, links, what).await.expect("the fault gets into place").detail
    }

    /// Another connection.
    async fn reconnect(&mut self) {
        (self.client, self.server) = connect(&self.links, &self.link, &self.listener).await;
    }
}

/// A connection without a byte on it yet. Probes have connected as well: theirs are thrown away first.
async fn connect(links: &Links, link: &Link, listener: &TcpListener) -> (TcpStream, TcpStream) {
    while let Ok(probed) = timeout(SILENCE, listener.accept()).await {
        probed.expect("a listener accepts");
    }
    let client = TcpStream::connect(links.address(link).expect("it was made")).await.expect("the link accepts");
    let (server, _) = timeout(SOON, listener.accept()).await.expect("it leads to the server").expect("accepted");
    (client, server)
}

/// How a connection ends, and after how long; what is on it before is thrown away.
async fn end_of(connection: &mut TcpStream) -> (Result<(), ErrorKind>, Duration) {
    let started = Instant::now();
    let mut buffer = [0; 1024];
    loop {
        match timeout(SOON, connection.read(&mut buffer)).await.expect("the connection ends") {
            Ok(0) => return (Ok(()), started.elapsed()),
            Ok(_) => {}
            Err(error) => return (Err(error.kind()), started.elapsed()),
        }
    }
}

/// How long a message takes to the server.
async fn request(stage: &Stage, client: &mut Client, end: &[u8]) -> Duration {
    let started = Instant::now();
    client.send(&[&vec![b'.'; MESSAGE], end].concat()).await;
    assert!(stage.server.receives(end, SOON).await);
    let took = started.elapsed();
    client.skip(MESSAGE + end.len()).await;
    took
}

/// How long a message takes from the server.
async fn answer(stage: &Stage, client: &mut Client) -> Duration {
    let started = Instant::now();
    assert!(stage.server.say(&vec![b'.'; MESSAGE]) >= MESSAGE, "each connection takes it at once");
    client.skip(MESSAGE).await;
    started.elapsed()
}

#[tokio::test]
async fn a_narrow_link_carries_no_more_than_its_rate_and_keeps_connections_through_the_heal() {
    let stage = Stage::set().await;
    let mut live = stage.live_client().await;
    let open = (request(&stage, &mut live, b"first").await, answer(&stage, &mut live).await);
    let detail = stage.inject(0, bandwidth(100, Direction::Both)).await;
    assert!(detail.contains("probe: ") && detail.contains("a request"), "{detail}");
    assert!(detail.contains("the limit on answers is only read back"), "{detail}");
    let narrow = (request(&stage, &mut live, b"second").await, answer(&stage, &mut live).await);
    assert!(narrow.0 >= NARROW && narrow.0 > 2 * open.0, "{narrow:?} against {open:?}");
    assert!(narrow.1 >= NARROW && narrow.1 > 2 * open.1, "{narrow:?} against {open:?}");
    stage.heal(0).await;
    let healed = (request(&stage, &mut live, b"third").await, answer(&stage, &mut live).await);
    assert!(2 * healed.0 < narrow.0 && 2 * healed.1 < narrow.1, "{healed:?} against {narrow:?}");
}

#[tokio::test]
async fn a_link_may_be_narrow_in_one_direction_alone() {
    let stage = Stage::set().await;
    let mut live = stage.live_client().await;
    stage.inject(0, bandwidth(100, Direction::Answers)).await;
    let free = {
        let started = Instant::now();
        live.send(&[&vec![b'.'; MESSAGE], b"first".as_slice()].concat()).await;
        assert!(stage.server.receives(b"first", SOON).await);
        started.elapsed()
    };
    live.skip(MESSAGE + 5).await;
    let narrow = answer(&stage, &mut live).await;
    assert!(narrow >= NARROW && narrow > 2 * free, "{narrow:?} against {free:?}");
    stage.heal(0).await;
    let detail = stage.inject(1, bandwidth(100, Direction::Requests)).await;
    assert!(!detail.contains("only read back"), "{detail}");
    let (narrow, free) = (request(&stage, &mut live, b"second").await, answer(&stage, &mut live).await);
    assert!(narrow >= NARROW && narrow > 2 * free, "{narrow:?} against {free:?}");
}

#[tokio::test]
async fn the_heal_of_a_narrow_link_under_load_lets_everything_through_on_the_same_connection() {
    let mut ends = Ends::connect().await;
    ends.inject(0, bandwidth(1, Direction::Both)).await;
    let (mut from, mut to) = ends.client.split();
    let flood = vec![b'x'; 1 << 20];
    let mut received = vec![0; flood.len()];
    let (sent, arrived, healed) =
        tokio::join!(to.write_all(&flood), timeout(SOON, ends.server.read_exact(&mut received)), async {
            tokio::time::sleep(SILENCE).await;
            let started = Instant::now();
            let healed = ends.links.heal(0).await.expect("it heals");
            (started.elapsed(), healed.detail)
        },);
    sent.expect("the connection takes all of it");
    arrived.expect("all of it arrives soon").expect("the connection stays");
    assert!(received == flood, "nothing is lost or out of order");
    assert!(!healed.1.contains("created again"), "{healed:?}");
    assert!(healed.0 < Duration::from_secs(2), "{healed:?}");
    ends.server.write_all(b"answer").await.expect("the connection stays");
    let mut answer = [0; 6];
    timeout(SOON, from.read_exact(&mut answer)).await.expect("an answer comes").expect("the connection stays");
}

#[tokio::test]
async fn a_resetting_link_closes_live_connections_and_resets_new_ones_at_both_ends() {
    let mut ends = Ends::connect().await;
    let detail = ends.inject(0, LinkFault::ResetPeer).await;
    assert!(detail.ends_with("the connection was reset"), "{detail}");
    assert_eq!(end_of(&mut ends.client).await.0, Ok(()), "Toxiproxy closes those that it opened before");
    assert_eq!(end_of(&mut ends.server).await.0, Ok(()));
    ends.reconnect().await;
    ends.client.write_all(b"lost").await.expect("it is accepted");
    assert_eq!(end_of(&mut ends.client).await.0, Err(ErrorKind::ConnectionReset));
    let mut arrived = [0; 4];
    let seen = timeout(SOON, ends.server.read(&mut arrived)).await.expect("the server's end ends as well");
    assert_eq!(seen.expect_err("nothing arrives").kind(), ErrorKind::ConnectionReset);
    ends.reconnect().await;
    ends.server.write_all(b"hello").await.expect("the server may speak first");
    assert_eq!(end_of(&mut ends.client).await.0, Err(ErrorKind::ConnectionReset));
    assert_eq!(end_of(&mut ends.server).await.0, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn the_heal_of_a_resetting_link_leaves_no_connection_that_would_still_end_in_a_reset() {
    let mut ends = Ends::connect().await;
    ends.inject(0, LinkFault::ResetPeer).await;
    ends.reconnect().await;
    ends.links.heal(0).await.expect("it heals");
    end_of(&mut ends.client).await.0.expect_err("one of the time of the fault ends in a reset, and it ends with it");
    ends.reconnect().await;
    ends.client.write_all(b"works").await.expect("it is accepted");
    let mut arrived = [0; 5];
    timeout(SOON, ends.server.read_exact(&mut arrived)).await.expect("it arrives").expect("it stays open");
    drop(ends.server);
    assert_eq!(end_of(&mut ends.client).await.0, Ok(()), "a close is a close again");
}

#[tokio::test]
async fn a_slow_close_holds_the_close_of_either_end_back_and_no_bytes() {
    let mut ends = Ends::connect().await;
    drop(ends.server);
    let (ended, open) = end_of(&mut ends.client).await;
    ended.expect("a close, no reset");
    assert!(open < HELD / 2, "{open:?}");
    let slow = LinkFault::SlowClose { delay: HELD };
    let detail = ends.links.inject(0, std::slice::from_ref(&ends.link), slow).await.expect("it gets into place").detail;
    assert!(detail.contains("that closes are held back is only read back"), "{detail}");

    (ends.client, ends.server) = connect(&ends.links, &ends.link, &ends.listener).await;
    ends.server.write_all(b"bytes pass").await.expect("the link is open");
    let mut bytes = [0; 10];
    let started = Instant::now();
    timeout(SOON, ends.client.read_exact(&mut bytes)).await.expect("they come").expect("it stays open");
    assert!(started.elapsed() < HELD / 2, "{:?}", started.elapsed());
    drop(ends.server);
    let (ended, held) = end_of(&mut ends.client).await;
    ended.expect("a close, no reset");
    assert!(held + TIMERS >= HELD && held > 2 * open, "{held:?} against {open:?}");

    (ends.client, ends.server) = connect(&ends.links, &ends.link, &ends.listener).await;
    drop(ends.client);
    let (ended, held) = end_of(&mut ends.server).await;
    ended.expect("a close, no reset");
    assert!(held + TIMERS >= HELD, "{held:?}");
}

#[tokio::test]
async fn the_heal_of_a_slow_close_lets_go_of_what_is_held_back_and_keeps_the_rest() {
    let stage = Stage::set().await;
    let mut live = stage.live_client().await;
    let mut ends = Ends::connect().await;
    for links in [(&stage.links, &stage.link), (&ends.links, &ends.link)] {
        let slow = LinkFault::SlowClose { delay: Duration::from_secs(60) };
        links.0.inject(0, std::slice::from_ref(links.1), slow).await.expect("it gets into place");
    }
    drop(ends.server);
    let early = timeout(SILENCE, ends.client.read(&mut [0; 1])).await;
    assert!(early.is_err(), "the close is held back: {early:?}");
    ends.links.heal(0).await.expect("it heals");
    end_of(&mut ends.client).await.0.expect("a close, no reset");
    stage.heal(0).await;
    assert!(live.is_echoed(b"still there").await);
}

#[tokio::test]
async fn a_black_hole_may_swallow_one_direction_alone() {
    let stage = Stage::set().await;
    let mut live = stage.live_client().await;
    stage.inject(0, LinkFault::BlackHole { direction: Direction::Requests }).await;
    live.send(b"lost").await;
    assert!(!stage.server.receives(b"lost", SILENCE).await);
    stage.server.say(b"heard");
    assert_eq!(live.sees(SOON).await, Sees::Bytes(b"heard".to_vec()));
    stage.heal(0).await;
    assert!(stage.works().await);

    let mut live = stage.live_client().await;
    stage.inject(1, LinkFault::BlackHole { direction: Direction::Answers }).await;
    live.send(b"applied").await;
    assert!(stage.server.receives(b"applied", SOON).await);
    assert_eq!(live.sees(SILENCE).await, Sees::Nothing);
    stage.heal(1).await;
    assert!(stage.works().await);
}

#[tokio::test]
async fn latency_may_strike_one_direction_alone() {
    let stage = Stage::set().await;
    let mut live = stage.live_client().await;
    let delay = Duration::from_millis(800);
    let slow = |direction| LinkFault::Latency { delay, jitter: Duration::ZERO, direction };
    let detail = stage.inject(0, slow(Direction::Answers)).await;
    assert!(detail.contains("a request was answered after"), "{detail}");
    let sent_at = Instant::now();
    live.send(b"one").await;
    assert!(stage.server.receives(b"one", SOON).await);
    assert!(sent_at.elapsed() < delay, "{:?}", sent_at.elapsed());
    assert_eq!(live.sees(SOON).await, Sees::Bytes(b"one".to_vec()));
    assert!(sent_at.elapsed() + TIMERS >= delay, "{:?}", sent_at.elapsed());
    stage.heal(0).await;
    stage.inject(1, slow(Direction::Requests)).await;
    let sent_at = Instant::now();
    live.send(b"two").await;
    assert!(stage.server.receives(b"two", SOON).await);
    assert!(sent_at.elapsed() + TIMERS >= delay, "{:?}", sent_at.elapsed());
}

#[tokio::test]
async fn a_reset_is_neither_held_back_nor_let_out_of_a_black_hole_and_each_fault_heals_alone() {
    let mut ends = Ends::connect().await;
    ends.inject(0, LinkFault::SlowClose { delay: HELD }).await;
    ends.inject(1, LinkFault::ResetPeer).await;
    ends.reconnect().await;
    ends.client.write_all(b"lost").await.expect("it is accepted");
    let (ended, took) = end_of(&mut ends.client).await;
    assert_eq!(ended, Err(ErrorKind::ConnectionReset));
    assert!(took < HELD, "{took:?}");

    let detail = ends.inject(2, BLACK_HOLE).await;
    assert!(detail.contains("neither answer nor close"), "{detail}");
    ends.links.heal(2).await.expect("the black hole heals");
    ends.reconnect().await;
    ends.client.write_all(b"lost").await.expect("it is accepted");
    assert_eq!(end_of(&mut ends.client).await.0, Err(ErrorKind::ConnectionReset));

    ends.links.heal(1).await.expect("the resets heal");
    ends.reconnect().await;
    drop(ends.server);
    let (ended, held) = end_of(&mut ends.client).await;
    ended.expect("a close, no reset");
    assert!(held + TIMERS >= HELD, "{held:?}");
}

#[tokio::test]
async fn heal_all_takes_every_kind_away() {
    let stage = Stage::set().await;
    stage.inject(0, bandwidth(10, Direction::Both)).await;
    stage.inject(1, LinkFault::SlowClose { delay: SOON }).await;
    stage.inject(2, latency(20)).await;
    stage.inject(3, LinkFault::ResetPeer).await;
    stage.inject(4, LinkFault::BlackHole { direction: Direction::Requests }).await;
    stage.links.heal_all().await.expect("everything heals, and is read back as open without toxics");
    assert!(stage.works().await);
}

#[tokio::test]
async fn a_narrow_or_resetting_link_is_confirmed_within_a_tenth_of_a_second() {
    let stage = Stage::set().await;
    let kinds =
        [bandwidth(10, Direction::Both), LinkFault::ResetPeer, LinkFault::SlowClose { delay: SOON }, BLACK_HOLE];
    for what in kinds {
        let mut quickest = Duration::MAX;
        for fault in 0..5 {
            let asked = Instant::now();
            stage.inject(fault, what).await;
            quickest = quickest.min(asked.elapsed());
            stage.heal(fault).await;
        }
        assert!(quickest < Duration::from_millis(100), "{what:?}: {quickest:?}");
    }
}
