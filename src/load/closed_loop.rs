//! The closed loop: so many clients, each starting its next operation when its last has ended; one crew of them after
//! another, where the load has stages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::{JoinError, JoinSet};

use super::arrivals::Crew;
use super::operation::{Office, Reached, Release};
use crate::history::entry::{Nanos, Part};

/// Runs the crews one after another until the load is over or stopped. The workers stay in `tasks`, each with its last
/// operation.
pub(super) async fn run_crews(office: &Arc<Office>, crews: &[Crew], tasks: &mut JoinSet<u32>) -> Result<(), JoinError> {
    office.phases.wait_for_start(&office.over).await;
    let rota = Arc::new(Rota::new(office.phases.load, crews));
    let numbers = Arc::new(AtomicU64::new(0));
    for worker in 0..rota.largest() {
        let (office, rota, numbers) = (Arc::clone(office), Arc::clone(&rota), Arc::clone(&numbers));
        tasks.spawn(async move {
            work(&office, &rota, &numbers, worker).await;
            worker
        });
    }
    office.phases.wait_for_end(&office.over).await;
    while let Some(ended) = tasks.try_join_next() {
        ended?;
    }
    Ok(())
}

async fn work(office: &Office, rota: &Rota, numbers: &AtomicU64, worker: u32) {
    while !office.over.is_cancelled() {
        let now = office.recorder.now();
        match rota.turn(worker, now) {
            Turn::Now => {
                let part = if now < office.phases.load { Part::WarmUp } else { Part::Load };
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                let release = Release { number, due: now, released: now, part };
                if office.carry_out(release, worker).await.reached == Reached::Nobody {
                    back_off(office).await;
                }
            }
            Turn::From(moment) => {
                let moment = office.recorder.clock().instant(moment).into();
                tokio::select! {
                    () = office.over.cancelled() => {}
                    () = tokio::time::sleep_until(moment) => {}
                }
            }
            Turn::NeverAgain => return,
        }
    }
}

/// A target that refuses connections does so in microseconds: without a pause its clients would do nothing but ask.
async fn back_off(office: &Office) {
    tokio::select! {
        () = office.over.cancelled() => {}
        () = tokio::time::sleep(office.retry.pause) => {}
    }
}

/// Who works when: the end of each crew's time, on the run's clock.
#[derive(Debug)]
struct Rota {
    crews: Vec<(Nanos, u32)>,
}

/// What a worker does at some moment.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Now,
    /// It belongs to no crew before that.
    From(Nanos),
    NeverAgain,
}

impl Rota {
    fn new(load_begins: Nanos, crews: &[Crew]) -> Self {
        let mut end = load_begins;
        let until = |crew: &Crew| {
            end += u64::try_from(crew.duration.as_nanos()).unwrap_or(u64::MAX / 4);
            (end, crew.workers)
        };
        Self { crews: crews.iter().map(until).collect() }
    }

    fn largest(&self) -> u32 {
        self.crews.iter().map(|(_, workers)| *workers).max().unwrap_or(0)
    }

    /// The first crew's time begins with the warm-up.
    fn turn(&self, worker: u32, now: Nanos) -> Turn {
        let mut begins = 0;
        for (ends, workers) in &self.crews {
            if now < *ends && worker < *workers {
                return if now < begins { Turn::From(begins) } else { Turn::Now };
            }
            begins = *ends;
        }
        Turn::NeverAgain
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_worker_works_in_the_stages_whose_crew_it_belongs_to() {
        let crew = |workers| Crew { workers, duration: Duration::from_nanos(10) };
        let rota = Rota::new(100, &[crew(1), crew(4), crew(2)]);
        assert_eq!(rota.largest(), 4);
        let turns = |worker| [0, 109, 110, 119, 120, 129, 130].map(|now| rota.turn(worker, now));
        let (now, over) = (|| Turn::Now, || Turn::NeverAgain);
        assert_eq!(turns(0), [now(), now(), now(), now(), now(), now(), over()]);
        assert_eq!(turns(1), [Turn::From(110), Turn::From(110), now(), now(), now(), now(), over()]);
        assert_eq!(turns(3), [Turn::From(110), Turn::From(110), now(), now(), over(), over(), over()]);
    }

    #[test]
    fn a_worker_that_is_not_needed_in_between_comes_back() {
        let crew = |workers| Crew { workers, duration: Duration::from_nanos(10) };
        let rota = Rota::new(0, &[crew(2), crew(1), crew(2)]);
        assert_eq!([5, 15, 25].map(|now| rota.turn(1, now)), [Turn::Now, Turn::From(20), Turn::Now]);
    }
}
