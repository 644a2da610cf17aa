//! `torn init`: a commented manifest and scenario to start from.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use anyhow::{Context, anyhow};

use super::exit::{Exit, Failure};

const FILES: [(&str, &str); 2] =
    [("manifest.toml", include_str!("manifest.toml")), ("scenario.toml", include_str!("scenario.toml"))];

/// Where to write.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The folder; made when it is not there
    #[arg(default_value = ".")]
    folder: PathBuf,
}

/// Writes both files, and never over one that is there.
///
/// # Errors
/// When one of the files is there already or cannot be written.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let folder = &arguments.folder;
    for (name, _) in FILES {
        let path = folder.join(name);
        if path.exists() {
            let error = anyhow!("{} is there already; name another folder: torn init FOLDER", path.display());
            return Err(Failure::usage(error));
        }
    }
    std::fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
    for (name, text) in FILES {
        let path = folder.join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(|error| {
            let hint = if error.kind() == ErrorKind::PermissionDenied { "; is the folder yours?" } else { "" };
            anyhow!("failed to write {}: {error}{hint}", path.display())
        })?;
        file.write_all(text.as_bytes()).with_context(|| format!("failed to write {}", path.display()))?;
        println!("{}", path.display());
    }
    println!(
        "\nEdit both (your command, your paths, your collections), then: torn run {}/scenario.toml",
        folder.display()
    );
    Ok(Exit::AsExpected)
}
