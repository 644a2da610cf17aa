//! Every fault of a run, from the scenario and the seed. Pure: no clock, no I/O.
//!
//! Faults are drawn against everything that exists in *any* variant, then aimed at what exists in *this* one. So all
//! variants of a scenario share one schedule; a fault that finds nobody stays in it and is recorded as not applicable.
//!
//! Random faults: the `always` choices are placed first, then others by weight. Each gets a start that is evenly
//! distributed over the milliseconds at which it may start: before the last tenth of the load, early enough to heal
//! within it, and at least `gap` away from every other fault on the same target. Two faults share a target when they
//! strike a common link or process, or one a process and the other a link of it.

use std::time::Duration;

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use thiserror::Error;

use super::fault::{Fault, FaultKind};
use super::keys::{Keys, what_of};
use super::target::{Strikes, Target};
use super::validation::FaultProblem;
use crate::link::Link;
use crate::link::topology::Topology;
use crate::scenario::file::{FaultChoice, FaultSpec, RandomFaults};
use crate::scenario::resolved::Resolved;

/// The seed's stream for faults; other rooms draw from others.
const STREAM: u64 = 0x6661_756c_7473;

/// How often the whole draw is repeated when something found no room.
const ATTEMPTS: u32 = 64;

/// How long a killed target stays down, if the scenario does not say.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// How long a killed target may take from its restart to its first answer (Kafka: 2.4 s); until then nothing else strikes
/// it.
const RESTART_ALLOWANCE: Duration = Duration::from_secs(3);

/// Every fault of a run, in order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The faults; `id` is the index.
    pub faults: Vec<(Fault, Strikes)>,
    /// How many random faults found no room on their targets and were left out.
    pub left_out: u32,
    /// Whom a role means once it is known who plays it.
    pub topology: Topology,
}

/// Why there is no schedule.
#[derive(Debug, Error)]
pub enum ScheduleError {
    /// A fault is not valid.
    #[error("fault: {0}")]
    Problem(#[from] FaultProblem),
    /// A choice with `always = true` found no room.
    #[error(
        "random_faults: no room for `{what}`, which is to come always: shorten faults or `gap`, lower `count`, or lengthen \
         the load"
    )]
    NoRoom {
        /// The choice.
        what: String,
    },
}

impl Schedule {
    /// The schedule of one variant; `load` is the length of the measured load.
    ///
    /// # Errors
    /// When a fault is not valid (see [`super::validate`]), or one that must come has no room.
    pub fn plan(resolved: &Resolved, load: Duration) -> Result<Self, ScheduleError> {
        let scenario = &resolved.scenario;
        let everything = Topology::of(scenario, &resolved.manifest);
        let (faults, left_out) =
            draw(&scenario.fault, scenario.random_faults.as_ref(), scenario.seed, load, &everything)?;
        let here = Topology::of_variant(resolved);
        let faults = faults.into_iter().map(|fault| {
            let strikes = fault.target.strikes(&here);
            (fault, strikes)
        });
        let faults = faults.collect();
        Ok(Self { faults, left_out, topology: here })
    }
}

/// The faults of every variant, in order of time, and how many random ones found no room.
///
/// # Errors
/// As [`Schedule::plan`].
pub fn draw(
    fixed: &[FaultSpec],
    random: Option<&RandomFaults>,
    seed: u64,
    load: Duration,
    topology: &Topology,
) -> Result<(Vec<Fault>, u32), ScheduleError> {
    let mut placed = Vec::new();
    for spec in fixed {
        let (kind, target) = what_of(&Keys::from(spec))?;
        let by_itself = if kind.is_kill() { RESTART_AFTER } else { Duration::ZERO };
        let duration = spec.duration.or(spec.restart_after).unwrap_or(by_itself);
        placed.push(Placed::new(Fault { id: 0, at: spec.at, duration, kind, target }, topology));
    }
    let mut left_out = 0;
    if let Some(random) = random {
        let mut generator = ChaCha12Rng::seed_from_u64(seed);
        generator.set_stream(STREAM);
        (placed, left_out) = Draw { random, load, topology }.best(&placed, &mut generator)?;
    }
    let mut faults: Vec<Fault> = placed.into_iter().map(|placed| placed.fault).collect();
    // Stable: faults of one moment keep the order of the file, the random ones after the fixed ones.
    faults.sort_by_key(|fault| fault.at);
    for (id, fault) in (0..).zip(&mut faults) {
        fault.id = id;
    }
    Ok((faults, left_out))
}

/// A fault that has its time, and what it strikes in any variant.
#[derive(Debug, Clone)]
struct Placed {
    fault: Fault,
    strikes: Strikes,
}

impl Placed {
    fn new(fault: Fault, topology: &Topology) -> Self {
        let strikes = fault.target.reach(topology);
        Self { fault, strikes }
    }
}

/// Whether two faults strike something in common.
fn share_a_target(left: &Strikes, right: &Strikes) -> bool {
    match (left, right) {
        (Strikes::Nobody, _) | (_, Strikes::Nobody) => false,
        (Strikes::Links(left), Strikes::Links(right)) => left.iter().any(|link| right.contains(link)),
        (Strikes::Processes(left), Strikes::Processes(right)) => left.iter().any(|process| right.contains(process)),
        (Strikes::Links(links), Strikes::Processes(processes))
        | (Strikes::Processes(processes), Strikes::Links(links)) => {
            let ends = |link: &Link| [link.client.clone(), link.dialled().to_owned()];
            links.iter().flat_map(ends).any(|end| processes.contains(&end))
        }
        // What a target can reach is always told as links or processes.
        (Strikes::Cluster { .. } | Strikes::Late(_), _) | (_, Strikes::Cluster { .. } | Strikes::Late(_)) => true,
    }
}

struct Draw<'a> {
    random: &'a RandomFaults,
    load: Duration,
    topology: &'a Topology,
}

impl Draw<'_> {
    /// The first draw in which everything has room, else the one that leaves the fewest out.
    fn best(&self, fixed: &[Placed], generator: &mut ChaCha12Rng) -> Result<(Vec<Placed>, u32), ScheduleError> {
        let mut best: Option<(Vec<Placed>, u32)> = None;
        let mut missing = None;
        for _ in 0..ATTEMPTS {
            match self.once(fixed, generator)? {
                Ok((placed, 0)) => return Ok((placed, 0)),
                Ok(drawn) => {
                    if best.as_ref().is_none_or(|(_, left_out)| drawn.1 < *left_out) {
                        best = Some(drawn);
                    }
                }
                Err(what) => missing = Some(what),
            }
        }
        best.ok_or_else(|| ScheduleError::NoRoom {
            what: missing.expect("an attempt without a draw says what is missing"),
        })
    }

    /// One draw; the inner error names an `always` choice that found no room.
    fn once(
        &self,
        fixed: &[Placed],
        generator: &mut ChaCha12Rng,
    ) -> Result<Result<(Vec<Placed>, u32), String>, ScheduleError> {
        let choices = &self.random.choice;
        let mut placed = fixed.to_vec();
        let mut left_out = 0;
        let mut wanted: Vec<&FaultChoice> = choices.iter().filter(|choice| choice.always).collect();
        let always = wanted.len();
        while wanted.len() < self.random.count as usize {
            let Ok(choice) = choices.choose_weighted(generator, |choice| choice.weight) else { break };
            wanted.push(choice);
        }
        for (index, choice) in wanted.into_iter().enumerate() {
            let (kind, target) = what_of(&Keys::from(choice))?;
            match self.place(choice, kind, target, &placed, generator) {
                Ok(fault) => placed.push(fault),
                Err(what) if index < always => return Ok(Err(what)),
                Err(_) => left_out += 1,
            }
        }
        Ok(Ok((placed, left_out)))
    }

    /// A duration and a start for one fault; as short as allowed if what was drawn does not fit.
    fn place(
        &self,
        choice: &FaultChoice,
        kind: FaultKind,
        target: Target,
        placed: &[Placed],
        generator: &mut ChaCha12Rng,
    ) -> Result<Placed, String> {
        let strikes = target.reach(self.topology);
        let (shortest, longest) = (millis(choice.shortest), millis(choice.longest));
        let drawn = generator.random_range(shortest..=longest.max(shortest));
        for duration in [drawn, shortest] {
            let starts = self.starts(duration, kind, &strikes, placed);
            let room: u64 = starts.iter().map(|(from, to)| to - from).sum();
            if room == 0 {
                continue;
            }
            let at = nth(&starts, generator.random_range(0..room));
            let (at, duration) = (Duration::from_millis(at), Duration::from_millis(duration));
            return Ok(Placed { fault: Fault { id: 0, at, duration, kind, target }, strikes });
        }
        Err(format!("{kind} {target}"))
    }

    /// The milliseconds at which a fault may start, as half-open intervals.
    fn starts(&self, duration: u64, kind: FaultKind, strikes: &Strikes, placed: &[Placed]) -> Vec<(u64, u64)> {
        let (load, gap) = (millis(self.load), millis(self.random.gap));
        let struck = millis_up(kind.lead()) + duration;
        // From the last tenth on nothing starts; and what starts heals before the load ends.
        let end = (load - load / 10).min((load + 1).saturating_sub(struck));
        let occupied = struck + millis(recovery(kind)) + gap;
        let mut taken: Vec<(u64, u64)> = placed
            .iter()
            .filter(|other| share_a_target(strikes, &other.strikes))
            .map(|other| {
                let (at, until) = (millis(other.fault.at), other.fault.until() + recovery(other.fault.kind));
                ((at + 1).saturating_sub(occupied), millis_up(until) + gap)
            })
            .collect();
        taken.sort_unstable();
        let mut free = Vec::new();
        // Time 0 is for faults that must be in place before the load.
        let mut from = 1;
        for (begin, after) in taken {
            if from < begin.min(end) {
                free.push((from, begin.min(end)));
            }
            from = from.max(after);
        }
        if from < end {
            free.push((from, end));
        }
        free
    }
}

/// How long after its heal a fault may still be felt as if it were there.
fn recovery(kind: FaultKind) -> Duration {
    if kind.is_kill() { RESTART_ALLOWANCE } else { Duration::ZERO }
}

/// The n-th of the numbers in half-open intervals.
fn nth(intervals: &[(u64, u64)], mut index: u64) -> u64 {
    for (from, to) in intervals {
        if index < to - from {
            return from + index;
        }
        index -= to - from;
    }
    unreachable!("the index is below the sum of the intervals' lengths")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("a load is shorter than 584 million years")
}

fn millis_up(duration: Duration) -> u64 {
    millis(duration + Duration::from_nanos(999_999))
}

#[cfg(test)]
mod tests;
