//! The picture of a stuck prefix: a lane for each process, the partial linearization as numbered points, the value that
//! it leaves behind, and in red what has no place.

use maud::{Markup, PreEscaped, html};

use super::explain::{Held, Stuck, words_of};
use super::history::{History, Row, RowKind};
use super::value::Word;

/// At most so many operations are drawn: those that end last.
const OPERATIONS_AT_MOST: usize = 60;
/// Values of more characters are shortened.
const LONGEST: usize = 16;

const LEFT: f64 = 96.0;
const TOP: f64 = 64.0;
const LANE: f64 = 34.0;
const BAR: f64 = 22.0;
/// Between two events there is at least so much room.
const STEP: f64 = 16.0;
/// The width of a character, a little more than system fonts have at this size.
const CHARACTER: f64 = 7.2;

/// An operation that is drawn.
struct Bar {
    row: u32,
    label: String,
    /// The places of its invocation and its end among the events drawn.
    from: usize,
    to: usize,
    is_open: bool,
    lane: usize,
    /// The number in the partial linearization, from 1, and where it stands on the line of time.
    point: Option<(usize, f64)>,
}

/// Everything with its place.
struct Layout {
    bars: Vec<Bar>,
    /// The names of the lanes; a process with overlapping operations has several.
    lanes: Vec<String>,
    /// Where each event stands.
    x: Vec<f64>,
    width: f64,
    /// The value of the register from a place on, in words.
    values: Vec<(f64, String)>,
    hidden: usize,
}

/// Draws the prefix; one SVG document.
pub(super) fn draw(history: &History, rows: &[u32], stuck: &Stuck) -> String {
    let layout = Layout::new(history, rows, stuck);
    let height = TOP + LANE * (layout.lanes.len() as f64 + 1.0) + 16.0;
    let width = layout.width;
    let key = history.keys.show(history.rows[stuck.row as usize].key, 40);
    let title = key.map_or("The register".to_owned(), |key| format!("Key {key}"));
    let stuck_row = &history.rows[stuck.row as usize];
    let name = format!(
        "{title}: no order explains the {} by process {}",
        words_of(history, stuck_row, LONGEST),
        history.processes.name(stuck_row.who.process())
    );
    let hidden = match layout.hidden {
        0 => String::new(),
        1 => " One earlier operation is not drawn.".to_owned(),
        hidden => format!(" {hidden} earlier operations are not drawn."),
    };
    let picture = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height) viewBox={"0 0 " (width) " " (height)} role="img" {
            title { (name) }
            style { (PreEscaped(STYLE)) }
            rect class="ground" width="100%" height="100%" {}
            text class="head" x="12" y="24" { (name) }
            text class="note" x="12" y="44" {
                "The numbers are an order of everything else that had completed." (hidden)
            }
            (lanes(&layout))
            (values(&layout))
            @for bar in &layout.bars { (bar_of(history, &layout, bar, stuck)) }
            (line(&layout))
        }
    };
    picture.into_string()
}

const STYLE: &str = "
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.head { font-size: 14px; font-weight: 600; }
.note, .lane { fill: #59636e; }
.ground { fill: #ffffff; }
.rule { stroke: #d1d9e0; }
.bar { fill: #ddf4ff; stroke: #54aeff; }
.open { stroke-dasharray: 4 3; fill-opacity: 0.5; }
.stuck { fill: #ffd8d3; stroke: #cf222e; stroke-width: 2; }
.order { fill: none; stroke: #8250df; stroke-opacity: 0.45; stroke-width: 1.5; }
.point { fill: #8250df; }
.number { font-size: 10px; font-weight: 600; fill: #ffffff; text-anchor: middle; }
.value { stroke: #1a7f37; stroke-width: 2; }
.held { fill: #1a7f37; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.note, .lane { fill: #9198a1; }
.ground { fill: #0d1117; }
.rule { stroke: #30363d; }
.bar { fill: #12304d; stroke: #388bfd; }
.stuck { fill: #5c1a1b; stroke: #f85149; }
.order { stroke: #b083f0; }
.point { fill: #b083f0; }
.number { fill: #0d1117; }
.value { stroke: #3fb950; }
.held { fill: #3fb950; }
}
";

fn middle(lane: usize) -> f64 {
    TOP + LANE * (lane as f64 + 1.5)
}

fn lanes(layout: &Layout) -> Markup {
    html! {
        text class="lane" x="12" y=(TOP + LANE / 2.0 + 4.0) { "value" }
        @for (number, name) in layout.lanes.iter().enumerate() {
            line class="rule" x1="12" x2=(layout.width - 12.0) y1=(middle(number)) y2=(middle(number)) {}
            text class="lane" x="12" y=(middle(number) - 4.0) { (name) }
        }
    }
}

fn values(layout: &Layout) -> Markup {
    let y = TOP + LANE / 2.0;
    let ends = layout.values.iter().skip(1).map(|&(from, _)| from).chain([layout.width - 12.0]);
    html! {
        @for ((from, value), end) in layout.values.iter().zip(ends) {
            line class="value" x1=(round(*from)) x2=(round(end - 2.0)) y1=(y + 8.0) y2=(y + 8.0) {}
            text class="held" x=(round(*from)) y=(y + 3.0) { (fitting(value, end - from)) }
        }
    }
}

fn bar_of(history: &History, layout: &Layout, bar: &Bar, stuck: &Stuck) -> Markup {
    let (from, to, y) = (layout.x[bar.from], layout.x[bar.to], middle(bar.lane) - BAR / 2.0);
    let mut class = "bar".to_owned();
    if bar.is_open {
        class.push_str(" open");
    }
    if bar.row == stuck.row {
        class.push_str(" stuck");
    }
    let row = &history.rows[bar.row as usize];
    let [invoked, completed] = history.places[bar.row as usize].map(|place| place.line);
    let end = if row.is_open() { "never completed".to_owned() } else { format!("completed in line {completed}") };
    html! {
        g {
            title { (words_of(history, row, 80)) " by process " (history.processes.name(row.who.process())) ", invoked in line " (invoked) ", " (end) }
            rect class=(class) x=(from) y=(y) width=(to - from) height=(BAR) rx="4" {}
            text x=(from + 6.0) y=(y + BAR / 2.0 + 2.0) { (bar.label) }
        }
    }
}

fn line(layout: &Layout) -> Markup {
    let mut points: Vec<(usize, f64, f64)> = layout
        .bars
        .iter()
        .filter_map(|bar| bar.point.map(|(number, x)| (number, x, middle(bar.lane) + BAR / 2.0)))
        .collect();
    points.sort_unstable_by_key(|&(number, ..)| number);
    let path: Vec<String> = points.iter().map(|(_, x, y)| format!("{},{y}", round(*x))).collect();
    html! {
        polyline class="order" points=(path.join(" ")) {}
        @for (number, x, y) in points {
            circle class="point" cx=(round(x)) cy=(y) r="7.5" {}
            text class="number" x=(round(x)) y=(y + 3.5) { (number) }
        }
    }
}

/// A tenth of a pixel is exact enough.
fn round(place: f64) -> f64 {
    (place * 10.0).round() / 10.0
}

/// A text as far as there is room for it.
fn fitting(text: &str, room: f64) -> String {
    let characters = (room / CHARACTER) as usize;
    match text.chars().count() {
        count if count <= characters => text.to_owned(),
        _ if characters < 2 => String::new(),
        _ => text.chars().take(characters - 1).chain(['…']).collect(),
    }
}

impl Layout {
    fn new(history: &History, rows: &[u32], stuck: &Stuck) -> Self {
        let row = |number: u32| history.rows[number as usize];
        let mut drawn: Vec<u32> = rows.iter().copied().filter(|&number| is_part(&row(number), number, stuck)).collect();
        let count = drawn.len();
        // An open operation ends nowhere; unless it has a place in the order, only its beginning tells where it belongs.
        let end = |number: u32| if row(number).is_open() { row(number).invoked } else { row(number).completed };
        drawn.sort_unstable_by_key(|&number| (number != stuck.row, std::cmp::Reverse(end(number)), number));
        drawn.truncate(OPERATIONS_AT_MOST);
        drawn.sort_unstable_by_key(|&number| (row(number).invoked, number));
        let mut events: Vec<(u64, bool, u32)> = Vec::new();
        for &number in &drawn {
            events.push((row(number).invoked, false, number));
            if row(number).completed <= stuck.until {
                events.push((row(number).completed, true, number));
            }
        }
        events.sort_unstable();
        let place = |wanted: (u64, bool, u32)| events.binary_search(&wanted);
        let bars = drawn.iter().map(|&number| {
            let to = place((row(number).completed, true, number));
            Bar {
                row: number,
                label: label(history, &row(number)),
                from: place((row(number).invoked, false, number)).expect("its invocation is an event"),
                to: to.unwrap_or(events.len()),
                is_open: to.is_err(),
                lane: 0,
                point: None,
            }
        });
        let mut layout = Self {
            bars: bars.collect(),
            lanes: Vec::new(),
            x: Vec::new(),
            width: 0.0,
            values: Vec::new(),
            hidden: count - drawn.len(),
        };
        layout.assign_lanes(history);
        layout.spread(events.len());
        layout.set_points(history, stuck);
        layout
    }

    /// A lane for each process, more where a process went on without an answer.
    fn assign_lanes(&mut self, history: &History) {
        let process = |bar: &Bar| history.processes.name(history.rows[bar.row as usize].who.process());
        let mut order: Vec<usize> = (0..self.bars.len()).collect();
        order.sort_by_key(|&bar| (process(&self.bars[bar]), self.bars[bar].from));
        let mut free_from: Vec<(i64, usize)> = Vec::new();
        for number in order {
            let bar = &mut self.bars[number];
            let name = history.processes.name(history.rows[bar.row as usize].who.process());
            let lane = free_from.iter().position(|&(owner, free)| owner == name && free <= bar.from);
            bar.lane = lane.unwrap_or(free_from.len());
            if lane.is_none() {
                let is_first = free_from.iter().all(|&(owner, _)| owner != name);
                self.lanes.push(if is_first { format!("process {name}") } else { String::new() });
                free_from.push((name, 0));
            }
            free_from[bar.lane].1 = bar.to;
        }
    }

    /// Gives every event its place: in order, and so that each label fits into its bar.
    fn spread(&mut self, events: usize) {
        self.x = vec![LEFT; events + 1];
        for event in 1..=events {
            let after = self.bars.iter().filter(|bar| bar.to == event);
            let ends = after.map(|bar| self.x[bar.from] + bar.label.chars().count() as f64 * CHARACTER + 14.0);
            self.x[event] = ends.fold(self.x[event - 1] + STEP, f64::max).ceil();
        }
        self.width = (self.x[events] + 16.0).max(640.0);
    }

    /// Puts the points of the order on the line of time, each as early as it can be, and the values between them.
    fn set_points(&mut self, history: &History, stuck: &Stuck) {
        let mut held = Held::default();
        let (mut slots, mut slot) = (Vec::<(usize, usize, Option<String>)>::new(), 0);
        let mut before = held.show(&history.texts, LONGEST);
        for &number in &stuck.order {
            let row = &history.rows[number as usize];
            let changes = held.apply(row, &history.texts);
            let Some(bar) = self.bars.iter().position(|bar| bar.row == number) else {
                if changes && slots.is_empty() {
                    before = held.show(&history.texts, LONGEST);
                }
                continue;
            };
            slot = self.bars[bar].from.max(slot);
            slots.push((bar, slot, changes.then(|| held.show(&history.texts, LONGEST))));
        }
        self.values.push((LEFT, before));
        for (place, (bar, slot, value)) in slots.iter().enumerate() {
            let same = slots.iter().filter(|(_, other, _)| other == slot).count();
            let earlier = slots[..place].iter().filter(|(_, other, _)| other == slot).count();
            let (from, to) = (self.x[*slot], self.x[*slot + 1]);
            let x = from + (to - from) * (earlier as f64 + 1.0) / (same as f64 + 1.0);
            self.bars[*bar].point = Some((place + 1, x));
            if let Some(value) = value {
                self.values.push((x, value.clone()));
            }
        }
    }
}

/// Whether an operation is part of the prefix and says anything in it.
fn is_part(row: &Row, number: u32, stuck: &Stuck) -> bool {
    if row.invoked > stuck.until || row.says_nothing() {
        return false;
    }
    let only_observes = matches!(row.kind(), RowKind::Read | RowKind::FailedCas);
    number == stuck.row || row.completed <= stuck.until || !only_observes
}

fn label(history: &History, row: &Row) -> String {
    let show = |word: Word| word.show(&history.texts, LONGEST);
    match row.kind() {
        RowKind::Nothing => String::new(),
        RowKind::Read => format!("read {}", show(row.first)),
        RowKind::Write => format!("write {}", show(row.first)),
        RowKind::Cas => format!("cas {} → {}", show(row.first), show(row.second)),
        RowKind::FailedCas => format!("cas ≠ {}", show(row.first)),
        RowKind::Append => format!("append {}", show(row.first)),
    }
}
