//! What a check may take: time and memory. Beyond it the check gives up, and its verdict is unknown.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use thiserror::Error;

/// Why a check gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Exhausted {
    /// The time is over.
    #[error("the check did not end within {} (--timeout)", seconds(*.0))]
    Time(Duration),
    /// More memory would be needed than is allowed.
    #[error("the check needs more than {} MiB of memory (--memory)", .0 >> 20)]
    Memory(u64),
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

/// The time and the memory of one check, shared by all its threads.
#[derive(Debug)]
pub struct Budget {
    deadline: Option<(Instant, Duration)>,
    memory: u64,
    held: AtomicU64,
    given_up: AtomicBool,
}

impl Budget {
    /// A budget whose time begins now. `memory` is in bytes.
    pub fn new(timeout: Option<Duration>, memory: u64) -> Self {
        let deadline = timeout.and_then(|timeout| Some((Instant::now().checked_add(timeout)?, timeout)));
        Self { deadline, memory, held: AtomicU64::new(0), given_up: AtomicBool::new(false) }
    }

    /// No limit at all.
    pub fn unlimited() -> Self {
        Self::new(None, u64::MAX)
    }

    /// The limit, in bytes.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// To be asked at least every few milliseconds of work; it reads the clock, so not in the innermost loop.
    ///
    /// # Errors
    /// When the time is over, or another thread has given up.
    pub fn check(&self) -> Result<(), Exhausted> {
        if let Some((deadline, timeout)) = self.deadline
            && Instant::now() >= deadline
        {
            return Err(Exhausted::Time(timeout));
        }
        if self.given_up.load(Ordering::Relaxed) {
            return Err(Exhausted::Memory(self.memory));
        }
        Ok(())
    }

    /// Says that `bytes` more are held.
    ///
    /// # Errors
    /// When that is more than the budget.
    pub fn hold(&self, bytes: u64) -> Result<(), Exhausted> {
        let held = self.held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if held > self.memory {
            self.given_up.store(true, Ordering::Relaxed);
            return Err(Exhausted::Memory(self.memory));
        }
        Ok(())
    }

    /// Says that `bytes` are held no more.
    pub fn release(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}
