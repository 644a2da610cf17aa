//! Which circles a strongly connected part shows: as `cycle-cases-in-scc` of `elle.txn`, the worst first, and none that a
//! worse one implies.

use std::collections::VecDeque;

use crate::budget::{Budget, Exhausted};

use super::super::history::Row;
use super::super::judge::Precedence;
use super::component;
use super::graph::{Node, Part, Relations};

/// At most so many paths are followed from one operation when a circle is looked for as Elle looks for it.
const PATHS_AT_MOST: usize = 4_096;

/// In larger parts any circle will do: Elle gives up there after a second.
const OPERATIONS_AT_MOST: usize = 512;

/// One circle of each kind that the part shows and no other implies.
pub(super) fn cycles(part: &Part, precedence: Precedence, budget: &Budget) -> Result<Vec<Vec<Row>>, Exhausted> {
    let ordered = super::added(precedence);
    let (ww, wr) = (Relations::WW, Relations::WR);
    let mut found = Vec::new();
    // A circle of sends alone implies all others.
    if let Some(cycle) = find(part, ww, Relations::NONE, budget)? {
        return Ok(vec![rows(part, &cycle)]);
    }
    let data = find(part, ww | wr, wr, budget)?;
    found.extend(data.as_deref().map(|cycle| rows(part, cycle)));
    let sends = find(part, ww | ordered, ordered, budget)?;
    found.extend(sends.as_deref().map(|cycle| rows(part, cycle)));
    if found.is_empty() {
        let all = find(part, ww | wr | ordered, wr | ordered, budget)?;
        found.extend(all.as_deref().map(|cycle| rows(part, cycle)));
    }
    Ok(found)
}

fn rows(part: &Part, cycle: &[Node]) -> Vec<Row> {
    cycle.iter().map(|&node| part.rows[node as usize]).collect()
}

/// A circle along `legal` relations that takes each of `wanted` at least once.
///
/// There is one wherever a component of the legal relations has a wanted edge, because the search is called in an order
/// that leaves no circle without: see `cycles`.
fn find(part: &Part, legal: Relations, wanted: Relations, budget: &Budget) -> Result<Option<Vec<Node>>, Exhausted> {
    let components = component::of_part(part, legal, budget)?;
    let Some(component) = components.first() else { return Ok(None) };
    if part.rows.len() <= OPERATIONS_AT_MOST {
        let all: Vec<Node> = (0..part.rows.len() as Node).collect();
        for &start in &all {
            budget.check()?;
            if let Some(cycle) = from(part, &all, start, legal, wanted) {
                return Ok(Some(cycle));
            }
        }
    }
    Ok(around(part, component, legal, wanted))
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
