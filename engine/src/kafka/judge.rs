//! The whole judgement, in order.

use std::thread;

use serde_json::{Map, Value as Json};

use crate::budget::{Budget, Exhausted};
use crate::verdict::{EXAMPLES_AT_MOST, Judgement, Verdict};

use super::explain::Explainer;
use super::finding::Found;
use super::history::History;
use super::kind::{Kind, Kinds};
use super::ledger::Ledger;
use super::message::Messages;
use super::order::Orders;
use super::{cycle, lag, log, poll, read, send};

/// In a smaller history a second thread costs more than it saves.
const ROWS_FOR_A_THREAD: usize = 10_000;

/// How a history is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The kinds that make a history invalid; `None`: Jepsen's, see [`Kinds::deciding`]. All kinds are always reported.
    pub deciding: Option<Kinds>,
    /// Whether the order of messages in a log counts as a dependency between their senders when cycles are looked for;
    /// on by default, as on the command line of Jepsen's tests of Kafka and Redpanda.
    pub ww_deps: bool,
    /// Which order between operations counts beside their data when cycles are looked for.
    pub precedence: Precedence,
    /// How many examples of a kind are kept.
    pub examples: usize,
}

/// An order between operations that does not depend on what they did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precedence {
    /// One succeeded before the other was invoked: what Jepsen takes.
    #[default]
    Realtime,
    /// One process ran one and then the other, both with success.
    Process,
}

impl Default for Options {
    fn default() -> Self {
        Self { deciding: None, ww_deps: true, precedence: Precedence::default(), examples: EXAMPLES_AT_MOST }
    }
}

impl History {
    /// Judges the history. Beyond the budget the verdict is unknown, with the budget's sentence as reason.
    pub fn judge(mut self, options: &Options, budget: &Budget) -> Judgement {
        self.seal();
        self.judged(options, &Ledger::new(budget)).unwrap_or_else(|exhausted| Judgement::unknown(exhausted.to_string()))
    }

    fn judged(&self, options: &Options, budget: &Ledger<'_>) -> Result<Judgement, Exhausted> {
        let messages = Messages::of(self, budget)?;
        let orders = Orders::of(self, &messages, budget)?;
        let (found, lag) = self.find(&messages, &orders, options, budget)?;
        let deciding = options.deciding.unwrap_or_else(|| Kinds::deciding(self.subscribed));
        let explainer = Explainer { history: self, messages: &messages, orders: &orders };
        let anomalies: Vec<_> =
            Kind::ALL.into_iter().filter_map(|kind| explainer.anomaly(kind, found.of(kind), deciding)).collect();
        let is_invalid = anomalies.iter().any(|anomaly| anomaly.decides);
        Ok(Judgement {
            verdict: if is_invalid { Verdict::Invalid } else { Verdict::Valid },
            reasons: Vec::new(),
            anomalies,
            figures: Map::from_iter([("worst-realtime-lag".to_owned(), lag)]),
            picture: None,
        })
    }

    /// Runs the checks, which do not depend on each other, on two threads.
    fn find(
        &self,
        messages: &Messages,
        orders: &Orders,
        options: &Options,
        budget: &Ledger<'_>,
    ) -> Result<(Found, Json), Exhausted> {
        let polls = || {
            let mut found = Found::new(options.examples);
            poll::within(self, messages, orders, &mut found, budget)?;
            poll::across(self, messages, orders, &mut found, budget)?;
            read::aborted(self, messages, &mut found, budget)?;
            read::precommitted(self, messages, &mut found, budget)?;
            cycle::check(self, messages, orders, options, &mut found, budget)?;
            Ok(found)
        };
        let sends = || {
            let mut found = Found::new(options.examples);
            log::check(self, messages, orders, &mut found, budget)?;
            send::within(self, messages, orders, &mut found, budget)?;
            send::across(self, messages, orders, &mut found, budget)?;
            Ok((found, lag::worst(self, budget)?))
        };
        let (polls, sends) = if self.len() < ROWS_FOR_A_THREAD {
            (polls(), sends())
        } else {
            thread::scope(|scope| {
                let polls = scope.spawn(polls);
                let sends = sends();
                (polls.join().expect("a check does not panic"), sends)
            })
        };
        let (mut found, lag) = sends?;
        found.merge(polls?);
        Ok((found, lag))
    }
}
