//! A Toxiproxy that answers "done" to some requests and does not do them.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Stands before a real API; forwards everything but the requests that begin with one line and hold one text.
pub(crate) struct Liar {
    pub(crate) api: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Liar {
    pub(crate) async fn before(api: SocketAddr, method: &'static str, text: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(serve(client, api, method, text));
            }
        });
        Self { api: address, _tasks: tasks }
    }
}

/// One request after another; each forwarded one on a connection of its own, so that there is nothing to keep in step.
async fn serve(mut client: TcpStream, api: SocketAddr, method: &str, text: &str) {
    while let Some(request) = message(&mut client).await {
        let told = String::from_utf8_lossy(&request);
        let answer = if told.starts_with(method) && told.contains(text) {
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec()
        } else {
            let mut server = TcpStream::connect(api).await.expect("the real one answers");
            server.write_all(&request).await.expect("it takes the request");
            message(&mut server).await.expect("it answers")
        };
        if client.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// Reads one HTTP/1.1 message with a length.
async fn message(connection: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.map_or(0, |length| length.trim().parse().expect("a length is a number"));
            if bytes.len() >= head + 4 + length {
                return Some(bytes);
            }
        }
        if connection.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
