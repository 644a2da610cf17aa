//! How a service is led through a proxy to servers that nobody here may configure, or why it cannot be. Pure.
//!
//! Clients of both dependencies follow the addresses that the servers tell them. So either the servers tell names, which
//! each service then resolves to links of its own; or there is one server and the client does not follow it (`MongoDB`,
//! `directConnection`); or the broker has listeners that tell an address on this host.

use std::net::{IpAddr, SocketAddr};

use crate::environment::LinkAddresses;

/// A server as its dependency tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// A name or an address.
    pub host: String,
    /// Where it listens.
    pub port: u16,
    /// What this host resolves it to.
    pub address: SocketAddr,
}

impl Server {
    /// `host:port`.
    pub fn told(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Whether it is known by a name that a hosts file can lead elsewhere. What is called localhost is not: services
    /// dial other things by that name.
    pub fn has_name(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().is_err() && bare != "localhost"
    }
}

/// How links to a dependency are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Each service resolves the servers' names to its own links.
    Names,
    /// Each service dials a proxy's address and stays there.
    Address,
    /// Each service has one of the broker's spare listeners.
    Listeners,
    /// Services dial the servers directly, and no fault strikes a link: why, and the remedy.
    None(String),
}

/// What this host allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Means {
    /// Why no process can be given a hosts file of its own; none: it can.
    pub no_names: Option<String>,
    /// Ports at which no further address of this host can be listened on.
    pub taken: Vec<u16>,
}

impl Means {
    /// Why these servers cannot be led to by their names, if so.
    fn against_names(&self, servers: &[Server]) -> Option<String> {
        let taken = servers.iter().map(|server| server.port).find(|port| self.taken.contains(port));
        let taken = taken.map(|port| {
            format!(
                "a proxy must listen on port {port} of another loopback address, and a program on this host has it on all of \
                 them; let that one listen on its own address only"
            )
        });
        self.no_names.clone().or(taken)
    }
}

/// How to reach a replica set. `proves_names`: its certificates are held against the name that was dialled.
pub(super) fn to_mongodb(servers: &[Server], proves_names: bool, means: &Means) -> Way {
    if let [only] = servers {
        let is_here = only.host == "127.0.0.1";
        return match (proves_names && !is_here, only.has_name(), means.against_names(servers)) {
            (false, _, _) => Way::Address,
            (true, true, None) => Way::Names,
            (true, true, Some(reason)) => Way::None(reason),
            (true, false, _) => Way::None(format!(
                "its certificate is for {}, and a proxy has another address; dial it by a name that the certificate holds",
                only.host
            )),
        };
    }
    by_names("the members of the replica set", "in the set's configuration (members[n].host)", servers, means)
}

/// How to reach the brokers, for so many services that dial them.
pub(super) fn to_kafka(servers: &[Server], listeners: &[LinkAddresses], dialling: usize, means: &Means) -> Way {
    if servers.len() == 1 && !listeners.is_empty() {
        if dialling <= listeners.len() {
            return Way::Listeners;
        }
        return Way::None(format!(
            "{dialling} services dial it, and kafka.listeners has {}; add one for each",
            listeners.len()
        ));
    }
    let remedy = "in advertised.listeners, or give spare listeners that advertise ports of this host (kafka.listeners)";
    by_names("the brokers", remedy, servers, means)
}

fn by_names(who: &str, remedy: &str, servers: &[Server], means: &Means) -> Way {
    if let Some(address) = servers.iter().find(|server| !server.has_name()) {
        let told = address.told();
        return Way::None(format!(
            "{who} tell their clients an address ({told}), which leads past any proxy; give them names {remedy}"
        ));
    }
    means.against_names(servers).map_or(Way::Names, Way::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAN: Means = Means { no_names: None, taken: Vec::new() };

    fn servers(hosts: &[&str]) -> Vec<Server> {
        let server =
            |host: &&str| Server { host: (*host).to_owned(), port: 1, address: SocketAddr::from(([10, 0, 0, 1], 1)) };
        hosts.iter().map(server).collect()
    }

    fn reason(way: Way) -> String {
        let Way::None(reason) = way else { panic!("{way:?}") };
        reason
    }

    #[test]
    fn one_mongod_is_reached_at_a_proxy_s_address_unless_its_certificate_says_otherwise() {
        assert_eq!(to_mongodb(&servers(&["10.0.0.1"]), false, &CAN), Way::Address);
        assert_eq!(to_mongodb(&servers(&["db.example"]), false, &CAN), Way::Address);
        assert_eq!(to_mongodb(&servers(&["db.example"]), true, &CAN), Way::Names);
        assert_eq!(to_mongodb(&servers(&["127.0.0.1"]), true, &CAN), Way::Address, "a proxy has that address too");
        assert!(reason(to_mongodb(&servers(&["10.0.0.1"]), true, &CAN)).contains("dial it by a name"));
    }

    #[test]
    fn several_servers_are_reached_by_names_alone() {
        assert_eq!(to_mongodb(&servers(&["a", "b", "c"]), false, &CAN), Way::Names);
        assert!(reason(to_mongodb(&servers(&["a", "10.0.0.1"]), false, &CAN)).contains("(10.0.0.1:1)"));
        assert!(reason(to_kafka(&servers(&["localhost"]), &[], 2, &CAN)).contains("advertised.listeners"));
        let cannot = Means { no_names: Some("forbidden here".to_owned()), taken: Vec::new() };
        assert_eq!(reason(to_kafka(&servers(&["a", "b"]), &[], 2, &cannot)), "forbidden here");
        let taken = Means { no_names: None, taken: vec![1] };
        assert!(reason(to_kafka(&servers(&["a", "b"]), &[], 2, &taken)).contains("listen on its own address only"));
    }

    #[test]
    fn each_service_needs_a_spare_listener_of_its_own() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let spare = [LinkAddresses { listen: address, upstream: address }; 2];
        let broker = servers(&["10.0.0.1"]);
        assert_eq!(to_kafka(&broker, &spare, 2, &CAN), Way::Listeners);
        assert!(reason(to_kafka(&broker, &spare, 3, &CAN)).contains("3 services dial it, and kafka.listeners has 2"));
    }
}
