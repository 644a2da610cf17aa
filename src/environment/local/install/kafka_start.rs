//! What halves the time a broker needs to start: a formatted storage to copy, and a class-data archive (the JDK's `AppCDS`).
//! Both are made on this machine, from the installed jars at their final place: an archive knows their paths and times.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpStream;

use super::component::tool;
use super::error::InstallError;
use crate::environment::local::broker::Storage;
use crate::environment::local::{Cache, KafkaProgram, Ports, kafka};
use crate::process::tool::Tool;

const WHAT: &str = "Kafka's storage template";

/// How long the broker may run; the archive is written after that, at its end.
const DEADLINE: Duration = Duration::from_secs(120);

/// Formats a storage, keeps its first file, and runs a broker on it once.
pub(super) async fn make(cache: &Cache, stage: &Path) -> Result<(), InstallError> {
    let program = KafkaProgram { template: None, archive: None, ..KafkaProgram::find(cache)? };
    let ports = Ports::new()?;
    let (direct, controller) = (ports.take()?, ports.take()?);
    let scratch = cache.stage("scratch")?;
    let data = scratch.path().join("data");
    fs::create_dir(&data).map_err(InstallError::file("cannot make", &data))?;
    let properties = scratch.path().join("server.properties");
    let text = kafka::plain_properties(direct, controller, &data);
    fs::write(&properties, text).map_err(InstallError::file("cannot write", &properties))?;
    Storage::new_cluster(kafka::NODE, &data, &properties).format(&program).await?;
    let (formatted, template) = (data.join("bootstrap.checkpoint"), stage.join("bootstrap.checkpoint"));
    fs::copy(&formatted, template).map_err(InstallError::file("cannot copy", &formatted))?;

    let archive = stage.join("classes.jsa");
    // Under coreutils' `timeout`, so that the broker ends also when this process is killed in the meantime; in the
    // foreground, so that Ctrl-C reaches both.
    Tool::new(tool(WHAT, "timeout", "coreutils")?)
        .arguments(["--foreground", "--kill-after=60"])
        .arguments([format!("{}", DEADLINE.as_secs())])
        .arguments([&program.java])
        .arguments([format!("-XX:ArchiveClassesAtExit={}", archive.display())])
        .arguments(program.java_arguments())
        .arguments(["kafka.Kafka".into(), properties.into_os_string()])
        .deadline(DEADLINE + Duration::from_secs(70))
        .run_until(async |_| {
            // No deadline here: when the broker ends, by itself or by `timeout`, the waiting ends with it.
            while TcpStream::connect(direct).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await
        .map_err(InstallError::tool(WHAT))?;
    if archive.is_file() {
        Ok(())
    } else {
        Err(InstallError::Incomplete { what: WHAT, problem: "Java wrote no class-data archive".to_owned() })
    }
}
