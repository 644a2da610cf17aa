//! A mongod for the tests of this room that greets whoever dials it and answers nothing else: as one whose disk hangs.

use std::net::SocketAddr;

use mongodb::bson::doc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Header, flags and the kind of the one section:
/// <https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/#op_msg>
const BEFORE_DOCUMENT: usize = 16 + 4 + 1;

/// Where it listens.
pub(super) async fn mute_mongod() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    // It ends with the test's runtime.
    tokio::spawn(async move {
        let mut clients = JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            clients.spawn(greet(client, address));
        }
    });
    address
}

async fn greet(mut client: TcpStream, address: SocketAddr) -> std::io::Result<()> {
    loop {
        let length = client.read_u32_le().await?;
        let mut message = vec![0; length as usize - 4];
        client.read_exact(&mut message).await?;
        let is_greeting = |name: &[u8]| message.windows(name.len()).any(|window| window == name);
        if !is_greeting(b"isMaster\0") && !is_greeting(b"hello\0") {
            continue;
        }
        let hello = doc! {
            "ismaster": true, "isWritablePrimary": true, "helloOk": true, "setName": "rs0", "hosts": [address.to_string()],
            "minWireVersion": 0, "maxWireVersion": 17, "logicalSessionTimeoutMinutes": 30, "ok": 1,
            "maxBsonObjectSize": 16 << 20, "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000,
        };
        let hello = hello.to_vec().expect("it is a document");
        let mut answer = Vec::new();
        answer.extend(u32::try_from(BEFORE_DOCUMENT + hello.len()).expect("short").to_le_bytes());
        answer.extend(1_u32.to_le_bytes());
        // The request's number, which this answers.
        answer.extend(&message[..4]);
        answer.extend(2013_u32.to_le_bytes());
        answer.extend([0; 5]);
        answer.extend(hello);
        client.write_all(&answer).await?;
    }
}
