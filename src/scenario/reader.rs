//! From text to a scenario and its workload, or an error that names file, line, key and what was expected.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use thiserror::Error;
use toml_edit::{Document, Item, Key, Value};

use super::file::Scenario;
use super::manifest::Manifest;
use super::matrix::expansion::{self, CellScenario};
use super::matrix::problem::CellProblems;
use super::matrix::{Matrix, axis};
use super::resolved::Resolved;
use super::validation::{self, Finding};

/// The workloads that are built in: name → manifest.
pub const BUILT_IN: &[(&str, &str)] = &[("inventory", include_str!("../../workloads/inventory/manifest.toml"))];

/// Why a scenario or a manifest cannot be used. Every message says where and what was expected.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something in it is wrong.
    #[error("{}", Listing(path, problems))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Everything that was found.
        problems: Vec<Problem>,
    },
    /// An override of the command line does not fit.
    #[error("--set {key}={value}: {message}")]
    Override {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What was expected.
        message: String,
    },
}

/// One mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The key, `fault[0].partition`; empty where no key can be named.
    pub key: String,
    /// What is wrong and what was expected.
    pub message: String,
}

struct Listing<'a>(&'a Path, &'a [Problem]);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.1.iter().enumerate() {
            let newline = if number == 0 { "" } else { "\n" };
            write!(formatter, "{newline}{}:{}: ", self.0.display(), problem.line)?;
            if !problem.key.is_empty() {
                write!(formatter, "{}: ", problem.key)?;
            }
            formatter.write_str(&problem.message)?;
        }
        Ok(())
    }
}

/// A change from the command line: a dotted key (`load.rate`, `variant.0.name`) and a TOML value; what is not a TOML
/// value is taken as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The dotted key.
    pub key: String,
    /// The value as written.
    pub value: String,
}

/// Reads a scenario and its workload, applies the overrides, validates both and resolves every variant.
///
/// # Errors
/// With every mistake found in the first file that has any.
pub fn read(path: &Path, overrides: &[Override]) -> Result<Vec<Resolved>, ReadError> {
    let text = read_text(path)?;
    let original: Scenario = parse(path, &text)?;
    let has_matrix = original.matrix.is_some();
    if let Some(matrix) = &original.matrix {
        refuse_lost(overrides, matrix)?;
    }
    let mut scenario = overrides.iter().try_fold(original, |scenario, change| apply(&scenario, change))?;
    // `--repeat 1` of a scenario without a matrix asks for nothing.
    scenario.matrix = scenario.matrix.filter(|matrix| has_matrix || !matrix.is_trivial());
    let (manifest, manifest_folder) = read_manifest(path, &text, &scenario)?;
    let problems = made_by_a_matrix(&scenario);
    if !problems.is_empty() {
        return Err(invalid(path, &text, problems));
    }
    let mut cells = cells_of(scenario, &manifest, |problems| invalid(path, &text, problems))?;
    let mut problems = CellProblems::default();
    for cell in &mut cells {
        fill_in_patterns(&mut cell.scenario, &manifest);
        problems.add(cell, validation::scenario(&cell.scenario, &manifest));
    }
    let problems = problems.told(cells.len());
    if !problems.is_empty() {
        return Err(invalid(path, &text, problems));
    }
    let name = path.file_stem().map_or_else(|| "scenario".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let mut problems = CellProblems::default();
    let mut variants = Vec::new();
    for cell in &cells {
        let first = variants.len();
        variants.extend(cell.variants.iter().map(|variant| Resolved {
            name: name.clone(),
            scenario: cell.scenario.clone(),
            manifest: manifest.clone(),
            manifest_folder: manifest_folder.clone(),
            variant: *variant,
        }));
        problems.add(cell, validation::resolved(&variants[first]));
    }
    let problems = problems.told(cells.len());
    if problems.is_empty() { Ok(variants) } else { Err(invalid(path, &text, problems)) }
}

/// An override of a key that an axis sets would have no effect.
fn refuse_lost(overrides: &[Override], matrix: &Matrix) -> Result<(), ReadError> {
    let (axes, _) = axis::axes(matrix);
    for change in overrides {
        if let Some(axis) = axes.iter().find(|axis| axis.sets(&change.key)) {
            let message = format!(
                "every cell of the matrix has its own, set by the axis {:?}; choose cells with --cell, or change the axis",
                axis.key
            );
            return Err(ReadError::Override { key: change.key.clone(), value: change.value.clone(), message });
        }
    }
    Ok(())
}

/// What stands in no file: a variant's cell comes from the matrix.
fn made_by_a_matrix(scenario: &Scenario) -> Vec<Finding> {
    let variants = scenario.variant.iter().enumerate().filter(|(_, variant)| variant.cell.is_some());
    let message = "no key of a file; expected [matrix.axis], which makes the cells";
    variants.map(|(number, _)| (format!("variant[{number}].cell"), message.to_owned())).collect()
}

/// The scenario of each cell; without a matrix the scenario itself.
fn cells_of(
    scenario: Scenario,
    manifest: &Manifest,
    invalid: impl Fn(Vec<Finding>) -> ReadError,
) -> Result<Vec<CellScenario>, ReadError> {
    let Some(matrix) = &scenario.matrix else { return Ok(vec![CellScenario::whole(scenario)]) };
    let findings = validation::matrix(&scenario, matrix);
    if !findings.is_empty() {
        return Err(invalid(findings));
    }
    let cells = expansion::cells(&scenario, matrix, &manifest.forbidden).map_err(|finding| invalid(vec![finding]))?;
    let findings = validation::cell_names(&cells);
    if findings.is_empty() { Ok(cells) } else { Err(invalid(findings)) }
}

/// Gives each variant the default of every axis that it leaves out.
fn fill_in_patterns(scenario: &mut Scenario, manifest: &Manifest) {
    for variant in &mut scenario.variant {
        for (axis, spec) in &manifest.axis {
            let Some(default) = spec.default.as_ref().filter(|_| !variant.pattern.contains_key(axis)) else { continue };
            let holds = |(other, values): (&String, &Vec<String>)| {
                variant.pattern.get(other).is_some_and(|value| values.contains(value))
            };
            if spec.when.iter().all(holds) {
                variant.pattern.insert(axis.clone(), default.clone());
            }
        }
    }
}

fn read_text(path: &Path) -> Result<String, ReadError> {
    std::fs::read_to_string(path).map_err(|source| ReadError::Io { path: path.to_owned(), source })
}

fn read_manifest(scenario_path: &Path, text: &str, scenario: &Scenario) -> Result<(Manifest, PathBuf), ReadError> {
    let folder = scenario_path.parent().unwrap_or(Path::new(""));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if let Some((name, manifest)) = BUILT_IN.iter().find(|(name, _)| *name == scenario.workload) {
        let path = PathBuf::from(format!("workloads/{name}/manifest.toml"));
        return Ok((parse_manifest(&path, manifest)?, folder.to_owned()));
    }
    let path = folder.join(&scenario.workload);
    let is_path = scenario.workload.contains('/')
        || Path::new(&scenario.workload).extension().is_some_and(|ending| ending == "toml");
    if !is_path || !path.is_file() {
        let names: Vec<_> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        let message = format!(
            "no workload {:?}: expected a built-in one ({}) or the path of a manifest relative to this file{}",
            scenario.workload,
            names.join(", "),
            if is_path { format!("; there is no file {}", path.display()) } else { String::new() }
        );
        return Err(invalid(scenario_path, text, vec![("workload".to_owned(), message)]));
    }
    let manifest_text = read_text(&path)?;
    let manifest = parse_manifest(&path, &manifest_text)?;
    Ok((manifest, path.parent().expect("a file has a folder").to_owned()))
}

fn parse_manifest(path: &Path, text: &str) -> Result<Manifest, ReadError> {
    let manifest: Manifest = parse(path, text)?;
    let problems = validation::manifest(&manifest);
    if problems.is_empty() { Ok(manifest) } else { Err(invalid(path, text, problems)) }
}

/// Parses TOML into a type; the first mistake is located.
fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ReadError> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let key = Document::parse(text).map_or_else(|_| String::new(), |document| key_at(document.as_item(), start));
        let problem = Problem { line: line_of(text, start), key, message: error.message().to_owned() };
        ReadError::Invalid { path: path.to_owned(), problems: vec![problem] }
    })
}

/// Gives each problem the line of its key, or of the nearest key around it.
fn invalid(path: &Path, text: &str, problems: Vec<(String, String)>) -> ReadError {
    let document = Document::parse(text);
    let mut problems: Vec<Problem> = problems
        .into_iter()
        .map(|(key, message)| {
            let start = document.as_ref().ok().and_then(|document| locate(document.as_item(), &key));
            Problem { line: line_of(text, start.unwrap_or(0)), key, message }
        })
        .collect();
    problems.sort_by_key(|problem| problem.line);
    problems.dedup();
    ReadError::Invalid { path: path.to_owned(), problems }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or(text).matches('\n').count() + 1
}

/// The key of the innermost item around a place in the text.
fn key_at(item: &Item, offset: usize) -> String {
    let mut path = String::new();
    let mut children = children_of(item);
    // Spans of tables that are written as headers end where the header does, so the last child that starts before the
    // place and does not end before it wins; a header's table is entered through its own children first.
    while let Some((name, _, inner)) =
        children.iter().rev().find(|(_, span, inner)| is_around(span.as_ref(), *inner, offset)).cloned()
    {
        if !path.is_empty() && !name.starts_with('[') {
            path.push('.');
        }
        path.push_str(&name);
        children = inner.children();
    }
    path
}

fn is_around(span: Option<&Range<usize>>, inner: Node<'_>, offset: usize) -> bool {
    span.is_some_and(|span| span.contains(&offset))
        || inner.children().iter().any(|(_, span, inner)| is_around(span.as_ref(), *inner, offset))
}

/// Where the key stands (or the nearest key around it that exists).
fn locate(item: &Item, key: &str) -> Option<usize> {
    let mut found = None;
    let mut children = children_of(item);
    // `fault[0].at` → fault, [0], at; a key with dots of its own stands in quotes.
    let dotted = key.replace('[', ".\"[").replace(']', "]\"");
    for segment in Key::parse(&dotted).unwrap_or_default() {
        let Some((_, span, inner)) = children.iter().find(|(name, ..)| name == segment.get()).cloned() else { break };
        found = span.map(|span| span.start).or(found);
        children = inner.children();
    }
    found
}

/// A part of a document, as the document knows it.
#[derive(Clone, Copy)]
enum Node<'a> {
    Item(&'a Item),
    Value(&'a Value),
    Table(&'a toml_edit::Table),
}

type Child<'a> = (String, Option<Range<usize>>, Node<'a>);

fn children_of(item: &Item) -> Vec<Child<'_>> {
    Node::Item(item).children()
}

impl<'a> Node<'a> {
    /// Name, span (of key and value) and content of everything directly inside.
    fn children(self) -> Vec<Child<'a>> {
        match self {
            Self::Item(Item::Table(table)) | Self::Table(table) => table
                .iter()
                .map(|(name, item)| {
                    let key = table.key(name).and_then(Key::span);
                    (name.to_owned(), join(key, item.span()), Self::Item(item))
                })
                .collect(),
            Self::Item(Item::ArrayOfTables(tables)) => tables
                .iter()
                .enumerate()
                .map(|(number, table)| (format!("[{number}]"), table.span(), Self::Table(table)))
                .collect(),
            Self::Item(Item::Value(value)) => Self::Value(value).children(),
            Self::Value(Value::InlineTable(table)) => table
                .iter()
                .map(|(name, value)| {
                    let key = table.key(name).and_then(Key::span);
                    (name.to_owned(), join(key, value.span()), Self::Value(value))
                })
                .collect(),
            Self::Value(Value::Array(array)) => array
                .iter()
                .enumerate()
                .map(|(number, value)| (format!("[{number}]"), value.span(), Self::Value(value)))
                .collect(),
            Self::Item(Item::None) | Self::Value(_) => Vec::new(),
        }
    }
}

fn join(key: Option<Range<usize>>, value: Option<Range<usize>>) -> Option<Range<usize>> {
    match (key, value) {
        (Some(key), Some(value)) => Some(key.start.min(value.start)..key.end.max(value.end)),
        (key, value) => key.or(value),
    }
}

/// Applies one override by way of the scenario's own TOML, so that it is checked as the file is.
fn apply(scenario: &Scenario, change: &Override) -> Result<Scenario, ReadError> {
    let problem = |message: String| ReadError::Override {
        key: change.key.clone(),
        value: change.value.clone(),
        message: message.lines().next().unwrap_or_default().to_owned(),
    };
    let mut document = toml::Value::try_from(scenario).expect("a scenario that was read can be written");
    let value = parse_value(&change.value);
    set(&mut document, &change.key, value).map_err(problem)?;
    document.try_into().map_err(|error: toml::de::Error| problem(error.message().to_owned()))
}

fn parse_value(text: &str) -> toml::Value {
    toml::from_str::<toml::Table>(&format!("value = {text}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

fn set(document: &mut toml::Value, key: &str, value: toml::Value) -> Result<(), String> {
    let mut place = document;
    for segment in key.split('.') {
        place = match place {
            toml::Value::Table(table) => table.entry(segment).or_insert_with(|| toml::Value::Table(toml::Table::new())),
            toml::Value::Array(items) => {
                let length = items.len();
                segment
                    .parse::<usize>()
                    .ok()
                    .and_then(|number| items.get_mut(number))
                    .ok_or_else(|| format!("{segment:?} is not one of the {length} entries, counted from 0"))?
            }
            _ => return Err(format!("{segment:?}: there is nothing inside a single value")),
        };
    }
    *place = value;
    Ok(())
}
