//! From start to stop: readiness, the HTTP server, SIGTERM.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::backoff::Backoff;
use super::environment::Environment;
use super::log;

/// How long requests that are under way may take after the stop was asked for.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// How long one attempt to get ready may take.
const WARM_UP_ATTEMPT_WITHIN: Duration = Duration::from_secs(5);

/// Whether the service can do its work; if not, why.
#[derive(Debug, Clone)]
pub(crate) struct Readiness(Arc<Mutex<Option<String>>>);

impl Readiness {
    /// Not ready, because it has just started.
    pub(crate) fn starting() -> Self {
        Self(Arc::new(Mutex::new(Some("starting".to_owned()))))
    }

    /// Repeats `warm_up` until it succeeds, and tells on the way what it waits for.
    pub(crate) async fn prepare(&self, warm_up: impl AsyncFnMut() -> Result<()>) {
        self.prepare_in_attempts_of(WARM_UP_ATTEMPT_WITHIN, warm_up).await;
    }

    /// The first request would now be as quick as any.
    pub(crate) fn declare(&self) {
        log!("ready");
        self.set(None);
    }

    async fn prepare_in_attempts_of(&self, limit: Duration, mut warm_up: impl AsyncFnMut() -> Result<()>) {
        let mut retry = 0;
        loop {
            let reason = match tokio::time::timeout(limit, warm_up()).await {
                Ok(Ok(())) => break,
                Ok(Err(error)) => format!("{error:#}"),
                Err(_) => format!("a dependency did not answer within {limit:?}"),
            };
            log!("not ready yet: {reason}");
            self.set(Some(reason));
            retry += 1;
            Backoff::OUTAGE.wait(retry).await;
        }
    }

    fn set(&self, obstacle: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = obstacle;
    }

    fn obstacle(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Tells the parts of a service that SIGTERM or SIGINT arrived.
#[derive(Debug, Clone)]
pub(crate) struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Returns once the stop was asked for.
    pub(crate) async fn requested(&mut self) {
        // An error means that the listener for signals is gone, and then the process ends anyway.
        self.0.wait_for(|requested| *requested).await.ok();
    }

    /// Whether the stop was asked for.
    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}

/// Serves HTTP (`router` and the readiness) and does `work` beside it, until a signal asks to stop or `work` fails.
/// `work` returns when its [`Shutdown`] says so, or earlier where there is no more to do.
pub(crate) async fn run<W>(
    environment: &Environment,
    router: Router,
    readiness: Readiness,
    work: impl FnOnce(Shutdown) -> W,
) -> Result<()>
where
    W: Future<Output = Result<()>>,
{
    let address = environment.listen_address;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("failed to listen on {address}; is another process using the port?"))?;
    let (request_stop, stop_requested) = watch::channel(false);
    let shutdown = Shutdown(stop_requested);
    tokio::try_join!(
        forward_signals(request_stop),
        serve(listener, router.merge(health(readiness)), shutdown.clone()),
        work(shutdown),
    )?;
    Ok(())
}

async fn forward_signals(request_stop: watch::Sender<bool>) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    log!("stopping");
    request_stop.send_replace(true);
    // Keeps the channel open until everybody has heard of it.
    request_stop.closed().await;
    Ok(())
}

async fn serve(listener: TcpListener, router: Router, shutdown: Shutdown) -> Result<()> {
    // Small answers must not wait for the acknowledgement of earlier ones.
    let listener = listener.tap_io(|stream| {
        stream.set_nodelay(true).ok();
    });
    let mut graceful = shutdown.clone();
    let server =
        axum::serve(listener, router).with_graceful_shutdown(async move { graceful.requested().await }).into_future();
    let mut overdue = shutdown;
    let too_long = async {
        overdue.requested().await;
        tokio::time::sleep(STOP_WITHIN).await;
    };
    tokio::select! {
        result = server => result.context("the HTTP server failed"),
        () = too_long => {
            log!("gave up requests that were still under way {STOP_WITHIN:?} after the stop was asked for");
            Ok(())
        }
    }
}

fn health(readiness: Readiness) -> Router {
    Router::new().route("/health/ready", get(ready)).with_state(readiness)
}

async fn ready(State(readiness): State<Readiness>) -> (StatusCode, String) {
    match readiness.obstacle() {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(obstacle) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {obstacle}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_service_is_ready_only_after_its_warm_up_succeeded() {
        let readiness = Readiness::starting();
        let (status, text) = ready(State(readiness.clone())).await;
        assert_eq!((status, text.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "not ready: starting\n"));
        readiness.prepare(async || Ok(())).await;
        readiness.declare();
        assert_eq!(ready(State(readiness)).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn a_warm_up_is_repeated_until_it_succeeds_and_the_reason_is_told_meanwhile() {
        let readiness = Readiness::starting();
        let (mut attempts, mut told) = (0, None);
        readiness
            .prepare(async || {
                attempts += 1;
                told = readiness.obstacle();
                anyhow::ensure!(attempts == 3, "attempt {attempts} failed");
                Ok(())
            })
            .await;
        assert_eq!((attempts, told.as_deref()), (3, Some("attempt 2 failed")));
    }

    #[tokio::test]
    async fn a_warm_up_that_hangs_is_given_up_and_begun_again() {
        let mut attempts = 0;
        Readiness::starting()
            .prepare_in_attempts_of(Duration::from_millis(10), async || {
                attempts += 1;
                if attempts == 1 {
                    std::future::pending::<()>().await;
                }
                Ok(())
            })
            .await;
        assert_eq!(attempts, 2);
    }
}
