//! What the rows of a key say of each value, where each is written once.

use hashbrown::HashMap;

use super::chain::{Failed, HEAD, NOBODY, NULL, Register, Value};
use super::history::{OPEN, Row, RowKind};
use super::timeline::Cut;
use super::value::Word;
use crate::budget::{Budget, Exhausted};

/// The budget is asked once in so many rows.
const ROWS_PER_CHECK: usize = 1 << 16;

/// The rows of a key lie far from one another; of so few a copy is made, for the second look at them.
pub(super) const ROWS_COPIED: usize = 1 << 14;

/// The rows of one key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rows<'a> {
    Copied(&'a [Row]),
    There { rows: &'a [Row], numbers: &'a [u32], cut: Cut },
}

impl Rows<'_> {
    pub(super) fn len(self) -> usize {
        match self {
            Self::Copied(rows) => rows.len(),
            Self::There { numbers, .. } => numbers.len(),
        }
    }

    /// The row at a place; `None` when it says nothing.
    pub(super) fn get(self, place: usize) -> Option<Row> {
        match self {
            Self::Copied(rows) => Some(rows[place]),
            Self::There { rows, numbers, cut } => cut.apply(numbers[place], &rows[numbers[place] as usize]),
        }
    }
}

/// How values become numbers: null is 0.
pub(super) enum Numbering {
    /// Integers that lie close together: by subtraction.
    Close { least: i64, count: usize },
    /// Anything, in the order of first use.
    Table(HashMap<Word, u32>, usize),
}

impl Numbering {
    /// `None` when there are appends, which write values that no operation names.
    pub(super) fn new(rows: Rows<'_>, budget: &Budget) -> Result<Option<Self>, Exhausted> {
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
    pub(super) fn bound(&self) -> usize {
        match self {
            Self::Close { count, .. } | Self::Table(_, count) => *count,
        }
    }

    pub(super) fn of(&mut self, word: Word) -> u32 {
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
    pub(super) fn collect(
        &mut self,
        rows: Rows<'_>,
        mut numbering: Numbering,
        budget: &Budget,
    ) -> Result<bool, Exhausted> {
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
