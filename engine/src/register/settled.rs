//! The order of the values of a versioned document, and the failed compare-and-sets against it.

use super::chain::{Failed, Register, Value};
use super::history::OPEN;
use super::unique::Unique;
use crate::budget::{Budget, Exhausted};

/// An order of values that is settled, and between which moments each must have been set.
#[derive(Debug, Default)]
pub(super) struct Settled {
    earliest: Vec<u64>,
    latest: Vec<u64>,
    /// By value: the last of its failed compare-and-sets; and by these, the one before.
    of_value: Vec<u32>,
    next: Vec<u32>,
}

impl Settled {
    /// Decides by this order of the values.
    pub(super) fn decide(
        &mut self,
        register: &Register,
        order: &mut Vec<u32>,
        budget: &Budget,
    ) -> Result<Unique, Exhausted> {
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
