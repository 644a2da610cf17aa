//! Faults at exact messages: each waits for its message on the taps, and what it does there is done in the middle of the
//! message's way, by the tap itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::fault::AtMessage;
use crate::history::recorder::Recorder;
use crate::link::Link;
use crate::link::tap::{Control, Gate, Order, Sight};
use crate::sweep::point::{Action, MessageName, manner_of};
use crate::sweep::recording::{Seen, Topics};
use crate::sweep::trigger::{Decision, Trigger};

/// Everything that waits for a message; cheap to clone.
#[derive(Debug, Clone)]
pub struct Ambush {
    control: Control,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    recorder: Recorder,
    topics: Topics,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<u32, Waiting>,
    /// Who struck on a connection, until the tap has done as it was told.
    striking: HashMap<(Link, u64), oneshot::Sender<()>>,
}

/// One fault that waits.
#[derive(Debug)]
struct Waiting {
    trigger: Trigger,
    what: AtMessage,
    struck: oneshot::Sender<()>,
}

impl Ambush {
    /// On these taps from now on.
    pub fn new(control: Control, topics: Topics, recorder: Recorder) -> Self {
        let shared = Arc::new(Shared { recorder, topics, state: Mutex::default() });
        let (deciding, telling) = (Arc::clone(&shared), Arc::clone(&shared));
        control.set_gate(Some(Gate {
            decide: Arc::new(move |sight| deciding.decide(&sight)),
            carried_out: Arc::new(move |sight, _| telling.carried_out(&sight)),
        }));
        Self { control, shared }
    }

    /// Waits for a message, in the name of a fault; the receiver hears when it was struck.
    pub(super) fn lay(&self, fault: u32, message: &MessageName, what: AtMessage) -> oneshot::Receiver<()> {
        let (struck, hears) = oneshot::channel();
        let action = match what {
            AtMessage::Do(action) => action,
            // To be held up is to be struck as a request is.
            AtMessage::Delay(_) => Action::DropRequest,
        };
        let trigger = Trigger::new(message, manner_of(&message.command), action);
        self.shared.state().waiting.insert(fault, Waiting { trigger, what, struck });
        hears
    }

    /// Waits no longer; how many such messages had come, if it was still waiting.
    pub(super) fn lift(&self, fault: u32) -> Option<u32> {
        self.shared.state().waiting.remove(&fault).map(|waiting| waiting.trigger.count())
    }

    /// What was held back of a process is gone with it.
    pub(super) fn thaw(&self, process: &str) {
        self.control.thaw(process);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decide(&self, sight: &Sight<'_>) -> Order {
        let mut state = self.state();
        if state.waiting.is_empty() {
            return Order::Forward;
        }
        let seen = Seen::of(sight.link, sight.connection, sight.message, &self.topics, self.recorder.now());
        let mut decided = None;
        for (&fault, waiting) in &mut state.waiting {
            let decision = waiting.trigger.decide(&seen);
            if decision != Decision::Pass && decided.is_none() {
                decided = Some((fault, decision));
            }
        }
        let Some((fault, decision)) = decided else { return Order::Forward };
        let waiting = state.waiting.remove(&fault).expect("it has just decided");
        state.striking.insert((sight.link.clone(), sight.connection), waiting.struck);
        match (waiting.what, decision) {
            (AtMessage::Delay(delay), _) => Order::Delay(delay),
            (_, Decision::FreezeBefore) => Order::FreezeBefore,
            (_, Decision::FreezeAfter) => Order::FreezeAfter,
            (_, Decision::Cut | Decision::Pass) => Order::Cut,
        }
    }

    fn carried_out(&self, sight: &Sight<'_>) {
        if let Some(struck) = self.state().striking.remove(&(sight.link.clone(), sight.connection)) {
            // Nobody listens any more when the run ends meanwhile.
            let _ = struck.send(());
        }
    }
}
