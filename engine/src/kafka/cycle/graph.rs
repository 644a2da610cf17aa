//! Operations and their dependencies, as numbers.

use std::ops::{BitOr, Range};

use crate::budget::Exhausted;

use super::super::history::{History, NONE, Row, Stage};
use super::super::judge::Precedence;
use super::super::ledger::Ledger;
use super::edge::Sources;

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
    /// By what each successor depends on the node.
    relations: Vec<Relations>,
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
        budget: &Ledger<'_>,
    ) -> Result<Self, Exhausted> {
        let history = sources.history;
        let mut held = (history.len() * 4 + rows.len() * 21) as u64;
        budget.hold(held)?;
        let data = Data::of(sources, &rows, budget)?;
        budget.hold(data.successors.len() as u64 * 13)?;
        held += data.successors.len() as u64 * 13;
        let mut graph = Self {
            successors: data.successors,
            relations: data.relations,
            ends: data.ends,
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

    /// What a node or a moment (numbered behind the nodes) leads to by some relations: the one at `cursor`, which is moved
    /// on.
    pub(super) fn successor(&self, node: Node, relations: Relations, cursor: &mut u32) -> Option<Node> {
        let count = self.len() as Node;
        if node >= count {
            let place = std::mem::replace(cursor, *cursor + 1);
            return self.after_moment(node - count, place);
        }
        let data = self.data(node);
        while data.start + (*cursor as usize) < data.end {
            let place = data.start + *cursor as usize;
            *cursor += 1;
            if self.relations[place].meets(relations) {
                return Some(self.successors[place]);
            }
        }
        let place = std::mem::replace(cursor, *cursor + 1);
        let is_ordered = relations.meets(Relations::REALTIME | Relations::PROCESS);
        if place as usize > data.len() || !self.is_ok[node as usize] || !is_ordered {
            return None;
        }
        match self.follower.get(node as usize) {
            Some(&follower) => Some(follower).filter(|&follower| follower != NONE),
            None => Some(count + node),
        }
    }

    fn data(&self, node: Node) -> Range<usize> {
        let start = if node == 0 { 0 } else { self.ends[node as usize - 1] };
        start as usize..self.ends[node as usize] as usize
    }

    /// The rows of some nodes.
    pub(super) fn rows(&self, nodes: &[Node]) -> Vec<Row> {
        nodes.iter().map(|&node| self.rows[node as usize]).collect()
    }

    /// The data dependencies between the nodes of a list in order.
    pub(super) fn edges_among<'a>(&'a self, nodes: &'a [Node]) -> impl Iterator<Item = (Node, Node, Relations)> + 'a {
        let of_node = |&node: &'a Node| self.data(node).map(move |place| (node, place));
        let edges = nodes.iter().flat_map(of_node);
        let edges = edges.map(|(from, place)| (from, self.successors[place], self.relations[place]));
        edges.filter(|(_, to, _)| nodes.binary_search(to).is_ok())
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
    pub(super) fn part(&self, nodes: &[Node], history: &History) -> Part {
        let number = |node: Node| nodes.binary_search(&node).ok().map(|place| place as Node);
        let known = |node: Node| number(node).expect("the node is one of the part");
        let data = self.edges_among(nodes).map(|(from, to, relations)| (known(from), known(to), relations));
        let mut edges: Vec<(Node, Node, Relations)> = data.collect();
        let rows = self.rows(nodes);
        if self.follower.is_empty() {
            realtime(history, &rows, &mut edges);
        } else {
            let follower = |&from: &Node| number(self.follower[from as usize]).map(|to| (known(from), to));
            edges.extend(nodes.iter().filter_map(follower).map(|(from, to)| (from, to, Relations::PROCESS)));
        }
        Part::of(rows, edges)
    }
}

/// The data dependencies between some rows: where each node leads, node after node, and where each one's end.
struct Data {
    successors: Vec<Node>,
    relations: Vec<Relations>,
    ends: Vec<u32>,
}

impl Data {
    fn of(sources: &Sources<'_>, rows: &[Row], budget: &Ledger<'_>) -> Result<Self, Exhausted> {
        let (first, last) = (rows.first().copied().unwrap_or(0), rows.last().copied().unwrap_or(0));
        let mut nodes = vec![NONE; (last - first) as usize + 1];
        for (node, &row) in rows.iter().enumerate() {
            nodes[(row - first) as usize] = node as Node;
        }
        let node_of = |row: Row| nodes.get(row.wrapping_sub(first) as usize).copied().unwrap_or(NONE);
        let mut edges: Vec<(Node, Node, Relations)> = Vec::new();
        for (to, &row) in rows.iter().enumerate() {
            budget.check_now_and_then(to)?;
            sources.each_into(row, |edge| {
                let edge = (node_of(edge.from), to as Node, edge.relations);
                if edge.0 != NONE && edges.last() != Some(&edge) {
                    edges.push(edge);
                }
            });
        }
        let mut ends = vec![0_u32; rows.len()];
        for &(from, ..) in &edges {
            ends[from as usize] += 1;
        }
        let mut total = 0;
        for end in &mut ends {
            total += std::mem::replace(end, total);
        }
        let (mut successors, mut relations) = (vec![NONE; edges.len()], vec![Relations::NONE; edges.len()]);
        for (from, to, by) in edges {
            let end = &mut ends[from as usize];
            (successors[*end as usize], relations[*end as usize]) = (to, by);
            *end += 1;
        }
        Ok(Self { successors, relations, ends })
    }
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
fn realtime(history: &History, rows: &[Row], edges: &mut Vec<(Node, Node, Relations)>) {
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
    for (_, is_completion, node) in events {
        if is_completion {
            let invoked = history.rows.invoked[rows[node as usize] as usize];
            let is_later = |other: &Node| invoked == NONE || completed(history, rows[*other as usize]) > invoked;
            uncovered.retain(is_later);
            uncovered.push(node);
        } else {
            edges.extend(uncovered.iter().map(|&other| (other, node, Relations::REALTIME)));
        }
    }
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
