//! What a TCP connection can show about a link without knowing its protocol.
//!
//! | expected | done | shows |
//! | --- | --- | --- |
//! | refused | connect | the port refuses |
//! | requests dropped | connect, send `GET / HTTP/1.0` | neither answer nor close comes |
//! | answers dropped | connect, send nothing | accepted and silent; that *requests* pass is only read back |
//! | reset | connect, send the same | the connection is reset |
//! | delayed | connect, send the same | the first answer or close comes no sooner than the delay allows |
//! | requests limited | connect, send one that takes 30 ms (8 KB at most) | as for delayed |
//! | open | connect, send nothing | accepted and not closed |
//!
//! What cannot be shown without knowing the protocol, or without waiting, is only read back, and the detail says so:
//! that closes are held back, limits on answers and limits above 4 MB/s, and a delay of answers alone where the server
//! closes instead of answering.
//!
//! The request is one to which an HTTP service, `MongoDB` and Kafka react within milliseconds; the silence of a server that
//! would be silent anyway (a paused one) shows nothing, and the setting was read back in any case.
//! A dropped probe never reaches the server. A delayed one does: the server sees one request that it does not know.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::condition::{Setting, Stream};

/// A request to which an HTTP service, `MongoDB` and Kafka all react: with an answer, a hint, a close.
const REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";
/// How long a cut link must stay silent.
const SILENCE: Duration = Duration::from_millis(25);
/// How long an open one must stay open.
const OPEN: Duration = Duration::from_millis(20);
/// How long a request should take that shows a limit.
const LIMITED: Duration = Duration::from_millis(30);
/// The longest such request: what servers take as headers, and the loopback as one piece.
const LONGEST_REQUEST: u64 = 8 * 1000;
/// The widest limit that such a request shows, in KB/s.
const WIDEST_SHOWN: u64 = LONGEST_REQUEST / 2;
/// How long connecting may take on the loopback.
const CONNECT_DEADLINE: Duration = Duration::from_secs(1);
/// How long an answer is waited for beyond the delay.
const ANSWER_DEADLINE: Duration = Duration::from_millis(500);
/// How long where answers are limited too, and a long one would take its time.
const LIMITED_ANSWER_DEADLINE: Duration = Duration::from_millis(30);
/// How long a reset is waited for beyond the delay; it takes a millisecond.
const RESET_DEADLINE: Duration = Duration::from_secs(1);
/// Rounding of timers on both sides.
const TOLERANCE: Duration = Duration::from_millis(2);

/// A probe that shows something else than was expected.
#[derive(Debug)]
pub(super) struct Surprise {
    pub(super) expected: String,
    pub(super) seen: String,
}

/// Probes a link whose proxy is set to `setting`; what was seen, in words.
pub(super) async fn probe(setting: &Setting, listen: SocketAddr, upstream: SocketAddr) -> Result<String, Surprise> {
    if !setting.enabled {
        return expect_refused(listen).await;
    }
    let slowness = Slowness::of(setting);
    let seen = if setting.drops(Stream::Upstream) {
        expect_silence(listen, Some(REQUEST), SILENCE).await
    } else if setting.resets(Stream::Upstream) {
        expect_reset(setting, listen).await
    } else if setting.drops(Stream::Downstream) {
        expect_silence(listen, None, SILENCE).await
    } else if slowness.can_be_shown() {
        expect_delay(&slowness, listen).await
    } else {
        expect_silence(listen, None, OPEN).await
    };
    let seen = seen.map(|seen| match not_shown(setting) {
        Some(what) => format!("{seen} ({what} only read back)"),
        None => seen,
    });
    match seen {
        Err(Surprise { seen, .. }) if seen.contains("closed") && !is_listening(upstream).await => {
            Ok(format!("{seen}: the server behind does not listen (the setting was read back)"))
        }
        other => other,
    }
}

/// What the request that a probe sends must at least wait.
struct Slowness {
    request: Vec<u8>,
    there: Duration,
    back: Duration,
    /// How long an answer is waited for.
    patience: Duration,
}

impl Slowness {
    fn of(setting: &Setting) -> Self {
        let mut request = REQUEST.to_vec();
        let mut limited = Duration::ZERO;
        if let Some(rate) = setting.narrowest(Stream::Upstream) {
            let millis = u64::try_from(LIMITED.as_millis()).expect("a probe is short");
            request = request_of(rate.saturating_mul(millis).min(LONGEST_REQUEST));
            limited = Duration::from_micros(1000 * request.len() as u64 / rate);
        }
        let most = setting.most_delay(Stream::Upstream) + setting.most_delay(Stream::Downstream) + limited;
        let are_answers_limited = setting.narrowest(Stream::Downstream).is_some();
        let patience = most + if are_answers_limited { LIMITED_ANSWER_DEADLINE } else { ANSWER_DEADLINE };
        let (there, back) = (setting.least_delay(Stream::Upstream) + limited, setting.least_delay(Stream::Downstream));
        Self { request, there, back, patience }
    }

    fn can_be_shown(&self) -> bool {
        self.there + self.back >= TOLERANCE
    }
}

/// An HTTP request of this length, or a little longer.
fn request_of(length: u64) -> Vec<u8> {
    let (head, tail) = ("GET / HTTP/1.0\r\nX-Probe: ", "\r\n\r\n");
    let padding = usize::try_from(length).expect("a request is short").saturating_sub(head.len() + tail.len());
    format!("{head}{}{tail}", "-".repeat(padding)).into_bytes()
}

/// What is in place without the probe having shown it, if any.
fn not_shown(setting: &Setting) -> Option<String> {
    let is_cut = |stream| setting.drops(stream) || setting.resets(Stream::Upstream);
    let is_wide = setting.narrowest(Stream::Upstream).is_some_and(|rate| rate > WIDEST_SHOWN);
    let hidden = [
        (setting.holds_closes(), "that closes are held back is"),
        (is_wide && !is_cut(Stream::Upstream), "so wide a limit on requests is"),
        (setting.narrowest(Stream::Downstream).is_some() && !is_cut(Stream::Downstream), "the limit on answers is"),
    ];
    let hidden: Vec<&str> = hidden.into_iter().filter_map(|(is_there, what)| is_there.then_some(what)).collect();
    (!hidden.is_empty()).then(|| hidden.join(" and "))
}

async fn expect_refused(listen: SocketAddr) -> Result<String, Surprise> {
    match connect(listen).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok("connection refused".to_owned()),
        Err(error) => Err(surprise("a refused connection", format!("connecting said: {error}"))),
        Ok(_) => Err(surprise("a refused connection", "it was accepted".to_owned())),
    }
}

async fn expect_silence(listen: SocketAddr, request: Option<&[u8]>, long: Duration) -> Result<String, Surprise> {
    let expected = format!("an accepted connection and then nothing for {long:?}");
    let mut connection =
        connect(listen).await.map_err(|error| surprise(&expected, format!("connecting said: {error}")))?;
    if let Some(request) = request {
        let sent = connection.write_all(request).await;
        sent.map_err(|error| surprise(&expected, format!("the connection was closed: {error}")))?;
    }
    match timeout(long, connection.read(&mut [0; 64])).await {
        Err(_) if request.is_some() => Ok(format!("accepted, a request sent, neither answer nor close for {long:?}")),
        Err(_) => Ok(format!("accepted and not closed for {long:?}")),
        Ok(Ok(0)) => Err(surprise(&expected, "it was closed at once".to_owned())),
        Ok(Ok(bytes)) => Err(surprise(&expected, format!("{bytes} bytes came"))),
        Ok(Err(error)) => Err(surprise(&expected, format!("the connection was closed: {error}"))),
    }
}

async fn expect_reset(setting: &Setting, listen: SocketAddr) -> Result<String, Surprise> {
    let expected = "a reset as soon as a request is sent";
    let failed = |error: io::Error| surprise(expected, format!("connecting said: {error}"));
    let mut connection = connect(listen).await.map_err(failed)?;
    let ended = async {
        connection.write_all(REQUEST).await?;
        connection.read(&mut [0; 64]).await
    };
    match timeout(setting.most_delay(Stream::Upstream) + RESET_DEADLINE, ended).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
            Ok("accepted, a request sent, the connection was reset".to_owned())
        }
        Ok(Err(error)) => Err(surprise(expected, format!("the connection was closed: {error}"))),
        Ok(Ok(0)) => Err(surprise(expected, "it was closed without a reset".to_owned())),
        Ok(Ok(bytes)) => Err(surprise(expected, format!("{bytes} bytes came"))),
        Err(_) => Err(surprise(expected, "neither answer nor close came".to_owned())),
    }
}

async fn expect_delay(slowness: &Slowness, listen: SocketAddr) -> Result<String, Surprise> {
    let &Slowness { ref request, there, back, patience } = slowness;
    let expected = format!("no answer before {:?} and no close before {there:?}", there + back);
    let failed = |error: io::Error| surprise(&expected, format!("the connection was closed: {error}"));
    let mut connection = connect(listen).await.map_err(failed)?;
    let sent_at = Instant::now();
    connection.write_all(request).await.map_err(failed)?;
    let answer = timeout(patience, connection.read(&mut [0; 64])).await;
    let after = sent_at.elapsed();
    // Toxiproxy delays bytes, not the end of a stream: a server that closes is seen after the way there alone.
    let (what, least) = match answer {
        Err(_) => return Ok(format!("accepted, a request sent, nothing came within {after:.0?}")),
        Ok(Ok(0) | Err(_)) if there.is_zero() => {
            return Ok(format!("a request was closed after {after:.0?} (the delay of answers is only read back)"));
        }
        Ok(Ok(0) | Err(_)) => ("was closed", there),
        Ok(Ok(_)) => ("was answered", there + back),
    };
    if after + TOLERANCE < least {
        return Err(surprise(&expected, format!("it {what} after {after:.1?}")));
    }
    Ok(format!("a request {what} after {after:.0?}"))
}

async fn is_listening(server: SocketAddr) -> bool {
    connect(server).await.is_ok()
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    timeout(CONNECT_DEADLINE, TcpStream::connect(address)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn surprise(expected: &str, seen: String) -> Surprise {
    Surprise { expected: expected.to_owned(), seen }
}
