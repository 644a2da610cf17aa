//! The judge: keys apart, in parallel, and the verdict over all of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde_json::Map;

use super::explain;
use super::history::History;
use super::options::{Options, Reduction};
use super::search::{Outcome, Search};
use super::stale;
use super::timeline::{Cut, Timeline};
use super::unique::{self, Scratch, Unique};
use crate::budget::{Budget, Exhausted};
use crate::verdict::{Anomaly, EXAMPLES_AT_MOST, Example, Judgement, Verdict};

/// The kind of the only anomaly: no order of a key's operations explains the answers.
const NON_LINEARIZABLE: &str = "non-linearizable";

/// Histories of fewer operations are judged before another thread would have started.
const ROWS_FOR_THREADS: usize = 20_000;

/// In the first round no key gets more steps than this, in every further one [`MORE_STEPS`] times as many: one hard key
/// must not keep the judge from the others, one of which may be plainly wrong.
const FIRST_STEPS: u64 = 1 << 14;
const MORE_STEPS: u64 = 1 << 4;

impl History {
    /// Judges whether the operations on each key have an order that explains every answer.
    ///
    /// The one kind of anomaly is `non-linearizable`; its count is that of keys without such an order (without
    /// [`Options::partition`] it is 1 for all together). A key that could not be decided within the budget makes the
    /// verdict unknown, unless another one is invalid. `figures` tell how many keys there are, and how they were decided.
    pub fn judge(&self, options: &Options, budget: &Budget) -> Judgement {
        let held = Partition::memory(self);
        let judgement = budget.hold(held).map(|()| {
            let partition = Partition::new(self, options.partition);
            Judge { history: self, options: *options, budget, partition: &partition }.judge()
        });
        budget.release(held);
        judgement.unwrap_or_else(|exhausted| Judgement::unknown(exhausted.to_string()))
    }
}

/// The rows of each key, in one list.
#[derive(Debug)]
pub(super) struct Partition {
    rows: Vec<u32>,
    starts: Vec<u32>,
}

impl Partition {
    fn memory(history: &History) -> u64 {
        ((history.rows.len() + history.keys.len() + 1) * size_of::<u32>()) as u64
    }

    /// By counting: two passes over the rows, which stay in their order within a key.
    fn new(history: &History, by_key: bool) -> Self {
        if !by_key || history.keys.len() == 1 {
            let count = history.rows.len() as u32;
            return Self { rows: (0..count).collect(), starts: vec![0, count] };
        }
        let mut starts = vec![0_u32; history.keys.len() + 1];
        for row in &history.rows {
            starts[row.key as usize + 1] += 1;
        }
        for key in 1..starts.len() {
            starts[key] += starts[key - 1];
        }
        let (mut next, mut rows) = (starts.clone(), vec![0_u32; history.rows.len()]);
        for (number, row) in history.rows.iter().enumerate() {
            rows[next[row.key as usize] as usize] = number as u32;
            next[row.key as usize] += 1;
        }
        Self { rows, starts }
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    pub(super) fn rows(&self, part: usize) -> &[u32] {
        &self.rows[self.starts[part] as usize..self.starts[part + 1] as usize]
    }
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Unique,
    Search,
}

/// What came of trying to decide some rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// There is an order.
    Order,
    /// There is none.
    None(Sign),
    /// It took more steps than allowed.
    Postponed,
}

/// Where it shows that there is no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// Not before this row's completion.
    NotBefore(u32),
    /// About at this time.
    Around(u64),
}

/// What is known after a round.
#[derive(Debug, Default)]
struct Round {
    decided: Vec<(usize, Decision)>,
    unknown: Vec<(usize, String)>,
    unique: u64,
    search: u64,
}

/// What was found so far.
#[derive(Debug, Default)]
struct Found {
    count: u64,
    examples: Vec<Example>,
    picture: Option<String>,
}

struct Judge<'a> {
    history: &'a History,
    options: Options,
    budget: &'a Budget,
    partition: &'a Partition,
}

impl Judge<'_> {
    fn judge(&self) -> Judgement {
        let mut parts: Vec<usize> = (0..self.partition.len()).collect();
        let (mut steps, mut unknown) = (FIRST_STEPS, Vec::new());
        let (mut unique, mut search) = (0, 0);
        let mut found = Found::default();
        while !parts.is_empty() {
            let round = self.round(&parts, steps);
            let mut invalid = Vec::new();
            parts.clear();
            for (part, decision) in round.decided {
                match decision {
                    Decision::Order => {}
                    Decision::None(sign) => invalid.push((part, sign)),
                    Decision::Postponed => parts.push(part),
                }
            }
            unknown.extend(round.unknown);
            unique += round.unique;
            search += round.search;
            steps = steps.saturating_mul(MORE_STEPS);
            // Now, while there is time: the harder ones may take all of it.
            self.explain(invalid, &mut found);
        }
        unknown.sort_unstable();
        let mut figures = Map::new();
        figures.insert("keys".to_owned(), self.history.keys.len().into());
        figures.insert("decided-by-values-written-once".to_owned(), unique.into());
        figures.insert("decided-by-search".to_owned(), search.into());
        let reasons = reasons(unknown);
        let verdict = match (found.count == 0, reasons.is_empty()) {
            (false, _) => Verdict::Invalid,
            (true, false) => Verdict::Unknown,
            (true, true) => Verdict::Valid,
        };
        let reasons = if verdict == Verdict::Unknown { reasons } else { Vec::new() };
        let Found { count, examples, picture } = found;
        let anomaly = Anomaly { kind: NON_LINEARIZABLE, count, decides: true, examples };
        let anomalies = if count == 0 { Vec::new() } else { vec![anomaly] };
        Judgement { verdict, reasons, anomalies, figures, picture }
    }

    fn explain(&self, mut invalid: Vec<(usize, Sign)>, found: &mut Found) {
        found.count += invalid.len() as u64;
        invalid.sort_unstable_by_key(|&(part, _)| self.partition.rows(part).first().copied());
        for (part, sign) in invalid.into_iter().take(EXAMPLES_AT_MOST - found.examples.len()) {
            let rows = self.partition.rows(part);
            let (example, drawn) = explain::example(self.history, rows, sign, self.options, self.budget);
            found.picture = found.picture.take().or(drawn);
            found.examples.push(example);
        }
    }

    /// Tries to decide each part with so many steps.
    fn round(&self, parts: &[usize], steps: u64) -> Round {
        let threads = match thread::available_parallelism() {
            Ok(threads) if self.history.rows.len() >= ROWS_FOR_THREADS || steps > FIRST_STEPS => threads.get(),
            _ => 1,
        };
        let threads = threads.min(parts.len());
        let (next, all) = (AtomicUsize::new(0), Mutex::new(Round::default()));
        // So many parts at once that taking them costs nothing, and so few that all threads end together.
        let share = (parts.len() / (threads * 16)).clamp(1, 256);
        let work = || {
            let (mut round, mut scratch) = (Round::default(), Scratch::default());
            loop {
                let first = next.fetch_add(share, Ordering::Relaxed);
                let Some(taken) = parts.get(first..parts.len().min(first + share)).filter(|taken| !taken.is_empty())
                else {
                    break;
                };
                for &part in taken {
                    self.try_part(part, steps, &mut round, &mut scratch);
                }
            }
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all.decided.append(&mut round.decided);
            all.unknown.append(&mut round.unknown);
            all.unique += round.unique;
            all.search += round.search;
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        all.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_part(&self, part: usize, steps: u64, round: &mut Round, scratch: &mut Scratch) {
        let rows = self.partition.rows(part);
        let mut reached = None;
        match self.decide(rows, steps, scratch, &mut reached) {
            Ok((Decision::Order, way)) => round.count(way),
            Ok((decision, way)) => {
                if decision != Decision::Postponed {
                    round.count(way);
                }
                round.decided.push((part, decision));
            }
            Err(exhausted) => round.unknown.push((part, self.reason(rows, reached, exhausted))),
        }
    }

    /// Decides whether these rows have an order, and says what decided.
    fn decide(
        &self,
        rows: &[u32],
        steps: u64,
        scratch: &mut Scratch,
        reached: &mut Option<Reached>,
    ) -> Result<(Decision, Way), Exhausted> {
        self.budget.check()?;
        let Self { history, options, budget, .. } = *self;
        // The first round alone asks the fast path: it says the same each time.
        if options.shortcuts && options.partition && steps == FIRST_STEPS {
            match unique::decide(&history.rows, rows, Cut::NONE, budget, scratch)? {
                Unique::Order => return Ok((Decision::Order, Way::Unique)),
                Unique::None { around } => return Ok((Decision::None(Sign::Around(around)), Way::Unique)),
                Unique::Declined => {}
            }
        }
        let held = Timeline::memory(rows.len());
        let mut around = None;
        let outcome = budget.hold(held).and_then(|()| {
            let mut timeline =
                Timeline::new(&history.rows, rows, &history.texts, Cut::NONE, options.reductions, budget)?;
            if let Some(row) = stale_row(&timeline, options) {
                around = Some(history.rows[row as usize].completed);
                return Ok(Outcome::None);
            }
            let mut search = Search::new(&mut timeline, &history.texts, options.reductions);
            let outcome = search.run(steps, budget);
            *reached = search.reached();
            outcome
        });
        budget.release(held);
        let decision = match outcome? {
            Outcome::Order => Decision::Order,
            Outcome::None => {
                let sign = reached.map_or(Sign::Around(around.unwrap_or(0)), |reached| Sign::NotBefore(reached.row));
                Decision::None(sign)
            }
            Outcome::Postponed => Decision::Postponed,
        };
        Ok((decision, Way::Search))
    }

    fn reason(&self, rows: &[u32], reached: Option<Reached>, exhausted: Exhausted) -> String {
        let name = explain::name_of(self.history, rows, self.options);
        match reached {
            None => format!("{name}: {exhausted}; none of its {} operations was judged by then", rows.len()),
            Some(Reached { passed, row }) => {
                let [_, completion] = self.history.places[row as usize];
                let count = rows.len();
                format!("{name}: {exhausted}; it came {passed} of {count} operations far, to line {}", completion.line)
            }
        }
    }
}

impl Round {
    fn count(&mut self, way: Way) {
        match way {
            Way::Unique => self.unique += 1,
            Way::Search => self.search += 1,
        }
    }
}

/// At most so many reasons are told one by one.
const REASONS_AT_MOST: usize = 16;

fn reasons(unknown: Vec<(usize, String)>) -> Vec<String> {
    let more = unknown.len().saturating_sub(REASONS_AT_MOST);
    let mut reasons: Vec<String> = unknown.into_iter().take(REASONS_AT_MOST).map(|(_, reason)| reason).collect();
    if more > 0 {
        reasons.push(format!("and {more} more keys for the same reason"));
    }
    reasons
}

/// How far a search came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reached {
    /// So many operations had completed.
    pub(super) passed: usize,
    /// The completion of this one was in the way.
    pub(super) row: u32,
}

/// The row of an operation that saw what certainly was not there. ([`Reduction::Demand`])
fn stale_row(timeline: &Timeline, options: Options) -> Option<u32> {
    if options.reductions.has(Reduction::Demand) { stale::first(timeline) } else { None }
}

/// Whether these rows, as they were known at the cut, have an order.
pub(super) fn has_order(
    history: &History,
    rows: &[u32],
    cut: Cut,
    options: Options,
    budget: &Budget,
    scratch: &mut Scratch,
) -> Result<bool, Exhausted> {
    if options.shortcuts && options.partition {
        match unique::decide(&history.rows, rows, cut, budget, scratch)? {
            Unique::Order => return Ok(true),
            Unique::None { .. } => return Ok(false),
            Unique::Declined => {}
        }
    }
    let mut timeline = Timeline::new(&history.rows, rows, &history.texts, cut, options.reductions, budget)?;
    if stale_row(&timeline, options).is_some() {
        return Ok(false);
    }
    let mut search = Search::new(&mut timeline, &history.texts, options.reductions);
    Ok(search.run(u64::MAX, budget)? == Outcome::Order)
}
