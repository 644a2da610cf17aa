//! Where a service listens, whom it dials and what it is called: environment variables, read once at the start.

use std::fmt;
use std::net::SocketAddr;

use anyhow::{Context, Result};

/// Variables of a Kafka with TLS or users, and what the client library calls them.
const KAFKA_VARIABLES: [(&str, &str); 8] = [
    ("KAFKA_SECURITY_PROTOCOL", "security.protocol"),
    ("KAFKA_SASL_MECHANISM", "sasl.mechanism"),
    ("KAFKA_SASL_USERNAME", "sasl.username"),
    ("KAFKA_SASL_PASSWORD", "sasl.password"),
    ("KAFKA_CA_LOCATION", "ssl.ca.location"),
    ("KAFKA_CERTIFICATE_LOCATION", "ssl.certificate.location"),
    ("KAFKA_KEY_LOCATION", "ssl.key.location"),
    ("KAFKA_KEY_PASSWORD", "ssl.key.password"),
];

/// Settings of the Kafka client; a password may be among them, so they are not shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct KafkaSettings(pub(crate) Vec<(&'static str, String)>);

impl KafkaSettings {
    fn from_variables(variable: &impl Fn(&str) -> Result<String>) -> Self {
        Self(KAFKA_VARIABLES.iter().filter_map(|(name, key)| Some((*key, variable(name).ok()?))).collect())
    }
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|(key, _)| key)).finish()
    }
}

/// What every service is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Environment {
    /// `LISTEN_ADDR`: where to serve HTTP.
    pub(crate) listen_address: SocketAddr,
    /// `MONGODB_URI`: with the database name as its path.
    pub(crate) mongodb_uri: String,
    /// `KAFKA_BOOTSTRAP_SERVERS`: host and port, comma-separated.
    pub(crate) kafka_bootstrap_servers: String,
    /// What else the Kafka client must know, by its own names: `KAFKA_SECURITY_PROTOCOL`, `KAFKA_SASL_…`, `KAFKA_CA_LOCATION`,
    /// …, as far as they are set.
    pub(crate) kafka_settings: KafkaSettings,
    /// `SERVICE_NAME`: `api`.
    pub(crate) service_name: String,
    /// `SERVICE_INSTANCE`: `api-1`; the same again after a restart.
    pub(crate) service_instance: String,
}

impl Environment {
    /// Reads the variables of this process.
    pub(crate) fn read() -> Result<Self> {
        Self::from_variables(variable)
    }

    fn from_variables(variable: impl Fn(&str) -> Result<String>) -> Result<Self> {
        let listen_address = variable("LISTEN_ADDR")?;
        Ok(Self {
            listen_address: listen_address.parse().with_context(|| {
                format!("LISTEN_ADDR is \"{listen_address}\", expected HOST:PORT with an IP address")
            })?,
            mongodb_uri: variable("MONGODB_URI")?,
            kafka_bootstrap_servers: variable("KAFKA_BOOTSTRAP_SERVERS")?,
            kafka_settings: KafkaSettings::from_variables(&variable),
            service_name: variable("SERVICE_NAME")?,
            service_instance: variable("SERVICE_INSTANCE")?,
        })
    }
}

/// A variable that only some services need, such as a topic's name.
pub(crate) fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("the environment variable {name} is missing; set it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(listen_address: &'static str) -> impl Fn(&str) -> Result<String> {
        move |name| Ok(if name == "LISTEN_ADDR" { listen_address.to_owned() } else { format!("<{name}>") })
    }

    #[test]
    fn each_field_comes_from_its_own_variable() {
        let environment = Environment::from_variables(lookup("127.0.0.1:8080")).unwrap();
        assert_eq!(environment.listen_address, SocketAddr::from(([127, 0, 0, 1], 8080)));
        assert_eq!(environment.mongodb_uri, "<MONGODB_URI>");
        assert_eq!(environment.kafka_bootstrap_servers, "<KAFKA_BOOTSTRAP_SERVERS>");
        assert_eq!(environment.service_name, "<SERVICE_NAME>");
        assert_eq!(environment.service_instance, "<SERVICE_INSTANCE>");
        let password = ("sasl.password", "<KAFKA_SASL_PASSWORD>".to_owned());
        assert!(environment.kafka_settings.0.contains(&password));
        assert!(!format!("{environment:?}").contains("<KAFKA_SASL_PASSWORD>"));
    }

    #[test]
    fn a_kafka_without_users_needs_no_further_variables() {
        let plain = |name: &str| variable("TORN_WORKLOADS_NO_SUCH_VARIABLE").with_context(|| name.to_owned());
        assert_eq!(KafkaSettings::from_variables(&plain), KafkaSettings::default());
    }

    #[test]
    fn an_address_without_a_port_is_refused_by_name() {
        let error = Environment::from_variables(lookup("127.0.0.1")).unwrap_err();
        assert_eq!(error.to_string(), "LISTEN_ADDR is \"127.0.0.1\", expected HOST:PORT with an IP address");
    }

    #[test]
    fn a_missing_variable_is_named() {
        let error = variable("TORN_WORKLOADS_NO_SUCH_VARIABLE").unwrap_err();
        assert_eq!(error.to_string(), "the environment variable TORN_WORKLOADS_NO_SUCH_VARIABLE is missing; set it");
    }
}
