//! Operations and their dependencies, as numbers.

use std::ops::BitOr;

use crate::budget::{Budget, Exhausted};

use super::super::history::{History, NONE, Row, Stage};
use super::super::judge::Precedence;
use super::super::message::ROWS_BETWEEN_CHECKS;
use super::edge::{Edge, Sources};

/// A set of kinds of dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Relations(u8);

impl Relations {
    pub(super) const WW: Self = Self(1);
    pub(super) const WR: Self = Self(2);
    pub(super) const REALTIME: Self = Self(4);
    pub(super) const PROCESS: Self = Self(8);
    pub(super) const NONE: Self = Self(0);

    pub(super) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for Relations {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A node's number, dense from 0.
pub(super) type Node = u32;

/// The operations in reach of circles. Data dependencies are listed; realtime is not, it would be the largest part by far:
/// behind each node stands a moment, its completion, that leads to the next moment and to whatever is invoked between.
#[derive(Debug)]
pub(super) struct Graph {
    rows: Vec<Row>,
    successors: Vec<Node>,
    ends: Vec<u32>,
    /// For process order: the next successful operation of the same process.
    follower: Vec<Node>,
    /// For realtime: the nodes in the order of their invocations, and for each moment the first one behind it.
    invoked: Vec<Node>,
    moments: Vec<u32>,
    is_ok: Vec<bool>,
    held: u64,
}

impl Graph {
    /// The graph of some rows, which stand in order.
    pub(super) fn of(
        sources: &Sources<'_>,
        rows: Vec<Row>,
        precedence: Precedence,
        budget: &Budget,
    ) -> Result<Self, Exhausted> {
        let history = sources.history;
        let mut held = (history.len() * 4 + rows.len() * 21) as u64;
        budget.hold(held)?;
        let (successors, ends) = data(sources, &rows, budget)?;
        budget.hold(successors.len() as u64 * 12)?;
        held += successors.len() as u64 * 12;
        let mut graph = Self {
            successors,
            ends,
            follower: Vec::new(),
            invoked: Vec::new(),
            moments: Vec::new(),
            is_ok: rows.iter().map(|&row| history.stage(row) == Stage::Ok).collect(),
            rows,
            held,
        };
        match precedence {
            Precedence::Realtime => graph.order_by_time(history),
            Precedence::Process => graph.follower = followers(history, &graph.rows),
        }
        Ok(graph)
    }

    fn order_by_time(&mut self, history: &History) {
        let invoked = |row: Row| history.rows.invoked[row as usize];
        let nodes = self.rows.iter().enumerate().filter(|&(_, &row)| invoked(row) != NONE);
        let mut order: Vec<(u32, Node)> = nodes.map(|(node, &row)| (invoked(row), node as Node)).collect();
        order.sort_unstable();
        // Rows stand in the order of completion, so that one pass over both lists is enough.
        let mut first = 0;
        for &row in &self.rows {
            let completed = completed(history, row);
            while order.get(first).is_some_and(|&(invoked, _)| invoked <= completed) {
                first += 1;
            }
            self.moments.push(first as u32);
        }
        self.invoked = order.into_iter().map(|(_, node)| node).collect();
    }

    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// How many nodes there are, moments not counted.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many nodes and moments there are.
    pub(super) fn nodes_and_moments(&self) -> usize {
        self.len() + self.moments.len()
    }

    /// What a node or a moment (numbered behind the nodes) leads to: the one at `cursor`, which is moved on.
    pub(super) fn successor(&self, node: Node, cursor: &mut u32) -> Option<Node> {
        let count = self.len() as Node;
        let place = std::mem::replace(cursor, *cursor + 1);
        if node >= count {
            return self.after_moment(node - count, place);
        }
        let start = if node == 0 { 0 } else { self.ends[node as usize - 1] };
        let data = self.ends[node as usize] - start;
        if place < data {
            return Some(self.successors[(start + place) as usize]);
        }
        if place > data || !self.is_ok[node as usize] {
            return None;
        }
        match self.follower.get(node as usize) {
            Some(&follower) => Some(follower).filter(|&follower| follower != NONE),
            None => Some(count + node),
        }
    }

    fn after_moment(&self, moment: Node, place: u32) -> Option<Node> {
        let next = moment + 1;
        let has_next = (next as usize) < self.len();
        if has_next && place == 0 {
            return Some(self.len() as Node + next);
        }
        let first = self.moments[moment as usize] + place - u32::from(has_next);
        let end = if has_next { self.moments[next as usize] } else { self.invoked.len() as u32 };
        (first < end).then(|| self.invoked[first as usize])
    }

    /// A part of the graph, with all dependencies between its nodes, realtime listed too (its transitive reduction).
    pub(super) fn part(&self, nodes: &[Node], sources: &Sources<'_>, budget: &Budget) -> Result<Part, Exhausted> {
        let rows: Vec<Row> = nodes.iter().map(|&node| self.rows[node as usize]).collect();
        let number = |row: Row| rows.binary_search(&row).ok().map(|place| place as Node);
        let mut edges: Vec<(Node, Node, Relations)> = Vec::new();
        for &node in nodes {
            let start = if node == 0 { 0 } else { self.ends[node as usize - 1] };
            for &to in &self.successors[start as usize..self.ends[node as usize] as usize] {
                let (from_row, to_row) = (self.rows[node as usize], self.rows[to as usize]);
                if let (Some(from), Some(to)) = (number(from_row), number(to_row)) {
                    edges.push((from, to, sources.relations(from_row, to_row)));
                }
            }
            let follower = self.follower.get(node as usize).filter(|&&follower| follower != NONE);
            if let Some(to) = follower.and_then(|&follower| number(self.rows[follower as usize])) {
                let from = number(self.rows[node as usize]).expect("the node is one of the part");
                edges.push((from, to, Relations::PROCESS));
            }
        }
        if !self.moments.is_empty() {
            realtime(sources.history, &rows, &mut edges, budget)?;
        }
        Ok(Part::of(rows, edges))
    }
}

/// The data dependencies between some rows: where each node leads, node after node, and where each one's end.
fn data(sources: &Sources<'_>, rows: &[Row], budget: &Budget) -> Result<(Vec<Node>, Vec<u32>), Exhausted> {
    let mut nodes = vec![NONE; sources.history.len()];
    for (node, &row) in rows.iter().enumerate() {
        nodes[row as usize] = node as Node;
    }
    let mut edges: Vec<(Node, Node)> = Vec::new();
    for (to, &row) in rows.iter().enumerate() {
        if to.is_multiple_of(ROWS_BETWEEN_CHECKS) {
            budget.check()?;
        }
        sources.each_into(row, |edge| {
            let from = nodes[edge.from as usize];
            if from != NONE && edges.last() != Some(&(from, to as Node)) {
                edges.push((from, to as Node));
            }
        });
    }
    let mut ends = vec![0_u32; rows.len()];
    for &(from, _) in &edges {
        ends[from as usize] += 1;
    }
    let mut total = 0;
    for end in &mut ends {
        total += std::mem::replace(end, total);
    }
    let mut successors = vec![NONE; edges.len()];
    for (from, to) in edges {
        let end = &mut ends[from as usize];
        successors[*end as usize] = to;
        *end += 1;
    }
    Ok((successors, ends))
}

/// The ordinal at which an operation completed; one that never did completes behind everything.
fn completed(history: &History, row: Row) -> u32 {
    if history.stage(row) == Stage::Open { NONE } else { history.rows.place[row as usize].ordinal }
}

/// The next successful operation of the same process, among some rows.
fn followers(history: &History, rows: &[Row]) -> Vec<Node> {
    let mut last = vec![NONE; history.processes.len()];
    let mut followers = vec![NONE; rows.len()];
    for (node, &row) in rows.iter().enumerate() {
        if history.stage(row) == Stage::Ok {
            let last = &mut last[history.rows.process[row as usize] as usize];
            if let Some(follower) = followers.get_mut(*last as usize) {
                *follower = node as Node;
            }
            *last = node as Node;
        }
    }
    followers
}

/// The transitive reduction of realtime, as `realtime-graph` of `elle.core`: an invocation comes after every success that
/// no other success, invoked later than it, covers.
fn realtime(
    history: &History,
    rows: &[Row],
    edges: &mut Vec<(Node, Node, Relations)>,
    budget: &Budget,
) -> Result<(), Exhausted> {
    let mut events: Vec<(u32, bool, Node)> = Vec::with_capacity(2 * rows.len());
    for (node, &row) in rows.iter().enumerate() {
        let invoked = history.rows.invoked[row as usize];
        if invoked != NONE {
            events.push((invoked, false, node as Node));
        }
        if history.stage(row) == Stage::Ok {
            events.push((completed(history, row), true, node as Node));
        }
    }
    events.sort_unstable();
    let mut uncovered: Vec<Node> = Vec::new();
    let mut held = 0;
    for (_, is_completion, node) in events {
        if is_completion {
            let invoked = history.rows.invoked[rows[node as usize] as usize];
            let is_later = |other: &Node| invoked == NONE || completed(history, rows[*other as usize]) > invoked;
            uncovered.retain(is_later);
            uncovered.push(node);
        } else {
            edges.extend(uncovered.iter().map(|&other| (other, node, Relations::REALTIME)));
            if edges.capacity() > held {
                budget.check()?;
                budget.hold(((edges.capacity() - held) * 12) as u64)?;
                held = edges.capacity();
            }
        }
    }
    budget.release(held as u64 * 12);
    Ok(())
}

/// A strongly connected part, small enough for all its edges.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) rows: Vec<Row>,
    edges: Vec<(Node, Relations)>,
    ends: Vec<u32>,
}

impl Part {
    fn of(rows: Vec<Row>, mut all: Vec<(Node, Node, Relations)>) -> Self {
        all.sort_unstable();
        all.dedup_by(|next, kept| {
            let is_same = (next.0, next.1) == (kept.0, kept.1);
            if is_same {
                kept.2 = kept.2 | next.2;
            }
            is_same
        });
        let mut ends = vec![0; rows.len()];
        for (place, &(from, ..)) in all.iter().enumerate() {
            ends[from as usize] = place as u32 + 1;
        }
        for node in 1..ends.len() {
            ends[node] = ends[node].max(ends[node - 1]);
        }
        Self { rows, edges: all.into_iter().map(|(_, to, relations)| (to, relations)).collect(), ends }
    }

    /// Where a node leads, and by what.
    pub(super) fn edges(&self, node: Node) -> &[(Node, Relations)] {
        let start = if node == 0 { 0 } else { self.ends[node as usize - 1] };
        &self.edges[start as usize..self.ends[node as usize] as usize]
    }
}

impl Sources<'_> {
    /// By which data one row comes before another.
    fn relations(&self, from: Row, to: Row) -> Relations {
        let mut relations = Relations::NONE;
        self.each_into(to, |edge: Edge| {
            if edge.from == from {
                relations = relations | edge.relations;
            }
        });
        relations
    }
}
