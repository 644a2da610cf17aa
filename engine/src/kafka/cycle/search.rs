//! Which circles a strongly connected part shows: as `cycle-cases-in-scc` of `elle.txn`, the worst first, and none that a
//! worse one implies.

use std::cmp::Reverse;
use std::collections::VecDeque;

use crate::budget::Exhausted;

use super::super::history::Row;
use super::super::judge::Precedence;
use super::super::ledger::Ledger;
use super::component;
use super::edge::Sources;
use super::graph::{Graph, Node, Part, Relations};

/// At most so many paths are followed from one operation when a circle is looked for as Elle looks for it.
const PATHS_AT_MOST: usize = 4_096;

/// In larger parts any short circle will do: Elle gives up there after a second.
const OPERATIONS_AT_MOST: usize = 512;

/// From so many dependencies a way round is looked for in a large part.
const EDGES_AT_MOST: usize = 8;

/// One circle of each kind that a component shows and no other implies.
pub(super) fn cycles(
    graph: &Graph,
    component: &[Node],
    sources: &Sources<'_>,
    precedence: Precedence,
    budget: &Ledger<'_>,
) -> Result<Vec<Vec<Row>>, Exhausted> {
    if component.len() <= OPERATIONS_AT_MOST {
        let part = graph.part(component, sources.history);
        return worst_first(precedence, |legal, wanted| small(&part, legal, wanted, budget));
    }
    let part = Graph::of(sources, graph.rows(component), precedence, budget)?;
    let found = worst_first(precedence, |legal, wanted| large(&part, legal, wanted, budget))?;
    budget.release(part.held());
    Ok(found)
}

/// Asks for circles along legal relations that take each of the wanted ones at least once, in an order in which a component
/// of the legal relations has none without: first of sends alone, which implies all others.
fn worst_first(
    precedence: Precedence,
    find: impl Fn(Relations, Relations) -> Result<Option<Vec<Row>>, Exhausted>,
) -> Result<Vec<Vec<Row>>, Exhausted> {
    let ordered = super::added(precedence);
    let (ww, wr) = (Relations::WW, Relations::WR);
    if let Some(cycle) = find(ww, Relations::NONE)? {
        return Ok(vec![cycle]);
    }
    let mut found = Vec::new();
    found.extend(find(ww | wr, wr)?);
    found.extend(find(ww | ordered, ordered)?);
    if found.is_empty() {
        found.extend(find(ww | wr | ordered, wr | ordered)?);
    }
    Ok(found)
}

/// A circle in a small part, looked for as Elle does.
fn small(part: &Part, legal: Relations, wanted: Relations, budget: &Ledger<'_>) -> Result<Option<Vec<Row>>, Exhausted> {
    let components = component::of_part(part, legal, budget)?;
    let Some(component) = components.first() else { return Ok(None) };
    let all: Vec<Node> = (0..part.rows.len() as Node).collect();
    let mut found = None;
    for &start in &all {
        budget.check()?;
        found = from(part, &all, start, legal, wanted);
        if found.is_some() {
            break;
        }
    }
    let found = found.or_else(|| around(part, component, legal, wanted));
    Ok(found.map(|cycle| cycle.iter().map(|&node| part.rows[node as usize]).collect()))
}

/// A short circle in a large part: of the dependencies that lead back furthest, the one with the shortest way round.
fn large(
    graph: &Graph,
    legal: Relations,
    wanted: Relations,
    budget: &Ledger<'_>,
) -> Result<Option<Vec<Row>>, Exhausted> {
    let components = component::of_graph(graph, legal, budget)?;
    let Some(component) = components.first() else { return Ok(None) };
    // Time alone never goes round: any circle here takes a data dependency, and all else that is wanted.
    let data = if wanted.meets(Relations::WR) { Relations::WR } else { legal };
    let mut edges: Vec<(Node, Node, Relations)> = graph.edges_among(component).collect();
    edges.retain(|(_, _, by)| by.meets(data) && by.meets(legal));
    edges.sort_by_key(|&(from, to, _)| Reverse(from.saturating_sub(to)));
    let mut best: Option<Vec<Node>> = None;
    for &(from, to, _) in edges.iter().take(EDGES_AT_MOST) {
        budget.check()?;
        let cycle = way(graph, component, to, from, legal);
        if best.as_ref().is_none_or(|best| cycle.len() < best.len()) {
            best = Some(cycle);
        }
    }
    Ok(best.map(|cycle| graph.rows(&cycle)))
}

/// The operations of a short way from one to another of the same component; moments do not count.
fn way(graph: &Graph, component: &[Node], start: Node, goal: Node, legal: Relations) -> Vec<Node> {
    let nodes = graph.len() as Node;
    let mut before = vec![Node::MAX; graph.nodes_and_moments()];
    let mut queue = VecDeque::from([start]);
    before[start as usize] = start;
    while before[goal as usize] == Node::MAX {
        let node = queue.pop_front().expect("the nodes of a component reach each other");
        let mut cursor = 0;
        while let Some(next) = graph.successor(node, legal, &mut cursor) {
            let is_inside = next >= nodes || component.binary_search(&next).is_ok();
            if is_inside && before[next as usize] == Node::MAX {
                before[next as usize] = node;
                if next >= nodes { queue.push_front(next) } else { queue.push_back(next) }
            }
        }
    }
    let way = std::iter::successors(Some(goal), |&node| Some(before[node as usize]).filter(|_| node != start));
    let mut way: Vec<Node> = way.filter(|&node| node < nodes).collect();
    way.reverse();
    way
}

/// A path in the making: its last node, where the rest of it is, and which relations it still lacks.
#[derive(Clone, Copy)]
struct Path {
    node: Node,
    before: usize,
    wanted: Relations,
}

/// The circle that is closed first by paths from one operation, as `search-from-op` of `elle.bfs`: level by level; the first
/// step takes a wanted relation; where a path runs into its own middle the circle there is searched alone.
fn from(part: &Part, among: &[Node], start: Node, legal: Relations, wanted: Relations) -> Option<Vec<Node>> {
    let mut paths = vec![Path { node: start, before: usize::MAX, wanted }];
    let mut next = 0;
    while next < paths.len() && paths.len() < PATHS_AT_MOST {
        let path = paths[next];
        let before = nodes(&paths, path.before);
        if let Some(pin) = before.iter().position(|&node| node == path.node) {
            if path.wanted == Relations::NONE {
                let cycle = &before[pin..];
                if pin == 0 {
                    return Some(cycle.to_vec());
                }
                let mut members = cycle.to_vec();
                members.sort_unstable();
                if members.len() < among.len() {
                    let trimmed = cycle.iter().find_map(|&start| from(part, &members, start, legal, wanted));
                    if trimmed.is_some() {
                        return trimmed;
                    }
                }
            }
        } else {
            for &(to, relations) in part.edges(path.node) {
                if among.binary_search(&to).is_err() {
                    continue;
                }
                let is_first = path.before == usize::MAX;
                step(relations, legal, path.wanted, is_first, |wanted| {
                    paths.push(Path { node: to, before: next, wanted });
                });
            }
        }
        next += 1;
    }
    None
}

/// Takes an edge once by each wanted relation that it has, and once by any other legal one.
fn step(relations: Relations, legal: Relations, wanted: Relations, is_first: bool, mut take: impl FnMut(Relations)) {
    for one in [Relations::WW, Relations::WR, Relations::PROCESS, Relations::REALTIME] {
        if relations.meets(one) && wanted.meets(one) {
            take(wanted.without(one));
        }
    }
    if is_first && wanted != Relations::NONE {
        return;
    }
    if relations.meets(legal.without(wanted)) {
        take(wanted);
    }
}

/// The nodes of a path, from its start.
fn nodes(paths: &[Path], mut last: usize) -> Vec<Node> {
    let mut nodes = Vec::new();
    while let Some(path) = paths.get(last) {
        nodes.push(path.node);
        last = path.before;
    }
    nodes.reverse();
    nodes
}

/// A shortest circle through some edge of a component that is wanted.
fn around(part: &Part, component: &[Node], legal: Relations, wanted: Relations) -> Option<Vec<Node>> {
    let any = if wanted == Relations::NONE { legal } else { wanted };
    let is_member = |node: Node| component.binary_search(&node).is_ok();
    let mut edges = component.iter().flat_map(|&from| part.edges(from).iter().map(move |&(to, by)| (from, to, by)));
    let (from, to, _) = edges.find(|&(_, to, by)| by.meets(any) && is_member(to))?;
    let mut before = vec![Node::MAX; part.rows.len()];
    let mut queue = VecDeque::from([to]);
    before[to as usize] = to;
    while let Some(node) = queue.pop_front() {
        if node == from {
            let mut cycle = vec![node];
            while *cycle.last().expect("it holds a node") != to {
                cycle.push(before[*cycle.last().expect("it holds a node") as usize]);
            }
            cycle.reverse();
            return Some(cycle);
        }
        for &(next, by) in part.edges(node) {
            if by.meets(legal) && is_member(next) && before[next as usize] == Node::MAX {
                before[next as usize] = node;
                queue.push_back(next);
            }
        }
    }
    None
}
