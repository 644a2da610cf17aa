//! A tap with a small server behind it, and messages to send through it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mongodb::bson::{Document, RawDocumentBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tornwrite::link::Link;
use tornwrite::link::tap::{Direction, Event, Gate, Order, Protocol, TapSpec, Taps};

/// How long anything that must happen may take.
pub(super) const SOON: Duration = Duration::from_secs(10);

/// How long nothing must happen where nothing may: longer than a tap waits for the rest of a frame.
pub(super) const SILENCE: Duration = Duration::from_millis(150);

/// An address on this machine with any free port.
pub(super) const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A server whose every connection the test holds in its hands.
pub(super) struct Server {
    pub(super) listener: TcpListener,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self { listener: TcpListener::bind(ANY).await.expect("a free port") }
    }

    pub(super) fn spec(&self, link: &Link, protocol: Protocol) -> TapSpec {
        let upstream = self.listener.local_addr().expect("it is bound");
        TapSpec { link: link.clone(), listen: ANY, upstream, protocol }
    }

    /// A connection through the tap of a link: the client's end and the server's.
    pub(super) async fn connect(&self, taps: &Taps, link: &Link) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(taps.address(link).expect("it has a tap")).await.expect("the tap accepts");
        let accepted = timeout(SOON, self.listener.accept()).await.expect("the tap dials soon");
        (client, accepted.expect("it can be accepted").0)
    }
}

pub(super) async fn send(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).await.expect("it takes them");
}

/// As many bytes, which are to be these.
pub(super) async fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    timeout(SOON, stream.read_exact(&mut got)).await.expect("they come soon").expect("they come");
    assert!(got == bytes, "other bytes came");
}

/// Neither bytes nor an end.
pub(super) async fn expect_nothing(stream: &mut TcpStream) {
    let seen = timeout(SILENCE, stream.read(&mut [0; 64])).await;
    assert!(seen.is_err(), "{seen:?}");
}

/// The end, without a byte before it.
pub(super) async fn expect_end(stream: &mut TcpStream) {
    let seen = timeout(SOON, stream.read(&mut [0; 64])).await.expect("it ends soon");
    assert!(matches!(seen, Ok(0) | Err(_)), "{seen:?}");
}

/// A message of `MongoDB`: its number, the one that it answers, its document.
pub(super) fn message(id: i32, responds_to: i32, document: &Document) -> Vec<u8> {
    let body = RawDocumentBuf::try_from(document).expect("it is one");
    let length = i32::try_from(21 + body.as_bytes().len()).expect("it is small");
    let header = [length, id, responds_to, 2013, 0].into_iter().flat_map(i32::to_le_bytes);
    header.chain([0]).chain(body.as_bytes().iter().copied()).collect()
}

/// A gate that gives one order at the first message of this name and direction; what was carried out comes out of the
/// channel.
pub(super) fn strike(
    direction: Direction,
    name: &'static str,
    order: Order,
) -> (Gate, mpsc::UnboundedReceiver<(String, Order)>) {
    let (told, carried_out) = mpsc::unbounded_channel();
    let spent = Mutex::new(false);
    let gate = Gate {
        decide: Arc::new(move |sight| {
            let mut spent = spent.lock().expect("nothing panics with it");
            let strikes = !*spent && sight.message.direction == direction && sight.message.name == name;
            *spent |= strikes;
            if strikes { order } else { Order::Forward }
        }),
        carried_out: Arc::new(move |sight, order| {
            let _ = told.send((sight.message.name.to_string(), order));
        }),
    };
    (gate, carried_out)
}

/// What a tap's observer was told, in words.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Listens to these taps.
    pub(super) fn of(taps: &Taps) -> Self {
        let log = Self::default();
        let lines = Arc::clone(&log.0);
        taps.set_observer(Some(Arc::new(move |_link, connection, event| {
            lines.lock().expect("nothing panics with it").push(format!("{connection} {}", describe(&event)));
        })));
        log
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().expect("nothing panics with it").clone()
    }

    /// The messages that are no background, without the connections' numbers.
    pub(super) fn messages(&self) -> Vec<String> {
        let lines = self.lines().into_iter();
        let messages = lines.filter_map(|line| Some(line.split_once(' ')?.1.to_owned()));
        messages.filter(|line| line.starts_with("→ ") || line.starts_with("← ")).collect()
    }

    /// Waits until a line is there.
    pub(super) async fn wait_for(&self, line: &str) {
        let wait = async {
            while !self.lines().iter().any(|other| other == line) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(timeout(SOON, wait).await.is_ok(), "no {line:?} in {:#?}", self.lines());
    }
}

fn describe(event: &Event<'_>) -> String {
    match event {
        Event::Opened => "opened".to_owned(),
        Event::Opaque(direction, reason) => format!("{direction:?} {reason:?}"),
        Event::Ended(unanswered) => {
            let names: Vec<&str> = unanswered.iter().map(|asked| &*asked.name).collect();
            format!("ended, unanswered: {names:?}")
        }
        Event::Message(message) => {
            let arrow = match (message.is_background, message.direction) {
                (true, _) => "~",
                (false, Direction::Requests) => "→",
                (false, Direction::Answers) => "←",
            };
            let target = message.target.as_deref().map(|target| format!(" {target}")).unwrap_or_default();
            let failure = message.failure.as_ref().map(|failure| format!(" !{}", failure.code)).unwrap_or_default();
            format!("{arrow} {}{target}{failure}", message.name)
        }
    }
}
