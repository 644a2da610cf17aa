//! The columns of the table and the text of each cell, the same for page, Markdown and terminal.

use super::{MatrixTable, Row};
use crate::checker::verdict::{AnomalyKind, Verdict};
use crate::report::sentence::{figure, grouped, milliseconds};

use super::row::Range;

/// How something came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it should.
    Good,
    /// Not as it should.
    Bad,
    /// Nobody can say.
    Unsure,
    /// A figure.
    Plain,
}

/// One cell's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// What it says.
    pub text: String,
    /// How that is.
    pub tone: Tone,
}

/// What a column shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// The value of an axis, by its place.
    Axis(usize, String),
    /// The variant, where there are several.
    Variant,
    /// What came out.
    Verdict,
    /// Whether that was expected.
    Expected,
    /// How often one kind of anomaly occurred.
    Anomaly(AnomalyKind),
    /// Acknowledged operations.
    Acknowledged,
    /// The same a second.
    Rate,
    /// Their p99.
    P99,
}

impl Column {
    /// The columns of a table, in order.
    pub fn of(table: &MatrixTable) -> Vec<Self> {
        let axes = table.labels().into_iter().enumerate().map(|(number, label)| Self::Axis(number, label));
        let mut columns: Vec<Self> = axes.collect();
        if table.has_variants() || columns.is_empty() {
            columns.push(Self::Variant);
        }
        columns.extend([Self::Verdict, Self::Expected]);
        columns.extend(table.columns.iter().map(|kind| Self::Anomaly(*kind)));
        columns.extend([Self::Acknowledged, Self::Rate, Self::P99]);
        columns
    }

    /// Its heading.
    pub fn title(&self) -> &str {
        match self {
            Self::Axis(_, label) => label,
            Self::Variant => "variant",
            Self::Verdict => "verdict",
            Self::Expected => "as expected",
            Self::Anomaly(kind) => kind.name(),
            Self::Acknowledged => "acknowledged",
            Self::Rate => "ok/s",
            Self::P99 => "p99",
        }
    }

    /// Whether it says which cell it is, not what came out.
    pub fn is_axis(&self) -> bool {
        matches!(self, Self::Axis(..) | Self::Variant)
    }

    /// Whether it holds figures.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Anomaly(_) | Self::Acknowledged | Self::Rate | Self::P99)
    }

    /// What it says of a row.
    pub fn text(&self, row: &Row) -> Text {
        let plain = |text: String| Text { text, tone: Tone::Plain };
        let has_figures = row.sum.failed < row.runs.len();
        let figures = |text: String| plain(if has_figures { text } else { "–".to_owned() });
        match self {
            Self::Axis(number, _) => plain(row.values[*number].clone()),
            Self::Variant => plain(row.variant.clone()),
            Self::Verdict => verdict(row),
            Self::Expected => expected(row),
            Self::Anomaly(kind) => anomaly(row, *kind),
            Self::Acknowledged => figures(range(row.sum.acknowledged, grouped)),
            Self::Rate => figures(range(row.sum.ok_per_second, figure)),
            Self::P99 => plain(match row.sum.p99_ms {
                Some(p99) => range(p99, milliseconds),
                None if has_figures => "not usable".to_owned(),
                None => "–".to_owned(),
            }),
        }
    }
}

fn verdict(row: &Row) -> Text {
    let count = row.runs.len();
    if count == 0 {
        return Text { text: "not run".to_owned(), tone: Tone::Unsure };
    }
    let mut parts: Vec<(String, usize)> =
        row.sum.verdicts.iter().rev().map(|(verdict, runs)| (word(*verdict).to_owned(), *runs)).collect();
    if row.sum.failed > 0 {
        parts.insert(0, ("failed".to_owned(), row.sum.failed));
    }
    let text = match parts.as_slice() {
        [(word, _)] if count == 1 => word.clone(),
        [(word, runs)] => format!("{word} {runs} of {count}"),
        parts => {
            let parts: Vec<String> = parts.iter().map(|(word, runs)| format!("{word} {runs}")).collect();
            format!("{} of {count}", parts.join(", "))
        }
    };
    Text { text, tone: tone(row) }
}

fn tone(row: &Row) -> Tone {
    let has = |verdict: Verdict| row.sum.verdicts.contains_key(&verdict);
    match (row.is_as_expected(), row.is_judged) {
        (true, true) => Tone::Good,
        (true, false) => Tone::Plain,
        _ if row.sum.failed > 0 => Tone::Bad,
        _ if has(Verdict::Unknown) && !row.runs.iter().any(is_wrong) => Tone::Unsure,
        _ => Tone::Bad,
    }
}

/// Whether a run shows something that it should not, and not merely too little.
fn is_wrong(run: &super::RunRow) -> bool {
    !run.as_expected && run.verdict != Some(Verdict::Unknown)
}

fn expected(row: &Row) -> Text {
    let (good, count) = (row.sum.as_expected, row.runs.len());
    let text = match (row.is_judged, count) {
        (_, 0) => "–".to_owned(),
        (false, _) if good == count => "measured".to_owned(),
        (false, 1) if row.lacks_sight() => "not measured".to_owned(),
        (_, 1) if good == 1 => "yes".to_owned(),
        (_, 1) => "NO".to_owned(),
        _ => format!("{good} of {count}"),
    };
    Text { text, tone: if count == 0 { Tone::Unsure } else { tone(row) } }
}

/// `0` says that it was looked for and is not there; `?` that nobody can say; `–` that nobody looked.
fn anomaly(row: &Row, kind: AnomalyKind) -> Text {
    let Some(found) = row.found(kind) else { return Text { text: "–".to_owned(), tone: Tone::Plain } };
    let judged = row.runs.len() - row.sum.failed;
    let text = match (found.runs, judged) {
        (0, _) if found.unknown > 0 => "?".to_owned(),
        (0, _) if found.not_checked > 0 => "–".to_owned(),
        (0, _) => "0".to_owned(),
        (_, 1) => grouped(found.sum),
        (runs, _) => {
            let each = if found.least == found.most {
                grouped(found.least)
            } else {
                format!("{}–{}", grouped(found.least), grouped(found.most))
            };
            format!("{} ({each}), {runs} of {judged}", grouped(found.sum))
        }
    };
    Text { text, tone: if found.runs > 0 { Tone::Bad } else { Tone::Plain } }
}

fn range<T: Copy + PartialEq>(range: Range<T>, say: fn(T) -> String) -> String {
    let (least, most) = (say(range.least), say(range.most));
    if least == most { least } else { format!("{} ({least}–{most})", say(range.median)) }
}

/// A verdict in a word.
pub fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "valid",
        Verdict::Unknown => "unknown",
        Verdict::Invalid => "invalid",
    }
}
