//! The fast path: values that are written once, among them versioned documents.
//!
//! Where each value is written by one operation only, every read and every compare-and-set says whom it saw. A value's
//! writer, its readers and the compare-and-set that replaced it stand in a fixed order, and so chains come about: a write
//! (or the null of the beginning) and the compare-and-sets that follow one another from it. Nothing else can be written
//! in the middle of a chain. This is Gibbons & Korach ("Testing shared memories", 1997) with chains for their clusters:
//!
//! - Within a chain each value has an earliest moment at which it can have been set: after its invocation, after that of
//!   the value before, and after the invocations of all that read the value before. It must not be later than its
//!   completion and those of its readers.
//! - A chain whose first completion is before its last invocation is under way in all the time between: a forward zone.
//!   Two of them must not overlap. Any other chain can happen at one moment between its last invocation and its first
//!   completion: one such moment must lie in no forward zone.
//!
//! Both are needed and together enough: the chains, in the order of their zones, are an order. Open writes that nobody
//! saw are left out, they may never have taken effect.
//!
//! On a document that is changed by compare-and-set alone there is one chain, and the order of its values is settled.
//! Failed compare-and-sets are then observations against it: each must touch a moment before its value was set, or one
//! after it was replaced ([`Settled`]). With several chains they are tried against the order that was found; when one of
//! them does not fit, another order may still do, and the search decides.

use super::history::{OPEN, Row, RowKind};
use super::timeline::Cut;
use super::value::Word;
use crate::budget::{Budget, Exhausted};
use hashbrown::HashMap;

/// What the fast path says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unique {
    /// There is an order.
    Order,
    /// There is none, and about at this time of the history that shows; a hint where to look for the first sign.
    None { around: u64 },
    /// It cannot tell.
    Declined,
}

/// No value.
const NOBODY: u32 = u32::MAX;
/// The value before the first of a chain.
const HEAD: u32 = u32::MAX - 1;
/// The number of null.
const NULL: u32 = 0;

/// The budget is asked once in so many rows.
const ROWS_PER_CHECK: usize = 1 << 16;

/// What is known of a value. Times are one later than the history's: 0 is before everything.
#[derive(Debug, Clone, Copy)]
struct Value {
    /// The invocation of its writer.
    invoked: u64,
    /// The first completion of its writer and its readers.
    completed: u64,
    /// The last invocation of its readers.
    read: u64,
    /// The value that its writer replaced; [`HEAD`] for a write, [`NOBODY`] when nobody writes it.
    before: u32,
    /// The value that replaced it by compare-and-set, or [`NOBODY`].
    next: u32,
    /// Whether it certainly was there.
    needed: bool,
}

/// A compare-and-set that failed.
#[derive(Debug, Clone, Copy)]
struct Failed {
    value: u32,
    invoked: u64,
    completed: u64,
}

/// A chain, and the time that it needs.
#[derive(Debug, Clone, Copy)]
struct Zone {
    start: u64,
    end: u64,
    head: u32,
}

/// The values of one key.
#[derive(Debug, Default)]
struct Register {
    values: Vec<Value>,
    failed: Vec<Failed>,
    /// Whether there are open writes that nobody saw.
    has_unseen: bool,
}

/// What one key after the other uses, so that a million small ones do not ask for memory ten times each.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    rows: Vec<Row>,
    register: Register,
    heads: Vec<u32>,
    order: Vec<u32>,
    settled: Settled,
}

/// The rows of a key lie far from one another; of so few a copy is made, for the second look at them.
const ROWS_COPIED: usize = 1 << 14;

/// The rows of one key.
#[derive(Debug, Clone, Copy)]
enum Rows<'a> {
    Copied(&'a [Row]),
    There { rows: &'a [Row], numbers: &'a [u32], cut: Cut },
}

impl Rows<'_> {
    fn len(self) -> usize {
        match self {
            Self::Copied(rows) => rows.len(),
            Self::There { numbers, .. } => numbers.len(),
        }
    }

    /// The row at a place; `None` when it says nothing.
    fn get(self, place: usize) -> Option<Row> {
        match self {
            Self::Copied(rows) => Some(rows[place]),
            Self::There { rows, numbers, cut } => cut.apply(numbers[place], &rows[numbers[place] as usize]),
        }
    }
}

/// Decides these rows, as they were known at the cut, where each value is written once.
pub(super) fn decide(
    rows: &[Row],
    numbers: &[u32],
    cut: Cut,
    budget: &Budget,
    scratch: &mut Scratch,
) -> Result<Unique, Exhausted> {
    let mut copied = std::mem::take(&mut scratch.rows);
    let rows = if numbers.len() <= ROWS_COPIED {
        copied.clear();
        copied.extend(numbers.iter().filter_map(|&number| cut.apply(number, &rows[number as usize])));
        Rows::Copied(&copied)
    } else {
        Rows::There { rows, numbers, cut }
    };
    let decided = decide_rows(rows, budget, scratch);
    scratch.rows = copied;
    decided
}

fn decide_rows(rows: Rows<'_>, budget: &Budget, scratch: &mut Scratch) -> Result<Unique, Exhausted> {
    let Some(numbering) = Numbering::new(rows, budget)? else { return Ok(Unique::Declined) };
    let held = (numbering.bound() * size_of::<Value>()) as u64;
    budget.hold(held)?;
    let decided = match scratch.register.collect(rows, numbering, budget) {
        Ok(true) => scratch.decide(budget),
        Ok(false) => Ok(Unique::Declined),
        Err(exhausted) => Err(exhausted),
    };
    budget.release(held);
    decided
}

/// How values become numbers: null is 0.
enum Numbering {
    /// Integers that lie close together: by subtraction.
    Close { least: i64, count: usize },
    /// Anything, in the order of first use.
    Table(HashMap<Word, u32>, usize),
}

impl Numbering {
    /// `None` when there are appends, which write values that no operation names.
    fn new(rows: Rows<'_>, budget: &Budget) -> Result<Option<Self>, Exhausted> {
        let (mut least, mut greatest, mut are_integers) = (i64::MAX, i64::MIN, true);
        for place in 0..rows.len() {
            if place % ROWS_PER_CHECK == ROWS_PER_CHECK - 1 {
                budget.check()?;
            }
            let Some(row) = rows.get(place) else { continue };
            if row.kind() == RowKind::Append {
                return Ok(None);
            }
            for word in [row.first, row.second] {
                match word.small_integer() {
                    Some(integer) => (least, greatest) = (least.min(integer), greatest.max(integer)),
                    None => are_integers &= word == Word::NULL,
                }
            }
        }
        // Small integers have 62 bits: the difference does not overflow where there are any.
        let spread = greatest.wrapping_sub(least);
        let is_close = are_integers && least <= greatest && spread < 2 * i64::from(rows.len() as u32) + 64;
        Ok(Some(if is_close {
            Self::Close { least, count: spread as usize + 2 }
        } else {
            Self::Table(HashMap::from_iter([(Word::NULL, NULL)]), 2 * rows.len() + 1)
        }))
    }

    /// There are at most so many values.
    fn bound(&self) -> usize {
        match self {
            Self::Close { count, .. } | Self::Table(_, count) => *count,
        }
    }

    fn of(&mut self, word: Word) -> u32 {
        match self {
            Self::Close { least, .. } => word.small_integer().map_or(NULL, |integer| (integer - *least) as u32 + 1),
            Self::Table(table, _) => {
                let next = table.len() as u32;
                *table.entry(word).or_insert(next)
            }
        }
    }
}

/// A value of which nothing is known.
const BLANK: Value = Value { invoked: 0, completed: OPEN, read: 0, before: NOBODY, next: NOBODY, needed: false };

impl Register {
    /// Takes in what each value's operations say; `false` when one is written twice.
    fn collect(&mut self, rows: Rows<'_>, mut numbering: Numbering, budget: &Budget) -> Result<bool, Exhausted> {
        let count = if let Numbering::Close { count, .. } = numbering { count } else { 1 };
        self.values.clear();
        self.values.resize(count, BLANK);
        self.values[NULL as usize].needed = true;
        self.failed.clear();
        self.has_unseen = false;
        for place in 0..rows.len() {
            if place % ROWS_PER_CHECK == ROWS_PER_CHECK - 1 {
                budget.check()?;
            }
            let Some(row) = rows.get(place) else { continue };
            if !self.take(&row, &mut numbering) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn take(&mut self, row: &Row, numbering: &mut Numbering) -> bool {
        let (invoked, completed) = (row.invoked + 1, row.completed.saturating_add(1));
        let (written, before) = match row.kind() {
            RowKind::Nothing | RowKind::Append => return true,
            RowKind::FailedCas => {
                let value = self.number(row.first, numbering);
                self.failed.push(Failed { value, invoked, completed });
                return true;
            }
            // What changes nothing is a read.
            RowKind::Cas if row.first == row.second && row.is_open() => return true,
            RowKind::Cas if row.first != row.second => {
                (self.number(row.second, numbering), self.number(row.first, numbering))
            }
            RowKind::Read | RowKind::Cas => {
                let value = self.number(row.first, numbering);
                let value = &mut self.values[value as usize];
                value.read = value.read.max(invoked);
                value.completed = value.completed.min(completed);
                value.needed = true;
                return true;
            }
            RowKind::Write => (self.number(row.first, numbering), HEAD),
        };
        let value = &mut self.values[written as usize];
        if written == NULL || value.before != NOBODY {
            return false;
        }
        value.invoked = invoked;
        value.completed = value.completed.min(completed);
        value.before = before;
        value.needed |= !row.is_open();
        true
    }

    fn number(&mut self, word: Word, numbering: &mut Numbering) -> u32 {
        let value = numbering.of(word);
        if self.values.len() <= value as usize {
            self.values.resize(value as usize + 1, BLANK);
        }
        value
    }
}

impl Scratch {
    fn decide(&mut self, budget: &Budget) -> Result<Unique, Exhausted> {
        let Self { register, heads, order, settled, .. } = self;
        if let Err(around) = register.link() {
            return Ok(Unique::None { around });
        }
        budget.check()?;
        register.find_heads(heads);
        if heads.len() <= 2 {
            // The chain of null and at most one other, which can only come after it: the order is settled.
            order.clear();
            order.extend(heads.iter().flat_map(|&head| register.chain(head)));
            return settled.decide(register, order, budget);
        }
        let zones = match register.zones(heads) {
            Ok(zones) => zones,
            Err(around) => return Ok(Unique::None { around }),
        };
        budget.check()?;
        let zones = match arrange(zones) {
            Ok(zones) => zones,
            Err(around) => return Ok(Unique::None { around }),
        };
        budget.check()?;
        let fits = register.failed.is_empty() || register.fits(&zones);
        Ok(if fits { Unique::Order } else { Unique::Declined })
    }
}

impl Register {
    /// Links each value that was there to the one that replaced it by compare-and-set. An error, with when it shows, when a value was there
    /// that nobody writes, or was replaced twice.
    fn link(&mut self) -> Result<(), u64> {
        for value in 0..self.values.len() {
            let mut value = value as u32;
            // Who replaced a value has seen it.
            while self.values[value as usize].needed {
                let before = self.values[value as usize].before;
                if before == HEAD || before == NOBODY || self.values[before as usize].needed {
                    break;
                }
                self.values[before as usize].needed = true;
                value = before;
            }
        }
        for value in 1..self.values.len() {
            let Value { before, needed, .. } = self.values[value];
            if !needed {
                self.has_unseen |= before != NOBODY;
                continue;
            }
            let completed = self.values[value].completed;
            if before == NOBODY {
                return Err(completed);
            }
            if before != HEAD {
                let other = std::mem::replace(&mut self.values[before as usize].next, value as u32);
                if other != NOBODY {
                    return Err(completed.max(self.values[other as usize].completed));
                }
            }
        }
        Ok(())
    }

    /// The first values of the chains, null first.
    fn find_heads(&self, heads: &mut Vec<u32>) {
        let is_head = |&value: &u32| {
            let Value { before, needed, .. } = self.values[value as usize];
            needed && before == HEAD
        };
        heads.clear();
        heads.push(NULL);
        heads.extend((1..self.values.len() as u32).filter(is_head));
    }

    fn chain(&self, head: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(Some(head), |&value| {
            Some(self.values[value as usize].next).filter(|&next| next != NOBODY)
        })
    }

    /// Whether every value that was there is in one of the chains: a ring of compare-and-sets never began.
    fn are_all_in(&self, count: usize) -> bool {
        count == self.values.iter().filter(|value| value.needed).count()
    }

    /// The zones of the chains; An error, with when it shows, when a chain contradicts itself.
    fn zones(&self, heads: &[u32]) -> Result<Vec<Zone>, u64> {
        let (mut zones, mut count) = (Vec::with_capacity(heads.len()), 0);
        for &head in heads {
            let (mut earliest, mut first, mut last) = (0, if head == NULL { 0 } else { OPEN }, 0);
            for value in self.chain(head) {
                count += 1;
                let value = &self.values[value as usize];
                earliest = value.invoked.max(earliest);
                if earliest > value.completed {
                    return Err(earliest);
                }
                first = value.completed.min(first);
                last = value.read.max(last).max(value.invoked);
                earliest = value.read.max(earliest);
            }
            zones.push(Zone { start: first, end: last, head });
        }
        if self.are_all_in(count) { Ok(zones) } else { Err(0) }
    }

    /// Whether the failed compare-and-sets fit the chains in the order of their zones.
    fn fits(&self, zones: &[Zone]) -> bool {
        // By value: when it is set, and when it is replaced.
        let mut periods: Vec<Option<(u64, u64)>> = vec![None; self.values.len()];
        let mut held = NULL;
        for zone in zones {
            let mut earliest = zone.start;
            for value in self.chain(zone.head) {
                let Value { invoked, read, .. } = self.values[value as usize];
                earliest = earliest.max(invoked);
                if let Some((_, replaced)) = &mut periods[held as usize] {
                    *replaced = earliest;
                }
                periods[value as usize] = Some((earliest, OPEN));
                held = value;
                earliest = earliest.max(read);
            }
        }
        self.failed.iter().all(|failed| match periods[failed.value as usize] {
            None => true,
            Some((set, replaced)) => (failed.value != NULL && failed.invoked <= set) || failed.completed >= replaced,
        })
    }
}

/// Zones in order, each with the time that it takes; an error, with when it shows, when they get
/// into each other's way.
fn arrange(zones: Vec<Zone>) -> Result<Vec<Zone>, u64> {
    let (mut arranged, backward): (Vec<Zone>, Vec<Zone>) = zones.into_iter().partition(|zone| zone.start < zone.end);
    arranged.sort_unstable_by_key(|zone| zone.start);
    if let Some(pair) = arranged.windows(2).find(|pair| pair[1].start < pair[0].end) {
        return Err(pair[0].end.min(pair[1].end));
    }
    let forward = arranged.len();
    for Zone { start: first, end: last, head } in backward {
        // It may be at any moment from the last invocation to the first completion.
        let after = arranged[..forward].partition_point(|zone| zone.start < last);
        let moment = arranged[..after].last().map_or(last, |zone| zone.end.max(last));
        if moment > first {
            return Err(moment);
        }
        arranged.push(Zone { start: moment, end: moment, head });
    }
    arranged.sort_unstable_by_key(|zone| (zone.start, zone.end));
    Ok(arranged)
}

/// An order of values that is settled, and between which moments each must have been set.
#[derive(Debug, Default)]
struct Settled {
    earliest: Vec<u64>,
    latest: Vec<u64>,
    /// By value: the last of its failed compare-and-sets; and by these, the one before.
    of_value: Vec<u32>,
    next: Vec<u32>,
}

impl Settled {
    fn decide(&mut self, register: &Register, order: &mut Vec<u32>, budget: &Budget) -> Result<Unique, Exhausted> {
        if !register.are_all_in(order.len()) {
            return Ok(Unique::None { around: 0 });
        }
        self.set(&register.values, order);
        if let Some(around) = self.contradiction() {
            return Ok(Unique::None { around });
        }
        budget.check()?;
        if register.failed.is_empty() || self.is_explaining(register, order) {
            return Ok(Unique::Order);
        }
        if !register.has_unseen {
            return Ok(Unique::None { around: self.contradiction().unwrap_or(0) });
        }
        budget.check()?;
        // An open compare-and-set that nobody saw may have taken effect last, and the failed ones saw its value.
        let last = *order.last().expect("null is there");
        let values = &register.values;
        let follows = |value: &u32| values[*value as usize].before == last && !values[*value as usize].needed;
        let unseen = (1..values.len() as u32).filter(follows).min_by_key(|&value| values[value as usize].invoked);
        let Some(unseen) = unseen else { return Ok(Unique::Declined) };
        order.push(unseen);
        self.set(values, order);
        // With other unseen ones it may be right.
        Ok(if self.is_explaining(register, order) { Unique::Order } else { Unique::Declined })
    }

    fn set(&mut self, values: &[Value], order: &[u32]) {
        self.earliest.clear();
        self.latest.clear();
        let mut read = 0;
        for &value in order {
            let value = &values[value as usize];
            self.earliest.push(value.invoked.max(read));
            self.latest.push(value.completed);
            read = value.read;
        }
        // Null was there before everything.
        self.latest[0] = OPEN;
    }

    /// Whether the failed compare-and-sets are right in this order of the values.
    fn is_explaining(&mut self, register: &Register, order: &[u32]) -> bool {
        self.raise(&register.values, order, &register.failed) && self.contradiction().is_none()
    }

    /// Sets each value at the earliest moment that can be, one after the other: the first such moment that is too late.
    fn contradiction(&self) -> Option<u64> {
        let mut now = 0;
        self.earliest.iter().zip(&self.latest).find_map(|(&earliest, &latest)| {
            now = earliest.max(now);
            (now > latest).then_some(now)
        })
    }

    /// Takes in the failed compare-and-sets; `false` when one of them cannot be.
    ///
    /// Each must touch a moment before its value was set or one after it was replaced: begin no later than the one, or
    /// end no earlier than the other. Setting every value at its earliest moment serves all that end late enough. One
    /// that ends before the earliest moment of the replacement can only begin before its value was set, which is then
    /// set no earlier than that. Going backward, the earliest moment of the replacement is final when it is needed: it is
    /// also moved by what is before it, but then so is the value itself, to a moment after the end of such a failed one,
    /// hence after its beginning.
    fn raise(&mut self, values: &[Value], order: &[u32], failed: &[Failed]) -> bool {
        const NONE: u32 = u32::MAX;
        self.of_value.clear();
        self.of_value.resize(values.len(), NONE);
        self.next.clear();
        for (number, failed) in failed.iter().enumerate() {
            self.next.push(std::mem::replace(&mut self.of_value[failed.value as usize], number as u32));
        }
        for (place, &value) in order.iter().enumerate().rev() {
            let replaced = self.earliest.get(place + 1).copied();
            let mut number = self.of_value[value as usize];
            while number != NONE {
                let Failed { invoked, completed, .. } = failed[number as usize];
                number = self.next[number as usize];
                if place == 0 {
                    // Nothing is before null.
                    let Some(latest) = self.latest.get_mut(1) else { return false };
                    *latest = completed.min(*latest);
                } else if replaced.is_none_or(|replaced| completed < replaced) {
                    self.earliest[place] = self.earliest[place].max(invoked);
                }
            }
        }
        true
    }
}
