//! Who is frozen. Nothing that a frozen instance sends or is sent passes, on any tap; when it thaws, every connection that
//! it had is closed.

use std::collections::HashMap;

use tokio::sync::watch;

use crate::link::Link;

/// The instances of a run, each frozen or not.
#[derive(Debug)]
pub(super) struct Ice {
    instances: HashMap<String, watch::Sender<Cold>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Cold {
    is_frozen: bool,
    /// How often it thawed. A connection from before a thaw is closed, also if it never noticed.
    thaws: u64,
}

impl Ice {
    /// Everyone on these links; nobody is frozen.
    pub(super) fn new<'a>(links: impl Iterator<Item = &'a Link>) -> Self {
        let names = links.flat_map(|link| [link.client.clone(), link.dialled().to_owned()]);
        Self { instances: names.map(|name| (name, watch::Sender::default())).collect() }
    }

    /// Freezes an instance; whether it was not frozen before. When this returns, no write of a byte that it sent or is sent
    /// is under way.
    pub(super) fn freeze(&self, instance: &str) -> bool {
        self.set(instance, |cold| !std::mem::replace(&mut cold.is_frozen, true))
    }

    /// Thaws an instance; whether it was frozen.
    pub(super) fn thaw(&self, instance: &str) -> bool {
        self.set(instance, |cold| {
            let was_frozen = std::mem::take(&mut cold.is_frozen);
            cold.thaws += u64::from(was_frozen);
            was_frozen
        })
    }

    fn set(&self, instance: &str, change: impl Fn(&mut Cold) -> bool) -> bool {
        self.instances.get(instance).is_some_and(|cold| cold.send_if_modified(change))
    }

    /// The way between the ends of a link, for a connection that begins now.
    pub(super) fn passage(&self, link: &Link) -> Passage {
        let end = |name: &str| {
            let cold = self.instances.get(name).expect("every link's ends were entered").subscribe();
            let thaws = cold.borrow().thaws;
            End { cold, thaws }
        };
        Passage { client: end(&link.client), server: end(link.dialled()) }
    }
}

/// The way between the two ends of one connection.
#[derive(Debug, Clone)]
pub(super) struct Passage {
    client: End,
    server: End,
}

#[derive(Debug, Clone)]
struct End {
    cold: watch::Receiver<Cold>,
    /// How often it had thawed when the connection began.
    thaws: u64,
}

impl Passage {
    /// Does something, unless an end is frozen or was since the connection began. Neither end is frozen before it is done:
    /// it must not block.
    pub(super) fn pass<T>(&self, action: impl FnOnce() -> T) -> Option<T> {
        let (client, server) = (self.client.cold.borrow(), self.server.cold.borrow());
        let is_open = |cold: &Cold, end: &End| !cold.is_frozen && cold.thaws == end.thaws;
        (is_open(&client, &self.client) && is_open(&server, &self.server)).then(action)
    }

    /// Waits until an end that was frozen thaws: then the connection has to be closed.
    pub(super) async fn thawed(&self) {
        let (mut client, mut server) = (self.client.clone(), self.server.clone());
        tokio::select! {
            _ = client.cold.wait_for(|cold| cold.thaws != client.thaws) => {}
            _ = server.cold.wait_for(|cold| cold.thaws != server.thaws) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frozen_instance_blocks_all_its_links_and_its_old_connections_for_good() {
        let links = [Link::new("clients", "api-1"), Link::new("api-1", "kafka:quorum"), Link::new("api-2", "kafka")];
        let ice = Ice::new(links.iter());
        let passages = links.each_ref().map(|link| ice.passage(link));
        let open = || passages.each_ref().map(|passage| passage.pass(|| ()).is_some());
        assert_eq!(open(), [true; 3]);
        assert!(ice.freeze("api-1") && !ice.freeze("api-1") && !ice.freeze("nobody"));
        assert_eq!(open(), [false, false, true]);
        assert!(ice.thaw("api-1") && !ice.thaw("api-1"));
        assert_eq!(open(), [false, false, true]);
        passages[1].thawed().await;
        assert!(ice.passage(&links[1]).pass(|| ()).is_some(), "a new connection passes");
        ice.freeze("kafka");
        assert_eq!(open(), [false; 3]);
    }
}
