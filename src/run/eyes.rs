//! What the taps tell while operations are carried out one by one, and what is decided about it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use tokio::sync::Notify;

use super::context::Context;
use crate::history::recorder::Recorder;
use crate::link::Link;
use crate::link::tap::{self, Direction, Gate, Message, Order, Sight, Step};
use crate::sweep::recording::{Seen, Topics};
use crate::sweep::trigger::{Decision, Trigger};

/// The most messages that are kept of one recording.
const MOST_SEEN: usize = 20_000;

/// What the taps tell, and what is decided about it.
pub(super) struct Eyes {
    recorder: Recorder,
    topics: Topics,
    state: Mutex<State>,
    is_armed: AtomicBool,
    is_recording: AtomicBool,
    /// Notified when what was decided is done.
    struck: Notify,
}

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    trigger: Option<Trigger>,
    /// The sessions of each client that are within a transaction.
    open: HashMap<String, HashSet<[u8; 16]>>,
}

impl State {
    /// Keeps track of transactions: whoever dies within one leaves it open.
    fn follow(&mut self, client: &str, message: &Message) {
        let Some(transaction) = &message.transaction else { return };
        let (session, is_answer) = (transaction.session.0, message.direction == Direction::Answers);
        match transaction.step {
            Step::Starts | Step::Continues if !is_answer => {
                self.open.entry(client.to_owned()).or_default().insert(session);
            }
            Step::Commits | Step::Aborts if is_answer && message.failure.is_none() => {
                self.open.entry(client.to_owned()).or_default().remove(&session);
            }
            _ => {}
        }
    }
}

impl Eyes {
    pub(super) fn new(context: &Context<'_>) -> Self {
        Self {
            recorder: context.recorder.clone(),
            topics: context.names.manifest_topics(),
            state: Mutex::default(),
            is_armed: AtomicBool::new(false),
            is_recording: AtomicBool::new(false),
            struck: Notify::new(),
        }
    }

    /// Waits until what the trigger decided is done.
    pub(super) async fn struck(&self) {
        self.struck.notified().await;
    }

    /// The sessions of a client that are within a transaction; it is dead, so they are forgotten.
    pub(super) fn left_open_by(&self, client: &str) -> Vec<[u8; 16]> {
        self.state().open.remove(client).unwrap_or_default().into_iter().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn observer(eyes: &Arc<Self>) -> tap::Observer {
        let eyes = Arc::clone(eyes);
        Arc::new(move |link, connection, event| {
            let tap::Event::Message(message) = event else { return };
            if message.transaction.is_some() {
                eyes.state().follow(&link.client, message);
            }
            if eyes.is_recording.load(Ordering::Relaxed) {
                let seen = eyes.seen(link, connection, message);
                let mut state = eyes.state();
                if state.seen.len() < MOST_SEEN {
                    state.seen.push(seen);
                }
            }
        })
    }

    pub(super) fn gate(eyes: &Arc<Self>) -> Gate {
        let (deciding, telling) = (Arc::clone(eyes), Arc::clone(eyes));
        Gate {
            decide: Arc::new(move |sight| deciding.decide(&sight)),
            carried_out: Arc::new(move |_, _| telling.struck.notify_one()),
        }
    }

    fn decide(&self, sight: &Sight<'_>) -> Order {
        if !self.is_armed.load(Ordering::Acquire) {
            return Order::Forward;
        }
        let seen = self.seen(sight.link, sight.connection, sight.message);
        let mut state = self.state();
        let Some(trigger) = &mut state.trigger else { return Order::Forward };
        match trigger.decide(&seen) {
            Decision::Pass => Order::Forward,
            Decision::Cut => Order::Cut,
            Decision::FreezeBefore => Order::FreezeBefore,
            Decision::FreezeAfter => Order::FreezeAfter,
        }
    }

    fn seen(&self, link: &Link, connection: u64, message: &Message) -> Seen {
        Seen::of(link, connection, message, &self.topics, self.recorder.now())
    }

    /// Keeps what passes from now on.
    pub(super) fn record(&self) {
        self.state().seen.clear();
        self.is_recording.store(true, Ordering::Release);
    }

    /// What has passed since then.
    pub(super) fn recorded(&self) -> Vec<Seen> {
        self.is_recording.store(false, Ordering::Release);
        std::mem::take(&mut self.state().seen)
    }

    pub(super) fn arm(&self, trigger: Trigger) {
        // A strike that came too late for the last trigger is none of this one's.
        let _ = self.struck.notified().now_or_never();
        self.state().trigger = Some(trigger);
        self.is_armed.store(true, Ordering::Release);
    }

    /// Lets everything pass again; whether the trigger had struck.
    pub(super) fn disarm(&self) -> bool {
        self.is_armed.store(false, Ordering::Release);
        self.state().trigger.take().is_some_and(|trigger| trigger.is_done())
    }
}
