//! A virtual environment with the drivers that services in Python use. Its `bin` comes first on the PATH of services.

use std::fs;
use std::path::Path;

use super::error::InstallError;
use super::mongodb::python_with_pip;
use crate::process::tool::Tool;

const WHAT: &str = "the Python drivers";

/// The packages, with the hash of each wheel.
const REQUIREMENTS: &str = include_str!("python-requirements.txt");

/// Makes the environment and installs into it.
pub(super) async fn make(stage: &Path) -> Result<(), InstallError> {
    let python = python_with_pip(WHAT).await?;
    if Tool::new(&python).arguments(["-c", "import ensurepip, venv"]).run().await.is_err() {
        let (tool, package) = ("venv (python3 -m venv)", "python3-venv");
        return Err(InstallError::ToolMissing { what: WHAT, tool, package });
    }
    let requirements = stage.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).map_err(InstallError::file("cannot write", &requirements))?;
    Tool::new(&python).arguments(["-m", "venv"]).arguments([stage]).run().await.map_err(InstallError::tool(WHAT))?;
    Tool::new(stage.join("bin/python3"))
        .arguments(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"])
        .arguments(["--require-hashes", "--no-compile", "--requirement"])
        .arguments([requirements.as_os_str()])
        .run()
        .await
        .map_err(InstallError::tool(WHAT))?;
    Tool::new(stage.join("bin/python3"))
        .arguments(["-B", "-c", "import pymongo, confluent_kafka"])
        .run()
        .await
        .map(|_| ())
        .map_err(InstallError::tool(WHAT))
}
