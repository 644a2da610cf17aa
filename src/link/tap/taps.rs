//! All taps of a run.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::time::Duration;

use indexmap::IndexMap;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use torn_tap::{Counters, Ledger, Protocol, Topics};

use super::error::TapError;
use super::ice::Ice;
use super::order::{Gate, Observer};
use super::relay;
use crate::link::Link;

/// How many connections of a link are relayed at a time; more wait to be accepted.
const MOST_CONNECTIONS: usize = 4096;

/// A tap that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapSpec {
    /// On which link.
    pub link: Link,
    /// Where to listen; port 0: a free one, see [`Taps::address`].
    pub listen: SocketAddr,
    /// Where the server listens.
    pub upstream: SocketAddr,
    /// What is spoken; [`Protocol::Unread`] for HTTP.
    pub protocol: Protocol,
}

/// The taps of a run. They end with this value.
#[derive(Debug)]
pub struct Taps {
    by_link: IndexMap<Link, Arc<Tap>>,
    control: Control,
    tasks: JoinSet<()>,
}

/// One tap.
#[derive(Debug)]
pub(super) struct Tap {
    pub(super) link: Link,
    pub(super) upstream: SocketAddr,
    pub(super) protocol: Protocol,
    pub(super) shared: Arc<Shared>,
    listen: SocketAddr,
    ledger: Mutex<Ledger>,
    connections: AtomicU64,
}

/// What all taps of a run share.
pub(super) struct Shared {
    pub(super) ice: Ice,
    gate: RwLock<Option<Gate>>,
    observer: RwLock<Option<Observer>>,
}

impl Taps {
    /// Listens for all of these links.
    ///
    /// # Errors
    /// When one cannot listen, or there are two for one link.
    pub async fn start(specs: Vec<TapSpec>) -> Result<Self, TapError> {
        let ice = Ice::new(specs.iter().map(|spec| &spec.link));
        let shared = Arc::new(Shared { ice, gate: RwLock::default(), observer: RwLock::default() });
        let (mut taps, mut tasks, topics) = (IndexMap::new(), JoinSet::new(), Topics::default());
        for TapSpec { link, listen, upstream, protocol } in specs {
            assert!(link.client != link.dialled(), "nobody dials itself");
            let refused = |reason| TapError::Listen { link: link.clone(), address: listen, reason };
            let listener = TcpListener::bind(listen).await.map_err(refused)?;
            let listen = listener.local_addr().map_err(refused)?;
            let ledger = Mutex::new(Ledger::new(topics.clone()));
            let (shared, connections) = (Arc::clone(&shared), AtomicU64::new(0));
            let tap = Arc::new(Tap { link: link.clone(), upstream, protocol, shared, listen, ledger, connections });
            if taps.insert(link.clone(), Arc::clone(&tap)).is_some() {
                return Err(TapError::Twice { link });
            }
            tasks.spawn(accept(listener, tap));
        }
        Ok(Self { by_link: taps, control: Control(shared), tasks })
    }

    /// Where the tap of a link listens.
    pub fn address(&self, link: &Link) -> Option<SocketAddr> {
        self.by_link.get(link).map(|tap| tap.listen)
    }

    /// The links that have a tap.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.by_link.keys()
    }

    /// What was counted of a link so far.
    pub fn counters(&self, link: &Link) -> Option<Counters> {
        self.by_link.get(link).map(|tap| tap.ledger().counters.clone())
    }

    /// Whoever sees what happens from now on.
    pub fn set_observer(&self, observer: Option<Observer>) {
        *self.control.0.observer.write().expect("nothing panics with it") = observer;
    }

    /// See [`Control::set_gate`].
    pub fn set_gate(&self, gate: Option<Gate>) {
        self.control.set_gate(gate);
    }

    /// See [`Control::freeze`].
    pub fn freeze(&self, instance: &str) -> bool {
        self.control.freeze(instance)
    }

    /// See [`Control::thaw`].
    pub fn thaw(&self, instance: &str) -> bool {
        self.control.thaw(instance)
    }

    /// What may be handed to others, callbacks included.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Closes all connections and listeners.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Freezes, thaws and decides. Clones control the same taps.
#[derive(Debug, Clone)]
pub struct Control(Arc<Shared>);

impl Control {
    /// Who decides about the messages that come from now on; `None`: all are forwarded.
    pub fn set_gate(&self, gate: Option<Gate>) {
        *self.0.gate.write().expect("nothing panics with it") = gate;
    }

    /// Freezes an instance (a client or a server): from when this returns, nothing that it sends or is sent passes on any
    /// tap, neither bytes nor the closing of a connection. Whether it was not frozen before; false also if no tap knows it.
    pub fn freeze(&self, instance: &str) -> bool {
        self.0.ice.freeze(instance)
    }

    /// Closes every connection of a frozen instance, together with what was held back on it, and lets new ones pass.
    /// Whether it was frozen.
    pub fn thaw(&self, instance: &str) -> bool {
        self.0.ice.thaw(instance)
    }
}

impl Tap {
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("nothing panics with it")
    }
}

impl Shared {
    pub(super) fn gate(&self) -> Option<Gate> {
        self.gate.read().expect("nothing panics with it").clone()
    }

    pub(super) fn observer(&self) -> Option<Observer> {
        self.observer.read().expect("nothing panics with it").clone()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shared").field("ice", &self.ice).finish_non_exhaustive()
    }
}

/// Accepts connections for ever. They end with this task.
async fn accept(listener: TcpListener, tap: Arc<Tap>) {
    let mut relays = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if relays.len() < MOST_CONNECTIONS => match accepted {
                Ok((client, _)) => {
                    let number = tap.connections.fetch_add(1, Ordering::Relaxed) + 1;
                    relays.spawn(relay::run(client, Arc::clone(&tap), number));
                }
                // No more files, or a client that was gone at once: others come.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = relays.join_next() => {}
        }
    }
}
