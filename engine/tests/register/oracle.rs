//! The definition of linearizability, tried out: every order of a short history. It shares nothing with the engine.

use crate::generate::{Event, Function, Kind, Value};

/// An operation as an interval.
#[derive(Debug, Clone)]
struct Interval {
    invoked: usize,
    /// `None`: it may take effect at any later time, or never.
    completed: Option<usize>,
    act: Act,
}

#[derive(Debug, Clone)]
enum Act {
    Read(Value),
    Write(Value),
    Cas(Value, Value),
    FailedCas(Value),
    Append(String),
}

/// On how many keys no order explains the answers.
pub(crate) fn keys_without_order(events: &[Event]) -> usize {
    let mut keys: Vec<&str> = events.iter().map(|event| event.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter().filter(|key| !has_order(&intervals(events, key))).count()
}

fn intervals(events: &[Event], key: &str) -> Vec<Interval> {
    let mut intervals = Vec::new();
    for (invoked, event) in events.iter().enumerate().filter(|(_, event)| event.key == key) {
        if event.kind != Kind::Invoke {
            continue;
        }
        // The next line of the process completes it, unless it is another invocation.
        let next = events.iter().enumerate().skip(invoked + 1).find(|(_, other)| other.process == event.process);
        let end = next.filter(|(_, end)| end.kind != Kind::Invoke);
        let (completed, act) = match (&event.function, end) {
            (_, Some((_, end))) if end.kind == Kind::Fail => match &event.function {
                Function::Cas(old, _) if !end.has_error => (end_of(end, events), Act::FailedCas(old.clone())),
                _ => continue,
            },
            (Function::Read(_), Some((place, end))) if end.kind == Kind::Ok => match &end.function {
                Function::Read(value) => (Some(place), Act::Read(value.clone())),
                _ => unreachable!("a process completes what it invoked"),
            },
            (Function::Read(_), _) => continue,
            (function, end) => {
                let completed = end.filter(|(_, end)| end.kind == Kind::Ok).map(|(place, _)| place);
                let act = match function {
                    Function::Write(value) => Act::Write(value.clone()),
                    Function::Cas(old, new) => Act::Cas(old.clone(), new.clone()),
                    Function::Append(text) => Act::Append(text.clone()),
                    Function::Read(_) => unreachable!("taken above"),
                };
                (completed, act)
            }
        };
        intervals.push(Interval { invoked, completed, act });
    }
    intervals
}

fn end_of(end: &Event, events: &[Event]) -> Option<usize> {
    events.iter().position(|event| std::ptr::eq(event, end))
}

fn has_order(intervals: &[Interval]) -> bool {
    let mut used = vec![false; intervals.len()];
    extend(intervals, &mut used, &Value::Null)
}

/// Whether the order so far can be continued until every completed operation is in it.
fn extend(intervals: &[Interval], used: &mut [bool], state: &Value) -> bool {
    if intervals.iter().zip(used.iter()).all(|(interval, &used)| used || interval.completed.is_none()) {
        return true;
    }
    for number in 0..intervals.len() {
        let precedes = |other: usize| intervals[other].completed.is_some_and(|end| end < intervals[number].invoked);
        if used[number] || (0..intervals.len()).any(|other| !used[other] && precedes(other)) {
            continue;
        }
        if let Some(after) = apply(&intervals[number].act, state) {
            used[number] = true;
            let is_found = extend(intervals, used, &after);
            used[number] = false;
            if is_found {
                return true;
            }
        }
    }
    false
}

/// The value after, if the operation may be next.
fn apply(act: &Act, state: &Value) -> Option<Value> {
    match act {
        Act::Read(value) => is_same(value, state).then(|| state.clone()),
        Act::FailedCas(old) => (!is_same(old, state)).then(|| state.clone()),
        Act::Write(value) => Some(value.clone()),
        Act::Cas(old, new) => is_same(old, state).then(|| new.clone()),
        Act::Append(text) => match state {
            Value::Null => Some(Value::Text(text.clone())),
            Value::Text(before) => Some(Value::Text(format!("{before}{text}"))),
            Value::Integer(_) => None,
        },
    }
}

fn is_same(left: &Value, right: &Value) -> bool {
    let empty = |value: &Value| matches!(value, Value::Null) || matches!(value, Value::Text(text) if text.is_empty());
    left == right || (empty(left) && empty(right))
}
