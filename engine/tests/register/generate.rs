//! Random short histories: some of a real register with answers changed, some of nonsense.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

/// One line of a history.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) process: i64,
    pub(crate) kind: Kind,
    pub(crate) key: String,
    pub(crate) function: Function,
    pub(crate) has_error: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Invoke,
    Ok,
    Fail,
    Info,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Function {
    Read(Value),
    Write(Value),
    Cas(Value, Value),
    Append(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Integer(i64),
    Text(String),
}

impl From<&Value> for serde_json::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Integer(number) => (*number).into(),
            Value::Text(text) => text.as_str().into(),
        }
    }
}

/// The lines of a history as JSON.
pub(crate) fn lines(events: &[Event]) -> String {
    let mut lines = String::new();
    for (index, event) in events.iter().enumerate() {
        let (function, value) = match &event.function {
            Function::Read(value) => ("read", serde_json::Value::from(value)),
            Function::Write(value) => ("write", value.into()),
            Function::Cas(old, new) => ("cas", json!([serde_json::Value::from(old), serde_json::Value::from(new)])),
            Function::Append(text) => ("append", text.as_str().into()),
        };
        let kind = match event.kind {
            Kind::Invoke => "invoke",
            Kind::Ok => "ok",
            Kind::Fail => "fail",
            Kind::Info => "info",
        };
        let error = if event.has_error { json!("timeout") } else { serde_json::Value::Null };
        let operation = json!({
            "index": index, "time": index, "process": event.process, "type": kind, "f": function, "value": value,
            "key": event.key, "error": error,
        });
        writeln!(lines, "{operation}").expect("a string takes everything");
    }
    lines
}

/// What the histories are like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flavour {
    pub(crate) processes: i64,
    pub(crate) keys: u32,
    pub(crate) operations: usize,
    /// How many values there are; 0: each is written once.
    pub(crate) values: i64,
    pub(crate) texts: bool,
    /// Only compare-and-sets, reads and failed ones.
    pub(crate) versioned: bool,
    /// Of 100: how many operations end as info, or never.
    pub(crate) open: u32,
    /// Of 100: how many histories have an answer changed.
    pub(crate) changed: u32,
}

/// A history of a register that works, unless answers were changed.
pub(crate) fn history(flavour: Flavour, seed: u64) -> Vec<Event> {
    let mut generator = Generator {
        flavour,
        random: StdRng::seed_from_u64(seed),
        registers: BTreeMap::new(),
        fresh: 0,
        processes: (0..flavour.processes).map(|name| (name, None)).collect(),
        next_process: flavour.processes,
        events: Vec::new(),
    };
    generator.run();
    generator.events
}

struct Generator {
    flavour: Flavour,
    random: StdRng,
    registers: BTreeMap<String, Value>,
    fresh: i64,
    processes: Vec<(i64, Option<Running>)>,
    next_process: i64,
    events: Vec<Event>,
}

/// An operation under way, and what came of it if it took effect already.
#[derive(Debug, Clone)]
struct Running {
    key: String,
    function: Function,
    effect: Effect,
}

#[derive(Debug, Clone)]
enum Effect {
    NotYet,
    /// It was there in vain: the value was not the one it needs.
    Refused,
    /// It took effect and left, or saw, this value.
    Done(Value),
}

impl Generator {
    fn run(&mut self) {
        let mut invoked = 0;
        while invoked < self.flavour.operations || self.random.random_range(0..4) > 0 {
            let place = self.random.random_range(0..self.processes.len());
            match self.processes[place].1.clone() {
                None if invoked < self.flavour.operations => {
                    self.invoke(place);
                    invoked += 1;
                }
                None => {}
                Some(running) if matches!(running.effect, Effect::NotYet) && self.random.random_range(0..3) > 0 => {
                    let effect = self.apply(&running);
                    self.processes[place].1 = Some(Running { effect, ..running });
                }
                Some(running) => self.complete(place, running),
            }
        }
        if self.random.random_range(0..100) < self.flavour.changed {
            self.change();
        }
    }

    fn value(&mut self) -> Value {
        let number = if self.flavour.values == 0 {
            self.fresh += 1;
            self.fresh
        } else {
            self.random.random_range(0..self.flavour.values)
        };
        self.name(number)
    }

    fn name(&self, number: i64) -> Value {
        match number {
            0 if self.flavour.texts => Value::Text(String::new()),
            number if self.flavour.texts => Value::Text(format!("v{number}")),
            number => Value::Integer(number),
        }
    }

    /// A value that somebody may expect: often the one that is there.
    fn expected(&mut self, key: &str) -> Value {
        match self.random.random_range(0..3) {
            0 if self.flavour.values > 0 => self.value(),
            0 => {
                let number = self.random.random_range(0..=self.fresh);
                self.name(number)
            }
            _ => self.registers.get(key).cloned().unwrap_or(Value::Null),
        }
    }

    fn invoke(&mut self, place: usize) {
        let key = format!("k{}", self.random.random_range(0..self.flavour.keys));
        let function = match self.random.random_range(0..8) {
            0..3 => Function::Read(Value::Null),
            3 | 4 if !self.flavour.versioned => Function::Write(self.value()),
            5 if self.flavour.texts && !self.flavour.versioned => {
                Function::Append(["a", "b", "ab"][place % 3].to_owned())
            }
            _ => Function::Cas(self.expected(&key), self.value()),
        };
        let process = self.processes[place].0;
        let event =
            Event { process, kind: Kind::Invoke, key: key.clone(), function: function.clone(), has_error: false };
        self.events.push(event);
        self.processes[place].1 = Some(Running { key, function, effect: Effect::NotYet });
    }

    /// It takes effect now.
    fn apply(&mut self, running: &Running) -> Effect {
        let register = self.registers.entry(running.key.clone()).or_insert(Value::Null);
        let empty = |value: &Value| *value == Value::Null || *value == Value::Text(String::new());
        match &running.function {
            Function::Read(_) => {}
            Function::Write(value) => *register = value.clone(),
            Function::Cas(old, new) if old == register || (empty(old) && empty(register)) => *register = new.clone(),
            Function::Cas(..) => return Effect::Refused,
            Function::Append(text) => match register {
                Value::Null => *register = Value::Text(text.clone()),
                Value::Text(before) => before.push_str(text),
                Value::Integer(_) => return Effect::Refused,
            },
        }
        Effect::Done(register.clone())
    }

    fn complete(&mut self, place: usize, running: Running) {
        let process = self.processes[place].0;
        self.processes[place].1 = None;
        let is_open = self.random.random_range(0..100) < self.flavour.open;
        let (kind, has_error) = match &running.effect {
            // It goes on without ever completing.
            _ if is_open && self.random.random_range(0..3) == 0 => return,
            _ if is_open => (Kind::Info, self.random.random_range(0..2) == 0),
            Effect::NotYet => (Kind::Fail, true),
            Effect::Refused => (Kind::Fail, false),
            Effect::Done(_) => (Kind::Ok, false),
        };
        if kind == Kind::Info && self.random.random_range(0..3) > 0 {
            // Otherwise it is a loose history: the process goes on.
            self.processes[place].0 = self.next_process;
            self.next_process += 1;
        }
        let function = match (running.function, running.effect) {
            (Function::Read(_), Effect::Done(seen)) => Function::Read(seen),
            (function, _) => function,
        };
        self.events.push(Event { process, kind, key: running.key, function, has_error });
    }

    /// Changes one answer.
    fn change(&mut self) {
        let ends: Vec<usize> =
            (0..self.events.len()).filter(|&place| self.events[place].kind != Kind::Invoke).collect();
        if ends.is_empty() {
            return;
        }
        let place = ends[self.random.random_range(0..ends.len())];
        let key = self.events[place].key.clone();
        let seen = self.expected(&key);
        let event = &mut self.events[place];
        match (&mut event.function, event.kind) {
            (Function::Read(value), _) => *value = seen,
            (_, Kind::Ok) => event.kind = Kind::Fail,
            (_, Kind::Fail) => event.kind = Kind::Ok,
            _ => {}
        }
    }
}
