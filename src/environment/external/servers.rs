//! External servers as one run, or several that share them, see them: a Toxiproxy, the links, and who is told what.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use super::survey::External;
use super::way::{Means, Server, Way};
use crate::environment::local::{Cache, Ports, Toxiproxy, programs};
use crate::environment::{ClientPath, EnvironmentError, Needs};
use crate::link::{Link, LinkSpec};
use crate::process::{HostsFile, HostsWay, Supervisor};
use crate::scenario::manifest::Node;
use crate::secret::Secret;

/// The second numbers of the loopback addresses at which links listen (`127.<net>.<process>.<server>`): other runs on
/// this host may have taken one, since the ports are the servers' own.
const NETS: std::ops::Range<u8> = 16..255;

/// The third number: one for each process.
const PROCESSES_AT_MOST: usize = 254;

/// External servers, led through links where that can be.
#[derive(Debug)]
pub(in crate::environment) struct Servers {
    external: Arc<External>,
    toxiproxy: Option<Toxiproxy>,
    specs: Vec<LinkSpec>,
    /// By instance.
    hosts: BTreeMap<String, HostsFile>,
    /// Where an instance dials a dependency, if not where the servers say.
    dialled: BTreeMap<(String, Node), SocketAddr>,
}

impl Servers {
    /// Starts Toxiproxy where there is a link, and lays the links out.
    pub(in crate::environment) async fn start(
        external: &Arc<External>,
        needs: &Needs,
        supervisor: &Supervisor,
        ports: &Ports,
    ) -> Result<Self, EnvironmentError> {
        let logs = &needs.log_folder;
        std::fs::create_dir_all(logs).map_err(EnvironmentError::file("cannot make", logs))?;
        let mut servers = Self {
            external: Arc::clone(external),
            toxiproxy: None,
            specs: Vec::new(),
            hosts: BTreeMap::new(),
            dialled: BTreeMap::new(),
        };
        servers.lay_out(needs, ports)?;
        if !servers.dialled_by_name(needs).is_empty() {
            let way = HostsWay::find().await?;
            servers.write_hosts(needs, supervisor.folder(), way)?;
        }
        let has_client_links = needs.client_path == ClientPath::Proxied && !needs.services.is_empty();
        if has_client_links || !servers.specs.is_empty() {
            let program = programs::toxiproxy(&Cache::from_environment()?)?;
            servers.toxiproxy = Some(Toxiproxy::start(&program, supervisor, logs, ports).await?);
        }
        Ok(servers)
    }

    pub(in crate::environment) fn link_specs(&self, _needs: &Needs) -> Vec<LinkSpec> {
        self.specs.clone()
    }

    /// Each member by itself.
    pub(in crate::environment) fn mongodb_members(&self) -> Result<Vec<(String, String)>, EnvironmentError> {
        let mongodb = self.external.mongodb.as_ref().ok_or(EnvironmentError::NotThere("MongoDB"))?;
        let uris = mongodb.servers.iter().map(|server| mongodb.uri.to_member(&server.told(), None));
        Ok(self.external.names(Node::Mongodb).into_iter().zip(uris.map(|uri| uri.reveal().to_owned())).collect())
    }

    /// Each broker by itself, where it can be asked without a login; else none, and roles of theirs are not known.
    pub(in crate::environment) fn kafka_members(&self) -> Result<Vec<(String, String)>, EnvironmentError> {
        let kafka = self.external.kafka.as_ref().ok_or(EnvironmentError::NotThere("Kafka"))?;
        if !kafka.given.is_plain() {
            return Ok(Vec::new());
        }
        Ok(self.external.names(Node::Kafka).into_iter().zip(kafka.servers.iter().map(Server::told)).collect())
    }

    pub(in crate::environment) fn mongodb_uri_of(&self, instance: &str, database: &str) -> Option<String> {
        let mongodb = self.external.mongodb.as_ref()?;
        let addresses = match self.dialled.get(&(instance.to_owned(), Node::Mongodb)) {
            Some(address) => vec![address.to_string()],
            None => mongodb.servers.iter().map(Server::told).collect(),
        };
        Some(mongodb.told(&addresses, Some(database)).reveal().to_owned())
    }

    pub(in crate::environment) fn kafka_bootstrap_of(&self, instance: &str) -> Option<String> {
        let kafka = self.external.kafka.as_ref()?;
        Some(match self.dialled.get(&(instance.to_owned(), Node::Kafka)) {
            Some(address) => address.to_string(),
            None => kafka.servers.iter().map(Server::told).collect::<Vec<_>>().join(","),
        })
    }

    /// How else services dial Kafka: TLS, a user.
    pub(in crate::environment) fn kafka_variables(&self) -> Vec<(String, Secret)> {
        self.external.kafka.as_ref().map(|kafka| kafka.given.variables()).unwrap_or_default()
    }

    pub(in crate::environment) fn hosts_file(&self, instance: &str) -> Option<HostsFile> {
        self.hosts.get(instance).cloned()
    }

    pub(in crate::environment) fn toxiproxy_address(&self) -> Result<SocketAddr, EnvironmentError> {
        Ok(self.toxiproxy.as_ref().ok_or(EnvironmentError::NotThere("link"))?.address)
    }

    /// They are nobody's here to kill, as [`Servers::kill`] says.
    #[expect(clippy::unused_self, reason = "every kind of servers is asked this")]
    pub(in crate::environment) fn has(&self, _server: &str) -> bool {
        false
    }

    pub(in crate::environment) fn kill(&self, server: &str) -> Ready<Result<(), EnvironmentError>> {
        self.refuse(server)
    }

    pub(in crate::environment) fn restart(&self, server: &str) -> Ready<Result<(), EnvironmentError>> {
        self.refuse(server)
    }

    pub(in crate::environment) fn pause(&self, server: &str) -> Ready<Result<(), EnvironmentError>> {
        self.refuse(server)
    }

    pub(in crate::environment) fn resume(&self, server: &str) -> Ready<Result<(), EnvironmentError>> {
        self.refuse(server)
    }

    pub(in crate::environment) async fn processes(&self) -> Vec<(String, u32)> {
        match &self.toxiproxy {
            Some(toxiproxy) => toxiproxy.unit.pid().await.map(|pid| (toxiproxy.unit.name().to_owned(), pid)),
            None => None,
        }
        .into_iter()
        .collect()
    }

    /// Ends Toxiproxy.
    pub(in crate::environment) async fn stop(self) -> Result<(), EnvironmentError> {
        match &self.toxiproxy {
            Some(toxiproxy) => Ok(toxiproxy.unit.stop(None).await?),
            None => Ok(()),
        }
    }

    #[expect(clippy::unused_self, reason = "what asks is a method of every kind of servers")]
    fn refuse(&self, server: &str) -> Ready<Result<(), EnvironmentError>> {
        ready(Err(EnvironmentError::NoServer(server.to_owned())))
    }

    fn lay_out(&mut self, needs: &Needs, ports: &Ports) -> Result<(), EnvironmentError> {
        let net = self.external.free_net();
        for node in [Node::Mongodb, Node::Kafka] {
            let dialling: Vec<&String> =
                needs.links.iter().filter(|(_, to)| *to == node).map(|(instance, _)| instance).collect();
            match self.external.way_to(node, dialling.len()) {
                Way::None(_) => {}
                Way::Names => self.by_names(node, &dialling, needs, net)?,
                Way::Address => {
                    let upstream = self.external.servers(node)[0].address;
                    for instance in dialling {
                        self.at_address(node, instance, ports.take()?, upstream);
                    }
                }
                Way::Listeners => {
                    let external = Arc::clone(&self.external);
                    let listeners = external.kafka.iter().flat_map(|kafka| &kafka.given.listeners);
                    for (instance, link) in dialling.into_iter().zip(listeners) {
                        self.at_address(node, instance, link.listen, link.upstream);
                    }
                }
            }
        }
        Ok(())
    }

    fn at_address(&mut self, node: Node, instance: &str, listen: SocketAddr, upstream: SocketAddr) {
        self.specs.push(LinkSpec { link: Link::new(instance, node.name()), listen, upstream });
        self.dialled.insert((instance.to_owned(), node), listen);
    }

    /// Each instance finds each name at an address of its own, with the server's own port.
    fn by_names(
        &mut self,
        node: Node,
        dialling: &[&String],
        needs: &Needs,
        net: Option<u8>,
    ) -> Result<(), EnvironmentError> {
        let external = Arc::clone(&self.external);
        let servers = external.servers(node);
        if needs.services.len() > PROCESSES_AT_MOST {
            let problem = format!(
                "{} services cannot have names of their own; at most {PROCESSES_AT_MOST} can",
                needs.services.len()
            );
            return Err(EnvironmentError::UnfitCluster { problem });
        }
        let net = net.ok_or(EnvironmentError::NoPort { tries: NETS.len() as u32 })?;
        for instance in dialling {
            for (name, server) in self.external.names(node).iter().zip(servers) {
                let host = host_of(&external, net, process(instance, needs), server);
                let listen = SocketAddr::from((host, server.port));
                self.specs.push(LinkSpec { link: Link::new(*instance, name), listen, upstream: server.address });
            }
        }
        Ok(())
    }

    /// The servers' names that lead an instance to links, with the addresses.
    fn dialled_by_name(&self, needs: &Needs) -> Vec<(String, IpAddr, String)> {
        let mut names = Vec::new();
        for (instance, node) in &needs.links {
            if self.dialled.contains_key(&(instance.clone(), *node)) {
                continue;
            }
            for (name, server) in self.external.names(*node).iter().zip(self.external.servers(*node)) {
                let link = Link::new(instance, name);
                if let Some(spec) = self.specs.iter().find(|spec| spec.link == link) {
                    names.push((instance.clone(), spec.listen.ip(), server.host.clone()));
                }
            }
        }
        names
    }

    fn write_hosts(&mut self, needs: &Needs, folder: &Path, way: HostsWay) -> Result<(), EnvironmentError> {
        let machine = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
        let names = self.dialled_by_name(needs);
        for instance in &needs.services {
            let own: Vec<_> = names.iter().filter(|(other, _, _)| other == instance).collect();
            if own.is_empty() {
                continue;
            }
            let mut text = String::new();
            for (_, address, name) in &own {
                let _ = writeln!(text, "{address} {name}");
            }
            // Services may need the machine's other names; none may lead past a link.
            let is_ours = |word: &str| own.iter().any(|(_, _, name)| name == word);
            for line in machine.lines().filter(|line| !line.split_whitespace().any(is_ours)) {
                let _ = writeln!(text, "{line}");
            }
            let path = folder.join(format!("hosts-{instance}"));
            std::fs::write(&path, text).map_err(EnvironmentError::file("cannot write", &path))?;
            self.hosts.insert(instance.clone(), HostsFile::new(path, way));
        }
        Ok(())
    }
}

/// The number of a process, from 1.
fn process(instance: &str, needs: &Needs) -> usize {
    1 + needs.services.iter().position(|service| service == instance).unwrap_or(needs.services.len())
}

/// Servers that share a name share the address: their ports differ.
fn host_of(external: &External, net: u8, process: usize, server: &Server) -> Ipv4Addr {
    let hosts: BTreeSet<&str> = external.all_servers().map(|server| server.host.as_str()).collect();
    let place = hosts.iter().position(|host| *host == server.host).expect("it is one of them");
    Ipv4Addr::new(127, net, process as u8, place as u8 + 1)
}

impl External {
    /// What this host allows. Ways that fail take seconds to, so they are tried only where a name may be led elsewhere.
    pub(super) async fn look_at_host(&self) -> Means {
        let mut no_names = None;
        if self.all_servers().any(Server::has_name) {
            no_names = HostsWay::find().await.err().map(|error| error.to_string());
        }
        let ports = self.all_servers().map(|server| server.port);
        let taken = ports.filter(|port| !NETS.clone().any(|net| is_free(net, *port))).collect();
        Means { no_names, taken }
    }

    /// A range of loopback addresses on which nobody listens at the servers' ports.
    fn free_net(&self) -> Option<u8> {
        let first = rand::random_range(NETS);
        let mut nets = (first..NETS.end).chain(NETS.start..first);
        nets.find(|net| self.all_servers().all(|server| !server.has_name() || is_free(*net, server.port)))
    }

    fn all_servers(&self) -> impl Iterator<Item = &Server> {
        [Node::Mongodb, Node::Kafka].into_iter().flat_map(|node| self.servers(node))
    }
}

/// The first process is there in every run.
fn is_free(net: u8, port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::new(127, net, 1, 1), port)).is_ok()
}
