//! Waits between attempts that other writers spoiled, and the count of what they spoiled.

use std::time::Duration;

use serde::Serialize;

/// What contention cost one operation; part of the answer, so that a client can draw the histogram.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Contention {
    /// How often another writer was first: write conflicts of transactions, versions that had moved on.
    pub(crate) conflicts: u32,
    /// Attempts after the first, for whatever reason.
    pub(crate) retries: u32,
}

/// Exponential, capped and jittered over its whole length: whoever collides must not meet again at the same moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
}

/// How fast the longest possible wait grows from one attempt to the next.
const GROWTH: f64 = 1.5;

impl Backoff {
    /// Between transactions: what the drivers' own convenient transaction API does.
    pub(crate) const TRANSACTION: Self = Self::new(Duration::from_millis(5), Duration::from_millis(500));
    /// Between compare-and-set attempts: each is one cheap write.
    pub(crate) const COMPARE_AND_SET: Self = Self::new(Duration::from_millis(1), Duration::from_millis(50));
    /// Between attempts to reach a dependency that is away.
    pub(crate) const OUTAGE: Self = Self::new(Duration::from_millis(50), Duration::from_millis(500));

    const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// Waits before retry number `retry`, counted from 1.
    pub(crate) async fn wait(self, retry: u32) {
        tokio::time::sleep(self.draw(retry)).await;
    }

    fn draw(self, retry: u32) -> Duration {
        self.ceiling(retry).mul_f64(rand::random())
    }

    /// The longest that [`Self::wait`] may take.
    fn ceiling(self, retry: u32) -> Duration {
        let exponent = i32::try_from(retry.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.first.as_secs_f64() * GROWTH.powi(exponent);
        Duration::from_secs_f64(grown.min(self.longest.as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wait_grows_from_the_first_by_half() {
        let ceilings: Vec<_> = (1..=3).map(|retry| Backoff::TRANSACTION.ceiling(retry).as_micros()).collect();
        assert_eq!(ceilings, [5_000, 7_500, 11_250]);
    }

    #[test]
    fn the_longest_wait_is_capped_however_often_one_retries() {
        for retry in [13, 1_000, u32::MAX] {
            assert_eq!(Backoff::TRANSACTION.ceiling(retry), Duration::from_millis(500), "retry {retry}");
        }
    }

    #[test]
    fn waits_differ_and_are_never_longer_than_their_ceiling() {
        let draws: Vec<_> = (0..100).map(|_| Backoff::COMPARE_AND_SET.draw(20)).collect();
        assert!(draws.iter().all(|draw| *draw <= Duration::from_millis(50)), "{draws:?}");
        assert!(draws.iter().any(|draw| *draw != draws[0]), "no jitter: {draws:?}");
    }
}
