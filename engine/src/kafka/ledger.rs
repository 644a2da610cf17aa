//! What one judgement holds of the budget: all of it is given back at the end, however that comes.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::budget::{Budget, Exhausted};

/// How many rows are worked on between two looks at the budget.
pub(super) const ROWS_BETWEEN_CHECKS: usize = 1 << 15;

/// A budget, and how much of it is held.
#[derive(Debug)]
pub(super) struct Ledger<'a> {
    budget: &'a Budget,
    held: AtomicU64,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(budget: &'a Budget) -> Self {
        Self { budget, held: AtomicU64::new(0) }
    }

    /// See [`Budget::check`].
    pub(super) fn check(&self) -> Result<(), Exhausted> {
        self.budget.check()
    }

    /// To be called for each row or message: looks at the budget now and then.
    pub(super) fn check_now_and_then(&self, place: usize) -> Result<(), Exhausted> {
        if place.is_multiple_of(ROWS_BETWEEN_CHECKS) { self.check() } else { Ok(()) }
    }

    /// Says that so many bytes more are held.
    pub(super) fn hold(&self, bytes: u64) -> Result<(), Exhausted> {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        self.budget.hold(bytes)
    }

    /// Says that so many bytes are held no more.
    pub(super) fn release(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        self.budget.release(bytes);
    }
}

impl Drop for Ledger<'_> {
    fn drop(&mut self) {
        self.budget.release(*self.held.get_mut());
    }
}
