//! Toxiproxy's HTTP API, as far as `toxiproxy_rust` does not reach: statuses, names of toxics, deletion.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CALL_DEADLINE, REMOVAL_DEADLINE};
use crate::link::condition::{Effect, Setting, Stream, Toxic};
use crate::link::error::LinkError;

/// A proxy as it was read back.
#[derive(Debug)]
pub(in crate::link) struct Found {
    /// Where it listens.
    pub(in crate::link) listen: String,
    /// Where it leads.
    pub(in crate::link) upstream: String,
    /// How it is set.
    pub(in crate::link) setting: Setting,
    /// Names of toxics that this adapter never makes.
    pub(in crate::link) strange: Vec<String>,
}

impl Found {
    /// Whether it is set so, with nothing else on it.
    pub(in crate::link) fn is(&self, wanted: &Setting) -> bool {
        self.setting == *wanted && self.strange.is_empty()
    }
}

#[derive(Debug, Deserialize)]
struct Proxy {
    listen: String,
    upstream: String,
    enabled: bool,
    toxics: Vec<WireToxic>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WireToxic {
    name: String,
    r#type: String,
    stream: String,
    toxicity: f32,
    attributes: HashMap<String, u64>,
}

impl WireToxic {
    fn new(name: &str, toxic: Toxic) -> Self {
        let (kind, attributes) = match toxic.effect {
            Effect::Drop => ("timeout", vec![("timeout", 0)]),
            Effect::Delay { delay, jitter } => ("latency", vec![("latency", delay), ("jitter", jitter)]),
            Effect::Limit { rate } => ("bandwidth", vec![("rate", rate)]),
            Effect::Reset => ("reset_peer", vec![("timeout", 0)]),
            Effect::Hold { delay } => ("slow_close", vec![("delay", delay)]),
        };
        Self {
            name: name.to_owned(),
            r#type: kind.to_owned(),
            stream: toxic.stream.name().to_owned(),
            toxicity: 1.0,
            attributes: attributes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        }
    }

    fn toxic(&self) -> Option<Toxic> {
        let stream = match self.stream.as_str() {
            "upstream" => Stream::Upstream,
            "downstream" => Stream::Downstream,
            _ => return None,
        };
        let attribute = |name: &str| self.attributes.get(name).copied();
        let effect = match self.r#type.as_str() {
            "timeout" if attribute("timeout") == Some(0) => Effect::Drop,
            "latency" => Effect::Delay { delay: attribute("latency")?, jitter: attribute("jitter")? },
            "bandwidth" => Effect::Limit { rate: attribute("rate")? },
            "reset_peer" if attribute("timeout") == Some(0) => Effect::Reset,
            "slow_close" => Effect::Hold { delay: attribute("delay")? },
            _ => return None,
        };
        (self.toxicity >= 1.0).then_some(Toxic { stream, effect })
    }
}

/// A client of the API.
#[derive(Debug)]
pub(in crate::link) struct Api {
    address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Api {
    /// A client; no call is made yet.
    pub(super) fn new(address: SocketAddr) -> Self {
        // No connection is kept: Toxiproxy closes idle ones after 25 s, and a call on one that is just being closed
        // fails. A new one costs 0.1 ms.
        Self { address, client: Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http() }
    }

    /// The server's version; shows that it answers.
    pub(super) async fn version(&self) -> Result<Bytes, LinkError> {
        self.call("tell its version", Method::GET, "/version", None, CALL_DEADLINE).await
    }

    pub(super) async fn read(&self, proxy: &str) -> Result<Found, LinkError> {
        let action = format!("show {proxy}");
        let body = self.call(&action, Method::GET, &format!("/proxies/{proxy}"), None, CALL_DEADLINE).await?;
        let found: Proxy = serde_json::from_slice(&body).map_err(|error| LinkError::Refused {
            api: self.address,
            action,
            reason: format!("not a proxy as Toxiproxy 2 shows it: {error}"),
        })?;
        let mut toxics = BTreeMap::new();
        let mut strange = Vec::new();
        for toxic in found.toxics {
            match toxic.toxic() {
                Some(known) => drop(toxics.insert(toxic.name, known)),
                None => strange.push(toxic.name),
            }
        }
        let setting = Setting { enabled: found.enabled, toxics };
        Ok(Found { listen: found.listen, upstream: found.upstream, setting, strange })
    }

    pub(super) async fn set_enabled(&self, proxy: &str, enabled: bool) -> Result<(), LinkError> {
        let action = format!("{} {proxy}", if enabled { "open" } else { "close" });
        let body = json!({ "enabled": enabled }).to_string();
        self.call(&action, Method::POST, &format!("/proxies/{proxy}"), Some(body), CALL_DEADLINE).await.map(drop)
    }

    pub(super) async fn add(&self, proxy: &str, name: &str, toxic: Toxic) -> Result<(), LinkError> {
        let body = json!(WireToxic::new(name, toxic)).to_string();
        let action = format!("add {name} to {proxy}");
        let path = format!("/proxies/{proxy}/toxics");
        self.call(&action, Method::POST, &path, Some(body), CALL_DEADLINE).await.map(drop)
    }

    pub(super) async fn remove(&self, proxy: &str, name: &str) -> Result<(), LinkError> {
        let action = format!("remove {name} from {proxy}");
        let path = format!("/proxies/{proxy}/toxics/{name}");
        self.call(&action, Method::DELETE, &path, None, REMOVAL_DEADLINE).await.map(drop)
    }

    pub(super) async fn delete(&self, proxy: &str) -> Result<(), LinkError> {
        let action = format!("delete {proxy}");
        self.call(&action, Method::DELETE, &format!("/proxies/{proxy}"), None, CALL_DEADLINE).await.map(drop)
    }

    async fn call(
        &self,
        action: &str,
        method: Method,
        path: &str,
        body: Option<String>,
        deadline: Duration,
    ) -> Result<Bytes, LinkError> {
        let (status, answer) = tokio::time::timeout(deadline, self.send(method, path, body))
            .await
            .map_err(|_| LinkError::Deadline { api: self.address, action: action.to_owned(), after: deadline })?
            .map_err(|reason| LinkError::Unreachable { api: self.address, action: action.to_owned(), reason })?;
        if status.is_success() {
            return Ok(answer);
        }
        let reason = format!("{status}: {}", String::from_utf8_lossy(&answer).trim());
        Err(LinkError::Refused { api: self.address, action: action.to_owned(), reason })
    }

    async fn send(&self, method: Method, path: &str, body: Option<String>) -> Result<(StatusCode, Bytes), String> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .body(Full::from(body.unwrap_or_default()))
            .expect("proxy and toxic names are plain");
        let answer = self.client.request(request).await.map_err(|error| with_causes(&error))?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| with_causes(&error))?;
        Ok((status, body.to_bytes()))
    }
}

/// `client error (Connect): tcp connect error: Connection refused`: the last cause is the one a person needs.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
