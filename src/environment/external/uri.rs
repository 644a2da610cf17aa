//! A `MongoDB` connection string: taken apart, and put together again for a service or for one member. Pure.

use thiserror::Error;

use crate::secret::Secret;

const SCHEME: &str = "mongodb://";
const PORT: u16 = 27017;

/// Options under which a certificate's name is not looked at.
const LAX: [&str; 2] = ["tlsInsecure", "tlsAllowInvalidHostnames"];

/// Options whose values are as secret as the user's password.
const SECRET: [&str; 3] = ["tlsCertificateKeyFilePassword", "authMechanismProperties", "proxyPassword"];

/// What is wrong with a connection string; never the string itself, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the MongoDB URI cannot be used: {0}; expected mongodb://USER:PASSWORD@HOST:PORT,…/?OPTIONS")]
pub struct UriProblem(String);

/// A connection string in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MongodbUri {
    /// `user:password`, percent-encoded as it was given.
    user: Option<Secret>,
    /// `host:port` of each.
    pub hosts: Vec<String>,
    database: Option<String>,
    /// In their order; a value may be a secret.
    options: Vec<(String, Secret)>,
}

impl MongodbUri {
    /// Takes a connection string apart.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, UriProblem> {
        let problem = |what: &str| UriProblem(what.to_owned());
        if text.starts_with("mongodb+srv://") {
            return Err(problem("mongodb+srv:// is not supported; write the members out"));
        }
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| problem("it does not begin with mongodb://"))?;
        let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
        // A password may hold a slash only percent-encoded.
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(Secret::new(user)), hosts),
            None => (None, authority),
        };
        if user.as_ref().is_some_and(|user| user.reveal().contains(['@', '/'])) || database.contains(['@', '/']) {
            return Err(problem("a character of the user or the password must be percent-encoded"));
        }
        let hosts: Vec<String> = hosts.split(',').map(with_port).collect::<Option<_>>().ok_or_else(|| {
            problem(
                "it names no host, or one with a port that is no number (is a character of the password not encoded?)",
            )
        })?;
        let mut pairs = Vec::new();
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').ok_or_else(|| problem("an option has no value"))?;
            pairs.push((name.to_owned(), Secret::new(value)));
        }
        let database = (!database.is_empty()).then(|| database.to_owned());
        Ok(Self { user, hosts, database, options: pairs })
    }

    /// An option's value.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.reveal())
    }

    /// The files that it names, decoded, by their options.
    pub fn files(&self) -> Vec<(&str, String)> {
        let named = ["tlsCAFile", "tlsCertificateKeyFile"].into_iter();
        named.filter_map(|name| Some((name, decoded(self.option(name)?)))).collect()
    }

    /// Whether only the one server is meant, whatever set it belongs to.
    pub fn is_direct(&self) -> bool {
        self.is_set("directConnection")
    }

    /// Whether a server must prove by its certificate that it has the name by which it is dialled.
    pub fn proves_names(&self) -> bool {
        (self.is_set("tls") || self.is_set("ssl")) && !LAX.iter().any(|option| self.is_set(option))
    }

    /// The user's password and others', as they were given and decoded, wherever something else may say them.
    pub fn passwords(&self) -> Vec<Secret> {
        let password = self.user.as_ref().and_then(|user| user.reveal().split_once(':')).map(|(_, password)| password);
        let further = SECRET.iter().filter_map(|option| self.option(option));
        let passwords = password.into_iter().chain(further);
        passwords.flat_map(|password| [password.to_owned(), decoded(password)]).map(Secret::new).collect()
    }

    /// The same servers and options as they were given.
    pub fn as_given(&self) -> Secret {
        self.told(&self.hosts.iter().map(String::as_str).collect::<Vec<_>>(), None, &[], &[])
    }

    /// One member by itself.
    pub fn to_member(&self, host: &str, database: Option<&str>) -> Secret {
        self.told(&[host], database, &["replicaSet"], &[("directConnection", "true")])
    }

    /// The members of a set, found by their names.
    pub fn to_set(&self, hosts: &[&str], set: &str, database: Option<&str>) -> Secret {
        self.told(hosts, database, &["directConnection"], &[("replicaSet", set)])
    }

    fn told(&self, hosts: &[&str], database: Option<&str>, without: &[&str], with: &[(&str, &str)]) -> Secret {
        let user = self.user.as_ref().map(|user| format!("{}@", user.reveal())).unwrap_or_default();
        let mut options: Vec<(&str, &str)> =
            self.options.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect();
        options.retain(|(name, _)| {
            let is_it = |other: &&str| name.eq_ignore_ascii_case(other);
            !without.iter().any(is_it) && !with.iter().any(|(other, _)| is_it(other))
        });
        options.extend(with);
        // The database in the path is where the user is looked for, and the path becomes another.
        if let (true, Some(source)) = (self.option("authSource").is_none(), self.source()) {
            options.push(("authSource", source));
        }
        let options: Vec<String> = options.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let (hosts, database) = (hosts.join(","), database.unwrap_or_default());
        Secret::new(format!("{SCHEME}{user}{hosts}/{database}?{}", options.join("&")))
    }

    /// Where the user is looked for, by the driver's own rules.
    fn source(&self) -> Option<&str> {
        self.user.as_ref()?;
        let database = self.database.as_deref();
        match self.option("authMechanism") {
            None => Some(database.unwrap_or("admin")),
            Some(name) if name.starts_with("SCRAM") => Some(database.unwrap_or("admin")),
            Some("PLAIN") => Some(database.unwrap_or("$external")),
            Some(_) => None,
        }
    }

    fn is_set(&self, option: &str) -> bool {
        self.option(option) == Some("true")
    }
}

fn with_port(host: &str) -> Option<String> {
    let has_port = host.rsplit_once(':').filter(|(before, _)| !host.ends_with(']') && !before.is_empty());
    match has_port {
        Some((_, port)) => port.parse::<u16>().is_ok().then(|| host.to_owned()),
        None => (!host.is_empty()).then(|| format!("{host}:{PORT}")),
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        match code.filter(|_| *first == b'%').and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => (bytes.push(byte), rest = &tail[2..]),
            None => (bytes.push(*first), rest = tail),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> MongodbUri {
        MongodbUri::parse(text).expect("it is one")
    }

    #[test]
    fn a_service_is_told_the_run_s_database_and_still_the_place_of_its_user() {
        let given = uri("mongodb://torn:p%40ss@a,b:27018/?replicaSet=rs0&tls=true");
        assert_eq!(given.hosts, ["a:27017", "b:27018"]);
        assert_eq!(
            given.to_set(&["a:27017", "b:27018"], "rs0", Some("torn_1")).reveal(),
            "mongodb://torn:p%40ss@a:27017,b:27018/torn_1?tls=true&replicaSet=rs0&authSource=admin"
        );
        let elsewhere = uri("mongodb://torn:x@a/users");
        assert!(
            elsewhere
                .to_member("a:1", Some("torn_1"))
                .reveal()
                .ends_with("/torn_1?directConnection=true&authSource=users")
        );
        let certificate = uri("mongodb://torn@a/?authMechanism=MONGODB-X509");
        assert!(!certificate.to_member("a:1", None).reveal().contains("authSource"));
        assert_eq!(
            uri("mongodb://a").to_member("127.0.0.1:1", None).reveal(),
            "mongodb://127.0.0.1:1/?directConnection=true"
        );
    }

    #[test]
    fn what_is_no_connection_string_is_refused_without_showing_it() {
        for text in [
            "postgres://torn:hunter2@a/",
            "mongodb+srv://torn:hunter2@a/",
            "mongodb://torn:hunter2@/",
            "mongodb://torn:hunter2/b@a/",
            "mongodb://torn:hunter2@a:port/",
            "mongodb://torn:hunter2@x@a/",
            "mongodb://torn:hunter2@a/?tls",
        ] {
            let problem = MongodbUri::parse(text).expect_err(text).to_string();
            assert!(!problem.contains("hunter2") && problem.contains("expected mongodb://"), "{problem}");
        }
    }

    #[test]
    fn a_password_is_known_as_it_is_written_and_as_it_is_meant() {
        let given = uri("mongodb://torn:p%40ss@a");
        let passwords: Vec<_> = given.passwords().iter().map(|password| password.reveal().to_owned()).collect();
        assert_eq!(passwords, ["p%40ss", "p@ss"]);
        let keys = uri("mongodb://torn@a/?tlsCertificateKeyFilePassword=hunter2").passwords();
        assert!(keys.iter().all(|password| password.reveal() == "hunter2") && !keys.is_empty());
        assert!(!format!("{given:?}").contains("p%40ss"));
        assert_eq!(uri("mongodb://[::1]:27018,[::1]").hosts, ["[::1]:27018", "[::1]:27017"]);
    }
}
