//! The drain: after everything is healed, wait until nothing can still arrive, so that absence may be judged.
//!
//! It ends when every obligation is met and nothing durable is left to move; or when nothing moved for `settle_after`,
//! nothing durable is left, and the witnesses have passed what stood in the servers after the load; or, unsoundly, at
//! the deadline. Silence alone never ends it: a witness that waits for a broken connection is silent too.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::event::{Event, Observer};
use crate::history::entry::{Drain, DrainEnd};
use crate::history::obligation::Obligations;
use crate::history::recorder::Recorder;
use crate::witness::{Sampler, Witnesses};

/// How often the conditions are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What the drain looks at and waits for.
pub(super) struct Drainage<'a> {
    pub(super) witnesses: &'a Witnesses,
    pub(super) sampler: &'a Sampler,
    pub(super) obligations: &'a Mutex<Obligations>,
    pub(super) recorder: &'a Recorder,
    pub(super) settle_after: Duration,
    pub(super) deadline: Duration,
    pub(super) cancellation: &'a CancellationToken,
    pub(super) observer: &'a Observer,
}

impl Drainage<'_> {
    /// Waits for the end of the drain; besides, whether the servers' clusters are whole again.
    pub(super) async fn wait(&self) -> (Drain, bool) {
        let deadline = Instant::now() + self.deadline;
        let is_whole = self.settle(deadline).await;
        // Only after this is the witnesses' silence the servers' silence.
        let mut caught_up = self.catch_up(deadline).await;
        let mut told = String::new();
        loop {
            let lag: u64 = self.sampler.sample_now().await.lag.values().sum();
            let (outstanding, unpublished) = self.owed();
            let nothing_durable = unpublished == 0 && lag == 0;
            let quiet = self.witnesses.last_seen().elapsed() >= self.settle_after;
            let end = if self.cancellation.is_cancelled() {
                Some(DrainEnd::Cut)
            } else if caught_up && nothing_durable && outstanding == 0 {
                Some(DrainEnd::Met)
            } else if caught_up && nothing_durable && quiet {
                Some(DrainEnd::Settled)
            } else if Instant::now() >= deadline {
                Some(DrainEnd::Deadline)
            } else {
                None
            };
            if let Some(end) = end {
                // What moved while the drain waited must be in sight too.
                caught_up = caught_up && self.catch_up(deadline.max(Instant::now() + Duration::from_secs(5))).await;
                let (outstanding, unpublished) = self.owed();
                let at = self.recorder.now();
                let drain = Drain { at, end, unpublished, lag, witnesses_caught_up: caught_up, outstanding };
                return (drain, is_whole);
            }
            self.tell(&mut told, outstanding, unpublished, lag);
            tokio::select! {
                () = self.cancellation.cancelled() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Until a healed cluster agrees with itself, a server may still tell where its log ended before the fault.
    async fn settle(&self, deadline: Instant) -> bool {
        let roles = self.witnesses.roles();
        let settling = roles.settled(deadline);
        tokio::select! {
            () = self.cancellation.cancelled() => false,
            settled = settling => match settled {
                Ok(()) => true,
                Err(missing) => {
                    (self.observer)(Event::Remark(format!("the cluster is not whole again: {missing}")));
                    false
                }
            },
        }
    }

    async fn catch_up(&self, deadline: Instant) -> bool {
        tokio::select! {
            () = self.cancellation.cancelled() => false,
            caught_up = self.witnesses.catch_up(deadline) => caught_up,
        }
    }

    fn owed(&self) -> (u64, u64) {
        let obligations = self.obligations.lock().unwrap_or_else(PoisonError::into_inner);
        (obligations.outstanding(), obligations.unpublished())
    }

    fn tell(&self, told: &mut String, outstanding: u64, unpublished: u64, lag: u64) {
        let text = if unpublished + lag > 0 {
            format!("{unpublished} unpublished rows, {lag} records unread or uncommitted")
        } else {
            let settle_after = humantime::format_duration(self.settle_after);
            format!("{outstanding} events or effects are missing; {settle_after} of silence will make that certain")
        };
        if text != *told {
            (self.observer)(Event::Draining(text.clone()));
            *told = text;
        }
    }
}
