//! What a tap costs: the latency that it adds to a ping-pong of 300 bytes over loopback, and the throughput of a stream of
//! such messages and of large ones, with and without it in turns. Client, tap and server share one runtime with two workers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tornwrite::link::Link;
use tornwrite::link::tap::{Protocol, TapSpec, Taps};

const ROUNDS: usize = 5;
const PINGS: usize = 4_000;
const STREAM: usize = 200 << 20;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut tasks = JoinSet::new();
    let (echo, sink) = (serve(&mut tasks, true).await, serve(&mut tasks, false).await);
    let links = [("echo", echo), ("sink", sink)].map(|(server, upstream)| TapSpec {
        link: Link::new("bench", server),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        upstream,
        protocol: Protocol::Mongodb,
    });
    let names = links.each_ref().map(|spec| spec.link.clone());
    let taps = Taps::start(links.to_vec()).await.expect("they listen");
    let [tapped_echo, tapped_sink] = names.each_ref().map(|link| taps.address(link).expect("it has a tap"));
    let new = || Histogram::<u64>::new(3).expect("three digits");
    let (mut direct, mut tapped) = (new(), new());
    for _ in 0..ROUNDS {
        ping(echo, &mut direct).await;
        ping(tapped_echo, &mut tapped).await;
    }
    let micros = |histogram: &Histogram<u64>, quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
    println!("ping-pong of 300 bytes over loopback, {} round trips each way of doing it", ROUNDS * PINGS);
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99)] {
        let (without, with) = (micros(&direct, quantile), micros(&tapped, quantile));
        let added = (with - without) / 2.0;
        println!("{name}: {without:.1} µs direct, {with:.1} µs tapped: {added:.1} µs added to each of two messages");
    }
    for size in [300, 20_000, 1 << 20] {
        let (mut without, mut with) = (0.0_f64, 0.0_f64);
        for _ in 0..3 {
            without = without.max(stream(sink, size).await);
            with = with.max(stream(tapped_sink, size).await);
        }
        let messages = with * 1e6 / size as f64;
        println!(
            "stream of {size} bytes a message: {without:.0} MB/s direct, {with:.0} MB/s tapped ({messages:.0} messages/s)"
        );
    }
    let counters = names.each_ref().map(|link| taps.counters(link).expect("it has a tap"));
    assert!(counters.iter().all(|one| one.opaque_bytes == 0 && one.malformed_frames == 0), "{counters:?}");
    taps.stop().await;
}

/// A find command of so many bytes.
fn message(size: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for (key, value) in [("find", "orders"), ("$db", "shop")] {
        element(&mut body, key, value);
    }
    let overhead = 16 + 5 + 4 + body.len() + 1 + "comment".len() + 1 + 4 + 1 + 1;
    element(&mut body, "comment", &"x".repeat(size - overhead));
    let mut frame: Vec<u8> = [length(size), 1, 0, 2013, 0].into_iter().flat_map(i32::to_le_bytes).collect();
    frame.push(0);
    frame.extend_from_slice(&length(body.len() + 5).to_le_bytes());
    frame.extend_from_slice(&body);
    frame.push(0);
    assert_eq!(frame.len(), size);
    frame
}

fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).expect("it is small")
}

fn element(body: &mut Vec<u8>, key: &str, value: &str) {
    body.push(2);
    body.extend_from_slice(key.as_bytes());
    body.push(0);
    body.extend_from_slice(&length(value.len() + 1).to_le_bytes());
    body.extend_from_slice(value.as_bytes());
    body.push(0);
}

async fn ping(address: SocketAddr, times: &mut Histogram<u64>) {
    let frame = message(300);
    let mut stream = connect(address).await;
    let mut answer = vec![0; frame.len()];
    for round in 0..PINGS + PINGS / 10 {
        let began = Instant::now();
        stream.write_all(&frame).await.expect("it is there");
        stream.read_exact(&mut answer).await.expect("it answers");
        if round >= PINGS / 10 {
            times.record(began.elapsed().as_nanos() as u64).expect("it is a time");
        }
    }
    assert_eq!(answer, frame);
}

/// MB/s.
async fn stream(address: SocketAddr, size: usize) -> f64 {
    let count = (1 << 20) / size + 1;
    let chunk = message(size).repeat(count);
    let mut stream = connect(address).await;
    let (began, mut sent) = (Instant::now(), 0);
    while sent < STREAM && began.elapsed() < Duration::from_secs(10) {
        stream.write_all(&chunk).await.expect("it is there");
        sent += chunk.len();
    }
    stream.shutdown().await.expect("it is there");
    // The sink closes when it has read everything.
    assert_eq!(stream.read(&mut [0; 8]).await.expect("it closes in order"), 0);
    sent as f64 / 1e6 / began.elapsed().as_secs_f64()
}

async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("somebody listens");
    stream.set_nodelay(true).expect("it is a TCP connection");
    stream
}

/// A server that echoes or swallows.
async fn serve(tasks: &mut JoinSet<()>, echoes: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.spawn(async move {
                stream.set_nodelay(true).expect("it is a TCP connection");
                let mut buffer = vec![0; 256 << 10];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    if echoes && stream.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}
