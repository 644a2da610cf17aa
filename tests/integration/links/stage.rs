//! A real Toxiproxy, and small real servers and clients on both sides of a link.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tornwrite::environment::local::{Cache, programs};
use tornwrite::link::{Link, LinkSpec, Links};

/// How long anything that must happen may take.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// How long nothing must happen where nothing may.
pub(crate) const SILENCE: Duration = Duration::from_millis(60);

/// The Toxiproxy server's program, found as a run finds it.
fn program() -> PathBuf {
    let cache = Cache::from_environment().unwrap_or_else(|error| panic!("{error}"));
    programs::toxiproxy(&cache).unwrap_or_else(|error| panic!("{error}"))
}

/// A running Toxiproxy; it ends with this value.
pub(crate) struct Toxiproxy {
    pub(crate) api: SocketAddr,
    process: Child,
}

impl Toxiproxy {
    /// Starts one on a free port and waits until it answers.
    pub(crate) async fn start() -> Self {
        for _ in 0..5 {
            let api = free_address().await;
            let mut process = Command::new(program())
                .args(["-host", "127.0.0.1", "-port", &api.port().to_string()])
                .env("LOG_LEVEL", "warn")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .expect("the Toxiproxy server starts");
            let answers = async {
                while TcpStream::connect(api).await.is_err() {
                    // It ends at once when another program was quicker to take the port: then try another.
                    if process.try_wait().expect("a child can be asked").is_some() {
                        return false;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                true
            };
            if timeout(SOON, answers).await.expect("Toxiproxy listens soon") {
                return Self { api, process };
            }
        }
        panic!("no free port for Toxiproxy in five attempts");
    }

    /// SIGKILL, and waits until it is dead.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.expect("a child can be killed");
    }
}

/// An address on which nobody listens at this moment.
pub(crate) async fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("a bound listener has an address")
}

/// A server that sends back what it gets, remembers it, and can speak by itself.
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    received: watch::Receiver<Vec<u8>>,
    clients: Arc<Mutex<Vec<OwnedWriteHalf>>>,
    _tasks: JoinSet<()>,
}

impl Echo {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (told, received) = watch::channel(Vec::new());
        let clients = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, told, Arc::clone(&clients)));
        Self { address, received, clients, _tasks: tasks }
    }

    /// Whether these bytes have arrived, or do within `patience`.
    pub(crate) async fn receives(&self, bytes: &[u8], patience: Duration) -> bool {
        let mut received = self.received.clone();
        let arrived = received.wait_for(|all| all.windows(bytes.len()).any(|window| window == bytes));
        timeout(patience, arrived).await.is_ok()
    }

    /// Says something to every client, as far as the connections take it now; how many bytes they took.
    pub(crate) fn say(&self, bytes: &[u8]) -> usize {
        let clients = self.clients.lock().expect("nothing panics with it");
        clients.iter().filter_map(|client| client.try_write(bytes).ok()).sum()
    }
}

async fn accept(listener: TcpListener, told: watch::Sender<Vec<u8>>, clients: Arc<Mutex<Vec<OwnedWriteHalf>>>) {
    let mut connections = JoinSet::new();
    while let Ok((connection, _)) = listener.accept().await {
        let (mut from, to) = connection.into_split();
        let (told, clients) = (told.clone(), Arc::clone(&clients));
        let place = {
            let mut clients = clients.lock().expect("nothing panics with it");
            clients.push(to);
            clients.len() - 1
        };
        connections.spawn(async move {
            let mut buffer = [0; 1024];
            while let Ok(length @ 1..) = from.read(&mut buffer).await {
                told.send_modify(|all| all.extend_from_slice(&buffer[..length]));
                let _ = clients.lock().expect("nothing panics with it")[place].try_write(&buffer[..length]);
            }
        });
    }
}

/// A client's connection.
pub(crate) struct Client {
    connection: TcpStream,
}

/// What a client sees next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sees {
    Bytes(Vec<u8>),
    Close,
    Nothing,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let connected = timeout(SOON, TcpStream::connect(address)).await.expect("a loopback connection is quick");
        Ok(Self { connection: connected? })
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.connection.write_all(bytes).await.expect("the connection takes some bytes");
    }

    pub(crate) async fn sees(&mut self, patience: Duration) -> Sees {
        let mut buffer = vec![0; 1024];
        match timeout(patience, self.connection.read(&mut buffer)).await {
            Err(_) => Sees::Nothing,
            Ok(Ok(length @ 1..)) => Sees::Bytes(buffer[..length].to_vec()),
            Ok(Ok(0) | Err(_)) => Sees::Close,
        }
    }

    /// Reads so many bytes.
    pub(crate) async fn skip(&mut self, length: usize) {
        let mut bytes = vec![0; length];
        let read = timeout(SOON, self.connection.read_exact(&mut bytes)).await.expect("all of it comes soon");
        read.expect("the connection stays open");
    }

    /// Sends something and gets the echo.
    pub(crate) async fn is_echoed(&mut self, bytes: &[u8]) -> bool {
        self.send(bytes).await;
        self.sees(SOON).await == Sees::Bytes(bytes.to_vec())
    }
}

/// One link from `api-1` to an echo server that plays `kafka`.
pub(crate) struct Stage {
    pub(crate) toxiproxy: Toxiproxy,
    pub(crate) server: Echo,
    pub(crate) links: Links,
    pub(crate) link: Link,
    pub(crate) listen: SocketAddr,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let (toxiproxy, server) = (Toxiproxy::start().await, Echo::start().await);
        let link = Link::new("api-1", "kafka");
        let links = Links::create(toxiproxy.api, vec![spec(&link, server.address)]).await.expect("one link");
        let listen = links.address(&link).expect("it was made");
        Self { toxiproxy, server, links, link, listen }
    }

    /// A connection through the link on which an echo has come back.
    pub(crate) async fn live_client(&self) -> Client {
        let mut client = Client::connect(self.listen).await.expect("the link is open");
        assert!(client.is_echoed(b"hello").await);
        client
    }

    pub(crate) async fn works(&self) -> bool {
        match Client::connect(self.listen).await {
            Ok(mut client) => client.is_echoed(b"again").await,
            Err(_) => false,
        }
    }

    pub(crate) async fn is_refused(&self) -> bool {
        Client::connect(self.listen).await.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    }
}

/// A link on a free port.
pub(crate) fn spec(link: &Link, upstream: SocketAddr) -> LinkSpec {
    LinkSpec { link: link.clone(), listen: SocketAddr::from(([127, 0, 0, 1], 0)), upstream }
}
