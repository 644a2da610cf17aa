//! What a machine's Docker may lack.

use std::time::Duration;

use thiserror::Error;

/// What can go wrong with containers. Each message holds its cause, which is therefore no `source` besides.
#[derive(Debug, Error)]
pub enum DockerError {
    /// Nobody answers.
    #[error(
        "no Docker daemon answers ({cause}); start one (`sudo systemctl start docker`), see that you may use it (`sudo \
         usermod -aG docker $USER`, then log in anew), or take `--env local`"
    )]
    NoDaemon {
        /// What the connection gave.
        cause: String,
    },
    /// A daemon whose containers the services of this host cannot reach.
    #[error(
        "the Docker daemon is {kind}, so that Toxiproxy's container cannot use this host's network; let DOCKER_HOST name \
         this machine's own system daemon (unix:///var/run/docker.sock), or take `--env local`"
    )]
    Unfit {
        /// `rootless`, ….
        kind: String,
    },
    /// An image is neither there nor to be had.
    #[error(
        "{server}'s image {image} is not on this machine and cannot be pulled ({cause}); set {variable} to one that \
         `docker images` lists, or build stand-ins with `make offline-images`"
    )]
    NoImage {
        /// Whose.
        server: &'static str,
        /// Its name and tag.
        image: String,
        /// The variable that names another.
        variable: &'static str,
        /// Why it cannot be pulled.
        cause: String,
    },
    /// Somebody else has the port, again and again.
    #[error("{server} gets no port on 127.0.0.1, each is taken before it is bound ({cause}); end what takes them")]
    PortTaken {
        /// Whose.
        server: String,
        /// What the daemon said.
        cause: String,
    },
    /// The daemon did not do what it was asked to.
    #[error("the Docker daemon did not {what} {server} ({cause}); `docker info` and the daemon's log tell more")]
    Refused {
        /// `start`, `pause`, ….
        what: &'static str,
        /// Whose container.
        server: String,
        /// What the daemon said.
        cause: String,
    },
    /// SIGKILL did not end it in time.
    #[error("{server}'s container is still there {} s after SIGKILL; restart the Docker daemon", deadline.as_secs())]
    Unkillable {
        /// Whose.
        server: String,
        /// How long it had.
        deadline: Duration,
    },
}

impl DockerError {
    /// For `map_err`: the daemon refused.
    pub(super) fn refused<E: std::fmt::Display>(what: &'static str, server: &str) -> impl FnOnce(E) -> Self {
        let server = server.to_owned();
        move |cause| Self::Refused { what, server, cause: cause.to_string() }
    }
}
