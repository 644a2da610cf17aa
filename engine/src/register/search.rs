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

use super::board::{Board, Placed};
use super::failed::Failed;
use super::judge::Reached;
use super::options::{Reduction, Reductions};
use super::state::State;
use super::timeline::{Step, Timeline};
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
    board: Board<'a>,
    reductions: Reductions,
    /// The farthest place on the line of time at which the search ever stopped.
    farthest: usize,
    frames: Vec<Frame>,
    candidates: Vec<u32>,
    /// Candidates while they are put in order.
    ranked: Vec<(u64, u32)>,
    failed: Failed,
    /// The configuration while it is compared: its words, and the groups at hand, each with how many.
    words: Vec<u64>,
    counts: Vec<u32>,
    steps: u64,
    held: u64,
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

/// The rank of what does not bring the value that is needed: behind everything that does.
const LATER: u64 = 1 << 32;

/// The clock is read, and the memory counted, once in so many steps: well below a millisecond.
const STEPS_PER_CHECK: u64 = 1 << 10;

impl<'a> Search<'a> {
    pub(super) fn new(timeline: &'a mut Timeline, texts: &'a Texts, reductions: Reductions) -> Self {
        let words = timeline.slots.div_ceil(64) + 2;
        Self {
            board: Board::new(timeline, texts, reductions.has(Reduction::Observations)),
            reductions,
            farthest: 0,
            frames: Vec::new(),
            candidates: Vec::new(),
            ranked: Vec::new(),
            failed: Failed::new(words, reductions.has(Reduction::Dominance)),
            words: vec![0; words],
            counts: Vec::new(),
            steps: 0,
            held: 0,
        }
    }

    /// Searches until an order is found or there is none, or for so many steps.
    ///
    /// # Errors
    /// When the budget is used up.
    pub(super) fn run(&mut self, steps: u64, budget: &Budget) -> Result<Outcome, Exhausted> {
        // A step back for each step forward would not do for a history that is longer than the steps allowed.
        let steps = steps.max(2 * self.board.timeline.operations.len() as u64);
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
            let Some(blocked) = self.board.advance() else { return Ok(Outcome::Order) };
            self.farthest = self.farthest.max(self.board.position);
            let key = self.board.timeline.operations[blocked as usize].key;
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
        let stacks = self.board.trail.capacity() * size_of::<Placed>() + self.frames.capacity() * size_of::<Frame>();
        let memory = self.failed.memory() + self.board.timeline.states.memory() + stacks as u64;
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
        let passed = self.board.timeline.events.get(..self.farthest)?.iter().filter(|event| event.is_return()).count();
        let event = self.board.timeline.events.get(self.farthest).filter(|event| event.is_return())?;
        Some(Reached { passed, row: self.board.timeline.operations[event.operation()].row })
    }

    /// The operations that were put in order, as rows. After [`Outcome::Order`] all completed ones are among them.
    pub(super) fn order(&self) -> Vec<u32> {
        let mut placed = vec![false; self.board.timeline.operations.len()];
        let mut order = Vec::with_capacity(placed.len());
        for entry in &self.board.trail {
            placed[entry.operation as usize] = true;
            order.push(self.board.timeline.operations[entry.operation as usize].row);
        }
        // The search ends as soon as nothing is left that observes. The rest is right in any order that time allows, and
        // that of the invocations is one.
        let rest = self.board.timeline.events.iter().filter(|event| !event.is_return()).map(|event| event.operation());
        for number in rest {
            let operation = &self.board.timeline.operations[number];
            if !operation.is_open() && !placed[number] {
                order.push(operation.row);
            }
        }
        order
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
            position: self.board.position as u32,
            trail: self.board.trail.len() as u32,
            first: first as u32,
            next: first as u32,
            blocked,
        });
        true
    }

    /// Goes back to the last stop of this key where something is left to try; `false` when there is none.
    fn go_back(&mut self, key: u32) -> bool {
        while let Some(&frame) = self.frames.last() {
            self.board.go_back(frame.position as usize, frame.trail as usize);
            let is_same = self.board.timeline.operations[frame.blocked as usize].key == key;
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

    /// Places a choice, and what follows from it without any choice.
    fn place_choice(&mut self, number: u32) {
        let operation = self.board.timeline.operations[number as usize];
        let state = self.board.keys[operation.key as usize].state;
        let after = self.board.after(operation, state).expect("only what may be next is a candidate");
        if matches!(operation.step, Step::Write(_)) && self.reductions.has(Reduction::Absorption) {
            self.absorb(number, operation.key);
        }
        self.board.place(number, after);
        if after != state && self.reductions.has(Reduction::Observations) {
            self.board.for_each_under_way(operation.key, Board::place_if_it_observes);
        }
    }

    /// Puts the writes whose value nobody will see right before this one, where nobody can see them.
    ///
    /// In an order where such a write comes later, nothing after it sees its value; what comes next is a write, or
    /// nothing. So it can be taken out there and put in here. A failed compare-and-set sees any value, and an append
    /// makes something of any text: this is not done while there are such. ([`Reduction::Absorption`])
    fn absorb(&mut self, chosen: u32, key: u32) {
        if self.board.timeline.keys[key as usize].has_appends || self.board.keys[key as usize].failed > 0 {
            return;
        }
        self.board.for_each_under_way(key, |board, other| {
            if let Step::Write(value) = board.timeline.operations[other as usize].step
                && other != chosen
                && board.is_unseen(value)
            {
                let state = board.keys[key as usize].state;
                board.place(other, state);
            }
        });
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
        let operation = self.board.timeline.operations[blocked as usize];
        let now = self.board.keys[operation.key as usize];
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
        let groups = &self.board.at_hand[operation.key as usize];
        if groups.iter().any(|&group| brings(self.board.timeline.groups[group as usize].step)) {
            return false;
        }
        let mut is_hopeless = true;
        self.board.for_each_under_way(operation.key, |board, other| {
            is_hopeless &= !brings(board.timeline.operations[other as usize].step);
        });
        is_hopeless
    }

    /// What may be placed at this stop, the most promising first: what brings the value that is needed now, what is
    /// blocked itself, then by completion, and open operations last.
    fn find_candidates(&mut self, blocked: u32) {
        let operation = self.board.timeline.operations[blocked as usize];
        let key = operation.key;
        let state = self.board.keys[key as usize].state;
        let needed = match operation.step {
            Step::Read(needed) | Step::Cas(needed, _) if needed != state => Some(needed),
            _ => None,
        };
        let mut ranked = std::mem::take(&mut self.ranked);
        self.board.for_each_under_way(key, |board, number| {
            let candidate = board.timeline.operations[number as usize];
            let Some(after) = board.after(candidate, state) else { return };
            // What is blocked completes first of all that are under way.
            let completion = u64::from(candidate.completion);
            let rank = if needed == Some(after) { completion } else { LATER + completion };
            ranked.push((rank, number));
        });
        for place in 0..self.board.at_hand[key as usize].len() {
            let group = self.board.at_hand[key as usize][place] as usize;
            let number = self.board.timeline.groups[group].members[self.board.taken[group] as usize];
            let candidate = self.board.timeline.operations[number as usize];
            let Some(after) = self.board.after(candidate, state) else { continue };
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
        let step = self.board.timeline.operations[number as usize].step;
        self.candidates[first..].iter().all(|&other| self.board.timeline.operations[other as usize].step != step)
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
        let is_seen_by_open = self.board.at_hand[key as usize].iter().any(|&other| {
            let other = other as usize;
            let count = self.board.called_of[other] - self.board.taken[other];
            count > u32::from(other == group) && sees(self.board.timeline.groups[other].step)
        });
        if is_seen_by_open {
            return true;
        }
        let mut is_seen = false;
        self.board
            .for_each_under_way(key, |board, other| is_seen |= sees(board.timeline.operations[other as usize].step));
        is_seen
    }

    /// The state of a key; [`State::ELSEWHERE`] when nobody who is left compares with it. ([`Reduction::Unobservable`])
    fn canonical(&self, key: u32) -> State {
        let state = self.board.keys[key as usize].state;
        let is_unseen = self.reductions.has(Reduction::Unobservable)
            && !self.board.timeline.keys[key as usize].has_appends
            && self.board.is_unseen(state);
        if is_unseen { State::ELSEWHERE } else { state }
    }

    /// Puts into `words` what decides whether the blocked operation can get a place: where the search stands, the state of
    /// the key, and which of its operations under way have a place. And into `counts`, which open operations are at hand.
    fn configuration(&mut self, blocked: u32) {
        let key = self.board.timeline.operations[blocked as usize].key;
        self.words[0] = (self.board.position as u64) << 32 | u64::from(self.canonical(key).0);
        self.words[1] = u64::from(key);
        for word in 0..self.board.placed.len() {
            let mut placed = self.board.placed[word];
            let mut bits = if self.board.keys.len() == 1 { 0 } else { placed };
            while bits != 0 {
                let bit = bits & bits.wrapping_neg();
                bits ^= bit;
                let holder = self.board.holders[word * 64 + bit.trailing_zeros() as usize];
                if self.board.timeline.operations[holder as usize].key != key {
                    placed ^= bit;
                }
            }
            self.words[2 + word] = placed;
        }
        self.counts.clear();
        let mut groups = std::mem::take(&mut self.board.at_hand[key as usize]);
        groups.sort_unstable();
        for (place, &group) in groups.iter().enumerate() {
            self.board.at_hand_place[group as usize] = place as u32;
            self.counts.extend([group, self.board.called_of[group as usize] - self.board.taken[group as usize]]);
        }
        self.board.at_hand[key as usize] = groups;
    }

    /// The configuration that the search stands in failed.
    fn remember(&mut self, blocked: u32) {
        self.configuration(blocked);
        self.failed.insert(&self.words, &self.counts);
    }
}
