//! The open loop: operations start when they are due, whether or not earlier ones have ended.
//!
//! One task wakes each millisecond and releases all that are due: tokio's timer has no finer resolution, and a timer
//! per operation costs more and is later. Without `workers` each operation is a task; with them it waits in a queue
//! for one of so many, and its lateness has been taken before, so that a stuck system is not taken for a late
//! generator.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use super::arrivals::Arrivals;
use super::operation::{Office, Release};
use crate::history::entry::{Nanos, Part};

/// How often due operations are looked for.
const TICK: Duration = Duration::from_millis(1);

/// Operations that may wait for a worker; at 40 bytes each about 10 MB.
const WAITING_AT_MOST: usize = 1 << 18;

/// What an open loop did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Offered {
    /// Operations of the measured load that fell due.
    pub(super) load: u64,
    /// Whether there was no room for an operation that was due.
    pub(super) saturated: bool,
}

/// Who takes released operations.
enum Takers {
    /// Each is a task of its own, in one of so many places.
    Tasks(Places),
    /// So many workers take them from a queue.
    Workers(Sender<Release>),
}

/// Runs until every arrival was released and started, or until the load is stopped. The tasks under way stay in
/// `tasks`.
pub(super) async fn release_all(
    office: &Arc<Office>,
    arrivals: Arrivals,
    workers: Option<u32>,
    in_flight_at_most: u32,
    tasks: &mut JoinSet<u32>,
) -> Result<Offered, JoinError> {
    let mut takers = match workers {
        Some(workers) => Takers::Workers(start_workers(office, workers, tasks)),
        None => Takers::Tasks(Places::new(in_flight_at_most)),
    };
    let clock = office.recorder.clock();
    let start = office.phases.start;
    let mut offered = Offered::default();
    let mut released = 0;
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut arrivals = arrivals.peekable();
    while let Some(arrival) = arrivals.peek().copied() {
        let due = start + arrival.due.as_nanos() as Nanos;
        let now = clock.now();
        office.phases.enter_until(now);
        if now < due {
            if !wait(office, &mut tick, clock.instant(due).into()).await {
                // What had fallen due by now was released; the rest was never offered.
                return Ok(offered);
            }
            reap(&mut takers, tasks)?;
            continue;
        }
        let release = Release { number: released, due, released: now, part: arrival.part };
        if takers.take(office, tasks, release) {
            offered.load += u64::from(arrival.part == Part::Load);
            released += 1;
            arrivals.next();
        } else {
            offered.saturated = true;
            let is_too_late = Instant::now() >= last_start(office);
            if is_too_late || !wait(office, &mut tick, Instant::now()).await {
                break;
            }
            reap(&mut takers, tasks)?;
        }
    }
    // Whatever found no room although it was due was offered all the same.
    let now = clock.now();
    let is_due = |due: Duration| start + due.as_nanos() as Nanos <= now;
    offered.load +=
        arrivals.take_while(|arrival| is_due(arrival.due)).filter(|arrival| arrival.part == Part::Load).count() as u64;
    office.phases.wait_for_end(&office.over).await;
    wait_until_started(office, released).await;
    reap(&mut takers, tasks)?;
    Ok(offered)
}

/// Waits for the next tick, or for the next arrival when that is further away; false when the load is stopped.
async fn wait(office: &Office, tick: &mut Interval, due: Instant) -> bool {
    let is_far = due > Instant::now() + 2 * TICK;
    tokio::select! {
        biased;
        () = office.over.cancelled() => false,
        () = sleep_until(due), if is_far => true,
        _ = tick.tick(), if !is_far => true,
    }
}

/// Until when operations that fell due may still start: for as long as a client would wait for an answer.
fn last_start(office: &Office) -> Instant {
    (office.recorder.clock().instant(office.phases.end) + office.timeout).into()
}

/// Lets the operations that wait for a worker start.
async fn wait_until_started(office: &Office, released: u64) {
    let deadline = last_start(office);
    while office.progress.starts().0 < released && Instant::now() < deadline {
        tokio::select! {
            () = office.over.cancelled() => return,
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

/// Takes note of the tasks that have ended; a panic is passed on.
fn reap(takers: &mut Takers, tasks: &mut JoinSet<u32>) -> Result<(), JoinError> {
    while let Some(ended) = tasks.try_join_next() {
        let place = ended?;
        if let Takers::Tasks(places) = takers {
            places.free(place);
        }
    }
    Ok(())
}

impl Takers {
    /// Hands an operation over; false when there is no room.
    fn take(&mut self, office: &Arc<Office>, tasks: &mut JoinSet<u32>, release: Release) -> bool {
        match self {
            Self::Tasks(places) => {
                let Some(place) = places.take() else { return false };
                let office = Arc::clone(office);
                tasks.spawn(async move {
                    office.carry_out(release, place).await;
                    place
                });
                true
            }
            // Closed it is only after a panic of every worker, which the next reaping passes on.
            Self::Workers(queue) => queue.try_send(release).is_ok(),
        }
    }
}

fn start_workers(office: &Arc<Office>, workers: u32, tasks: &mut JoinSet<u32>) -> Sender<Release> {
    let (queue, releases) = channel(WAITING_AT_MOST);
    let releases = Arc::new(Mutex::new(releases));
    for worker in 0..workers {
        let (office, releases) = (Arc::clone(office), Arc::clone(&releases));
        tasks.spawn(async move {
            while let Some(release) = next(&office, &releases).await {
                office.carry_out(release, worker).await;
            }
            worker
        });
    }
    queue
}

/// The next operation for a worker; none when the load is over.
async fn next(office: &Office, releases: &Mutex<Receiver<Release>>) -> Option<Release> {
    let release = tokio::select! {
        biased;
        () = office.over.cancelled() => None,
        release = async { releases.lock().await.recv().await } => release,
    };
    release.filter(|_| !office.over.is_cancelled())
}

/// Numbers for clients: the smallest free one first, so that as few clients as possible are busy.
#[derive(Debug)]
struct Places {
    free: BinaryHeap<Reverse<u32>>,
    used: u32,
    at_most: u32,
}

impl Places {
    fn new(at_most: u32) -> Self {
        Self { free: BinaryHeap::new(), used: 0, at_most }
    }

    fn take(&mut self) -> Option<u32> {
        if let Some(Reverse(place)) = self.free.pop() {
            return Some(place);
        }
        let place = self.used;
        (place < self.at_most).then(|| {
            self.used += 1;
            place
        })
    }

    fn free(&mut self, place: u32) {
        self.free.push(Reverse(place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_free_place_is_taken_first_and_there_are_only_so_many() {
        let mut places = Places::new(3);
        assert_eq!([places.take(), places.take(), places.take(), places.take()], [Some(0), Some(1), Some(2), None]);
        places.free(2);
        places.free(0);
        assert_eq!([places.take(), places.take(), places.take()], [Some(0), Some(2), None]);
    }
}
