//! Waiting for a server.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::ports::Ports;
use crate::environment::EnvironmentError;
use crate::process::{Process, is_listening, log_end};

/// How long a server may take until it serves. Kafka was seen to need more than 30 s on two cores with a load of 20; a
/// server that fails ends, and is not waited for.
const DEADLINE: Duration = Duration::from_secs(90);

/// Between two looks.
pub(in crate::environment) const PAUSE: Duration = Duration::from_millis(20);

/// How long one look may take.
const PROBE_DEADLINE: Duration = Duration::from_secs(2);

/// How many lines of a server's log an error shows.
pub(super) const LAST_LINES: usize = 12;

/// How often a server is given other ports.
const PORT_TRIES: u32 = 3;

/// Who is waited for.
#[derive(Debug, Clone, Copy)]
pub(in crate::environment) struct Watched<'a> {
    pub(in crate::environment) name: &'a str,
    pub(in crate::environment) log: &'a Path,
}

/// Waits until `process` itself listens on all of `addresses` and then `probe` says that it serves.
pub(super) async fn wait_until_serving<F>(
    process: &Process,
    addresses: &[SocketAddr],
    probe: impl Fn() -> F,
) -> Result<(), EnvironmentError>
where
    F: Future<Output = Result<(), String>>,
{
    let ports: Vec<u16> = addresses.iter().map(SocketAddr::port).collect();
    let listening = async {
        while !is_listening(process.pid(), &ports) {
            tokio::time::sleep(PAUSE).await;
        }
    };
    let watched = Watched { name: process.name(), log: process.log() };
    Box::pin(wait_until(watched, async { process.exited().await.to_string() }, listening, probe)).await
}

/// Waits until `listening` is through and then `probe` says that a server serves, or `exited` how it ended.
pub(in crate::environment) async fn wait_until<F>(
    watched: Watched<'_>,
    exited: impl Future<Output = String>,
    listening: impl Future<Output = ()>,
    probe: impl Fn() -> F,
) -> Result<(), EnvironmentError>
where
    F: Future<Output = Result<(), String>>,
{
    let mut last = "it does not listen".to_owned();
    let serving = async {
        listening.await;
        loop {
            match tokio::time::timeout(PROBE_DEADLINE, probe()).await {
                Ok(Ok(())) => break,
                Ok(Err(error)) => last = error,
                Err(_) => "it does not answer".clone_into(&mut last),
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::select! {
        biased;
        status = exited => Err(EnvironmentError::Exited {
            server: watched.name.to_owned(),
            status,
            log: watched.log.to_owned(),
            last_lines: log_end(watched.log, LAST_LINES),
        }),
        waited = tokio::time::timeout(DEADLINE, serving) => waited.map_err(|_| EnvironmentError::NotReady {
            server: watched.name.to_owned(),
            deadline: DEADLINE,
            last,
            log: watched.log.to_owned(),
            last_lines: log_end(watched.log, LAST_LINES),
        }),
    }
}

/// An address at the port that was asked for, if one was.
pub(super) fn at_port(address: SocketAddr, port: Option<u16>) -> SocketAddr {
    port.map_or(address, |port| SocketAddr::new(address.ip(), port))
}

/// Starts a server on fresh ports, and on others when one of them was taken between choosing and binding.
pub(in crate::environment) async fn on_free_ports<T>(
    count: usize,
    ports: &Ports,
    start: impl AsyncFn(&[SocketAddr]) -> Result<T, EnvironmentError>,
) -> Result<T, EnvironmentError> {
    let mut tries = 1;
    loop {
        let chosen = (0..count).map(|_| ports.take()).collect::<Result<Vec<_>, _>>()?;
        match start(&chosen).await {
            Err(error) if tries < PORT_TRIES && error.is_port_taken() => tries += 1,
            result => return result,
        }
    }
}
