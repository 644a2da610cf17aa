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

use super::chain::{Register, Value, arrange};
use super::gather::{Numbering, ROWS_COPIED, Rows};
use super::history::Row;
use super::settled::Settled;
use super::timeline::Cut;
use crate::budget::{Budget, Exhausted};

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

/// What one key after the other uses, so that a million small ones do not ask for memory ten times each.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    rows: Vec<Row>,
    register: Register,
    heads: Vec<u32>,
    order: Vec<u32>,
    settled: Settled,
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
