//! One HTTP request, one whole answer, within a deadline: the only file of the harness's load that knows hyper's client.

use std::error::Error as StdError;
use std::io::ErrorKind;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::{Request, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::lateness::{NO_FILE_LEFT, NO_PORT_LEFT};
use super::outcome::Ending;

/// An answer larger than this is not read to its end.
const ANSWER_AT_MOST: usize = 1 << 20;

/// At most this many connections are opened to one target at once: a listener's backlog is often 128, and what does
/// not fit waits a second for the next try of its SYN.
const CONNECTIONS_AT_ONCE: u32 = 100;

/// Open files that suffice for [`super::lateness::IN_FLIGHT_AT_MOST`] connections and everything else.
const OPEN_FILES: u64 = 32_768;

/// What a client heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// How the attempt ended.
    pub(super) ending: Ending,
    /// Why there was no whole answer.
    pub(super) error: Option<String>,
    /// The answer's body.
    pub(super) body: Bytes,
}

impl Answer {
    fn missing(ending: Ending, error: impl Into<String>) -> Self {
        Self { ending, error: Some(error.into()), body: Bytes::new() }
    }

    /// An attempt that did not get as far as a connection.
    pub(super) fn never_sent(error: impl Into<String>) -> Self {
        Self::missing(Ending::NeverSent, error)
    }

    /// The status of a whole answer.
    pub(super) fn status(&self) -> Option<u16> {
        match self.ending {
            Ending::Answered(status) => Some(status),
            Ending::NeverSent | Ending::Unanswered => None,
        }
    }
}

/// An HTTP/1.1 client with a pool of connections per target; cheap to clone.
///
/// hyper-util races an idle connection against a new one, so a stopped target does not make requests wait for each
/// other. Its own retry stays on: it applies only to a request of which nothing was written to a connection that had
/// been closed meanwhile.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>,
    timeout: Duration,
}

impl Client {
    /// A client that waits this long for each answer, connection included.
    pub(super) fn new(timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { http: hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector), timeout }
    }

    /// Sends a request and waits for the whole answer.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let answer = async {
            let response = match self.http.request(request).await {
                Ok(response) => response,
                Err(error) if error.is_connect() => return Answer::never_sent(describe(&error)),
                Err(error) => return Answer::missing(Ending::Unanswered, describe(&error)),
            };
            let (head, body) = response.into_parts();
            match Limited::new(body, ANSWER_AT_MOST).collect().await {
                Ok(body) => {
                    Answer { ending: Ending::Answered(head.status.as_u16()), error: None, body: body.to_bytes() }
                }
                Err(error) => Answer::missing(Ending::Unanswered, describe(error.as_ref())),
            }
        };
        // Nobody can say how far a request got in that time, not even whether it was sent.
        timeout(self.timeout, answer).await.unwrap_or_else(|_| Answer::missing(Ending::Unanswered, "timeout"))
    }

    /// Opens connections before they are needed, by asking for something that changes nothing, until `deadline`. It
    /// does not matter what is answered: what cannot be opened now is opened by the first operation.
    pub(super) async fn open_connections(&self, uris: &[Uri], each: u32, deadline: Instant) {
        let mut requests = JoinSet::new();
        for uri in uris {
            for _ in 0..each.min(CONNECTIONS_AT_ONCE) {
                let (client, request) = (self.clone(), Request::get(uri.clone()).body(Full::default()));
                requests.spawn(async move {
                    if let Ok(request) = request {
                        client.send(request).await;
                    }
                });
            }
        }
        let _ = timeout_at(deadline, async { while requests.join_next().await.is_some() {} }).await;
    }
}

/// Allows this process as many open files as a stalled system may need, as far as the system permits, and says how many
/// that are. The usual 1,024 would turn a stall of one second at 1,000 operations a second into refused connections.
pub(super) fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1024 };
    let wanted = OPEN_FILES.min(hard);
    if soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok() { wanted } else { soft }
}

/// The innermost cause, in the words of the history.
fn describe(error: &(dyn StdError + 'static)) -> String {
    let mut cause = error;
    loop {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return match io.kind() {
                ErrorKind::ConnectionRefused => "connection refused".to_owned(),
                ErrorKind::ConnectionReset => "connection reset".to_owned(),
                ErrorKind::AddrNotAvailable => NO_PORT_LEFT.to_owned(),
                _ if io.raw_os_error() == Some(nix::errno::Errno::EMFILE as i32) => NO_FILE_LEFT.to_owned(),
                ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => "connection closed".to_owned(),
                _ => io.to_string(),
            };
        }
        if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message) {
            return "connection closed".to_owned();
        }
        if cause.is::<LengthLimitError>() {
            return format!("answer longer than {ANSWER_AT_MOST} bytes");
        }
        match cause.source() {
            Some(source) => cause = source,
            None => return cause.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::lateness::is_own_shortage;

    #[test]
    fn what_this_machine_has_run_out_of_is_told_from_what_the_target_did() {
        let of_kind = |kind: ErrorKind| describe(&std::io::Error::from(kind));
        let of_number = |number: nix::errno::Errno| describe(&std::io::Error::from_raw_os_error(number as i32));
        assert!(is_own_shortage(&of_kind(ErrorKind::AddrNotAvailable)));
        assert!(is_own_shortage(&of_number(nix::errno::Errno::EADDRNOTAVAIL)));
        assert!(is_own_shortage(&of_number(nix::errno::Errno::EMFILE)));
        assert_eq!(of_kind(ErrorKind::ConnectionRefused), "connection refused");
        assert_eq!(of_number(nix::errno::Errno::ECONNRESET), "connection reset");
        assert_eq!(of_kind(ErrorKind::UnexpectedEof), "connection closed");
    }
}
