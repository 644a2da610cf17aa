//! What the user gives: a file, or variables alone. In a file a value may be `{ env = "NAME" }`, so that no secret
//! stands in it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::ExternalError;
use super::uri::MongodbUri;
use crate::environment::LinkAddresses;
use crate::secret::Secret;

/// The variable that names a file.
const FILE: &str = "TORN_EXTERNAL";

/// What may be said of how to dial Kafka: the key in the file and, in capitals, the end of two variables
/// (`TORN_KAFKA_…`, which is read, and `KAFKA_…`, which services are told); and the client library's own name for it.
const SETTINGS: [(&str, &str); 8] = [
    ("security_protocol", "security.protocol"),
    ("sasl_mechanism", "sasl.mechanism"),
    ("sasl_username", "sasl.username"),
    ("sasl_password", "sasl.password"),
    ("ca_location", "ssl.ca.location"),
    ("certificate_location", "ssl.certificate.location"),
    ("key_location", "ssl.key.location"),
    ("key_password", "ssl.key.password"),
];

const PROTOCOLS: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];
const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];

/// Servers that somebody else runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// How to reach `MongoDB`.
    pub mongodb: Option<MongodbUri>,
    /// How to reach Kafka.
    pub kafka: Option<GivenKafka>,
}

/// How to reach Kafka.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GivenKafka {
    /// `host:port`, comma-separated.
    pub bootstrap: String,
    /// By the keys of the file.
    settings: BTreeMap<&'static str, Secret>,
    /// Spare listeners of the broker: where each advertises itself on this host, and where it really listens. One can
    /// serve one dialling instance.
    pub listeners: Vec<LinkAddresses>,
}

impl GivenKafka {
    /// The client library's settings beside the bootstrap addresses.
    pub fn client_settings(&self) -> Vec<(String, Secret)> {
        let known =
            SETTINGS.iter().filter_map(|(key, name)| Some(((*name).to_owned(), self.settings.get(key)?.clone())));
        known.collect()
    }

    /// What services are told beside the bootstrap addresses.
    pub fn variables(&self) -> Vec<(String, Secret)> {
        let named = |(key, value): (&&str, &Secret)| (format!("KAFKA_{}", key.to_uppercase()), value.clone());
        self.settings.iter().map(named).collect()
    }

    /// Whether anybody may dial without a password or a certificate.
    pub fn is_plain(&self) -> bool {
        self.settings.get("security_protocol").is_none_or(|protocol| protocol.reveal() == PROTOCOLS[0])
    }

    /// What nobody else may say.
    pub fn passwords(&self) -> Vec<Secret> {
        ["sasl_password", "key_password"].iter().filter_map(|key| self.settings.get(key)).cloned().collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    mongodb: Option<MongodbTable>,
    kafka: Option<KafkaTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MongodbTable {
    uri: Text,
}

#[derive(Deserialize)]
struct KafkaTable {
    bootstrap: Text,
    #[serde(default)]
    listeners: Vec<LinkTable>,
    #[serde(flatten)]
    settings: BTreeMap<String, Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkTable {
    listen: SocketAddr,
    upstream: SocketAddr,
}

/// A text, or the variable that holds it.
#[derive(Deserialize)]
#[serde(try_from = "toml::Value")]
enum Text {
    Plain(String),
    Variable(String),
}

impl TryFrom<toml::Value> for Text {
    type Error = &'static str;

    /// By hand: whatever else may stand there must not be shown.
    fn try_from(value: toml::Value) -> Result<Self, Self::Error> {
        match value {
            toml::Value::String(text) => Ok(Self::Plain(text)),
            toml::Value::Table(table) => match (table.len(), table.get("env")) {
                (1, Some(toml::Value::String(name))) => Ok(Self::Variable(name.clone())),
                _ => Err("expected a text or { env = \"NAME\" }"),
            },
            _ => Err("expected a text or { env = \"NAME\" }"),
        }
    }
}

/// Reads variables: the process's own, or a test's.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Given {
    /// Reads the file that is named, by flag or by [`FILE`]; without one, the variables `TORN_MONGODB_URI` and
    /// `TORN_KAFKA_…`.
    ///
    /// # Errors
    /// When neither is there, or something in it cannot be used.
    pub fn read(file: Option<&Path>, variables: Variables<'_>) -> Result<Self, ExternalError> {
        let named =
            file.map(Path::to_owned).or_else(|| variables(FILE).filter(|path| !path.is_empty()).map(PathBuf::from));
        let given = match named {
            Some(path) => Self::from_file(&path, variables)?,
            None => Self::from_variables(variables)?,
        };
        if given == Self::default() { Err(ExternalError::Nothing) } else { Ok(given) }
    }

    fn from_file(path: &Path, variables: Variables<'_>) -> Result<Self, ExternalError> {
        let wrong = |place: String, problem: String| ExternalError::File { path: path.to_owned(), place, problem };
        let text = std::fs::read_to_string(path)
            .map_err(|error| wrong(String::new(), format!("cannot be read: {error}; name another with --external")))?;
        // Never the error's own text: it quotes the line, which may hold a password.
        let file: File = toml::from_str(&text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let said = error.message().split(" (").next().unwrap_or_default().to_owned();
            let is_quoting = said.contains("invalid type") || said.contains("invalid value");
            let said = if is_quoting { "a value is not of the kind that is expected".to_owned() } else { said };
            wrong(line.map_or_else(String::new, |line| format!(":{line}")), said)
        })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let value = |key: &str, text: &Text| match text {
            Text::Plain(text) => Ok(text.clone()),
            Text::Variable(env) => variables(env)
                .ok_or_else(|| wrong(format!(", {key}"), format!("the variable {env} is not set; set it"))),
        };
        let uri = file.mongodb.map(|table| value("mongodb.uri", &table.uri)).transpose()?;
        let mongodb = uri.map(|uri| mongodb(&uri)).transpose()?;
        let kafka = file.kafka.map(|table| {
            let mut settings = BTreeMap::new();
            for (key, text) in &table.settings {
                let known = SETTINGS.map(|(key, _)| key);
                let Some(key) = known.into_iter().find(|other| other == key) else {
                    let expected = known.join(", ");
                    let problem = format!("there is no such key; expected bootstrap, listeners, {expected}");
                    return Err(wrong(format!(", kafka.{key}"), problem));
                };
                settings.insert(key, value(&format!("kafka.{key}"), text)?);
            }
            let listeners = table.listeners.iter();
            let listeners =
                listeners.map(|link| LinkAddresses { listen: link.listen, upstream: link.upstream }).collect();
            let bootstrap = value("kafka.bootstrap", &table.bootstrap)?;
            kafka(bootstrap, settings, listeners, folder)
        });
        Ok(Self { mongodb, kafka: kafka.transpose()? })
    }

    fn from_variables(variables: Variables<'_>) -> Result<Self, ExternalError> {
        let set = |name: &str| variables(name).filter(|value| !value.is_empty());
        let mongodb = set("TORN_MONGODB_URI").map(|uri| mongodb(&uri)).transpose()?;
        let of_kafka =
            SETTINGS.iter().filter_map(|(key, _)| Some((*key, set(&format!("TORN_KAFKA_{}", key.to_uppercase()))?)));
        let kafka = set("TORN_KAFKA_BOOTSTRAP_SERVERS")
            .map(|bootstrap| kafka(bootstrap, of_kafka.collect(), Vec::new(), Path::new(".")));
        Ok(Self { mongodb, kafka: kafka.transpose()? })
    }
}

/// Takes a connection string apart, and looks whether its files are there.
fn mongodb(text: &str) -> Result<MongodbUri, ExternalError> {
    let uri = MongodbUri::parse(text)?;
    for (option, file) in uri.files() {
        let path = Path::new(&file);
        let problem = match (path.is_absolute(), path.is_file()) {
            (false, _) => "must be an absolute path, since services start in folders of their own",
            (true, false) => "names no file that is there",
            (true, true) => continue,
        };
        return Err(ExternalError::UriFile { option: option.to_owned(), file, problem });
    }
    Ok(uri)
}

/// Checks what is known before anybody is dialled.
fn kafka(
    bootstrap: String,
    mut settings: BTreeMap<&'static str, String>,
    listeners: Vec<LinkAddresses>,
    folder: &Path,
) -> Result<GivenKafka, ExternalError> {
    let wrong = |key: &str, problem: String| ExternalError::Kafka { key: key.to_owned(), problem };
    for (key, known) in [("security_protocol", &PROTOCOLS[..]), ("sasl_mechanism", &MECHANISMS[..])] {
        if let Some(value) = settings.get(key).filter(|value| !known.contains(&value.as_str())) {
            return Err(wrong(key, format!("{value:?} is not known; expected one of {}", known.join(", "))));
        }
    }
    let has_sasl = settings.get("security_protocol").is_some_and(|protocol| protocol.starts_with("SASL"));
    let sasl = ["sasl_mechanism", "sasl_username", "sasl_password"];
    if let Some(missing) = sasl.iter().find(|key| has_sasl && !settings.contains_key(*key)) {
        return Err(wrong(missing, "a security_protocol with SASL needs it; set it".to_owned()));
    }
    if let Some(idle) = sasl.iter().find(|key| !has_sasl && settings.contains_key(*key)) {
        return Err(wrong(idle, "only a security_protocol with SASL uses it; set security_protocol".to_owned()));
    }
    for key in ["ca_location", "certificate_location", "key_location"] {
        let Some(value) = settings.get_mut(key) else { continue };
        // Services start in folders of their own.
        let path = std::path::absolute(folder.join(&*value)).unwrap_or_else(|_| PathBuf::from(&*value));
        if !path.is_file() {
            return Err(wrong(key, format!("there is no file {}", path.display())));
        }
        *value = path.display().to_string();
    }
    let settings = settings.into_iter().map(|(key, value)| (key, Secret::new(value))).collect();
    Ok(GivenKafka { bootstrap, settings, listeners })
}

#[cfg(test)]
mod tests;
