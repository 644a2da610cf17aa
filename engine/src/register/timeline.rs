//! The operations of one search on a line of time: who may go when, told by small numbers.

use hashbrown::{HashMap, HashSet};

use super::history::{OPEN, Row, RowKind};
use super::options::{Reduction, Reductions};
use super::state::{State, States};
use super::value::Word;
use crate::budget::{Budget, Exhausted};
use crate::text::Texts;

/// What an operation of a search does, in the numbers of [`States`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// It sees this state.
    Read(State),
    /// It sees any state but this one.
    Differs(State),
    /// It leaves this state behind.
    Write(State),
    /// It sees the first state and leaves the second behind.
    Cas(State, State),
    /// It leaves behind what the text makes of the state.
    Append(Word),
}

/// An operation of a search.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub(super) step: Step,
    /// Its key, dense from 0 within the search.
    pub(super) key: u32,
    /// Its row in the history.
    pub(super) row: u32,
    /// Completed operations: the bit that stands for it while it is under way. Open ones: the number of their group.
    pub(super) slot: u32,
    /// Its place among the completions; `u32::MAX` when open.
    pub(super) completion: u32,
}

impl Operation {
    pub(super) fn is_open(&self) -> bool {
        self.completion == u32::MAX
    }
}

/// A call or a return, in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event(u32);

impl Event {
    pub(super) fn operation(self) -> usize {
        (self.0 >> 1) as usize
    }

    pub(super) fn is_return(self) -> bool {
        self.0 & 1 == 1
    }
}

/// Open operations that do the same, in the order of their invocations.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) step: Step,
    pub(super) members: Vec<u32>,
}

/// What a search searches.
#[derive(Debug)]
pub(super) struct Timeline {
    pub(super) operations: Vec<Operation>,
    pub(super) events: Vec<Event>,
    pub(super) keys: Vec<Key>,
    pub(super) groups: Vec<Group>,
    pub(super) states: States,
    /// How many bits stand for operations under way.
    pub(super) slots: usize,
}

/// What a search knows of a key beforehand.
#[derive(Debug, Clone, Default)]
pub(super) struct Key {
    pub(super) has_appends: bool,
    pub(super) has_failed: bool,
    /// How many writes there are, completed or not.
    pub(super) writes: u32,
    /// How many completed operations see one certain value.
    pub(super) demands: u32,
    /// How many completed operations observe anything.
    pub(super) observers: u32,
    first: State,
}

impl Key {
    /// The state of null, which the key starts in.
    pub(super) fn first(&self) -> State {
        self.first
    }

    /// Whether open operations that nobody can tell from never may be left out.
    fn may_drop(&self, reductions: Reductions) -> bool {
        reductions.has(Reduction::Unobservable) && !self.has_appends && !self.has_failed
    }
}

/// Which rows a timeline is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    /// What was invoked later is left out; what completed later is open.
    pub(super) until: u64,
    /// This row is left out.
    pub(super) without: Option<u32>,
}

impl Cut {
    pub(super) const NONE: Self = Self { until: OPEN, without: None };

    /// The row as it was known at the time of the cut; `None` when it said nothing then.
    pub(super) fn apply(self, number: u32, row: &Row) -> Option<Row> {
        let mut row = *row;
        if row.invoked > self.until || self.without == Some(number) {
            return None;
        }
        if row.completed > self.until {
            row.completed = OPEN;
        }
        (!row.says_nothing()).then_some(row)
    }
}

/// The rows of one search as they were known at the time of the cut, with what is decided before any search.
struct Selection {
    rows: Vec<(u32, Row)>,
    /// By key of the search.
    keys: Vec<Key>,
    /// The history's keys, by key of the search.
    numbers: HashMap<u32, u32>,
}

/// What the rows became.
struct Steps {
    operations: Vec<Operation>,
    groups: Vec<Group>,
    /// Invocation and completion, by operation.
    times: Vec<(u64, u64)>,
}

impl Timeline {
    /// The timeline of `numbers` among `rows`.
    pub(super) fn new(
        rows: &[Row],
        numbers: &[u32],
        texts: &Texts,
        cut: Cut,
        reductions: Reductions,
        budget: &Budget,
    ) -> Result<Self, Exhausted> {
        let mut selection = select(rows, numbers, cut, budget)?;
        let observed = selection.observed(reductions, budget)?;
        let names: Vec<bool> = selection.keys.iter().map(|key| key.has_appends).collect();
        let mut states = States::new(texts, &names, observed);
        for (number, key) in selection.keys.iter_mut().enumerate() {
            key.first = states.of(number as u32, Word::NULL, texts);
        }
        budget.check()?;
        let Steps { operations, groups, times } = selection.steps(&mut states, texts, reductions, budget)?;
        let mut timeline = Self { operations, events: Vec::new(), keys: selection.keys, groups, states, slots: 0 };
        timeline.order(&times, budget)?;
        budget.check()?;
        timeline.count();
        Ok(timeline)
    }

    /// The bytes that a timeline of so many rows takes at most while it is made, but for its texts.
    pub(super) fn memory(rows: usize) -> u64 {
        let row = size_of::<(u32, Row)>() + size_of::<Operation>() + size_of::<(u64, u64)>();
        let event = size_of::<(u64, u32)>() + size_of::<Event>();
        // An observed value stands in a set, in a table and in the list of forms, at most two for a row.
        let value = 2 * (size_of::<(u32, Word)>() + size_of::<((u32, Word), State)>() + 16);
        (rows * (row + 2 * event + 2 * value)) as u64
    }

    /// The events in the order of time, and with them the slots.
    fn order(&mut self, times: &[(u64, u64)], budget: &Budget) -> Result<(), Exhausted> {
        let numbered = || (0_u32..).zip(times);
        let mut calls: Vec<(u64, u32)> = numbered().map(|(number, &(invoked, _))| (invoked, number)).collect();
        let ends = numbered().map(|(number, &(_, completed))| (completed, number));
        let mut returns: Vec<(u64, u32)> = ends.filter(|&(completed, _)| completed != OPEN).collect();
        budget.check()?;
        // Both are nearly in order, which a stable sort makes use of.
        calls.sort_by_key(|&(invoked, _)| invoked);
        budget.check()?;
        returns.sort_by_key(|&(completed, _)| completed);
        budget.check()?;
        self.events.reserve(calls.len() + returns.len());
        let (mut calls, mut returns) = (calls.into_iter().peekable(), returns.into_iter().peekable());
        // At one moment calls come before returns: what touches is concurrent.
        while let Some(&(completed, _)) = returns.peek() {
            while let Some((_, number)) = calls.next_if(|&(invoked, _)| invoked <= completed) {
                self.events.push(Event(number << 1));
            }
            let until = calls.peek().map_or(OPEN, |&(invoked, _)| invoked);
            while let Some((_, number)) = returns.next_if(|&(completed, _)| completed < until) {
                self.events.push(Event(number << 1 | 1));
            }
        }
        self.events.extend(calls.map(|(_, number)| Event(number << 1)));
        budget.check()?;
        self.assign_slots();
        Ok(())
    }

    fn assign_slots(&mut self) {
        let (mut free, mut returned) = (Vec::new(), 0);
        for event in &self.events {
            let operation = &mut self.operations[event.operation()];
            if operation.is_open() {
                continue;
            }
            if event.is_return() {
                free.push(operation.slot);
                operation.completion = returned;
                returned += 1;
            } else {
                operation.slot = free.pop().unwrap_or_else(|| {
                    self.slots += 1;
                    self.slots as u32 - 1
                });
            }
        }
    }

    fn count(&mut self) {
        for operation in &self.operations {
            let key = &mut self.keys[operation.key as usize];
            key.writes += u32::from(matches!(operation.step, Step::Write(_)));
            if operation.is_open() {
                continue;
            }
            key.demands += u32::from(matches!(operation.step, Step::Read(_) | Step::Cas(..)));
            key.observers += u32::from(matches!(operation.step, Step::Read(_) | Step::Cas(..) | Step::Differs(_)));
        }
    }
}

fn select(rows: &[Row], numbers: &[u32], cut: Cut, budget: &Budget) -> Result<Selection, Exhausted> {
    let mut selection =
        Selection { rows: Vec::with_capacity(numbers.len()), keys: Vec::new(), numbers: HashMap::new() };
    for (place, &number) in numbers.iter().enumerate() {
        check_now_and_then(place, budget)?;
        let Some(mut row) = cut.apply(number, &rows[number as usize]) else { continue };
        if row.kind() == RowKind::Cas && row.first == row.second {
            // It changes nothing. Completed it is a read of that value; open it says nothing.
            if row.is_open() {
                continue;
            }
            row.who = row.who.with(RowKind::Read);
        }
        let next = selection.keys.len() as u32;
        row.key = *selection.numbers.entry(row.key).or_insert(next);
        if row.key == next {
            selection.keys.push(Key::default());
        }
        let key = &mut selection.keys[row.key as usize];
        key.has_appends |= row.kind() == RowKind::Append;
        key.has_failed |= row.kind() == RowKind::FailedCas;
        selection.rows.push((number, row));
    }
    Ok(selection)
}

/// Asks the budget once in many rows.
fn check_now_and_then(place: usize, budget: &Budget) -> Result<(), Exhausted> {
    if place % (1 << 16) == (1 << 16) - 1 { budget.check() } else { Ok(()) }
}

impl Selection {
    /// The values of each key that anybody compares the register with.
    ///
    /// An open compare-and-set that nobody can tell from one that never took effect compares nothing either: on a key
    /// without appends and failed compare-and-sets, what comes right after it in an order and is no write must see its
    /// new value; if nobody compares with that value, a write comes next or nothing, and the order without the open
    /// operation is right as well. ([`Reduction::Unobservable`])
    fn observed(&self, reductions: Reductions, budget: &Budget) -> Result<HashSet<(u32, Word)>, Exhausted> {
        let mut observed = HashSet::new();
        let mut by_new: HashMap<(u32, Word), Vec<Word>> = HashMap::new();
        let mut reached = Vec::new();
        for (place, (_, row)) in self.rows.iter().enumerate() {
            check_now_and_then(place, budget)?;
            let key = &self.keys[row.key as usize];
            let is_telling = match row.kind() {
                RowKind::Read | RowKind::FailedCas => true,
                RowKind::Cas => !row.is_open() || !key.may_drop(reductions),
                RowKind::Write | RowKind::Append | RowKind::Nothing => false,
            };
            if is_telling {
                if observed.insert((row.key, row.first)) {
                    reached.push((row.key, row.first));
                }
            } else if row.kind() == RowKind::Cas {
                by_new.entry((row.key, row.second)).or_default().push(row.first);
            }
            if !reductions.has(Reduction::Unobservable) {
                observed.extend([(row.key, row.first), (row.key, row.second)]);
            }
        }
        while let Some(value) = reached.pop() {
            for old in by_new.remove(&value).unwrap_or_default() {
                if observed.insert((value.0, old)) {
                    reached.push((value.0, old));
                }
            }
        }
        Ok(observed)
    }

    /// The operations, and the open ones among them in groups. What nobody can tell from never is left out; see
    /// [`Self::observed`] for why, and for an open write it is the same.
    fn steps(
        &mut self,
        states: &mut States,
        texts: &Texts,
        reductions: Reductions,
        budget: &Budget,
    ) -> Result<Steps, Exhausted> {
        let mut operations = Vec::with_capacity(self.rows.len());
        let mut times = Vec::with_capacity(self.rows.len());
        let mut open: Vec<Vec<u32>> = vec![Vec::new(); self.keys.len()];
        for (place, &(number, row)) in self.rows.iter().enumerate() {
            check_now_and_then(place, budget)?;
            let key = row.key;
            let step = match row.kind() {
                RowKind::Read => Step::Read(states.of(key, row.first, texts)),
                RowKind::FailedCas => Step::Differs(states.of(key, row.first, texts)),
                RowKind::Write => Step::Write(states.of(key, row.first, texts)),
                RowKind::Cas => Step::Cas(states.of(key, row.first, texts), states.of(key, row.second, texts)),
                RowKind::Append => Step::Append(row.first),
                RowKind::Nothing => continue,
            };
            if row.is_open() {
                if let Step::Write(new) | Step::Cas(_, new) = step
                    && new == State::ELSEWHERE
                    && self.keys[key as usize].may_drop(reductions)
                {
                    continue;
                }
                open[key as usize].push(operations.len() as u32);
            }
            let completion = if row.is_open() { u32::MAX } else { 0 };
            times.push((row.invoked, row.completed));
            operations.push(Operation { step, key, row: number, slot: 0, completion });
        }
        let mut groups = Vec::new();
        for members in open {
            self::groups(&mut operations, members, &mut groups, reductions);
        }
        // The rows may be in any order; within a group the order of the invocations counts.
        for group in &mut groups {
            group.members.sort_by_key(|&member| (times[member as usize].0, member));
        }
        Ok(Steps { operations, groups, times })
    }
}

/// Puts open operations of one key into groups of the same step.
///
/// Two open operations that do the same are interchangeable: in an order where the one that was invoked later goes first
/// (or goes while the other never does), they can change places, because the earlier invoked one may stand wherever the
/// later invoked one may, and neither has a completion that anything must follow. So it is enough to take them in the
/// order of their invocations. ([`Reduction::Interchangeable`])
fn groups(operations: &mut [Operation], members: Vec<u32>, groups: &mut Vec<Group>, reductions: Reductions) {
    let mut by_step: HashMap<Step, usize> = HashMap::new();
    for member in members {
        let operation = &mut operations[member as usize];
        let fresh = groups.len();
        let group = if reductions.has(Reduction::Interchangeable) {
            *by_step.entry(operation.step).or_insert(fresh)
        } else {
            fresh
        };
        if group == fresh {
            groups.push(Group { step: operation.step, members: Vec::new() });
        }
        operation.slot = group as u32;
        groups[group].members.push(member);
    }
}
