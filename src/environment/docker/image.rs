//! What containers are made from.

use std::time::Duration;

use testcontainers::runners::AsyncRunner;
use testcontainers::{GenericImage, TestcontainersError};

use super::DockerError;
use super::daemon::{Daemon, status_of};
use crate::environment::Needs;
use crate::scenario::manifest::Node;

/// How long one image may take to be pulled.
const PULL_DEADLINE: Duration = Duration::from_secs(15 * 60);

/// The images of the three servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// `MongoDB`'s.
    pub mongodb: Image,
    /// Kafka's.
    pub kafka: Image,
    /// Toxiproxy's.
    pub toxiproxy: Image,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Whose.
    pub server: &'static str,
    /// The variable that names another one.
    pub variable: &'static str,
    /// Its name and tag, or digest.
    pub reference: String,
}

impl Images {
    /// The public images, or what `TORN_MONGODB_IMAGE`, `TORN_KAFKA_IMAGE` and `TORN_TOXIPROXY_IMAGE` name instead.
    pub fn from_environment() -> Self {
        let image = |server, variable, public: &str| {
            let own = std::env::var(variable).ok().filter(|value| !value.trim().is_empty());
            Image { server, variable, reference: own.map_or(public.to_owned(), |value| value.trim().to_owned()) }
        };
        Self {
            mongodb: image("MongoDB", "TORN_MONGODB_IMAGE", "mongo:6.0"),
            kafka: image("Kafka", "TORN_KAFKA_IMAGE", "apache/kafka:4.1.0"),
            toxiproxy: image("Toxiproxy", "TORN_TOXIPROXY_IMAGE", "ghcr.io/shopify/toxiproxy:2.5.0"),
        }
    }

    /// Those that a run needs.
    pub(super) fn of(&self, needs: &Needs) -> impl Iterator<Item = &Image> {
        let mongodb = needs.nodes.contains(&Node::Mongodb).then_some(&self.mongodb);
        let kafka = needs.nodes.contains(&Node::Kafka).then_some(&self.kafka);
        let toxiproxy = needs.has_links().then_some(&self.toxiproxy);
        [mongodb, kafka, toxiproxy].into_iter().flatten()
    }
}

impl Image {
    /// Whether it is on this machine.
    pub(super) async fn is_there(&self, daemon: &Daemon) -> Result<bool, DockerError> {
        match daemon.api.inspect_image(&self.reference).await {
            Ok(_) => Ok(true),
            Err(error) if status_of(&error) == Some(404) => Ok(false),
            Err(error) => Err(self.missing(error.to_string())),
        }
    }

    /// Sees to it that it is on this machine. One that is there is not pulled.
    pub(super) async fn provide(&self, daemon: &Daemon) -> Result<(), DockerError> {
        if self.is_there(daemon).await? {
            return Ok(());
        }
        match tokio::time::timeout(PULL_DEADLINE, self.container().pull_image()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.missing(cause_of(&error))),
            Err(_) => Err(self.missing(format!("not within {} minutes", PULL_DEADLINE.as_secs() / 60))),
        }
    }

    /// What `testcontainers` makes a container from.
    pub(super) fn container(&self) -> GenericImage {
        let (name, tag) = split(&self.reference);
        GenericImage::new(name, tag)
    }

    fn missing(&self, cause: String) -> DockerError {
        DockerError::NoImage { server: self.server, image: self.reference.clone(), variable: self.variable, cause }
    }
}

/// The daemon's own words: around them stands the image's name, which the message has already.
fn cause_of(error: &TestcontainersError) -> String {
    match error {
        TestcontainersError::Client(testcontainers::core::client::ClientError::PullImage { err, .. }) => {
            err.to_string()
        }
        other => other.to_string(),
    }
}

/// Name and tag as they stand on both sides of a colon; that of a registry's port is none.
fn split(reference: &str) -> (&str, &str) {
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (reference, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_port_is_no_tag_and_a_digest_stays_whole() {
        assert_eq!(split("mongo"), ("mongo", "latest"));
        assert_eq!(split("mongo:6.0"), ("mongo", "6.0"));
        assert_eq!(split("registry:5000/team/mongo"), ("registry:5000/team/mongo", "latest"));
        assert_eq!(split("registry:5000/mongo:6.0"), ("registry:5000/mongo", "6.0"));
        assert_eq!(split("mongo@sha256:0a1b"), ("mongo@sha256", "0a1b"));
    }
}
