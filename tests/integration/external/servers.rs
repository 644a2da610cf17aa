//! A mongod with users and a Kafka with SASL, on free loopback ports, as somebody else would run them. Each dies with the
//! test.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::bson::{Document, doc};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tempfile::TempDir;
use tornwrite::environment::local::{Cache, KafkaProgram, Ports, programs};

/// A server must be up after this long.
const UP_WITHIN: Duration = Duration::from_secs(90);

/// What must never be seen anywhere.
pub(super) const PASSWORD: &str = "Hunter2-unmistakable";

/// One server as a child process.
pub(super) struct Server {
    child: Child,
    folder: TempDir,
    pub(super) port: u16,
    _ports: Ports,
}

impl Server {
    fn start(command: &[OsString], folder: TempDir, port: u16, ports: Ports) -> Self {
        let log = File::create(folder.path().join("log")).expect("a log file");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(command)
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a second handle"))
            .stdout(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, folder, port, _ports: ports }
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        log.lines().rev().take(12).collect::<Vec<_>>().join("\n")
    }

    /// `127.0.0.1:port`.
    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for an async answer in a test that is not.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// How a mongod is started.
#[derive(Default)]
pub(super) struct Mongod<'a> {
    /// Neither a set nor users.
    pub(super) is_alone: bool,
    /// Certificates for TLS.
    pub(super) tls: Option<&'a Certificates>,
    /// Where it finds the names of its peers.
    pub(super) hosts: Option<&'a Path>,
}

/// A set of mongods that know each other by these names; the first is primary.
pub(super) fn replica_set(names: &[&str], hosts: &Path) -> Vec<Server> {
    let members: Vec<Server> =
        names.iter().map(|_| Mongod { hosts: Some(hosts), ..Mongod::default() }.start_process()).collect();
    let told = names.iter().zip(&members).map(|(name, member)| format!("{name}:{}", member.port)).collect();
    block_on(prepare(&members[0], told, "", false));
    members
}

/// What is started so that a program sees these names, as all programs do on the user's hosts.
pub(super) fn seeing(hosts: &Path) -> Vec<OsString> {
    let cover = "mount --no-mtab --bind \"$1\" /etc/hosts && shift && exec \"$@\"";
    let mut command: Vec<OsString> =
        ["unshare", "--user", "--map-root-user", "--mount", "--", "sh", "-c", cover, "mount"].map(Into::into).to_vec();
    command.push(hosts.into());
    command
}

impl Mongod<'_> {
    /// Starts it, a set of one that has users: `torn` may read and write everywhere, `manager` make a primary step down
    /// besides, `poor` may do nothing.
    pub(super) fn start(&self) -> Server {
        let server = self.start_process();
        let options = if self.tls.is_some() { "&tls=true&tlsInsecure=true" } else { "" };
        block_on(prepare(&server, vec![server.address()], options, self.is_alone));
        server
    }

    fn start_process(&self) -> Server {
        let folder = TempDir::new().expect("a folder");
        let ports = Ports::new().unwrap_or_else(|error| panic!("{error}"));
        let port = free_port(&ports);
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("a data folder");
        let key = folder.path().join("key");
        fs::write(&key, "c29tZXRoaW5nIHNoYXJlZA==").expect("a key file");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("it is ours");
        let mut command = vec![
            programs::mongod(&cache()).unwrap_or_else(|error| panic!("{error}")).display().to_string(),
            format!("--dbpath={}", data.display()),
            format!("--port={port}"),
            "--bind_ip=127.0.0.1".to_owned(),
            "--wiredTigerCacheSizeGB=0.25".to_owned(),
            "--oplogSize=64".to_owned(),
            "--nounixsocket".to_owned(),
            "--setParameter=transactionLifetimeLimitSeconds=3".to_owned(),
        ];
        if !self.is_alone {
            command.extend(["--replSet=shop".to_owned(), "--auth".to_owned(), format!("--keyFile={}", key.display())]);
        }
        if let Some(tls) = self.tls {
            command.push("--tlsMode=requireTLS".to_owned());
            command.push(format!("--tlsCertificateKeyFile={}", tls.server.display()));
            command.push(format!("--tlsCAFile={}", tls.authority.display()));
            command.push("--tlsAllowConnectionsWithoutCertificates".to_owned());
            // The test dials an address, for which there is no certificate.
            command.push("--tlsAllowInvalidHostnames".to_owned());
        }
        let seeing = self.hosts.map(seeing).unwrap_or_default();
        let command: Vec<OsString> = seeing.into_iter().chain(command.into_iter().map(OsString::from)).collect();
        Server::start(&command, folder, port, ports)
    }
}

async fn prepare(server: &Server, members: Vec<String>, options: &str, is_alone: bool) {
    let uri = format!("mongodb://{}/?directConnection=true{options}", server.address());
    let client = Client::with_uri_str(&uri).await.expect("a client");
    let admin = client.database("admin");
    let members = (0_i32..).zip(members).map(|(id, host)| doc! { "_id": id, "host": host });
    let settings = doc! { "electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500 };
    let set = doc! { "_id": "shop", "members": members.collect::<Vec<_>>(), "settings": settings };
    let initiate = doc! { "replSetInitiate": set };
    let deadline = Instant::now() + UP_WITHIN;
    loop {
        let hello: Result<Document, _> = admin.run_command(doc! { "hello": 1 }).await;
        let is_up = hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false));
        // A mongod without a set says that it is writable from the start.
        if is_up {
            break;
        }
        assert!(Instant::now() < deadline, "mongod is not up: {}", server.log());
        let _ = admin.run_command(initiate.clone()).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    if is_alone {
        return;
    }
    // The first user is made while there is none; the others by it.
    let root = doc! { "createUser": "root", "pwd": PASSWORD, "roles": ["root"] };
    admin.run_command(root).await.expect("there is no user yet");
    let root = administrator(server, options).await;
    let users = [
        ("torn", vec!["readWriteAnyDatabase"]),
        ("manager", vec!["readWriteAnyDatabase", "clusterManager"]),
        ("poor", vec![]),
    ];
    for (name, roles) in users {
        let user = doc! { "createUser": name, "pwd": PASSWORD, "roles": roles };
        root.database("admin").run_command(user).await.expect("the administrator may");
    }
}

/// Who may look at everything.
pub(super) async fn administrator(server: &Server, options: &str) -> Client {
    let uri = format!("mongodb://root:{PASSWORD}@{}/?directConnection=true{options}", server.address());
    Client::with_uri_str(&uri).await.expect("a client")
}

/// The names of its databases that are not its own.
pub(super) fn databases(server: &Server) -> Vec<String> {
    let names = block_on(async { administrator(server, "").await.list_database_names().await.expect("it answers") });
    names.into_iter().filter(|name| !["admin", "config", "local"].contains(&name.as_str())).collect()
}

/// How a broker is started.
#[derive(Default)]
pub(super) struct Kafka<'a> {
    /// Certificates for TLS.
    pub(super) tls: Option<&'a Certificates>,
    /// What it advertises instead of 127.0.0.1.
    pub(super) name: Option<&'a str>,
    /// Spare listeners, each for one service.
    pub(super) spare: usize,
}

/// A broker with SASL, and its spare listeners.
pub(super) struct Broker {
    pub(super) server: Server,
    /// Where each advertises itself, and where it listens.
    pub(super) spare: Vec<(u16, u16)>,
    /// A listener without users, for the test.
    plain: String,
}

impl Kafka<'_> {
    /// Starts it: users `torn` (everything), `poor` (nothing); PLAIN without TLS, SCRAM with it.
    pub(super) fn start(&self) -> Broker {
        let program = KafkaProgram::find(&cache()).unwrap_or_else(|error| panic!("{error}"));
        let folder = TempDir::new().expect("a folder");
        let ports = Ports::new().unwrap_or_else(|error| panic!("{error}"));
        let (port, controller, plain) = (free_port(&ports), free_port(&ports), free_port(&ports));
        let spare: Vec<(u16, u16)> = (0..self.spare).map(|_| (free_port(&ports), free_port(&ports))).collect();
        let properties = folder.path().join("server.properties");
        let text = self.properties(port, controller, plain, &spare, &folder.path().join("data"));
        fs::write(&properties, text).expect("a properties file");
        let java = |class: &str, arguments: &[&str]| -> Vec<OsString> {
            let before = std::iter::once(program.java.clone().into_os_string()).chain(program.java_arguments());
            before.chain(std::iter::once(class).chain(arguments.iter().copied()).map(OsString::from)).collect()
        };
        let file = properties.display().to_string();
        let user = format!("SCRAM-SHA-256=[name=torn,password={PASSWORD}]");
        let arguments = ["format", "-t", "AAAAAAAAAAAAAAAAAAAAAA", "-c", &file, "--add-scram", &user];
        let format = java("kafka.tools.StorageTool", &arguments);
        let formatted = Command::new(&format[0]).args(&format[1..]).output().expect("java on the path");
        assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stderr));
        let server = Server::start(&java("kafka.Kafka", &[&file]), folder, port, ports);
        let broker = Broker { server, spare, plain: format!("127.0.0.1:{plain}") };
        let deadline = Instant::now() + UP_WITHIN;
        while broker.handle().fetch_metadata(None, Duration::from_millis(500)).is_err() {
            assert!(Instant::now() < deadline, "Kafka is not up: {}", broker.server.log());
        }
        broker
    }

    fn properties(&self, port: u16, controller: u16, plain: u16, spare: &[(u16, u16)], data: &Path) -> String {
        let (protocol, mechanism) = match self.tls {
            Some(_) => ("SASL_SSL", "SCRAM-SHA-256"),
            None => ("SASL_PLAINTEXT", "PLAIN"),
        };
        let login = match self.tls {
            Some(_) => "org.apache.kafka.common.security.scram.ScramLoginModule required;".to_owned(),
            None => format!(
                "org.apache.kafka.common.security.plain.PlainLoginModule required user_torn=\"{PASSWORD}\" \
                 user_poor=\"{PASSWORD}\";"
            ),
        };
        let mut listeners = format!("USERS://127.0.0.1:{port},PLAIN://127.0.0.1:{plain}");
        let mut advertised = format!("USERS://{}:{port},PLAIN://127.0.0.1:{plain}", self.name.unwrap_or("127.0.0.1"));
        let mut protocols = format!("USERS:{protocol},PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT");
        let mut logins = String::new();
        let mut names = vec!["users".to_owned()];
        for (number, (listen, upstream)) in spare.iter().enumerate() {
            let _ = write!(listeners, ",S{number}://127.0.0.1:{upstream}");
            let _ = write!(advertised, ",S{number}://127.0.0.1:{listen}");
            let _ = write!(protocols, ",S{number}:{protocol}");
            names.push(format!("s{number}"));
        }
        let config = mechanism.to_lowercase();
        for name in names {
            let _ = writeln!(logins, "listener.name.{name}.{config}.sasl.jaas.config={login}");
        }
        let tls = self.tls.map(|tls| {
            let server = tls.server.display();
            format!("ssl.keystore.type=PEM\nssl.keystore.location={server}\n")
        });
        format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners={listeners},CONTROLLER://127.0.0.1:{controller}\nadvertised.listeners={advertised}\n\
             listener.security.protocol.map={protocols}\ninter.broker.listener.name=PLAIN\n\
             controller.listener.names=CONTROLLER\nlog.dirs={}\nsasl.enabled.mechanisms={mechanism}\n{logins}{}\
             authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
             super.users=User:torn;User:ANONYMOUS\n\
             offsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
             transaction.state.log.num.partitions=1\nauto.create.topics.enable=false\n\
             group.initial.rebalance.delay.ms=0\nbroker.session.timeout.ms=1000\nbroker.heartbeat.interval.ms=200\n",
            data.display(),
            tls.unwrap_or_default(),
        )
    }
}

impl Broker {
    fn handle(&self) -> BaseConsumer {
        let mut configuration = ClientConfig::new();
        configuration.set("bootstrap.servers", &self.plain).set("reconnect.backoff.max.ms", "200");
        configuration.create().expect("a client")
    }

    /// The names of its topics that are not its own.
    pub(super) fn topics(&self) -> Vec<String> {
        let metadata = self.handle().fetch_metadata(None, Duration::from_secs(20)).expect("it answers");
        let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
        names.filter(|name| !name.starts_with("__")).collect()
    }

    /// The file's table for it.
    pub(super) fn table(&self, user: &str) -> String {
        let spare = self.spare.iter().map(|(listen, upstream)| {
            format!("{{ listen = \"127.0.0.1:{listen}\", upstream = \"127.0.0.1:{upstream}\" }}")
        });
        let spare = spare.collect::<Vec<_>>().join(", ");
        format!(
            "[kafka]\nbootstrap = \"{}\"\nsecurity_protocol = \"SASL_PLAINTEXT\"\nsasl_mechanism = \"PLAIN\"\n\
             sasl_username = \"{user}\"\nsasl_password = {{ env = \"SHOP_PASSWORD\" }}\nlisteners = [{spare}]\n",
            self.server.address()
        )
    }
}

/// An authority and a certificate that it signed, made by openssl.
pub(super) struct Certificates {
    _folder: TempDir,
    pub(super) authority: PathBuf,
    /// Key and certificate in one file.
    pub(super) server: PathBuf,
}

impl Certificates {
    /// For these names, and for nothing else.
    pub(super) fn make(names: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let openssl = |arguments: &[&str]| {
            let made = Command::new("openssl").args(arguments).current_dir(folder.path()).output().expect("openssl");
            assert!(made.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&made.stderr));
        };
        let key = ["-newkey", "rsa:2048", "-nodes"];
        openssl(
            &[
                &[
                    "req",
                    "-x509",
                    "-days",
                    "2",
                    "-subj",
                    "/CN=torn test authority",
                    "-keyout",
                    "ca.key",
                    "-out",
                    "ca.pem",
                ],
                &key[..],
            ]
            .concat(),
        );
        openssl(&[&["req", "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr"], &key[..]].concat());
        let names: Vec<String> = names.iter().map(|name| format!("DNS:{name}")).collect();
        fs::write(at("names"), format!("subjectAltName={}", names.join(","))).expect("it is new");
        openssl(&[
            "x509",
            "-req",
            "-in",
            "server.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-out",
            "server.crt",
            "-extfile",
            "names",
        ]);
        let read = |name: &str| fs::read_to_string(at(name)).expect("openssl made it");
        fs::write(at("server.pem"), read("server.key") + &read("server.crt")).expect("it is new");
        Self { authority: at("ca.pem"), server: at("server.pem"), _folder: folder }
    }
}

fn cache() -> Cache {
    Cache::from_environment().unwrap_or_else(|error| panic!("{error}"))
}

fn free_port(ports: &Ports) -> u16 {
    ports.take().unwrap_or_else(|error| panic!("{error}")).port()
}
