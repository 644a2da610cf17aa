//! `torn list`: scenarios, workloads with their patterns, and stored runs.

use std::path::{Path, PathBuf};

use super::exit::{Exit, Failure};
use super::matrix;
use crate::report::matrix::MatrixTable;
use crate::scenario::manifest::Manifest;
use crate::scenario::reader;
use crate::scenario::resolved::Resolved;
use crate::store;

/// Where to look.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A folder with scenario files
    #[arg(default_value = "scenarios")]
    folder: PathBuf,
    /// The folder of stored runs
    #[arg(long, default_value = store::DEFAULT_FOLDER)]
    out: PathBuf,
}

/// Prints what there is.
///
/// # Errors
/// When a folder cannot be read.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    println!("Scenarios in {}:", arguments.folder.display());
    for path in scenario_files(&arguments.folder)? {
        match reader::read(&path, &[]) {
            Ok(variants) => {
                let first = &variants[0];
                println!("  {} ({}): {}", path.display(), first.manifest.name, first.scenario.description);
                for line in lines(&variants) {
                    println!("      {line}");
                }
            }
            Err(error) => println!("  {}: cannot be used\n      {error}", path.display()),
        }
    }
    println!("\nBuilt-in workloads:");
    for (_, text) in reader::BUILT_IN {
        let manifest: Manifest = toml::from_str(text).expect("a test reads every built-in manifest");
        println!("  {}: {}", manifest.name, manifest.description);
        for (axis, spec) in &manifest.axis {
            for (value, meaning) in &spec.values {
                println!("      {axis} = {value:?}: {meaning}");
            }
        }
    }
    println!("\nRuns in {}:", arguments.out.display());
    for run in store::runs(&arguments.out)? {
        println!("  {}", run.path().display());
    }
    Ok(Exit::AsExpected)
}

/// A line for each variant; of a matrix what it crosses and how many runs that makes.
fn lines(variants: &[Resolved]) -> Vec<String> {
    let Some(repeat) = matrix::repeat(variants) else {
        return variants.iter().map(|resolved| resolved.variant().name.clone()).collect();
    };
    let table = MatrixTable::new(variants, repeat);
    let mut names: Vec<&str> = Vec::new();
    for row in &table.cells {
        if !names.contains(&row.variant.as_str()) {
            names.push(&row.variant);
        }
    }
    let mut lines: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let axes = table.labels().into_iter().zip(table.axes.values());
    lines.extend(axes.map(|(label, values)| format!("{label}: {}", values.join(", "))));
    lines.push(format!("matrix: {} cells × {repeat} = {} runs", table.cells.len(), table.planned));
    lines
}

fn scenario_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    Ok(files)
}
