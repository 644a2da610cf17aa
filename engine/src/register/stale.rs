//! What no order can explain is seen at once where a value was certainly gone, or never there.
//!
//! An operation that saw a value has it from one of its writers. A completed operation that left another value behind, and
//! that was invoked after the writer completed and completed before the reader was invoked, lies between the two in every
//! order: then that writer is not the one. If no writer is left, there is no order. This is not all that can be wrong,
//! but most of what is, and it takes one pass.

use super::state::State;
use super::timeline::{Step, Timeline};

/// What is known of a key on the way along the line of time. Places on it are counted from 1; 0 is before everything.
#[derive(Debug, Clone, Copy, Default)]
struct Overwritten {
    /// The last call of an operation that completed and left a value behind, and that value.
    last: (usize, State),
    /// The same of those that left another value than that behind.
    other: usize,
}

impl Overwritten {
    fn take(&mut self, call: usize, value: State) {
        if value == self.last.1 {
            self.last.0 = self.last.0.max(call);
        } else if call > self.last.0 {
            (self.other, self.last) = (self.last.0, (call, value));
        } else {
            self.other = self.other.max(call);
        }
    }

    /// The last call of a completed operation that left another value than this behind.
    fn by_other_than(&self, value: State) -> usize {
        if value == self.last.1 { self.other } else { self.last.0 }
    }
}

/// The row of the first operation that saw what certainly was not there, if there is one.
pub(super) fn first(timeline: &Timeline) -> Option<u32> {
    let mut returned_at = vec![usize::MAX; timeline.operations.len()];
    for (place, event) in timeline.events.iter().enumerate().filter(|(_, event)| event.is_return()) {
        returned_at[event.operation()] = place + 1;
    }
    let mut called_at = vec![0; timeline.operations.len()];
    // By operation: how late the completion of its writer must be. By value: the latest of a writer, once one is called.
    let mut needed = vec![0; timeline.operations.len()];
    let mut latest: Vec<Option<usize>> = vec![None; timeline.states.len()];
    let mut overwritten = vec![Overwritten::default(); timeline.keys.len()];
    for key in &timeline.keys {
        latest[key.first().0 as usize] = Some(0);
    }
    for (place, event) in timeline.events.iter().enumerate() {
        let number = event.operation();
        let operation = &timeline.operations[number];
        if timeline.keys[operation.key as usize].has_appends {
            continue;
        }
        let (seen, left) = match operation.step {
            Step::Read(seen) => (Some(seen), None),
            Step::Cas(seen, left) => (Some(seen), Some(left)),
            Step::Write(left) => (None, Some(left)),
            Step::Differs(_) | Step::Append(_) => (None, None),
        };
        let overwritten = &mut overwritten[operation.key as usize];
        if event.is_return() {
            if let Some(seen) = seen
                && latest[seen.0 as usize].is_none_or(|latest| latest < needed[number])
            {
                return Some(operation.row);
            }
            if let Some(left) = left {
                overwritten.take(called_at[number], left);
            }
        } else {
            called_at[number] = place + 1;
            if let Some(seen) = seen {
                needed[number] = overwritten.by_other_than(seen);
            }
            if let Some(left) = left {
                latest[left.0 as usize] = latest[left.0 as usize].max(Some(returned_at[number]));
            }
        }
    }
    None
}
