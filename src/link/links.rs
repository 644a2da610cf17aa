//! All links of a run. What is wrong with a link is kept here; its proxy is always brought to the setting that follows
//! from it, and read back. So faults may overlap on one link, and healing one leaves the others in place.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::Mutex as Turn;

use super::condition::{Condition, Setting};
use super::error::LinkError;
use super::link::{Confirmation, Link, LinkFault, LinkSpec};
use super::probe::probe;
use super::toxiproxy::{Found, NewProxy, Toxiproxy};

/// How long a proxy may need to listen again; a port may be in use for a moment by an outgoing connection.
const OPEN_DEADLINE: Duration = Duration::from_secs(2);

/// A handle to all links of a run; cheap to clone.
#[derive(Debug, Clone)]
pub struct Links {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    toxiproxy: Toxiproxy,
    links: BTreeMap<Link, Wire>,
}

/// One link's proxy, and what is wrong with it.
#[derive(Debug)]
struct Wire {
    proxy: String,
    listen: SocketAddr,
    /// Where the proxy leads: to the server, or to a tap in front of it.
    leads_to: SocketAddr,
    /// Where the server listens.
    server: SocketAddr,
    condition: Mutex<Condition>,
    /// What was read back after the last change; nothing while one is under way, or after one that failed.
    last: Mutex<Option<Setting>>,
    /// Held from the first change of the proxy to the end of the probe, so that no other change confuses it.
    turn: Turn<()>,
}

impl Wire {
    /// What is wrong with the link, to look at or to change.
    fn condition(&self) -> MutexGuard<'_, Condition> {
        self.condition.lock().expect("nothing panics while it holds a condition")
    }

    fn last(&self) -> MutexGuard<'_, Option<Setting>> {
        self.last.lock().expect("nothing panics while it holds a setting")
    }
}

/// How one link was changed.
struct Changed {
    probed: String,
    note: Option<String>,
}

impl Links {
    /// Makes a proxy for each link on a running Toxiproxy, and reads all of them back. The servers behind need not listen
    /// yet.
    ///
    /// # Errors
    /// When Toxiproxy does not answer, a port is taken, or a proxy of that name is there with something on it.
    pub async fn create(api: SocketAddr, specs: Vec<LinkSpec>) -> Result<Self, LinkError> {
        Self::create_through(api, specs, |_| None).await
    }

    /// The same, where a tap may stand between the proxy of a link and its server.
    ///
    /// # Errors
    /// As [`Links::create`].
    pub async fn create_through(
        api: SocketAddr,
        specs: Vec<LinkSpec>,
        tap: impl Fn(&Link) -> Option<SocketAddr>,
    ) -> Result<Self, LinkError> {
        let toxiproxy = Toxiproxy::connect(api).await?;
        let proxies = specs.iter().enumerate().map(|(index, spec)| NewProxy {
            name: proxy_name(index, &spec.link),
            listen: spec.listen,
            upstream: tap(&spec.link).unwrap_or(spec.upstream),
            enabled: true,
        });
        toxiproxy.create(proxies.collect()).await?;
        let mut links = BTreeMap::new();
        for (index, LinkSpec { link, listen, upstream: server }) in specs.into_iter().enumerate() {
            let leads_to = tap(&link).unwrap_or(server);
            let proxy = proxy_name(index, &link);
            let found = toxiproxy.read(&proxy).await?;
            let listen = created_at(&found, listen, leads_to).ok_or_else(|| LinkError::NotInPlace {
                link: link.clone(),
                wanted: format!("{listen} → {leads_to}, open without toxics"),
                found: format!("{} → {}, {}", found.listen, found.upstream, found.setting),
            })?;
            let last = Mutex::new(Some(found.setting));
            let (condition, turn) = (Mutex::default(), Turn::default());
            let wire = Wire { proxy, listen, leads_to, server, condition, last, turn };
            if links.insert(link.clone(), wire).is_some() {
                return Err(LinkError::Twice { what: format!("the link {link}") });
            }
        }
        Ok(Self { shared: Arc::new(Shared { toxiproxy, links }) })
    }

    /// Where the client of a link dials.
    pub fn address(&self, link: &Link) -> Option<SocketAddr> {
        self.shared.links.get(link).map(|wire| wire.listen)
    }

    /// Every link, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.shared.links.keys()
    }

    /// Brings a fault onto links; `fault` is its number, by which it is healed. Confirmed only once every proxy was read
    /// back and probed. After an error, part of it may be in place: heal it.
    ///
    /// # Errors
    /// When a link is not there, or the fault is not in place on one of them.
    pub async fn inject(&self, fault: u32, links: &[Link], what: LinkFault) -> Result<Confirmation, LinkError> {
        for link in links {
            let wire = self.shared.links.get(link).ok_or_else(|| self.unknown(link))?;
            if wire.condition().faults.contains_key(&fault) {
                return Err(LinkError::Twice { what: format!("fault {fault} on {link}") });
            }
        }
        let closes_live = matches!(what, LinkFault::Partition | LinkFault::Refuse | LinkFault::ResetPeer);
        let is_struck = |link: &Link, _: &Condition| links.contains(link);
        self.change(is_struck, closes_live, |condition| {
            condition.faults.insert(fault, what);
        })
        .await
    }

    /// Takes a fault away from every link that it is on, and nothing else.
    ///
    /// # Errors
    /// When it is on no link, or could not be taken away from one of them; try again, or end with [`Links::heal_all`].
    pub async fn heal(&self, fault: u32) -> Result<Confirmation, LinkError> {
        let has_fault = |_: &Link, condition: &Condition| {
            condition.faults.contains_key(&fault) || condition.leaving.contains(&fault)
        };
        if !self.shared.links.iter().any(|(link, wire)| has_fault(link, &wire.condition())) {
            return Err(LinkError::NoSuchFault { fault });
        }
        let leave = |condition: &mut Condition| {
            condition.faults.remove(&fault);
            condition.leaving.insert(fault);
        };
        let healed = self.change(has_fault, false, leave).await?;
        for wire in self.shared.links.values() {
            wire.condition().leaving.remove(&fault);
        }
        Ok(healed)
    }

    /// Takes everything away from every link, whatever Toxiproxy has on it.
    ///
    /// # Errors
    /// When a link is not open and clean afterwards.
    pub async fn heal_all(&self) -> Result<Confirmation, LinkError> {
        self.change(|_, _| true, false, |condition| *condition = Condition::default()).await
    }

    /// A server was killed: its links refuse, as its own port would. Without this a proxy accepts and closes.
    ///
    /// # Errors
    /// When one of its links still accepts.
    pub async fn set_down(&self, server: &str) -> Result<Confirmation, LinkError> {
        self.change(|link, _| link.dialled() == server, false, |condition| condition.is_down = true).await
    }

    /// A server listens again.
    ///
    /// # Errors
    /// When one of its links, on which no other fault is, does not lead to it.
    pub async fn set_up(&self, server: &str) -> Result<Confirmation, LinkError> {
        self.change(|link, _| link.dialled() == server, false, |condition| condition.is_down = false).await
    }

    /// Alters what is wrong with the chosen links and brings their proxies to it, all at once; then probes each.
    async fn change(
        &self,
        chosen: impl Fn(&Link, &Condition) -> bool,
        closes_live: bool,
        alter: impl Fn(&mut Condition),
    ) -> Result<Confirmation, LinkError> {
        let mut changing = Vec::new();
        for (link, wire) in &self.shared.links {
            if !chosen(link, &wire.condition()) {
                continue;
            }
            // Always taken in the same order, so that two changes never wait for each other.
            let turn = wire.turn.lock().await;
            let mut condition = wire.condition();
            alter(&mut condition);
            changing.push((link, wire, condition.setting(), turn));
        }
        let started = Instant::now();
        let settled =
            changing.iter().map(|(link, wire, setting, _)| self.shared.settle(link, wire, setting, closes_live));
        let settled = join_all(settled).await;
        let took = started.elapsed();
        let probed = changing.iter().zip(settled).map(async |((link, wire, setting, _), settled)| {
            let note = settled?;
            let probed = probe(setting, wire.listen, wire.server).await;
            let probed = probed.map_err(|surprise| LinkError::Probe {
                link: (*link).clone(),
                listen: wire.listen,
                seen: format!("expected {}, but {}", surprise.expected, surprise.seen),
            })?;
            Ok(Changed { probed, note })
        });
        let changed: Vec<Changed> = join_all(probed).await.into_iter().collect::<Result<_, _>>()?;
        let names = changing.iter().map(|(link, ..)| *link);
        Ok(Confirmation { took, detail: in_words(names.zip(&changed), took) })
    }

    fn unknown(&self, link: &Link) -> LinkError {
        let known: Vec<String> = self.iter().map(Link::to_string).collect();
        LinkError::Unknown { link: link.clone(), known: known.join(", ") }
    }
}

impl Shared {
    /// Brings one proxy to `wanted` and reads it back; a note when that took more than usual.
    async fn settle(
        &self,
        link: &Link,
        wire: &Wire,
        wanted: &Setting,
        closes_live: bool,
    ) -> Result<Option<String>, LinkError> {
        // What was read back after the last change still holds, unless somebody else changed it: that is found out below.
        let last = wire.last().take();
        let mut is_believed = last.is_some();
        let (mut present, mut strange) = match last {
            Some(last) => (last, Vec::new()),
            None => self.read(wire).await?,
        };
        let (found, note) = loop {
            match self.bring(link, wire, (&present, &strange), wanted, closes_live).await {
                Ok(found) if found.is(wanted) => break (found, None),
                // A removal or its lock hangs in a connection whose peer does not read: a new proxy has no such connection.
                Err(LinkError::Deadline { action, after, .. }) => {
                    let found = self.rebuild(link, wire, wanted).await?;
                    let what = format!(
                        "toxiproxy did not {action} within {after:?}, so its proxy was deleted and created again"
                    );
                    break (found, Some(what));
                }
                Ok(_) | Err(_) if is_believed => {
                    is_believed = false;
                    (present, strange) = self.read(wire).await?;
                }
                Ok(found) => break (found, None),
                Err(error) => return Err(error),
            }
        };
        if !found.is(wanted) {
            let strange = if found.strange.is_empty() { "" } else { ", and toxics that torn did not make: " };
            let found = format!("{}{strange}{}", found.setting, found.strange.join(", "));
            return Err(LinkError::NotInPlace { link: link.clone(), wanted: wanted.to_string(), found });
        }
        *wire.last() = Some(found.setting);
        Ok(note)
    }

    /// How a proxy is set, and what torn did not make on it.
    async fn read(&self, wire: &Wire) -> Result<(Setting, Vec<String>), LinkError> {
        let found = self.toxiproxy.read(&wire.proxy).await?;
        Ok((found.setting, found.strange))
    }

    /// Changes a proxy from what it is to what it shall be; what is read back then. Each call is a way to Toxiproxy and
    /// back, and on a busy machine that is what a cut takes: what need not be asked is not asked, and what need not wait
    /// does not wait.
    async fn bring(
        &self,
        link: &Link,
        wire: &Wire,
        (present, strange): (&Setting, &[String]),
        wanted: &Setting,
        closes_live: bool,
    ) -> Result<Found, LinkError> {
        let toxics = &present.toxics;
        let doomed = toxics.iter().filter(|(name, toxic)| wanted.toxics.get(*name) != Some(toxic));
        // Taking a drop away closes the connections anyway, and a reset must leave none behind; closed first, there is none
        // on which it could hang.
        let ends_connections = doomed.clone().any(|(_, toxic)| toxic.effect.marks_connections());
        let must_close = present.enabled && (!wanted.enabled || closes_live || ends_connections);
        if must_close {
            self.toxiproxy.set_enabled(&wire.proxy, false).await?;
        }
        for name in doomed.map(|(name, _)| name).chain(strange) {
            self.toxiproxy.remove(&wire.proxy, name).await?;
        }
        let missing = wanted.toxics.iter().filter(|(name, toxic)| toxics.get(*name) != Some(toxic));
        let added = missing.map(|(name, &toxic)| self.toxiproxy.add(&wire.proxy, name, toxic));
        join_all(added).await.into_iter().collect::<Result<(), _>>()?;
        if wanted.enabled && (must_close || !present.enabled) {
            return self.open(link, wire).await;
        }
        self.toxiproxy.read(&wire.proxy).await
    }

    /// A proxy with what is wanted on it, in place of one that hangs; what is read back then.
    async fn rebuild(&self, link: &Link, wire: &Wire, wanted: &Setting) -> Result<Found, LinkError> {
        self.toxiproxy.delete(&wire.proxy).await?;
        let (name, listen, upstream) = (wire.proxy.clone(), wire.listen, wire.leads_to);
        self.toxiproxy.create(vec![NewProxy { name, listen, upstream, enabled: false }]).await?;
        for (name, &toxic) in &wanted.toxics {
            self.toxiproxy.add(&wire.proxy, name, toxic).await?;
        }
        if wanted.enabled { self.open(link, wire).await } else { self.toxiproxy.read(&wire.proxy).await }
    }

    /// Opens a proxy; what is read back then.
    async fn open(&self, link: &Link, wire: &Wire) -> Result<Found, LinkError> {
        let deadline = Instant::now() + OPEN_DEADLINE;
        loop {
            match self.toxiproxy.set_enabled(&wire.proxy, true).await {
                // Its port is in use at the moment.
                Ok(()) | Err(LinkError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
            let found = self.toxiproxy.read(&wire.proxy).await?;
            if found.setting.enabled {
                return Ok(found);
            }
            if Instant::now() > deadline {
                return Err(LinkError::NotListening { link: link.clone(), listen: wire.listen, after: OPEN_DEADLINE });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Where a new proxy listens, if it is open, clean, and leads where it should.
fn created_at(found: &Found, listen: SocketAddr, upstream: SocketAddr) -> Option<SocketAddr> {
    let is_clean = found.setting == Condition::default().setting() && found.strange.is_empty();
    let listens: SocketAddr = found.listen.parse().ok()?;
    let is_right = found.upstream == upstream.to_string() && (listen.port() == 0 || listens == listen);
    (is_clean && is_right).then_some(listens)
}

/// Unique, and plain in a URL whatever the names hold.
fn proxy_name(index: usize, link: &Link) -> String {
    let plain = |name: &str| name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
    format!("{index}.{}.{}", plain(&link.client), plain(&link.server))
}

/// `4 links in 12ms, read back; probe: connection refused (4)`, and what was out of the ordinary.
fn in_words<'a>(changed: impl Iterator<Item = (&'a Link, &'a Changed)>, took: Duration) -> String {
    let changed: Vec<(&Link, &Changed)> = changed.collect();
    if changed.is_empty() {
        return "no link concerned".to_owned();
    }
    let mut probes: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, change) in &changed {
        *probes.entry(&change.probed).or_default() += 1;
    }
    let probes: Vec<String> = probes
        .iter()
        .map(|(seen, count)| if probes.len() == 1 { (*seen).to_owned() } else { format!("{seen} ({count})") })
        .collect();
    let links = if changed.len() == 1 { "link" } else { "links" };
    let words = format!("{} {links} in {took:.0?}, read back; probe: {}", changed.len(), probes.join(", "));
    let notes = changed.iter().filter_map(|(link, change)| Some(format!("{link}: {}", change.note.as_ref()?)));
    std::iter::once(words).chain(notes).collect::<Vec<_>>().join("; ")
}
