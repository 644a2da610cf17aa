//! Where a search stands: on the line of time, what is under way, what has been put in order, and the states.

use super::state::State;
use super::timeline::{Operation, Step, Timeline};
use crate::text::Texts;

/// The state of a search, which goes forward and back.
pub(super) struct Board<'a> {
    pub(super) timeline: &'a mut Timeline,
    texts: &'a Texts,
    /// Whether an operation that only observes is placed as soon as it is called, if it is right.
    observes_at_once: bool,
    /// The first event that has not passed.
    pub(super) position: usize,
    /// One bit a slot: called and not returned; and of these, put in order.
    called: Vec<u64>,
    pub(super) placed: Vec<u64>,
    /// The operation that the slot stands for now.
    pub(super) holders: Vec<u32>,
    /// By group: how many of its members are called, and how many of these are put in order.
    pub(super) called_of: Vec<u32>,
    pub(super) taken: Vec<u32>,
    /// By key: the groups of which a member is called and has no place; and where each group stands there.
    pub(super) at_hand: Vec<Vec<u32>>,
    pub(super) at_hand_place: Vec<u32>,
    pub(super) keys: Vec<KeyNow>,
    /// By state: how many operations that compare with it are left.
    observers: Vec<u32>,
    /// How many completed operations that observe anything are left, over all keys.
    observers_left: u32,
    has_appends: bool,
    pub(super) trail: Vec<Placed>,
}

/// What changes of a key.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyNow {
    pub(super) state: State,
    pub(super) writes: u32,
    pub(super) demands: u32,
    pub(super) failed: u32,
}

/// An operation that was put in order, and the state of its key before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub(super) operation: u32,
    before: State,
}

/// The place of a group that is not at hand.
const NOT_AT_HAND: u32 = u32::MAX;

impl<'a> Board<'a> {
    pub(super) fn new(timeline: &'a mut Timeline, texts: &'a Texts, observes_at_once: bool) -> Self {
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
            texts,
            observes_at_once,
            position: 0,
            called: vec![0; words],
            placed: vec![0; words],
            holders: vec![0; timeline.slots],
            called_of: vec![0; timeline.groups.len()],
            taken: vec![0; timeline.groups.len()],
            at_hand: vec![Vec::new(); timeline.keys.len()],
            at_hand_place: vec![NOT_AT_HAND; timeline.groups.len()],
            keys,
            observers,
            observers_left,
            has_appends: timeline.keys.iter().any(|key| key.has_appends),
            trail: Vec::new(),
            timeline,
        }
    }

    /// Passes events until a return whose operation has no place yet; `None` when there is nothing more to explain.
    pub(super) fn advance(&mut self) -> Option<u32> {
        while let Some(&event) = self.timeline.events.get(self.position) {
            let number = event.operation();
            let operation = self.timeline.operations[number];
            if event.is_return() {
                if !has(&self.placed, operation.slot) {
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
                if self.observes_at_once {
                    self.place_if_it_observes(number as u32);
                }
            }
            self.position += 1;
        }
        None
    }

    /// An operation that only observes, may be next and is right now, is placed now: the state stays as it is, so in an
    /// order where it comes later it may as well come now. ([`Reduction::Observations`])
    pub(super) fn place_if_it_observes(&mut self, number: u32) {
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

    /// Goes back to where the search stood at this position with so much on the trail.
    pub(super) fn go_back(&mut self, position: usize, trail: usize) {
        // First along the line of time, which brings the bits back that stood there or were set since for what was called
        // before; then what was placed since loses its place.
        while self.position > position {
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
        while self.trail.len() > trail {
            let entry = self.trail.pop().expect("it is longer than it was then");
            self.unplace(entry);
        }
    }

    /// Puts an operation in order; it leaves this state behind.
    pub(super) fn place(&mut self, number: u32, after: State) {
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

    /// Whether nobody who is left compares anything with this state of a key without appends.
    pub(super) fn is_unseen(&self, state: State) -> bool {
        self.observers[state.0 as usize] == 0
    }

    /// The state that the operation leaves behind, if it may be next in this state.
    pub(super) fn after(&mut self, operation: Operation, state: State) -> Option<State> {
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
    pub(super) fn for_each_under_way(&mut self, key: u32, mut visit: impl FnMut(&mut Self, u32)) {
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
