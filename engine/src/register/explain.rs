//! Why there is no order, in words: the shortest stuck prefix, what cannot be placed in it, and what stands against it.

use serde_json::{Map, Value, json};

use super::history::{History, NO_INDEX, OPEN, Row, RowKind};
use super::judge::{Sign, has_order};
use super::options::Options;
use super::picture;
use super::search::{Outcome, Search};
use super::timeline::{Cut, Timeline};
use super::unique::Scratch;
use super::value::{Word, quote};
use crate::budget::{Budget, Exhausted};
use crate::text::Texts;
use crate::verdict::{Cited, Example};

/// Values and keys of more characters are shortened in sentences.
const LONGEST: usize = 48;

/// Of the partial linearization, so many operations are told at most: its last ones.
const ORDER_AT_MOST: usize = 60;

/// The shortest prefix of some rows, by completion, that has no order.
#[derive(Debug)]
pub(super) struct Stuck {
    /// The operation whose completion makes it so.
    pub(super) row: u32,
    /// When it completed.
    pub(super) until: u64,
    /// An order of all that had completed but for it, and of what was open as far as it took effect.
    pub(super) order: Vec<u32>,
}

/// How the key of these rows is called.
pub(super) fn name_of(history: &History, rows: &[u32], options: Options) -> String {
    let key = rows.first().map(|&row| history.rows[row as usize].key);
    match key.and_then(|key| history.keys.show(key, LONGEST)) {
        _ if !options.partition => "all keys together".to_owned(),
        Some(name) => format!("key {name}"),
        None => "the register".to_owned(),
    }
}

/// The example of rows that have no order, and its picture.
pub(super) fn example(
    history: &History,
    rows: &[u32],
    sign: Sign,
    options: Options,
    budget: &Budget,
) -> (Example, Option<String>) {
    let name = name_of(history, rows, options);
    match find(history, rows, sign, options, budget) {
        Ok(stuck) => {
            // Operations on other keys have nothing to do with it.
            let key = history.rows[stuck.row as usize].key;
            let rows: Vec<u32> = rows.iter().copied().filter(|&row| history.rows[row as usize].key == key).collect();
            let telling = Telling { history, rows: &rows, stuck: &stuck };
            let drawn = picture::draw(history, &rows, &stuck);
            (telling.example(), Some(drawn))
        }
        Err(exhausted) => {
            let explanation = format!(
                "{name}: no order of its {} operations explains all answers; which is the first that cannot be explained \
                 was not found out: {exhausted}",
                rows.len()
            );
            let mut item = Map::new();
            if options.partition
                && let Some(&row) = rows.first()
            {
                item.insert("key".to_owned(), history.keys.json(history.rows[row as usize].key));
            }
            (Example { explanation, operations: Vec::new(), item }, None)
        }
    }
}

/// Finds the shortest stuck prefix. What has no order has none with more operations either, so it can be halved.
fn find(history: &History, rows: &[u32], sign: Sign, options: Options, budget: &Budget) -> Result<Stuck, Exhausted> {
    let times = |number: u32| history.rows[number as usize];
    let mut ends: Vec<(u64, u32)> =
        rows.iter().map(|&number| (times(number).completed, number)).filter(|&(end, _)| end != OPEN).collect();
    ends.sort_unstable();
    // Rows that were recorded line by line are in the order of their invocations: then a prefix costs only itself.
    let is_in_order = rows.is_sorted_by_key(|&number| times(number).invoked);
    let known = |until: u64| {
        let count =
            if is_in_order { rows.partition_point(|&number| times(number).invoked <= until) } else { rows.len() };
        &rows[..count]
    };
    let mut scratch = Scratch::default();
    let mut is_stuck = |place: usize| {
        let until = ends[place].0;
        let cut = Cut { until, without: None };
        has_order(history, known(until), cut, options, budget, &mut scratch).map(|has_order| !has_order)
    };
    // [least, most] holds the first end that is stuck. It is seldom far from where it showed.
    let (mut least, mut most) = (0, ends.len() - 1);
    let mut probe = match sign {
        Sign::NotBefore(row) => {
            least = ends.partition_point(|&(end, _)| end < times(row).completed);
            least
        }
        Sign::Around(time) => ends.partition_point(|&(end, _)| end < time).min(most.saturating_sub(1)),
    };
    let (mut stride, mut was_stuck) = (1, None);
    while least < most && probe < most {
        let is_stuck = is_stuck(probe)?;
        if is_stuck {
            most = probe;
        } else {
            least = probe + 1;
        }
        if *was_stuck.get_or_insert(is_stuck) != is_stuck {
            break;
        }
        probe = if is_stuck { probe.saturating_sub(stride).max(least) } else { (probe + stride).min(most) };
        stride *= 2;
    }
    while least < most {
        let middle = least + (most - least) / 2;
        if is_stuck(middle)? {
            most = middle;
        } else {
            least = middle + 1;
        }
    }
    let until = ends[most].0;
    // Of several that completed at that moment it is one without which there is an order, if there is such a one.
    let mut found = None;
    for &(_, row) in ends.iter().filter(|&&(end, _)| end == until) {
        let cut = Cut { until, without: Some(row) };
        let mut timeline = Timeline::new(&history.rows, known(until), &history.texts, cut, options.reductions, budget)?;
        let mut search = Search::new(&mut timeline, &history.texts, options.reductions);
        let has_order = search.run(u64::MAX, budget)? == Outcome::Order;
        found = Some(Stuck { row, until, order: search.order() });
        if has_order {
            break;
        }
    }
    Ok(found.expect("the prefix ends with a completion"))
}

/// Tells of a stuck prefix.
struct Telling<'a> {
    history: &'a History,
    rows: &'a [u32],
    stuck: &'a Stuck,
}

impl Telling<'_> {
    fn example(&self) -> Example {
        let Stuck { row, until, ref order } = *self.stuck;
        let key = self.row(row).key;
        let own: Vec<u32> = order.iter().copied().filter(|&other| self.row(other).key == key).collect();
        let (reason, mut cited) = self.reason(&own);
        let prefix = self.rows.iter().filter(|&&other| self.row(other).invoked <= until).count();
        let name = self.history.keys.show(key, LONGEST).map_or("the register".to_owned(), |name| format!("key {name}"));
        let explanation =
            format!("{name}: no order explains the {} ({}): {reason}", self.describe(row), self.lines(row));
        cited.push(row);
        cited.sort_by_key(|&row| (self.row(row).invoked, row));
        cited.dedup();
        let mut item = Map::new();
        item.insert("key".to_owned(), self.history.keys.json(key));
        item.insert("stuck-line".to_owned(), self.history.places[row as usize][1].line.into());
        item.insert("prefix-operations".to_owned(), prefix.into());
        let told = own.len().saturating_sub(ORDER_AT_MOST);
        let places: Vec<Value> = own[told..]
            .iter()
            .map(|&row| json!({"line": self.history.places[row as usize][0].line, "text": self.describe(row)}))
            .collect();
        item.insert("partial-linearization".to_owned(), places.into());
        let operations = cited.iter().flat_map(|&row| self.cite(row)).collect();
        Example { explanation, operations, item }
    }

    /// What stands against the stuck operation, and the operations that this cites.
    fn reason(&self, order: &[u32]) -> (String, Vec<u32>) {
        let stuck = self.row(self.stuck.row);
        let seen = Held::of(stuck.first, &self.history.texts);
        let Values { steps, now } = self.values(order, &seen);
        let shown = self.show(&now);
        let set_by = steps.last().map(|&(row, _)| row);
        let by = set_by.map_or(" since the beginning".to_owned(), |row| {
            format!(", set by the {} ({})", self.describe(row), self.lines(row))
        });
        let mut cited: Vec<u32> = set_by.into_iter().collect();
        match stuck.kind() {
            RowKind::FailedCas => {
                let text = format!("it must have seen another value, but all the while {shown} was there{by}");
                (text, cited)
            }
            RowKind::Append => (format!("nothing can be appended to the integer {shown}{by}"), cited),
            _ if !self.is_written(&seen, &steps) => {
                let wanted = self.show(&seen);
                (format!("nothing invoked before it ended leaves {wanted} behind; the value is {shown}{by}"), cited)
            }
            _ => {
                let wanted = self.show(&seen);
                let writer = steps.iter().rposition(|&(_, is_seen)| is_seen);
                let text = match writer {
                    None if seen == Held::default() => {
                        format!("null cannot be there any more; the value is {shown}{by}")
                    }
                    None => format!("what leaves {wanted} behind cannot take effect in time; the value is {shown}{by}"),
                    Some(place) => {
                        let (writer, _) = steps[place];
                        cited.push(writer);
                        let over = steps.get(place + 1).map(|&(row, _)| row);
                        cited.extend(over);
                        let over = over.filter(|&row| Some(row) != set_by).map_or(String::new(), |row| {
                            format!(" was overwritten by the {} ({}) and", self.describe(row), self.lines(row))
                        });
                        let (writer, lines) = (self.describe(writer), self.lines(writer));
                        format!(
                            "{wanted}, left behind by the {writer} ({lines}),{over} cannot be there any more; the value is {shown}{by}"
                        )
                    }
                };
                (text, cited)
            }
        }
    }

    /// Whether an operation that may take effect before the stuck one ended leaves this value behind.
    fn is_written(&self, seen: &Held, steps: &[(u32, bool)]) -> bool {
        let writes = |row: Row| match row.kind() {
            RowKind::Write => Held::of(row.first, &self.history.texts) == *seen,
            RowKind::Cas => Held::of(row.second, &self.history.texts) == *seen,
            _ => false,
        };
        *seen == Held::default()
            || steps.iter().any(|&(_, is_seen)| is_seen)
            || self.rows.iter().any(|&other| {
                let row = self.row(other);
                other != self.stuck.row && row.invoked <= self.stuck.until && writes(row)
            })
    }

    /// How an order changes the value, and where it becomes the one that was seen.
    fn values(&self, order: &[u32], seen: &Held) -> Values {
        let mut values = Values { steps: Vec::new(), now: Held::default() };
        for &number in order {
            if values.now.apply(&self.row(number), &self.history.texts) {
                values.steps.push((number, values.now == *seen));
            }
        }
        values
    }

    fn row(&self, number: u32) -> Row {
        self.history.rows[number as usize]
    }

    fn show(&self, held: &Held) -> String {
        held.show(&self.history.texts, LONGEST)
    }

    fn describe(&self, number: u32) -> String {
        let row = self.row(number);
        format!(
            "{} by process {}",
            words_of(self.history, &row, LONGEST),
            self.history.processes.name(row.who.process())
        )
    }

    fn lines(&self, number: u32) -> String {
        let [invoked, completed] = self.history.places[number as usize].map(|place| place.line);
        if self.row(number).is_open() {
            format!("line {invoked}, never completed")
        } else if invoked == completed {
            format!("line {invoked}")
        } else {
            format!("lines {invoked}–{completed}")
        }
    }

    fn cite(&self, number: u32) -> Vec<Cited> {
        let indices = self.history.indices.get(number as usize).copied().unwrap_or([NO_INDEX; 2]);
        let places = self.history.places[number as usize];
        let count = if places[0] == places[1] { 1 } else { 2 };
        let text = self.describe(number);
        (0..count)
            .map(|side| Cited {
                line: places[side].line,
                index: Some(indices[side]).filter(|&index| index != NO_INDEX),
                ordinal: places[side].ordinal,
                text: format!("{} {text}", if side == 0 { "invoked:" } else { "completed:" }),
            })
            .collect()
    }
}

/// A value that a register holds at some place of an order; texts that appends made are in no table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Held {
    Word(Word),
    Text(String),
}

impl Default for Held {
    fn default() -> Self {
        Self::Word(Word::NULL)
    }
}

impl Held {
    fn of(word: Word, texts: &Texts) -> Self {
        let mut held = Self::Word(word);
        if !word.is_integer() {
            held.append(Word::NULL, texts);
        }
        held
    }

    /// The operation takes effect: whether it is one that changes the value.
    pub(super) fn apply(&mut self, row: &Row, texts: &Texts) -> bool {
        match row.kind() {
            RowKind::Write => *self = Self::of(row.first, texts),
            RowKind::Cas if row.first != row.second => *self = Self::of(row.second, texts),
            RowKind::Append => self.append(row.first, texts),
            _ => return false,
        }
        true
    }

    pub(super) fn show(&self, texts: &Texts, longest: usize) -> String {
        match self {
            Self::Word(word) => word.show(texts, longest),
            Self::Text(text) => quote(text, longest),
        }
    }

    fn append(&mut self, suffix: Word, texts: &Texts) {
        let suffix = suffix.text(texts).unwrap_or("");
        match self {
            Self::Text(text) => text.push_str(suffix),
            Self::Word(word) => {
                let text = format!("{}{suffix}", word.text(texts).unwrap_or(""));
                *self = if text.is_empty() { Self::Word(Word::NULL) } else { Self::Text(text) };
            }
        }
    }
}

/// How an order changes the value of a register.
struct Values {
    /// The operations that change it, and whether each leaves the value behind that was seen.
    steps: Vec<(u32, bool)>,
    /// The last value.
    now: Held,
}

/// What an operation did, in words.
pub(super) fn words_of(history: &History, row: &Row, longest: usize) -> String {
    let show = |word: Word| word.show(&history.texts, longest);
    match row.kind() {
        RowKind::Nothing => "operation without effect".to_owned(),
        RowKind::Read => format!("read of {}", show(row.first)),
        RowKind::Write => format!("write of {}", show(row.first)),
        RowKind::Cas => format!("cas from {} to {}", show(row.first), show(row.second)),
        RowKind::FailedCas => format!("failed cas from {}", show(row.first)),
        RowKind::Append if row.first == Word::NULL => "append of \"\"".to_owned(),
        RowKind::Append => format!("append of {}", show(row.first)),
    }
}
