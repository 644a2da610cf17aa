//! Toxiproxy, built from its Go module; Go's own checksum of the module is pinned.

use std::fs;
use std::path::Path;

use super::component::tool;
use super::error::InstallError;
use crate::process::tool::Tool;

const WHAT: &str = "Toxiproxy";

/// The module.
const MODULE: &str = "github.com/Shopify/toxiproxy/v2";
const VERSION: &str = "v2.5.0";

/// Go's checksum of the module's files. Those of its dependencies stand in the module's own `go.sum`.
const SUM: &str = "h1:i4LPT+qrSlKNtQf5QliVjdP08GyAH8+BUIc9gT0eahc=";

/// Downloads, looks, builds.
pub(super) async fn fetch(stage: &Path) -> Result<(), InstallError> {
    let go = tool(WHAT, "go", "golang-go")?;
    let told = Tool::new(&go)
        .arguments(["mod", "download", "-json"])
        .arguments([format!("{MODULE}@{VERSION}")])
        .folder(stage)
        .run()
        .await
        .map_err(InstallError::tool(WHAT))?;
    let found = serde_json::from_str::<serde_json::Value>(&told)
        .ok()
        .and_then(|told| told["Sum"].as_str().map(str::to_owned))
        .unwrap_or_else(|| "no checksum".to_owned());
    if found != SUM {
        return Err(InstallError::WrongHash { what: format!("{MODULE} {VERSION}"), pinned: SUM.to_owned(), found });
    }
    let programs = stage.join("bin");
    fs::create_dir(&programs).map_err(InstallError::file("cannot make", &programs))?;
    Tool::new(&go)
        .arguments(["install".to_owned(), format!("{MODULE}/cmd/server@{VERSION}")])
        .variable("GOBIN", programs.as_os_str())
        .folder(stage)
        .run()
        .await
        .map_err(InstallError::tool(WHAT))?;
    let server = programs.join("server");
    if server.is_file() {
        Ok(())
    } else {
        Err(InstallError::Incomplete { what: WHAT, problem: "go installed no program `server`".to_owned() })
    }
}
