//! The search for an order that explains every answer.
//!
//! After Wing & Gong (1993) and Lowe ("Testing for linearizability", 2017), as Porcupine does it: operations are put in
//! order one by one, each only once nothing that returned before its call is left; a configuration (what has been put in
//! order, and the state) that failed is not searched again. What is different here:
//!
//! - The search goes along the line of time and stops only at a return whose operation has no place yet. What has been
//!   put in order is then known from the place on the line, one bit for each operation under way, and one count for each
//!   group of open operations. A configuration is a few words, however long the history is; at a moment when nothing is
//!   under way it is only the state.
//! - At such a stop only operations of the same key are tried, and when all of them fail, the search goes back to the
//!   last choice for that key: operations of different keys commute, so no choice for another key can be the reason.
//! - Fewer orders are tried, see [`Reduction`] and the comments at each.

use super::failed::Failed;
use super::judge::Reached;
use super::options::{Reduction, Reductions};
use super::state::State;
use super::timeline::{Operation, Step, Timeline};
use crate::budget::{Budget, Exhausted};
use crate::text::Texts;

/// What came of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// An order that explains every answer; [`Search::order`] has it.
    Order,
    /// There is none.
    None,
    /// It took more steps than allowed.
    Postponed,
}

/// A search under way.
pub(super) struct Search<'a> {
    timeline: &'a mut Timeline,
    texts: &'a Texts,
    reductions: Reductions,
    /// The first event that has not passed.
    position: usize,
    /// The farthest that it ever was.
    farthest: usize,
    /// One bit a slot: called and not returned; and of these, put in order.
    called: Vec<u64>,
    placed: Vec<u64>,
    /// The operation that the slot stands for now.
    holders: Vec<u32>,
    /// By group: how many of its members are called, and how many of these are put in order.
    called_of: Vec<u32>,
    taken: Vec<u32>,
    /// By key: the groups of which a member is called and has no place; and where each group stands there.
    at_hand: Vec<Vec<u32>>,
    at_hand_place: Vec<u32>,
    /// Groups at hand and how many members, while a configuration is compared.
    counts: Vec<u32>,
    keys: Vec<KeyNow>,
    /// By state: how many operations that compare with it are left.
    observers: Vec<u32>,
    /// How many completed operations that observe anything are left, over all keys.
    observers_left: u32,
    has_appends: bool,
    trail: Vec<Placed>,
    frames: Vec<Frame>,
    candidates: Vec<u32>,
    /// Candidates while they are put in order.
    ranked: Vec<(u64, u32)>,
    failed: Failed,
    words: Vec<u64>,
    steps: u64,
    held: u64,
}

/// What changes of a key.
#[derive(Debug, Clone, Copy)]
struct KeyNow {
    state: State,
    writes: u32,
    demands: u32,
    failed: u32,
}

/// An operation that was put in order, and the state of its key before.
#[derive(Debug, Clone, Copy)]
struct Placed {
    operation: u32,
    before: State,
}

/// A stop at which there was a choice.
#[derive(Debug, Clone, Copy)]
struct Frame {
    position: u32,
    trail: u32,
    /// The choices are the candidates from `first` on; `next` is to be tried next.
    first: u32,
    next: u32,
    /// The operation that must have a place before its return.
    blocked: u32,
}

/// The place of a group that is not at hand.
const NOT_AT_HAND: u32 = u32::MAX;

/// The rank of what does not bring the value that is needed: behind everything that does.
const LATER: u64 = 1 << 32;

/// The clock is read, and the memory counted, once in so many steps: well below a millisecond.
const STEPS_PER_CHECK: u64 = 1 << 10;

impl<'a> Search<'a> {
    pub(super) fn new(timeline: &'a mut Timeline, texts: &'a Texts, reductions: Reductions) -> Self {
        let words = timeline.slots.div_ceil(64);
        let mut observers = vec![0; timeline.states.len()];
        let (mut observers_left, mut failed) = (0, vec![0; timeline.keys.len()]);
        for operation in &timeline.operations {
            match operation.step {
                Step::Read(state) | Step::Cas(state, _) => observers[state.0 as usize] += 1,
                Step::Differs(state) => {
                    observers[state.0 as usize] += 1;
                    failed[operation.key as usize] += 1;
                }
                Step::Write(_) | Step::Append(_) => {}
            }
        }
        let keys = timeline.keys.iter().zip(failed).map(|(key, failed)| {
            observers_left += key.observers;
            KeyNow { state: key.first(), writes: key.writes, demands: key.demands, failed }
        });
        let keys = keys.collect();
        Self {
            reductions,
            position: 0,
            farthest: 0,
            called: vec![0; words],
            placed: vec![0; words],
            holders: vec![0; timeline.slots],
            called_of: vec![0; timeline.groups.len()],
            taken: vec![0; timeline.groups.len()],
            at_hand: vec![Vec::new(); timeline.keys.len()],
            at_hand_place: vec![NOT_AT_HAND; timeline.groups.len()],
            counts: Vec::new(),
            keys,
            observers,
            observers_left,
            has_appends: timeline.keys.iter().any(|key| key.has_appends),
            trail: Vec::new(),
            frames: Vec::new(),
            candidates: Vec::new(),
            ranked: Vec::new(),
            failed: Failed::new(words + 2, reductions.has(Reduction::Dominance)),
            words: vec![0; words + 2],
            steps: 0,
            held: 0,
            timeline,
            texts,
        }
    }

    /// Searches until an order is found or there is none, or for so many steps.
    ///
    /// # Errors
    /// When the budget is used up.
    pub(super) fn run(&mut self, steps: u64, budget: &Budget) -> Result<Outcome, Exhausted> {
        // A step back for each step forward would not do for a history that is longer than the steps allowed.
        let steps = steps.max(2 * self.timeline.operations.len() as u64);
        let found = self.search(steps, budget);
        budget.release(std::mem::take(&mut self.held));
        found
    }

    fn search(&mut self, steps: u64, budget: &Budget) -> Result<Outcome, Exhausted> {
        loop {
            self.account(budget)?;
            if self.steps > steps {
                return Ok(Outcome::Postponed);
            }
            let Some(blocked) = self.advance() else { return Ok(Outcome::Order) };
            let key = self.timeline.operations[blocked as usize].key;
            if !self.enter(blocked) && !self.go_back(key) {
                return Ok(Outcome::None);
            }
            let frame = self.frames.last_mut().expect("there is a choice, else the search has ended");
            let choice = self.candidates[frame.next as usize];
            frame.next += 1;
            self.place_choice(choice);
        }
    }

    fn account(&mut self, budget: &Budget) -> Result<(), Exhausted> {
        self.steps += 1;
        if !self.steps.is_multiple_of(STEPS_PER_CHECK) {
            return Ok(());
        }
        budget.check()?;
        let stacks = self.trail.capacity() * size_of::<Placed>() + self.frames.capacity() * size_of::<Frame>();
        let memory = self.failed.memory() + self.timeline.states.memory() + stacks as u64;
        if memory > self.held {
            budget.hold(memory - self.held)?;
            self.held = memory;
        }
        if self.failed.is_full() {
            return Err(Exhausted::Memory(budget.memory()));
        }
        Ok(())
    }

    /// How far the search came: the farthest return that was ever in the way.
    pub(super) fn reached(&self) -> Option<Reached> {
        let passed = self.timeline.events.get(..self.farthest)?.iter().filter(|event| event.is_return()).count();
        let event = self.timeline.events.get(self.farthest).filter(|event| event.is_return())?;
        Some(Reached { passed, row: self.timeline.operations[event.operation()].row })
    }

    /// The operations that were put in order, as rows. After [`Outcome::Order`] all completed ones are among them.
    pub(super) fn order(&self) -> Vec<u32> {
        let mut placed = vec![false; self.timeline.operations.len()];
        let mut order = Vec::with_capacity(placed.len());
        for entry in &self.trail {
            placed[entry.operation as usize] = true;
            order.push(self.timeline.operations[entry.operation as usize].row);
        }
        // The search ends as soon as nothing is left that observes. The rest is right in any order that time allows, and
        // that of the invocations is one.
        let rest = self.timeline.events.iter().filter(|event| !event.is_return()).map(|event| event.operation());
        for number in rest {
            let operation = &self.timeline.operations[number];
            if !operation.is_open() && !placed[number] {
                order.push(operation.row);
            }
        }
        order
    }

    /// Passes events until a return whose operation has no place yet; `None` when there is nothing more to explain.
    fn advance(&mut self) -> Option<u32> {
        while let Some(&event) = self.timeline.events.get(self.position) {
            let number = event.operation();
            let operation = self.timeline.operations[number];
            if event.is_return() {
                if !has(&self.placed, operation.slot) {
                    self.farthest = self.farthest.max(self.position);
                    // What is left are writes whose effect nobody sees: any order is right. With appends it may not be,
                    // nothing can be appended to an integer.
                    let is_all_explained = self.observers_left == 0 && !self.has_appends;
                    return (!is_all_explained).then_some(number as u32);
                }
                clear(&mut self.placed, operation.slot);
                clear(&mut self.called, operation.slot);
            } else if operation.is_open() {
                self.called_of[operation.slot as usize] += 1;
                self.refresh(operation.slot, operation.key);
            } else {
                set(&mut self.called, operation.slot);
                self.holders[operation.slot as usize] = number as u32;
                if self.reductions.has(Reduction::Observations) {
                    self.place_if_it_observes(number as u32);
                }
            }
            self.position += 1;
        }
        None
    }

    /// An operation that only observes, may be next and is right now, is placed now: the state stays as it is, so in an
    /// order where it comes later it may as well come now. ([`Reduction::Observations`])
    fn place_if_it_observes(&mut self, number: u32) {
        let operation = self.timeline.operations[number as usize];
        let state = self.keys[operation.key as usize].state;
        let is_right = match operation.step {
            Step::Read(seen) => seen == state,
            Step::Differs(other) => other != state,
            Step::Write(_) | Step::Cas(..) | Step::Append(_) => false,
        };
        if is_right {
            self.place(number, state);
        }
    }

    /// At a stop: makes a frame with what may be tried; `false` when nothing may.
    fn enter(&mut self, blocked: u32) -> bool {
        if !self.failed.is_empty() {
            self.configuration(blocked);
            if self.failed.has(&self.words, &self.counts) {
                return false;
            }
        }
        let first = self.candidates.len();
        if !self.is_hopeless(blocked) {
            self.find_candidates(blocked);
        }
        if self.candidates.len() == first {
            self.remember(blocked);
            return false;
        }
        self.frames.push(Frame {
            position: self.position as u32,
            trail: self.trail.len() as u32,
            first: first as u32,
            next: first as u32,
            blocked,
        });
        true
    }

    /// Goes back to the last stop of this key where something is left to try; `false` when there is none.
    fn go_back(&mut self, key: u32) -> bool {
        while let Some(&frame) = self.frames.last() {
            self.undo(frame);
            let is_same = self.timeline.operations[frame.blocked as usize].key == key;
            if is_same && (frame.next as usize) < self.candidates.len() {
                return true;
            }
            if is_same {
                self.remember(frame.blocked);
            }
            self.candidates.truncate(frame.first as usize);
            self.frames.pop();
        }
        false
    }

    fn undo(&mut self, frame: Frame) {
        // First back along the line of time, which brings the bits back that stood at the frame's stop or were set since
        // for what was called before it; then what was placed since loses its place.
        while self.position > frame.position as usize {
            self.position -= 1;
            let event = self.timeline.events[self.position];
            let operation = &self.timeline.operations[event.operation()];
            if event.is_return() {
                set(&mut self.called, operation.slot);
                set(&mut self.placed, operation.slot);
                self.holders[operation.slot as usize] = event.operation() as u32;
            } else if operation.is_open() {
                self.called_of[operation.slot as usize] -= 1;
                let (group, key) = (operation.slot, operation.key);
                self.refresh(group, key);
            } else {
                clear(&mut self.called, operation.slot);
                clear(&mut self.placed, operation.slot);
            }
        }
        while self.trail.len() > frame.trail as usize {
            let entry = self.trail.pop().expect("it is longer than it was at the frame");
            self.unplace(entry);
        }
    }

    fn place(&mut self, number: u32, after: State) {
        let operation = self.timeline.operations[number as usize];
        let key = &mut self.keys[operation.key as usize];
        self.trail.push(Placed { operation: number, before: key.state });
        key.state = after;
        let is_open = operation.is_open();
        match operation.step {
            Step::Read(state) | Step::Differs(state) | Step::Cas(state, _) => {
                self.observers[state.0 as usize] -= 1;
                self.observers_left -= u32::from(!is_open);
                let is_demand = !is_open && !matches!(operation.step, Step::Differs(_));
                key.demands -= u32::from(is_demand);
                key.failed -= u32::from(matches!(operation.step, Step::Differs(_)));
            }
            Step::Write(_) => key.writes -= 1,
            Step::Append(_) => {}
        }
        if is_open {
            self.taken[operation.slot as usize] += 1;
            self.refresh(operation.slot, operation.key);
        } else {
            set(&mut self.placed, operation.slot);
        }
    }

    fn unplace(&mut self, entry: Placed) {
        let operation = self.timeline.operations[entry.operation as usize];
        let key = &mut self.keys[operation.key as usize];
        key.state = entry.before;
        let is_open = operation.is_open();
        match operation.step {
            Step::Read(state) | Step::Differs(state) | Step::Cas(state, _) => {
                self.observers[state.0 as usize] += 1;
                self.observers_left += u32::from(!is_open);
                let is_demand = !is_open && !matches!(operation.step, Step::Differs(_));
                key.demands += u32::from(is_demand);
                key.failed += u32::from(matches!(operation.step, Step::Differs(_)));
            }
            Step::Write(_) => key.writes += 1,
            Step::Append(_) => {}
        }
        if is_open {
            self.taken[operation.slot as usize] -= 1;
            self.refresh(operation.slot, operation.key);
        } else if has(&self.called, operation.slot) && self.holders[operation.slot as usize] == entry.operation {
            // Otherwise it is not even called any more, and the slot is nobody's or another's.
            clear(&mut self.placed, operation.slot);
        }
    }

    /// Places a choice, and what follows from it without any choice.
    fn place_choice(&mut self, number: u32) {
        let operation = self.timeline.operations[number as usize];
        let state = self.keys[operation.key as usize].state;
        let after = self.after(operation, state).expect("only what may be next is a candidate");
        if matches!(operation.step, Step::Write(_)) && self.reductions.has(Reduction::Absorption) {
            self.absorb(number, operation.key);
        }
        self.place(number, after);
        if after != state && self.reductions.has(Reduction::Observations) {
            self.for_each_under_way(operation.key, Self::place_if_it_observes);
        }
    }

    /// Puts the writes whose value nobody will see right before this one, where nobody can see them.
    ///
    /// In an order where such a write comes later, nothing after it sees its value; what comes next is a write, or
    /// nothing. So it can be taken out there and put in here. A failed compare-and-set sees any value, and an append
    /// makes something of any text: this is not done while there are such. ([`Reduction::Absorption`])
    fn absorb(&mut self, chosen: u32, key: u32) {
        if self.timeline.keys[key as usize].has_appends || self.keys[key as usize].failed > 0 {
            return;
        }
        self.for_each_under_way(key, |search, other| {
            if let Step::Write(value) = search.timeline.operations[other as usize].step
                && other != chosen
                && search.is_unseen(value)
            {
                let state = search.keys[key as usize].state;
                search.place(other, state);
            }
        });
    }

    /// Whether nobody who is left compares anything with this state of a key without appends.
    fn is_unseen(&self, state: State) -> bool {
        self.observers[state.0 as usize] == 0
    }

    /// The state that the operation leaves behind, if it may be next in this state.
    fn after(&mut self, operation: Operation, state: State) -> Option<State> {
        let after = match operation.step {
            Step::Read(seen) => (seen == state).then_some(state),
            Step::Differs(other) => (other != state).then_some(state),
            Step::Write(new) => Some(new),
            Step::Cas(old, new) => (old == state).then_some(new),
            Step::Append(suffix) => self.timeline.states.append(state, operation.key, suffix, self.texts),
        };
        if self.observers.len() < self.timeline.states.len() {
            self.observers.resize(self.timeline.states.len(), 0);
        }
        after
    }

    /// Does something with each operation of a key that is called, not returned and not placed. Those that it places
    /// itself are not visited again.
    fn for_each_under_way(&mut self, key: u32, mut visit: impl FnMut(&mut Self, u32)) {
        for word in 0..self.called.len() {
            let mut bits = self.called[word] & !self.placed[word];
            while bits != 0 {
                let slot = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let number = self.holders[slot];
                if self.timeline.operations[number as usize].key == key {
                    visit(self, number);
                }
            }
        }
    }

    /// Whether it is plain that the blocked operation will never get a place.
    ///
    /// It needs a certain value now, and of what may come before its return nothing brings that value. Or nobody
    /// compares with the value that is there, so that only a write leads on; somebody who is left needs a certain value;
    /// and no write is left. ([`Reduction::Demand`])
    fn is_hopeless(&mut self, blocked: u32) -> bool {
        if !self.reductions.has(Reduction::Demand) {
            return false;
        }
        let operation = self.timeline.operations[blocked as usize];
        let now = self.keys[operation.key as usize];
        if self.canonical(operation.key) == State::ELSEWHERE && now.demands > 0 && now.writes == 0 {
            return true;
        }
        let (Step::Read(needed) | Step::Cas(needed, _)) = operation.step else { return false };
        if needed == now.state {
            return false;
        }
        let brings = |step: Step| match step {
            Step::Write(new) | Step::Cas(_, new) => new == needed,
            Step::Append(_) => true,
            Step::Read(_) | Step::Differs(_) => false,
        };
        let groups = &self.at_hand[operation.key as usize];
        if groups.iter().any(|&group| brings(self.timeline.groups[group as usize].step)) {
            return false;
        }
        let mut is_hopeless = true;
        self.for_each_under_way(operation.key, |search, other| {
            is_hopeless &= !brings(search.timeline.operations[other as usize].step);
        });
        is_hopeless
    }

    /// Keeps the list of groups at hand right after a change of one. A run may have very many open operations of which
    /// only few are at hand: what took effect and was seen is no more.
    fn refresh(&mut self, group: u32, key: u32) {
        let is_at_hand = self.taken[group as usize] < self.called_of[group as usize];
        let (list, place) = (&mut self.at_hand[key as usize], self.at_hand_place[group as usize]);
        if is_at_hand == (place != NOT_AT_HAND) {
            return;
        }
        if is_at_hand {
            self.at_hand_place[group as usize] = list.len() as u32;
            list.push(group);
        } else {
            list.swap_remove(place as usize);
            if let Some(&moved) = list.get(place as usize) {
                self.at_hand_place[moved as usize] = place;
            }
            self.at_hand_place[group as usize] = NOT_AT_HAND;
        }
    }

    /// What may be placed at this stop, the most promising first: what brings the value that is needed now, what is
    /// blocked itself, then by completion, and open operations last.
    fn find_candidates(&mut self, blocked: u32) {
        let operation = self.timeline.operations[blocked as usize];
        let key = operation.key;
        let state = self.keys[key as usize].state;
        let needed = match operation.step {
            Step::Read(needed) | Step::Cas(needed, _) if needed != state => Some(needed),
            _ => None,
        };
        let mut ranked = std::mem::take(&mut self.ranked);
        self.for_each_under_way(key, |search, number| {
            let candidate = search.timeline.operations[number as usize];
            let Some(after) = search.after(candidate, state) else { return };
            // What is blocked completes first of all that are under way.
            let completion = u64::from(candidate.completion);
            let rank = if needed == Some(after) { completion } else { LATER + completion };
            ranked.push((rank, number));
        });
        for place in 0..self.at_hand[key as usize].len() {
            let group = self.at_hand[key as usize][place] as usize;
            let number = self.timeline.groups[group].members[self.taken[group] as usize];
            let candidate = self.timeline.operations[number as usize];
            let Some(after) = self.after(candidate, state) else { continue };
            if self.reductions.has(Reduction::SeenAtOnce) && !self.is_seen_at_once(key, group, after) {
                continue;
            }
            let rank = if needed == Some(after) { LATER - 1 } else { u64::MAX };
            ranked.push((rank, number));
        }
        ranked.sort_unstable();
        let first = self.candidates.len();
        for (_, number) in ranked.drain(..) {
            if !self.reductions.has(Reduction::Interchangeable) || self.is_first_of_its_step(number, first) {
                self.candidates.push(number);
            }
        }
        self.ranked = ranked;
    }

    /// Whether no candidate from `first` on does the same and completes earlier; candidates of one rank but for their
    /// completion come in its order, and open ones last.
    ///
    /// Of operations under way that do the same, the one that completes first goes first: in an order where it comes
    /// later, the two can change places. It is called already, and the other one completes even later.
    /// ([`Reduction::Interchangeable`])
    fn is_first_of_its_step(&self, number: u32, first: usize) -> bool {
        let step = self.timeline.operations[number as usize].step;
        self.candidates[first..].iter().all(|&other| self.timeline.operations[other as usize].step != step)
    }

    /// Whether an operation that may come right after an open one of `group` sees the state that it leaves behind.
    ///
    /// Take an order with as few open operations as can be. What comes right after an open one is no write and not
    /// nothing, else the order without the open one would be right too. So it is one that accepts the new state; and it
    /// may be next, which only what is called now may. ([`Reduction::SeenAtOnce`])
    fn is_seen_at_once(&mut self, key: u32, group: usize, after: State) -> bool {
        let sees = |step: Step| match step {
            Step::Read(state) | Step::Cas(state, _) => state == after,
            Step::Differs(state) => state != after,
            Step::Append(_) => true,
            Step::Write(_) => false,
        };
        let is_seen_by_open = self.at_hand[key as usize].iter().any(|&other| {
            let other = other as usize;
            let count = self.called_of[other] - self.taken[other];
            count > u32::from(other == group) && sees(self.timeline.groups[other].step)
        });
        if is_seen_by_open {
            return true;
        }
        let mut is_seen = false;
        self.for_each_under_way(key, |search, other| is_seen |= sees(search.timeline.operations[other as usize].step));
        is_seen
    }

    /// The state of a key; [`State::ELSEWHERE`] when nobody who is left compares with it. ([`Reduction::Unobservable`])
    fn canonical(&self, key: u32) -> State {
        let state = self.keys[key as usize].state;
        let is_unseen = self.reductions.has(Reduction::Unobservable)
            && !self.timeline.keys[key as usize].has_appends
            && self.is_unseen(state);
        if is_unseen { State::ELSEWHERE } else { state }
    }

    /// Puts into `words` what decides whether the blocked operation can get a place: where the search stands, the state of
    /// the key, and which of its operations under way have a place. And into `counts`, which open operations are at hand.
    fn configuration(&mut self, blocked: u32) {
        let key = self.timeline.operations[blocked as usize].key;
        self.words[0] = (self.position as u64) << 32 | u64::from(self.canonical(key).0);
        self.words[1] = u64::from(key);
        for word in 0..self.placed.len() {
            let mut placed = self.placed[word];
            let mut bits = if self.keys.len() == 1 { 0 } else { placed };
            while bits != 0 {
                let bit = bits & bits.wrapping_neg();
                bits ^= bit;
                let holder = self.holders[word * 64 + bit.trailing_zeros() as usize];
                if self.timeline.operations[holder as usize].key != key {
                    placed ^= bit;
                }
            }
            self.words[2 + word] = placed;
        }
        self.counts.clear();
        let mut groups = std::mem::take(&mut self.at_hand[key as usize]);
        groups.sort_unstable();
        for (place, &group) in groups.iter().enumerate() {
            self.at_hand_place[group as usize] = place as u32;
            self.counts.extend([group, self.called_of[group as usize] - self.taken[group as usize]]);
        }
        self.at_hand[key as usize] = groups;
    }

    /// The configuration that the search stands in failed.
    fn remember(&mut self, blocked: u32) {
        self.configuration(blocked);
        self.failed.insert(&self.words, &self.counts);
    }
}

fn has(bits: &[u64], slot: u32) -> bool {
    bits[slot as usize / 64] >> (slot % 64) & 1 == 1
}

fn set(bits: &mut [u64], slot: u32) {
    bits[slot as usize / 64] |= 1 << (slot % 64);
}

fn clear(bits: &mut [u64], slot: u32) {
    bits[slot as usize / 64] &= !(1 << (slot % 64));
}
