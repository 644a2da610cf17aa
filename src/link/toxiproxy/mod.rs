//! The adapter to one Toxiproxy server: every call has a deadline, and nothing is believed that was not read back.
//!
//! Two ways lead to it, because neither does everything:
//! - [`commands`]: the crate `toxiproxy_rust` creates proxies;
//! - [`api`]: plain HTTP for what the crate cannot do: read a proxy back *with* its status, add and remove a toxic under
//!   a name of one's own, delete a proxy, and change many links at the same time. (The crate asks for every proxy there is
//!   before it opens or closes one, and one call waits for the other: a cut of ten links took twice as long.)

mod api;
mod commands;

use std::net::SocketAddr;
use std::time::Duration;

pub(super) use api::{Api, Found};
use commands::Commands;
use toxiproxy_rust::proxy::ProxyPack;

use super::condition::Toxic;
use super::error::LinkError;

/// How long one call may take; it takes 0.2 ms.
pub(super) const CALL_DEADLINE: Duration = Duration::from_secs(3);

/// How long the removal of one toxic may take. On a link that is stuck in a write it takes up to 25 s
/// (Shopify/toxiproxy issue 558), so the caller rebuilds the proxy then.
pub(super) const REMOVAL_DEADLINE: Duration = Duration::from_secs(2);

/// A proxy to create.
#[derive(Debug, Clone)]
pub(super) struct NewProxy {
    pub(super) name: String,
    pub(super) listen: SocketAddr,
    pub(super) upstream: SocketAddr,
    pub(super) enabled: bool,
}

/// One Toxiproxy server.
#[derive(Debug)]
pub(super) struct Toxiproxy {
    api: Api,
    commands: Commands,
}

impl Toxiproxy {
    /// Checks that a Toxiproxy answers.
    pub(super) async fn connect(address: SocketAddr) -> Result<Self, LinkError> {
        let api = Api::new(address);
        api.version().await?;
        Ok(Self { api, commands: Commands::start(address)? })
    }

    /// Creates proxies. One of the same name and addresses is left as it is: read back what came of it.
    pub(super) async fn create(&self, proxies: Vec<NewProxy>) -> Result<(), LinkError> {
        let job = move |client: &toxiproxy_rust::client::Client| {
            let packs = proxies.into_iter().map(|proxy| {
                let mut pack = ProxyPack::new(proxy.name, proxy.listen.to_string(), proxy.upstream.to_string());
                pack.enabled = proxy.enabled;
                pack
            });
            client.populate(packs.collect()).map(|_| ())
        };
        self.commands.call("create proxies", job).await
    }

    /// Opens or closes a proxy. Closing closes its live connections.
    pub(super) async fn set_enabled(&self, name: &str, enabled: bool) -> Result<(), LinkError> {
        self.api.set_enabled(name, enabled).await
    }

    /// How a proxy is set.
    pub(super) async fn read(&self, name: &str) -> Result<Found, LinkError> {
        self.api.read(name).await
    }

    /// Adds a toxic.
    pub(super) async fn add(&self, proxy: &str, name: &str, toxic: Toxic) -> Result<(), LinkError> {
        self.api.add(proxy, name, toxic).await
    }

    /// Removes a toxic, within [`REMOVAL_DEADLINE`].
    pub(super) async fn remove(&self, proxy: &str, name: &str) -> Result<(), LinkError> {
        self.api.remove(proxy, name).await
    }

    /// Deletes a proxy and closes its connections.
    pub(super) async fn delete(&self, proxy: &str) -> Result<(), LinkError> {
        self.api.delete(proxy).await
    }
}
