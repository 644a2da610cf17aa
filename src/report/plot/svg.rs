//! From plotters' fixed colours to CSS variables.
//!
//! Plotters knows only colours as numbers. Each colour used here is a number that stands for a role; afterwards the
//! roles become `var(--…)`, which pages define for light and dark. A plot as a file of its own brings its own
//! definitions.

use plotters::style::RGBColor;

/// Variables of the plots, light and dark; shared with the pages. The series are Okabe and Ito's palette (safe for
/// colour-blind readers), darkened or lightened until each has a contrast of at least 3 : 1 on its page.
pub const VARIABLES: &str = include_str!("plot.css");

/// How many series have a colour and dash pattern of their own.
pub const SERIES: usize = 8;

/// Dash patterns by series: the colour is never the only difference.
const DASHES: [&str; SERIES] = ["", "7 3", "2 3", "9 3 2 3", "4 2", "1 2", "12 4", "5 2 1 2 1 2"];

/// A role that a colour stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Texts and axes.
    Ink,
    /// Grid lines.
    Grid,
    /// Fault windows.
    Shade,
    /// What a cluster did.
    Mark,
    /// The line of a series: its colour, and its place in the plot, which gives its dash pattern.
    Line(usize, usize),
    /// The filled bars of a series.
    Bar(usize),
}

impl Role {
    /// The number that stands for it.
    pub fn color(self) -> RGBColor {
        match self {
            Self::Ink => RGBColor(1, 1, 1),
            Self::Grid => RGBColor(1, 1, 2),
            Self::Shade => RGBColor(1, 1, 3),
            Self::Mark => RGBColor(1, 1, 4),
            Self::Line(series, place) => RGBColor(1, 16 + (place % SERIES) as u8, (series % SERIES) as u8),
            Self::Bar(series) => RGBColor(1, 3, (series % SERIES) as u8),
        }
    }
}

/// One plot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plot {
    /// The file's name, without its ending.
    pub name: &'static str,
    /// What it shows; also read aloud by screen readers.
    pub title: String,
    /// One sentence below it.
    pub caption: String,
    /// The drawing, to be put into a page.
    pub svg: String,
}

impl Plot {
    /// A plot from what plotters drew.
    pub fn new(name: &'static str, title: &str, caption: &str, drawn: &str) -> Self {
        Self { name, title: title.to_owned(), caption: caption.to_owned(), svg: themed(drawn, title) }
    }

    /// The same plot under another title, on the page and for screen readers.
    #[must_use]
    pub fn titled(mut self, title: &str) -> Self {
        let start = self.svg.find("<title>").expect("every plot has a title");
        let end = self.svg.find("</title>").expect("which ends") + "</title>".len();
        self.svg.replace_range(start..end, &title_element(title));
        title.clone_into(&mut self.title);
        self
    }

    /// The drawing as a file of its own.
    pub fn standalone(&self) -> String {
        let style = format!("<style>{VARIABLES} svg{{background:var(--page)}}</style>");
        let start = self.svg.find('>').expect("an SVG has a first tag") + 1;
        format!("{}{style}{}", &self.svg[..start], &self.svg[start..])
    }
}

fn themed(drawn: &str, title: &str) -> String {
    let mut svg = drawn.to_owned();
    for (role, variable) in
        [(Role::Ink, "ink-soft"), (Role::Grid, "grid"), (Role::Shade, "shade"), (Role::Mark, "mark")]
    {
        svg = svg.replace(&hex(role), &format!("var(--{variable})"));
    }
    for series in 0..SERIES {
        for (place, dash) in DASHES.iter().enumerate() {
            let dash = if dash.is_empty() { String::new() } else { format!("\" stroke-dasharray=\"{dash}") };
            let stroke = format!("stroke=\"{}", hex(Role::Line(series, place)));
            svg = svg.replace(&stroke, &format!("stroke=\"var(--series-{series}){dash}"));
            svg = svg.replace(&hex(Role::Line(series, place)), &format!("var(--series-{series})"));
        }
        svg = svg.replace(&hex(Role::Bar(series)), &format!("var(--series-{series})"));
    }
    // The size comes from the page; the drawing only has its shape.
    let start = svg.find("viewBox").expect("plotters writes a viewBox");
    let title = title_element(title);
    let rest = svg[start..].replacen('>', &format!(" role=\"img\">{title}"), 1);
    format!("<svg {rest}")
}

fn title_element(title: &str) -> String {
    maud::html! { title { (title) } }.into_string()
}

fn hex(role: Role) -> String {
    let RGBColor(red, green, blue) = role.color();
    format!("#{red:02X}{green:02X}{blue:02X}")
}
