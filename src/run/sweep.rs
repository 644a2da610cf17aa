//! A sweep in place of load and faults: one operation is recorded, then carried out again and again, each time with another
//! action at another of its messages, and followed by a sentinel on the same entity and instance that must come through.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::context::{Context, Cut};
use super::event::{Event, Swept};
use super::stage::Stage;
use super::wiring;
use crate::history::entry::{Entry, Outcome, Strike, WireMessage};
use crate::history::recorder::Recorder;
use crate::link::tap::{self, Direction, Gate, Message, Order, Sight, Step, Taps};
use crate::link::{CLIENTS, Link};
use crate::load::LoadSpec;
use crate::load::hand::{Hand, Told};
use crate::scenario::plan::Plan;
use crate::service::Services;
use crate::sweep::order::{EACH, SweepOrder};
use crate::sweep::point::{Action, Point};
use crate::sweep::recording::{Recording, Seen, Standing, Topics, messages};
use crate::sweep::table::MessageRow;
use crate::sweep::trigger::{Decision, Trigger};
use crate::sweep::verdict::Trial;
use crate::witness::Roles;

/// How long nobody asks anything of the services, so that it shows what they send by themselves.
const QUIET: Duration = Duration::from_millis(2500);

/// How long an operation is recorded after it came through: what follows late belongs to it too.
const TRAIL: Duration = Duration::from_millis(400);

/// How long the last recording goes on: longer than the timers by which consumers commit offsets (5 s by default).
const LONG_TRAIL: Duration = Duration::from_millis(6500);

/// How long a message may take to come, counted from the operation's invocation.
const STRIKE_WITHIN: Duration = Duration::from_secs(4);

/// How long one may that does not come in every recording: what a timer sends comes late.
const VARYING_WITHIN: Duration = Duration::from_secs(8);

/// How long operation and sentinel may take to come through, after the last restart.
const THROUGH_WITHIN: Duration = Duration::from_secs(15);

/// How long ending the transactions of a killed process may take.
const END_WITHIN: Duration = Duration::from_secs(5);

/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(4);

/// The pause before a sentinel that was refused is followed by another.
const AGAIN_AFTER: Duration = Duration::from_millis(150);

/// The most messages that are kept of one recording.
const MOST_SEEN: usize = 20_000;

/// What a sweep leaves, before its history is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// The messages of the operation, without cells.
    pub rows: Vec<MessageRow>,
    /// Every try, in order.
    pub trials: Vec<Trial>,
    /// How long all tries took together.
    pub took: Duration,
}

/// Carries a sweep out.
pub(super) async fn sweep(
    context: &Context<'_>,
    stage: &Stage,
    plan: Arc<Plan>,
    order: &SweepOrder,
) -> Result<Tried, Cut> {
    let (Some(taps), Some(services), Some(witnesses)) = (&stage.taps, &stage.services, &stage.witnesses) else {
        return Err(Cut::Failed("there is nothing to sweep: the workload has neither MongoDB nor Kafka".to_owned()));
    };
    let spec = LoadSpec {
        plan,
        load: context.resolved.scenario.load.clone(),
        seed: context.resolved.scenario.seed,
        targets: wiring::targets(context, stage)?,
        recorder: context.recorder.clone(),
        start: context.recorder.now(),
    };
    let eyes = Arc::new(Eyes::new(context));
    taps.set_observer(Some(Eyes::observer(&eyes)));
    taps.set_gate(Some(Eyes::gate(&eyes)));
    let mut sweeper = Sweeper {
        context,
        taps,
        services,
        roles: witnesses.roles(),
        eyes,
        hand: Hand::new(&spec, &context.cancellation)?,
        key: 0,
    };
    let tried = sweeper.run(order).await;
    taps.set_gate(None);
    taps.set_observer(None);
    sweeper.hand.end();
    tried
}

/// What the taps tell, and what is decided about it.
struct Eyes {
    recorder: Recorder,
    topics: Topics,
    state: Mutex<State>,
    is_armed: AtomicBool,
    is_recording: AtomicBool,
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
    fn new(context: &Context<'_>) -> Self {
        Self {
            recorder: context.recorder.clone(),
            topics: context.names.manifest_topics(),
            state: Mutex::default(),
            is_armed: AtomicBool::new(false),
            is_recording: AtomicBool::new(false),
            struck: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observer(eyes: &Arc<Self>) -> tap::Observer {
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

    fn gate(eyes: &Arc<Self>) -> Gate {
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
    fn record(&self) {
        self.state().seen.clear();
        self.is_recording.store(true, Ordering::Release);
    }

    /// What has passed since then.
    fn recorded(&self) -> Vec<Seen> {
        self.is_recording.store(false, Ordering::Release);
        std::mem::take(&mut self.state().seen)
    }

    fn arm(&self, trigger: Trigger) {
        // A strike that came too late for the last trigger is none of this one's.
        let _ = self.struck.notified().now_or_never();
        self.state().trigger = Some(trigger);
        self.is_armed.store(true, Ordering::Release);
    }

    /// Lets everything pass again; whether the trigger had struck.
    fn disarm(&self) -> bool {
        self.is_armed.store(false, Ordering::Release);
        self.state().trigger.take().is_some_and(|trigger| trigger.is_done())
    }
}

struct Sweeper<'a> {
    context: &'a Context<'a>,
    taps: &'a Taps,
    services: &'a Services,
    roles: Roles,
    eyes: Arc<Eyes>,
    hand: Hand,
    /// The next entity; each has [`EACH`] operations.
    key: u64,
}

impl Sweeper<'_> {
    async fn run(&mut self, order: &SweepOrder) -> Result<Tried, Cut> {
        // Connections, producer ids and consumers come up with the first operations, not with those that are recorded.
        for _ in 0..2 {
            self.undisturbed().await?;
        }
        // What they leave to timers (offset commits) is none of what services send by themselves all the time.
        self.pause(LONG_TRAIL).await?;
        self.eyes.record();
        self.pause(QUIET).await?;
        let standing = Standing::learn(&self.eyes.recorded());
        let mut recordings = Vec::new();
        for number in 1..=order.recordings {
            let trail = if number == order.recordings { LONG_TRAIL } else { TRAIL };
            recordings.push(self.recording(&standing, trail).await?);
        }
        let rows = messages(&standing, &recordings);
        if rows.is_empty() {
            return Err(Cut::Failed(format!(
                "{} sends nothing to MongoDB or Kafka that could be read; links with TLS, and such as lead past torn, cannot \
                 be swept",
                order.operation
            )));
        }
        let points: Vec<(usize, Point)> = rows.iter().enumerate().flat_map(|(place, row)| points(place, row)).collect();
        let needed = points.len() as u64 * u64::from(order.repeat) + self.key;
        if needed > u64::from(order.keys) {
            return Err(Cut::Failed(format!(
                "{} points, {} times each, need {needed} entities, and there are {}; give --keys {needed} or more",
                points.len(),
                order.repeat,
                order.keys
            )));
        }
        let began = Instant::now();
        let mut trials = Vec::new();
        for round in 0..order.repeat {
            for (place, point) in &points {
                let number = trials.len();
                (self.context.observer)(Event::Sweep(Swept {
                    done: number,
                    total: points.len() * order.repeat as usize,
                    elapsed: began.elapsed(),
                    point: point.to_string(),
                }));
                let patience = if rows[*place].varies() { VARYING_WITHIN } else { STRIKE_WITHIN };
                trials.push(self.attempt(*place, round, point, patience).await?);
            }
        }
        Ok(Tried { rows, trials, took: began.elapsed() })
    }

    /// One operation from its invocation to its last effect.
    async fn recording(&mut self, standing: &Standing, trail: Duration) -> Result<Recording, Cut> {
        self.eyes.record();
        let invoked = self.context.recorder.now();
        let told = self.undisturbed().await?;
        self.pause(trail).await?;
        let seen = self.eyes.recorded();
        for message in &seen {
            if standing.manner(message).is_some() || message.is_answer && !message.is_background {
                self.context.recorder.record(Entry::Wire(wire(message)));
            }
        }
        Ok(Recording { invoked, answered: told.at, seen })
    }

    /// One operation that nobody disturbs.
    async fn undisturbed(&mut self) -> Result<Told, Cut> {
        let number = self.next_key();
        let told = self.hand.carry_out(number).await;
        let id = self.hand.planned(number).id;
        if told.outcome != Outcome::Ok {
            let answer = words(&told);
            return Err(Cut::Failed(format!("{id} was answered with {answer} although nothing was broken")));
        }
        if !self.comes_through(&id, Instant::now() + THROUGH_WITHIN).await? {
            let (within, log) = (humantime::format_duration(THROUGH_WITHIN), self.context.logs.display());
            return Err(Cut::Failed(format!(
                "{id} did not come through within {within} although nothing was broken; the services' logs are in {log}"
            )));
        }
        Ok(told)
    }

    /// One action at one message.
    async fn attempt(&mut self, place: usize, round: u32, point: &Point, patience: Duration) -> Result<Trial, Cut> {
        let (began, from) = (Instant::now(), self.context.recorder.now());
        let first = self.next_key();
        let planned = self.hand.planned(first);
        self.eyes.arm(Trigger::new(&point.message, point.manner, point.action));
        let (told, struck) = tokio::join!(self.hand.carry_out(first), self.strike(point, patience));
        let mut note = struck?;
        let has_struck = self.eyes.disarm();
        if !has_struck {
            note = Some("its message never came".to_owned());
        }
        let sentinel = self.sentinel(first).await?;
        if sentinel.is_none() {
            let within = humantime::format_duration(THROUGH_WITHIN);
            let missed = note.map_or_else(String::new, |note| format!("{note}; "));
            note = Some(format!(
                "{missed}no later operation on the same entity came through within {within}, so every service was started anew"
            ));
            self.renew().await?;
        }
        let is_late = !self.is_through(&planned.id) && told.outcome == Outcome::Ok;
        let trial = Trial {
            row: place,
            round,
            action: point.action,
            operation: planned.id,
            entity: planned.values.values().find_map(|value| value.as_str()).unwrap_or_default().to_owned(),
            told: words(&told),
            has_struck,
            has_recovered: sentinel.is_some(),
            is_late,
            note,
            from,
            took: began.elapsed(),
        };
        self.context.recorder.record(Entry::Strike(Strike {
            at: self.context.recorder.now(),
            from,
            point: point.to_string(),
            operation: trial.operation.clone(),
            sentinel,
            has_struck,
        }));
        Ok(trial)
    }

    /// Waits for the message; kills who is to be killed, and starts it again.
    async fn strike(&self, point: &Point, patience: Duration) -> Result<Option<String>, Cut> {
        let is_struck = tokio::select! {
            () = self.context.cancellation.cancelled() => return Err(Cut::Interrupted),
            struck = timeout(patience, self.eyes.struck.notified()) => struck.is_ok(),
        };
        if !is_struck || !point.action.is_kill() {
            return Ok(None);
        }
        let instance = &point.message.client;
        self.services.kill(instance).await?;
        // What was on its way to or from it is gone with it.
        self.taps.thaw(instance);
        let open: Vec<[u8; 16]> = self.eyes.state().open.remove(instance).unwrap_or_default().into_iter().collect();
        self.roles.end_sessions(&open, Instant::now() + END_WITHIN).await?;
        match self.services.restart(instance).await {
            Ok(()) => Ok(None),
            Err(error) => {
                self.services.restart(instance).await?;
                Ok(Some(format!("{instance} came back only at the second start: {error}")))
            }
        }
    }

    /// Further operations on the same entity, until one of them has come through; its id.
    async fn sentinel(&self, first: u64) -> Result<Option<String>, Cut> {
        let deadline = Instant::now() + THROUGH_WITHIN;
        for number in first + 1..first + EACH {
            let told = self.hand.carry_out(number).await;
            let id = self.hand.planned(number).id;
            if told.outcome == Outcome::Ok && self.comes_through(&id, deadline).await? {
                return Ok(Some(id));
            }
            if Instant::now() >= deadline {
                break;
            }
            self.pause(AGAIN_AFTER).await?;
        }
        Ok(None)
    }

    /// Starts every service anew, so that what is wrong with one of them does not spoil the next points.
    async fn renew(&self) -> Result<(), Cut> {
        let running: Vec<String> = self.services.processes().await.into_iter().map(|(name, _)| name).collect();
        for instance in self.context.resolved.instances() {
            if running.contains(&instance.name) {
                self.services.kill(&instance.name).await?;
            }
            self.services.restart(&instance.name).await?;
        }
        Ok(())
    }

    async fn comes_through(&self, operation: &str, deadline: Instant) -> Result<bool, Cut> {
        loop {
            if self.is_through(operation) {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            self.pause(LOOK_EVERY).await?;
        }
    }

    fn is_through(&self, operation: &str) -> bool {
        self.context.obligations.lock().unwrap_or_else(PoisonError::into_inner).has_come_through(operation)
    }

    fn next_key(&mut self) -> u64 {
        self.key += 1;
        (self.key - 1) * EACH
    }

    async fn pause(&self, time: Duration) -> Result<(), Cut> {
        tokio::select! {
            () = self.context.cancellation.cancelled() => Err(Cut::Interrupted),
            () = sleep(time) => Ok(()),
        }
    }
}

/// What can be done at a message. Only what torn has started can be killed, and clients send no messages here.
fn points(place: usize, row: &MessageRow) -> impl Iterator<Item = (usize, Point)> {
    let is_service = row.message.client != CLIENTS;
    Action::of(row.manner)
        .filter(move |_| is_service)
        .map(move |action| (place, Point { message: row.message.clone(), manner: row.manner, action }))
}

fn words(told: &Told) -> String {
    match &told.answer {
        Ok(status) => status.to_string(),
        Err(reason) => format!("no answer ({reason})"),
    }
}

fn wire(seen: &Seen) -> WireMessage {
    WireMessage {
        at: seen.at,
        link: seen.link.to_string(),
        connection: seen.connection,
        correlation: seen.correlation,
        is_answer: seen.is_answer,
        command: seen.command.clone(),
        target: seen.target.clone(),
        brings: seen.brings,
    }
}
