//! Asks a service over HTTP whether it can do its work.

use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// How long one answer may take.
const PROBE_DEADLINE: Duration = Duration::from_secs(1);

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks until the answer is 2xx.
///
/// # Errors
/// After `deadline`: the last answer, or why there was none.
pub(super) async fn wait_until_ready(url: &str, deadline: Duration) -> Result<(), String> {
    let address: hyper::Uri = url.parse().map_err(|error| format!("not a URL: {error}"))?;
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(1).build_http::<Empty<Bytes>>();
    let mut last = "no answer".to_owned();
    let asking = async {
        loop {
            match tokio::time::timeout(PROBE_DEADLINE, client.get(address.clone())).await {
                Ok(Ok(answer)) if answer.status().is_success() => return,
                Ok(Ok(answer)) => last = format!("answered {}", answer.status()),
                Ok(Err(error)) => last = innermost(&error),
                Err(_) => last = format!("no answer within {} s", PROBE_DEADLINE.as_secs()),
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(deadline, asking).await.map_err(|_| last)
}

/// `connection refused` says more than "client error (Connect)".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
