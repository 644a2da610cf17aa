//! The dependencies that data show: who polled what whom sent, and what stands behind what in a log.

use crate::budget::Exhausted;

use super::super::history::{History, NONE, Row, Stage};
use super::super::ledger::Ledger;
use super::super::message::{Message, Messages};
use super::super::order::Orders;
use super::super::record::Function;
use super::Because;
use super::graph::Relations;

/// A dependency between two rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub(super) from: Row,
    pub(super) to: Row,
    pub(super) relations: Relations,
}

/// Where dependencies come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) history: &'a History,
    pub(super) messages: &'a Messages,
    pub(super) orders: &'a Orders,
    pub(super) ww_deps: bool,
}

impl Sources<'_> {
    /// Whether a row is an operation that may depend on others.
    fn is_node(&self, row: Row) -> bool {
        self.history.stage(row) != Stage::Invoke
            && matches!(self.history.function(row), Function::Send | Function::Poll | Function::Txn)
    }

    /// Calls `take` with every dependency that leads to a row, some more than once.
    pub(super) fn each_into(&self, row: Row, mut take: impl FnMut(Edge)) {
        for poll in self.history.reads(row) {
            for &message in &self.messages.of_pair[self.history.pairs(poll)] {
                let writer = self.messages.writer[message as usize];
                if writer != NONE && writer != row {
                    take(Edge { from: writer, to: row, relations: Relations::WR });
                }
            }
        }
        if !self.ww_deps {
            return;
        }
        for &message in &self.messages.of_send[self.history.writes(row)] {
            let Some(before) = self.before(message) else { continue };
            let from = self.messages.writer[before as usize];
            if self.messages.writer[message as usize] == row && from != NONE && from != row {
                take(Edge { from, to: row, relations: Relations::WW });
            }
        }
    }

    /// The message right before another in the log (`previous-value`).
    fn before(&self, message: Message) -> Option<Message> {
        let index = self.orders.index[message as usize];
        if index == NONE || index == 0 {
            return None;
        }
        let key = self.messages.key[message as usize];
        Some(self.orders.chosen(key)[index as usize - 1])
    }

    /// The rows between the ends of dependencies that lead backward, in order.
    pub(super) fn nodes_in_reach(&self, budget: &Ledger<'_>) -> Result<Vec<Row>, Exhausted> {
        let (mut nodes, mut reach) = (Vec::new(), 0);
        for row in 0..self.history.len() as Row {
            budget.check_now_and_then(row as usize)?;
            if self.is_node(row) {
                self.each_into(row, |edge| reach = reach.max(edge.from));
                if reach > row || nodes.last().is_some_and(|_| reach == row) {
                    nodes.push(row);
                }
            }
        }
        Ok(nodes)
    }

    /// What data show for `from` coming before `to`.
    pub(super) fn because(&self, from: Row, to: Row) -> Option<Because> {
        let writer = |message: Message| self.messages.writer[message as usize];
        let sent = self.messages.of_send[self.history.writes(to)].iter().find_map(|&after| {
            let before = self.before(after).filter(|_| self.ww_deps && writer(after) == to)?;
            (writer(before) == from).then_some(Because::Sent { before, after })
        });
        sent.or_else(|| {
            let mut polled = self.history.reads(to).flat_map(|poll| self.history.pairs(poll));
            polled.find_map(|pair| {
                let message = self.messages.of_pair[pair];
                (writer(message) == from).then_some(Because::Polled { message })
            })
        })
    }
}
