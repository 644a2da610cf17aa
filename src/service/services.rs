//! All services of one run.

use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use indexmap::IndexMap;

use super::error::ServiceError;
use super::ready::wait_until_ready;
use super::spec::ServiceSpec;
use crate::process::{Process, Supervisor, Unit};

/// How long a service has after SIGTERM, to flush what it holds.
const GRACE: Duration = Duration::from_secs(5);

/// How many lines of a service's log an error shows.
const LAST_LINES: usize = 12;

/// The services of one run. All methods take `&self`: faults are injected from several tasks.
#[derive(Debug)]
pub struct Services {
    services: IndexMap<String, Service>,
}

#[derive(Debug)]
struct Service {
    spec: ServiceSpec,
    /// None for one that runs elsewhere.
    unit: Option<Unit>,
}

impl Services {
    /// Starts every instance at the same time and waits until all are ready; when one is not, the others are ended.
    ///
    /// # Errors
    /// When a program is not there (nothing is started then), ends, or is not ready in time.
    pub async fn start(
        specs: Vec<ServiceSpec>,
        supervisor: &Supervisor,
        log_folder: &Path,
    ) -> Result<Self, ServiceError> {
        let mut services = IndexMap::new();
        for spec in specs {
            let unit = spec.command(log_folder)?.map(|command| Unit::new(command, supervisor.clone()));
            services.insert(spec.instance.clone(), Service { spec, unit });
        }
        let services = Self { services };
        let started: Result<(), ServiceError> =
            join_all(services.services.values().map(Service::start)).await.into_iter().collect();
        if let Err(error) = started {
            join_all(services.units().map(|unit| unit.stop(None))).await.into_iter().collect::<Result<(), _>>()?;
            return Err(error);
        }
        Ok(services)
    }

    /// Whether the harness can kill and pause this instance; to be asked before the run begins.
    ///
    /// # Errors
    /// When it cannot: the instance runs elsewhere, or is not there.
    pub fn must_be_ours(&self, instance: &str) -> Result<(), ServiceError> {
        self.unit(instance).map(|_| ())
    }

    /// Kills it with SIGKILL.
    ///
    /// # Errors
    /// When it is not running or runs elsewhere.
    pub async fn kill(&self, instance: &str) -> Result<(), ServiceError> {
        Ok(self.unit(instance)?.kill().await?)
    }

    /// Starts a killed one again, with the same command and environment, and waits until it is ready.
    ///
    /// # Errors
    /// When it ends or is not ready in time.
    pub async fn restart(&self, instance: &str) -> Result<(), ServiceError> {
        self.unit(instance)?;
        self.services[instance].start().await
    }

    /// Stops it in its tracks (SIGSTOP).
    ///
    /// # Errors
    /// When it is not running or runs elsewhere.
    pub async fn pause(&self, instance: &str) -> Result<(), ServiceError> {
        Ok(self.unit(instance)?.pause().await?)
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// When it is not running or runs elsewhere.
    pub async fn resume(&self, instance: &str) -> Result<(), ServiceError> {
        Ok(self.unit(instance)?.resume().await?)
    }

    /// Name and process id of each instance that is running, for [`crate::process::usage::by_group`].
    pub async fn processes(&self) -> Vec<(String, u32)> {
        let mut processes = Vec::new();
        for unit in self.units() {
            if let Some(pid) = unit.pid().await {
                processes.push((unit.name().to_owned(), pid));
            }
        }
        processes
    }

    /// Ends all at the same time: SIGTERM, five seconds, SIGKILL.
    ///
    /// # Errors
    /// When one cannot be ended.
    pub async fn stop(self) -> Result<(), ServiceError> {
        join_all(self.units().map(|unit| unit.stop(Some(GRACE)))).await.into_iter().collect::<Result<(), _>>()?;
        Ok(())
    }

    fn units(&self) -> impl Iterator<Item = &Unit> {
        self.services.values().filter_map(|service| service.unit.as_ref())
    }

    fn unit(&self, instance: &str) -> Result<&Unit, ServiceError> {
        let service = self.services.get(instance).ok_or_else(|| ServiceError::Unknown(instance.to_owned()))?;
        service.unit.as_ref().ok_or_else(|| ServiceError::RunsElsewhere { instance: instance.to_owned() })
    }
}

impl Service {
    async fn start(&self) -> Result<(), ServiceError> {
        match &self.unit {
            Some(unit) => unit.start(async |process| self.wait(&process).await).await,
            None => self.wait_elsewhere().await,
        }
    }

    async fn wait(&self, process: &Process) -> Result<(), ServiceError> {
        let (instance, url) = (self.spec.instance.clone(), self.spec.ready_url());
        let log = process.log().to_owned();
        tokio::select! {
            biased;
            exit = process.exited() => Err(ServiceError::Exited {
                instance,
                status: exit.to_string(),
                log,
                last_lines: process.log_end(LAST_LINES),
            }),
            waited = wait_until_ready(&url, self.spec.ready_within) => waited.map_err(|last| ServiceError::NotReady {
                instance,
                deadline: self.spec.ready_within,
                last: format!("GET {url}: {last}"),
                log,
                last_lines: process.log_end(LAST_LINES),
            }),
        }
    }

    async fn wait_elsewhere(&self) -> Result<(), ServiceError> {
        let (url, deadline) = (self.spec.ready_url(), self.spec.ready_within);
        wait_until_ready(&url, deadline).await.map_err(|last| ServiceError::NotReadyElsewhere {
            instance: self.spec.instance.clone(),
            url,
            deadline,
            last,
        })
    }
}
