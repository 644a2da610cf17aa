//! The containers of one run, started together.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::OptionFuture;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::container::{Container, Site};
use super::daemon::Daemon;
use super::image::Images;
use super::kafka::Kafka;
use super::life::Life;
use super::mongodb::Mongodb;
use super::toxiproxy::Toxiproxy;
use crate::environment::local::Ports;
use crate::environment::local::readiness::{PAUSE, Watched, wait_until};
use crate::environment::local::servers::{proxies, split};
use crate::environment::{EnvironmentError, LinkAddresses, Needs};
use crate::process::Supervisor;
use crate::scenario::manifest::Node;

/// A port that is published is open before anybody listens behind it; a connection that lasts this long has found
/// somebody.
const LASTING: Duration = Duration::from_millis(50);

/// The servers that a run asked for, each in a container.
#[derive(Debug)]
pub struct Docker {
    mongodb: Option<Mongodb>,
    kafka: Option<Kafka>,
    toxiproxy: Option<Toxiproxy>,
    mongodb_proxies: BTreeMap<String, SocketAddr>,
    supervisor: Supervisor,
}

impl Docker {
    /// Whether a daemon answers that runs can use.
    ///
    /// # Errors
    /// When none answers, or the one that does is of another kind.
    pub async fn probe() -> Result<(), EnvironmentError> {
        Daemon::connect_for_run().await?;
        Ok(())
    }

    /// The images that a run would have to pull first, which may take minutes: to be told to whoever waits.
    ///
    /// # Errors
    /// When no daemon answers.
    pub async fn absent_images(images: &Images, needs: &Needs) -> Result<Vec<String>, EnvironmentError> {
        let daemon = Daemon::connect().await?;
        let mut absent = Vec::new();
        for image in images.of(needs) {
            if !image.is_there(&daemon).await? {
                absent.push(image.reference.clone());
            }
        }
        Ok(absent)
    }

    /// Starts all that is needed at the same time, from [`Images::from_environment`], and waits until all of it serves.
    ///
    /// # Errors
    /// When no fit daemon answers, an image is not to be had, or a server does not come up. What was started is removed
    /// then.
    pub async fn start(needs: &Needs, supervisor: &Supervisor, ports: &Ports) -> Result<Self, EnvironmentError> {
        Self::start_from(&Images::from_environment(), needs, supervisor, ports).await
    }

    /// The same from given images.
    ///
    /// # Errors
    /// As [`Docker::start`].
    pub async fn start_from(
        images: &Images,
        needs: &Needs,
        supervisor: &Supervisor,
        ports: &Ports,
    ) -> Result<Self, EnvironmentError> {
        let with = |node| needs.nodes.contains(&node);
        let (with_mongodb, with_kafka, with_links) = (with(Node::Mongodb), with(Node::Kafka), needs.has_links());
        let logs = &needs.log_folder;
        std::fs::create_dir_all(logs).map_err(EnvironmentError::file("cannot make", logs))?;
        let mongodb_proxies = proxies(needs, Node::Mongodb, ports)?;
        let kafka_proxies = proxies(needs, Node::Kafka, ports)?;
        if !(with_mongodb || with_kafka || with_links) {
            let supervisor = supervisor.clone();
            return Ok(Self { mongodb: None, kafka: None, toxiproxy: None, mongodb_proxies, supervisor });
        }
        let daemon = Daemon::connect_for_run().await?;
        futures_util::future::try_join_all(images.of(needs).map(|image| image.provide(&daemon))).await?;
        supervisor.expect_containers()?;
        let site = Site { daemon, supervisor: supervisor.clone(), log_folder: logs.clone() };
        // All to their end, so that what did come up can be removed when something else did not.
        let (mongodb, kafka, toxiproxy) = tokio::join!(
            OptionFuture::from(with_mongodb.then(|| Box::pin(Mongodb::start(
                &images.mongodb,
                needs.mongodb.oplog_mb,
                &site,
                ports
            )))),
            OptionFuture::from(with_kafka.then(|| Box::pin(Kafka::start(&images.kafka, &kafka_proxies, &site, ports)))),
            OptionFuture::from(with_links.then(|| Box::pin(Toxiproxy::start(&images.toxiproxy, &site, ports)))),
        );
        let (mongodb, mongodb_error) = split(mongodb);
        let (kafka, kafka_error) = split(kafka);
        let (toxiproxy, toxiproxy_error) = split(toxiproxy);
        let servers = Self { mongodb, kafka, toxiproxy, mongodb_proxies, supervisor: supervisor.clone() };
        match mongodb_error.or(kafka_error).or(toxiproxy_error) {
            None => Ok(servers),
            Some(error) => {
                servers.stop().await?;
                Err(error)
            }
        }
    }

    /// Where the harness itself reaches `MongoDB`, on a connection that no fault touches.
    ///
    /// # Errors
    /// When the run has none.
    pub fn mongodb_address(&self) -> Result<SocketAddr, EnvironmentError> {
        Ok(self.mongodb.as_ref().ok_or(EnvironmentError::NotThere("MongoDB"))?.address)
    }

    /// Where the harness itself reaches Kafka.
    ///
    /// # Errors
    /// When the run has none.
    pub fn kafka_address(&self) -> Result<SocketAddr, EnvironmentError> {
        Ok(self.kafka.as_ref().ok_or(EnvironmentError::NotThere("Kafka"))?.address)
    }

    /// Toxiproxy's API.
    ///
    /// # Errors
    /// When the run has no link.
    pub fn toxiproxy_address(&self) -> Result<SocketAddr, EnvironmentError> {
        Ok(self.toxiproxy.as_ref().ok_or(EnvironmentError::NotThere("link"))?.address)
    }

    /// Where the proxy of the link `instance` → `node` must listen and forward to.
    pub fn link_addresses(&self, instance: &str, node: Node) -> Option<LinkAddresses> {
        match node {
            Node::Kafka => self.kafka.as_ref()?.links.get(instance).copied(),
            Node::Mongodb => {
                let listen = *self.mongodb_proxies.get(instance)?;
                Some(LinkAddresses { listen, upstream: self.mongodb.as_ref()?.address })
            }
        }
    }

    /// Whether there is such a server.
    pub fn has(&self, node: Node) -> bool {
        self.container(node).is_ok()
    }

    /// Kills a server with SIGKILL.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn kill(&self, node: Node) -> Result<(), EnvironmentError> {
        self.container(node)?.kill().await
    }

    /// Starts a killed server again on the same ports and data, and waits until it serves.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&self, node: Node) -> Result<(), EnvironmentError> {
        match node {
            Node::Mongodb => self.mongodb.as_ref().ok_or(EnvironmentError::NotThere("MongoDB"))?.restart().await,
            Node::Kafka => self.kafka.as_ref().ok_or(EnvironmentError::NotThere("Kafka"))?.restart().await,
        }
    }

    /// Stops a server in its tracks.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn pause(&self, node: Node) -> Result<(), EnvironmentError> {
        self.container(node)?.pause().await
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn resume(&self, node: Node) -> Result<(), EnvironmentError> {
        self.container(node)?.resume().await
    }

    /// Name and process id of each server that is running, for [`crate::process::usage::by_group`].
    pub async fn processes(&self) -> Vec<(String, u32)> {
        let mut processes = Vec::new();
        for container in self.containers() {
            if let Some(pid) = container.pid().await {
                processes.push((container.name().to_owned(), pid));
            }
        }
        processes
    }

    /// Ends all with SIGKILL and removes them with their data; their logs stay.
    ///
    /// # Errors
    /// When one cannot be ended or removed.
    pub async fn stop(self) -> Result<(), EnvironmentError> {
        let mongodb = self.mongodb.map(|server| server.container);
        let kafka = self.kafka.map(|server| server.container);
        let toxiproxy = self.toxiproxy.map(|server| server.container);
        let containers = [mongodb, kafka, toxiproxy].into_iter().flatten();
        let ends = futures_util::future::join_all(containers.map(Container::stop)).await;
        ends.into_iter().collect::<Result<(), _>>()?;
        Ok(self.supervisor.expect_no_containers()?)
    }

    fn container(&self, node: Node) -> Result<&Container, EnvironmentError> {
        match node {
            Node::Mongodb => self.mongodb.as_ref().map(|server| &server.container),
            Node::Kafka => self.kafka.as_ref().map(|server| &server.container),
        }
        .ok_or(EnvironmentError::NotThere(node.name()))
    }

    /// Every server, by start order.
    fn containers(&self) -> impl Iterator<Item = &Container> {
        let mongodb = self.mongodb.iter().map(|server| &server.container);
        let kafka = self.kafka.iter().map(|server| &server.container);
        let toxiproxy = self.toxiproxy.iter().map(|server| &server.container);
        mongodb.chain(kafka).chain(toxiproxy)
    }
}

/// Waits until somebody listens behind all of `addresses` and then `probe` says that the server serves.
pub(super) async fn wait_for<F>(
    life: &Life,
    addresses: &[SocketAddr],
    probe: impl Fn() -> F,
) -> Result<(), EnvironmentError>
where
    F: Future<Output = Result<(), String>>,
{
    let listening = async {
        for address in addresses {
            while !is_listening(*address).await {
                tokio::time::sleep(PAUSE).await;
            }
        }
    };
    let exited = async { life.exited().await.status };
    Box::pin(wait_until(Watched { name: life.name, log: &life.log }, exited, listening, probe)).await
}

/// Whether somebody listens behind a published port: what the daemon accepted for nobody, it closes at once.
async fn is_listening(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else { return false };
    match tokio::time::timeout(LASTING, stream.read_u8()).await {
        // None of the servers speaks first.
        Ok(said) => said.is_ok(),
        Err(_) => true,
    }
}
