//! Dependencies between operations that go round.
//!
//! As `cycles!` of `jepsen.tests.kafka`, with the search of `elle.txn`: an operation comes before another if what it sent
//! was polled there (wr), if it sent what stands right before what the other sent (ww, on request), and if it had
//! succeeded before the other was invoked (realtime). Operations that come before each other in a circle are an anomaly:
//! with ww alone `g0`, with wr `g1c`, and with realtime `…-realtime`.
//!
//! Elle builds the whole graph. Here almost all of it is left out: rows stand in the order of their completion, and
//! realtime leads forward in it, so a circle must take a dependency backward, from an operation that completed later.
//! Whatever circles there are lie where such [`edge::Edge`]s reach; a history without any has none.

mod component;
mod edge;
mod graph;
mod search;

use crate::budget::Exhausted;

use super::finding::{Found, Item};
use super::history::{History, Row};
use super::judge::{Options, Precedence};
use super::kind::Kind;
use super::ledger::Ledger;
use super::message::{Message, Messages};
use super::order::Orders;

use graph::{Graph, Relations};

/// Why an operation comes before the next one of a circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) row: Row,
    pub(super) because: Because,
}

/// A dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Because {
    /// It sent what stands right before what the other sent.
    Sent { before: Message, after: Message },
    /// The other polled what it sent.
    Polled { message: Message },
    /// It succeeded before the other was invoked.
    Realtime,
    /// One process ran it and then the other.
    Process,
}

pub(super) fn check(
    history: &History,
    messages: &Messages,
    orders: &Orders,
    options: &Options,
    found: &mut Found,
    budget: &Ledger<'_>,
) -> Result<(), Exhausted> {
    let sources = edge::Sources { history, messages, orders, ww_deps: options.ww_deps };
    let nodes = sources.nodes_in_reach(budget)?;
    if nodes.is_empty() {
        return Ok(());
    }
    let graph = Graph::of(&sources, nodes, options.precedence, budget)?;
    let all = Relations::WW | Relations::WR | added(options.precedence);
    for component in component::of_graph(&graph, all, budget)? {
        budget.check()?;
        for cycle in search::cycles(&graph, &component, &sources, options.precedence, budget)? {
            let steps = steps(&sources, &cycle, options.precedence);
            found.add(kind(&steps), Item::Cycle { steps });
        }
    }
    budget.release(graph.held());
    Ok(())
}

/// Explains each step: by the data if they can, else by the order of operations.
fn steps(sources: &edge::Sources<'_>, cycle: &[Row], precedence: Precedence) -> Vec<Step> {
    let next = cycle.iter().cycle().skip(1);
    let steps = cycle.iter().zip(next).map(|(&row, &next)| {
        let otherwise = match precedence {
            Precedence::Realtime => Because::Realtime,
            Precedence::Process => Because::Process,
        };
        Step { row, because: sources.because(row, next).unwrap_or(otherwise) }
    });
    steps.collect()
}

/// What a circle is, by its steps.
fn kind(steps: &[Step]) -> Kind {
    let has = |is: fn(&Because) -> bool| steps.iter().any(|step| is(&step.because));
    let polled = has(|because| matches!(because, Because::Polled { .. }));
    let (realtime, process) = (has(|it| *it == Because::Realtime), has(|it| *it == Because::Process));
    match (polled, realtime, process) {
        (false, true, _) => Kind::G0Realtime,
        (false, false, true) => Kind::G0Process,
        (false, false, false) => Kind::G0,
        (true, true, _) => Kind::G1cRealtime,
        (true, false, true) => Kind::G1cProcess,
        (true, false, false) => Kind::G1c,
    }
}

/// The relations that an order of operations adds.
fn added(precedence: Precedence) -> Relations {
    match precedence {
        Precedence::Realtime => Relations::REALTIME,
        Precedence::Process => Relations::PROCESS,
    }
}
