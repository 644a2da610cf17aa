//! Lines and bars on axes with units; fault windows shaded, what a cluster did marked.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::svg::Role;

/// Width of a drawing; texts keep a readable size from a 360 px page up to a third of a wide one.
const WIDTH: i32 = 460;

/// Height of a drawing below its legend.
const HEIGHT: i32 = 200;

/// Height of one row of the legend.
const LEGEND_ROW: i32 = 20;

/// Height of a row above the axes, for the numbers of faults, and for letters.
const LABEL_ROW: u32 = 18;

/// Width left of the axes: the same in every plot, so that plots below each other share their time axis.
const Y_LABELS: u32 = 62;

/// Text size.
const TEXT: u32 = 16;

/// Letters closer than this, in pixels, become one text.
const CROWDED: i32 = 14;

/// How wide a character is at most, in hundredths of a pixel: texts are laid out without measuring a font.
const CHARACTER: i32 = 730;

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Its stretches: a gap is where nothing was measured.
    pub stretches: Vec<Vec<(f64, f64)>>,
    /// Its place in the palette.
    pub color: usize,
}

/// A shaded stretch of time with the number of its fault.
#[derive(Debug, Clone, PartialEq)]
pub struct Shade {
    /// From, seconds.
    pub from: f64,
    /// To, seconds.
    pub to: f64,
    /// What stands above it.
    pub label: String,
}

/// A moment with a letter.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// When, seconds.
    pub at: f64,
    /// What stands above it.
    pub label: String,
}

/// A plot of lines.
#[derive(Debug, Clone, PartialEq)]
pub struct LineChart {
    /// The horizontal axis.
    pub x: Axis,
    /// Its name and unit.
    pub x_name: String,
    /// The vertical axis.
    pub y: Axis,
    /// Its name and unit.
    pub y_name: String,
    /// The lines.
    pub series: Vec<Series>,
    /// Fault windows.
    pub shades: Vec<Shade>,
    /// What a cluster did.
    pub marks: Vec<Mark>,
}

/// Bars side by side for each category.
#[derive(Debug, Clone, PartialEq)]
pub struct BarChart {
    /// The categories' names.
    pub categories: Vec<String>,
    /// Their axis' name.
    pub x_name: String,
    /// The vertical axis' name and unit.
    pub y_name: String,
    /// Name, and a value for each category.
    pub series: Vec<(String, Vec<u64>)>,
    /// The largest value that the vertical axis must hold.
    pub largest: u64,
}

/// The area that plotters draws on.
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

impl LineChart {
    /// Draws it.
    pub fn draw(&self) -> String {
        let names: Vec<(String, Role)> = self
            .series
            .iter()
            .enumerate()
            .map(|(place, series)| (series.name.clone(), Role::Line(series.color, place)))
            .collect();
        let height = HEIGHT + self.letter_row();
        drawing(&self.y_name, &names, height, |area| self.draw_on(area))
    }

    fn label_rows(&self) -> u32 {
        if self.marks.is_empty() { 1 } else { 2 }
    }

    /// Height of the row of letters, where there are any.
    fn letter_row(&self) -> i32 {
        (LABEL_ROW * (self.label_rows() - 1)).cast_signed()
    }

    fn draw_on(&self, area: &Area) -> Drawn {
        let mut chart = frame(area, &self.x, &self.y, self.label_rows())?;
        for shade in &self.shades {
            let color = Role::Shade.color().mix(0.16);
            let corners = [(shade.from.max(self.x.from), self.y.from), (shade.to.min(self.x.to), self.y.to)];
            chart.draw_series([Rectangle::new(corners, color.filled())])?;
        }
        mesh(&mut chart, &self.x, &self.y, &self.x_name)?;
        let marked = Role::Mark.color().stroke_width(1);
        for mark in &self.marks {
            chart.draw_series([PathElement::new([(mark.at, self.y.from), (mark.at, self.y.to)], marked)])?;
        }
        let above = |at: f64| within(area, chart.backend_coord(&(at, self.y.to)));
        let letters = crowds(self.marks.iter().map(|mark| (above(mark.at), mark.label.as_str())));
        labels(area, Role::Mark, letters.iter().map(|(place, letters)| (*place, letters.as_str())))?;
        // Numbers of faults stand above the letters, where there are any.
        let row = self.letter_row();
        let numbers = self.shades.iter().map(|shade| {
            let (x, y) = above(f64::midpoint(shade.from.max(self.x.from), shade.to.min(self.x.to)));
            ((x, y - row), shade.label.as_str())
        });
        labels(area, Role::Ink, numbers)?;
        for (place, series) in self.series.iter().enumerate() {
            let style = Role::Line(series.color, place).color().stroke_width(2);
            for stretch in &series.stretches {
                match stretch.as_slice() {
                    // A single point has no line to show.
                    [point] => chart.draw_series([Circle::new(*point, 2, style.filled())]).map(|_| ())?,
                    points => chart.draw_series(LineSeries::new(points.iter().copied(), style)).map(|_| ())?,
                }
            }
        }
        Ok(())
    }
}

/// Letters that stand too close for each to be read, as one text over them: `c–e`.
fn crowds<'a>(letters: impl Iterator<Item = ((i32, i32), &'a str)>) -> Vec<((i32, i32), String)> {
    let mut crowds: Vec<(i32, i32, i32, &str, &str)> = Vec::new();
    for ((x, y), letter) in letters {
        match crowds.last_mut() {
            Some((_, last, _, _, end)) if x - *last < CROWDED => (*last, *end) = (x, letter),
            _ => crowds.push((x, x, y, letter, letter)),
        }
    }
    let one = |(first, last, y, from, to): (i32, i32, i32, &str, &str)| {
        let text = if from == to { from.to_owned() } else { format!("{from}–{to}") };
        ((i32::midpoint(first, last), y), text)
    };
    crowds.into_iter().map(one).collect()
}

/// Texts in one row, from left to right.
fn labels<'a>(area: &Area, role: Role, labels: impl Iterator<Item = ((i32, i32), &'a str)>) -> Drawn {
    let mut free_from = i32::MIN;
    for ((x, y), label) in labels {
        let half = text_width(label) / 2;
        // Two texts never overlap: the later one of a crowd is left out, what it names still stands.
        if x - half > free_from {
            let style = TextStyle {
                color: role.color().to_backend_color(),
                ..text_style(Pos::new(HPos::Center, VPos::Bottom))
            };
            area.draw_text(label, &style, (x, y - 2))?;
            free_from = x + half + 2;
        }
    }
    Ok(())
}

impl BarChart {
    /// Draws it.
    pub fn draw(&self) -> String {
        let names: Vec<(String, Role)> =
            self.series.iter().enumerate().map(|(index, (name, _))| (name.clone(), Role::Bar(index))).collect();
        drawing(&self.y_name, &names, HEIGHT, |area| self.draw_on(area))
    }

    fn draw_on(&self, area: &Area) -> Drawn {
        // Room for the figures above the bars.
        let y = Axis::linear(self.largest as f64 * 1.12, 4);
        let x = Axis {
            from: -0.5,
            to: self.categories.len() as f64 - 0.5,
            ticks: (0..self.categories.len()).map(|index| index as f64).collect(),
            labels: self.categories.clone(),
        };
        let mut chart = frame(area, &x, &y, 1)?;
        mesh(&mut chart, &x, &y, &self.x_name)?;
        let width = 0.8 / self.series.len().max(1) as f64;
        for (series, (_, values)) in self.series.iter().enumerate() {
            let style = Role::Bar(series).color().filled();
            for (category, value) in values.iter().enumerate().filter(|(_, value)| **value > 0) {
                let left = category as f64 - 0.4 + series as f64 * width;
                let height = (*value as f64).max(y.to / 190.0);
                chart.draw_series([Rectangle::new([(left, 0.0), (left + width * 0.92, height)], style)])?;
                let (pixel_x, pixel_y) = within(area, chart.backend_coord(&(left + width * 0.46, height)));
                // Two figures in one category stand side by side only where there is room for both.
                if self.series.len() * self.categories.len() <= 9 {
                    let anchor = text_style(Pos::new(HPos::Center, VPos::Bottom));
                    area.draw_text(&short(*value), &anchor, (pixel_x, pixel_y - 1))?;
                }
            }
        }
        Ok(())
    }
}

/// What drawing yields.
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// The coordinates of every chart.
type Coordinates = Cartesian2d<Axis, Axis>;

fn frame<'a, 'b>(
    area: &'b Area<'a>,
    x: &Axis,
    y: &Axis,
    label_rows: u32,
) -> Result<ChartContext<'b, SVGBackend<'a>, Coordinates>, Box<dyn std::error::Error>> {
    Ok(ChartBuilder::on(area)
        .margin_right(16)
        .margin_top(LABEL_ROW * label_rows)
        .margin_bottom(4)
        .x_label_area_size(42)
        .y_label_area_size(Y_LABELS)
        .build_cartesian_2d(x.clone(), y.clone())?)
}

fn mesh(chart: &mut ChartContext<SVGBackend, Coordinates>, x: &Axis, y: &Axis, x_name: &str) -> Drawn {
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(Role::Grid.color())
        .axis_style(Role::Grid.color())
        .x_labels(x.ticks.len())
        .y_labels(y.ticks.len())
        .x_desc(x_name)
        .label_style(("sans-serif", TEXT, &Role::Ink.color()))
        .axis_desc_style(("sans-serif", TEXT, &Role::Ink.color()))
        .draw()?;
    Ok(())
}

/// A position of the whole drawing as one of an area in it.
fn within(area: &Area, (x, y): (i32, i32)) -> (i32, i32) {
    let (left, top) = area.get_base_pixel();
    (x - left, y - top)
}

/// A drawing with its legend above: the vertical axis' name first, then each series.
fn drawing(y_name: &str, names: &[(String, Role)], height: i32, draw: impl Fn(&Area) -> Drawn) -> String {
    let legend = Legend::of(y_name, names);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (WIDTH.unsigned_abs(), (height + legend.height).unsigned_abs()))
            .into_drawing_area();
        let (above, below) = area.split_vertically(legend.height);
        // A string as the target cannot fail; a coordinate that is not a number would be an own bug.
        legend.draw(&above).and_then(|()| draw(&below)).expect("drawing into a string succeeds");
        area.present().expect("presenting a string succeeds");
    }
    text
}

/// At most this wide, in pixels.
fn text_width(text: &str) -> i32 {
    let characters = i32::try_from(text.chars().count()).unwrap_or(i32::MAX / CHARACTER);
    characters * CHARACTER / 100
}

/// Where the legend's parts stand.
struct Legend {
    parts: Vec<(i32, i32, String, Option<Role>)>,
    height: i32,
}

impl Legend {
    fn of(y_name: &str, names: &[(String, Role)]) -> Self {
        let mut parts = vec![(2, 0, y_name.to_owned(), None)];
        let (mut x, mut y) = (text_width(y_name) + 16, 0);
        for (name, role) in names {
            let name = clipped(name);
            let wide = 28 + text_width(&name) + 12;
            if x + wide > WIDTH {
                (x, y) = (2, y + LEGEND_ROW);
            }
            parts.push((x, y, name, Some(*role)));
            x += wide;
        }
        Self { parts, height: y + LEGEND_ROW + 4 }
    }

    fn draw(&self, area: &Area) -> Drawn {
        for (x, y, name, role) in &self.parts {
            let middle = y + LEGEND_ROW / 2;
            let mut from = *x;
            match role {
                Some(role @ Role::Bar(_)) => {
                    area.draw(&Rectangle::new([(from, middle - 4), (from + 10, middle + 5)], role.color().filled()))?;
                    from += 15;
                }
                Some(role) => {
                    area.draw(&PathElement::new([(from, middle), (from + 22, middle)], role.color().stroke_width(2)))?;
                    from += 28;
                }
                None => {}
            }
            area.draw_text(name, &text_style(Pos::new(HPos::Left, VPos::Center)), (from, middle))?;
        }
        Ok(())
    }
}

fn text_style(position: Pos) -> TextStyle<'static> {
    TextStyle { color: Role::Ink.color().to_backend_color(), ..TextStyle::from(("sans-serif", TEXT).into_font()) }
        .pos(position)
}

/// A name that may come from a system under test, at a length that fits one row.
fn clipped(name: &str) -> String {
    if name.chars().count() <= 36 { name.to_owned() } else { name.chars().take(35).chain(['…']).collect() }
}

fn short(value: u64) -> String {
    if value >= 10_000 { format!("{:.1}k", value as f64 / 1e3) } else { value.to_string() }
}
