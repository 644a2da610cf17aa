//! A sweep in place of load and faults: one operation is recorded, then carried out again and again, each time with another
//! action at another of its messages, and followed by a sentinel on the same entity and instance that must come through.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::context::{Context, Cut};
use super::event::{Event, Swept};
use super::eyes::Eyes;
use super::lone::{Lone, THROUGH_WITHIN, TRAIL, words};
use super::stage::Stage;
use super::wiring;
use crate::history::entry::{Entry, Outcome, Strike};
use crate::link::CLIENTS;
use crate::link::tap::Taps;
use crate::load::hand::Hand;
use crate::scenario::plan::Plan;
use crate::service::Services;
use crate::sweep::order::{EACH, SweepOrder};
use crate::sweep::point::{Action, Point};
use crate::sweep::recording::messages;
use crate::sweep::table::MessageRow;
use crate::sweep::trigger::Trigger;
use crate::sweep::verdict::Trial;
use crate::witness::Roles;

/// How long the last recording goes on: longer than the timers by which consumers commit offsets (5 s by default).
const LONG_TRAIL: Duration = Duration::from_millis(6500);

/// How long a message may take to come, counted from the operation's invocation.
const STRIKE_WITHIN: Duration = Duration::from_secs(4);

/// How long one may that does not come in every recording: what a timer sends comes late.
const VARYING_WITHIN: Duration = Duration::from_secs(8);

/// How long ending the transactions of a killed process may take.
const END_WITHIN: Duration = Duration::from_secs(5);

/// The pause before a sentinel that was refused is followed by another.
const AGAIN_AFTER: Duration = Duration::from_millis(150);

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
    let spec = wiring::load_spec(context, stage, plan)?;
    let eyes = Arc::new(Eyes::new(context));
    taps.set_observer(Some(Eyes::observer(&eyes)));
    taps.set_gate(Some(Eyes::gate(&eyes)));
    let lone = Lone { context, eyes, hand: Hand::new(&spec, &context.cancellation)? };
    let mut sweeper = Sweeper { taps, services, roles: witnesses.roles(), lone, key: 0 };
    let tried = sweeper.run(order).await;
    taps.set_gate(None);
    taps.set_observer(None);
    sweeper.lone.hand.end();
    tried
}

struct Sweeper<'a> {
    taps: &'a Taps,
    services: &'a Services,
    roles: Roles,
    lone: Lone<'a>,
    /// The next entity; each has [`EACH`] operations.
    key: u64,
}

impl Sweeper<'_> {
    async fn run(&mut self, order: &SweepOrder) -> Result<Tried, Cut> {
        // Connections, producer ids and consumers come up with the first operations, not with those that are recorded.
        for _ in 0..2 {
            let number = self.next_key();
            self.lone.undisturbed(number).await?;
        }
        // What they leave to timers (offset commits) is none of what services send by themselves all the time.
        self.lone.pause(LONG_TRAIL).await?;
        let standing = self.lone.standing().await?;
        let mut recordings = Vec::new();
        for place in 1..=order.recordings {
            let trail = if place == order.recordings { LONG_TRAIL } else { TRAIL };
            let number = self.next_key();
            recordings.push(self.lone.recording(number, &standing, trail).await?);
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
                (self.lone.context.observer)(Event::Sweep(Swept {
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

    /// One action at one message.
    async fn attempt(&mut self, place: usize, round: u32, point: &Point, patience: Duration) -> Result<Trial, Cut> {
        let (began, from) = (Instant::now(), self.lone.context.recorder.now());
        let first = self.next_key();
        let planned = self.lone.hand.planned(first);
        self.lone.eyes.arm(Trigger::new(&point.message, point.manner, point.action));
        let (told, struck) = tokio::join!(self.lone.hand.carry_out(first), self.strike(point, patience));
        let mut note = struck?;
        let has_struck = self.lone.eyes.disarm();
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
        let is_late = !self.lone.is_through(&planned.id) && told.outcome == Outcome::Ok;
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
        self.lone.context.recorder.record(Entry::Strike(Strike {
            at: self.lone.context.recorder.now(),
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
            () = self.lone.context.cancellation.cancelled() => return Err(Cut::Interrupted),
            struck = timeout(patience, self.lone.eyes.struck()) => struck.is_ok(),
        };
        if !is_struck || !point.action.is_kill() {
            return Ok(None);
        }
        let instance = &point.message.client;
        self.services.kill(instance).await?;
        // What was on its way to or from it is gone with it.
        self.taps.thaw(instance);
        let open = self.lone.eyes.left_open_by(instance);
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
            let told = self.lone.hand.carry_out(number).await;
            let id = self.lone.hand.planned(number).id;
            if told.outcome == Outcome::Ok && self.lone.comes_through(&id, deadline).await? {
                return Ok(Some(id));
            }
            if Instant::now() >= deadline {
                break;
            }
            self.lone.pause(AGAIN_AFTER).await?;
        }
        Ok(None)
    }

    /// Starts every service anew, so that what is wrong with one of them does not spoil the next points.
    async fn renew(&self) -> Result<(), Cut> {
        let running: Vec<String> = self.services.processes().await.into_iter().map(|(name, _)| name).collect();
        for instance in self.lone.context.resolved.instances() {
            if running.contains(&instance.name) {
                self.services.kill(&instance.name).await?;
            }
            self.services.restart(&instance.name).await?;
        }
        Ok(())
    }

    fn next_key(&mut self) -> u64 {
        self.key += 1;
        (self.key - 1) * EACH
    }
}

/// What can be done at a message. Only what torn has started can be killed, and clients send no messages here.
fn points(place: usize, row: &MessageRow) -> impl Iterator<Item = (usize, Point)> {
    let is_service = row.message.client != CLIENTS;
    Action::of(row.manner)
        .filter(move |_| is_service)
        .map(move |action| (place, Point { message: row.message.clone(), manner: row.manner, action }))
}
