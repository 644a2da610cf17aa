//! Free loopback ports, outside of the range from which the kernel takes ports for outgoing connections.
//!
//! Inside that range, a dead server's port could be taken by any client before the server is started again, and a
//! client that dials a dead server's port can connect to itself. Ports are reserved between runs of this user by locks
//! on files, so that two runs at once do not choose the same; against strangers there is the bind that fails, after
//! which a server is given another port.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use nix::fcntl::{Flock, FlockArg};

use crate::environment::EnvironmentError;

/// The lowest port that is taken.
const LOWEST: u16 = 10_000;

/// How many ports are looked at for one that is free.
const TRIES: u32 = 2_000;

/// The ports of one run. Reserved until it is dropped.
#[derive(Debug)]
pub struct Ports {
    folder: PathBuf,
    below: u16,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    offered: VecDeque<u16>,
    reserved: Vec<Flock<File>>,
}

impl Ports {
    /// Nothing taken yet.
    ///
    /// # Errors
    /// When the folder with the reservations cannot be made.
    pub fn new() -> Result<Self, EnvironmentError> {
        // Of one user only: another one's files could not be locked.
        let user = std::fs::metadata("/proc/self").map_or(0, |metadata| metadata.uid());
        let folder = std::env::temp_dir().join(format!("torn-ports-{user}"));
        std::fs::create_dir_all(&folder).map_err(EnvironmentError::file("cannot make", &folder))?;
        Ok(Self { folder, below: first_outgoing_port(), state: Mutex::new(State::default()) })
    }

    /// The same, but these come first and without a look whether they are free: what a run sees that loses a port
    /// between choosing and binding.
    ///
    /// # Errors
    /// As [`Ports::new`].
    pub fn offering_first(ports: impl IntoIterator<Item = u16>) -> Result<Self, EnvironmentError> {
        let chosen = Self::new()?;
        chosen.state.lock().unwrap_or_else(PoisonError::into_inner).offered.extend(ports);
        Ok(chosen)
    }

    /// A free port on 127.0.0.1.
    ///
    /// # Errors
    /// When none is found.
    pub fn take(&self) -> Result<SocketAddr, EnvironmentError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(port) = state.offered.pop_front() {
            return Ok(loopback(port));
        }
        for _ in 0..TRIES {
            let port = rand::random_range(LOWEST..self.below);
            if let Some(lock) = self.reserve(port) {
                state.reserved.push(lock);
                return Ok(loopback(port));
            }
        }
        Err(EnvironmentError::NoPort { tries: TRIES })
    }

    fn reserve(&self, port: u16) -> Option<Flock<File>> {
        let path = self.folder.join(port.to_string());
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).ok()?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).ok()?;
        // Bound by nobody, neither on this address nor on all.
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).ok()?;
        Some(lock)
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Where the kernel's range for outgoing connections begins.
fn first_outgoing_port() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = range.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(32_768);
    // Some machines give nearly all ports to outgoing connections; then there is no better place than any.
    if first < LOWEST + 2_000 { 32_768 } else { first }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn two_runs_at_once_never_get_the_same_port() {
        let (one, two) = (Ports::new().expect("a folder"), Ports::new().expect("a folder"));
        let taken: Vec<SocketAddr> =
            (0..200).map(|turn| if turn % 2 == 0 { &one } else { &two }.take().expect("a port")).collect();
        assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), taken.len());
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_given() {
        let ports = Ports::new().expect("a folder");
        let address = ports.take().expect("a port");
        drop(ports);
        let ports = Ports::new().expect("a folder");
        let _listener = TcpListener::bind(address).expect("it is free");
        assert!(ports.reserve(address.port()).is_none());
    }
}
