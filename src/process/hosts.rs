//! A hosts file that only one process sees.
//!
//! In a cluster every process resolves the names of the servers differently: to its own links. There are three ways to
//! bring that about, and which of them a machine allows is found out once, by resolving a name in each:
//! - a mount namespace in which the file lies over `/etc/hosts` (needs root);
//! - the same within a user namespace (forbidden in some containers and by some distributions);
//! - `libnss_wrapper` (only for programs that are linked dynamically against glibc).
//!
//! With each of them the process that is started is the server itself: whatever prepares it is replaced by `exec`.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::OnceCell;

use super::child::Command;
use super::tool::{Tool, find};

/// The preloaded library, by the name under which the loader knows it.
const WRAPPER: &str = "libnss_wrapper.so";

/// Lays the file over `/etc/hosts` and becomes the program. `$0` is `mount`.
const COVER: &str = r#""$0" --no-mtab --bind "$1" /etc/hosts && shift && exec "$@""#;

/// Where else than on PATH the system's own programs may be.
const SYSTEM_FOLDERS: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// A name that nobody has, and the address that it gets on trial.
const TRIAL: (&str, &str) = ("torn-hosts-trial", "127.9.9.9");

/// How long one trial may take: without the wrapper, the name may be asked of a name server.
const TRIAL_DEADLINE: Duration = Duration::from_secs(5);

static FOUND: OnceCell<HostsWay> = OnceCell::const_new();

/// Why no process can be given a hosts file.
#[derive(Debug, Error)]
pub enum HostsError {
    /// None of the ways works here.
    #[error(
        "no way to give each process of a cluster a hosts file of its own; tried {tried}; install libnss-wrapper \
         (Debian: apt-get install libnss-wrapper), or allow unprivileged user namespaces, or run as root"
    )]
    NoWay {
        /// Each way and why it failed.
        tried: String,
    },
}

/// How a process gets its hosts file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostsWay {
    /// The file lies over `/etc/hosts` in a mount namespace.
    MountNamespace,
    /// The same, in a user namespace besides.
    UserNamespace,
    /// `libnss_wrapper` is preloaded.
    NssWrapper,
}

impl HostsWay {
    /// All of them, the one to be preferred first.
    pub const ALL: [Self; 3] = [Self::MountNamespace, Self::UserNamespace, Self::NssWrapper];

    /// The first that works on this machine; looked for once.
    ///
    /// # Errors
    /// When none does.
    pub async fn find() -> Result<Self, HostsError> {
        FOUND.get_or_try_init(|| first_of(&Self::ALL, Self::try_out)).await.copied()
    }

    /// Resolves a name in a process that was given a hosts file in this way; why not, in words, where it fails.
    ///
    /// # Errors
    /// When the name is not resolved.
    pub async fn try_out(self) -> Result<(), String> {
        let (name, address) = TRIAL;
        let folder = tempfile::tempdir().map_err(|error| format!("cannot make a folder: {error}"))?;
        let path = folder.path().join("hosts");
        std::fs::write(&path, format!("{address} {name}\n")).map_err(|error| format!("cannot write: {error}"))?;
        let hosts = HostsFile { path, way: self };
        let wrapped = hosts.wrap(&system_program("getent"), &["ahostsv4".into(), name.into()], &[]);
        let trial = wrapped.environment.iter().fold(
            Tool::new(wrapped.program).arguments(wrapped.arguments).deadline(TRIAL_DEADLINE),
            |trial, (name, value)| trial.variable(name, value.clone()),
        );
        let resolved = trial.run().await.map_err(|error| error.to_string().replace('\n', " "))?;
        if resolved.starts_with(address) { Ok(()) } else { Err(format!("the file was not read: {resolved:?}")) }
    }
}

impl fmt::Display for HostsWay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::MountNamespace => "a mount namespace",
            Self::UserNamespace => "a user namespace",
            Self::NssWrapper => WRAPPER,
        })
    }
}

/// The first way that works.
async fn first_of(
    ways: &[HostsWay],
    try_out: impl AsyncFn(HostsWay) -> Result<(), String>,
) -> Result<HostsWay, HostsError> {
    let mut tried = Vec::new();
    for way in ways {
        match try_out(*way).await {
            Ok(()) => return Ok(*way),
            Err(reason) => tried.push(format!("{way} ({reason})")),
        }
    }
    Err(HostsError::NoWay { tried: tried.join(", ") })
}

/// A hosts file, and how a process is made to see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostsFile {
    path: PathBuf,
    way: HostsWay,
}

/// What is started so that the program sees its file.
struct Wrapped {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(String, OsString)>,
}

impl HostsFile {
    /// A file that is there, given in a way that works.
    pub fn new(path: PathBuf, way: HostsWay) -> Self {
        Self { path, way }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same command, seeing this file.
    pub(super) fn given_to(&self, command: &Command) -> Command {
        let Wrapped { program, arguments, environment } =
            self.wrap(&command.program, &command.arguments, &command.environment);
        Command { program, arguments, environment, ..command.clone() }
    }

    fn wrap(&self, program: &Path, arguments: &[OsString], environment: &[(String, OsString)]) -> Wrapped {
        let mut environment = environment.to_vec();
        let namespaces: &[&str] = match self.way {
            HostsWay::MountNamespace => &["--mount"],
            HostsWay::UserNamespace => &["--user", "--map-root-user", "--mount"],
            HostsWay::NssWrapper => {
                environment.push(preload(&environment));
                environment.push(("NSS_WRAPPER_HOSTS".to_owned(), self.path.clone().into()));
                return Wrapped { program: program.to_owned(), arguments: arguments.to_vec(), environment };
            }
        };
        let mut wrapped: Vec<OsString> = namespaces.iter().map(OsString::from).collect();
        wrapped.extend(["--".into(), system_program("sh").into(), "-c".into(), COVER.into()]);
        wrapped.extend([system_program("mount").into(), self.path.clone().into(), program.into()]);
        wrapped.extend_from_slice(arguments);
        Wrapped { program: system_program("unshare"), arguments: wrapped, environment }
    }
}

/// `LD_PRELOAD` with the wrapper in front of what is there, by the command's own variables or by the harness's.
fn preload(environment: &[(String, OsString)]) -> (String, OsString) {
    const VARIABLE: &str = "LD_PRELOAD";
    let own = environment.iter().rev().find(|(name, _)| name == VARIABLE).map(|(_, value)| value.clone());
    let present = own.or_else(|| std::env::var_os(VARIABLE)).filter(|value| !value.is_empty());
    let mut value = OsString::from(WRAPPER);
    if let Some(present) = present {
        value.push(":");
        value.push(present);
    }
    (VARIABLE.to_owned(), value)
}

/// A program of the system; its bare name where it is not found, so that starting it says so.
fn system_program(name: &str) -> PathBuf {
    find(name, Path::new("."), &SYSTEM_FOLDERS.map(PathBuf::from)).unwrap_or_else(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_way_is_tried_only_when_those_before_it_failed() {
        for (number, expected) in HostsWay::ALL.into_iter().enumerate() {
            let found = first_of(&HostsWay::ALL, async |way| {
                let place = HostsWay::ALL.iter().position(|one| *one == way).expect("it is one of them");
                assert!(place <= number, "{way} is not asked");
                if place == number { Ok(()) } else { Err("forbidden".to_owned()) }
            });
            assert_eq!(found.await.expect("one works"), expected);
        }
    }

    #[tokio::test]
    async fn a_machine_that_allows_no_way_is_told_all_three_and_the_remedy() {
        let none = first_of(&HostsWay::ALL, async |way| Err(format!("{way:?} is forbidden"))).await;
        let said = none.expect_err("none works").to_string();
        for expected in
            ["MountNamespace is forbidden", "UserNamespace is forbidden", "NssWrapper is forbidden", "apt-get install"]
        {
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn what_is_preloaded_already_stays() {
        let present = [("LD_PRELOAD".to_owned(), OsString::from("libother.so"))];
        assert_eq!(preload(&present).1, "libnss_wrapper.so:libother.so");
    }
}
