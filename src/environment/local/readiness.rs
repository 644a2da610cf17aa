//! Waiting for a server.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use super::ports::Ports;
use crate::environment::EnvironmentError;
use crate::process::{Process, is_listening, mentions};

/// How long a server may take until it serves. Kafka was seen to need more than 30 s on two cores with a load of 20; a
/// server that fails ends, and is not waited for.
const DEADLINE: Duration = Duration::from_secs(90);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// How long one look may take.
const PROBE_DEADLINE: Duration = Duration::from_secs(2);

/// How many lines of a server's log an error shows.
const LAST_LINES: usize = 12;

/// How often a server is given other ports.
const PORT_TRIES: u32 = 3;

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
    let mut last = "it does not listen".to_owned();
    let serving = async {
        while !is_listening(process.pid(), &ports) {
            tokio::time::sleep(PAUSE).await;
        }
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
        exit = process.exited() => Err(EnvironmentError::Exited {
            server: process.name().to_owned(),
            status: exit.to_string(),
            log: process.log().to_owned(),
            last_lines: process.log_end(LAST_LINES),
        }),
        waited = tokio::time::timeout(DEADLINE, serving) => waited.map_err(|_| EnvironmentError::NotReady {
            server: process.name().to_owned(),
            deadline: DEADLINE,
            last,
            log: process.log().to_owned(),
            last_lines: process.log_end(LAST_LINES),
        }),
    }
}

/// Starts a server on fresh ports, and on others when one of them was taken between choosing and binding.
pub(super) async fn on_free_ports<T>(
    count: usize,
    ports: &Ports,
    start: impl AsyncFn(&[SocketAddr]) -> Result<T, EnvironmentError>,
) -> Result<T, EnvironmentError> {
    let mut tries = 1;
    loop {
        let chosen = (0..count).map(|_| ports.take()).collect::<Result<Vec<_>, _>>()?;
        match start(&chosen).await {
            Err(EnvironmentError::Exited { log, .. })
                if tries < PORT_TRIES && mentions(&log, "address already in use") =>
            {
                tries += 1;
            }
            result => return result,
        }
    }
}
